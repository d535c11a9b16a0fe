"""How a stage tells the supervisor what is no counter: one JSON object a line, in a memory file.

A file per process, written by it alone; what is in it outlives who wrote it and who has read it, so
whoever takes a dead supervisor's place reads everything anew. Kinds are declared in events.py. The
reader is never assumed to be trusted with names from packets or paths: whoever prints a line
escapes it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable

import msgspec

from engine.events import REPORTS

LINE_BYTES_MAX = 1 << 20
_CHUNK_BYTES = 1 << 16


def make_log() -> int:
    """Return the descriptor of a new memory file for reports."""
    descriptor = os.memfd_create("reports")
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
    return descriptor


class Reporter:
    """The writing end. One process, one Reporter. `wake`: event that the reader waits for."""

    def __init__(self, descriptor: int, process: str, wake: int | None = None) -> None:
        self._descriptor = descriptor
        self._process = process
        self._wake = wake

    def send(self, kind: str, /, **fields) -> None:
        """Send one report; its fields are those that events.REPORTS declares for the kind."""
        assert set(fields) == set(REPORTS[kind].fields), f"{kind}: {sorted(fields)}"
        line = msgspec.json.encode({"process": self._process, "report": kind, **fields}) + b"\n"
        assert len(line) <= LINE_BYTES_MAX, f"{kind}: a report of {len(line)} bytes"
        while line:
            line = line[os.write(self._descriptor, line) :]
        if self._wake is not None:
            os.eventfd_write(self._wake, 1)


class ReportReader:
    """The reading end: splits what has been written into reports. Never blocks.

    A process that is killed may leave half a line, which its replacement must not go on with.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0  # Where the first line begins that was not whole when it was looked for.

    def read(self) -> list[dict]:
        """Return the reports that have arrived since the last call, oldest first."""
        found = b""
        while piece := os.pread(self._descriptor, _CHUNK_BYTES, self._at + len(found)):
            found += piece
        *lines, partial = found.split(b"\n")
        self._at += len(found) - len(partial)
        return [msgspec.json.decode(line) for line in lines]

    def forget_partial(self) -> None:
        """Remove the line that a dead process did not finish. The whole ones have been read."""
        os.ftruncate(self._descriptor, self._at)


class ReportLogs:
    """The reports of all processes of a run. Made by the supervisor, inherited by the others."""

    def __init__(self, names: Iterable[str]) -> None:
        self.descriptors = {name: make_log() for name in names}
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._readers = {name: ReportReader(log) for name, log in self.descriptors.items()}

    def reporter(self, name: str) -> Reporter:
        """Return the writing end of a process."""
        return Reporter(self.descriptors[name], name, self.wake)

    def read(self) -> list[dict]:
        """Return the reports of all that have arrived since the last call. Never blocks."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.wake)  # Before the logs: what comes meanwhile wakes us again.
        return [report for reader in self._readers.values() for report in reader.read()]

    def forget_partial(self, name: str) -> None:
        """Remove what a dead process had begun to write."""
        self._readers[name].forget_partial()

    def close(self) -> None:
        """Give the files up."""
        for descriptor in (*self.descriptors.values(), self.wake):
            os.close(descriptor)
        self.descriptors.clear()
