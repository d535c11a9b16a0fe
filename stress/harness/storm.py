"""SIGKILL again and again in one run, of any process that is replaced: kill_storm.

A run over a file, or over real captures (`--input`), through rings of no size: who is dead soon
stops all others, so that the run is in its middle at every kill. As many kills as are wanted
(`--kills`) come at drawn packets, each to a drawn process, as soon as the one before is replaced: a
replacement may die while it recovers, and while another one does. All of it must leave what a run
leaves that nothing disturbs: exit code 0, the digest, every packet in exactly one counter.
"""

import collections
import time
from pathlib import Path

from stress.harness.faults import set_words
from stress.harness.kills import has_read, kill, replaced
from stress.harness.outcome import (
    ACCEPTABLE,
    FORBIDDEN,
    INTERESTING,
    Found,
    Outcome,
    Scenario,
    Trial,
)
from stress.harness.runs import EXACT, WHOLE, clear, judge, run_engine, words_of
from tests.process.runs import LiveRun, mixed_capture, until

KILLS = 24
_WORKERS = 2
_LAST = 0.97  # Of the packets: behind them a run may be over before a kill comes.
_HELD_UP = ("ring.packet_capacity=2", "ring.event_capacity=16")


def _storm(trial: Trial) -> list[Found]:
    """Kill so many processes in one run."""
    dice, path = trial.dice, Path(trial.input or trial.folder / "mixed.pcap")
    if not trial.input:
        mixed_capture(path)
    key = set_words(f"hash.key={dice.getrandbits(128):032x}")
    alone = run_engine(trial.folder, words_of(path, trial.folder / "alone", "-n", "1"))
    found = judge(alone)
    if found[0][0] != EXACT:
        return found
    packets = alone.said["packets"]
    clear(trial.folder / "alone")
    moments = sorted(
        dice.randrange(int(_LAST * packets["read"])) for _ in range(trial.kills or KILLS)
    )
    victims = [dice.choice(replaced()) for _ in moments]
    done: collections.Counter = collections.Counter()
    begin_s = time.monotonic()

    def during(run: LiveRun) -> None:
        for moment, name in zip(moments, victims, strict=True):
            until("capture has read on", lambda moment=moment: has_read(run, moment))
            if run.process.poll() is not None:
                return
            done[name] += _hits(run, name)

    words = ("-n", str(_WORKERS), *key, *set_words(*_HELD_UP))
    ran = run_engine(trial.folder, words_of(path, trial.folder / "out", *words), during)
    found = judge(ran, alone.said["digest"])
    if found[0][0] != EXACT:
        return found
    if ran.said["packets"] != packets:
        return [("other counts", f"{ran.said['packets']}, must be {packets}")]
    return [_seen(ran.record, done, packets["read"], len(moments), time.monotonic() - begin_s)]


def _hits(run: LiveRun, name: str) -> bool:
    """Kill a process, as soon as there is one; return False if the run was over before."""

    def tried() -> str:
        return "hit" if kill(run, name, True) else "over" * (run.process.poll() is not None)

    return until(f"there is a {name}", tried) == "hit"


def _seen(record: dict, done: dict[str, int], packets: int, wanted: int, took_s: float) -> Found:
    """Return the outcome of a storm that left no trace."""
    made = len(record["replacements"])
    named = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
    text = f"{made} replaced in {took_s:.0f} s and {packets:,} packets; killed: {named}"
    return ("replaced" if sum(done.values()) == wanted else "fewer", text)


SCENARIOS = (
    Scenario(
        "kill_storm",
        "SIGKILL again and again in one run",
        (
            *WHOLE,
            Outcome("replaced", ACCEPTABLE, "every kill: exit 0, the same digest and packets"),
            Outcome(
                "fewer", INTERESTING, "likewise, but a kill hit nobody, or whose work was done"
            ),
            Outcome("other counts", FORBIDDEN, "packets are lost or doubled"),
        ),
        _storm,
    ),
)
