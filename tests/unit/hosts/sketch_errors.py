"""How far the sketches of hosts are from exact sets: numbers from fixed seeds, and their tables.

`python -m tests.unit.hosts.sketch_errors` prints what stands in engine/hosts/README.rst. Things are
drawn 64-bit numbers behind the fixed hash; the sketches are those of the plain twin, which the
kernels equal to the bit (tests/property).
"""

import random
from collections.abc import Callable

from engine.reference.hashes import fixed_hash
from engine.reference.sketches import Filters, distinct, hyperloglog, largest_distinct, top

SEEDS = 40
COUNTS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
FILTER_COUNTS = (64, 128, 256, 512, 1024)
OTHERS = 40  # Flows or queries of other ports, peers, parents, in the rows of 123, 118, 136.
PROBES = 4000
Sketch = Callable[[random.Random, list[int]], float]


def drawn_things(source: random.Random, count: int) -> list[int]:
    """Return the hashes of `count` things."""
    return [fixed_hash([source.getrandbits(64)]) for _ in range(count)]


def _amid_others(source: random.Random, things: list[int]) -> list[tuple[int, int]]:
    """Return pairs: one bucketed thing with all of `things`, and others with one thing each."""
    (chosen,) = drawn_things(source, 1)
    others = drawn_things(source, 2 * OTHERS)
    pairs = list(zip(others[:OTHERS], others[OTHERS:], strict=True))
    return pairs + [(chosen, counted) for counted in things]


def peers_per_port(source: random.Random, peers: list[int]) -> float:
    """Return feature 123 of a scan of `peers` on one port."""
    return largest_distinct(_amid_others(source, peers), 4, 8)


def ports_per_peer(source: random.Random, ports: list[int]) -> float:
    """Return feature 118 of a scan of `ports` on one peer."""
    return largest_distinct(_amid_others(source, ports), 6, 6)


def names_of_parent(source: random.Random, names: list[int]) -> float:
    """Return feature 136 of a host that asks for `names` below one parent, each once."""
    buckets: dict[int, list[int]] = {}
    for parent, name in _amid_others(source, names):
        buckets.setdefault(top(parent, 4), []).append(name)
    most = min(buckets, key=lambda bucket: (-len(buckets[bucket]), bucket))
    return distinct(buckets[most], 6)


SKETCHES: dict[str, Sketch] = {
    "256 bits": lambda _, things: distinct(things),
    "64 bits": lambda _, things: distinct(things, 6),
    "HyperLogLog": lambda _, things: hyperloglog(things),
    "123": peers_per_port,
    "118": ports_per_peer,
    "136": names_of_parent,
}


def errors(name: str, count: int) -> tuple[float, float]:
    """Return mean and worst size of a sketch's error at a true count, as shares of it."""
    found = []
    for seed in range(SEEDS):
        source = random.Random(f"{name} {seed}")
        things = drawn_things(source, count)
        found.append(abs(SKETCHES[name](source, things) - count) / count)
    return sum(found) / SEEDS, max(found)


def false_known(count: int) -> tuple[float, float]:
    """Return mean and worst share of unseen keys that a filter of `count` keys holds."""
    found = []
    for seed in range(SEEDS // 4):
        source, filters = random.Random(f"filter {seed}"), Filters()
        filters.enter(drawn_things(source, count), 0, 0)
        unseen = drawn_things(source, PROBES)
        found.append(sum(filters.holds(key) for key in unseen) / PROBES)
    return sum(found) / len(found), max(found)


def _told(shares: tuple[float, float], digits: int = 1) -> str:
    return " / ".join(f"{100 * share:.{digits}f}" for share in shares)


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [rule, lines[0], rule, *lines[1:], rule]


def sketch_table() -> list[str]:
    """Return the lines of the table of distinct counts."""
    rows = [["true count", *SKETCHES]]
    for count in COUNTS:
        rows.append([f"{count:,}", *(_told(errors(name, count)) for name in SKETCHES)])
    return _table(rows)


def filter_table() -> list[str]:
    """Return the lines of the table of filters."""
    rows = [["keys entered", "unseen keys known"]]
    rows += [[f"{count:,}", _told(false_known(count), 2)] for count in FILTER_COUNTS]
    return _table(rows)


if __name__ == "__main__":
    print("\n".join([*sketch_table(), "", *filter_table()]))
