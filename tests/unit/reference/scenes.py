"""Small captures for the twin: packets at given times, on raw IP links, and runs over them."""

from struct import unpack

from engine.config import SECOND_NS, Config, with_settings
from engine.reference import Capture, Run, Settings, run_bytes, sources_of
from engine.reference.events import Delta, Fact, Record
from tests.property import frames as f
from tests.property.capture_files import FORMATS, Frame

RAW = 101
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
S = SECOND_NS


def segment(flags: int, payload: bytes = b"", back: bool = False, **fields: int) -> bytes:
    """Return a TCP segment from A:4000 to B:80, or back."""
    ends, ports = ((B, A), (80, 4000)) if back else ((A, B), (4000, 80))
    return f.ip(f.tcp(ports, flags, payload, **fields), f.TCP, ends)


def datagram(payload: bytes = b"", back: bool = False, port: int = 9) -> bytes:
    """Return a UDP datagram from A:4000 to B, or back."""
    ends, ports = ((B, A), (port, 4000)) if back else ((A, B), (4000, port))
    return f.ip(f.udp(ports, payload), f.UDP, ends)


def capture(*packets: tuple[int, bytes], link_type: int = RAW) -> bytes:
    """Return a pcapng file of (stamp in ns, bytes) pairs."""
    return FORMATS["pcapng"](
        [Frame(time, link_type, octets, len(octets)) for time, octets in packets]
    )


def settings(separate: bool = False, **changed: object) -> Settings:
    """Return settings; flow_idle_timeout="5 s" stands for flow.idle_timeout."""
    dotted = {name.replace("_", ".", 1): value for name, value in changed.items()}
    return Settings(with_settings(Config(), dotted), separate)


def run_of(*packets: tuple[int, bytes], **changed: object) -> Run:
    """Return a run over one capture of raw IP packets."""
    return run_bytes([("capture", capture(*packets))], settings(**changed))


def finals(run: Run) -> list[Record]:
    """Return the final records, in order."""
    return [record for record in run.records if record.final]


def earlies(run: Run) -> list[Record]:
    """Return the early records, in order."""
    return [record for record in run.records if not record.final]


def deltas(run: Run) -> list[Delta]:
    """Return the deltas, in order."""
    return [event for event in run.events if isinstance(event, Delta)]


def facts(run: Run) -> list[Fact]:
    """Return the DNS facts, in order."""
    return [event for event in run.events if isinstance(event, Fact)]


def feature(record: Record, index: int) -> float | None:
    """Return flow feature `index` (82: feature 92) of a record; None: not valid."""
    value = unpack("<83f", record.features)[index]
    if record.valid >> index & 1:
        return value
    assert value == 0.0, "what is not valid is 0"
    return None


def fate(packet: bytes, link_type: int = RAW, wire_length: int | None = None, **changed) -> str:
    """Return what becomes of one frame."""
    length = len(packet) if wire_length is None else wire_length
    file = FORMATS["pcapng"]([Frame(0, link_type, packet, length)])
    (taken,) = Capture(sources_of([("one", file)]), settings(**changed))
    return taken.fate
