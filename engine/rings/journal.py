"""An undo journal: how a process's work since its last commit is taken back after its death.

For an array of words that only this process writes, and that outlives it: a segment. A transaction
is what happens between two commits.

    process                                   its replacement
    --------------------------------------    --------------------------------------
    keep(words, journal, place, count)        undo(words, journal)
    words[place ...] = ...                    derive what is not kept anew
    ... more of both                          go on
    commit(words, journal)

Whatever is about to change is kept first, with its place; keeping it again in the same transaction
is harmless, because undoing runs backwards and the oldest entry comes last. What need not be kept:
words behind a count that is itself kept, and what can be derived from the rest.

Why the words are those of the last commit after `undo`, wherever the process was killed
  1. Before USED counts an entry: nothing that the entry is for has changed; the entry is ignored.
  2. After that, until the commit: whatever has changed since is in an entry that USED counts.
  3. The commit is one store, USED = 0: before it all is taken back, after it nothing.
  4. `undo` lowers USED only when an entry's words are back; killed in between, it restores them
     again, and they are the same.

What is promised is death of the process (a signal, a crash), not that of the machine: stores made
before the last instruction are there for whoever comes after, in program order. So the compiler
must not move a store across a step (`fence_program`), and no instruction is needed for it.
"""

from numba import njit

from engine.layouts import JOURNAL
from engine.memory.atomics import fence_program
from engine.memory.options import HOT, KERNEL

USED, CAPACITY = JOURNAL.index("used"), JOURNAL.index("capacity")
ENTRIES = JOURNAL.words
COUNT_BITS = 12
COUNT_MASK = (1 << COUNT_BITS) - 1
LINE_WORDS = 8


@njit(**HOT)
def has_room(words, journal, count):
    """Return whether `count` more words of entries fit. An entry has a word more than it keeps."""
    return words[journal + USED] + count <= words[journal + CAPACITY]


@njit(**HOT)
def _count_entry(words, journal, place, count):
    """Complete the entry of `count` words kept from `place`, whose words are in the journal."""
    used = words[journal + USED] + count + 1
    words[journal + ENTRIES + used - 1] = place << COUNT_BITS | count
    fence_program()  # The entry is whole before it counts.
    words[journal + USED] = used
    fence_program()  # And counts before what it is for changes.


@njit(**KERNEL)
def keep(words, journal, place, count):
    """Keep `count` words (below 4,096) from `place` on, before any of them changes."""
    assert has_room(words, journal, count + 1)
    entry = journal + ENTRIES + words[journal + USED]
    for k in range(count):
        words[entry + k] = words[place + k]
    _count_entry(words, journal, place, count)


@njit(**HOT)
def keep_line(words, journal, place):
    """Keep the 8 words from `place` on: the same as keep(), for the packet path."""
    assert has_room(words, journal, LINE_WORDS + 1)
    # All are loaded before any is stored: the compiler cannot know that the two do not overlap.
    a, b, c, d = words[place], words[place + 1], words[place + 2], words[place + 3]
    e, f, g, h = words[place + 4], words[place + 5], words[place + 6], words[place + 7]
    entry = journal + ENTRIES + words[journal + USED]
    words[entry], words[entry + 1], words[entry + 2], words[entry + 3] = a, b, c, d
    words[entry + 4], words[entry + 5], words[entry + 6], words[entry + 7] = e, f, g, h
    _count_entry(words, journal, place, LINE_WORDS)


@njit(**HOT)
def commit(words, journal):
    """Make what has changed since the last commit final."""
    fence_program()  # Every change is made.
    words[journal + USED] = 0
    fence_program()  # And is final before anybody is told of it.


@njit(**KERNEL)
def last_entry(words, journal, used):
    """Return (place, count, where its words are) of the entry that ends at `used` words."""
    end = journal + ENTRIES + used - 1
    header = words[end]
    count = header & COUNT_MASK
    return header >> COUNT_BITS, count, end - count


@njit(**KERNEL)
def undo(words, journal):
    """Take back whatever has changed since the last commit; return how many entries that took."""
    used, entries = words[journal + USED], 0
    while used > 0:
        place, count, kept = last_entry(words, journal, used)
        for k in range(count):
            words[place + k] = words[kept + k]
        used -= count + 1
        fence_program()  # The words are back before their entry is given up.
        words[journal + USED] = used
        entries += 1
    assert used == 0
    return entries
