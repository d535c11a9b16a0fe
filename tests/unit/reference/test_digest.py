"""Goal: hashes, identifiers and the digest have the bytes that the sections give them.

Method: the fixed hash against its steps written out; the packed record against struct, field by
field; the digest against one call of the library.
"""

from struct import calcsize, unpack_from

import xxhash

from engine.reference.digest import digest_of, packed
from engine.reference.hashes import address_words, fixed_hash, name_words
from tests.unit.reference.host_scenes import features
from tests.unit.reference.scenes import A, B, S, datagram, feature, finals, run_of

HEAD = "<BBHHH16s16sHqqqqqqqBBI"


def test_fixed_hash_chains_splitmix64() -> None:
    assert fixed_hash([]) == 0
    assert fixed_hash([0]) == 0xE220A8397B1DCDAF  # First output of splitmix64 from seed 0.
    assert fixed_hash([0, 5]) == fixed_hash([0xE220A8397B1DCDAF ^ 5])


def test_address_words_are_version_high_low() -> None:
    assert address_words(b"\1\2\3\4") == (4, 0, 0x01020304)
    assert address_words(bytes(range(16))) == (6, 0x0001020304050607, 0x08090A0B0C0D0E0F)


def test_name_words_are_lower_case_padded_then_length() -> None:
    assert name_words(b"ABCDEFGHi") == [0x6867666564636261, 0x69, 9]
    assert name_words(b"") == [0]


def test_flow_id_is_of_key_and_first_position() -> None:
    (final,) = finals(run_of((7, datagram())))
    words = [4, 0, 0x0A000001, 4, 0, 0x0A000002, 17 << 16 | 4000, 17 << 16 | 9, 0, 7]
    identity = fixed_hash([*words, final.first[1]])
    assert final.flow_id == identity >> 13
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert final.uid[0] == "C"
    assert sum(letters.index(c) * 62**k for k, c in enumerate(final.uid[:0:-1])) == identity


def test_packed_record_has_every_field_at_its_place() -> None:
    run = run_of((1 * S, datagram(b"abc" * 30)), (2 * S, datagram(back=True)))
    for record in run.records:
        octets = packed(record)
        assert len(octets) == calcsize(HEAD) + 142 * 4 + 18
        head = (4, 17, 0, 4000, 9, bytes(12) + A, bytes(12) + B, 0)
        times = (record.time, 1 * S, 2 * S)
        tail = (1, 1, 118, 28, record.reason, int(record.final), record.sequence)
        assert unpack_from(HEAD, octets) == (*head, *times, *tail)
        vector = unpack_from("<142f", octets, calcsize(HEAD))
        valid = int.from_bytes(octets[-18:], "little")
        hosts = features(record)
        for index in range(142):
            place = {92: 82}.get(index, index if index < 82 else None)
            expected = hosts[index] if place is None else feature(record, place)
            assert vector[index] == (expected or 0.0)
            assert valid >> index & 1 == (expected is not None)


def test_digest_is_over_all_records_in_order() -> None:
    run = run_of((1 * S, datagram(b"abc" * 30)), (7 * S, datagram(back=True)))
    octets = b"".join(packed(record) for record in run.records)
    assert digest_of(run.records) == "noscore:" + xxhash.xxh3_128_hexdigest(octets)
    assert digest_of(run.records[::-1]) != digest_of(run.records)
    assert run.digest == digest_of(run.records)
