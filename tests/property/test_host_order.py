"""Goal: the order in which the deltas of a pane come to hosts changes no row, kernels and twin.

Method: the events of drawn host runs, under limits that are not met, go to the kernels of hosts as
they come from the workers, and again with the deltas of each pane shuffled: past the merge, which
would refuse them. The twin takes its own events in both orders. What it cannot show: limits; hosts
are refused and rows given up in order of arrival.
"""

import random
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from engine.classifier.merge import TALLY_WORDS
from engine.classifier.order import KEY_WORDS, load_key
from engine.classifier.rows import fill_row
from engine.config import PANE_NS, Config, with_settings
from engine.hosts.events import come_to, gather_delta, gather_fact, gather_final, join_ready
from engine.hosts.space import READY, private_words, space_arrays, space_of_arrays
from engine.layouts import DELTA, RECORD, ROW
from engine.layouts.records import EVENT_SLOT_WORDS
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted
from engine.offline import events_of
from engine.reference import run
from engine.reference.events import Delta, Record
from engine.reference.hosts import Hosts
from tests.property.host_traffic import random_host_run

SIZES = (20, 40, 60)
FREE = {"host.max_hosts": 2048, "host.max_pairs": 4096, "host.rows": 16_384}
_ROW_WORDS = ROW.words


@njit(**KERNEL)
def _take_all(slots, address, firsts, batch, key_words, hosts):
    """Give events to hosts in the order of their first slots; fill the rows of a batch.

    `address` is where `slots` begin.
    """
    space, key = space_of_arrays(hosts), pointer(key_words)
    rows = (pointer(batch[0].reshape(-1)), pointer(batch[1].reshape(-1)))
    first_slot = pointer(slots.reshape(-1))
    mask = (1 << 62) - 1
    for number in range(len(firsts)):
        slot = shifted(first_slot, firsts[number] * EVENT_SLOT_WORDS)
        kind = load_key(slot, False, key)
        come_to(space, rows, key)
        if kind == RECORD:
            row = shifted(rows[0], space.pending[READY] * _ROW_WORDS)
            fill_row(address, mask, firsts[number], row)
            space.pending[READY] += 1
            gather_final(space, slot, shifted(slot, EVENT_SLOT_WORDS))
        elif kind == DELTA:
            gather_delta(space, slot)
        else:
            gather_fact(space, slot)
    join_ready(space, rows[0], rows[1])


def rows_of(slots: np.ndarray, firsts: list[int], records: int, config: Config) -> np.ndarray:
    """Return the rows of a run's records, from events taken in this order."""
    words = private_words(config.host, config.flow.max_flows)
    hosts = space_arrays(words, np.zeros(TALLY_WORDS, np.int64))
    rows = np.zeros((records + 1, ROW.words), np.int64)
    batch = (rows, rows.view(np.float32))
    order, key = np.array(firsts, np.int64), np.zeros(KEY_WORDS, np.int64)
    _take_all(slots, slots.ctypes.data, order, batch, key, hosts)
    return rows


def shuffled(events: list, pane_of, source: random.Random) -> list:
    """Return events with those of one pane, where pane_of() is not None, in another order."""
    found = []
    for pane, group in groupby(events, key=pane_of):
        together = list(group)
        if pane is not None:
            source.shuffle(together)
        found += together
    return found


def calm_run(folder: Path, seed: int):
    """Return path and settings of a drawn host run that meets no limit."""
    drawn = random_host_run(seed, SIZES[seed % len(SIZES)])
    path = folder / f"{seed}"
    path.write_bytes(drawn.contents[0][1])
    return str(path), with_settings(drawn.settings.config, FREE)


@pytest.mark.parametrize("block", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_shuffled_deltas_of_a_pane_make_the_same_rows(tmp_path, block: int) -> None:
    moved = 0
    for seed in range(12 * block, 12 * block + 12):
        path, config = calm_run(tmp_path, seed)
        (events,), _ = events_of([path], with_settings(config, {"flow.max_flows": 4096}))
        sizes = [len(words) // EVENT_SLOT_WORDS for words in events]
        slots = np.concatenate(events).reshape(-1, EVENT_SLOT_WORDS)
        firsts = np.cumsum([0, *sizes])[:-1].tolist()
        records = sum(size > 1 for size in sizes)

        def pane_of(first: int, slots=slots):
            return int(slots[first, 1]) // PANE_NS if slots[first, 0] & 15 == DELTA else None

        right = rows_of(slots, firsts, records, config)
        other = shuffled(firsts, pane_of, random.Random(seed))
        moved += other != firsts
        assert np.array_equal(rows_of(slots, other, records, config), right), f"seed {seed}"
        assert not right[records].any()
    assert moved > 6


def test_shuffled_deltas_of_a_pane_make_the_same_rows_of_the_twin(tmp_path) -> None:
    moved = 0
    for seed in range(24):
        path, config = calm_run(tmp_path, seed)
        events = run([path]).events

        def pane_of(event):
            return event.time if isinstance(event, Delta) else None

        other = shuffled(events, pane_of, random.Random(seed))
        moved += other != events
        found = []
        for order in (events, other):
            hosts = Hosts(config.host)
            taken = [hosts.take(event) for event in order]
            found.append([record for record in taken if isinstance(record, Record)])
        assert found[0] == found[1], f"seed {seed}"
    assert moved > 12
