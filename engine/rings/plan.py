"""What a run is to do, as every process of it knows it: inherited at start, never changed."""

import secrets
from dataclasses import dataclass, field

from engine.config import Config


def new_run_name() -> str:
    """Return a name for a run that no other run has: it is part of its segments' names."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A source as it was found before the run began (capture/sources.py)."""

    path: str  # As given, or below a folder as given; "-" is standard input.
    mapped: bool  # An uncompressed file, which capture and workers map; else a stream.
    bytes: int  # Size when it was found; 0 where there is none.
    device: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run. Source paths stand in the order of their source numbers; "-" is standard input."""

    run: str
    config: Config
    sources: tuple[str, ...]
    hash_key: tuple[int, int]  # Both halves, 0 <= half < 2**64.
    workers: int
    separate: bool = False  # One file after the other, nothing kept between them.
    packets_max: int = 0  # Stop after reading that many packets; 0: no limit.
    filter_words: str = ""  # As tcpdump takes them; compiled for each link type that occurs.
    files: tuple[SourceFile, ...] = field(default=())  # `sources` as they were found.
    score: bool = True
    facts: bool = True  # Off for flow features only: no facts, no digest.
    digest: bool = False
    rows: str = "alerts"  # What the recorder gets: none, alerts, finals, all.
    folder: str | None = None  # Where files are written; None: alerts go to standard output.
    flow_formats: tuple[str, ...] = field(default=())
    model: str = ""  # Name of the model that scores; with its version and the names of its kinds
    model_version: str = ""  # as the model card has them.
    profile: str = ""  # Whose settings were taken before those of file and command line.
    labels: tuple[str, ...] = ()  # A row's label is a place in here.
    state_path: str = ""  # Memory file of what the classifier must not lose; empty: none is kept.
