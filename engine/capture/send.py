"""Send the packet found: filter, parse, records to the rings, counters.

Nothing is counted and the source does not move before all of a packet's records are written. When a
ring or the arena is full, `send_packet` returns with the number of records written so far in the
reader; called again it parses the packet anew, with the same result, and goes on behind them.
"""

from numba import njit

from engine.capture.bpf_machine import matches
from engine.capture.publish import (
    SLOT_WORDS,
    arena_place,
    has_room,
    next_slot,
    publish_ring,
    send_control,
    written_one,
)
from engine.capture.resume import is_had, leave_out, leave_out_step, look_ahead
from engine.capture.state import (
    ARENA,
    ARENA_BYTES,
    ARENA_FULL,
    ARENA_POSITION,
    BASE,
    BUDGET,
    BYTES,
    CAPTURED,
    CATCHING_UP,
    COPIED,
    COUNTERS,
    CURSOR,
    FILTERED,
    FOUND,
    FRAME,
    HAS_LATEST,
    HAS_NEWEST,
    LAST_STAMP,
    LAST_STAMP_BAD,
    LATEST,
    LATEST_STAMP,
    LINES_AT,
    LINK,
    LINK_WORDS,
    LINKS,
    MOVE,
    NEED_FILTER,
    NEWEST_REFERENCE,
    NEWEST_TIME,
    NEXT,
    NEXT_STAMP,
    NUMBER,
    PACKET_LINK,
    PACKET_TIME,
    PACKETS,
    PACKETS_LEFT,
    REFERENCE_SHIFT,
    REGRESSION,
    RING_FULL,
    RING_WORDS,
    ROW_PACKETS,
    ROW_PROGRAM,
    ROW_PROGRAM_SIZE,
    ROW_UNSUPPORTED,
    SENT,
    STAMP,
    STAMP_BAD,
    STEP_COUNT,
    STEP_WORDS,
    STEPPED,
    STEPS,
    STEPS_KEPT,
    TCP_HEADERS,
    WIRE,
    WORKERS,
)
from engine.events import COUNTERS_MAX, counter_index
from engine.features.payload import BYTES_MAX
from engine.layouts import STEP
from engine.memory.addresses import words_at
from engine.memory.options import KERNEL
from engine.memory.pointers import bytes_at, shifted
from engine.memory.wide import wrapped_difference
from engine.packets.dns import PORT as PORT_DNS
from engine.packets.fates import ACCEPTED, NON_IP, UNSUPPORTED_LINK
from engine.packets.fragments import CACHE_WORDS, remember
from engine.packets.ip import TCP, TCP_NUMBERS_AT, TCP_NUMBERS_BYTES, UDP
from engine.packets.key import shard_of
from engine.packets.layers import (
    COUNT_SHIFT,
    FIRST_SHIFT,
    FRAGMENTS,
    FRAME_TIME,
    RESULT_MASK,
    SECRET_WORDS,
    SECRETS,
    UNREADABLE_SHIFT,
    parse_frame,
)
from engine.packets.lines import (
    CAPTURED_MASK,
    CAPTURED_SHIFT,
    DESTINATION_LOW,
    DESTINATION_PORT_SHIFT,
    FIRST_FRAGMENT,
    FRAGMENT,
    HEADER_AT,
    HEADER_MASK,
    HEADER_SHIFT,
    KEY,
    LATER_FRAGMENT,
    LENGTHS,
    LINE_WORDS,
    PAYLOAD_AT,
    PAYLOAD_MASK,
    PORT_MASK,
    PROTOCOL,
    REFERENCE,
    SOURCE_HIGH,
    TCP_HEADER_CUT,
    TIME,
    TRANSPORT_AT,
)

PAYLOAD_READ_MAX = BYTES_MAX  # Of a payload that is not DNS, a worker reads no more.


def _counter(name: str) -> int:
    return counter_index("capture", name)


READ, READ_BYTES = _counter("read"), _counter("bytes")
FATE_AT = _counter("refused_non_ip") - NON_IP  # The counter of a fate is this far behind it.
PUBLISHED, LAYERS = _counter("published"), _counter("layers")
_FILTERED, _UNREADABLE = _counter("filtered"), _counter("layers_unreadable")
_CUT, _EVICTED = _counter("tcp_header_cut"), _counter("fragment_evicted")
_REGRESSIONS, _STEPS = _counter("time_regressions"), _counter("time_steps")


@njit(**KERNEL)
def send_packet(reader, source, rings):
    """Send the packet found and pass it: FOUND; or NEED_FILTER, RING_FULL, ARENA_FULL."""
    link = words_at(source[LINKS] + source[LINK] * LINK_WORDS * 8, LINK_WORDS)
    if reader[FILTERED] and link[ROW_PROGRAM] == 0:
        return NEED_FILTER
    if reader[CATCHING_UP]:
        look_ahead(reader, source, rings)
    if source[MOVE] == STEPPED:
        status = _send_step(reader, source, rings)
        if status != FOUND:
            return status
    counters = words_at(reader[COUNTERS], COUNTERS_MAX)
    frame = bytes_at(source[BASE] + source[FRAME], source[CAPTURED])
    if reader[FILTERED] and not _is_matched(reader, source, link, frame):
        counters[_FILTERED] += 1
    else:
        reader[FRAME_TIME] = source[PACKET_TIME]
        lines = shifted(reader, LINES_AT)
        result = parse_frame(
            frame, source[PACKET_LINK], source[WIRE], source[CAPTURED], lines, reader
        )
        if result & RESULT_MASK == ACCEPTED:
            status = _send_lines(reader, source, rings, frame, result)
            if status != FOUND:
                return status
            _count_accepted(reader, counters, result)
        else:
            counters[FATE_AT + (result & RESULT_MASK)] += 1
            if result == UNSUPPORTED_LINK:
                link[ROW_UNSUPPORTED] += 1
    _pass_clock(reader, source, counters)
    pass_packet(reader, source)
    return FOUND


@njit(**KERNEL)
def _is_matched(reader, source, link, frame):
    """Return whether the filter matches the packet found."""
    if link[ROW_PROGRAM_SIZE] == 0:
        return False
    program = words_at(link[ROW_PROGRAM], link[ROW_PROGRAM_SIZE])
    scratch = shifted(reader, LINES_AT)  # The lines are written after this.
    return matches(program, frame, source[WIRE], source[CAPTURED], scratch)


@njit(**KERNEL)
def _send_step(reader, source, rings):
    """Send the correction behind the packet found to every worker that has not got it."""
    workers = reader[WORKERS]
    time = source[PACKET_TIME]
    # Just before the frame, and behind every packet before it: a record header lies between.
    reference = (source[NUMBER] << REFERENCE_SHIFT) + source[FRAME] - 1
    before = wrapped_difference(source[LATEST], source[LATEST_STAMP])
    behind = wrapped_difference(time, source[NEXT_STAMP])
    for k in range(reader[SENT], workers):
        ring = shifted(rings, k * RING_WORDS)
        reader[SENT] = k
        if reader[CATCHING_UP] and is_had(reader, ring, time, reference):
            leave_out_step(ring, time, reference)
            continue
        if not has_room(ring):
            return RING_FULL
        slot = send_control(reader, ring, STEP, time, reference)
        slot[SOURCE_HIGH] = behind
        slot[SOURCE_HIGH + 1] = before
        slot[DESTINATION_LOW] = source[NUMBER]
        written_one(reader, ring, reader[ARENA_POSITION])
        publish_ring(ring)
        # What a step makes a worker emit is not above the end of panes at `time`.
        _tell_newest(reader, time, reference - 1)
    reader[SENT] = max(reader[SENT], workers)
    return FOUND


@njit(**KERNEL)
def _tell_newest(reader, time, reference):
    reader[NEWEST_TIME] = time
    reader[NEWEST_REFERENCE] = reference
    reader[HAS_NEWEST] = 1


@njit(**KERNEL)
def _send_lines(reader, source, rings, frame, result):
    """Write the records of the metered layers that are not written yet: FOUND when all are."""
    workers = reader[WORKERS]
    steps = workers if source[MOVE] == STEPPED else 0
    first = result >> FIRST_SHIFT & RESULT_MASK
    count = result >> COUNT_SHIFT & RESULT_MASK
    secrets = words_at(reader[SECRET_WORDS], SECRETS)
    reference = (source[NUMBER] << REFERENCE_SHIFT) + source[FRAME]
    for k in range(max(0, reader[SENT] - steps), count):
        line = shifted(reader, LINES_AT + (first + k) * LINE_WORDS)
        line[TIME] = source[PACKET_TIME]
        line[REFERENCE] = reference + line[HEADER_AT]
        worker = 0
        if workers > 1:
            worker = shard_of(line, 0, secrets, workers)
        ring = shifted(rings, worker * RING_WORDS)
        reader[SENT] = steps + k
        if reader[CATCHING_UP] and is_had(reader, ring, line[TIME], line[REFERENCE]):
            leave_out(ring, line)
            _tell_newest(reader, line[TIME], line[REFERENCE])
            continue
        if not has_room(ring):
            return RING_FULL
        place = reader[ARENA_POSITION]
        if source[COPIED]:
            place = _copy_to_arena(reader, rings, frame, line)
            if place < 0:
                return ARENA_FULL
        slot = next_slot(ring)
        for word in range(SLOT_WORDS):
            slot[word] = line[word]
        written_one(reader, ring, place)
        _tell_newest(reader, line[TIME], line[REFERENCE])
    return FOUND


@njit(**KERNEL)
def _copy_to_arena(reader, rings, frame, line):
    """Copy what a worker may read of the layer in `line`; return its arena position or -1.

    The payload comes to stand behind as many bytes as the record says that headers have; behind it
    sequence and acknowledgment number, where flow.history asks for them.
    """
    lengths = line[LENGTHS]
    headers = lengths >> HEADER_SHIFT & HEADER_MASK
    captured = lengths >> CAPTURED_SHIFT & CAPTURED_MASK if lengths & PAYLOAD_MASK else 0
    ports = line[KEY] & (PORT_MASK | PORT_MASK << DESTINATION_PORT_SHIFT)
    dns = ports & PORT_MASK == PORT_DNS or ports >> DESTINATION_PORT_SHIFT == PORT_DNS
    if captured > PAYLOAD_READ_MAX and not (dns and line[PROTOCOL] == UDP):
        captured = PAYLOAD_READ_MAX
    numbers = TCP_NUMBERS_BYTES if reader[TCP_HEADERS] and _has_numbers(line) else 0
    if captured == 0:
        headers = 0
    size = headers + captured + numbers
    if size == 0:
        return reader[ARENA_POSITION]
    place = arena_place(reader, rings, size)
    if place < 0:
        return place
    at = reader[ARENA] + (place & (reader[ARENA_BYTES] - 1)) + headers
    _copy(frame, line[PAYLOAD_AT], bytes_at(at, captured), captured)
    _copy(frame, line[TRANSPORT_AT] + TCP_NUMBERS_AT, bytes_at(at + captured, numbers), numbers)
    reader[ARENA_POSITION] = place + size
    return place


@njit(**KERNEL)
def _copy(frame, begin, target, count):
    for k in range(count):
        target[k] = frame[begin + k]


@njit(**KERNEL)
def _has_numbers(line):
    """Return whether a layer has a TCP header that is captured as far as its window."""
    if line[PROTOCOL] != TCP or line[TCP_HEADER_CUT]:
        return False
    return line[FRAGMENT] != LATER_FRAGMENT


@njit(**KERNEL)
def _count_accepted(reader, counters, result):
    """Count an accepted packet, its layers and its first fragment."""
    first = result >> FIRST_SHIFT & RESULT_MASK
    count = result >> COUNT_SHIFT & RESULT_MASK
    counters[PUBLISHED] += 1
    counters[LAYERS] += count - 1
    counters[_UNREADABLE] += result >> UNREADABLE_SHIFT & RESULT_MASK
    for k in range(first, first + count):
        line = shifted(reader, LINES_AT + k * LINE_WORDS)
        counters[_CUT] += line[TCP_HEADER_CUT]
        if line[FRAGMENT] == FIRST_FRAGMENT:
            cache = words_at(reader[FRAGMENTS], CACHE_WORDS)
            secrets = words_at(reader[SECRET_WORDS], SECRETS)
            counters[_EVICTED] += remember(cache, secrets, line, reader[FRAME_TIME])


@njit(**KERNEL)
def _pass_clock(reader, source, counters):
    """Move the source's clock by the packet found."""
    time = source[PACKET_TIME]
    if source[MOVE] == REGRESSION:
        counters[_REGRESSIONS] += 1
    elif source[MOVE] == STEPPED:
        counters[_STEPS] += 1
        kept = reader[STEP_COUNT]
        if kept < STEPS_KEPT:
            step = words_at(reader[STEPS] + kept * STEP_WORDS * 8, STEP_WORDS)
            step[0] = source[NUMBER]
            step[1] = source[FRAME]
            step[2] = wrapped_difference(source[LATEST], source[LATEST_STAMP])
            step[3] = wrapped_difference(time, source[NEXT_STAMP])
            reader[STEP_COUNT] = kept + 1
    source[HAS_LATEST] = 1
    source[LATEST] = time
    source[LATEST_STAMP] = source[NEXT_STAMP]
    end = (source[NUMBER] << REFERENCE_SHIFT) + source[FRAME] + source[CAPTURED]
    _tell_newest(reader, time, end)


@njit(**KERNEL)
def pass_packet(reader, source):
    """Count the packet found as read, whatever became of it, and move behind it."""
    counters = words_at(reader[COUNTERS], COUNTERS_MAX)
    counters[READ] += 1
    counters[READ_BYTES] += source[CAPTURED]
    source[PACKETS] += 1
    source[BYTES] += source[CAPTURED]
    source[LAST_STAMP] = source[STAMP]
    source[LAST_STAMP_BAD] = source[STAMP_BAD]
    source[CURSOR] = source[NEXT]
    words_at(source[LINKS] + source[LINK] * LINK_WORDS * 8, LINK_WORDS)[ROW_PACKETS] += 1
    reader[PACKETS_LEFT] -= 1
    reader[BUDGET] -= 1
    reader[SENT] = 0
