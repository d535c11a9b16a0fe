"""Make the demo capture, run the engine on it, and say what was found of what went wrong in it.

Run by tools/run without arguments, with the environment's python. The capture is kept in the user's
cache folder until the code that makes it changes; so are the last run's files.
"""

import collections
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec

import engine
from engine.capture import synthetic

CAPTURE = "demo-{}.pcap"
OUTPUT = "demo"
_ENGINE = Path(sys.executable).parent / "engine"


class _Quantities(msgspec.Struct):
    label: str = ""


class _Event(msgspec.Struct):
    """What the summary reads of an EVE event; ports are absent where a protocol has none."""

    kind: str = msgspec.field(name="event_type")
    source: str = msgspec.field(default="", name="src_ip")
    destination: str = msgspec.field(default="", name="dest_ip")
    port: int = msgspec.field(default=0, name="dest_port")
    ml: _Quantities = msgspec.field(default_factory=_Quantities)


def main() -> int:
    """Return the engine's exit code."""
    capture = _capture()
    output = engine.CACHE_HOME / OUTPUT
    command = [_ENGINE, "run", "-r", capture, "-w", output, "--overwrite", "--flows", "jsonl"]
    print(f"$ {' '.join(['engine', *map(str, command[1:])])}", flush=True)
    outcome = subprocess.run(command, check=False)
    if outcome.returncode:
        return outcome.returncode
    _summarise(output / "eve.json")
    print(f"\nAlerts, flows and run.json are in {output}", flush=True)
    print("A page of it, for a browser: ", end="", flush=True)
    subprocess.run([_ENGINE, "report", output], check=False)
    print("Next: tools/run run -r YOUR.pcap, tools/run --help")
    return 0


def _capture() -> Path:
    """Return the demo capture, made if there is none of the present code's."""
    digest = hashlib.sha256()
    for path in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    capture = engine.CACHE_HOME / CAPTURE.format(digest.hexdigest()[:16])
    if not capture.exists():
        print("making the demo capture", file=sys.stderr, flush=True)
        for old in engine.CACHE_HOME.glob(CAPTURE.format("*")):
            old.unlink(missing_ok=True)
        unfinished = capture.with_name(f"{capture.name}.{os.getpid()}")
        synthetic.demo(unfinished)
        unfinished.rename(capture)
    return capture


def _summarise(events: Path) -> None:
    """Print, for each kind of traffic in the demo, how many of its flows raised an alert."""
    flows: collections.Counter[str] = collections.Counter()
    alerts: collections.Counter[str] = collections.Counter()
    labels: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    decoder = msgspec.json.Decoder(_Event)
    with events.open("rb") as lines:
        for line in lines:
            event = decoder.decode(line)
            if not event.source:
                continue  # The statistics at the end.
            truth = synthetic.kind_of(event.source, event.destination, event.port)
            kind = truth.kind if truth else "unknown"
            if event.kind == "flow":
                flows[kind] += 1
            elif event.kind == "alert":
                alerts[kind] += 1
                labels[kind][event.ml.label] += 1
    attacks = list(dict.fromkeys(row.kind for row in synthetic.DEMO_TRUTH if row.attack))
    ordinary = list(dict.fromkeys(row.kind for row in synthetic.DEMO_TRUTH if not row.attack))
    for title, kinds in (("What went wrong", attacks), ("Ordinary traffic", ordinary)):
        print(f"\n{title:20}{'flows':>8}{'alerts':>8}  taken for")
        for kind in kinds:
            named = ", ".join(f"{label} {count:,}" for label, count in labels[kind].most_common(3))
            print(f"  {kind:18}{flows[kind]:8,}{alerts[kind]:8,}  {named or '-'}")


if __name__ == "__main__":
    sys.exit(main())
