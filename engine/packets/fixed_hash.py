"""The fixed hash: the same in every run and on every machine (SEMANTICS.rst, "Hashes").

It makes identifiers, sketches and filters; names are hashed in dns.py. It is not keyed: never index
a table by it. Kernels take and return int64 words; the plain twin takes any integers and returns
0 <= hash < 2**64.
"""

from collections.abc import Iterable

from numba import njit

from engine.memory.mixing import splitmix

# Words, hash. The first is the first number of splitmix64 from seed 0, as published.
TEST_VECTORS = (
    ((0,), 0xE220A8397B1DCDAF),
    ((1,), 0x910A2DEC89025CC1),
    ((0xFFFFFFFFFFFFFFFF,), 0xE4D971771B652C20),
    ((0, 0), 0xA706DD2F4D197E6F),
    ((1, 2, 3), 0xD0734750FDE362B3),
    ((0x8000000000000000,), 0x481EC0A212A9F3DB),
    ((4, 0, 0xC0000201), 0x4F7F3DC62AC6FED9),  # Address 192.0.2.1.
    ((6, 0x20010DB800000000, 1), 0x133350B70DAC126A),  # Address 2001:db8::1.
    ((4, 0, 0xC0000201, 0x601BB), 0x435D128E95AC73C0),  # The pair of it and TCP port 443.
    ((0x6D6178652E777777, 0x6D6F632E656C70, 15), 0x5A45E5EA061E18A4),  # www.example.com
)


@njit("i8(i8, i8)", cache=True, nogil=True)
def hash_word(before, word):
    """Return the hash of the words so far and `word`; `before` is 0 for the first."""
    return splitmix(before ^ word)


@njit("i8(i8[::1])", cache=True, nogil=True)
def hash_words(words):
    """Return the hash of int64 words."""
    h = 0
    for word in words:
        h = splitmix(h ^ word)
    return h


@njit("i8(i8, i8, i8, i8)", cache=True, nogil=True)
def hash_address(before, version6, high, low):
    """Return the hash of the words so far and an address: version, high, low."""
    return splitmix(splitmix(splitmix(before ^ (6 if version6 else 4)) ^ high) ^ low)


@njit("i8(i8, i8, i8)", cache=True, nogil=True)
def hash_port(before, protocol, port):
    """Return the hash of the words so far and a port, which counts with its protocol."""
    return splitmix(before ^ (protocol << 16 | port))


def plain_hash(words: Iterable[int]) -> int:
    """Return the hash of words by its definition: the twin of hash_words."""
    h = 0
    for word in words:
        z = ((h ^ word % 2**64) + 0x9E3779B97F4A7C15) % 2**64
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) % 2**64
        h = z ^ z >> 31
    return h


def name_words(name: bytes) -> list[int]:
    """Return the words of a name, for plain_hash."""
    lower = name.lower()
    words = [int.from_bytes(lower[at : at + 8], "little") for at in range(0, len(lower), 8)]
    return [*words, len(lower)]
