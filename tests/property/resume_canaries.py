"""Planted bugs of captures that go on where another died (canaries.py): one line each.

Name: module, what stands there, what is put in its place. Runs whose captures die find them.
"""

_RESUME, _PUBLISH, _SEND = (f"engine.capture.{name}" for name in ("resume", "publish", "send"))
_READER = "engine.capture.reader"

RESUME_CANARIES = {
    "last record sent twice": (_RESUME, "_REFERENCE] >= reference", "_REFERENCE] > reference"),
    "later source had nothing": (
        _RESUME,
        "return ring[HAD_SOURCE] > source",
        "return ring[HAD_SOURCE] >= 1 << 62",
    ),
    "catching up for the first ring": (
        _RESUME,
        "range(reader[WORKERS]):\n        if is_had",
        "range(1):\n        if is_had",
    ),
    "end of the run told twice": (
        _RESUME,
        "    if kind == END:\n        return",
        "    if 0:\n        return",
    ),
    "slots from the beginning": (_RESUME, "row[WRITTEN] = tail = int", "tail = int"),
    "control records as they were counted": (_RESUME, "+= control - counted", "+= 0"),
    "counters begin anew": (
        _RESUME,
        "np.maximum(self._line, self.counters, out=self._line)",
        "np.copyto(self._line, self.counters)",
    ),
    "drained before counters came": (
        _RESUME,
        "return self._is_settled and not behind.any()",
        "return self._is_settled",
    ),
    "drained before it caught up": (
        _RESUME,
        "return self._is_settled and not behind.any()",
        "return not behind.any()",
    ),
    "reads on behind an early end": (
        _RESUME,
        "return min((packets, *self._stops))",
        "return packets",
    ),
    "layers had with their frame": (
        _SEND,
        "ring, line[TIME], line[REFERENCE])",
        "ring, line[TIME], reference)",
    ),
    "step sent again": (
        _SEND,
        "is_had(reader, ring, time, reference)",
        "is_had(reader, ring, time, reference + 1)",
    ),
    "tick of an earlier source": (
        _PUBLISH,
        "return last[REFERENCE] >> REFERENCE_SHIFT > newest >> REFERENCE_SHIFT",
        "return False",
    ),
    "end does not say that it was early": (_PUBLISH, "= reader[STOPPED]", "= 0"),
    "end says no packets": (_PUBLISH, "COUNTERS_MAX)[_READ]\n", "COUNTERS_MAX)[_CONTROL]\n"),
    "arena from its beginning": (
        _READER,
        "words[state.ARENA_POSITION] = self._resume.arena_begin()",
        "words[state.ARENA_POSITION] = 0",
    ),
    "ordinary packets sent again": (
        "engine.capture.plain",
        "reader[DEMANDS] or reader[CATCHING_UP]:",
        "reader[DEMANDS]:",
    ),
}
