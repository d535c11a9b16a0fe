"""What xsan does at each access: vector clocks in a shadow that all processes share.

A process is a thread of the C11 model: its clock is a vector, one number for each process. It goes
up when the process releases. Beside each word of the data lie in the shadow, under a lock: the
clock that the word's last release published, and for each process and each kind of access the
clock, the place and the bytes of its last one. An access races with one of another process that it
conflicts with (same bytes, one of them writes, one of them is plain) and that it does not follow:
whose clock is later than what this process knows of that process.

    acquire load       what the word published becomes known
    relaxed load       it becomes known at the next acquire fence
    release store      the word publishes what is known
    relaxed store      the word publishes what was known at the last release fence
    read-modify-write  both; the word goes on publishing what it did (a release sequence)

Of one process's accesses to a word of one kind only the last is kept, with the bytes touched since
its clock last went up: races with earlier ones can be missed, none is invented.
"""

from numba import cfunc, njit, types

from stress.races.raw import add, load, publish, store, swap

PROCESSES_MAX = 6
READ, WRITE, ATOMIC_READ, ATOMIC_WRITE = 0, 1, 2, 3
KINDS = ("read", "write", "atomic read", "atomic write")
LOAD, STORE, RMW = 0, 1, 2  # What an atomic operation does.
ORDERS = {"unordered": 0, "monotonic": 0, "acquire": 1, "release": 2, "acq_rel": 3, "seq_cst": 3}

# The shadow: a header, reports, then SHADOW_WORDS for each word of the data.
REPORTS, ACCESSES = 0, 8  # How many reports; accesses of each process.
HEADER_WORDS = 16
REPORTS_MAX, REPORT_WORDS = 4096, 8
SHADOW_WORDS = 64
_CLOCK, _LAST = 1, 8  # Of a word: its lock at 0, the clock it publishes, the last accesses.
_SITE_BITS = 40
_SITE_MASK = (1 << _SITE_BITS) - 1

# This process: its number, the data it watches, the shadow, three clocks.
ME, BASE, BYTES, SHADOW, KNOWN, PENDING, FENCED, STATE_WORDS = 0, 1, 2, 3, 8, 16, 24, 32


def shadow_words(data_words: int) -> int:
    """Return how many words of shadow so many words of data need."""
    return HEADER_WORDS + REPORTS_MAX * REPORT_WORDS + data_words * SHADOW_WORDS


@njit(cache=True)
def _word(state, address):
    """Return where the shadow of the word of an address lies."""
    number = (address - load(state + 8 * BASE)) >> 3
    first = load(state + 8 * SHADOW) + 8 * (HEADER_WORDS + REPORTS_MAX * REPORT_WORDS)
    return first + number * 8 * SHADOW_WORDS


@njit(cache=True)
def _last(word, kind, process):
    """Return where the clock of a process's last access of a kind lies; its place 6 words on."""
    return word + 8 * (_LAST + kind * 2 * PROCESSES_MAX + process)


@njit(cache=True)
def _lock(word):
    while swap(word, 1) != 0:
        pass


@njit(cache=True)
def _report(state, address, kind, what, other):
    """Write down a race; `other`: the process, the kind and the place of the access before."""
    header = load(state + 8 * SHADOW)
    number = add(header + 8 * REPORTS, 1)
    if number < REPORTS_MAX:
        report = header + 8 * (HEADER_WORDS + number * REPORT_WORDS)
        store(report, (address - load(state + 8 * BASE)) >> 3)
        store(report + 8, load(state + 8 * ME))
        store(report + 16, kind)
        store(report + 24, what & _SITE_MASK)
        store(report + 32, other[0])
        store(report + 40, other[1])
        store(report + 48, other[2] & _SITE_MASK)


@njit(cache=True)
def _conflicts(kind, other):
    """Return whether two kinds of access conflict: one writes, and one is plain."""
    writes = kind & 1 == 1 or other & 1 == 1
    plain = kind < ATOMIC_READ or other < ATOMIC_READ
    return writes and plain


@njit(cache=True)
def _judge(state, word, address, kind, what):
    """Compare an access with the last of all others, then keep it. Under the word's lock."""
    me = load(state + 8 * ME)
    bytes_mask = what >> _SITE_BITS
    for other in range(4):
        if _conflicts(kind, other):
            for process in range(PROCESSES_MAX):
                last = _last(word, other, process)
                if process != me and load(last) > load(state + 8 * (KNOWN + process)):
                    before = load(last + 8 * PROCESSES_MAX)
                    if before >> _SITE_BITS & bytes_mask:
                        _report(state, address, kind, what, (process, other, before))
    mine = _last(word, kind, me)
    now = load(state + 8 * (KNOWN + me))
    kept = load(mine + 8 * PROCESSES_MAX) >> _SITE_BITS if load(mine) == now else 0
    store(mine, now)
    store(mine + 8 * PROCESSES_MAX, what | kept << _SITE_BITS)


@njit(cache=True)
def _count(state):
    counter = load(state + 8 * SHADOW) + 8 * (ACCESSES + load(state + 8 * ME))
    store(counter, load(counter) + 1)


@njit(cache=True)
def _touch(state, address, size, kind, site):
    """Note a plain access to bytes that lie within the data, at least in part."""
    _count(state)
    end = min(address + size, load(state + 8 * BASE) + load(state + 8 * BYTES))
    at = max(address, load(state + 8 * BASE))
    while at < end:
        first = at & 7
        count = min(8 - first, end - at)
        what = ((1 << count) - 1) << first << _SITE_BITS | site
        word = _word(state, at)
        _lock(word)
        _judge(state, word, at, kind, what)
        publish(word, 0)
        at += count


@njit(cache=True)
def _learn(state, word, order):
    """Take over what a word publishes: now, or at the next acquire fence."""
    clock = KNOWN if order & 1 else PENDING
    for process in range(PROCESSES_MAX):
        told = load(word + 8 * (_CLOCK + process))
        if told > load(state + 8 * (clock + process)):
            store(state + 8 * (clock + process), told)


@njit(cache=True)
def _tell(state, word, order, goes_on):
    """Have a word publish what is known, or what was at the last release fence."""
    clock = KNOWN if order & 2 else FENCED
    for process in range(PROCESSES_MAX):
        told = load(state + 8 * (clock + process))
        place = word + 8 * (_CLOCK + process)
        store(place, max(told, load(place)) if goes_on else told)
    if order & 2:
        _advance(state)


@njit(cache=True)
def _advance(state):
    """Begin a new step of this process's own clock."""
    own = state + 8 * (KNOWN + load(state + 8 * ME))
    store(own, load(own) + 1)


@njit(cache=True)
def _end(state, address, size, what, site):
    """Note an atomic operation that was just made under the word's lock, and unlock."""
    _count(state)
    operation, order = what & 3, what >> 2
    word = _word(state, address)
    kind = ATOMIC_READ if operation == LOAD else ATOMIC_WRITE
    mask = ((1 << min(size, 8 - (address & 7))) - 1) << (address & 7)
    if operation != STORE:
        _learn(state, word, order)  # First: what it reads may be what orders this very access.
    _judge(state, word, address, kind, mask << _SITE_BITS | site)
    if operation != LOAD:
        _tell(state, word, order, operation == RMW)
    publish(word, 0)


@njit(cache=True)
def _fence(state, order):
    """Make known what loads have read (acquire); keep what stores behind it tell (release)."""
    if order & 1:
        for process in range(PROCESSES_MAX):
            read = load(state + 8 * (PENDING + process))
            if read > load(state + 8 * (KNOWN + process)):
                store(state + 8 * (KNOWN + process), read)
    if order & 2:
        for process in range(PROCESSES_MAX):
            store(state + 8 * (FENCED + process), load(state + 8 * (KNOWN + process)))
        _advance(state)


_I, _V = types.int64, types.void


def build() -> dict[str, int]:
    """Compile the runtime; return the addresses of its functions."""

    @cfunc(_V(_I, _I, _I, _I, _I))
    def touch(state, address, size, kind, site):
        _touch(state, address, size, kind, site)

    @cfunc(_V(_I, _I))
    def begin(state, address):
        _lock(_word(state, address))

    @cfunc(_V(_I, _I, _I, _I, _I))
    def end(state, address, size, what, site):
        _end(state, address, size, what, site)

    @cfunc(_V(_I, _I))
    def fence(state, order):
        _fence(state, order)

    made = {"touch": touch, "begin": begin, "end": end, "fence": fence}
    _KEPT.append(made)
    return {name: function.address for name, function in made.items()}


_KEPT: list[dict] = []  # Compiled code lives as long as what it was compiled from.
