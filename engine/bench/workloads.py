"""The captures that are measured: made once, kept in the user's cache, checked before each use.

A workload in the cache stands beside a small JSON file that says how large it is and what made it.
It is made again when its size differs or its maker has changed; a name is given to whole files
only.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine import CACHE_HOME
from engine.bench.options import BenchOptions, chosen
from engine.errors import CaptureError, ConfigError, OutputError

FOLDER = CACHE_HOME / "workloads"
MIX, MANY, BIG, LIVE, CAPTURE = "mix", "many", "big", "live", "capture"
NAMES = (MIX, MANY, BIG)
HOSTILE_PACKETS = {  # Packets, and bytes of each at most.
    "crowd": (10_000_000, 80),
    "trickle": (10_000_000, 80),
    "sweep": (2_000_000, 80),
    "names": (2_000_000, 340),
    "hellos": (1_000_000, 600),
}
HOSTILE_NAMES = tuple(HOSTILE_PACKETS)
ORDINARY = "ordinary"
MIX_PACKETS, MANY_PACKETS, BIG_PACKETS = 1_000_000, 2_000_000, 2_000_000
QUICK_DIVISOR = 10
OUT_PREFIX = "out-"  # Folders that runs write into.
_MAKER = "make_workload.py"
_PACKET_BYTES = {
    MIX: 300,
    MANY: 80,
    BIG: 1416,
    LIVE: 80,
}  # At most, for the room that is asked for.
_CHUNK_BYTES = 1 << 24
_TITLES = {
    MIX: "real mix",
    MANY: "many flows",
    BIG: "big flows",
    CAPTURE: "capture given",
}


class LeftOutError(Exception):
    """Something cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A capture that can be measured: `path` of a file whose size has been checked."""

    name: str
    path: Path
    packets: int
    bytes: int

    @property
    def title(self) -> str:
        """Return what people are told that it is."""
        if self.name == LIVE:
            return f"{int(self.path.stem.split('-')[1]):,} live flows"
        return _TITLES.get(self.name, self.name)


def test_data() -> Path:
    """Return the folder of test captures: ENGINE_TEST_DATA, else the one beside the project."""
    named = os.environ.get("ENGINE_TEST_DATA")
    return Path(named) if named else _project().parent / "shared" / "data"


def _project() -> Path:
    return Path(__file__).resolve().parent.parent.parent


def make_workload(name: str, quick: bool, say: Callable[[str], None]) -> Workload:
    """Return a workload from the cache, made if it is not there; LeftOutError if it cannot be."""
    assert name in NAMES, name
    packets = {MIX: MIX_PACKETS, MANY: MANY_PACKETS, BIG: BIG_PACKETS}[name]
    packets //= QUICK_DIVISOR if quick else 1
    if name == MIX:
        return _make_mix(packets, say)
    from engine.capture.synthetic import big_flows, many_flows

    write = {MANY: many_flows, BIG: big_flows}[name]
    version = _digest_of("engine.capture.synthetic.workloads")
    return cached(
        f"{name}-{packets}",
        version,
        packets * _PACKET_BYTES[name],
        lambda path: write(path, packets),
        lambda: say(f"making {name}: {packets:,} packets"),
    )


def make_live_workload(live: int, flows: int, say: Callable[[str], None]) -> Workload:
    """Return the workload of `flows` flows, `live` of them at a time."""
    from engine.capture.synthetic.live import MESSAGES_PER_FLOW, live_flows

    digests = (f"engine.capture.synthetic.{module}" for module in ("live", "workloads"))
    return cached(
        f"{LIVE}-{live}-{flows}",
        "".join(map(_digest_of, digests)),
        flows * MESSAGES_PER_FLOW * _PACKET_BYTES[LIVE],
        lambda path: live_flows(path, live, flows),
        lambda: say(f"making {flows:,} flows, {live:,} at a time"),
    )


def make_hostile(name: str, hostile: bool, quick: bool, say: Callable[[str], None]) -> Workload:
    """Return a workload of HOSTILE_NAMES, or its ordinary twin, from the cache."""
    from engine.capture.synthetic.crowds import write

    packets, packet_bytes = HOSTILE_PACKETS[name]
    packets //= QUICK_DIVISOR if quick else 1
    digests = (f"engine.capture.synthetic.{module}" for module in ("crowds", "workloads"))
    named = f"{name}-{packets}" if hostile else f"{name}_{ORDINARY}-{packets}"
    return cached(
        named,
        "".join(map(_digest_of, digests)),
        packets * packet_bytes,
        lambda path: write(path, name, packets, hostile),
        lambda: say(f"making {named}"),
    )


def chosen_workloads(
    options: BenchOptions, left_out: dict[str, str], say: Callable[[str], None]
) -> list[Workload]:
    """Return the workloads that were asked for; what cannot be made is noted in `left_out`."""
    if options.capture is not None:
        return [given_capture(options.capture)]
    found = []
    for name in chosen(options.only, NAMES):
        try:
            found.append(make_workload(name, options.quick, say))
        except LeftOutError as error:
            left_out[name] = str(error)
    if not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ConfigError(f"nothing to measure on: {reasons}")
    return found


def _make_mix(packets: int, say: Callable[[str], None]) -> Workload:
    maker = test_data() / _MAKER
    if not maker.is_file():
        raise LeftOutError("no test data: name its folder in ENGINE_TEST_DATA")

    def write(path: Path) -> int:
        command = [sys.executable, str(maker), str(path), "--packets", str(packets)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise LeftOutError(f"{_MAKER} failed: {lines[-1]}")
        return packets

    version = hashlib.sha256(maker.read_bytes()).hexdigest()[:16]
    needed = packets * _PACKET_BYTES[MIX]
    name = f"{MIX}-{packets}"
    return cached(name, version, needed, write, lambda: say(f"making {name} from the test data"))


def _digest_of(module: str) -> str:
    """Return what changes when the source of a module does."""
    origin = importlib.util.find_spec(module).origin
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest()[:16]


def cached(
    name: str,
    version: str,
    bytes_needed: int,
    write: Callable[[Path], int],
    say: Callable[[], None],
) -> Workload:
    """Return workload `name` of the cache; `write(path)` makes it and returns how many packets."""
    kind = name.partition("-")[0]
    path, note = FOLDER / f"{name}.pcap", FOLDER / f"{name}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(note.read_text())
        if kept["version"] == version and kept["bytes"] == path.stat().st_size:
            return Workload(kind, path, kept["packets"], kept["bytes"])
    FOLDER.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    free = shutil.disk_usage(FOLDER).free
    if free < 2 * bytes_needed:
        raise LeftOutError(
            f"{FOLDER} has {free:,} bytes free; {2 * bytes_needed:,} are wanted to make {name}"
        )
    say()
    part = FOLDER / f"{name}.{os.getpid()}.part"
    try:
        packets = write(part)
        size = part.stat().st_size
        part.replace(path)
        note.write_text(json.dumps({"version": version, "packets": packets, "bytes": size}))
    except OSError as error:
        raise OutputError(f"cannot make workload {name}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return Workload(kind, path, packets, size)


def given_capture(path: str) -> Workload:
    """Return the capture of the command line; its packets are known when it has been read."""
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise CaptureError(f"cannot read {path!r}: {error.strerror}") from None
    if not os.path.isfile(path):
        raise CaptureError(f"{path!r} is not a file: its page cache could not be warmed")
    return Workload(CAPTURE, Path(path), 0, size)


def warm(workload: Workload) -> None:
    """Read a workload once, so that every run finds it in the page cache."""
    with open(workload.path, "rb", buffering=0) as file:
        buffer = bytearray(_CHUNK_BYTES)
        while file.readinto(buffer):
            pass


def first_packet(workload: Workload) -> Path | None:
    """Return a capture of the first packet of a pcap in this machine's order; None: another kind.

    What a program costs on it is its start.
    """
    with open(workload.path, "rb") as file:
        header = file.read(24)
        record = file.read(16)
        if header[:4] not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") or len(record) < 16:
            return None
        frame = file.read(int.from_bytes(record[8:12], "little"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"start-{workload.name}.pcap"
    path.write_bytes(header + record + frame)
    return path


def kept() -> Iterator[Path]:
    """Yield every file that this module has left in the cache."""
    for pattern in ("*.pcap", "*.json", "*.part"):
        yield from sorted(FOLDER.glob(pattern))


def clean() -> tuple[int, int]:
    """Remove the workloads from the cache; return how many files, and how many bytes."""
    files = size = 0
    for path in kept():
        size += path.stat().st_size
        files += 1
        path.unlink(missing_ok=True)
    for folder in FOLDER.glob(OUT_PREFIX + "*"):
        shutil.rmtree(folder, ignore_errors=True)  # A measurement was killed.
    with contextlib.suppress(OSError):
        FOLDER.rmdir()
    return files, size
