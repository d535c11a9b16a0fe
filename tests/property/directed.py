"""Runs that random ones never come to: years of age, counters at their tops, sums beyond 64 bits.

Each is (capture files, settings), as random_run() makes them; both engine and twin take them.
"""

from collections.abc import Callable, Iterator

from engine.config import PANE_NS, SECOND_NS, WIDE_AGE_NS, Config, with_settings
from engine.reference import Settings
from tests.property import frames as f
from tests.property.capture_files import FORMATS, Frame
from tests.property.strategies import RunInput

RAW = 101
START = 1_700_000_000 * SECOND_NS
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
_ETHERNET_SLACK = 65_535  # Longest IPv4 packet, bytes.


def segment(flags: int, back: bool = False, length: int = 40, port: int = 80) -> bytes:
    """Return a raw TCP packet from A:4000, or back, whose payload is not captured."""
    ends, ports = ((B, A), (port, 4000)) if back else ((A, B), (4000, port))
    return f.ipv4(f.tcp(ports, flags, b""), f.TCP, ends, length=length)


def run_of(packets: Iterator[tuple[int, bytes]], **changed: object) -> RunInput:
    """Return a run over one capture of (time behind the start, packet); changed as a_b=value."""
    frames = []
    for time, packet in packets:
        length = int.from_bytes(packet[2:4], "big")
        frames.append(Frame(START + time, RAW, packet, length))
    dotted = {name.replace("_", ".", 1): value for name, value in changed.items()}
    settings = Settings(with_settings(Config(), dotted))
    return RunInput([("directed", FORMATS["pcapng"](frames))], settings)


def ended_for_hours(last: int) -> RunInput:
    """An ended connection whose lingering is never over, up to an age of `last` ns."""

    def packets():
        yield 0, segment(f.SYN)
        yield 1, segment(f.RST, back=True)
        step = 999 * SECOND_NS
        yield from ((time, segment(f.ACK)) for time in range(step, last, step))
        yield last, segment(f.ACK)
        yield last + 1, segment(f.ACK)

    return run_of(packets(), flow_tcp_linger="1000 s")


def every_flag(count: int) -> RunInput:
    """`count` packets of each pattern of flags, so that every narrow counter runs over."""

    def packets():
        for number in range(count):
            for k, flags in enumerate((0x3F, 0xC3, 0xFF, 0x00, 0x29, f.ACK | f.PSH)):
                yield 6 * number + k, segment(flags, back=number % 3 == 0)
            if number % 40 == 0:
                yield 6 * number + 5, segment(f.SYN, port=81)

    return run_of(packets(), flow_tcp_end=False)


def long_packets(count: int) -> RunInput:
    """So many packets of 65,535 bytes that the 31 bits of a row's byte counts do not suffice."""

    def packets():
        for number in range(count):
            yield number * 100_000, segment(f.ACK | f.PSH, length=_ETHERNET_SLACK)
            if number % 1000 == 0:
                yield number * 100_000 + 1, segment(f.ACK, back=True)

    return run_of(packets())


def upload(total: int) -> RunInput:
    """Exactly `total` bytes of the initiator, then as many flows with a byte less and one more."""

    def packets():
        for port, size in ((80, total), (81, total - 1), (82, total + 1)):
            for left in range(size, 0, -60_000):
                if left > 60_100:
                    yield size, segment(f.ACK, length=60_000, port=port)
            rest = size - 60_000 * ((size - 101) // 60_000)
            yield size, segment(f.ACK, length=rest, port=port)

    return run_of(packets())


def _conversation(*steps: tuple[int, int, int, dict], **changed: object) -> RunInput:
    """A connection of (ns, flags, payload bytes, TCP fields with back) steps, with history."""

    def packets():
        for time, flags, payload, fields in steps:
            back = fields.get("back", 0)
            ends, ports = ((B, A), (80, 4000)) if back else ((A, B), (4000, 80))
            octets = f.tcp(ports, flags, bytes(payload), **fields)
            yield time, f.ipv4(octets, f.TCP, ends)

    return run_of(packets(), flow_history=True, **changed)


def counted_letters(count: int) -> RunInput:
    """`count` repeated segments and closed windows of both sides: letters at powers of ten."""
    steps = [(0, f.SYN, 0, {}), (1, f.SYN | f.ACK, 0, {"back": 1, "acknowledgment": 1})]
    for number in range(count):
        numbers = {"sequence": 1, "acknowledgment": 1, "window": 0, "back": number % 3 == 0}
        steps.append((2 + number, f.ACK, 7, numbers))
    return _conversation(*steps)


def many_letters(count: int) -> RunInput:
    """So many RSTs and FINs of other numbers that letters are left out."""
    steps = [
        (k, f.FIN if k % 5 else f.RST, 1, {"sequence": 1000 * k + 1, "back": k % 3 == 0})
        for k in range(count)
    ]
    return _conversation(*steps, flow_tcp_end=False)


def stream_of(total: int) -> RunInput:
    """A stream of nearly `total` bytes in leaps, acknowledged, split on its way."""
    leap = (1 << 31) - 1001
    steps = [(0, f.SYN, 0, {"sequence": 5}), (1, f.SYN | f.ACK, 0, {"back": 1, "sequence": 9})]
    for number in range(total // leap):
        at = (number * leap + 6) % (1 << 32)
        time = number * SECOND_NS + 2
        steps.append((time, f.ACK, 1000, {"sequence": at, "acknowledgment": 10}))
        back = {"back": 1, "sequence": 10, "acknowledgment": (at + 1000) % (1 << 32)}
        steps.append((time + 9, f.ACK, 0, back))
    last = {"sequence": (at + 1000) % (1 << 32), "acknowledgment": 10}
    steps.append((time + SECOND_NS, f.FIN | f.ACK, 0, last))
    return _conversation(*steps, flow_active_timeout="9 s")


def long_gaps(gap: int, **changed: object) -> RunInput:
    """Silences just short of the idle timeout, whose squares fill more than 64 bits."""

    def packets():
        time = 0
        for number in range(60):
            yield time, segment(f.ACK, back=number % 2 == 1)
            time += gap if number % 5 else 1_000

    return run_of(packets(), **changed)


def clock_far_ahead(years: int, **changed: object) -> RunInput:
    """Some flows, then a packet `years` later, then one of each flow."""

    def packets():
        for later in (0, years * 365 * 86_400 * SECOND_NS):
            for number in range(50):
                yield later + number, segment(f.ACK, port=1000 + number)
            yield later + PANE_NS, segment(f.RST, back=True, port=1000)

    return run_of(packets(), **changed)


def whole_clock(first: int, last: int, **changed: object) -> RunInput:
    """One flow at both ends of what the clock can tell, and some beside it."""

    def packets():
        for time in (first, first + 5, last, last + 1):
            yield time - START, segment(f.ACK)
            for port in range(81, 90):
                yield time - START, segment(f.RST, back=True, port=port)

    return run_of(packets(), flow_active_timeout="off", **changed)


DIRECTED: dict[str, Callable[[], RunInput]] = {
    "ended, below 2^44 ns": lambda: ended_for_hours(WIDE_AGE_NS - 1),
    "ended, 2^44 ns": lambda: ended_for_hours(WIDE_AGE_NS),
    "every flag": lambda: every_flag(700),
    "flags spilled": lambda: every_flag(40),
    "bytes spilled": lambda: long_packets(33_000),
    "upload of 1 MiB": lambda: upload(1 << 20),
    "gaps of 119 s": lambda: long_gaps(119 * SECOND_NS),
    "gaps of an hour": lambda: long_gaps(
        3600 * SECOND_NS, flow_idle_timeout="2 h", flow_active_timeout="4 h"
    ),
    "gaps of an hour, wide": lambda: long_gaps(
        3600 * SECOND_NS, flow_idle_timeout="2 h", flow_active_timeout="off"
    ),
    "fifty years": lambda: clock_far_ahead(50),
    "fifty years, timeouts off": lambda: clock_far_ahead(
        50, flow_idle_timeout="off", flow_active_timeout="off"
    ),
    "fifty years, idle timeout of a day": lambda: clock_far_ahead(50, flow_idle_timeout="24 h"),
    "whole clock": lambda: whole_clock(-(1 << 63), (1 << 63) - (1 << 60) - 1),
    "whole clock, timeouts off": lambda: whole_clock(
        -(1 << 63), (1 << 63) - (1 << 60) - 1, flow_idle_timeout="off"
    ),
    "2^63 - 1 ns, timeouts off": lambda: whole_clock(
        -(1 << 62), (1 << 62) - 1, flow_idle_timeout="off", flow_tcp_end=False
    ),
    "2^63 ns, timeouts off": lambda: whole_clock(
        -(1 << 62), 1 << 62, flow_idle_timeout="off", flow_tcp_end=False
    ),
    "powers of ten": lambda: counted_letters(2250),
    "letters left out": lambda: many_letters(120),
    "stream of 64 GiB": lambda: stream_of(1 << 36),
    "a year, idle timeout of a day": lambda: clock_far_ahead(1, flow_idle_timeout="24 h"),
}
