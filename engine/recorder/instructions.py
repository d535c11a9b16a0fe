"""The instructions of a compiled template, and what their arguments are.

An instruction is a row of OP_WORDS int64: code, up to six arguments, where to go on when a
condition does not hold (SKIP), number of its first text (FIRST).

=============  ==================================================================================
LITERAL        writes text FIRST
INT            word, shift, mask, base, step: base + step·field
TEXT           word, shift, mask, count: text FIRST + field, text FIRST + count beyond
FLOAT          word, shift, point: the float32 there
ADDRESS        word of its upper half
TIME           word, style, minus word, plus word: their sum (one word: the three are the same)
AGE            end word, start word: whole seconds between
SPAN           end word, start word or -1, unit: end in whole units, less the start in whole units
SUM            two words: their sum
SCALED         word, shift, divisor: the float32 there divided, as float32
DECIMAL        word: ns as seconds with six decimals
HISTORY        letters of the connection; texts by number of the letter
FLOW_ID, UID   from the fixed hash of key and first position
COMMUNITY_ID   seed
TCP_FLAGS      both directions', two hexadecimal digits
SEVERITY       1 to 3 by how far the score is above its threshold
TOP            count: so many of the features that moved the score; texts: names, then
               between, behind, separator
FEATURES       the vector; all, point; texts: names, then separator
WHEN           negated, kind, word, shift, mask, value: goes on if the field is the value; kind
               CLASS: if the class of the protocol is
=============  ==================================================================================
"""

from typing import NamedTuple

import numpy as np

CODES = (
    "literal",
    "int",
    "text",
    "float",
    "address",
    "time",
    "age",
    "flow_id",
    "uid",
    "community_id",
    "tcp_flags",
    "severity",
    "top",
    "features",
    "when",
    "span",
    "sum",
    "scaled",
    "decimal",
    "history",
)
LITERAL, INT, TEXT, FLOAT, ADDRESS, TIME, AGE = range(7)
FLOW_ID, UID, COMMUNITY_ID, TCP_FLAGS, SEVERITY, TOP, FEATURES, WHEN = range(7, 15)
SPAN, SUM, SCALED, DECIMAL, HISTORY = range(15, 20)
OP_WORDS = 9
SKIP, FIRST = 7, 8
EQUAL, CLASS = 0, 1  # Kinds of condition.
PORTLESS, PORTED, ICMP = 0, 1, 2  # Classes of protocol.


class Program(NamedTuple):
    """A compiled template: text k is blob[ends[k]:ends[k + 1]]."""

    ops: np.ndarray
    blob: np.ndarray
    ends: np.ndarray
    scratch: np.ndarray  # IDENTIFIER_WORDS; MEMO_WORDS for floats.


class Machine(NamedTuple):
    """The same as the kernel sees it: pointers."""

    blob: object
    ends: object
    known: object  # The row's hash, and its lane of the group (identifiers.py).
    floats: object
