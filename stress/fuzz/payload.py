"""Fuzz what reads payload: TLS and HTTP greetings and DNS questions, between guard pages."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.memory.mixing import splitmix
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted
from engine.packets import dns, greetings
from engine.packets.fixed_hash import name_words, plain_hash
from engine.reference.payload import dns_message, is_http_request, tls_hello
from stress.fuzz.batch import Batch, dice_of
from stress.fuzz.corpus import FRAME_BYTES_MAX, payloads_of
from stress.fuzz.guard import GuardedRoom
from stress.fuzz.mutation import copy_bytes, mutate

CASES = 4096
ROOM_BYTES = 2 * FRAME_BYTES_MAX
GREETING_BYTES_MAX = 256
SIZE, HELLO, HTTP, NAME_BYTES, PARENT, NAME_HASH, PARENT_HASH, CLASSES_AT = range(8)
_CASE_WORDS = CLASSES_AT + dns.CLASS_WORDS
_HELLOS = {
    greetings.NOTHING: "",
    greetings.TLS_NAMED: "tls_named",
    greetings.TLS_NAMELESS: "tls_nameless",
}


class Bench(NamedTuple):
    """What the kernel works on."""

    octets: np.ndarray
    begins: np.ndarray
    picks: np.ndarray
    room: np.ndarray  # Guarded; what is read ends where it ends.
    name: np.ndarray
    payloads: np.ndarray  # (cases, ROOM_BYTES)
    cases: np.ndarray  # (cases, words)
    progress: np.ndarray


@njit(**KERNEL)
def _at_the_end(bench, case, size):
    """Put the first `size` bytes of a case at the end of the room; return where."""
    place = shifted(pointer(bench.room), len(bench.room) - size)
    copy_bytes(place, pointer(bench.payloads), case * ROOM_BYTES, size)
    return place


@njit(**KERNEL)
def _ask_question(bench, case, size, found):
    """Read the case as a DNS message."""
    name = pointer(bench.name)
    length, parent = dns.read_question(_at_the_end(bench, case, size), size, name)
    found[NAME_BYTES] = length
    found[PARENT] = parent
    if length >= 0:
        found[NAME_HASH] = dns.hash_text(name, 0, length)
        found[PARENT_HASH] = dns.hash_text(name, parent, length)
        dns.count_classes(name, length, shifted(found, CLASSES_AT))


@njit(**KERNEL)
def run_cases(bench, state):
    """Make and read every case."""
    for case in range(len(bench.cases)):
        bench.progress[0] = case
        state = splitmix(state)
        payload = shifted(pointer(bench.payloads), case * ROOM_BYTES)
        begin = bench.begins[bench.picks[case]]
        size = bench.begins[bench.picks[case] + 1] - begin
        copy_bytes(payload, pointer(bench.octets), begin, size)
        size = mutate(payload, size, ROOM_BYTES, splitmix(state + 1))
        found = shifted(pointer(bench.cases), case * _CASE_WORDS)
        found[SIZE] = size
        looked_at = min(size, GREETING_BYTES_MAX)
        octets = _at_the_end(bench, case, looked_at)
        found[HELLO] = greetings.client_hello(octets, looked_at)
        found[HTTP] = np.int64(greetings.is_http_request(octets, looked_at))
        _ask_question(bench, case, size, found)


class PayloadTarget:
    """What reads payload, as something to be fuzzed."""

    name = "payload"

    def __init__(self, seed: int, progress: np.ndarray) -> None:
        """Draw the corpus."""
        self._seed = seed
        self._corpus = payloads_of(seed)
        self._guarded = GuardedRoom(ROOM_BYTES)
        self._progress = progress
        self._payloads = np.zeros((CASES, ROOM_BYTES), np.uint8)

    def run(self, number: int, cases: int = CASES) -> Batch:
        """Run a batch; return what came of it."""
        dice = dice_of(self.name, self._seed, number)
        rng = np.random.default_rng(dice.getrandbits(62))
        bench = Bench(
            self._corpus.octets,
            self._corpus.begins,
            rng.integers(0, len(self._corpus.links), cases),
            self._guarded.octets,
            np.zeros(dns.NAME_BUFFER_BYTES, np.uint8),
            self._payloads,
            np.zeros((cases, _CASE_WORDS), np.int64),
            self._progress,
        )
        run_cases(bench, dice.getrandbits(62))
        return judge(bench)


def judge(bench: Bench) -> Batch:
    """Return what came of the cases, with all in which kernels and twin differ."""
    batch = Batch(len(bench.cases))
    for case, told in enumerate(bench.cases.tolist()):
        payload = bench.payloads[case, : told[SIZE]].tobytes()
        greeting = payload[:GREETING_BYTES_MAX]
        found = _HELLOS[told[HELLO]], bool(told[HTTP]), _question(told)
        expected = tls_hello(greeting), is_http_request(greeting), _expected_question(payload)
        batch.count(found[0] or ("http" if found[1] else "dns" if found[2] else "nothing"))
        if found != expected:
            batch.find(case, f"{found}, twin {expected}", payload)
    return batch


def _question(told: list[int]) -> tuple | None:
    """Return length, place of the parent, hashes and counts as the kernels found them."""
    if told[NAME_BYTES] < 0:
        return None
    classes = np.array(told[CLASSES_AT:], np.int64).tobytes()
    hashes = [told[at] % 2**64 for at in (NAME_HASH, PARENT_HASH)]
    return told[NAME_BYTES], told[PARENT], *hashes, classes


def _expected_question(payload: bytes) -> tuple | None:
    message = dns_message(payload)
    if message is None:
        return None
    name, parent = message.name.lower(), message.parent.lower()
    hashes = [plain_hash(name_words(text)) for text in (name, parent)]
    return len(name), len(name) - len(parent), *hashes, message.classes
