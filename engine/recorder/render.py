"""The kernel that runs a compiled template (instructions.py) over rows.

A field of a few bits never leads outside its texts: what a row says is not trusted.
"""

import numpy as np
from numba import njit

from engine.features.catalogue import index
from engine.layouts import FEATURES as FEATURE_COUNT
from engine.layouts import HISTORY_WORDS, ROW, TOP_FEATURES
from engine.memory.pointers import float32_bits, float_of_bits, pointer, prefetch, shifted
from engine.packets.fixed_hash import hash_address, hash_port, hash_word
from engine.recorder.community_id import FLOW_WORDS, SCRATCH_WORDS, put_community_id
from engine.recorder.instructions import (
    ADDRESS,
    AGE,
    CLASS,
    COMMUNITY_ID,
    DECIMAL,
    FEATURES,
    FIRST,
    FLOAT,
    FLOW_ID,
    HISTORY,
    ICMP,
    INT,
    LITERAL,
    OP_WORDS,
    PORTED,
    PORTLESS,
    SCALED,
    SEVERITY,
    SKIP,
    SPAN,
    SUM,
    TCP_FLAGS,
    TEXT,
    TIME,
    TOP,
    UID,
    WHEN,
    Machine,
)
from engine.recorder.shortest import put_known_float
from engine.recorder.text import (
    put_address,
    put_bytes,
    put_decimal,
    put_int,
    put_thousandths,
    put_time,
    put_uid,
)

FLOW_ID_BITS = 51  # Whole numbers that every JSON reader keeps; Suricata's have as many.
ROW_WORDS = ROW.words
_KEY = ROW.index("key")
_INITIATOR = ROW.index("initiator_high")
_RESPONDER = ROW.index("responder_high")
_FIRST_NS = ROW.index("first_ns")
_FIRST_REFERENCE = ROW.index("first_reference")
_VALID = ROW.index("valid")
_VECTOR = ROW.index("vector_0")
_SCORES = ROW.index("score_threshold")
_VERDICT = ROW.index("verdict")
_TOP_NAMES = ROW.index("top_features")
_TOP_WEIGHTS = ROW.index("top_weights")
_WEIGHT_MAX = 1e9  # Larger ones, which no model has, are written in full.
_RESPONDER_PORT_SHIFT = ROW.shift("key", "responder_port")
_VLAN_SHIFT, _VLAN_MASK = ROW.shift("key", "vlan"), ROW.mask("key", "vlan")
_VERSION_SHIFT = ROW.shift("key", "version6")
_MARK_SHIFT = ROW.shift("key", "mark")
_PROTOCOL_SHIFT = ROW.shift("key", "protocol")
_TOP_SHIFT, _TOP_MASK = ROW.shift("verdict", "top_count"), ROW.mask("verdict", "top_count")
_FLAG_NAMES = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")  # From the lowest bit.
_FLAG_COUNTS = tuple(index(f"{name}_count") for name in _FLAG_NAMES)
_HISTORY = ROW.index("history_0")
_LETTERS_A_WORD, _LETTER_BITS, _LETTER_MASK = 12, 5, 31
_LOW32 = (1 << 32) - 1
_SECOND_NS = 10**9
_LINE_WORDS = 8
_ROWS_AHEAD = 2


@njit(cache=True, nogil=True)
def flow_hash(row):
    """Return the fixed hash that identifies the row's flow part, all 64 bits."""
    key = row[_KEY]
    version6, protocol = (key >> _VERSION_SHIFT) & 1, (key >> _PROTOCOL_SHIFT) & 0xFF
    h = hash_address(0, version6, row[_INITIATOR], row[_INITIATOR + 1])
    h = hash_address(h, version6, row[_RESPONDER], row[_RESPONDER + 1])
    h = hash_port(h, protocol, key & 0xFFFF)
    h = hash_port(h, protocol, (key >> _RESPONDER_PORT_SHIFT) & 0xFFFF)
    h = hash_word(h, (key >> _VLAN_SHIFT) & _VLAN_MASK)
    return hash_word(hash_word(h, row[_FIRST_NS]), row[_FIRST_REFERENCE])


@njit(cache=True, nogil=True)
def flow_id(row):
    """Return the upper bits of the flow's hash: its number in every output."""
    return flow_hash(row) >> (64 - FLOW_ID_BITS) & ((1 << FLOW_ID_BITS) - 1)


@njit(cache=True, nogil=True)
def _fill_flow_ids(rows, numbers):
    words = pointer(rows.ravel())
    for k in range(len(rows)):
        numbers[k] = flow_id(shifted(words, k * ROW_WORDS))


def flow_ids(rows: np.ndarray) -> np.ndarray:
    """Return the flow numbers of contiguous rows."""
    numbers = np.zeros(len(rows), np.int64)
    _fill_flow_ids(rows, numbers)
    return numbers


@njit(cache=True, nogil=True)
def _protocol_class(protocol):
    if protocol == 1 or protocol == 58:
        return ICMP
    if protocol == 6 or protocol == 17 or protocol == 132 or protocol == 33 or protocol == 136:
        return PORTED
    return PORTLESS


@njit(cache=True, nogil=True)
def _holds(op, row):
    found = np.int64(0)
    if op[2] == CLASS:
        found = _protocol_class((row[_KEY] >> _PROTOCOL_SHIFT) & 0xFF)
    else:
        found = (row[op[3]] >> op[4]) & op[5]
    return (found == op[6]) != (op[1] != 0)


@njit(cache=True, nogil=True)
def _put_text(machine, out, at, number):
    return put_bytes(out, at, machine.blob, machine.ends[number], machine.ends[number + 1])


@njit(cache=True, nogil=True)
def _put_community(machine, row, out, at, seed):
    key = row[_KEY]
    flow = machine.flow
    flow[0], flow[1], flow[2] = row[_INITIATOR], row[_INITIATOR + 1], key & 0xFFFF
    flow[3], flow[4] = row[_RESPONDER], row[_RESPONDER + 1]
    flow[5] = (key >> _RESPONDER_PORT_SHIFT) & 0xFFFF
    flow[6], flow[7] = (key >> _VERSION_SHIFT) & 1, (key >> _PROTOCOL_SHIFT) & 0xFF
    flow[8] = (key >> _MARK_SHIFT) & 1
    return put_community_id(out, at, flow, machine.scratch, seed)


@njit(cache=True, nogil=True)
def _float_bits(row, word, index):
    """Return the bits of float32 `index` of the array that begins at `word`."""
    return (row[word + (index >> 1)] >> (32 * (index & 1))) & _LOW32


@njit(cache=True, nogil=True)
def _put_weight(out, at, bits, floats):
    """Write a contribution to three decimals: a third of the time of its shortest form."""
    weight = np.float64(float_of_bits(bits))
    if abs(weight) < _WEIGHT_MAX:
        return put_thousandths(out, at, weight)
    return put_known_float(out, at, bits, 1, floats)


@njit(cache=True, nogil=True)
def _put_top(machine, op, row, out, at):
    """Write the features that moved the score: name, value, between, weight, behind."""
    behind = op[FIRST] + FEATURE_COUNT + 1
    begun = False
    for k in range(min((row[_VERDICT] >> _TOP_SHIFT) & _TOP_MASK, TOP_FEATURES, op[1])):
        feature = (row[_TOP_NAMES] >> 8 * k) & 0xFF
        if feature >= FEATURE_COUNT:
            continue
        if begun:
            at = _put_text(machine, out, at, behind + 1)
        begun = True
        at = _put_text(machine, out, at, op[FIRST] + feature)
        at = put_known_float(out, at, _float_bits(row, _VECTOR, feature), 1, machine.floats)
        at = _put_text(machine, out, at, behind - 1)
        at = _put_weight(out, at, _float_bits(row, _TOP_WEIGHTS, k), machine.floats)
        at = _put_text(machine, out, at, behind)
    return at


@njit(cache=True, nogil=True)
def _put_features(machine, op, row, out, at):
    """Write the vector; what is not valid is an empty cell, or left out."""
    separator = op[FIRST] + FEATURE_COUNT
    begun = False
    for k in range(FEATURE_COUNT):
        valid = (row[_VALID + (k >> 6)] >> (k & 63)) & 1
        if not (valid or op[1]):
            continue
        if begun:
            at = _put_text(machine, out, at, separator)
        begun = True
        if valid:
            at = _put_text(machine, out, at, op[FIRST] + k)
            at = put_known_float(out, at, _float_bits(row, _VECTOR, k), op[2], machine.floats)
    return at


@njit(cache=True, nogil=True)
def _severity(row):
    """Return 1, 2 or 3: the score's upper, middle or lower third above its threshold."""
    threshold = np.float64(float_of_bits(_float_bits(row, _SCORES, 1)))
    above = np.float64(float_of_bits(_float_bits(row, _SCORES, 0))) - threshold
    room = 1.0 - threshold
    if room <= 0.0 or 3.0 * above >= 2.0 * room:
        return 1
    return 2 if 3.0 * above >= room else 3


@njit(cache=True, nogil=True)
def _put_tcp_flags(row, out, at):
    """Write every TCP flag that the part had, both directions, as two hexadecimal digits."""
    flags = 0
    for bit in range(8):
        if _float_bits(row, _VECTOR, _FLAG_COUNTS[bit]):
            flags |= 1 << bit
    for shift in (4, 0):
        digit = (flags >> shift) & 15
        out[at] = 48 + digit if digit < 10 else 87 + digit
        at += 1
    return at


@njit(cache=True, nogil=True)
def _age_s(end, start):
    """Return the whole seconds from start to end; their difference in ns need not be an int64."""
    borrowed = end % _SECOND_NS < start % _SECOND_NS
    return end // _SECOND_NS - start // _SECOND_NS - np.int64(borrowed)


@njit(cache=True, nogil=True)
def _put_history(machine, op, row, out, at):
    """Write the letters of the row's connection."""
    for word in range(_HISTORY, _HISTORY + HISTORY_WORDS):
        for place in range(_LETTERS_A_WORD - 1, -1, -1):
            letter = (row[word] >> _LETTER_BITS * place) & _LETTER_MASK
            if letter:
                at = _put_text(machine, out, at, op[FIRST] + letter)
    return at


@njit(cache=True, nogil=True)
def _put_other(machine, op, row, out, at):
    """Write a value as the schemas of other programs have it."""
    code = op[0]
    if code == SPAN:
        start = row[op[2]] // op[3] if op[2] >= 0 else 0
        return put_int(out, at, row[op[1]] // op[3] - start)
    if code == SUM:
        return put_int(out, at, row[op[1]] + row[op[2]])
    if code == SCALED:
        value = np.float64(float_of_bits((row[op[1]] >> op[2]) & _LOW32)) / op[3]
        return put_known_float(out, at, float32_bits(value), 0, machine.floats)
    if code == DECIMAL:
        return put_decimal(out, at, row[op[1]])
    assert code == HISTORY
    return _put_history(machine, op, row, out, at)


@njit(cache=True, nogil=True)
def _put_derived(machine, op, row, out, at):
    """Write a value that is computed."""
    code = op[0]
    if code == AGE:
        return put_int(out, at, _age_s(row[op[1]], row[op[2]]))
    if code >= SPAN:
        return _put_other(machine, op, row, out, at)
    if code == FLOW_ID:
        return put_int(out, at, flow_id(row))
    if code == UID:
        return put_uid(out, at, flow_hash(row))
    if code == COMMUNITY_ID:
        return _put_community(machine, row, out, at, op[1])
    if code == TCP_FLAGS:
        return _put_tcp_flags(row, out, at)
    if code == SEVERITY:
        return put_int(out, at, _severity(row))
    if code == TOP:
        return _put_top(machine, op, row, out, at)
    assert code == FEATURES
    return _put_features(machine, op, row, out, at)


@njit(cache=True, nogil=True)
def _put_field(machine, op, row, out, at):
    code = op[0]
    if code == LITERAL:
        return _put_text(machine, out, at, op[FIRST])
    if code == INT:
        return put_int(out, at, op[4] + op[5] * ((row[op[1]] >> op[2]) & op[3]))
    if code == TEXT:
        number = min((row[op[1]] >> op[2]) & op[3], op[4])
        return _put_text(machine, out, at, op[FIRST] + number)
    if code == FLOAT:
        return put_known_float(out, at, (row[op[1]] >> op[2]) & _LOW32, op[3], machine.floats)
    if code == ADDRESS:
        version6 = (row[_KEY] >> _VERSION_SHIFT) & 1
        return put_address(out, at, version6, row[op[1]], row[op[1] + 1])
    if code == TIME:
        return put_time(out, at, row[op[1]] - row[op[3]] + row[op[4]], op[2])
    return _put_derived(machine, op, row, out, at)


@njit(cache=True, nogil=True)
def render(program, rows, out, ends):
    """Write all rows; ends[k + 1] becomes the end of row k. Return the bytes written."""
    scratch = pointer(program.scratch)
    machine = Machine(
        pointer(program.blob),
        pointer(program.ends),
        scratch,
        shifted(scratch, SCRATCH_WORDS),
        shifted(scratch, SCRATCH_WORDS + FLOW_WORDS),
    )
    ops, words, place_out = pointer(program.ops.ravel()), pointer(rows.ravel()), pointer(out)
    at = 0
    ends[0] = 0
    for k in range(len(rows)):
        row = shifted(words, k * ROW_WORDS)
        if k + _ROWS_AHEAD < len(rows):  # Another core wrote it.
            for word in range(0, ROW_WORDS, _LINE_WORDS):
                prefetch(words, (k + _ROWS_AHEAD) * ROW_WORDS + word)
        place = 0
        while place < len(program.ops):
            op = shifted(ops, place * OP_WORDS)
            place += 1
            if op[0] != WHEN:
                at = _put_field(machine, op, row, place_out, at)
            elif not _holds(op, row):
                place = op[SKIP]
        ends[k + 1] = at
    return at
