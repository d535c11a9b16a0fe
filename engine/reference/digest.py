"""The digest of a run (SEMANTICS.rst, "Digest")."""

from collections.abc import Iterable
from struct import Struct

import xxhash

from engine.reference.capture import SOURCE_SHIFT
from engine.reference.events import Record

FEATURES = 142
FLOW_ROWS = (*range(82), 92)  # Where the 83 flow features stand in the vector.
_HEAD = Struct("<BBHHH16s16sH7qBBI")
_VECTOR_BYTES = FEATURES * 4
_ENTROPY_AT = 92 * 4


def digest_of(records: Iterable[Record]) -> str:
    """Return the digest of records in order, without scores."""
    digest = xxhash.xxh3_128()
    for record in records:
        digest.update(packed(record))
    return "noscore:" + digest.hexdigest()


def packed(record: Record) -> bytes:
    """Return the bytes of a record that the digest takes, without its score."""
    key, counts = record.key, record.counts
    head = _HEAD.pack(
        key.version,
        key.protocol,
        key.vlan,
        key.initiator_port,
        key.responder_port,
        key.initiator.rjust(16, b"\0"),
        key.responder.rjust(16, b"\0"),
        record.first[1] >> SOURCE_SHIFT,
        record.time,
        record.start_ns,
        record.end_ns,
        *(counts.fwd_packets, counts.bwd_packets, counts.fwd_bytes, counts.bwd_bytes),
        record.reason,
        1 if record.final else 0,
        record.sequence,
    )
    headers, entropy = record.features[:-4], record.features[-4:]
    vector = (headers.ljust(_ENTROPY_AT, b"\0") + entropy).ljust(_VECTOR_BYTES, b"\0")
    valid = record.valid & (1 << 82) - 1 | record.valid >> 82 << 92
    return head + vector + valid.to_bytes(18, "little")
