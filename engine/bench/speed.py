"""Speed: packets per CPU-second of the engine and its peers, on the same files and cores, in turns.

What is counted: CPU time, user and system, of all processes of a command. Start-up is told apart:

=======  ==========================================================================================
engine   each process counts its own from its loop's begin to its end, the supervisor from when all
         are ready, run.json included: before it no packet is read. Imports, kernels, making,
         mapping and giving back of memory are start-up and end.
peers    what the command costs on the first packet of the same file alone is taken away
=======  ==========================================================================================

The same difference is computed for the engine too (`cpu_s_by_difference`), from outside, so that
its own account can be doubted; it is noisy where start-up costs more than the packets.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.bench.measure import Spread, Watched, run_watched, spread
from engine.bench.programs import Program, environment
from engine.bench.workloads import FOLDER, OUT_PREFIX, LeftOutError, Workload, first_packet, warm
from engine.errors import ProcessError

LIMIT_S = 1800.0
SLOW_S = 40.0  # A program whose run takes longer is run once, not in every round.
WAITING_SHARE = (
    0.5  # A peer that spends more of a run on starting and ending shows no rate by wall.
)
STARTS = 3  # Runs on the first packet.
REST = "rest"  # What no stage's process took: the supervisor.


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run came to. Times in seconds; `all_cpu_s` of the whole tree, start-up included."""

    cpu_s: float
    wall_s: float
    all_cpu_s: float
    start_s: float
    start_cpu_s: float
    packets: int | None = None
    flows: int | None = None
    alerts: int | None = None
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """A program on a workload. `ns_per_packet` by stage adds up to that of `cpu_s`, run by run."""

    program: Program
    packets: int
    flows: int | None
    alerts: int | None
    packets_read: int | None  # As the program itself says.
    cpu_s: Spread
    wall_s: Spread
    start_s: Spread | None  # Until the first packet.
    start_cpu_s: Spread | None
    cpu_s_by_difference: float | None
    ns_per_packet: dict[str, Spread]

    @property
    def per_cpu_s(self) -> Spread | None:
        """Return packets per CPU-second."""
        return self.cpu_s.inverse(self.packets)

    @property
    def per_wall_s(self) -> Spread | None:
        """Return packets per second; None if most of the time went to start and end."""
        waited = self.start_s.median if self.start_s and not self.program.is_engine else 0.0
        if waited > WAITING_SHARE * (waited + self.wall_s.median):
            return None
        return self.wall_s.inverse(self.packets)


@dataclass(frozen=True, slots=True)
class Measured:
    """A workload with the results of all programs that could be run on it."""

    workload: Workload
    packets: int
    flows: int | None
    results: list[Result]
    left_out: dict[str, str]


def read_engine(watched: Watched) -> Reading:
    """Return the reading of a run of the engine, from what it printed and what it cost."""
    try:
        said = json.loads(watched.stdout)
        stages: dict[str, float] = {}
        for name, process in said["processes"].items():
            stage = name.partition(".")[0]
            stages[stage] = stages.get(stage, 0.0) + process["cpu_seconds"]
        cpu_s = said["cpu_seconds"]
        stages[REST] = max(0.0, cpu_s - sum(stages.values()))
        return Reading(
            cpu_s=cpu_s,
            wall_s=said["seconds"],
            all_cpu_s=watched.cpu_s,
            start_s=(said["ready_ns"] - watched.began_ns) / 1e9,
            start_cpu_s=said["start_cpu_seconds"],
            packets=said["packets"]["read"],
            flows=said["flows"],
            alerts=said["alerts"],
            stages=stages,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProcessError(f"engine run --json printed what bench cannot read: {error!r}") from None


def read_peer(program: Program, watched: Watched, start: Reading | None) -> Reading:
    """Return the reading of a peer's run; `start` is what it costs on one packet."""
    start_cpu_s, start_s = (start.all_cpu_s, start.wall_s) if start else (0.0, 0.0)
    return Reading(
        cpu_s=max(0.0, watched.cpu_s - start_cpu_s),
        wall_s=max(0.0, watched.wall_s - start_s),
        all_cpu_s=watched.cpu_s,
        start_s=start_s,
        start_cpu_s=start_cpu_s,
        packets=program.packets_read(watched),
    )


class Rounds:
    """Programs on one workload, run in turns."""

    def __init__(
        self, workload: Workload, programs: list[Program], cores: list[int], say: Callable
    ) -> None:
        self._workload = workload
        self._programs = list(programs)
        self._cores = cores
        self._say = say
        self._starts: dict[str, Reading] = {}
        self._readings: dict[str, list[Reading]] = {}
        self.left_out: dict[str, str] = {}

    def prepare(self) -> None:
        """Measure what each program costs on the first packet; have the file in the page cache."""
        first = first_packet(self._workload)
        if first is not None:
            try:
                self._measure_starts(first)
            finally:
                first.unlink(missing_ok=True)
        warm(self._workload)

    def run_all(self, number: int, runs: int) -> None:
        """Run every program once, in round `number` of `runs`; slow ones in the first only."""
        for program in list(self._programs):
            if number and self._readings[program.name][0].wall_s > SLOW_S:
                continue
            self._say(f"{self._workload.title}: run {number + 1} of {runs}: {program.title}")
            self._note(program, self._workload.path, self._readings)

    def _measure_starts(self, first: Path) -> None:
        readings: dict[str, list[Reading]] = {}
        for program in list(self._programs):
            for _ in range(STARTS):
                if program in self._programs:
                    self._note(program, first, readings)
        for name, found in readings.items():
            self._starts[name] = sorted(found, key=lambda reading: reading.all_cpu_s)[
                len(found) // 2
            ]

    def _note(self, program: Program, path: Path, readings: dict[str, list[Reading]]) -> None:
        """Run a program once and keep the reading; leave the program out if it fails."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=OUT_PREFIX, dir=FOLDER))
        try:
            command = program.fill(path, folder)
            further = environment() if program.is_engine else None
            watched = run_watched(command, self._cores, LIMIT_S, further)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if watched.failure:
            self.left_out[program.name] = watched.failure
            self._programs.remove(program)
            return
        if program.is_engine:
            reading = read_engine(watched)
        else:
            reading = read_peer(program, watched, self._starts.get(program.name))
        readings.setdefault(program.name, []).append(reading)

    def measured(self) -> Measured:
        """Return what all programs came to; LeftOutError if the packets are not known."""
        ours = [r for p in self._programs if p.is_engine for r in self._readings[p.name]]
        packets = self._workload.packets or (ours[0].packets if ours else 0)
        if not packets:
            raise LeftOutError(
                "the engine could not count its packets; see what it was left out for"
            )
        results = []
        for program in self._programs:
            start = self._starts.get(program.name)
            results.append(summed(program, self._readings[program.name], start, packets))
        flows = ours[0].flows if ours else None
        return Measured(self._workload, packets, flows, results, self.left_out)


def measure(rounds: list[Rounds], runs: int) -> list[Measured]:
    """Run all programs of all rounds in turns; return what they came to."""
    for one in rounds:
        one.prepare()
    for number in range(runs):
        for one in rounds:
            one.run_all(number, runs)
    return [one.measured() for one in rounds]


def summed(
    program: Program, readings: list[Reading], start: Reading | None, packets: int
) -> Result:
    """Return what the readings of one program come to."""
    stages = {
        stage: spread([reading.stages[stage] for reading in readings]).scaled(1e9 / packets)
        for stage in readings[0].stages
    }
    all_cpu_s = spread([reading.all_cpu_s for reading in readings]).median
    known = start is not None or program.is_engine
    return Result(
        program=program,
        packets=packets,
        flows=readings[0].flows,
        alerts=readings[0].alerts,
        packets_read=readings[0].packets,
        cpu_s=spread([reading.cpu_s for reading in readings]),
        wall_s=spread([reading.wall_s for reading in readings]),
        start_s=spread([reading.start_s for reading in readings]) if known else None,
        start_cpu_s=spread([reading.start_cpu_s for reading in readings]) if known else None,
        cpu_s_by_difference=all_cpu_s - start.all_cpu_s if start else None,
        ns_per_packet=stages,
    )


def ratio(ours: Result, theirs: Result) -> float | None:
    """Return how many times as many packets per CPU-second `ours` does."""
    return theirs.cpu_s.median / ours.cpu_s.median if ours.cpu_s.median > 0 else None
