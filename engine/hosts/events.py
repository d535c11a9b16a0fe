"""Events of the merge as operations on hosts, and the panes that they end."""

from numba import njit

from engine.hosts import op
from engine.hosts.join import join_rows
from engine.hosts.operations import flush_if_full, gather_event, next_operation
from engine.hosts.pane import OPEN_PANE, end_open_pane, forget_everything, is_over, open_pane
from engine.hosts.space import JOINED, READY
from engine.layouts.hosts import HOSTS
from engine.layouts.records import DELTA_EVENT, EVENT_SLOT_WORDS, RECORD_EVENT
from engine.memory.options import HOT, KERNEL

_SOURCE = HOSTS.index("source")
_KEY_WORDS = range(DELTA_EVENT.index("initiator_high"), DELTA_EVENT.index("key") + 1)
_KEY_BEGIN, _KEY_END = _KEY_WORDS.start, _KEY_WORDS.stop
assert RECORD_EVENT.index("initiator_high") == _KEY_BEGIN
assert RECORD_EVENT.index("key") == _KEY_END - 1
_HEAD, _FIRST_NS, _LAST_NS, _FIRST_REFERENCE = (
    RECORD_EVENT.index(name) for name in ("head", "first_ns", "last_ns", "first_reference")
)
_INCREASE = DELTA_EVENT.index("fwd_bytes")
_INCREASE_WORDS = DELTA_EVENT.words - _INCREASE
_SECOND_INCREASE = RECORD_EVENT.index("fwd_bytes") - EVENT_SLOT_WORDS
_SECOND_PACKETS = RECORD_EVENT.index("packets") - EVENT_SLOT_WORDS
_SECOND_DATA = RECORD_EVENT.index("fwd_data_packets") - EVENT_SLOT_WORDS
assert RECORD_EVENT.index("bwd_data_packets") == RECORD_EVENT.index("fwd_data_packets") + 1
_ENDED_SHIFT, _ENDED_MASK = RECORD_EVENT.shift("head", "ended"), RECORD_EVENT.mask("head", "ended")
_REMAINDER = 1 << RECORD_EVENT.shift("head", "remainder")


@njit(**KERNEL)
def join_ready(space, rows, values):
    """Join the records of the batch that have not been joined."""
    join_rows(space, rows, values, space.pending[JOINED], space.pending[READY])
    space.pending[JOINED] = space.pending[READY]


@njit(**KERNEL)
def _turn(space, batch, key, is_other_source):
    """End the open pane, or everything that is known, and open the pane of an event."""
    words = space.words
    rows, values = batch
    join_ready(space, rows, values)
    end_open_pane(space)
    if is_other_source:
        forget_everything(space)
    words[_SOURCE] = key[0]
    open_pane(words, key[1], key[2])


@njit(**HOT)
def come_to(space, batch, key):
    """End what lies before an event. `key`: source, time, class; `batch`: rows, and as float32."""
    words = space.words
    is_other_source = key[0] != words[_SOURCE]
    if is_other_source or is_over(words, key[1], key[2]):
        _turn(space, batch, key, is_other_source)


@njit(**HOT)
def gather_delta(space, slot):
    """Take a delta; `slot` points to its words."""
    gather_event(space, slot, op.DELTA_OP, space.words[OPEN_PANE])


@njit(**HOT)
def gather_fact(space, slot):
    """Take a fact; `slot` points to its words."""
    gather_event(space, slot, op.FACT_OP, space.words[OPEN_PANE])


@njit(**HOT)
def _begin(space, slot, kind):
    """Return an operation with the key of a record, of the open pane."""
    flush_if_full(space)
    one = next_operation(space)
    for word in range(_KEY_BEGIN, _KEY_END):
        one[word] = slot[word]
    one[op.KIND], one[op.PANE] = kind, space.words[OPEN_PANE]
    return one


@njit(**HOT)
def gather_final(space, slot, second):
    """Take the remainder and the ended mark of a final, whose first two slots are given."""
    head = slot[_HEAD]
    if head & _REMAINDER and second[_SECOND_PACKETS]:
        one = _begin(space, slot, op.REMAINDER_OP)
        one[op.HEAD] = head
        one[op.TIME], one[op.REFERENCE] = slot[_FIRST_NS], slot[_FIRST_REFERENCE]
        for word in range(_INCREASE_WORDS):
            one[_INCREASE + word] = second[_SECOND_INCREASE + word]
    ended = head >> _ENDED_SHIFT & _ENDED_MASK
    if ended & 1:
        one = _begin(space, slot, op.ENDED_OP)
        one[op.ENDED_BITS] = ended
        one[op.DURATION] = slot[_LAST_NS] - slot[_FIRST_NS]
        one[op.DATA_PACKETS] = second[_SECOND_DATA] + second[_SECOND_DATA + 1]
