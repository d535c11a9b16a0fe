"""Change bytes as an enemy or a broken disk would: compiled, one case from one number.

Every choice is drawn from `state`, which goes through splitmix64 (engine/memory/mixing.py): the
same state and the same bytes give the same case. What is written is chosen for parsers of packets:
types, protocol numbers, ports, lengths near their limits.
"""

from numba import njit

from engine.memory.mixing import splitmix
from engine.memory.options import KERNEL

# What a byte may become: ends of ranges, versions with header lengths, protocol numbers.
OCTETS = (
    *(0, 1, 2, 3, 4, 5, 6, 7, 8, 0x0F, 0x10, 0x11, 0x20, 0x3F, 0x40, 0x45, 0x46, 0x4F, 0x50, 0x60),
    *(0x7F, 0x80, 0xC0, 0xF0, 0xFF, 17, 33, 41, 43, 44, 47, 50, 51, 58, 60, 115, 132, 135, 136, 22),
)
# What two bytes may become: ethertypes, ports of tunnels, PPP protocols, fragment offsets, lengths.
PAIRS = (
    *(0x0800, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x8847, 0x8848, 0x8863, 0x8864, 0x0806, 0x6558),
    *(0x8903, 0x22EB, 0x88BE, 0x880B, 0x0021, 0x0057, 0xFF03, 0xAAAA, 0x0300, 0x2000, 0x1FFF),
    *(4789, 6081, 2152, 3544, 5247, 5246, 37008, 5072, 1723, 53, 443, 80, 0x2001, 0x0001, 0x4500),
    *(0, 1, 7, 8, 20, 40, 0x05DC, 0x05FF, 0x0600, 0x7FFF, 0x8000, 0xFFF8, 0xFFFE, 0xFFFF),
)
_NEAR_BYTES = 96  # Where headers are: half of the changes are made there.
_CHANGES_MAX = 6
_PIECE_BYTES_MAX = 48
_KINDS = 12


@njit(**KERNEL)
def below(state, count):
    """Return a number from 0 to count - 1; 0 if count is 0."""
    return (state >> 16 & 0x7FFFFFFF) % max(count, 1)


@njit(**KERNEL)
def copy_bytes(target, source, begin, count):
    """Copy `count` bytes that begin at `begin` to the beginning of `target`."""
    for k in range(count):
        target[k] = source[begin + k]


@njit(**KERNEL)
def _place(state, size):
    """Return where a change is made in `size` bytes."""
    if state & 1:
        return below(state, min(size, _NEAR_BYTES))
    return below(state, size)


@njit(**KERNEL)
def _put_pair(octets, size, at, value):
    if at + 2 <= size:
        octets[at] = value >> 8 & 0xFF
        octets[at + 1] = value & 0xFF


@njit(**KERNEL)
def _overwrite(octets, size, at, kind, state):
    """Change bytes where they stand."""
    if size == 0:
        return
    if kind == 0:
        octets[at] = state >> 24 & 0xFF
    elif kind == 1:
        octets[at] = octets[at] ^ 1 << below(state, 8)
    elif kind == 2:
        octets[at] = OCTETS[below(state, len(OCTETS))]
    elif kind == 3:
        _put_pair(octets, size, at, PAIRS[below(state, len(PAIRS))])
    elif kind == 4:
        _put_pair(octets, size, at, size - at + below(state, 9) - 4)  # A length that may fit.
    elif kind == 5:
        octets[at] = octets[at] + below(state, 9) - 4 & 0xFF
    else:
        for k in range(at, min(size, at + 1 + below(state, 8))):
            octets[k] = 0xFF if state & 2 else 0


@njit(**KERNEL)
def _cut_or_grow(octets, size, room, at, state):
    """Cut the end, or put bytes behind it; return the size."""
    if state & 4:
        return at
    more = min(room - size, 1 + below(state, _PIECE_BYTES_MAX))
    for k in range(more):
        octets[size + k] = (state >> k % 32) + k & 0xFF
    return size + more


@njit(**KERNEL)
def _remove(octets, size, at, state):
    """Take out some bytes; return the size."""
    count = min(size - at, 1 + below(state, 20))
    for k in range(at, size - count):
        octets[k] = octets[k + count]
    return size - count


@njit(**KERNEL)
def _insert(octets, size, room, at, state):
    """Say some bytes twice; return the size."""
    count = min(room - size, size - at, 1 + below(state, _PIECE_BYTES_MAX))
    for k in range(size - 1, at - 1, -1):
        octets[k + count] = octets[k]
    return size + count


@njit(**KERNEL)
def splice(octets, size, other, other_size, state):
    """Overwrite some bytes with those of another frame, from anywhere to anywhere."""
    begin = below(state, other_size)
    state = splitmix(state)
    at = _place(state, size)
    count = min(other_size - begin, size - at, 1 + below(splitmix(state), _PIECE_BYTES_MAX))
    for k in range(count):
        octets[at + k] = other[begin + k]


@njit(**KERNEL)
def mutate(octets, size, room, state):
    """Make up to six changes to `size` bytes that have `room`; return the size."""
    changes = below(state, _CHANGES_MAX + 1)
    for _ in range(changes):
        state = splitmix(state)
        kind = below(state, _KINDS)
        state = splitmix(state)
        at = _place(state, size)
        state = splitmix(state)
        if kind == _KINDS - 1:
            size = _cut_or_grow(octets, size, room, at, state)
        elif kind == _KINDS - 2:
            size = _remove(octets, size, at, state)
        elif kind == _KINDS - 3:
            size = _insert(octets, size, room, at, state)
        else:
            _overwrite(octets, size, at, kind, state)
    return size
