"""Floods and crowds: traffic that is meant to overwhelm, through real runs of the engine."""

from collections.abc import Callable
from pathlib import Path

from engine.config import load
from engine.pipeline import shape_of
from stress.harness import traffic
from stress.harness.outcome import (
    ACCEPTABLE,
    FORBIDDEN,
    INTERESTING,
    Found,
    Outcome,
    Scenario,
    Trial,
)
from stress.harness.runs import (
    EXACT,
    TWIN_PACKETS_MAX,
    WHOLE,
    Ran,
    counters,
    judge,
    run_engine,
    twin_digest,
    words_of,
)

WORKERS = 3
LOAD_MAX = 1.5  # Packets of the busiest worker by the mean; one flow has one worker.
LARGE = 60_000
_KNOWN_KEY = "000102030405060708090a0b0c0d0e0f"
_COLLIDING = 20_000

Write = Callable[[Path, object, int], int]


def _flood(write: Write, spread: bool) -> Callable[[Trial], list[Found]]:
    """Return a trial of a flood: small ones against the twin, large ones scored.

    `spread`: it has so many flows that no worker may have much more of it than the others.
    """

    def try_once(trial: Trial) -> list[Found]:
        dice = trial.dice
        small = trial.number % 2 == 0
        path = trial.folder / "flood.pcap"
        write(path, dice, dice.randrange(200, TWIN_PACKETS_MAX) if small else LARGE)
        workers = dice.choice((1, 2, WORKERS)) if small else WORKERS
        more = ("-n", str(workers), *(("--no-score",) if small else ()))
        ran = run_engine(trial.folder, words_of(path, trial.folder / "out", *more))
        found = judge(ran, twin_digest(path) if small else None)
        return found if small or not spread else judge_load(ran, found)

    return try_once


def judge_load(ran: Ran, found: list[Found]) -> list[Found]:
    """Return `found`, or that one worker had too much of a run that ended well."""
    if found[0][0] != EXACT:
        return found
    share = _busiest(ran)
    # Of one width, so that the worst of many is the last in the alphabet.
    seen = f"the busiest worker had {share:.3f} x the mean (at most {LOAD_MAX})"
    return [("lopsided" if share > LOAD_MAX else EXACT, seen)]


def _busiest(ran: Ran) -> float:
    """Return how many packets the busiest worker had, by the mean of all."""
    processes = ran.record["processes"]
    counts = [line["counters"]["accepted"] for name, line in processes.items() if "worker" in name]
    assert len(counts) == WORKERS and sum(counts), counts
    return max(counts) * len(counts) / sum(counts)


def _hash_flood(known: bool) -> Callable[[Trial], list[Found]]:
    """Return a trial in which flows collide under one key; the run has that key, or its own."""

    def try_once(trial: Trial) -> list[Found]:
        path = trial.folder / "flood.pcap"
        digits = f"{trial.dice.getrandbits(128):032x}"
        config = load(None, (f"engine.workers={WORKERS}", f"hash.key={digits}"))
        slots = shape_of(config, WORKERS).slots
        flows = traffic.colliding_flows(_COLLIDING, config.hash_key(), WORKERS, slots)
        traffic.hash_flood(path, flows)
        more = (
            "--no-score",
            "-n",
            str(WORKERS),
            *(("--set", f"hash.key={digits}") if known else ()),
        )
        ran = run_engine(trial.folder, words_of(path, trial.folder / "out", *more))
        return judge_load(ran, judge(ran))

    return try_once


def _many_flows(trial: Trial) -> list[Found]:
    """Try many more flows than the table takes."""
    dice = trial.dice
    path = trial.folder / "flows.pcap"
    count = traffic.many_flows(path, dice, dice.choice((20_000, LARGE)))
    rows = dice.choice((64 * WORKERS, 1024, 5000))
    more = ("-n", str(WORKERS), "--set", f"flow.max_flows={rows}")
    ran = run_engine(trial.folder, words_of(path, trial.folder / "out", *more))
    found = judge(ran)
    if found[0][0] != EXACT:
        return found
    worker = counters(ran, "worker")
    if worker["finals_evicted"] + rows + WORKERS < count or worker["parts"] < count:
        return [("not evicted", f"{worker['finals_evicted']} of {count}, {rows} rows")]
    return [(EXACT, f"{worker['finals_evicted']:,} of {count:,} flows evicted, {rows} rows")]


def _many_hosts(trial: Trial) -> list[Found]:
    """Try 10,000 hosts and more, with room for all of them and without."""
    dice = trial.dice
    path = trial.folder / "hosts.pcap"
    hosts = dice.choice((10_000, 40_000))
    traffic.many_hosts(path, dice, LARGE, hosts)
    room = dice.choice((16, 1000, 8192, 65_536))
    more = ("-n", "2", "--set", f"host.max_hosts={room}")
    ran = run_engine(trial.folder, words_of(path, trial.folder / "out", *more))
    found = judge(ran)
    if found[0][0] != EXACT:
        return found
    told = counters(ran, "classifier")
    if told["hosts_listed"] > room:
        return [("too many hosts", f"{told['hosts_listed']} listed, room for {room}")]
    forgotten = told["hosts_forgotten"] + told["host_refused"]
    name = "hosts forgotten" if forgotten else EXACT
    return [
        (name, f"{told['hosts_made']:,} made, {forgotten:,} forgotten or refused, room {room:,}")
    ]


_LOPSIDED = f"the busiest worker has more than {LOAD_MAX} times the mean"
_TOO_MUCH = Outcome("lopsided", FORBIDDEN, _LOPSIDED)


def _scenario(name: str, title: str, write: Write, spread: bool = True) -> Scenario:
    return Scenario(name, title, (*WHOLE, _TOO_MUCH), _flood(write, spread), spread)


SCENARIOS = (
    _scenario("syn_flood", "SYNs to one port, each from another address", traffic.syn_flood),
    _scenario("vertical_scan", "one host tries every port of another", traffic.vertical_scan),
    _scenario("horizontal_scan", "one host tries one port of very many", traffic.horizontal_scan),
    _scenario("fragment_flood", "first fragments, orphans, overlaps", traffic.fragment_flood),
    _scenario(
        "malformed_flood", "frames that are changed anywhere", traffic.malformed_flood, spread=False
    ),
    _scenario(
        "clock_jumps",
        "stamps that jump back and forth, ms to days",
        traffic.clock_jumps,
        spread=False,
    ),
    Scenario(
        "hash_flood_known",
        f"{_COLLIDING:,} flows chosen by who knows the hash key",
        (*WHOLE, Outcome("lopsided", INTERESTING, f"{_LOPSIDED}: what the key is secret for")),
        _hash_flood(known=True),
        shows_worst=True,
    ),
    Scenario(
        "hash_flood_unknown",
        "the same flows, and a run with a key of its own",
        (*WHOLE, _TOO_MUCH),
        _hash_flood(known=False),
        shows_worst=True,
    ),
    Scenario(
        "many_flows",
        "far more live flows than flow.max_flows",
        (*WHOLE, Outcome("not evicted", FORBIDDEN, "fewer flows evicted than cannot be live")),
        _many_flows,
    ),
    Scenario(
        "many_hosts",
        "10,000 hosts and more, within host.max_hosts and beyond",
        (
            *WHOLE,
            Outcome(
                "hosts forgotten", ACCEPTABLE, "more hosts than room: the rest is accounted for"
            ),
            Outcome("too many hosts", FORBIDDEN, "more hosts known than there is room for"),
        ),
        _many_hosts,
    ),
)
