"""SIGKILL at exactly the k-th shared access of a role, for every k: what is left must be right.

Optimised code is instrumented so that before each access to the scenario's words a counter goes
up; at the wanted count the process kills itself. The role's recovery (or the role once more) then
runs in a new process, the others go on, and the scenario's check judges the words that all of them
leave. A role that runs alone is killed at every state that others could ever see of it; with others
beside it, a point is where it was when they had come as far as they had.

A role that runs alone leaves the same words before a read as before the write that follows: with
`writes` only writes are points, and every state is judged all the same. A role that is a Python
function says itself where it may die: `point` and `watched`.

Of what lives in shared words, a death leaves what was stored before it: that is what a process that
is killed leaves, and not what a machine without power does.
"""

import atexit
import functools
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from stress.races import hook
from stress.races.children import LIMIT_S, Child, Memory, Outcome
from stress.races.killpoint_code import KillBackEnd
from stress.races.scenario import Role, Scenario, compile_roles, fresh_words, load_scenario

POINTS_MAX = 1_000_000
_AGAIN = "RACES_KILLPOINT_AGAIN"  # Set where the kernels are as compiled before.
_SHOWN = 2000  # Characters of what is wrong.


@dataclass(frozen=True, slots=True)
class Sample:
    """At which points to kill: so many drawn ones, or drawn ones for a time; else at all."""

    points: int = 0
    seconds: float = 0.0
    seed: int = 1

    @property
    def is_all(self) -> bool:
        """Return whether none is left out."""
        return not self.points and not self.seconds

    def of(self, count: int) -> Iterator[int]:
        """Yield those of `count` points that are wanted, in the order in which to kill at them."""
        if self.is_all:
            return iter(range(1, count + 1))
        drawn = random.Random(f"{self.seed} {count}").sample(range(1, count + 1), count)
        return iter(drawn[: self.points or count])


ALL = Sample()


@dataclass(slots=True)
class Kills:
    """What killing one role at its accesses showed."""

    victim: str
    accesses: int = 0  # Of an undisturbed run,
    places: int = 0  # and those that count: all of them, or the writes.
    points: int = 0  # At each of which it was killed once,
    runs: int = 0  # and runs in all: with `double`, the recovery was killed likewise.
    deaths: int = 0
    seconds: float = 0.0
    wrong: list[tuple[tuple[int, ...], str, list[str]]] = field(default_factory=list)


class Killer:
    """A scenario, its words in shared memory, and an armed back end."""

    def __init__(
        self,
        scenario: Scenario,
        installed: hook.Hook,
        limit_s: float = LIMIT_S,
        reads: bool = True,
        here: bool = False,
    ) -> None:
        """`reads`: die in front of them too. `here`: what takes the place of the dead, and does not
        die itself, runs in this process: for roles that have nothing but the words."""
        compile_roles(scenario)
        self._scenario = scenario
        self._hook = installed
        self._back_end: KillBackEnd = installed.rewriter.back_end
        self._memory = (scenario.memory or Memory)(len(fresh_words(scenario)))
        self._limit_s = limit_s
        self._reads, self._here = reads, here

    def kill_everywhere(self, victim: str, double: bool = False, sample: Sample = ALL) -> Kills:
        """Kill `victim` at its first access, its second, and so on; then judge what is left."""
        kills, begin_s = Kills(victim), time.monotonic()
        kills.places = kills.accesses = self._undisturbed(kills, victim, True)
        if not self._reads:
            kills.places = self._undisturbed(kills, victim, False)
        end_s = begin_s + (sample.seconds or float("inf"))
        for point in sample.of(kills.places):
            if time.monotonic() > end_s or not self._attempt(kills, victim, (point,)):
                break
            kills.points += 1
            if double:
                self._kill_recovery(kills, victim, point, sample)
        # With others beside it a role's accesses are not the same each time.
        is_alone = len(self._scenario.roles) == 1
        while sample.is_all and not is_alone and kills.points < POINTS_MAX:
            if not self._attempt(kills, victim, (kills.points + 1,)):
                break
            kills.points += 1
        kills.seconds = time.monotonic() - begin_s
        return kills

    def _kill_recovery(self, kills: Kills, victim: str, point: int, sample: Sample) -> None:
        """Kill what takes the place of one that died at a point; of a sample at one more point."""
        if sample.is_all:
            second = 1
            while self._attempt(kills, victim, (point, second)):
                second += 1
            return
        if self._attempt(kills, victim, (point, POINTS_MAX)):
            return
        count = self._back_end.count
        if count:
            dice = random.Random(f"{sample.seed} {point}")
            self._attempt(kills, victim, (point, dice.randint(1, count)))

    def count(self, victim: str) -> int:
        """Run once without a death; return at how many accesses of a role it can be killed."""
        self.run(victim, ())
        return self._back_end.count

    def _undisturbed(self, kills: Kills, victim: str, reads: bool) -> int:
        """Run once without a death; return how many accesses count."""
        before, self._reads = self._reads, reads
        self._attempt(kills, victim, ())
        self._reads = before
        return self._back_end.count

    def _attempt(self, kills: Kills, victim: str, deaths: tuple[int, ...]) -> bool:
        """Run once, the victim dying at these accesses; return whether it did, each time."""
        died, place, wrong = self.run(victim, deaths)
        kills.runs += 1
        kills.deaths += died
        if wrong:
            kills.wrong.append((deaths[:died], place, wrong))
        return died == len(deaths)

    def run(self, victim: str, deaths: tuple[int, ...]) -> tuple[int, str, list[str]]:
        """Run all roles, the victim's lives ending at these accesses, one after the other.

        Return (how many times it died, where it died last if something is wrong, what is wrong).
        """
        scenario, memory = self._scenario, self._memory
        memory.fill(fresh_words(scenario))
        words = memory.words
        deadline_s = time.monotonic() + self._limit_s
        others = {
            name: Child(role, words) for name, role in scenario.roles.items() if name != victim
        }
        died, place = 0, ""
        role = scenario.roles[victim]
        for at in (*deaths, 0):
            if self._here and died == len(deaths) > 0:
                ended = self._run_here(role)
                break
            arm = functools.partial(self._back_end.arm, memory.span, at, self._reads)
            ended = Child(role, words, arm).wait(deadline_s)
            if not ended.killed:
                break
            died += 1
            role = scenario.recovery.get(victim, scenario.roles[victim])
            place = self._back_end.place
        outcomes = {name: child.wait(deadline_s) for name, child in others.items()}
        outcomes[victim] = ended
        wrong = self._judge(outcomes)
        return died, self._named(place) if wrong else "", wrong

    def _named(self, place: int | str) -> str:
        """Return a place in words; those of compiled code are looked up in a long file."""
        return place if isinstance(place, str) else self._hook.site(place)

    def _run_here(self, role: Role) -> Outcome:
        """Run a role that is not to die, in this process."""
        signal.alarm(int(self._limit_s) + 1)  # Its end, if it hangs.
        try:
            return Outcome(role.kernel(self._memory.words, *role.arguments()))
        except Exception:
            traceback.print_exc()
            return Outcome(failed=True)
        finally:
            signal.alarm(0)

    def _judge(self, outcomes: dict[str, Outcome]) -> list[str]:
        """Return what is wrong: a role that hung, failed, died; else what the check says."""
        wrong = [f"{name} {one.trouble}" for name, one in outcomes.items() if one.trouble]
        results: dict[str, Any] = {name: one.result for name, one in outcomes.items()}
        return wrong or list(self._scenario.check(self._memory.words, results))


@click.command()
@click.argument("names", metavar="MODULE:NAME...", nargs=-1, required=True)
@click.option("--victim", multiple=True, help="Kill this role only; may be given again.")
@click.option("--writes", is_flag=True, help="Before writes only: for roles that run alone.")
@click.option("--here", is_flag=True, help="Recover in this process: less to fork.")
@click.option("--double", is_flag=True, help="Kill what recovers at each of its accesses too.")
@click.option("--points", type=click.IntRange(0), default=0, help="Kill at so many drawn accesses.")
@click.option("--seconds", type=float, default=0.0, help="Kill at drawn accesses for so long.")
@click.option("--seed", type=int, default=1, help="Of what is drawn.")
@click.option("--show", default=5, show_default=True, help="Wrong outcomes to print of a role.")
@click.option("--save", is_flag=True, help="Keep the results in stress/results.")
def command(names: tuple[str, ...], **given) -> None:
    """Kill each role of a scenario at its every shared access; judge what is left.

    With --points or --seconds what recovers is killed at one drawn access for each death.
    """
    installed, found = hook.install(KillBackEnd(), "killpoint"), 0
    sample = Sample(given["points"], given["seconds"], given["seed"])
    options = {"reads": not given["writes"], "here": given["here"]}
    scenarios = {name: load_scenario(name) for name in names}
    killers = {name: Killer(one, installed, **options) for name, one in scenarios.items()}
    _begin_again(installed)
    for name, killer in killers.items():
        if len(names) > 1:
            print(f"{name}:")
        made = []
        for role in given["victim"] or scenarios[name].roles:
            made.append(killer.kill_everywhere(role, given["double"], sample))
            print("\n".join(_told(made[-1], given["writes"], given["show"])), flush=True)
        found += sum(len(kills.wrong) for kills in made)
        if given["save"]:
            from stress.kept import keep_result

            print(f"kept: {keep_result('killpoint', _record(name, made))}")
    sys.exit(1 if found else 0)


def _begin_again(installed: hook.Hook) -> None:
    """Be a new process, once, if kernels were compiled: what that leaves makes each fork slow."""
    if installed.modules and _AGAIN not in os.environ:
        atexit._run_exitfuncs()  # What scenarios have made outside of memory goes.
        os.execve(sys.executable, sys.orig_argv, os.environ | {_AGAIN: "1"})


def _told(kills: Kills, writes: bool, show: int) -> list[str]:
    """Return what is said of a role that was killed."""
    points = f"each of {kills.points}"
    if kills.points < kills.places:
        points = f"{kills.points} of {kills.places}"
    what = f"writes among {kills.accesses} accesses" if writes else "accesses"
    lines = [
        f"{kills.victim}: killed at {points} {what}, {kills.runs} runs, {kills.deaths} deaths, "
        f"{len(kills.wrong)} of them wrong, {kills.seconds:.1f} s"
    ]
    for deaths, place, wrong in kills.wrong[:show]:
        at = ", then ".join(map(str, deaths))
        lines.append(f"  at access {at} ({place}): {'; '.join(wrong)}"[:_SHOWN])
    return lines


def _record(name: str, made: list[Kills]) -> dict:
    """Return what a scenario came to, as it is kept."""
    rows = [asdict(kills) | {"wrong": len(kills.wrong)} for kills in made]
    return {"scenario": name, "roles": rows}
