"""The digest of a run (SEMANTICS.rst, "Digest")."""

from collections.abc import Iterable
from struct import Struct, pack

import xxhash

from engine.reference.capture import SOURCE_SHIFT
from engine.reference.events import Record

ALERT_KIND = 2  # Records are 0 (early) and 1 (final).
_HEAD = Struct("<BBHHH16s16sH7qBBI")
_HOSTS_AT = 82 * 4  # Where the features of responder hosts stand in a vector.
_ENTROPY = 10 * 4  # Where feature 92 stands among those of hosts.


def digest_of(records: Iterable[Record]) -> str:
    """Return the digest of records in order, without scores."""
    digest = xxhash.xxh3_128()
    for record in records:
        digest.update(packed(record))
    return "noscore:" + digest.hexdigest()


def scored_digest_of(judged: Iterable[tuple[Record, float, bool]], threshold: float) -> str:
    """Return the digest of (record, score, whether it alerts) in order."""
    digest = xxhash.xxh3_128()
    for record, score, alert in judged:
        digest.update(packed(record) + pack("<f", score))
        if alert:
            digest.update(pack("<Bf", ALERT_KIND, threshold))
    return digest.hexdigest()


def vector_bytes(record: Record) -> bytes:
    """Return the 142 features of a record as float32: 82 of headers, 10, entropy, 49 of hosts."""
    own, hosts = record.features, record.host_features
    return own[:_HOSTS_AT] + hosts[:_ENTROPY] + own[_HOSTS_AT:] + hosts[_ENTROPY:]


def validity(record: Record) -> int:
    """Return the 142 validity bits of a record."""
    own = record.valid
    return own & (1 << 82) - 1 | own >> 82 << 92 | record.host_valid


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
    return head + vector_bytes(record) + validity(record).to_bytes(18, "little")
