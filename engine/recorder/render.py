"""The kernel that runs a compiled template (instructions.py) over rows.

A field of a few bits never leads outside its texts: what a row says is not trusted.
"""

import numpy as np
from numba import njit

from engine.features.catalogue import index
from engine.layouts import FEATURES as FEATURE_COUNT
from engine.layouts import HISTORY_WORDS, ROW, TOP_FEATURES
from engine.memory.pointers import float32_bits, float_of_bits, pointer, prefetch, shifted
from engine.memory.sha1 import LANES
from engine.recorder.community_id import put_community_id
from engine.recorder.identifiers import (
    IDENTIFIER_WORDS,
    ROW_WORDS,
    digest_of,
    fill_identifiers,
    flow_id,
    wanted_identifiers,
)
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

_KEY = ROW.index("key")
_VALID = ROW.index("valid")
_VECTOR = ROW.index("vector_0")
_SCORES = ROW.index("score_threshold")
_VERDICT = ROW.index("verdict")
_TOP_NAMES = ROW.index("top_features")
_TOP_WEIGHTS = ROW.index("top_weights")
_WEIGHT_MAX = 1e9  # Larger ones, which no model has, are written in full.
_VERSION_SHIFT = ROW.shift("key", "version6")
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
        return put_int(out, at, flow_id(machine.known[0]))
    if code == UID:
        return put_uid(out, at, machine.known[0])
    if code == COMMUNITY_ID:
        return put_community_id(out, at, digest_of(machine.known))
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
def _put_row(program, machine, row, out, at):
    """Write the line of a row."""
    ops, count = pointer(program.ops.ravel()), len(program.ops)
    place = 0
    while place < count:
        op = shifted(ops, place * OP_WORDS)
        place += 1
        if op[0] != WHEN:
            at = _put_field(machine, op, row, out, at)
        elif not _holds(op, row):
            place = op[SKIP]
    return at


@njit(cache=True, nogil=True)
def render(program, rows, out, ends):
    """Write all rows; ends[k + 1] becomes the end of row k. Return the bytes written."""
    group = pointer(program.scratch)
    blob, texts = pointer(program.blob), pointer(program.ends)
    floats = shifted(group, IDENTIFIER_WORDS)
    words, place_out = pointer(rows.ravel()), pointer(out)
    wanted = wanted_identifiers(pointer(program.ops.ravel()), len(program.ops))
    at = 0
    ends[0] = 0
    for k in range(len(rows)):
        row = shifted(words, k * ROW_WORDS)
        if k + _ROWS_AHEAD < len(rows):  # Another core wrote it.
            for word in range(0, ROW_WORDS, _LINE_WORDS):
                prefetch(words, (k + _ROWS_AHEAD) * ROW_WORDS + word)
        if k % LANES == 0:
            fill_identifiers(row, min(LANES, len(rows) - k), wanted, group)
        machine = Machine(blob, texts, shifted(group, k % LANES), floats)
        at = _put_row(program, machine, row, place_out, at)
        ends[k + 1] = at
    return at
