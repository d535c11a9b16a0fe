"""What the roles of all protocols share: how long they wait, where words are."""

import numpy as np

from engine.memory.addresses import words_at
from stress.engine_model import ENGINE_MODEL
from stress.zoo.uncached import uncached

# Pauses without any progress before a role gives up, half a second of its own time or so. The
# checker sees at once who waits.
TRIES = 1 << 23


@uncached
def place_of(words, at):
    """Return the numeric address of a word, as lanes and rows of rings have it."""
    return np.int64(words.ctypes.data) + 8 * at


class Place:
    """A numeric address under the model checker: of a word of shared words or of a role's own."""

    def __init__(self, words, at: int) -> None:
        self._words = words
        self._at = at

    def __add__(self, count_bytes: int) -> "Place":
        assert count_bytes % 8 == 0
        return Place(self._words, self._at + count_bytes // 8)

    def pointer(self, count: int):
        """Return the pointer to the words at this address."""
        return self._words.pointer().shifted(self._at)


# What intrinsics mean to the model checker, with addresses.
MODEL = ENGINE_MODEL | {
    place_of: ("python", Place),
    words_at: ("python", Place.pointer),
}
