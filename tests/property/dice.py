"""Choices out of one number: the same traffic for Hypothesis and for plain random runs."""

from collections.abc import Sequence

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

    def octets(self, count: int) -> bytes:
        """Return some bytes."""
        seed = self.below(1 << 16)
        return bytes((seed * (k + 3) >> 3) + seed & 0xFF for k in range(count))
