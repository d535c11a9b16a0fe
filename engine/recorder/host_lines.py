"""Read hosts.jsonl back: for `engine hosts` and `engine check`."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.recorder.escape import whole_text
from engine.recorder.read_back import LINE_BYTES_MAX, BrokenOutputError


class HostLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A host with its newest rows; a part's `..._until` is None where it has no row."""

    source_number: int
    source: str | None = None  # None: a running engine does not say.
    address: str
    internal: bool
    known_since: str
    seen_until: str
    initiator_until: str | None = None
    responder_until: str | None = None
    features: dict[str, float]


_LINE = msgspec.json.Decoder(HostLine)


def host_lines(path: Path) -> Iterator[HostLine]:
    """Yield the hosts of a file; BrokenOutputError names the line that is none."""
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES_MAX):
            number += 1
            place = f"{whole_text(str(path))}, line {number}"
            if not line.endswith(b"\n"):
                raise BrokenOutputError(f"{place}: the line has no end")
            try:
                yield _LINE.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BrokenOutputError(f"{place}: {error}") from None
