"""Read the sources of a run into the packet rings: what happens between two calls of a kernel.

`step` is called until it returns FINISHED. It opens sources, gives streams more bytes, compiles
filters, reports what ended, and calls the reading kernel; it never blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.capture import read, state
from engine.capture.bpf_filter import compile_filter
from engine.capture.findings import Findings
from engine.capture.opened import OpenSource
from engine.capture.resume import resume
from engine.config import Config
from engine.errors import CaptureError, ConfigError
from engine.events import counter_index
from engine.layouts import END, SOURCE_END
from engine.packets import fragments, layers
from engine.packets.key import secret_words
from engine.packets.metering import demands_word, metering_word, vlan_word
from engine.packets.tunnels import KIND_BITS
from engine.rings.plan import SourceFile
from engine.rings.waiting import BUSY, FINISHED, IDLE, SOME

BATCH_PACKETS = 16_384  # Read by one call of the kernel, at most.
PUBLISH_RECORDS_MAX = 256
PACKETS_UNLIMITED = 1 << 62
OPEN_AT_ONCE = 64  # Sources opened in one step, at most: a step is to be short.
READ, WAITS = counter_index("capture", "read"), counter_index("capture", "waits")
_SOURCES = counter_index("capture", "sources")
_DAMAGED = counter_index("capture", "sources_damaged")
_STEPS = counter_index("capture", "time_steps")
_MODES = ("outer", "inner", "all", "udp")


@dataclass(frozen=True, slots=True)
class Task:
    """What to read, and how."""

    files: tuple[SourceFile, ...]
    config: Config
    hash_key: tuple[int, int] = (0, 0)
    separate: bool = False
    packets_max: int = 0  # 0: no limit.
    filter_words: str = ""


class Reader:
    """Reads a task into rings. `rings` are objects like rings.ring.Ring, `arena` bytes or None."""

    def __init__(
        self,
        task: Task,
        rings: Sequence,
        counters: np.ndarray,
        arena: np.ndarray | None,
        send: Callable[..., None],
    ) -> None:
        """`send(kind, **fields)` takes the reports of events.REPORTS.

        Rings and counters that a capture has used before are gone on with (resume.py).
        """
        self._task = task
        self._findings = Findings(task.files, send)
        self._rings = _ring_rows(rings, arena is not None)
        self._resume = resume(task.files, rings, self._rings, counters, task.separate)
        self._counters = self._resume.counters if self._resume else counters
        self._keep = (rings, arena)  # Kernels hold their addresses.
        self._capacity = min(ring.capacity for ring in rings)
        self._cache = fragments.new_cache()
        self._secrets = secret_words(task.hash_key)
        self._steps = np.zeros((state.STEPS_KEPT, state.STEP_WORDS), np.int64)
        self._words = self._new_words(rings, arena)
        count = 1 if task.separate else len(task.files)
        self._rows = np.zeros((count, state.SOURCE_WORDS), np.int64)
        self._heap = np.zeros(count * read.HEAP_ENTRY_WORDS, np.int64)
        self._open: dict[int, OpenSource] = {}  # By row.
        self._next = 0  # The next file to open.
        self._bytes_done = 0
        self._readable = False
        self._programs: dict[int, np.ndarray | None] = {}  # By link type.
        self._waiting = False
        self._stopped = False
        self._end = 0  # SOURCE_END or END while it is being told.
        self._position = (0, 0)  # Of the last packet that had a time.
        self._stopped = self._words[state.PACKETS_LEFT] == 0
        self._compressed = sum(not file.mapped and file.bytes > 0 for file in task.files)

    def _new_words(self, rings: Sequence, arena: np.ndarray | None) -> np.ndarray:
        task = self._task
        words = np.zeros(state.READER_WORDS, np.int64)
        packet = task.config.packet
        words[layers.DECAPSULATE] = _MODES.index(packet.decapsulate)
        words[layers.METERING] = metering_word(task.config)
        words[layers.DEMANDS] = demands_word(task.config)
        words[layers.VLAN_AT] = vlan_word(task.config)
        words[layers.TUNNELS] = sum(KIND_BITS[kind] for kind in packet.tunnels)
        words[layers.FRAGMENTS] = self._cache.ctypes.data
        words[layers.SECRET_WORDS] = self._secrets.ctypes.data
        words[state.WORKERS] = len(rings)
        words[state.BATCH] = min(PUBLISH_RECORDS_MAX, self._capacity // 2)
        words[state.COUNTERS] = self._counters.ctypes.data
        words[state.PACKETS_LEFT] = task.packets_max or PACKETS_UNLIMITED
        words[state.FILTERED] = bool(task.filter_words)
        words[state.STEPS] = self._steps.ctypes.data
        words[state.SEPARATE] = task.separate
        words[state.TCP_HEADERS] = task.config.flow.history
        words[state.HOLDS] = packet.clock == "hold"
        if arena is not None:
            words[state.ARENA] = arena.ctypes.data
            words[state.ARENA_BYTES] = len(arena)
        if self._resume:
            words[state.CATCHING_UP] = 1
            words[state.PACKETS_LEFT] = self._resume.limit(int(words[state.PACKETS_LEFT]))
            if arena is not None:
                words[state.ARENA_POSITION] = self._resume.arena_begin()
                words[state.ARENA_FREE] = words[state.ARENA_POSITION] - len(arena)
        return words

    @property
    def is_caught_up(self) -> bool:
        """Return whether all that a capture before this one did is done again, and counted."""
        return self._resume is None or self._resume.is_over

    @property
    def bytes_behind(self) -> int:
        """Return how many bytes of the sources have been read."""
        return self._bytes_done + sum(source.bytes_behind for source in self._open.values())

    @property
    def position(self) -> tuple[int, int]:
        """Return the position behind the last packet that had a time; (0, 0): none."""
        if self._words[state.HAS_NEWEST]:
            words = self._words
            self._position = int(words[state.NEWEST_TIME]), int(words[state.NEWEST_REFERENCE])
        return self._position

    def step(self, stop: bool) -> int:
        """Do a bounded piece of work; return what run_stage expects. `stop`: read no further.

        A replacement stops when it has caught up.
        """
        if self._resume is None:
            return self._step(stop)
        found = self._step(stop and self._resume.is_over)
        self._resume.follow(self._words)
        return found

    def _step(self, stop: bool) -> int:
        if self._end:
            return self._tell_end()
        if stop:
            # A packet of which some records are sent is sent whole.
            self._words[state.PACKETS_LEFT] = int(self._words[state.SENT] > 0)
            if not self._words[state.PACKETS_LEFT]:
                self._stopped = True
        if self._stopped:
            self._stop()
            return BUSY
        if self._next < len(self._task.files):
            if not self._task.separate:
                for _ in range(min(OPEN_AT_ONCE, len(self._task.files) - self._next)):
                    self._open_next()
                return BUSY
            if not self._open:
                self._open_next()
                return BUSY
        if not self._words[state.HEAP_COUNT]:
            self._stop()
            return BUSY
        return self._read()

    def _open_next(self) -> None:
        number = self._next
        self._next += 1
        row = 0 if self._task.separate else number
        capture = self._task.config.capture
        try:
            file = self._task.files[number]
            source = OpenSource(file, number, self._rows[row], capture.stream_buffer_bytes)
            if self._task.config.payload_is_copied:
                self._rows[row, state.COPIED] = 1
        except CaptureError as error:
            self._counters[_SOURCES] += 1
            self._counters[_DAMAGED] += 1
            if self._resume:
                self._resume.check_unreadable(number, error)
            self._findings.tell_damage(number, 0, f"unreadable: {error}")
            return
        self._open[row] = source
        many = self._compressed > capture.open_streams and not self._task.separate
        if source.is_file_stream and many:
            self._find_first(source, row)
        else:
            read.add_source(self._words, self._heap, row, read.TIME_NONE)

    def _find_first(self, source: OpenSource, row: int) -> None:
        """Find the time of the first packet of a compressed file, then close it until then."""
        status = state.SPENT
        while status in (state.SPENT, state.NEED_BYTES, state.NEED_HEADER):
            self._words[state.BUDGET] = BATCH_PACKETS
            status = read.find_first(self._words, self._rows[row])
            if status == state.NEED_BYTES:
                source.refill()
            elif status == state.NEED_HEADER and not source.read_header():
                status = state.DAMAGED
        if status == state.FOUND:
            source.park()
            time = int(self._rows[row, state.PACKET_TIME])
            read.add_source(self._words, self._heap, row, time)
        elif status != state.LIMIT:
            self._close(row)

    def _read(self) -> int:
        """Call the kernel once and deal with why it stopped."""
        words = self._words
        self._open[int(self._heap[1])].prepare()
        words[state.BUDGET] = BATCH_PACKETS
        status = read.read_batch(words, self._rows.reshape(-1), self._rings.reshape(-1), self._heap)
        self._tell_steps()
        moved = BATCH_PACKETS - int(words[state.BUDGET])
        if status in (state.RING_FULL, state.ARENA_FULL):
            self._counters[WAITS] += moved > 0 or not self._waiting
            self._waiting = True
            # Half a ring at once: capture came late, and should sleep less from now on.
            return BUSY if 2 * moved >= self._capacity else SOME if moved else IDLE
        self._waiting = False
        row = int(words[state.FOUND_SOURCE])
        if status == state.NEED_BYTES and not self._refill(row):
            return SOME if moved else IDLE
        if status == state.NEED_FILTER:
            self._set_program(row)
        elif status == state.NEED_HEADER and not self._open[row].read_header():
            read.remove_first(words, self._heap)
            self._close(row)
        elif status in (state.ENDED, state.DAMAGED):
            self._close(row)
        elif status == state.LIMIT:
            self._stopped = True
        return BUSY

    def _refill(self, row: int) -> bool:
        source = self._open[row]
        if source.parked:
            limit = self._task.config.capture.open_streams
            if sum(other.is_file_stream for other in self._open.values()) >= limit:
                raise CaptureError(
                    f"more than {limit} compressed files overlap in time (capture.open_streams): "
                    "raise that limit, decompress them, or read them one by one with --separate"
                )
        return source.refill()

    def _set_program(self, row: int) -> None:
        """Have the filter compiled for the link type of the packet that was found."""
        words = self._rows[row]
        link_type = int(words[state.PACKET_LINK])
        if link_type not in self._programs:
            try:
                self._programs[link_type] = compile_filter(self._task.filter_words, link_type)
            except ConfigError as error:
                self._programs[link_type] = None
                reason = f"filter: no packet of link type {link_type} matches ({error})"
                offset = int(words[state.CURSOR])
                self._findings.tell_damage(int(words[state.NUMBER]), offset, reason)
        self._open[row].set_program(int(words[state.LINK]), self._programs[link_type])

    def _close(self, row: int) -> None:
        """Report a source that is at its end, damaged or stopped, and close it."""
        source = self._open.pop(row)
        number = int(self._rows[row, state.NUMBER])
        self._readable |= source.readable
        if not self._stopped:
            self._counters[_SOURCES] += 1
            damage = source.damage()
            if damage:
                self._counters[_DAMAGED] += 1
                self._findings.tell_damage(number, *damage)
        self._findings.tell("source", number, **source.report())
        self._bytes_done += source.bytes_behind
        source.close()
        if self._task.separate:
            self._begin_end(SOURCE_END, number)

    def _tell_steps(self) -> None:
        count = int(self._words[state.STEP_COUNT])
        for number, offset, before, after in self._steps[:count].tolist():
            self._findings.tell("step", number, offset=offset, before_ns=before, after_ns=after)
        self._words[state.STEP_COUNT] = 0

    def _stop(self) -> None:
        """Close what is still open; then begin to tell the workers that the run is over."""
        for row in list(self._open):
            self._close(row)
        self._words[state.HEAP_COUNT] = 0
        self._next = len(self._task.files)
        if not self._end:
            self._begin_end(END, 0)

    def _begin_end(self, kind: int, number: int) -> None:
        self._end = kind
        self._words[state.STOPPED] = self._stopped
        if kind == END and self._resume:
            self._resume.settle(at_end=True)
        if kind == SOURCE_END and not self._words[state.HAS_NEWEST]:
            self._position = 0, number << state.REFERENCE_SHIFT

    def _tell_end(self) -> int:
        """Tell END or SOURCE_END to the workers that have room."""
        told = read.tell_end(self._words, self._rings.reshape(-1), self._end, *self.position)
        if told < len(self._rings):
            return IDLE
        self._words[state.SENT] = 0
        if self._end == END:
            self._findings.finish(int(self._counters[_STEPS]))
            if not self._readable and not self._stopped:
                raise CaptureError(f"no source can be read; {self._findings.first_damage}")
            return FINISHED
        self._words[state.HAS_NEWEST] = 0
        read.forget_fragments(self._cache)
        self._end = 0
        return BUSY


def _ring_rows(rings: Sequence, places: bool) -> np.ndarray:
    """Return the rows of state.RING_ROW of these rings."""
    rows = np.zeros((len(rings), state.RING_WORDS), np.int64)
    for row, ring in zip(rows, rings, strict=True):
        row[state.RING_HEADER] = ring.header.ctypes.data
        row[state.RING_SLOTS] = ring.slots.ctypes.data
        row[state.RING_CAPACITY] = ring.capacity
        if places:
            assert len(ring.extra) >= ring.capacity, "no word a slot for the arena position"
            row[state.RING_PLACES] = ring.extra.ctypes.data
    return rows
