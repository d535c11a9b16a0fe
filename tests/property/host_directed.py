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


def run_of(packets: Iterator[tuple[int, bytes, int]], **changed: object) -> RunInput:
    """Return a run over SYNs of one host: (seconds behind the start, responder, its port)."""
    weaver, start = HostWeaver(), HostWeaver().now
    for second, responder, port in packets:
        weaver.now, weaver.port = start + second * SECOND_NS, weaver.port + 1
        ports = 1024 + weaver.port % 60_000, port
        weaver.segment(((HERE, responder), ports), f.SYN)
    dotted = {f"host.{name}": value for name, value in changed.items()}
    settings = Settings(with_settings(Config(), {"host.max_hosts": 2048, **dotted}))
    return RunInput([("directed", FORMATS["pcapng"](weaver.frames))], settings)


def beacon_a_day_ago(last: int) -> RunInput:
    """Five starts from second 0 on, and one record in the pane that ends a day after the first."""

    def packets():
        yield from ((second, THERE, 443) for second in range(0, 50, 10))
        yield from ((second, THERE, 80) for second in (last, last + 5))
        yield last + 5, THERE, 443

    return run_of(packets())


def same_starts(count: int) -> RunInput:
    """`count` starts to few peers, all but the first few known: no generation ends by them."""

    def packets():
        for number in range(count):
            yield number // 50, bytes((10, 0, 1, number % 5)), 22
        yield from ((count // 50 + 10, bytes((10, 0, 1, number)), 22) for number in range(7))

    return run_of(packets())


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


DIRECTED: dict[str, Callable[[], RunInput]] = {
    "beacon a day ago": lambda: beacon_a_day_ago(DAY_S - 5),
    "beacon a day and a pane ago": lambda: beacon_a_day_ago(DAY_S),
    "1,200 starts alike": lambda: same_starts(1200),
    "peers by the hundred": lambda: many_peers(250, 60),
    "peers by the hundred, hours apart": lambda: many_peers(250, HOUR_S),
    "600 peers a pane": lambda: many_peers(600, HOUR_S // 2),
    "a start in every pane": lambda: every_cell(700),
}
