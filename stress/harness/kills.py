"""SIGKILL at random moments of a real run, of any of its processes.

A run reads from a FIFO that is filled piece by piece, so that there always is a middle, or a file
through rings of no size. What must come of a kill depends on who is replaced (process.replace;
capture not where it reads a FIFO): the run ends as if nothing had been, or
with exit 4 and the name of who died. A supervisor's end is that of the run: what it had read is
whole.
"""

import os
import random
import signal
import subprocess
from pathlib import Path

from engine.check import check_folder, is_wrong
from engine.rings.segment import find_segments
from engine.rings.statistics import stage_of
from engine.supervisor.replacements import REPLACED, ZYGOTE
from stress.harness.faults import digest_alone, set_words
from stress.harness.outcome import (
    ACCEPTABLE,
    FORBIDDEN,
    INTERESTING,
    Found,
    Outcome,
    Scenario,
    Trial,
)
from stress.harness.runs import EXACT, WHOLE, Ran, faults, judge, running, words_of
from stress.harness.runs import run_engine as run_words
from tests.process.runs import Fifo, LiveRun, mixed_capture, until

WORKERS = 2
KINDS = ("capture", "worker.0", "worker.1", "classifier", "recorder", "zygote", "supervisor")
_PIECES = 24
_PIECE_BYTES_MAX = 1 << 18
_HELD_UP = ("ring.packet_capacity=2", "ring.event_capacity=16")
_KILLS_MAX = 16  # Of a run whose stages are replaced.


def replaced() -> tuple[str, ...]:
    """Return the processes that are replaced when they die, by default."""
    return tuple(name for name in KINDS if stage_of(name) in (*REPLACED, ZYGOTE))


def replaced_behind_a_pipe() -> tuple[str, ...]:
    """Return those that are replaced when they die in a run that reads a pipe."""
    return tuple(name for name in replaced() if name != "capture")


def kill(run: LiveRun, name: str, await_other: bool) -> bool:
    """Kill a process of the run if it is there; return whether it was.

    With `await_other` wait until another has its place, or the run is over.
    """
    look = run.look()
    pid = run.process.pid if name == "supervisor" else look.pid(name) if look else 0
    if not pid:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False

    def is_over() -> bool:
        now = run.look()
        return run.process.poll() is not None or (now is not None and now.pid(name) not in (0, pid))

    if await_other:
        until(f"{name} is replaced", is_over)
    return True


def _feed(run: LiveRun, fifo: Fifo, pieces: list[bytes], kills: dict[int, str]) -> int:
    """Feed the pieces, each when the one before is taken; kill whom the piece's number says."""
    done, again = 0, replaced_behind_a_pipe()
    for number, piece in enumerate(pieces):
        if number in kills:
            done += kill(run, kills[number], kills[number] in again)
        if run.process.poll() is not None:
            return done
        fifo.feed(piece)
        until("the piece is taken", lambda: fifo.is_empty or run.process.poll() is not None)
    return done


def _pieces(content: bytes, dice: random.Random) -> list[bytes]:
    """Return the content cut at random, and where a piece would not fit into a pipe."""
    cuts = {dice.randrange(1, len(content)) for _ in range(_PIECES)}
    cuts |= set(range(_PIECE_BYTES_MAX, len(content), _PIECE_BYTES_MAX))
    ends = [*sorted(cuts), len(content)]
    return [content[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def _kill_soak(trial: Trial) -> list[Found]:
    """Kill one process, or several whose kind is replaced, in the middle of a run."""
    dice = trial.dice
    path = trial.folder / "mixed.pcap"
    packets = mixed_capture(path)
    if dice.randrange(3) == 0:
        return _kill_before_a_file(trial, dice, path, packets)
    content = path.read_bytes()
    pieces = _pieces(content, dice)
    again = replaced_behind_a_pipe()
    name = dice.choice(KINDS)
    victims = [name]
    if name in again:
        victims = [dice.choice(again) for _ in range(dice.randrange(1, _KILLS_MAX))]
    kills = dict(zip(dice.sample(range(1, len(pieces)), len(victims)), victims, strict=True))
    digest = digest_alone(trial, path, "-n", "1")
    words = ("-n", str(WORKERS), *set_words(f"hash.key={dice.getrandbits(128):032x}"))
    ran, done = _run(trial, pieces, kills, words)
    if not done:
        return judge(ran, digest) if ran.code == 0 else faults(ran, (0,))
    if name in again:
        return _gone_on(ran, digest)
    return _ended(ran, name)


def _kill_before_a_file(trial: Trial, dice: random.Random, path: Path, packets: int) -> list[Found]:
    """Kill some of those that are replaced while a file is read, at times the supervisor last."""
    again = replaced()
    moments = sorted(dice.randrange(packets) for _ in range(dice.randrange(1, _KILLS_MAX)))
    victims = [dice.choice(again) for _ in moments]
    if dice.randrange(4) == 0:
        victims[-1] = "supervisor"
    words = ("-n", str(WORKERS), *set_words(*_HELD_UP, f"hash.key={dice.getrandbits(128):032x}"))
    digest = digest_alone(trial, path, "-n", "1")

    def during(run: LiveRun) -> None:
        for moment, name in zip(moments, victims, strict=True):
            until("capture has read on", lambda moment=moment: has_read(run, moment))
            if run.process.poll() is None:
                kill(run, name, name in again)

    ran = run_words(trial.folder, words_of(path, trial.folder / "out", *words), during)
    return _left_whole(ran) if victims[-1] == "supervisor" else _gone_on(ran, digest)


def has_read(run: LiveRun, packets: int) -> bool:
    """Return whether capture has read so many packets, or the run is over."""
    look = run.look()
    is_over = run.process.poll() is not None
    return is_over or (look is not None and look.totals["capture"]["read"] >= packets)


def _gone_on(ran: Ran, digest: str) -> list[Found]:
    """Return what a run came to that must go on as if nothing had been."""
    found = judge(ran, digest)
    if found[0][0] != EXACT:
        return found
    made = len(ran.record["replacements"])
    return [("replaced" if made else "too late", f"{made} times")]


def _run(trial: Trial, pieces: list[bytes], kills: dict[int, str], words) -> tuple[Ran, int]:
    """Run from a FIFO and kill; return what it left, and how many kills hit."""
    out = trial.folder / "out"
    fifo = Fifo(trial.folder / "mixed.fifo")
    try:
        with running(trial.folder, words_of(fifo.path, out, *words)) as run:
            try:
                run.sees("its stages run", lambda look: look.lines["recorder"]["pid"] > 0)
                done = _feed(run, fifo, pieces, kills)
                fifo.close()
                ended = run.ended()
            except (AssertionError, subprocess.TimeoutExpired) as error:
                return Ran(-1, "", run.err, out, late=str(error) or "it hangs"), 1
            left = tuple(f.name for f in find_segments() if f.owner_pid == run.process.pid)
            return Ran(ended.code, ended.out, ended.err, out, left), done
    finally:
        fifo.close()


def _ended(ran: Ran, name: str) -> list[Found]:
    """Return what a run came to that must end because a process of it was killed."""
    if name == "supervisor":
        return _left_whole(ran)
    if ran.code == 0:
        return [(n if n != EXACT else "too late", seen) for n, seen in judge(ran)]
    found = faults(ran, (4,))
    if found:
        return found
    told = [line for line in ran.err.splitlines() if line.startswith("engine: ")]
    if len(told) != 1 or name not in told[0]:
        return [("not named", ran.err[-300:])]
    return [("ended", told[0])]


def _left_whole(ran: Ran) -> list[Found]:
    """Return what a run came to whose supervisor was killed."""
    found = faults(ran, (0, -signal.SIGKILL))
    if found or ran.code == 0:
        return found or judge(ran)
    findings = check_folder(str(ran.folder))
    if is_wrong(findings):
        wrong = [finding.text for finding in findings if finding.verdict == "wrong"]
        return [("unproved", "; ".join(wrong)[:600])]
    read = ran.record["counters"]["capture"]["read"]
    return [("supervisor gone", f"{read:,} packets had been read, and are whole")]


SCENARIOS = (
    Scenario(
        "kill_soak",
        "SIGKILL of any process at any moment",
        (
            *WHOLE,
            Outcome("replaced", ACCEPTABLE, "a kind that is replaced: exit 0, the same digest"),
            Outcome("ended", ACCEPTABLE, "a kind that is not: exit 4, one line that names it"),
            Outcome("supervisor gone", ACCEPTABLE, "what it had read is proved, nothing is left"),
            Outcome("too late", INTERESTING, "it had nothing more to do: exit 0, proved"),
            Outcome("not named", FORBIDDEN, "exit 4 without one line that names who died"),
        ),
        _kill_soak,
    ),
)
