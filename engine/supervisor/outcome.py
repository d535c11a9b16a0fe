"""How a run ended: what run.json, the summary and the exit code are made from."""

from dataclasses import dataclass, field

from engine.recorder.run_json import DONE, FAILED, ORPHANED, Process


@dataclass(slots=True)
class Outcome:
    """How a run ended. `counters` are sums by stage; times in seconds."""

    exit_code: int = 0
    orphaned: bool = False  # The supervisor was killed; what it had to do was done by the zygote.
    errors: list[str] = field(default_factory=list)
    reports: list[dict] = field(default_factory=list)
    replacements: list[dict] = field(default_factory=list)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    started_ns: int = 0
    ended_ns: int = 0
    ready_ns: int = 0  # When all stages ran, by the clock of started_ns; 0: they never did.
    start_s: float = 0.0  # From the start until the stages ran.
    wall_s: float = 0.0  # From then until the last stage ended.
    cpu_s: float = 0.0  # Of all processes from ready to done, run.json too: what packets cost.
    start_cpu_s: float = 0.0  # Of all processes until they were ready.
    compiled: bool = False

    @property
    def ended(self) -> str:
        """Return how the run ended, as run.json says it."""
        if self.exit_code:
            return FAILED
        return ORPHANED if self.orphaned else DONE

    def summary_of(self, process: str) -> dict:
        """Return what a stage reported at its end; empty if it did not come to it."""
        for report in self.reports:
            if report["report"] == "finished" and report["process"] == process:
                return report["summary"]
        return {}
