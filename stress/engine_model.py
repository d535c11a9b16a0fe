"""What the engine's intrinsics mean to the model checker: the `model` of every scenario of ours."""

from engine.memory import addresses, atomics, pointers

ENGINE_MODEL = {
    atomics.load_acquire: ("load", "acquire"),
    atomics.load_relaxed: ("load", "relaxed"),
    atomics.store_release: ("store", "release"),
    atomics.store_relaxed: ("store", "relaxed"),
    atomics.fetch_add: ("add", "relaxed"),
    atomics.compare_swap: ("compare_swap", "acq_rel", "acquire"),
    atomics.fence_acquire: ("fence", "acquire"),
    atomics.fence_release: ("fence", "release"),
    atomics.fence_program: ("ignored",),  # For the compiler; the death of a process is ordered.
    atomics.pause: ("pause",),
    pointers.pointer: ("pointer",),
    pointers.shifted: ("shifted",),
    addresses.words_at: ("words_at",),
    pointers.prefetch: ("ignored",),
    pointers.prefetch_write: ("ignored",),
}
