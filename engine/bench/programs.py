"""The programs that are measured: the engine in three modes, and what is installed of its peers.

A command has places: {capture} is the file, {folder} an empty folder for what is written. Peers run
with their own defaults; where a default makes them do less (softflowd keeps 8,192 flows) they have
the advantage.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from engine.bench.measure import Watched

FEATURES, SCORED, WRITTEN = "features", "scored", "written"
TCPDUMP, SOFTFLOWD, ARGUS, NFSTREAM = "tcpdump", "softflowd", "argus", "nfstream"
ENGINE_NAMES = (FEATURES, SCORED, WRITTEN)
PEER_NAMES = (TCPDUMP, SOFTFLOWD, ARGUS, NFSTREAM)
NAMES = (*ENGINE_NAMES, *PEER_NAMES)

FURTHER_PLACES = ("/usr/local/sbin", "/usr/sbin")  # Where who is not root may have no path to.
_ENGINE = (sys.executable, "-c", "from engine.cli import main; main()")
_ROOT = Path(__file__).resolve().parent.parent.parent
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)*")
_VERSION_LIMIT_S = 60.0
_NFSTREAM_LINES = (
    "import sys",
    "from nfstream import NFStreamer",
    "meters = int(sys.argv[2])",
    "options = dict(statistical_analysis=True, n_dissections=0, n_meters=meters)",
    "flows = NFStreamer(source=sys.argv[1], **options)",
    "print(sum(flow.bidirectional_packets for flow in flows))",
)
_WRITES = ("-w", "{folder}", "--overwrite")
_NOT_HASHED = ("--set", "recorder.source_digests=false")
_COMMANDS = {
    TCPDUMP: ("tcpdump", "-n", "--count", "-r", "{capture}"),
    SOFTFLOWD: ("softflowd", "-d", "-r", "{capture}"),
    ARGUS: ("argus", "-X", "-r", "{capture}", "-w", "/dev/null"),
}
_TITLES = {
    FEATURES: "engine, flow features only",
    SCORED: "engine, scored, alerts written",
    WRITTEN: "the same, capture hashed (-w)",
    TCPDUMP: "tcpdump (libpcap loop)",
    SOFTFLOWD: "softflowd (NetFlow counters)",
    ARGUS: "argus (flow records)",
    NFSTREAM: "NFStream with statistics",
}
# What a peer says that it has read, where it says so: the sum of all matches.
_COUNTS = {
    TCPDUMP: re.compile(r"^(\d+) packets?$", re.MULTILINE),
    SOFTFLOWD: re.compile(r"^(?:Packets processed|Ignored packets): (\d+)", re.MULTILINE),
}
_VERSION_WORDS = {TCPDUMP: "--version", SOFTFLOWD: "-h", ARGUS: "-h"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program with its arguments. `shown` is the command as people would type it."""

    name: str
    title: str
    command: tuple[str, ...]
    shown: str
    version: str = ""

    @property
    def is_engine(self) -> bool:
        """Return whether it is ours, and reports its processes."""
        return self.name in ENGINE_NAMES

    def fill(self, capture: Path, folder: Path) -> list[str]:
        """Return the command for a capture and a folder to write into."""
        places = {"{capture}": str(capture), "{folder}": str(folder)}
        return [places.get(word, word) for word in self.command]

    def packets_read(self, watched: Watched) -> int | None:
        """Return how many packets a peer says that it has read; None if it does not say."""
        pattern = _COUNTS.get(self.name)
        found = pattern.findall(watched.stdout + watched.stderr) if pattern else []
        return sum(map(int, found)) if found else None


def environment() -> dict[str, str]:
    """Return what the engine's command needs in its environment to be this engine."""
    further = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{_ROOT}{os.pathsep}{further}" if further else str(_ROOT)}


def engine_command(arguments: list[str]) -> tuple[str, ...]:
    """Return the command of this interpreter that is `engine` with those arguments."""
    return (*_ENGINE, *arguments)


def engine_program(name: str, workers: int, further: tuple[str, ...] = ()) -> Program:
    """Return the engine in mode FEATURES, SCORED or WRITTEN, with `further` arguments."""
    mode = {FEATURES: ["--no-score"], SCORED: [*_WRITES, *_NOT_HASHED], WRITTEN: [*_WRITES]}[name]
    arguments = ["run", "-r", "{capture}", "--json", "-n", str(workers), *mode, *further]
    shown = " ".join(["engine", *arguments])
    return Program(name, _TITLES[name], engine_command(arguments), shown)


def find_peers(names: tuple[str, ...], cores: int) -> tuple[list[Program], dict[str, str]]:
    """Return the peers of those names that are installed, and why the others are left out."""
    found, absent = [], {}
    for name in names:
        program = _nfstream(cores) if name == NFSTREAM else _installed(name)
        if isinstance(program, Program):
            found.append(program)
        else:
            absent[name] = program
    return found, absent


def _installed(name: str) -> Program | str:
    """Return the peer, or why it is left out."""
    command = _COMMANDS[name]
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), *FURTHER_PLACES))
    path = shutil.which(command[0], path=places)
    if path is None:
        return "not installed"
    version = _version((path, _VERSION_WORDS[name]))
    return Program(name, _TITLES[name], (path, *command[1:]), " ".join(command), version)


def _nfstream(cores: int) -> Program | str:
    """Return NFStream under its own interpreter ($NFSTREAM_PYTHON, else this), or why not."""
    python = os.environ.get("NFSTREAM_PYTHON")
    if python is None and importlib.util.find_spec("nfstream") is None:
        return "not installed; name an interpreter that has it in NFSTREAM_PYTHON"
    python = python or sys.executable
    version = _version((python, "-c", "import nfstream; print(nfstream.__version__)"))
    if not version:
        return "the interpreter in NFSTREAM_PYTHON cannot import it"
    meters = max(1, cores - 1)  # Its own default on a machine of so many cores.
    command = (python, "-c", "\n".join(_NFSTREAM_LINES), "{capture}", str(meters))
    shown = (
        f"NFStreamer({{capture}}, statistical_analysis=True, n_dissections=0, n_meters={meters})"
    )
    return Program(NFSTREAM, _TITLES[NFSTREAM], command, shown, version)


def _version(command: tuple[str, ...]) -> str:
    """Return the first version number that a command prints; empty if there is none."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = _VERSION.search(done.stdout + done.stderr)
    return match[0] if match else ""
