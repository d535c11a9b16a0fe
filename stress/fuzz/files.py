"""Fuzz the readers of capture files: changed files through capture, and through the twin.

Records, clock steps, counters and damages must be the twin's; nothing else may be raised, and the
memory of the process may not grow.
"""

import random
from pathlib import Path

import numpy as np

from engine.config import Config, with_settings
from engine.reference import Settings
from stress.fuzz.batch import Batch, dice_of
from stress.fuzz.mutation import mutate
from tests.property.capture_files import COMPRESSIONS, FORMATS, in_pieces
from tests.property.capture_side_by_side import compare
from tests.property.dice import GENE_BYTES
from tests.property.frames import LINKS
from tests.property.strategies import RunInput
from tests.property.traffic import Weaver, woven

CASES = 32  # Of a batch: changes of one file.
_ACTIONS_MAX = 30
_FILE_BYTES_MAX = 1 << 16
_PACKED = ("gz", "zst", "xz")
FILE_TARGETS = ("pcap", "pcapng", *_PACKED)
# What a length may become, in either byte order.
_LENGTHS = (0, 1, 4, 11, 12, 13, 16, 28, 32, 262_144, 262_145, 1 << 24, 1 << 31, (1 << 32) - 1)
_SMALL = {"capture.arena_bytes": 1 << 18, "capture.stream_buffer_bytes": 1 << 16}


class FileTarget:
    """A kind of capture file as something to be fuzzed."""

    def __init__(self, name: str, seed: int, progress: np.ndarray, folder: Path) -> None:
        """`folder` takes the file at work."""
        self.name = name
        self._seed = seed
        self._progress = progress
        self._folder = folder

    def run(self, number: int, cases: int = CASES) -> Batch:
        """Run a batch; return what came of it."""
        dice = dice_of(self.name, self._seed, number)
        content = self._whole(dice)
        settings = Settings(with_settings(Config(), _SMALL))
        batch = Batch()
        for case in range(cases):
            self._progress[0] = case
            changed = self._changed(content, dice)
            batch.cases += 1
            name = f"fuzzed{case}"
            try:
                made = compare(self._folder, RunInput([(name, changed)], settings), 1)
            except Exception as error:  # Whatever is raised here is the finding.
                batch.find(case, f"{type(error).__name__}: {error}"[:2000], changed)
                continue
            damages = made.told("damage") if made is not None else ()
            batch.count(damages[0]["reason"].partition(":")[0] if damages else "undamaged")
        return batch

    def _whole(self, dice: random.Random) -> bytes:
        """Return a sound file."""
        packed = self.name in _PACKED
        forms = [form for form in FORMATS if packed or form.partition(" ")[0] == self.name]
        genes = [dice.getrandbits(8 * GENE_BYTES) for _ in range(dice.randrange(1, _ACTIONS_MAX))]
        frames = woven(genes, Weaver(Config(), dice.choice((1, 1, *LINKS))))
        return FORMATS[dice.choice(forms)](frames)[:_FILE_BYTES_MAX]

    def _changed(self, content: bytes, dice: random.Random) -> bytes:
        """Return the file, changed; a packed one before or after it is packed, or both."""
        if self.name not in _PACKED:
            return changed(content, dice)
        ways = dice.choice(((0, 1), (1, 0), (1, 1), (0, 1)))
        inside = changed(content, dice) if ways[0] else content
        packed = in_pieces(inside, COMPRESSIONS[f".{self.name}"], dice.choice((1, 1, 2, 3)))
        return changed(packed, dice) if ways[1] else packed


def changed(content: bytes, dice: random.Random) -> bytes:
    """Return bytes with a few changes: lengths where there may be some, and any others."""
    octets = np.zeros(len(content) + 4096, np.uint8)
    octets[: len(content)] = np.frombuffer(content, np.uint8)
    if len(content) >= 4 and dice.randrange(2):
        for _ in range(dice.randrange(1, 3)):
            at = dice.randrange(len(content) // 4) * 4
            if dice.randrange(2):
                at = min(at, dice.randrange(32) * 4 % len(content) // 4 * 4)
            value = dice.choice((*_LENGTHS, len(content) - at)).to_bytes(
                4, dice.choice(("little", "big"))
            )
            octets[at : at + 4] = np.frombuffer(value, np.uint8)
        if dice.randrange(2):
            return octets[: len(content)].tobytes()
    size = mutate(octets, len(content), len(octets), dice.getrandbits(62))
    return octets[:size].tobytes()
