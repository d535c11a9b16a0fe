"""Goal: whatever point a classifier dies at, and however often, its replacements make the rows,
counters and digest of one that lives; and what they begin with is, to the bit, the last commit's.

Method: drawn traffic of hosts through the whole line, under small limits; a step dies at a drawn
point, its successor recovers and goes on; the content of the region is compared with a copy made at
the last commit, so that a store that kept nothing is seen. In Python (NUMBA_DISABLE_JIT=1) steps
also die within kernels, before and behind entries of the journal. Canaries: lines that were not
kept, a classifier that forgets which rows were sent. What it cannot show: real processes.
"""

import random
from pathlib import Path

import numba
import numpy as np
import pytest

from engine.classifier import outlet, transaction
from engine.config import with_settings
from engine.hosts.pane import ROWS_VERSION
from engine.hosts.space import host_shape
from engine.memory import kept
from engine.rings.waiting import IDLE
from tests.property.dying import StopError, content_of, drawn_point, dying
from tests.property.host_traffic import random_host_run
from tests.property.side_by_side import WholeLine, engine_config, way_of

SEEDS = range(4)
SIZE = 60  # Genes of a run.
SMALL = {"host.max_hosts": 24, "host.max_pairs": 16, "host.rows": 40}


class MortalLine(WholeLine):
    """The line of stages whose classifier dies often."""

    def __init__(self, *arguments, dice: random.Random, often: float, **task) -> None:
        super().__init__(*arguments, keeps=True, **task)
        self._dice, self._often = dice, often
        self._shape = host_shape(self.plan.config.host, self.plan.config.flow.max_flows)
        self._note_commit()
        self.deaths = self.taken_back = 0
        self.lost = 0.0  # The share of entries that the journal loses, of the newest: a canary.

    def _classify(self) -> int:
        """Let the classifier take a step, in which it may die."""
        point = drawn_point(self._dice, self._often)
        try:
            if point is None:
                return self._live()
            with dying(self.classifier, point):
                return self._live()
        except StopError:
            self._replace()
            return IDLE

    def _live(self) -> int:
        found = super()._classify()
        if found != IDLE and self.classifier._sent == self.classifier._count:
            self._note_commit()
        return found

    def _note_commit(self) -> None:
        self._committed = content_of(self.state, self._shape)
        self._kept = int(self.state.control[kept.KEPT_IN_ALL])

    def _replace(self) -> None:
        """Recover; what is there then is what was there at the last commit."""
        control = self.state.control
        died_behind = control[transaction._HEADS] or control[kept.KEPT_IN_ALL] != self._kept
        self.state.control[kept.USED] -= int(self.lost * self.state.control[kept.USED])
        version = int(self.state.hosts[ROWS_VERSION])
        self.taken_back += transaction.recover(self.state, self.pipeline.events)
        assert self.state.hosts[ROWS_VERSION] % 2 == 0
        assert self.state.hosts[ROWS_VERSION] >= version
        found = content_of(self.state, self._shape)
        if died_behind:  # The commit that the copy is of.
            self._note_commit()
        for copy in (found, self._committed):
            copy[0][ROWS_VERSION] = 0  # It never goes back.
        names = ("hosts", "touched", "small", "alerted")
        for name, left, right in zip(names, found, self._committed, strict=True):
            differs = np.flatnonzero(left != right)
            assert len(differs) == 0, f"{name}: words {differs[:9]} were not put back"
        self.deaths += 1
        try:
            self.replace_classifier()
        except StopError:
            self._replace()


def outcome(line: WholeLine) -> tuple[list[bytes], dict, dict]:
    """Run a line to its end; return its rows, counters and summary."""
    line.run()
    counters = {name: count for name, count in line.counters.items() if name != "waits"}
    return [row.tobytes() for row in line.rows], counters, line.classifier.summary()


def lines_of(seed: int, folder: Path, often: float) -> tuple[WholeLine, MortalLine]:
    """Return a line that lives and one that does not, over the same drawn run."""
    contents, chosen = random_host_run(seed, SIZE)
    paths = []
    for name, content in contents:
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    way = way_of(seed)._replace(facts=True, max_flows=512)
    config = with_settings(engine_config(chosen, way), SMALL)
    task = {"hash_key": way.hash_key, "separate": chosen.separate}
    living = WholeLine(paths, config, way.workers, keeps=True, **task)
    dice = random.Random(seed)
    return living, MortalLine(paths, config, way.workers, dice=dice, often=often, **task)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("often", [0.1, 0.6])
def test_replacements_do_what_one_does_that_lives(seed, often, tmp_path):
    living, mortal = lines_of(seed, tmp_path, often)
    expected = outcome(living)
    assert outcome(mortal) == expected
    assert expected[2]["digest"].startswith("noscore:")
    assert mortal.deaths > 0


def test_deaths_take_much_back(tmp_path):
    taken = 0
    for seed in SEEDS:
        _, mortal = lines_of(seed, tmp_path, 0.5)
        mortal.run()
        taken += mortal.taken_back
    assert taken > 1000


def test_lines_that_were_not_kept_are_found(tmp_path):
    _, mortal = lines_of(1, tmp_path, 0.6)
    mortal.lost = 1 / 8
    with pytest.raises(AssertionError):
        mortal.run()


def test_rows_that_are_sent_twice_are_found(tmp_path, monkeypatch):
    living, mortal = lines_of(1, tmp_path, 0.6)
    expected = outcome(living)
    send = outlet.send

    def forgetful(ring, slots, rows, span, wish):
        return send(ring, slots, rows, span, (wish[0], 0))

    monkeypatch.setattr("engine.classifier.main.outlet.send", forgetful)
    assert outcome(mortal)[0] != expected[0]


@pytest.mark.skipif(not numba.config.DISABLE_JIT, reason="kernels are not stopped within")
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_steps_that_end_within_kernels_are_taken_back(seed, tmp_path, monkeypatch):
    living, mortal = lines_of(seed, tmp_path, 0.0)
    expected = outcome(living)
    dice, keep_line = random.Random(seed), kept._keep_line

    def stopping(region: int, line: int) -> None:
        stops = dice.random() < 0.002
        if stops and dice.random() < 0.5:
            raise StopError
        keep_line(region, line)
        if stops:
            raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(kept, "_keep_line", stopping)
        mortal.run()
    assert mortal.deaths > 0
    counters = {name: count for name, count in mortal.counters.items() if name != "waits"}
    assert [row.tobytes() for row in mortal.rows] == expected[0]
    assert (counters, mortal.classifier.summary()) == expected[1:]
