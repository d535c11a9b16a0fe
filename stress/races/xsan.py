"""xsan: races between real processes on shared memory, by what happened before what.

The clocks and the last accesses of every shared word lie in a segment of their own (the shadow,
64 times the data), which all processes map: no two of them need share anything else. It knows
fences. xsan_runtime.py says what is counted as ordered.

    in each process         hook, compile, attach(words, shadow, number), run the role
    in whoever looks        reports in the shadow: word, and two times process, kind and site
"""

import functools
import mmap
import os
import sys
import time
from collections.abc import Callable

import click
import numpy as np

from stress.races import hook, xsan_runtime
from stress.races.access import Access, AccessesOnly, UnknownAccessError
from stress.races.children import LIMIT_S, Child, shared_words
from stress.races.findings import Findings, Side, pair_of, show
from stress.races.raw import page_at
from stress.races.scenario import Scenario, compile_roles, fresh_words, load_scenario
from stress.races.xsan_runtime import (
    ACCESSES,
    BASE,
    BYTES,
    FENCED,
    HEADER_WORDS,
    KINDS,
    KNOWN,
    LOAD,
    ME,
    ORDERS,
    PROCESSES_MAX,
    READ,
    REPORT_WORDS,
    REPORTS,
    REPORTS_MAX,
    RMW,
    SHADOW,
    STATE_WORDS,
    STORE,
    WRITE,
    shadow_words,
)

RUNS = 10
_INSIDE = """  %a = ptrtoint ptr %p to i64
  %base = load i64, ptr inttoptr (i64 {base} to ptr)
  %bytes = load i64, ptr inttoptr (i64 {bytes} to ptr)
  %offset = sub i64 %a, %base
  %inside = icmp ult i64 %offset, %bytes
  br i1 %inside, label %shared, label %out
shared:"""
_FUNCTIONS = (
    """define internal void @races.xsan.touch(ptr %p, i64 %size, i64 %kind, i64 %site) noinline {{
{inside}
  %f = load ptr, ptr inttoptr (i64 {touch} to ptr)
  call void %f(i64 {state}, i64 %a, i64 %size, i64 %kind, i64 %site)
  br label %out
out:
  ret void
}}""",
    """define internal void @races.xsan.begin(ptr %p) noinline {{
{inside}
  %f = load ptr, ptr inttoptr (i64 {begin} to ptr)
  call void %f(i64 {state}, i64 %a)
  br label %out
out:
  ret void
}}""",
    """define internal void @races.xsan.end(ptr %p, i64 %size, i64 %what, i64 %site) noinline {{
{inside}
  %f = load ptr, ptr inttoptr (i64 {end} to ptr)
  call void %f(i64 {state}, i64 %a, i64 %size, i64 %what, i64 %site)
  br label %out
out:
  ret void
}}""",
    """define internal void @races.xsan.fence(i64 %order) noinline {{
  %f = load ptr, ptr inttoptr (i64 {fence} to ptr)
  call void %f(i64 {state}, i64 %order)
  ret void
}}""",
)
_STATE_AT = 0x6000_0002_0000  # The state, and behind it where the runtime's functions lie.
_RUNTIME = ("touch", "begin", "end", "fence")
_OPERATIONS = {"load": LOAD, "store": STORE, "rmw": RMW, "cas": RMW}


class XsanBackEnd(AccessesOnly):
    """Tells the runtime of every access to one range of addresses: that of the words attached."""

    scalar = True

    def __init__(self) -> None:
        self._page = page_at(_STATE_AT, mmap.MAP_PRIVATE)[: STATE_WORDS + len(_RUNTIME)]
        self.state = self._page[:STATE_WORDS]
        self.state[:] = 0
        places = {name: _STATE_AT + 8 * (STATE_WORDS + k) for k, name in enumerate(_RUNTIME)}
        places |= {"base": _STATE_AT + 8 * BASE, "bytes": _STATE_AT + 8 * BYTES}
        inside = _INSIDE.format(**places)
        self._functions = [
            text.format(inside=inside, state=_STATE_AT, **places) for text in _FUNCTIONS
        ]

    def build(self) -> None:
        """Compile the runtime. Under Hook.clean(), before any kernel."""
        built = xsan_runtime.build()
        self._page[STATE_WORDS:] = [built[name] for name in _RUNTIME]

    def attach(self, words: np.ndarray, shadow: np.ndarray, number: int) -> None:
        """Watch the words as process `number`. Nothing that it did before is known to others."""
        assert number < PROCESSES_MAX, f"process {number} of {PROCESSES_MAX}"
        assert len(shadow) >= shadow_words(len(words)), "the shadow is too small"
        self.state[:] = 0
        self.state[ME] = number
        self.state[BASE], self.state[SHADOW] = words.ctypes.data, shadow.ctypes.data
        self.state[KNOWN + number] = 1
        self.state[FENCED + number] = 0
        self.state[BYTES] = words.nbytes

    def detach(self) -> None:
        """Watch nothing any more."""
        self.state[BYTES] = 0

    def replace(self, access: Access, stem: str) -> list[str]:
        """Return the access, and what tells the runtime of it."""
        if access.kind == "pause":
            return [access.line]
        if access.kind == "fence":
            order = f"i64 {ORDERS[access.order]}"
            return [f"  call void @races.xsan.fence({order}){access.debug}", access.line]
        if not access.atomic:
            return [*_touches(access), access.line]
        if access.width > 8:
            raise UnknownAccessError(f"xsan has no atomic {access.type}: {access.line.strip()}")
        return _atomic(access, stem)

    def declarations(self) -> list[str]:
        """Return the functions that look whether an access is to the words."""
        return self._functions


def _touches(access: Access) -> list[str]:
    places = []
    if access.kind == "load" or (access.source and not access.reads_private):
        places.append((access.source or access.pointer, READ))
    if access.kind != "load" and not access.writes_private:
        places.append((access.pointer, WRITE))
    size = access.length or access.width
    return [
        f"  call void @races.xsan.touch(ptr {place}, i64 {size}, i64 {kind}, "
        f"i64 {access.number}){access.debug}"
        for place, kind in places
    ]


def _atomic(access: Access, stem: str) -> list[str]:
    place, operation = f"ptr {access.pointer}", _OPERATIONS[access.kind]
    what = str(operation | ORDERS[access.order] << 2)
    lines = [f"  call void @races.xsan.begin({place}){access.debug}", access.line]
    if access.kind == "cas":
        failed = LOAD | ORDERS[access.order_failed] << 2
        pair = f"{{ {access.type}, i1 }} {access.result}"
        lines.append(f"  {stem}.ok = extractvalue {pair}, 1")
        lines.append(f"  {stem}.what = select i1 {stem}.ok, i64 {what}, i64 {failed}")
        what = f"{stem}.what"
    rest = f"i64 {access.width}, i64 {what}, i64 {access.number}"
    return [*lines, f"  call void @races.xsan.end({place}, {rest}){access.debug}"]


def races_in(shadow: np.ndarray, roles: list[str], site: Callable[[int, int], str]) -> Findings:
    """Return the races reported in a shadow. `site`: (process, number) -> place."""
    findings = Findings()
    for number in range(min(int(shadow[REPORTS]), REPORTS_MAX)):
        begin = HEADER_WORDS + number * REPORT_WORDS
        _, *sides = shadow[begin : begin + 7].tolist()
        one, two = (
            Side(f"{KINDS[kind]} by {roles[process]}", site(process, place))
            for process, kind, place in (sides[:3], sides[3:])
        )
        findings.races[pair_of(one, two)] += 1
    findings.accesses = int(shadow[ACCESSES : ACCESSES + PROCESSES_MAX].sum())
    return findings


def install(kept: bool = False) -> tuple[hook.Hook, XsanBackEnd]:
    """Instrument all that this process compiles from now on.

    `kept`: on disk too, where numba keeps kernels.
    """
    back_end = XsanBackEnd()
    installed = hook.install(back_end, "xsan" if kept else "")
    with installed.clean():
        back_end.build()
    return installed, back_end


def look_for_races(scenario: Scenario, installed: hook.Hook, runs: int = RUNS) -> Findings:
    """Run the roles of a scenario as processes, forked from this one; return what races."""
    compile_roles(scenario)
    back_end: XsanBackEnd = installed.rewriter.back_end
    names = list(scenario.roles)
    words = shared_words(len(fresh_words(scenario)))
    shadow = shared_words(shadow_words(len(words)))
    found = Findings(runs=runs)
    found.places = installed.rewriter.places
    for _ in range(runs):
        words[:], shadow[:] = fresh_words(scenario), 0
        outcomes = _run_roles(scenario, back_end, words, shadow)
        sites = installed.table()
        one = races_in(shadow, names, lambda process, number, t=sites: t.get(number, "?"))
        found.races += one.races
        found.accesses += one.accesses
        bad = [f"{name} {text}" for name, out in outcomes.items() if (text := out.trouble)]
        results = {name: out.result for name, out in outcomes.items()}
        found.violations += bad or scenario.check(words.copy(), results)
    found.set_apart(scenario.validated)
    return found


def _run_roles(scenario: Scenario, back_end: XsanBackEnd, words, shadow) -> dict:
    """Run each role in a process, all let go at once; return how they ended."""
    waiting, going = os.pipe()

    def begin(number: int) -> None:
        os.close(going)
        os.read(waiting, 1)  # Until the last process has closed the other end.
        back_end.attach(words, shadow, number)

    children = {
        name: Child(role, words, functools.partial(begin, number))
        for number, (name, role) in enumerate(scenario.roles.items())
    }
    os.close(going)
    os.close(waiting)
    deadline_s = time.monotonic() + LIMIT_S
    return {name: child.wait(deadline_s) for name, child in children.items()}


@click.command()
@click.argument("names", metavar="MODULE:NAME ...", nargs=-1, required=True)
@click.option("--runs", default=RUNS, show_default=True, help="How often the roles are run.")
@click.option("--spawn", is_flag=True, help="Start each role's process anew; do not fork it.")
@click.option("--kept", is_flag=True, help="Keep the code on disk for the next time.")
@click.option("--save", is_flag=True, help="Keep the results in stress/results.")
def command(names: tuple[str, ...], runs: int, spawn: bool, kept: bool, save: bool) -> None:
    """Run scenarios as processes; say which pairs of accesses race."""
    kind = "xsan" if save else ""
    if spawn:
        from stress.races import xsan_spawned

        found = {name: xsan_spawned.look_for_races(name, runs) for name in names}
        sys.exit(show(found, kind))
    installed, _ = install(kept)
    found = {name: look_for_races(load_scenario(name), installed, runs) for name in names}
    sys.exit(show(found, kind))
