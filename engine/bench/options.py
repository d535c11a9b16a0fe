"""What `engine bench` was asked for."""

from dataclasses import dataclass

from engine.errors import ConfigError

RUNS_MAX = 1000


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The options, checked as far as they can be without looking at the machine."""

    kind: str = "speed"  # Or scaling, memory, hostile, stages, clean.
    capture: str | None = None
    as_json: bool = False
    runs: int = 5
    workers: int | None = None
    cores: int = 2
    only: str = ""
    quick: bool = False
    save: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.runs <= RUNS_MAX:
            raise ConfigError(f"--runs must be from 1 to {RUNS_MAX}, is {self.runs}")
        if self.workers is not None and not 1 <= self.workers <= 64:
            raise ConfigError(f"--workers must be from 1 to 64, is {self.workers}")
        if self.save and self.kind == "clean":
            raise ConfigError("--clean measures nothing that --save could keep")

    @property
    def workers_wanted(self) -> int:
        """Return how many workers run: as asked for, or cores - 2, at least 1."""
        return self.workers or max(1, self.cores - 2)

    def command(self) -> str:
        """Return the command line that asks for this; of a capture only the last name."""
        words = ["engine", "bench"]
        words += [f"--{self.kind}"] if self.kind != "speed" else []
        words += ["--capture", self.capture.rpartition("/")[2]] if self.capture else []
        words += ["--runs", str(self.runs), "--cores", str(self.cores)]
        words += ["--workers", str(self.workers_wanted)]
        words += ["--only", self.only] if self.only else []
        return " ".join(words + (["--quick"] if self.quick else []))


def chosen(only: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a comma-separated list that are among `known`; all if none is."""
    words = [word.strip() for word in only.split(",") if word.strip()]
    return tuple(name for name in known if name in words) or known


def check_names(only: str, known: tuple[str, ...]) -> None:
    """Raise ConfigError if a list names what does not exist."""
    for word in (word.strip() for word in only.split(",")):
        if word and word not in known:
            raise ConfigError(f"--only may name {', '.join(known)}, is {word!r}")
