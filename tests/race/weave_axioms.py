"""What sc, tso and c11 allow a small program to do, by axioms: the reference of the checker.

Nothing is run here. A program is a tuple of threads, a thread a tuple of operations:

    ("load", word, order)   ("store", word, value, order)   ("add", word, value, order)
    ("swap", word, expected, value, order): a compare-and-swap, relaxed where it fails
    ("fence", order)

All ways in which reads may take their values from writes (`sources`) and in which the writes of a
word may follow each other (`modified`) are made; those that the axioms forbid are left out.

sc   program order, reads-from, modification and from-read are acyclic together (Lamport).
tso  likewise without a store before a later load, unless a fence or an update stands between
     (Owens, Sarkar, Sewell 2009).
c11  coherence with happens-before, atomicity, and the order of seq_cst, as in RC11 (Lahav and
     others 2017), with two restrictions that the checker has and states: modification agrees with
     the order of execution, and nobody reads what is stored later.
"""

import itertools

INITIAL = -1  # The event that wrote 0 to every word.
_ACQUIRING = ("acquire", "acq_rel", "seq_cst")
_RELEASING = ("release", "acq_rel", "seq_cst")


class _Event:
    def __init__(self, number, thread, operation):
        self.number = number
        self.thread = thread
        self.kind = operation[0]
        self.word = operation[1] if self.kind != "fence" else None
        self.operation = operation
        self.order = operation[-1]
        self.reads = self.kind in ("load", "add", "swap")
        self.writes = self.kind in ("store", "add", "swap")
        self.read = self.written = None


def allowed(program, model):
    """Return the set of outcomes: (what each thread's loads and updates returned, the words)."""
    operations = [(t, one) for t, thread in enumerate(program) for one in thread]
    words = sorted({one[1] for _, one in operations if one[0] != "fence"})
    readers = [n for n, (_, one) in enumerate(operations) if one[0] in ("load", "add", "swap")]
    writers = {
        word: [
            n
            for n, (_, one) in enumerate(operations)
            if one[0] in ("store", "add", "swap") and one[1] == word
        ]
        for word in words
    }
    found = set()
    choices = [[INITIAL, *writers[operations[n][1][1]]] for n in readers]
    for picked in itertools.product(*choices):
        sources = dict(zip(readers, picked, strict=True))
        events = [_Event(n, t, one) for n, (t, one) in enumerate(operations)]
        if not _give_values(events, sources):
            continue
        orders = [
            [
                (word, order)
                for order in itertools.permutations([n for n in writers[word] if events[n].writes])
            ]
            for word in words
        ]
        for modified in itertools.product(*orders):
            last = dict(modified)
            if _is_consistent(events, sources, last, model):
                found.add(_outcome(program, events, last))
    return found


def _outcome(program, events, modified):
    returned = tuple(
        tuple(event.read for event in events if event.thread == t and event.reads)
        for t in range(len(program))
    )
    final = {word: events[order[-1]].written if order else 0 for word, order in modified.items()}
    return returned, tuple(final[word] for word in sorted(final))


def _give_values(events, sources):
    """Set what events read and write; return False if a read depends on itself, or on no write."""
    for _ in range(len(events) + 1):
        for event in events:
            if event.reads:
                source = sources[event.number]
                event.read = 0 if source == INITIAL else events[source].written
                if event.read is None:
                    continue
            if event.kind == "store":
                event.written = event.operation[2]
            elif event.kind == "add":
                event.written = event.read + event.operation[2]
            elif event.kind == "swap":
                _, _, expected, value, _ = event.operation
                event.written = value if event.read == expected else None
    for event in events:
        if event.reads and event.read is None:
            return False
        if event.kind == "swap" and event.written is None:
            event.writes, event.order = False, "relaxed"
    return True


def _closure(pairs):
    """Return the transitive closure of a relation."""
    closed = set(pairs)
    nodes = {node for pair in closed for node in pair}
    for between in nodes:
        before = [a for a, b in closed if b == between]
        after = [b for a, b in closed if a == between]
        closed |= {(a, b) for a in before for b in after}
    return closed


def _is_acyclic(*relations):
    return all(a != b for a, b in _closure(set().union(*relations)))


def _then(one, other):
    """Return the relation of one step of each."""
    return {(a, d) for a, b in one for c, d in other if b == c}


def _is_consistent(events, sources, modified, model):
    program_order = {
        (a.number, b.number) for a, b in itertools.combinations(events, 2) if a.thread == b.thread
    }
    place = {n: k for order in modified.values() for k, n in enumerate(order)}
    reads_from = {(source, n) for n, source in sources.items() if source != INITIAL}
    modification = {
        (a, b) for order in modified.values() for a, b in itertools.combinations(order, 2)
    }
    from_read = {
        (n, later)
        for n, source in sources.items()
        for later in modified[events[n].word]
        if later != n and (source == INITIAL or place[later] > place[source])
    }
    for event in events:  # Nothing comes between an update's read and its write.
        if event.reads and event.writes:
            source = sources[event.number]
            if place[event.number] != (0 if source == INITIAL else place[source] + 1):
                return False
    relations = (program_order, reads_from, modification, from_read)
    return {"sc": _is_sc, "tso": _is_tso, "c11": _is_c11}[model](events, relations)


def _is_sc(events, relations):
    return _is_acyclic(*relations)


def _is_tso(events, relations):
    program_order, reads_from, modification, from_read = relations
    same_word = {(a, b) for a, b in program_order if events[a].word == events[b].word}
    if not _is_acyclic(same_word, reads_from, modification, from_read):
        return False
    full = {e.number for e in events if e.kind in ("add", "swap") or _is_full_fence(e)}
    kept = set()
    for a, b in program_order:
        waits = any((a, f) in program_order and (f, b) in program_order for f in full)
        strong = (
            a in full or b in full or (events[a].kind == "store" and events[a].order == "seq_cst")
        )
        if not (events[a].kind == "store" and events[b].kind == "load") or waits or strong:
            kept.add((a, b))
    for a, b in itertools.combinations(events, 2):  # A seq_cst store waits for its own.
        between = [e for e in events[a.number + 1 : b.number] if e.thread == a.thread == b.thread]
        if any(e.kind == "store" and e.order == "seq_cst" for e in between):
            if a.thread == b.thread:
                kept.add((a.number, b.number))
    outside = {(a, b) for a, b in reads_from if events[a].thread != events[b].thread}
    fences = {e.number for e in events if e.kind == "fence" and not _is_full_fence(e)}
    kept = {(a, b) for a, b in kept if a not in fences and b not in fences}
    return _is_acyclic(kept, outside, modification, from_read)


def _is_full_fence(event):
    return event.kind == "fence" and event.order == "seq_cst"


def _is_c11(events, relations):
    program_order, reads_from, modification, from_read = relations
    before = _closure(program_order | _synchronised(events, program_order, reads_from))
    if any(a == b for a, b in before):
        return False
    extended = _closure(reads_from | modification | from_read)
    if any((b, a) in before for a, b in extended) or any(a == b for a, b in extended):
        return False
    fences = {e.number for e in events if _is_full_fence(e)}
    strong = {e.number for e in events if e.order == "seq_cst" and e.kind != "fence"}
    through = before | _then(_then(before, extended), before)
    ordered = {(a, b) for a, b in through if a in fences and b in fences}
    ordered |= {(a, b) for a, b in from_read if a in strong and b in strong}
    ordered |= {(a, b) for a, b in _then(from_read, before) if a in strong and b in fences}
    ordered |= {(a, b) for a, b in _then(before, from_read) if a in fences and b in strong}
    return _is_acyclic(program_order, reads_from, modification, ordered)


def _synchronised(events, program_order, reads_from):
    """Return (release, acquire) pairs: by accesses or by fences, through release sequences."""
    found = set()
    source_of = {b: a for a, b in reads_from}
    for reader in events:
        if not reader.reads or reader.number not in source_of:
            continue
        ends = [reader.number] if reader.order in _ACQUIRING else []
        ends += [
            e.number
            for e in events
            if e.kind == "fence"
            and e.order in _ACQUIRING
            and (reader.number, e.number) in program_order
        ]
        head = source_of[reader.number]
        while True:
            begins = [head] if events[head].order in _RELEASING else []
            begins += [
                e.number
                for e in events
                if e.kind == "fence" and e.order in _RELEASING and (e.number, head) in program_order
            ]
            found |= {(a, b) for a in begins for b in ends}
            if not events[head].reads or head not in source_of:
                break
            head = source_of[head]
    return found
