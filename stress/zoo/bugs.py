"""The bugs: one edit each of a shipped file, and the protocol that runs it (scenarios.py)."""

from dataclasses import dataclass

from stress.zoo.twins import Edit

WHOLE = "flow table"  # The protocol of bugs that show in the whole engine alone.
_SPSC = "engine.rings.spsc"
_LATER = "        if tail + count - ring[HEAD_SEEN] > ring[CAPACITY]:\n            return FULL"
_TAIL = "store_release(ring, TAIL, tail)"
_HEAD = "store_release(ring, HEAD, head)"
_MARK = "store_relaxed(ring, LOCK, lock)"
_MARKED = "store_release(ring, LOCK, lock + 1)"
_LOOK = "before & 1 == 0 and load_relaxed(ring, LOCK) == before"
_WRITER_FENCE = "    fence_release()  # The lock is odd before either word changes.\n"
_READER_FENCE = "    fence_acquire()  # Both words are read before the lock is read again.\n"
_VERSION_FENCE = "    fence_release()  # The version is odd before any other word changes.\n"
_COPY_FENCE = "fence_acquire()  # All of the copy was read before the version is read again."
_EVENTS = "    spsc.publish(shard.ring, table[EVENT_TAIL])\n"
_MARKS = "    spsc.publish_watermark(shard.ring, table[_CLOCK], table[_CLOCK_REFERENCE])\n"
_WATERMARK_FIRST = """    time, reference, whole = read_watermark(ring)
    if whole:
        lane[MARK_TIME] = time
        lane[MARK_REFERENCE] = reference
    count = peek_behind(ring, lane[HEAD])
"""
_PEEK = "    count = peek_behind(ring, lane[HEAD])\n"
_TAIL_FIRST = _PEEK + _WATERMARK_FIRST.removesuffix(_PEEK)
_PROMISE = """            promised_key(lane[MARK_TIME], lane[MARK_REFERENCE], separate, key)
            continue
"""
_TICK = """TICK, reader[NEWEST_TIME], reader[NEWEST_REFERENCE])
            written_one(reader, ring, reader[ARENA_POSITION])
            publish_ring(ring)
"""
_ENTRY = "    words[journal + ENTRIES + used - 1] = place << COUNT_BITS | count\n"
_ENTRY_FENCE = "    fence_program()  # The entry is whole before it counts.\n"
_COUNTED = "    words[journal + USED] = used\n    fence_program()  # And counts before"
_BACK = """            words[place + k] = words[kept + k]
        used -= count + 1
"""
_NOTE = """        for number in range(len(lanes)):
            control[_HEADS + 1 + number] = shifted(first, number * LANE_WORDS)[HEAD]
"""
_NOTED = """        fence_program()  # The heads stand before they count.
        control[_HEADS] = len(lanes)
"""
_EMPTIED = "        kept.commit(region)\n"
_ON = "    if control[kept.IS_ON]:\n" + _NOTE
_RELEASED = "    release_taken(lanes)\n"
_FORGOTTEN = """    fence_program()  # All heads are released before they are forgotten.
    control[_HEADS] = 0
"""
_LINE_BACK = """        for word in range(LINE_WORDS):
            line[word] = copy[word]
"""
_LINE_GIVEN_UP = """        fence_program()  # The line is back before its entry is given up.
        control[USED] = entry
"""
_SETTLED = "    version = (pace >> places.VERSION_SHIFT | 1) + 1\n"


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug: what is wrong, in which protocol it shows, the edit."""

    name: str
    what: str
    protocol: str
    edit: Edit


def _bugs(protocol: str, module: str, *rows: tuple[str, str, str, str]) -> list[Bug]:
    return [Bug(name, what, protocol, Edit(module, old, new)) for name, what, old, new in rows]


BUGS: tuple[Bug, ...] = (
    *_bugs(
        *("ring", _SPSC),
        (
            "ring_published_first",
            "published when claimed, before it is written",
            "            return FULL\n    return tail",
            "            return FULL\n    store_release(ring, TAIL, tail + count)\n    return tail",
        ),
        (
            "ring_tail_relaxed",
            "tail stored without release",
            _TAIL,
            _TAIL.replace("release", "relaxed"),
        ),
        (
            "ring_tail_loaded_relaxed",
            "tail loaded without acquire",
            "ring[TAIL_SEEN] = load_acquire(ring, TAIL)\n    return head, ring",
            "ring[TAIL_SEEN] = load_relaxed(ring, TAIL)\n    return head, ring",
        ),
        (
            "ring_head_relaxed",
            "head stored without release",
            _HEAD,
            _HEAD.replace("release", "relaxed"),
        ),
        (
            "ring_head_loaded_relaxed",
            "head loaded without acquire",
            "load_acquire(ring, HEAD)",
            "load_relaxed(ring, HEAD)",
        ),
        (
            "ring_one_too_many",
            "full one slot too late",
            _LATER,
            _LATER.replace("ring[CAPACITY]", "ring[CAPACITY] + 1"),
        ),
        (
            "ring_freed_first",
            "slots given back before they are read",
            "    return head, ring[TAIL_SEEN] - head",
            "    store_release(ring, HEAD, ring[TAIL_SEEN])\n"
            "    return head, ring[TAIL_SEEN] - head",
        ),
    ),
    *_bugs(
        *("watermark", _SPSC),
        (
            "mark_not_odd",
            "lock not odd while both words change",
            _MARK,
            _MARK.replace("lock)", "lock - 1)"),
        ),
        ("mark_writer_fence", "writer's fence gone", _WRITER_FENCE, ""),
        ("mark_reader_fence", "reader's fence gone", _READER_FENCE, ""),
        ("mark_not_again", "lock not read again", _LOOK, "before & 1 == 0"),
        (
            "mark_settled_relaxed",
            "lock stored without release",
            _MARKED,
            _MARKED.replace("release", "relaxed"),
        ),
        (
            "mark_lock_relaxed",
            "lock loaded without acquire",
            "load_acquire(ring, LOCK)",
            "load_relaxed(ring, LOCK)",
        ),
    ),
    *_bugs(
        *("watermark", "engine.flows.consume"),
        (
            "mark_before_events",
            "watermark published before its events",
            _EVENTS + _MARKS,
            _MARKS + _EVENTS,
        ),
    ),
    *_bugs(
        *("merge", "engine.classifier.merge"),
        (
            "merge_tail_first",
            "tail looked at before the watermark",
            _WATERMARK_FIRST,
            _TAIL_FIRST,
        ),
        (
            "merge_no_promise",
            "an empty lane is not waited for",
            _PROMISE,
            "            key[0] = INFINITE\n            continue\n",
        ),
    ),
    *_bugs(
        *("merge", _SPSC),
        (
            "merge_tail_loaded_relaxed",
            "tail of events loaded without acquire",
            "load_acquire(ring, TAIL)\n    return ring[TAIL_SEEN] - taken",
            "load_relaxed(ring, TAIL)\n    return ring[TAIL_SEEN] - taken",
        ),
    ),
    *_bugs(
        *("merge", "engine.capture.publish"),
        (
            "tick_not_published",
            "a tick is written, not published",
            _TICK,
            _TICK.replace("            publish_ring(ring)\n", ""),
        ),
        (
            "tick_told_too_soon",
            "who has a packet of the same time counts as told",
            "    return last[REFERENCE] >= newest",
            "    return True",
        ),
    ),
    *_bugs(
        *("rows", "engine.flows.pools"),
        ("row_writer_fence", "writer's fence gone", _VERSION_FENCE, ""),
        (
            "row_same_version",
            "an even version is not another one",
            _SETTLED,
            "    version = pace >> places.VERSION_SHIFT & -2\n",
        ),
        (
            "row_settled_relaxed",
            "version stored without release",
            "store_release(line, places.PACE",
            "store_relaxed(line, places.PACE",
        ),
    ),
    *_bugs(
        *("rows", "engine.flows.snapshot"),
        ("row_reader_fence", "reader's fence gone", _COPY_FENCE, "pass"),
        (
            "row_not_again",
            "version not read again",
            "same = load_relaxed(line, places.PACE) == before",
            "same = True",
        ),
    ),
    *_bugs(
        *("host rows", "engine.hosts.pane"),
        ("pane_writer_fence", "writer's fence gone", _VERSION_FENCE, ""),
    ),
    *_bugs(
        *("host rows", "engine.hosts.snapshot"),
        (
            "pane_odd_copied",
            "copied although the version is odd",
            "        if before & 1:\n",
            "        if before < 0:\n",
        ),
        (
            "pane_too_old",
            "a row overwritten already is taken",
            "made - table[ROWS] <= start",
            "made - table[ROWS] <= start + 1",
        ),
    ),
    *_bugs(
        *("life", "engine.rings.lifecycle"),
        (
            "life_two_steps",
            "state read, then stored: no swap",
            "    return compare_swap(ring, _STATE, before, after)",
            "    found = load_acquire(ring, _STATE)\n    if found == before:\n"
            "        ring[_STATE] = after\n    return found",
        ),
    ),
    *_bugs(
        *("lines", "engine.rings.statistics"),
        (
            "line_of_two",
            "two workers count on one line",
            "begin = STATISTICS.words + at * PROCESS.words",
            "begin = STATISTICS.words + min(at, 1) * PROCESS.words",
        ),
    ),
    *_bugs(
        *("journal", "engine.rings.journal"),
        (
            "redo_counted_first",
            "an entry counts before it is whole",
            _ENTRY + _ENTRY_FENCE + _COUNTED,
            _ENTRY_FENCE + _COUNTED.replace("used\n", "used\n" + _ENTRY),
        ),
        (
            "redo_not_committed",
            "a commit leaves the last entry",
            "    words[journal + USED] = 0\n",
            "    words[journal + USED] = min(words[journal + USED], 2)\n",
        ),
        (
            "redo_given_up_first",
            "undoing gives an entry up before its words are back",
            "        for k in range(count):\n" + _BACK,
            "        used -= count + 1\n        words[journal + USED] = used\n"
            "        for k in range(count):\n" + _BACK.rpartition("        used")[0],
        ),
        (
            "redo_one_too_few",
            "one word of an entry is not put back",
            "        for k in range(count):\n" + _BACK,
            "        for k in range(1, count):\n" + _BACK,
        ),
    ),
    *_bugs(
        *("commit", "engine.classifier.transaction"),
        (
            "commit_heads_count_first",
            "heads count before they stand",
            _NOTE + _NOTED,
            _NOTED + _NOTE,
        ),
        (
            "commit_journal_first",
            "journal emptied before the heads are noted",
            _NOTE + _NOTED + _EMPTIED,
            _EMPTIED + _NOTE + _NOTED,
        ),
        (
            "commit_released_first",
            "events given back before the commit",
            _ON,
            _RELEASED + _ON,
        ),
        (
            "commit_forgotten_first",
            "heads forgotten before they are released",
            _RELEASED + _FORGOTTEN,
            _FORGOTTEN + _RELEASED,
        ),
        (
            "commit_not_finished",
            "a commit under way is not finished",
            "            _release(ring.header, int(control[_HEADS + 1 + number]))\n",
            "            pass\n",
        ),
    ),
    *_bugs(
        *("commit", "engine.memory.kept"),
        (
            "kept_still_known",
            "a commit leaves lines in the cache of what is kept",
            "cache[numbers[entry] & (CACHE_LINES - 1)] = 0",
            "cache[numbers[entry] & (CACHE_LINES - 1)] += 0",
        ),
        (
            "kept_undone_forwards",
            "undoing takes the oldest entry first",
            "for entry in range(used - 1, -1, -1):",
            "for entry in range(used):",
        ),
        (
            "kept_given_up_first",
            "undoing gives an entry up before its line is back",
            _LINE_BACK + _LINE_GIVEN_UP,
            _LINE_GIVEN_UP + _LINE_BACK,
        ),
    ),
)

# The defect that began it all: workers whose flow table is memory of their own.
PRIVATE_TABLE = Bug(
    "private_table",
    "a worker's table is memory of its own",
    WHOLE,
    Edit(
        "engine.worker.main",
        "Worker(plan, line, table.words,",
        "Worker(plan, line, table.words.copy(),",
    ),
)
ALL = (*BUGS, PRIVATE_TABLE)
