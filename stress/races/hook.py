"""Put a rewriter between numba's optimisation and its code generation.

numba optimises a module (CPUCodeLibrary._optimize_final_module), keeps it for callers to link
(_get_module_for_linking) and generates code from it. The hook rewrites what code is generated from
and hands out the clean module to callers, or an inlined callee would be instrumented twice. The
code is that which is shipped: same passes, same inlining, no bounds checks; only lines are added.

Nothing instrumented goes to the cache on disk, and nothing clean comes from it; where a back end's
code may be kept, it has a place of its own (kept_code.py).
"""

import contextlib
import os
from collections.abc import Iterator

import llvmlite.binding as llvm
import numba
from numba.core import caching, codegen, cpu
from numba.core.registry import cpu_target

from stress.races.access import BackEnd
from stress.races.kept_code import KeptSites, keep_code
from stress.races.rewriter import Rewriter


class HookError(Exception):
    """The hook came too late, or twice."""


class Hook:
    """An installed rewriter: `rewriter` has the sites and the counts."""

    def __init__(self, back_end: BackEnd) -> None:
        self.rewriter = Rewriter(back_end)
        self.suspended = False
        self.modules = 0

    @contextlib.contextmanager
    def clean(self) -> Iterator[None]:
        """Compile what is called or decorated inside without instrumenting it."""
        before, self.suspended = self.suspended, True
        try:
            yield
        finally:
            self.suspended = before

    def site(self, number: int) -> str:
        """Return the site of a number, in words."""
        return self.table().get(number, "?")

    def table(self) -> dict[int, str]:
        """Return {number: site} of all that was instrumented."""
        sites = self.rewriter.sites
        if isinstance(sites, KeptSites):
            return sites.table()
        return {number: str(site) for site, number in sites.items()}


def compiled_kernels() -> list[str]:
    """Return the names of kernels that this process has compiled or loaded already."""
    engine = cpu_target.target_context.codegen()._engine
    return sorted(name for name in engine._defined_symbols if name.startswith("_ZN"))


def install(back_end: BackEnd, kept_as: str = "") -> Hook:
    """Instrument all that numba compiles from now on in this process. Once, before any kernel.

    `kept_as`: the name under which code is kept for other processes, if it is the same in all.
    """
    if isinstance(getattr(codegen.CPUCodeLibrary, "_races_hook", None), Hook):
        raise HookError("a hook is installed already: one instrument, one process")
    early = compiled_kernels()
    if early:
        raise HookError(
            f"{len(early)} kernels were compiled before the hook, {early[0]} among them: "
            "install it before the first kernel is imported"
        )
    hook = Hook(back_end)
    codegen.CPUCodeLibrary._races_hook = hook
    _hook_library(hook)
    _hook_flags(hook)
    if kept_as:
        keep_code(kept_as, hook.rewriter)
    else:
        _hook_cache()
    if back_end.scalar:
        # Not numba.config: whenever a variable of the environment changes, numba reads them anew.
        os.environ["NUMBA_LOOP_VECTORIZE"] = os.environ["NUMBA_SLP_VECTORIZE"] = "0"
        numba.config.reload_config()
    return hook


def _hook_library(hook: Hook) -> None:
    optimise = codegen.CPUCodeLibrary._optimize_final_module
    for_linking = codegen.CPUCodeLibrary._get_module_for_linking

    def optimise_and_rewrite(library) -> None:
        optimise(library)
        if hook.suspended:
            return
        clean = library._final_module
        shared = clean.clone()
        for function in list(shared.functions):
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = "linkonce_odr"
        before = hook.rewriter.places
        made = llvm.parse_assembly(hook.rewriter.rewrite(str(clean)))
        library._races_places = hook.rewriter.places - before
        made.name = clean.name
        made.verify()
        library._final_module = made
        library._races_clean = shared
        hook.modules += 1

    def clean_for_linking(library):
        library._ensure_finalized()
        clean = getattr(library, "_races_clean", None)
        return for_linking(library) if clean is None else clean

    codegen.CPUCodeLibrary._optimize_final_module = optimise_and_rewrite
    codegen.CPUCodeLibrary._get_module_for_linking = clean_for_linking


def _hook_flags(hook: Hook) -> None:
    """Have lines in the code and nothing else that debugging would change."""
    finalize = cpu.CPUTargetOptions.finalize

    def with_lines(target_options, flags, options):
        checked = flags.is_set("boundscheck") and flags.boundscheck
        finalize(target_options, flags, options)
        if not hook.suspended:
            flags.debuginfo = flags.dbg_directives_only = True
            flags.dbg_extend_lifetimes = False
            flags.boundscheck = checked

    cpu.CPUTargetOptions.finalize = with_lines


def _hook_cache() -> None:
    """Let no kernel come from the cache on disk, and none go there."""
    caching.Cache.load_overload = lambda cache, signature, target_context: None
    caching.Cache.save_overload = lambda cache, signature, compiled: None
