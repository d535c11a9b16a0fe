"""Fuzzing finds what is planted, and nothing in what is shipped.

Goal: a read beyond a frame ends its process and is told with its case; a difference from the twin,
an exception that is not documented and a batch that does not end are told too; short runs of every
target find nothing. Method: planted faults, small batches. What it cannot show: what ten million
cases show (`python -m stress fuzz`).
"""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from numba import njit

from engine.classifier import model
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted
from engine.reference import internet, payload
from stress.fuzz import children, texts, written
from stress.fuzz.batch import Batch
from stress.fuzz.children import Share, run_children
from stress.fuzz.command import TARGETS, maker
from stress.fuzz.guard import PAGE_BYTES, GuardedRoom
from stress.fuzz.mutation import mutate
from stress.fuzz.parser import ParserTarget
from stress.fuzz.payload import PayloadTarget

SEED = 5
CASES = {"parser": 1500, "payload": 1500, "config": 40}  # Of others 10.


@njit(**KERNEL)
def _read(octets, begin, at):
    return shifted(pointer(octets), begin)[at]


class Reader:
    """A target that reads one byte of a guarded room, inside of it up to batch 2."""

    def __init__(self, progress: np.ndarray, outside: int) -> None:
        self._progress = progress
        self._room = GuardedRoom(100)
        self._outside = outside
        _read(self._room.octets, 0, 0)

    def run(self, number: int) -> Batch:
        """Read a byte of the room; in batch 2 the one outside."""
        self._progress[children.CASE] = 40 + number
        at = self._outside if number == 2 else PAGE_BYTES - 1
        _read(self._room.octets, 0, at)
        return Batch(1)


def answers(make, *shares: Share) -> list[children.Answer]:
    """Return what the children answered, by batch."""
    found = []
    run_children(make, list(shares), found.append)
    return sorted(found, key=lambda answer: answer.number)


def share(first: int, stride: int, end: int) -> Share:
    return Share(first, stride, end, time.monotonic() + 1e6)


@pytest.mark.compiled
@pytest.mark.parametrize("outside", [PAGE_BYTES, -1])
def test_read_outside_ends_the_child_and_is_told_with_its_case(outside):
    found = answers(lambda progress: Reader(progress, outside), share(0, 1, 5))
    assert [answer.number for answer in found] == [0, 1, 2, 3, 4]
    assert [len(answer.batch.findings) for answer in found] == [0, 0, 1, 0, 0]
    assert found[2].batch.findings[0]["what"] == "its process ended by SIGSEGV"
    assert found[2].batch.findings[0]["case"] == 42


class Hanging:
    """A target whose batch 1 does not end."""

    def __init__(self, progress: np.ndarray) -> None:
        self._progress = progress

    def run(self, number: int) -> Batch:
        """Wait for a signal that does not come."""
        if number == 1:
            signal.pause()
        return Batch(3)


def test_batch_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr(children, "BATCH_S_MAX", 0.5)
    found = answers(Hanging, share(0, 2, 4), share(1, 2, 4))
    told = {answer.number: answer.batch for answer in found}
    assert told[1].findings[0]["what"] == "its process ended by SIGKILL"
    assert set(told) == {0, 1, 2, 3}
    assert told[3].cases == 3


class Ending:
    """A target of 3 cases a batch, which ends its process in batch 2."""

    def __init__(self, progress: np.ndarray) -> None:
        pass

    def run(self, number: int) -> Batch:
        """Return a batch, but not the third."""
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return Batch(3)


def test_share_ends_with_its_cases_also_behind_a_death():
    shares = [replace(share(first, 2, 1000), cases=10) for first in (0, 1)]
    found = answers(Ending, *shares)
    # The first: 3 cases, 1 that killed it (told, not counted), 9; the second: 12.
    assert [answer.number for answer in found] == [0, 1, 2, 3, 4, 5, 6, 7, 8]


class Raising:
    """A target that cannot be made."""

    def __init__(self, progress: np.ndarray) -> None:
        raise RuntimeError("planted")


def test_target_that_raises_is_told_and_does_not_go_on_for_ever(capfd):
    found = answers(Raising, share(0, 1, 1000))
    assert len(found) == children.DEATHS_MAX
    assert found[0].batch.findings[0]["what"] == "its process ended by exit code 1"
    assert "planted" in capfd.readouterr().err


def test_mutation_is_the_same_compiled_and_interpreted():
    content = np.arange(200, dtype=np.uint8)
    for state in range(0, 1 << 62, (1 << 62) // 300):
        rooms = [np.zeros(300, np.uint8) for _ in range(2)]
        sizes = []
        for room, kernel in zip(rooms, (mutate, mutate.py_func), strict=True):
            room[:200] = content
            sizes.append(kernel(room, 200, 300, state))
        assert sizes[0] == sizes[1]
        assert rooms[0].tobytes() == rooms[1].tobytes()


@pytest.mark.compiled
@pytest.mark.parametrize("name", TARGETS)
def test_short_run_finds_nothing(name, tmp_path):
    target = maker(name, SEED, tmp_path)(np.zeros(8, np.int64))
    for number in range(3):
        batch = target.run(number, CASES.get(name, 10))
        assert batch.findings == []
        assert batch.cases == CASES.get(name, 10)


@pytest.mark.compiled
def test_difference_from_the_twin_is_found(monkeypatch):
    monkeypatch.setattr(internet, "HEADER_BYTES_MAX", 48)
    found = ParserTarget(SEED, np.zeros(8, np.int64), with_captures=False).run(0, 1500).findings
    assert any("twin malformed_length" in finding["what"] for finding in found)


@pytest.mark.compiled
def test_difference_in_payload_is_found(monkeypatch):
    monkeypatch.setattr(payload, "POINTERS_MAX", 15)
    monkeypatch.setattr(payload, "HTTP_METHODS", (b"GET ",))
    found = PayloadTarget(SEED, np.zeros(8, np.int64)).run(0, 1500)
    assert found.findings


def test_error_that_is_not_documented_is_found(monkeypatch, tmp_path):
    def read(path):
        raise KeyError("planted")

    monkeypatch.setattr(model, "read", read)
    found = maker("model", SEED, tmp_path)(np.zeros(8, np.int64)).run(0, 3)
    assert [finding["what"] for finding in found.findings] == ["KeyError: 'planted'"] * 3


def test_configuration_that_changes_when_it_is_read_back_is_found(monkeypatch, tmp_path):
    target = maker("config", SEED, tmp_path)(np.zeros(8, np.int64))
    monkeypatch.setattr(texts, "dump", lambda config: "[flow]\nmax_flows = 65536\n")
    found = [finding for number in range(3) for finding in target.run(number, 60).findings]
    assert any("read back it is another" in finding["what"] for finding in found)


def test_reader_that_proves_a_changed_file_is_found(monkeypatch, tmp_path):
    target = maker("written", SEED, tmp_path)(np.zeros(8, np.int64))
    monkeypatch.setattr(written, "check_folder", lambda folder: [])
    found = [finding for number in range(3) for finding in target.run(number, 4).findings]
    assert any("a changed file is proved" in finding["what"] for finding in found)


def test_no_descriptor_is_left_of_children():
    before = os.listdir("/proc/self/fd")
    answers(Hanging, share(0, 2, 4))
    assert os.listdir("/proc/self/fd") == before
