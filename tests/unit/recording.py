"""Words that say in which order they were accessed, and how: for tests of the order of stores.

Kernels run as plain Python, with the atomics of their module replaced by twins that tell. What is
told is ("store", index) of a plain store, ("store_release", index), ("fence_program",) and so on;
plain loads only where they are asked for.
"""

import numpy as np

ACCESSES = ("load_acquire", "load_relaxed", "store_release", "store_relaxed", "compare_swap")
FENCES = ("fence_acquire", "fence_release", "fence_program")


class Recorded(np.ndarray):
    """Words that tell of their plain stores, by their place behind `first`."""

    told: list

    def __array_finalize__(self, parent):
        """Have all views tell the same."""
        self.told = getattr(parent, "told", None)
        self.first = getattr(parent, "first", 0)

    def place(self, index):
        """Return the place of an element, or of a slice's first, in the words recorded."""
        if isinstance(index, slice):
            index = index.start or 0
        return (self.__array_interface__["data"][0] - self.first) // 8 + int(index)

    def __setitem__(self, index, value):
        """Store, and tell."""
        self.told.append(("store", self.place(index)))
        super().__setitem__(index, value)


def recorded(words: np.ndarray, monkeypatch, *modules) -> Recorded:
    """Return the words, recorded; the atomics of modules tell as well, for this test."""
    seen = words.view(Recorded)
    seen.told, seen.first = [], words.__array_interface__["data"][0]
    for module in modules:
        for name in ACCESSES:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, _access(name, getattr(module, name), seen))
        for name in FENCES:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, _fence(name, seen))
    return seen


def _access(name, twin, seen):
    def access(words, index, *values):
        own = words if isinstance(words, Recorded) else words.view(Recorded)
        if own.told is None:
            own.told, own.first = seen.told, seen.first
        own.told.append((name, own.place(index)))
        return twin(words.view(np.ndarray), index, *values)

    return access


def _fence(name, seen):
    return lambda: seen.told.append((name,))
