"""Bugs planted in the kernels of hosts: (module, what is right, what is wrong, what finds it).

`hosts` are random host runs; anything else is the name of a directed one. canaries.py plants them.
"""

_STARTS, _PANE, _JOIN = "engine.hosts.starts", "engine.hosts.pane", "engine.hosts.join"
_INITIATOR, _RESPONDER = "engine.hosts.initiator", "engine.hosts.responder"
_FILTERS = "engine.hosts.filters"
_FORGET, _PAIRS, _KNOWN = "engine.hosts.forget", "engine.hosts.pairs", "engine.hosts.known"
_WINDOWS, _WINDOW_ROW = "engine.hosts.windows", "engine.hosts.window_row"
_TRAFFIC, _INTERNAL = "engine.hosts.traffic_row", "engine.hosts.internal_row"
_SKETCHES, _ADDRESSES = "engine.hosts.sketches", "engine.hosts.addresses"
_OPERATIONS, _RESPONDER_ROW = "engine.hosts.operations", "engine.hosts.responder_row"

HOST_CANARIES = {
    # Windows.
    "window of 30 s a cell too long": (_WINDOWS, "PANES_300 = 3, 6, 30", "PANES_300 = 6, 6, 30"),
    "cell before the one before": (_WINDOWS, "== cell - 1 else", ">= cell - 3 else"),
    "old cell not cleared": (_WINDOWS, "        clear(words, count)\n", ""),
    "covered since known": (
        _WINDOWS,
        "max((pane // panes - 1) * panes, known)",
        "known",
    ),
    "covered since the cell": (
        _WINDOWS,
        "max((pane // panes - 1) * panes, known)",
        "(pane // panes - 1) * panes",
    ),
    "known for more than 10 s": (_RESPONDER_ROW, "known >= _KNOWN", "known > _KNOWN"),
    "known for more than 30 s": (_TRAFFIC, "known >= _KNOWN", "known > _KNOWN"),
    "120: cell in progress": (_INTERNAL, "(view.pane + 1) // PANES_300 - 1", "view.pane // 30"),
    "120: cell before known": (
        _INTERNAL,
        "if cell * PANES_300 >= view.known",
        "if (cell + 1) * PANES_300 > view.known",
    ),
    "137: slice before known": (_WINDOW_ROW, "-(-view.known // SLICE", "(view.known // SLICE"),
    "133: starts of two cells": (
        _WINDOW_ROW,
        "max(current[BURST], before[BURST])",
        "current[BURST] + before[BURST]",
    ),
    # What is added, and where.
    "backward for forward": (_RESPONDER, "[FROM_PACKETS] += backward", "[FROM_PACKETS] += forward"),
    "ended mark makes a host": (_OPERATIONS, "makes = one[op.KIND] != op.ENDED_OP", "makes = True"),
    "answer taken for a query": (_INITIATOR, "_RESPONSE_SHIFT & 1:", "_RESPONSE_SHIFT & 2:"),
    "handshake for answered": (_STARTS, "marks & ANSWERED != 0", "marks & 8 != 0"),
    "128 after 10 s": (_INITIATOR, "if backward and op[DURATION] <= SHORT_NS:", "if backward:"),
    "129: both for either": (
        _INITIATOR,
        "backward or op[DURATION] <= SHORT_NS",
        "backward and op[DURATION] <= SHORT_NS",
    ),
    "129: 20 data packets": (
        _INITIATOR,
        "SHORT_PACKETS, SHORT_NS = 20",
        "SHORT_PACKETS, SHORT_NS = 21",
    ),
    "multicast is a host": (_ADDRESSES, "low >> 28 == 14", "low >> 28 == 16"),
    "bucket of the lowest bits": (_SKETCHES, "(hashed >> (64 - bits)) &", "hashed &"),
    "rank one lower": (_SKETCHES, "rank = 1 + leading_zeros", "rank = leading_zeros"),
    # Starts.
    "starts by arrival": (_STARTS, "if left < early and right < count:", "if left > count:"),
    "gap kept from a forgotten host": (_KNOWN, "host[HAS_START] = host", "host"),
    "known since kept from a forgotten host": (
        _KNOWN,
        "host[KNOWN_PANE] = pane",
        "host[KNOWN_PANE] = host[KNOWN_PANE] or pane",
    ),
    "generation a pane early": (
        _FILTERS,
        "wrapped_difference(pane * PANE_NS, part",
        "wrapped_difference((pane + 1) * PANE_NS, part",
        "starts to the hour",
    ),
    "generation a pane late": (
        _FILTERS,
        "age >= GENERATION_NS",
        "age > GENERATION_NS",
        "starts to the hour",
    ),
    "generation younger than 2^63 ns for ever": (
        _FILTERS,
        "age < 0 or ",
        "",
        "both ends of the clock",
    ),
    "insertions of all starts": (
        _FILTERS,
        "part[_INSERTIONS] += is_new_start",
        "part[_INSERTIONS] += 1",
        "2,000 starts alike",
    ),
    "older filter not looked at": (_FILTERS, "part[_HAS_OLDER] == 0", "part[_HAS_OLDER] >= 0"),
    "99 from three gaps": (_PAIRS, "_GAPS_MIN = 4", "_GAPS_MIN = 3"),
    "99: a day is too old": (_PAIRS, "age > DAY_NS", "age >= DAY_NS", "beacon a day ago"),
    "99: end of the record's pane": (
        _PAIRS,
        "end_ns = (pane + 1)",
        "end_ns = (pane + 2)",
        "beacon a day ago",
    ),
    # Rows and records.
    "pane ends before its deltas": (
        _PANE,
        "and (time > words[END_NS] or order_class != 0)",
        "",
    ),
    "row of the record's own pane": (
        _JOIN,
        "row[_TIME] // PANE_NS - 1)\n",
        "row[_TIME] // PANE_NS)\n",
    ),
    "row of the last pane": (
        _JOIN,
        "min(row[_LAST] // PANE_NS, row[_TIME] // PANE_NS - 1)",
        "row[_TIME] // PANE_NS - 1",
    ),
    "gone only before": (_JOIN, "kept[_PANE] <= words[gone_at]", "kept[_PANE] < words[gone_at]"),
    # Limits.
    "external hosts take all places": (_KNOWN, "words[HOSTS_MAX] >> 1", "words[HOSTS_MAX]"),
    "forgotten to seven eighths": (_FORGET, "False, 3 * places // 4", "False, 7 * places // 8"),
    "touched by the initiator part": (
        _FORGET,
        "max(host[INITIATOR_PANE], host[RESPONDER_PANE])",
        "host[INITIATOR_PANE]",
    ),
    "pairs by their oldest start": (_FORGET, "(pair[STARTS] - 1) % PAIR", "pair[STARTS] % PAIR"),
    "hosts of the source before": (_PANE, "    _clear_hosts(words)\n    _clear", "    _clear"),
}
