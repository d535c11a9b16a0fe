"""Fuzz the parser: mutated frames between guard pages, every one of them against the twin.

A batch has one link type and settings of its own. Each frame is parsed where its end is the end of
readable memory and again where its beginning is the beginning: results must be equal, so nothing
outside of the frame counts, and no byte outside of it may be read. Then the twin
(engine/reference) reads the same frames, and each record must be its record: fate, layers, words.
"""

from functools import cache
from struct import pack
from typing import NamedTuple

import numpy as np
from numba import njit

from engine.config import Config
from engine.layouts import PACKET
from engine.memory.addresses import words_at
from engine.memory.mixing import splitmix
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted
from engine.packets import fragments, layers, lines
from engine.packets.fates import FATES
from engine.packets.key import secret_words
from engine.packets.metering import demands_word, metering_word, vlan_word
from engine.packets.plain import IP_AT, parse_plain
from engine.packets.tunnels import KIND_BITS
from engine.reference import Settings
from engine.reference.capture import Capture, sources_of
from stress.fuzz.batch import Batch, dice_of
from stress.fuzz.corpus import FRAME_BYTES_MAX, Corpus, frames_of
from stress.fuzz.guard import GuardedRoom
from stress.fuzz.mutation import below, copy_bytes, mutate, splice
from stress.fuzz.words import record_words
from tests.property.dice import Dice
from tests.property.frames import LINKS
from tests.property.strategies import settings_of

CASES = 4096  # Of a batch.
ROOM_BYTES = 2 * FRAME_BYTES_MAX
_MODES = ("outer", "inner", "all", "udp")
_LINES = lines.LAYERS_MAX * lines.LINE_WORDS
_FIRST_AT = layers.PARSER.words
_AGAIN_AT = _FIRST_AT + _LINES
_PARSER_WORDS = _AGAIN_AT + _LINES + lines.LINE_WORDS
SIZE, WIRE, RESULT, EVICTED, DIFFERS, CASE_WORDS = range(6)
_STAMP_NS = 1_700_000_000 * 10**9
_GAPS_NS = (1_000, 1_000_000, 20_000_000)  # Between frames: first fragments live 30 s.
# What is looked at of two lines: the record, and what is known of the layer beside it.
_COMPARED = np.array(
    [word for word in range(PACKET.words) if word not in (lines.TIME, lines.REFERENCE)]
    + [lines.HEADER_AT, lines.PACKET_END, lines.FRAGMENT, lines.PROTOCOL, lines.TCP_HEADER_CUT]
)
_PLAIN_COMPARED = _COMPARED[:6]


class Bench(NamedTuple):
    """What the kernel works on."""

    octets: np.ndarray  # The corpus, and where its pieces begin.
    begins: np.ndarray
    picks: np.ndarray  # (cases, 2): the piece that is mutated, the piece that is spliced in.
    room: np.ndarray  # Guarded.
    parser: np.ndarray  # layers.PARSER, two sets of lines behind it, and a record.
    frames: np.ndarray  # (cases, ROOM_BYTES): what became of the pieces.
    cases: np.ndarray  # (cases, CASE_WORDS)
    found: np.ndarray  # (cases, words of all lines)
    progress: np.ndarray  # The case at work.


@njit(**KERNEL)
def _make(bench, case, state):
    """Make a case; return its size."""
    frame = shifted(pointer(bench.frames), case * ROOM_BYTES)
    begin = bench.begins[bench.picks[case, 0]]
    size = bench.begins[bench.picks[case, 0] + 1] - begin
    copy_bytes(frame, pointer(bench.octets), begin, size)
    if below(state, 8) == 0:
        other = bench.begins[bench.picks[case, 1]]
        other_size = bench.begins[bench.picks[case, 1] + 1] - other
        if size > 0 and other_size > 0:
            splice(frame, size, shifted(pointer(bench.octets), other), other_size, splitmix(state))
    return mutate(frame, size, ROOM_BYTES, splitmix(state + 1))


@njit(**KERNEL)
def _wire(state, size):
    """Return a length on the wire: mostly as captured."""
    kind = below(state, 8)
    if kind == 0:
        return size + below(splitmix(state), 64)
    return size + below(splitmix(state), 1 << 17) if kind == 1 else size


@njit(**KERNEL)
def _parse_at(bench, case, at, link, begin):
    """Put the case at a place of the room and parse it into the lines at `begin`."""
    size = bench.cases[case, SIZE]
    frame = shifted(pointer(bench.room), at)
    copy_bytes(frame, pointer(bench.frames), case * ROOM_BYTES, size)
    words = pointer(bench.parser)
    found = shifted(words, begin)
    return layers.parse_frame(frame, link, bench.cases[case, WIRE], size, found, words)


@njit(**KERNEL)
def _differ(first, second, count, compared):
    """Return whether two sets of `count` lines differ in a word that is compared."""
    for line in range(count):
        for k in range(len(compared)):
            at = line * lines.LINE_WORDS + compared[k]
            if first[at] != second[at]:
                return 1
    return 0


@njit(**KERNEL)
def _plain_differs(bench, case, first, result):
    """Return whether the shortcut takes the case at the room's end and makes something else."""
    size = bench.cases[case, SIZE]
    frame = shifted(pointer(bench.room), len(bench.room) - size)
    record = shifted(pointer(bench.parser), len(bench.parser) - lines.LINE_WORDS)
    if not parse_plain(frame, size, bench.cases[case, WIRE], 1, record):
        return 0
    if result & layers.RESULT_MASK:
        return 1
    return _differ(first, record, 1, _PLAIN_COMPARED) | np.int64(first[lines.HEADER_AT] != IP_AT)


@njit(**KERNEL)
def _remember(bench, first, count):
    """Keep the first fragments of the case; return how many young ones had to go."""
    words = pointer(bench.parser)
    cache = words_at(words[layers.FRAGMENTS], fragments.CACHE_WORDS)
    secrets = words_at(words[layers.SECRET_WORDS], layers.SECRETS)
    evicted = 0
    for k in range(count):
        line = shifted(first, k * lines.LINE_WORDS)
        if line[lines.FRAGMENT] == lines.FIRST_FRAGMENT:
            evicted += fragments.remember(cache, secrets, line, words[layers.FRAME_TIME])
    return evicted


@njit(**KERNEL)
def run_cases(bench, link, state, gap_ns, plain):
    """Make, parse and compare every case; `plain`: the shortcut must agree too."""
    for case in range(len(bench.cases)):
        bench.progress[0] = case
        state = splitmix(state)
        size = _make(bench, case, state)
        bench.cases[case, SIZE] = size
        bench.cases[case, WIRE] = _wire(splitmix(state + 2), size)
        bench.parser[layers.FRAME_TIME] = _STAMP_NS + case * gap_ns
        again = _parse_at(bench, case, 0, link, _AGAIN_AT)
        result = _parse_at(bench, case, len(bench.room) - size, link, _FIRST_AT)
        bench.cases[case, RESULT] = result
        at = result >> layers.FIRST_SHIFT & layers.RESULT_MASK
        count = result >> layers.COUNT_SHIFT & layers.RESULT_MASK
        first = shifted(pointer(bench.parser), _FIRST_AT + at * lines.LINE_WORDS)
        second = shifted(pointer(bench.parser), _AGAIN_AT + at * lines.LINE_WORDS)
        differs = np.int64(result != again) | _differ(first, second, count, _COMPARED)
        if plain:
            differs |= 2 * _plain_differs(bench, case, first, result)
        bench.cases[case, DIFFERS] = differs
        for k in range(count * lines.LINE_WORDS):
            bench.found[case, k] = first[k]
        bench.cases[case, EVICTED] = _remember(bench, first, count)


class ParserTarget:
    """The parser as something to be fuzzed."""

    name = "parser"

    def __init__(self, seed: int, progress: np.ndarray, with_captures: bool = True) -> None:
        """Draw the corpus; `progress` is shared with whoever watches."""
        self._seed = seed
        self.corpus = frames_of(seed, with_captures)
        self._guarded = GuardedRoom(ROOM_BYTES)
        self._cache = fragments.new_cache()
        self._secrets = secret_words((1, 2))
        self._progress = progress
        self._frames = np.zeros((CASES, ROOM_BYTES), np.uint8)

    def run(self, number: int, cases: int = CASES) -> Batch:
        """Run a batch; return what came of it."""
        dice = dice_of(self.name, self._seed, number)
        link = 1 if dice.randrange(5) < 2 else dice.choice((*LINKS, 99))
        config = (
            Config() if dice.randrange(4) == 0 else settings_of(Dice(dice.getrandbits(400))).config
        )
        gap_ns = dice.choice(_GAPS_NS)
        self._cache[:] = 0
        bench = self.bench(_picks(self.corpus, link, cases, dice.getrandbits(62)), config)
        run_cases(bench, link, dice.getrandbits(62), gap_ns, int(link == 1 and config == Config()))
        return judge(bench, link, gap_ns, config)

    def bench(self, picks: np.ndarray, config: Config) -> Bench:
        """Return what the kernel works on, under these settings."""
        parser = np.zeros(_PARSER_WORDS, np.int64)
        parser[layers.DECAPSULATE] = _MODES.index(config.packet.decapsulate)
        parser[layers.TUNNELS] = sum(KIND_BITS[kind] for kind in config.packet.tunnels)
        parser[layers.METERING] = metering_word(config)
        parser[layers.DEMANDS] = demands_word(config)
        parser[layers.VLAN_AT] = vlan_word(config)
        parser[layers.FRAGMENTS] = self._cache.ctypes.data
        parser[layers.SECRET_WORDS] = self._secrets.ctypes.data
        return Bench(
            self.corpus.octets,
            self.corpus.begins,
            picks,
            self._guarded.octets,
            parser,
            self._frames,
            np.zeros((len(picks), CASE_WORDS), np.int64),
            np.zeros((len(picks), _LINES), np.int64),
            self._progress,
        )


def capture_of(seed: int, number: int, cases: int) -> bytes:
    """Return a capture file (pcap) of changed Ethernet frames, 1 ms apart."""
    target = ParserTarget(seed, np.zeros(1, np.int64), with_captures=False)
    parts = []
    for begin in range(0, cases, CASES):
        count = min(CASES, cases - begin)
        picks = _picks(target.corpus, 1, count, seed + number + begin)
        bench = target.bench(picks, Config())
        run_cases(bench, 1, seed + number + begin, 1_000_000, 1)
        parts.append(_pcap(bench, 1, 1_000_000, begin))
    return b"".join(parts)


def _picks(corpus: Corpus, link: int, cases: int, seed: int) -> np.ndarray:
    """Return which pieces are mutated: mostly of the link type, and what is spliced in."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(corpus.links), (cases, 2))
    own = corpus.of_link(link)
    if len(own):
        chosen = rng.random(cases) < 0.9
        picks[chosen, 0] = rng.choice(own, int(chosen.sum()))
    return picks


def _pcap(bench: Bench, link: int, gap_ns: int, first: int = 0) -> bytes:
    """Return the cases as a capture file (pcap, ns), or as what follows `first` others in it."""
    parts = [] if first else [pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, link)]
    for case, (size, wire) in enumerate(bench.cases[:, : WIRE + 1].tolist()):
        seconds, fraction = divmod(_STAMP_NS + (first + case) * gap_ns, 10**9)
        parts.append(pack("<IIII", seconds, fraction, size, wire))
        parts.append(bench.frames[case, :size].tobytes())
    return b"".join(parts)


@cache
def _fate(result: int) -> str:
    return FATES[result].removeprefix("refused_")


def judge(bench: Bench, link: int, gap_ns: int, config: Config) -> Batch:
    """Return what came of the cases, with all in which parser and twin differ."""
    batch = Batch(len(bench.cases))
    taking = Capture(sources_of([("cases", _pcap(bench, link, gap_ns))]), Settings(config))
    rows = bench.found.tolist()
    for case, (taken, told) in enumerate(zip(taking, bench.cases.tolist(), strict=True)):
        fate = _fate(told[RESULT] & layers.RESULT_MASK)
        batch.count(fate)
        count = told[RESULT] >> layers.COUNT_SHIFT & layers.RESULT_MASK
        found = [_words(rows[case], k) for k in range(count if fate == "accepted" else 0)]
        base = taken.frame.offset
        expected = [record_words(one, base) for one in taken.metered]
        if told[DIFFERS]:
            what = "the shortcut differs" if told[DIFFERS] & 2 else "bytes outside count"
        elif fate != taken.fate:
            what = f"fate {fate}, twin {taken.fate}"
        elif found != expected:
            what = f"records {found}, twin {expected}"
        else:
            continue
        shown = {"link": link, "wire": told[WIRE], "config": repr(config)}
        batch.find(case, what, taken.frame.captured, **shown)
    evicted = int(bench.cases[:, EVICTED].sum())
    if evicted != taking.counters["fragment_evicted"]:
        batch.find(-1, f"{evicted} evicted, twin {taking.counters['fragment_evicted']}")
    return batch


def _words(row: list[int], number: int) -> tuple[int, ...]:
    """Return the words of a line that its record has, the place of the IP header for reference."""
    at = number * lines.LINE_WORDS
    return (*row[at + 1 : at + 5], row[at + lines.HEADER_AT], *row[at + 6 : at + 8])
