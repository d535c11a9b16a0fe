"""The word that publishes is stored last, and the one that warns first: the order of the stores.

Method: the shipped source, made anew as plain Python (stress/zoo/twins.py, without the JIT), runs
on words that write down every access, with recording twins of the intrinsics. A claim is said of
what was written down; the same source with one store moved must break it. What it cannot show: what
a compiler or a core makes of the order (tests/unit/rings/test_spsc.py, the model checker).
"""

from collections.abc import Callable
from types import ModuleType

import numba
import pytest

from engine.hosts.pane import ROWS_VERSION
from engine.layouts import JOURNAL, RING, places
from engine.rings import journal, segment, spsc
from stress.zoo.bugs import BUGS
from stress.zoo.twins import Edit, twin_of

SLOTS, CAPACITY = RING.words, 4
AT, ROOM = 16, 40
_EDITS = {bug.name: bug.edit for bug in BUGS}


class Recording:
    """Words of which every access is written down, as (what, index)."""

    def __init__(self, count: int) -> None:
        self.words = [0] * count
        self.log: list[tuple[str, int | None]] = []

    def __getitem__(self, at):
        self.log.append(("load", at))
        return self.words[at]

    def __setitem__(self, at, value):
        self.log.append(("store", at))
        self.words[at] = value


def _twins(words: Recording) -> dict[str, Callable]:
    """Return the intrinsics as twins that write down what they are."""

    def load(what):
        def twin(of, at):
            words.log.append((what, at))
            return of.words[at]

        return twin

    def store(what):
        def twin(of, at, value):
            words.log.append((what, at))
            of.words[at] = value

        return twin

    def fence(what):
        return lambda: words.log.append((what, None))

    return {
        "load_acquire": load("load acquire"),
        "load_relaxed": load("load relaxed"),
        "store_release": store("store release"),
        "store_relaxed": store("store relaxed"),
        "fence_acquire": fence("fence acquire"),
        "fence_release": fence("fence release"),
        "fence_program": fence("fence program"),
    }


def recorded(module: str, names: tuple[str, ...], words: Recording, edit: Edit | None, monkeypatch):
    """Return a module's functions as plain Python over recording words."""
    with monkeypatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        made = twin_of(module, names, edit)
    for name, twin in _twins(words).items():
        if hasattr(made, name):
            setattr(made, name, twin)
    return made


def stores(words: Recording) -> list[tuple[str, int | None]]:
    """Return the stores and fences that were made, in their order."""
    return [entry for entry in words.log if not entry[0].startswith("load")]


def publish_three(ring: ModuleType, words: Recording) -> None:
    """Publish three records as a producer does."""
    words.words[spsc.CAPACITY] = CAPACITY
    first = ring.claim(words, 3)
    for sequence in range(first, first + 3):
        words[SLOTS + sequence] = sequence
    ring.publish(words, first + 3)


def tail_is_last(words: Recording) -> bool:
    """Every slot is stored before the tail, which is stored with release, once."""
    slots = [("store", SLOTS + k) for k in range(3)]
    return stores(words) == [*slots, ("store release", spsc.TAIL)]


def take_three(ring: ModuleType, words: Recording) -> None:
    """Take three records as a consumer does."""
    words.words[spsc.CAPACITY], words.words[spsc.TAIL] = CAPACITY, 3
    first, count = ring.peek(words)
    assert [words[SLOTS + at] for at in range(first, first + count)] == [0] * 3
    ring.release(words, first + count)


def head_is_last(words: Recording) -> bool:
    """The tail is loaded with acquire before any slot, the head stored behind all of them."""
    slots = [words.log.index(("load", SLOTS + k)) for k in range(3)]
    seen = words.log.index(("load acquire", spsc.TAIL))
    given = words.log.index(("store release", spsc.HEAD))
    return seen < min(slots) and max(slots) < given and stores(words)[-1][1] == spsc.HEAD


def promise(ring: ModuleType, words: Recording) -> None:
    """Publish a watermark."""
    ring.publish_watermark(words, 5, 7)


def lock_is_first_and_last(words: Recording) -> bool:
    """The lock is odd before both words change, and even behind them, with release."""
    first, last = ("store relaxed", spsc.LOCK), ("store release", spsc.LOCK)
    both = {("store relaxed", spsc.MARK_TIME), ("store relaxed", spsc.MARK_REFERENCE)}
    made = stores(words)
    return (
        made[:2] == [first, ("fence release", None)]
        and made[-1] == last
        and (set(made[2:-1]) == both)
    )


def change_row(pools: ModuleType, words: Recording) -> None:
    """Change a word of a row."""
    pools.mark_changing(words)
    words[places.START] = 1
    pools.mark_settled(words)


def version_is_first_and_last(words: Recording) -> bool:
    """The version is odd, then a fence, then the change, then the version with release."""
    return stores(words) == [
        ("store relaxed", places.PACE),
        ("fence release", None),
        ("store", places.START),
        ("store release", places.PACE),
    ]


def end_pane(pane: ModuleType, words: Recording) -> None:
    """Change a word of hosts' rows."""
    pane._begin_change(words)
    words[0] = 1
    pane._end_change(words)


def rows_version_is_first_and_last(words: Recording) -> bool:
    """As of a flow's row."""
    return stores(words) == [
        ("store relaxed", ROWS_VERSION),
        ("fence release", None),
        ("store", 0),
        ("store release", ROWS_VERSION),
    ]


_USED = AT + journal.USED


def keep_and_change(redo: ModuleType, words: Recording) -> None:
    """Change two words in a transaction."""
    words.words[AT + journal.CAPACITY] = ROOM
    redo.keep(words, AT, 3, 2)
    words[3] = words[4] = 9
    redo.commit(words, AT)


def entry_counts_between_its_words_and_the_change(words: Recording) -> bool:
    """The entry's words, a fence, its count, a fence, the change, a fence, the commit."""
    entry = AT + JOURNAL.words
    fence = ("fence program", None)
    return stores(words) == [
        *(("store", entry + k) for k in range(3)),
        *(fence, ("store", _USED), fence),
        *(("store", 3), ("store", 4)),
        *(fence, ("store", _USED), fence),
    ]


def keep_and_undo(redo: ModuleType, words: Recording) -> None:
    """Take a change back; only this is written down."""
    words.words[AT + journal.CAPACITY] = ROOM
    redo.keep(words, AT, 3, 2)
    words[3] = words[4] = 9
    words.log.clear()
    redo.undo(words, AT)


def entry_is_given_up_last(words: Recording) -> bool:
    """Both words are back, then a fence, then the entry is no more."""
    back, rest = stores(words)[:2], stores(words)[2:]
    return set(back) == {("store", 3), ("store", 4)} and rest == [
        ("fence program", None),
        ("store", _USED),
    ]


_POOLS = ("engine.flows.pools", ("mark_changing", "mark_settled"))
_PANE = ("engine.hosts.pane", ("_begin_change", "_end_change"))
_REDO = ("engine.rings.journal", ("keep", "commit", "undo"))
_RING = ("engine.rings.spsc", ("claim", "publish", "peek", "release", "publish_watermark"))
# Protocol: where it stands, what is done, what must be so, and edits that must break it.
CLAIMS = {
    "publish": (
        *(_RING, publish_three, tail_is_last),
        ("ring_published_first", "ring_tail_relaxed"),
    ),
    "release": (
        *(_RING, take_three, head_is_last),
        ("ring_freed_first", "ring_head_relaxed", "ring_tail_loaded_relaxed"),
    ),
    "watermark": (
        *(_RING, promise, lock_is_first_and_last),
        ("mark_writer_fence", "mark_settled_relaxed"),
    ),
    "row": (
        *(_POOLS, change_row, version_is_first_and_last),
        ("row_writer_fence", "row_settled_relaxed"),
    ),
    "pane": (_PANE, end_pane, rows_version_is_first_and_last, ("pane_writer_fence",)),
    "keep": (
        *(_REDO, keep_and_change, entry_counts_between_its_words_and_the_change),
        ("redo_counted_first",),
    ),
    "undo": (_REDO, keep_and_undo, entry_is_given_up_last, ("redo_given_up_first",)),
}


def holds(name: str, edit: Edit | None, monkeypatch) -> bool:
    """Return whether a protocol's claim holds of what its source does."""
    (module, names), act, claim, _ = CLAIMS[name]
    words = Recording(128)
    act(recorded(module, names, words, edit, monkeypatch), words)
    try:
        return claim(words)
    except ValueError:  # What the claim speaks of was not done at all.
        return False


@pytest.mark.parametrize("name", CLAIMS)
def test_stores_are_made_in_the_order_that_is_argued_with(name, monkeypatch):
    assert holds(name, None, monkeypatch)


@pytest.mark.parametrize(
    ("name", "bug"), [(name, bug) for name in CLAIMS for bug in CLAIMS[name][3]]
)
def test_store_that_is_moved_or_weakened_is_found(name, bug, monkeypatch):
    assert not holds(name, _EDITS[bug], monkeypatch)


@pytest.mark.parametrize("hoisted", [False, True])
def test_magic_of_a_segment_is_stored_when_its_header_is_whole(hoisted, new_run, monkeypatch):
    """The header as it was when the magic was stored; hoisted: published while it is made."""
    seen = []

    def store_release(header, at, value):
        seen.append((header.copy(), at))
        header[at] = value

    monkeypatch.setattr(segment, "store_release", store_release)
    plain = segment.Segment.__init__
    if hoisted:

        def hasty(self, *words, **options):
            plain(self, *words, **options)
            self.publish()

        monkeypatch.setattr(segment.Segment, "__init__", hasty)
    made = segment.Segment.create(segment.segment_name(new_run(), "table"), "table", 64)
    try:
        made.publish()
        header, at = seen[0]
        assert at == segment._MAGIC
        expected = made.header.copy()
        expected[at] = 0
        assert (header.tolist() == expected.tolist()) is not hoisted
    finally:
        made.unlink()
        made.close()
