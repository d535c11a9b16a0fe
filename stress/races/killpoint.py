"""SIGKILL at exactly the k-th shared access of a role, for every k: what is left must be right.

Optimised code is instrumented so that before each access to the scenario's words a counter goes
up; at the wanted count the process kills itself. The role's recovery (or the role once more) then
runs in a new process, the others go on, and the scenario's check judges the words that all of them
leave. A role that runs alone is killed at every state that others could ever see of it; with others
beside it, a point is where it was when they had come as far as they had.

Of what lives in shared words, a death leaves what was stored before it: that is what a process that
is killed leaves, and not what a machine without power does.
"""

import ctypes
import functools
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import click
import numpy as np

from stress.races import hook
from stress.races.access import Access, Site
from stress.races.children import LIMIT_S, Child, Outcome, shared_words
from stress.races.scenario import Scenario, compile_roles, fresh_words, load_scenario

CONTROL = ("base", "bytes", "at", "count")
POINTS_MAX = 100_000
_FUNCTIONS = """
define internal void @races.kill.point(ptr %p, i64 %site) noinline {{
  %a = ptrtoint ptr %p to i64
  %base = load i64, ptr inttoptr (i64 {base} to ptr)
  %bytes = load i64, ptr inttoptr (i64 {bytes} to ptr)
  %offset = sub i64 %a, %base
  %inside = icmp ult i64 %offset, %bytes
  br i1 %inside, label %shared, label %out
shared:
  %before = load i64, ptr inttoptr (i64 {count} to ptr)
  %now = add i64 %before, 1
  store i64 %now, ptr inttoptr (i64 {count} to ptr)
  store i64 %site, ptr inttoptr (i64 {site} to ptr)
  %at = load i64, ptr inttoptr (i64 {at} to ptr)
  %die = icmp eq i64 %now, %at
  br i1 %die, label %dies, label %out
dies:
  %r = call i32 inttoptr (i64 {die} to ptr)(i32 9)
  br label %out
out:
  ret void
}}
define internal void @races.kill.copy(ptr %to, ptr %from, i64 %n, i64 %site) noinline {{
begin:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %out, label %each
each:
  %i = phi i64 [ 0, %begin ], [ %next, %each ]
  %t = getelementptr i8, ptr %to, i64 %i
  %f = getelementptr i8, ptr %from, i64 %i
  call void @races.kill.point(ptr %t, i64 %site)
  %left = sub i64 %n, %i
  %part = call i64 @llvm.umin.i64(i64 %left, i64 8)
  call void @llvm.memmove.p0.p0.i64(ptr %t, ptr %f, i64 %part, i1 false)
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, %n
  br i1 %more, label %each, label %out
out:
  ret void
}}
define internal void @races.kill.fill(ptr %to, i8 %v, i64 %n, i64 %site) noinline {{
begin:
  %none = icmp eq i64 %n, 0
  br i1 %none, label %out, label %each
each:
  %i = phi i64 [ 0, %begin ], [ %next, %each ]
  %t = getelementptr i8, ptr %to, i64 %i
  call void @races.kill.point(ptr %t, i64 %site)
  %left = sub i64 %n, %i
  %part = call i64 @llvm.umin.i64(i64 %left, i64 8)
  call void @llvm.memset.p0.i64(ptr %t, i8 %v, i64 %part, i1 false)
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, %n
  br i1 %more, label %each, label %out
out:
  ret void
}}
"""


class KillBackEnd:
    """Counts accesses to one range of addresses, and dies at one of them.

    A memcpy and a memset are as many points as they have words: they may be cut in the middle. A
    memmove is one point. `control` is this process's own, and a fork has its copy; `site`, the last
    place counted, lies in a page that survives a child.
    """

    scalar = True

    def __init__(self) -> None:
        self.control = np.zeros(len(CONTROL), np.int64)
        self.site = shared_words(1)
        address = self.control.ctypes.data
        places = {name: address + 8 * at for at, name in enumerate(CONTROL)}
        places["site"] = self.site.ctypes.data
        die = ctypes.cast(ctypes.CDLL(None)["raise"], ctypes.c_void_p).value
        self._functions = _FUNCTIONS.format(die=die, **places).strip().split("\ndefine ")

    def arm(self, words: np.ndarray, at: int) -> None:
        """Die in front of access number `at` (from 1; 0: never) to the words."""
        self.control[:] = words.ctypes.data, words.nbytes, at, 0

    def replace(self, access: Access, stem: str) -> list[str]:
        """Count the access, then make it."""
        where = f"i64 {access.number}){access.debug}"
        if access.kind in ("fence", "pause"):
            return [access.line]
        if access.kind == "memcpy" and not access.writes_private:
            both = f"ptr {access.pointer}, ptr {access.source}, i64 {access.length}"
            return [f"  call void @races.kill.copy({both}, {where}"]
        if access.kind == "memset":
            what = f"ptr {access.pointer}, i8 {access.value}, i64 {access.length}"
            return [f"  call void @races.kill.fill({what}, {where}"]
        place = access.source if access.writes_private else access.pointer
        return [f"  call void @races.kill.point(ptr {place}, {where}", access.line]

    def enter(self, site: Site, number: int) -> list[str]:
        """Nothing: only accesses count."""
        return []

    def leave(self) -> list[str]:
        """Nothing: only accesses count."""
        return []

    def around_kernel(self) -> tuple[list[str], list[str]]:
        """Nothing: only accesses count."""
        return [], []

    def declarations(self) -> list[str]:
        """Return the counter, and the copies that are cut into words."""
        return [
            self._functions[0],
            *(f"define {text}" for text in self._functions[1:]),
            "declare i64 @llvm.umin.i64(i64, i64)",
            "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)",
            "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        ]


@dataclass(slots=True)
class Kills:
    """What killing one role at every access showed."""

    victim: str
    points: int = 0  # Accesses at each of which it was killed once,
    runs: int = 0  # and runs in all: with `double`, the recovery was killed at each of its own.
    wrong: list[tuple[tuple[int, ...], str, list[str]]] = field(default_factory=list)


class Killer:
    """A scenario, its words in shared memory, and an armed back end."""

    def __init__(self, scenario: Scenario, installed: hook.Hook, limit_s: float = LIMIT_S) -> None:
        compile_roles(scenario)
        self._scenario = scenario
        self._hook = installed
        self._back_end: KillBackEnd = installed.rewriter.back_end
        self._words = shared_words(len(fresh_words(scenario)))
        self._limit_s = limit_s

    def kill_everywhere(self, victim: str, double: bool = False) -> Kills:
        """Kill `victim` at its first access, its second, and so on; then judge what is left."""
        kills = Kills(victim)
        while kills.points < POINTS_MAX:
            point = kills.points + 1
            if not self._attempt(kills, victim, (point,)):
                break
            kills.points = point
            second = 1
            while double and self._attempt(kills, victim, (point, second)):
                second += 1
        return kills

    def _attempt(self, kills: Kills, victim: str, deaths: tuple[int, ...]) -> bool:
        """Run once, the victim dying at these accesses; return whether it did, each time."""
        died, place, wrong = self.run(victim, deaths)
        kills.runs += 1
        if wrong:
            kills.wrong.append((deaths[:died], place, wrong))
        return died == len(deaths)

    def run(self, victim: str, deaths: tuple[int, ...]) -> tuple[int, str, list[str]]:
        """Run all roles, the victim's lives ending at these accesses, one after the other.

        Return (how many times it died, where it died last, what is wrong).
        """
        scenario, words = self._scenario, self._words
        words[:] = fresh_words(scenario)
        deadline_s = time.monotonic() + self._limit_s
        others = {
            name: Child(role, words) for name, role in scenario.roles.items() if name != victim
        }
        died, place = 0, ""
        role = scenario.roles[victim]
        for at in (*deaths, 0):
            arm = functools.partial(self._back_end.arm, words, at)
            ended = Child(role, words, arm).wait(deadline_s)
            if not ended.killed:
                break
            died += 1
            role = scenario.recovery.get(victim, scenario.roles[victim])
            place = self._hook.site(int(self._back_end.site[0]))
        outcomes = {name: child.wait(deadline_s) for name, child in others.items()}
        outcomes[victim] = ended
        return died, place, self._judge(outcomes)

    def _judge(self, outcomes: dict[str, Outcome]) -> list[str]:
        """Return what is wrong: a role that hung, failed, died; else what the check says."""
        wrong = [f"{name} {one.trouble}" for name, one in outcomes.items() if one.trouble]
        results: dict[str, Any] = {name: one.result for name, one in outcomes.items()}
        return wrong or list(self._scenario.check(self._words.copy(), results))


@click.command()
@click.argument("name", metavar="MODULE:NAME")
@click.option("--victim", multiple=True, help="Kill this role only; may be given again.")
@click.option("--double", is_flag=True, help="Kill what recovers at each of its accesses too.")
@click.option("--show", default=5, show_default=True, help="Wrong outcomes to print of a role.")
def command(name: str, victim: tuple[str, ...], double: bool, show: int) -> None:
    """Kill each role of a scenario at its every shared access; judge what is left."""
    installed = hook.install(KillBackEnd())
    scenario = load_scenario(name)
    killer = Killer(scenario, installed)
    found = 0
    for role in victim or scenario.roles:
        begin = time.monotonic()
        kills = killer.kill_everywhere(role, double)
        found += len(kills.wrong)
        took_s = time.monotonic() - begin
        print(
            f"{role}: killed at each of {kills.points} accesses, {kills.runs} runs, "
            f"{len(kills.wrong)} of them wrong, {took_s:.1f} s"
        )
        for deaths, place, wrong in kills.wrong[:show]:
            print(f"  at access {', then '.join(map(str, deaths))} ({place}): {'; '.join(wrong)}")
    sys.exit(1 if found else 0)
