"""What is mutated: frames of every link type, drawn and captured; payloads; the same for a seed."""

import os
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.config import Config
from engine.errors import EngineError
from engine.reference.files import CaptureFile
from tests.property import payloads
from tests.property.dice import GENE_BYTES, Dice
from tests.property.frames import LINKS
from tests.property.traffic import Weaver, woven

FRAME_BYTES_MAX = 2048
_ACTIONS = 120  # Of each link type; Ethernet has more.
_CAPTURED_FRAMES_MAX = 20_000
_CAPTURED_FILE_BYTES_MAX = 1 << 20
_PAYLOADS = 600  # Of each kind.


class Corpus(NamedTuple):
    """Pieces of bytes, one behind the other, and of which link type each is."""

    octets: np.ndarray
    begins: np.ndarray  # One more than pieces: piece k is octets[begins[k] : begins[k + 1]].
    links: np.ndarray

    def of_link(self, link: int) -> np.ndarray:
        """Return the numbers of the pieces of a link type."""
        return np.flatnonzero(self.links == link)


def packed(pieces: list[tuple[int, bytes]]) -> Corpus:
    """Return (link type, bytes) pairs as a corpus."""
    octets = np.frombuffer(b"".join(piece for _, piece in pieces), np.uint8).copy()
    begins = np.zeros(len(pieces) + 1, np.int64)
    begins[1:] = np.cumsum([len(piece) for _, piece in pieces])
    return Corpus(octets, begins, np.array([link for link, _ in pieces], np.int64))


def frames_of(seed: int, with_captures: bool = True) -> Corpus:
    """Return frames of all link types; those of real captures too where the machine has some."""
    dice = random.Random(f"frames {seed}")
    pieces = []
    for link in LINKS:
        count = 8 * _ACTIONS if link == 1 else _ACTIONS
        genes = [dice.getrandbits(8 * GENE_BYTES) for _ in range(count)]
        drawn = woven(genes, Weaver(Config(), link))
        pieces += [(frame.link_type, frame.captured[:FRAME_BYTES_MAX]) for frame in drawn]
    if with_captures:
        pieces += _captured()
    return packed(pieces)


def _captured() -> list[tuple[int, bytes]]:
    """Return frames of the test data's odd captures, as many of each file as there is room for."""
    folder = Path(os.environ.get("ENGINE_TEST_DATA") or "../shared/data") / "edge"
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    pieces: list[tuple[int, bytes]] = []
    for path in paths:
        if path.stat().st_size > _CAPTURED_FILE_BYTES_MAX or len(pieces) >= _CAPTURED_FRAMES_MAX:
            continue
        try:
            for number, frame in enumerate(CaptureFile(path.read_bytes())):
                if number == _CAPTURED_FRAMES_MAX // len(paths) + 1:
                    break
                pieces.append((frame.link_type, frame.captured[:FRAME_BYTES_MAX]))
        except EngineError:
            continue
    return pieces


def payloads_of(seed: int) -> Corpus:
    """Return what hosts say first: TLS, HTTP, DNS, right and nearly right."""
    dice = random.Random(f"payloads {seed}")
    pieces = [
        (kind, draw(Dice(dice.getrandbits(8 * GENE_BYTES)))[:FRAME_BYTES_MAX])
        for kind, draw in enumerate((payloads.tls, payloads.http, payloads.dns))
        for _ in range(_PAYLOADS)
    ]
    return packed(pieces)
