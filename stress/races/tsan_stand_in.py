"""What kernels call of libtsan, made to do nothing more than the access itself.

For a process that compiles kernels for another one, which has libtsan: under it a compiler is
many times slower, for every byte that it takes or gives back is written down.
"""

import llvmlite.binding as llvm

from stress.races.tsan_code import FETCHED, TsanBackEnd

_ATOMIC = {
    "load": "%r = load atomic {kind}, ptr %0 seq_cst, align {size}\n  ret {kind} %r",
    "store": "store atomic {kind} %1, ptr %0 seq_cst, align {size}\n  ret void",
    "compare_exchange_val": "%p = cmpxchg ptr %0, {kind} %1, {kind} %2 seq_cst seq_cst\n"
    "  %r = extractvalue {{ {kind}, i1 }} %p, 0\n  ret {kind} %r",
}
_ATOMIC |= {
    name: f"%r = atomicrmw {operation} ptr %0, {{kind}} %1 seq_cst\n  ret {{kind}} %r"
    for operation, name in FETCHED.items()
}
_BITS_MAX = 64  # Wider ones are calls on some machines; nothing that is compiled apart has them.


def stand_in() -> object:
    """Define libtsan's functions in this process; they last as long as what is returned."""
    bodies, names = [], []
    for declared in TsanBackEnd().declarations():
        if not declared.startswith("declare "):
            continue
        name = declared.partition("@")[2].partition("(")[0]
        names.append(name)
        bodies.append(f"{declared.replace('declare', 'define', 1)} {{\n  {_body(name)}\n}}")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly("\n".join(["declare void @llvm.trap()", *bodies]))
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    for name in names:
        llvm.add_symbol(name, engine.get_function_address(name))
    return engine


def _body(name: str) -> str:
    """Return what a function does."""
    bits, _, operation = name.removeprefix("__tsan_atomic").partition("_")
    if operation not in _ATOMIC:
        return "ret void" if name != "__tsan_atomic_thread_fence" else "fence seq_cst\n  ret void"
    if int(bits) > _BITS_MAX:
        return "call void @llvm.trap()\n  unreachable"
    return _ATOMIC[operation].format(kind=f"i{bits}", size=int(bits) // 8)
