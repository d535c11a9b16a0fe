"""Goal: a recorder that is killed at any step and replaced leaves what one leaves that was not.

Method: real processes over a real ring, killed by SIGKILL before every step that others can see, or
half way through it; what is left must be equal to the byte: files, counters, summary. Planted
mistakes must be found by the same means. What it cannot show: a kill inside a kernel (the journal's
tests and the instruments of stress/races do), and the loss of the machine's power.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import OutputError
from engine.recorder import main
from engine.recorder.files import OutputFile
from engine.recorder.flows_parquet import ParquetOutput
from engine.recorder.ledger import Ledger
from engine.recorder.outputs import FILES, Outputs
from engine.rings import spsc
from tests.unit.recorder.dying import AFTER, BEFORE, HALF, Death, Left, recorded, small
from tests.unit.recorder.rows import host_words, plan_of, records, row_words, some_rows

EVERY = tuple(FILES)
pytestmark = pytest.mark.compiled  # Hundreds of processes, each of which renders.


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    small(monkeypatch)


def apart(left: Left, right: Left) -> str:
    """Return what differs between two runs, a few words each."""
    words = []
    for name in sorted({*left.files, *right.files}):
        a, b = (side.files.get(name, b"") for side in (left, right))
        if a != b:
            at = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
            words.append(f"{name}, {len(a)} and {len(b)} bytes, from {at}: {a[at - 60 : at + 60]}")
    for name in ("counters", "summary", "stdout"):
        a, b = getattr(left, name), getattr(right, name)
        if a != b:
            words.append(f"{name}: {a} and {b}")
    return "; ".join(words) or "nothing"


class Runs:
    """Runs over the same rows in fresh folders."""

    def __init__(self, home, plan, rows) -> None:
        self._home, self._plan, self._rows = home, plan, rows
        self._number = 0
        self.undisturbed = self.left()

    def left(self, *deaths: Death) -> Left:
        """Return what a run with these deaths leaves."""
        self._number += 1
        folder = self._home / str(self._number)
        folder.mkdir()
        return recorded(folder, self._plan, self._rows, deaths)

    def steps(self) -> list[tuple[int, str]]:
        """Return the steps of a recorder that is not killed, from 1."""
        return list(enumerate(self.undisturbed.steps, 1))

    def is_as_undisturbed(self, *deaths: Death) -> bool:
        """Return whether a run with these deaths leaves what one without any does."""
        left = replace(self.left(*deaths), steps=self.undisturbed.steps)
        print(f"after {deaths}: {apart(left, self.undisturbed)}")  # Shown if the test fails.
        return left == self.undisturbed


def runs_of(tmp_path, formats, rows, kept="finals", foldered=True) -> Runs:
    plan = plan_of(tmp_path if foldered else None, formats, kept, "recorder" + secrets.token_hex(6))
    return Runs(tmp_path, plan, rows)


def test_recorder_killed_at_any_step_leaves_the_same_files(tmp_path):
    runs = runs_of(tmp_path, EVERY, some_rows(12))
    names = {*FILES.values(), "hosts.jsonl"}
    assert set(runs.undisturbed.files) == names
    assert runs.undisturbed.counters["rows"] == 12
    assert runs.undisturbed.counters["rows_lost"] == 0
    for step, name in runs.steps():
        assert runs.is_as_undisturbed(Death(step)), (step, name)
        if name == "write":
            assert runs.is_as_undisturbed(Death(step, HALF)), step


def test_batch_that_was_committed_and_not_counted_is_counted(tmp_path):
    runs = runs_of(tmp_path, ("parquet",), some_rows(12))
    commits = [step for step, name in runs.steps() if name == "commit"]
    for step in commits[-4:]:
        assert runs.is_as_undisturbed(Death(step, AFTER)), step


@settings(suppress_health_check=list(HealthCheck), max_examples=12, deadline=None)
@given(
    st.lists(records(), min_size=1, max_size=20),
    st.sampled_from(["finals", "all"]),
    st.lists(st.sampled_from(["jsonl", "csv", "parquet"]), unique=True, min_size=1),
    st.lists(
        st.builds(Death, st.integers(1, 60), st.sampled_from([BEFORE, HALF, AFTER])),
        min_size=1,
        max_size=4,
    ),
)
def test_recorders_killed_again_and_again_leave_the_same_files(
    tmp_path_factory, wanted, kept, formats, deaths
):
    rows = np.concatenate([row_words(wanted), host_words(1)])
    runs = runs_of(tmp_path_factory.mktemp("runs"), formats, rows, kept)
    assert runs.is_as_undisturbed(*deaths)


def test_alerts_on_standard_output_are_repeated_only_from_the_last_write(tmp_path):
    runs = runs_of(tmp_path, (), some_rows(14)[:-2], "alerts", foldered=False)
    lines = runs.undisturbed.stdout.splitlines()
    assert len(lines) == runs.undisturbed.counters["alerts_written"] == 6
    repeated = 0
    for step, name in runs.steps():
        assert runs.is_as_undisturbed(Death(step)), (step, name)
        left = runs.left(Death(step, AFTER))
        assert left.counters == runs.undisturbed.counters
        assert left.summary == runs.undisturbed.summary
        seen = left.stdout.splitlines()
        assert list(dict.fromkeys(seen)) == lines
        repeated += len(seen) > len(lines)
    assert 0 < repeated <= 3  # Batches with alerts: the window is from write to note.


def test_file_that_somebody_has_cut_is_named(tmp_path):
    file = OutputFile(str(tmp_path), "x.json")
    file.write(b"one\ntwo\n")
    file.partial.write_bytes(b"one\n")
    with pytest.raises(OutputError, match="4 of 8 bytes are left"):
        OutputFile(str(tmp_path), "x.json", 8)


def test_file_that_has_its_name_and_was_changed_is_named_and_left_alone(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"one\ntwo\nthree\n")
    with pytest.raises(OutputError, match="has its name and not its 8 bytes"):
        OutputFile(str(tmp_path), "x.json", 8)
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def _goes_on_at_the_end(self, committed):
    self.bytes = 0
    self._descriptor = os.open(self.partial, 2)
    content = self.partial.read_bytes()
    os.lseek(self._descriptor, len(content), 0)
    self.bytes = len(content)
    self._digest.update(content)


def _commits_first(patch) -> None:
    take = Outputs._take_records

    def broken(self, rows):
        self._commit(1)
        take(self, rows)

    patch.setattr(Outputs, "_take_records", broken)


def _releases_first(patch) -> None:
    take = Outputs.take

    def broken(self, rows):
        ring = main.the_ring
        spsc.release(ring, int(ring[spsc.HEAD]) + len(rows))
        take(self, rows)

    attach = main._take_ring

    def attached(*words):
        ring = attach(*words)
        main.the_ring = ring.header
        return ring

    patch.setattr(main, "_take_ring", attached)
    patch.setattr(Outputs, "take", broken)


def _group_and_move_at_once(patch) -> None:
    advance = ParquetOutput.advance

    def broken(self):
        moved = False
        while advance(self):
            moved = True
        return moved

    patch.setattr(ParquetOutput, "advance", broken)


CANARIES: dict[str, Callable] = {
    "goes on behind what was not committed": lambda patch: patch.setattr(
        OutputFile, "_go_on", _goes_on_at_the_end
    ),
    "commits before it writes": _commits_first,
    "releases before it commits": _releases_first,
    "takes nothing back": lambda patch: patch.setattr(
        Ledger, "recover", lambda self: self["phase"] != 0
    ),
    "writes a group and moves the rest at once": _group_and_move_at_once,
    "commits nothing at the end": lambda patch: patch.setattr(
        Outputs,
        "_commit",
        lambda self, phase, commit=Outputs._commit: phase == 2 or commit(self, 1),
    ),
}


@pytest.mark.parametrize("name", CANARIES)
def test_planted_mistake_is_found(tmp_path, monkeypatch, name):
    CANARIES[name](monkeypatch)
    runs = runs_of(tmp_path, ["csv", "parquet"], some_rows(9), "all")
    for step, _ in runs.steps():
        try:
            if not runs.is_as_undisturbed(Death(step)):
                return
        except AssertionError:
            return
    pytest.fail("nothing was found")
