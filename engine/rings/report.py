"""How a stage tells the supervisor what is no counter: one JSON object a line, through a pipe.

A pipe per process, written by it alone. Kinds are declared in events.py. The reader is never
assumed to be trusted with names from packets or paths: whoever prints a line escapes it.
"""

import os

import msgspec

from engine.events import REPORTS

LINE_BYTES_MAX = 1 << 20


class Reporter:
    """The writing end. One process, one Reporter."""

    def __init__(self, descriptor: int, process: str) -> None:
        self._descriptor = descriptor
        self._process = process

    def send(self, kind: str, /, **fields) -> None:
        """Send one report; its fields are those that events.REPORTS declares for the kind."""
        assert set(fields) == set(REPORTS[kind].fields), f"{kind}: {sorted(fields)}"
        line = msgspec.json.encode({"process": self._process, "report": kind, **fields}) + b"\n"
        assert len(line) <= LINE_BYTES_MAX, f"{kind}: a report of {len(line)} bytes"
        while line:
            line = line[os.write(self._descriptor, line) :]


class ReportReader:
    """The reading end: splits what has arrived into reports. Never blocks.

    A process that is killed may leave half a line, which its replacement must not go on with.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._pending = b""
        self.closed = False

    def read(self) -> list[dict]:
        """Return the reports that have arrived since the last call, oldest first."""
        while not self.closed:
            try:
                piece = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                break
            self.closed = not piece
            self._pending += piece
        *lines, self._pending = self._pending.split(b"\n")
        return [msgspec.json.decode(line) for line in lines]

    def forget_partial(self) -> None:
        """Forget the line that a dead process did not finish. Everything it wrote has been read."""
        self._pending = b""
