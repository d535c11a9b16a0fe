"""Choices out of one number: the same traffic for Hypothesis and for plain random runs."""

from collections.abc import Sequence
from hashlib import blake2b

GENE_BYTES = 24


class Dice:
    """Draws from a gene, digit by digit. Gene 0 always takes the first choice, the plainest."""

    def __init__(self, gene: int) -> None:
        self._gene = gene

    def below(self, count: int) -> int:
        """Return a number from 0 to count - 1."""
        self._gene, choice = divmod(self._gene, count)
        return choice

    def of(self, choices: Sequence):
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def one_in(self, count: int) -> bool:
        """Return whether a chance of 1 in `count` came true; gene 0 never does."""
        return self.below(count) == count - 1

    def aside(self) -> "Dice":
        """Return another dice, which takes nothing from this one. Gene 0 stays gene 0."""
        if not self._gene:
            return Dice(0)
        gene = self._gene.to_bytes(-(-self._gene.bit_length() // 8), "little")
        return Dice(int.from_bytes(blake2b(gene).digest(), "little"))

    def octets(self, count: int) -> bytes:
        """Return some bytes."""
        seed = self.below(1 << 16)
        return bytes((seed * (k + 3) >> 3) + seed & 0xFF for k in range(count))
