"""Runs of hosts that random ones seldom come to: a day to the second, hundreds of peers, of starts.

Each is (capture files, settings), as random_host_run() makes them.
"""

from collections.abc import Callable, Iterator

from engine.config import SECOND_NS, Config, with_settings
from engine.reference import Settings
from tests.property import frames as f
from tests.property.capture_files import FORMATS
from tests.property.host_traffic import HostWeaver
from tests.property.strategies import RunInput

HERE, THERE = b"\x0a\0\0\1", b"\x08\x08\x08\x08"
DAY_S, HOUR_S = 86_400, 3600


def run_of(packets: Iterator[tuple[int, ...]], **changed: object) -> RunInput:
    """Return a run over SYNs of one host.

    A flow is (seconds behind the start, responder, its port, and how many SYNs if not one).
    """
    weaver, start = HostWeaver(), HostWeaver().now
    for second, responder, port, *count in packets:
        weaver.now, weaver.port = start + second * SECOND_NS, weaver.port + 1
        ports = 1024 + weaver.port % 60_000, port
        for _ in range(*count or [1]):
            weaver.segment(((HERE, responder), ports), f.SYN)
    dotted = {f"host.{name}": value for name, value in changed.items()}
    settings = Settings(with_settings(Config(), {"host.max_hosts": 2048, **dotted}))
    return RunInput([("directed", FORMATS["pcapng"](weaver.frames))], settings)


def beacon_a_day_ago(late: int) -> RunInput:
    """Five starts from second 0 on, then an early record a day and `late` s after the first."""

    def packets():
        yield from ((second, THERE, 443) for second in range(0, 50, 10))
        yield DAY_S + late - 5, THERE, 80
        yield DAY_S + late, THERE, 443, 8

    return run_of(packets())


def same_starts(count: int) -> RunInput:
    """Seven peers, then `count` starts to one of them: no generation ends by these."""
    peers = [bytes((10, 0, 1, number)) for number in range(7)]

    def packets():
        yield from ((0, peer, 22) for peer in peers)
        yield from ((10 + number // 50, peers[0], 22) for number in range(count))
        yield from ((50 + count // 50, peer, 22) for peer in peers)

    return run_of(packets())


def to_the_hour() -> RunInput:
    """Starts in the last pane of a generation, in the next, an hour later, and the first again."""
    first, second, third = (bytes((10, 0, 1, number)) for number in range(3))
    last = 2 * HOUR_S + 10  # An hour after the end of the second generation's first pane.
    starts = ((0, first), (HOUR_S, second), (HOUR_S + 5, third), (last, second), (last, third))
    return run_of(iter([(time, peer, 22) for time, peer in starts]))


def many_peers(count: int, gap_s: int) -> RunInput:
    """Three scans of `count` peers each, so that filters grow full, then the first again."""

    def packets():
        for scan in (0, 1, 2, 0):
            base = scan * (gap_s + count // 20) + (gap_s * 3 if not scan else 0)
            for number in range(count):
                yield base + number // 100, bytes((10, scan, number >> 8, number & 255)), 445

    ordered = sorted(packets())
    return run_of(iter(ordered))


def every_cell(panes: int) -> RunInput:
    """A start in every pane, more in some, for longer than any window."""

    def packets():
        for pane in range(panes):
            for number in range(1 + pane % 7 % 3):
                yield 5 * pane, bytes((10, 0, 1, (pane + number) % 9)), 445 if number else 80

    return run_of(packets())


def both_ends_of_the_clock() -> RunInput:
    """Peers as early as a clock can tell, another more than 2^63 ns later, then the first again."""
    earliest = -(HostWeaver().now + (1 << 63)) // SECOND_NS + 1
    *peers, other = (bytes((10, 0, 1, number)) for number in range(21))

    def packets():
        yield from ((earliest, peer, 22) for peer in peers)
        yield 0, other, 22
        yield from ((HOUR_S + 5, peer, 22) for peer in peers)

    return run_of(packets())


DIRECTED: dict[str, Callable[[], RunInput]] = {
    "beacon a day ago": lambda: beacon_a_day_ago(0),
    "beacon a day and a pane ago": lambda: beacon_a_day_ago(5),
    "starts to the hour": to_the_hour,
    "2,000 starts alike": lambda: same_starts(2000),
    "peers by the hundred": lambda: many_peers(250, 60),
    "peers by the hundred, hours apart": lambda: many_peers(250, HOUR_S),
    "600 peers a pane": lambda: many_peers(600, HOUR_S // 2),
    "a start in every pane": lambda: every_cell(700),
    "both ends of the clock": both_ends_of_the_clock,
}
