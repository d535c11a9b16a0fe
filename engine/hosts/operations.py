"""What happens to hosts, a few operations at a time: deltas, remainders, facts, ended marks.

Operations (op.py) are gathered, then taken in passes over all of them: hash and ask for the index;
ask for the hosts; find or make them and ask for their lines; ask for filters; add. What a pass asks
for (ahead.py) is there when the next one comes. Each pass keeps the order, so hosts are made in it.
"""

from numba import njit

from engine.events import counter_index
from engine.hosts import index, op
from engine.hosts.ahead import ask_host, ask_initiator, ask_known, ask_responder
from engine.hosts.initiator import add_flow, add_message, end_flow
from engine.hosts.known import HOST_BITS, find_host, host_index, make_host
from engine.hosts.responder import add_flow_to, end_flow_to
from engine.hosts.space import OP_WORDS, OPS_MAX, key_of
from engine.layouts.records import DELTA_EVENT, FACT_EVENT
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import shifted

_REFUSED = counter_index("classifier", "host_refused")
_KEY = DELTA_EVENT.index("key")
_FIRST, _SECOND = DELTA_EVENT.index("initiator_high"), DELTA_EVENT.index("responder_high")
_VERSION_SHIFT = DELTA_EVENT.shift("key", "version6")
_FACT_HOST, _FACT_VERSION6 = FACT_EVENT.index("host_high"), FACT_EVENT.index("version6")
_EVENT_WORDS = DELTA_EVENT.words


@njit(**HOT)
def next_operation(space):
    """Return the pointer to the next operation; there is room (`flush_if_full`)."""
    one = shifted(space.ops, space.pending[0] * OP_WORDS)
    space.pending[0] += 1
    return one


@njit(**HOT)
def _set_address(one, at, version, source):
    one[at], one[at + 1], one[at + 2] = version, one[source], one[source + 1]


@njit(**HOT)
def _hash(space, one):
    """Set an operation's addresses and hashes; ask for the index."""
    words = space.words
    secret = key_of(words)
    is_fact = one[op.KIND] == op.FACT_OP
    if is_fact:
        _set_address(one, op.INITIATOR_ADDRESS, 6 if one[_FACT_VERSION6] else 4, _FACT_HOST)
    else:
        version = 6 if one[_KEY] >> _VERSION_SHIFT & 1 else 4
        _set_address(one, op.INITIATOR_ADDRESS, version, _FIRST)
        _set_address(one, op.RESPONDER_ADDRESS, version, _SECOND)
        other = shifted(one, op.RESPONDER_ADDRESS)
        one[op.RESPONDER_HASH] = index.address_hash(other[1], other[2], secret)
        index.ask(host_index(words), words[HOST_BITS], one[op.RESPONDER_HASH])
    address = shifted(one, op.INITIATOR_ADDRESS)
    one[op.INITIATOR_HASH] = index.address_hash(address[1], address[2], secret)
    index.ask(host_index(words), words[HOST_BITS], one[op.INITIATOR_HASH])


@njit(**HOT)
def _find(space, one, address_at, hash_at, makes):
    """Return the place of an operation's host; made where it is not there, if it is to be."""
    address = shifted(one, address_at)
    place = find_host(space.words, one[hash_at], address)
    if place == 0 and makes:
        place, is_refused = make_host(space, one[hash_at], address, one[op.PANE])
        if is_refused:
            space.counters[_REFUSED] += 1
    return place


@njit(**HOT)
def _ask_hosts(words, one):
    """Ask for an operation's hosts."""
    ask_host(words, one[op.INITIATOR_HASH])
    if one[op.KIND] != op.FACT_OP:
        ask_host(words, one[op.RESPONDER_HASH])


@njit(**HOT)
def _place(space, one):
    """Find or make an operation's hosts; ask for their lines."""
    makes = one[op.KIND] != op.ENDED_OP
    one[op.INITIATOR] = _find(space, one, op.INITIATOR_ADDRESS, op.INITIATOR_HASH, makes)
    one[op.RESPONDER] = 0
    if one[op.KIND] != op.FACT_OP:
        one[op.RESPONDER] = _find(space, one, op.RESPONDER_ADDRESS, op.RESPONDER_HASH, makes)
        if one[op.RESPONDER]:
            ask_responder(space.words, one)
    if one[op.INITIATOR]:
        ask_initiator(space.words, one)


@njit(**HOT)
def _add(space, one):
    """Add an operation to the parts that are there."""
    kind = one[op.KIND]
    if kind == op.FACT_OP:
        if one[op.INITIATOR]:
            add_message(space.words, one)
        return
    if kind == op.ENDED_OP:
        if one[op.INITIATOR]:
            end_flow(space.words, one)
        if one[op.RESPONDER]:
            end_flow_to(space.words, one)
        return
    if one[op.INITIATOR]:
        add_flow(space, one)
    if one[op.RESPONDER]:
        add_flow_to(space, one)


@njit(**KERNEL)
def flush(space):
    """Take the operations that have been gathered."""
    count = space.pending[0]
    for number in range(count):
        _hash(space, shifted(space.ops, number * OP_WORDS))
    for number in range(count):
        _ask_hosts(space.words, shifted(space.ops, number * OP_WORDS))
    for number in range(count):
        _place(space, shifted(space.ops, number * OP_WORDS))
    for number in range(count):
        ask_known(space.words, shifted(space.ops, number * OP_WORDS))
    for number in range(count):
        _add(space, shifted(space.ops, number * OP_WORDS))
    space.pending[0] = 0


@njit(**HOT)
def flush_if_full(space):
    """Make room for one operation more."""
    if space.pending[0] == OPS_MAX:
        flush(space)


@njit(**HOT)
def gather_event(space, event, kind, pane):
    """Gather a delta (DELTA_OP) or fact (FACT_OP) of a pane; `event` points to its words."""
    flush_if_full(space)
    one = next_operation(space)
    for word in range(_EVENT_WORDS):
        one[word] = event[word]
    one[op.KIND], one[op.PANE] = kind, pane
