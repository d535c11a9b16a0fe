"""The newest rows of hosts: rings with an index by (address, pane)."""

from numba import njit

from engine.events import counter_index
from engine.hosts import index
from engine.hosts.space import key_of
from engine.layouts.hosts import HOST, HOST_ROW, HOSTS, RESPONDER_ROW
from engine.memory.kept import plain, span
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch_write, shifted

_HOST_ROW_WORDS = HOST_ROW.words
_RESPONDER_ROW_WORDS = RESPONDER_ROW.words

ROWS = HOSTS.index("rows")
ROW_BITS = HOSTS.index("row_bits")
INITIATOR_ROWS, RESPONDER_ROWS = (
    HOSTS.index(f"{name}_rows") for name in ("initiator", "responder")
)
INITIATOR_GONE, RESPONDER_GONE = (
    HOSTS.index(f"{name}_gone") for name in ("initiator", "responder")
)
INITIATOR_ROWS_AT = HOSTS.index("initiator_rows_at")
RESPONDER_ROWS_AT = HOSTS.index("responder_rows_at")
INITIATOR_INDEX_AT = HOSTS.index("initiator_index_at")
RESPONDER_INDEX_AT = HOSTS.index("responder_index_at")
# Of a ring of rows: rows made, newest pane given up, where its index and its rows begin.
INITIATOR_RING = (INITIATOR_ROWS, INITIATOR_GONE, INITIATOR_INDEX_AT, INITIATOR_ROWS_AT)
RESPONDER_RING = (RESPONDER_ROWS, RESPONDER_GONE, RESPONDER_INDEX_AT, RESPONDER_ROWS_AT)
KNOWN, TO_KNOWN = HOST_ROW.index("row_known"), RESPONDER_ROW.index("to_row_known")
_KNOWN_PANE = HOST.index("known_pane")
KEY_WORDS = 4  # Version, address, pane.
HIGH, LOW, PANE, VALID = 1, 2, 3, 4
FEATURES = 5
assert HOST_ROW.index("row_features") == RESPONDER_ROW.index("to_row_features") == FEATURES
assert HOST_ROW.index("row_valid") == RESPONDER_ROW.index("to_row_valid") == VALID
_MADE = counter_index("classifier", "host_rows")


@njit(**HOT)
def hash_row(words, key):
    """Return the keyed hash of a row's key (pointer to version, high, low, pane)."""
    secret = key_of(words)
    return index.row_hash(index.address_hash(key[HIGH], key[LOW], secret), key[PANE], secret)


@njit(**HOT)
def _coming_row(words, ring, row_words, ahead):
    """Return the pointer to the row that will be given up `ahead` rows from now."""
    place = (words[ring[0]] + ahead) % words[ROWS] + 1
    return shifted(words, words[ring[3]] + place * row_words)


@njit(**HOT)
def ask_coming_row(words, ring, row_words, ahead):
    """Ask for a row that will be given up soon, and made anew."""
    row = _coming_row(words, ring, row_words, ahead)
    for at in range(0, row_words, 8):
        prefetch_write(row, at)


@njit(**HOT)
def ask_coming_entry(words, ring, row_words, ahead):
    """Ask for where the index has a row that will be given up soon: the row is there."""
    if words[ring[0]] + ahead < words[ROWS]:
        return  # The row was never used: memory is not taken by looking.
    row = _coming_row(words, ring, row_words, ahead)
    if row[0]:
        index.ask(shifted(words, words[ring[2]]), words[ROW_BITS], hash_row(words, row))


@njit(**KERNEL)
def _next_row(words, ring, row_words):
    """Return the place of the next row of a ring, whose old content is given up.

    `ring`: words of HOSTS, as in INITIATOR_RING.
    """
    made_at, gone_at, index_at, rows_at = ring
    place = words[made_at] % words[ROWS] + 1
    words[made_at] += 1
    row = shifted(words, words[rows_at] + place * row_words)
    if row[0]:
        entries = shifted(words, words[index_at])
        index.remove(entries, words[ROW_BITS], hash_row(words, row), place)
        words[gone_at] = max(words[gone_at], row[PANE])
    return place


@njit(**KERNEL)
def _enter(space, host, pane, ring, row_words):
    """Make the key of the next row that of a host and pane; return the row's place in words."""
    words = space.words
    place = _next_row(words, ring, row_words)
    at = words[ring[3]] + place * row_words
    row = span(shifted(words, at), row_words)  # All of it is about to be written.
    for word in range(3):
        row[word] = host[word]
    row[PANE] = pane
    index.insert(shifted(words, words[ring[2]]), words[ROW_BITS], hash_row(words, row), place)
    space.counters[_MADE] += 1
    return at


@njit(**HOT)
def ask_row(words, host, pane, ring):
    """Ask for where the index will take the row of a host (pointer) and pane."""
    secret = key_of(words)
    hashed = index.row_hash(index.address_hash(host[HIGH], host[LOW], secret), pane, secret)
    index.ask(shifted(words, words[ring[2]]), words[ROW_BITS], hashed)


@njit(**HOT)
def pointers_to(space, at):
    """Return the pointers to the words and to the features of a new row, which is kept already."""
    return plain(shifted(space.words, at)), plain(shifted(space.floats, 2 * (at + FEATURES)))


@njit(**KERNEL)
def next_initiator_row(space, host, pane):
    """Return where the words of a new row of an initiator part begin; its key is set, all kept."""
    at = _enter(space, host, pane, INITIATOR_RING, _HOST_ROW_WORDS)
    plain(space.words)[at + KNOWN] = host[_KNOWN_PANE]
    return at


@njit(**KERNEL)
def next_responder_row(space, host, pane):
    """Return where the words of a new row of a responder part begin; its key is set, all kept."""
    at = _enter(space, host, pane, RESPONDER_RING, _RESPONDER_ROW_WORDS)
    plain(space.words)[at + TO_KNOWN] = host[_KNOWN_PANE]
    return at


@njit(**HOT)
def find_initiator_row(words, hashed, key):
    """Return the place of a row of an initiator part, or 0."""
    records = (shifted(words, words[INITIATOR_ROWS_AT]), _HOST_ROW_WORDS)
    entries = shifted(words, words[INITIATOR_INDEX_AT])
    return index.find(entries, words[ROW_BITS], hashed, records, (key, KEY_WORDS))


@njit(**HOT)
def find_responder_row(words, hashed, key):
    """Return the place of a row of a responder part, or 0."""
    records = (shifted(words, words[RESPONDER_ROWS_AT]), _RESPONDER_ROW_WORDS)
    entries = shifted(words, words[RESPONDER_INDEX_AT])
    return index.find(entries, words[ROW_BITS], hashed, records, (key, KEY_WORDS))
