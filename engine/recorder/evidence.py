"""What flow records prove by themselves: sums, order, agreement of counts and features, digest."""

import functools
import ipaddress
from dataclasses import dataclass, field

import numpy as np
import xxhash

from engine.features.catalogue import index
from engine.layouts import FEATURES, REASONS
from engine.recorder.read_back import Block, BrokenOutputError

# Exact counts, and the feature that is the same number as float32.
TWICE_TOLD = {
    "fwd_packets": "fwd_packet_count",
    "bwd_packets": "bwd_packet_count",
    "fwd_bytes": "fwd_byte_count",
    "bwd_bytes": "bwd_byte_count",
}
ORDER = ("record_time_ns", "order_class", "position_ns", "position_reference", "order_rank")
SOURCE_BITS = 48
NOT_SCORED = "noscore:"
_ENTRY = [
    ("version", "u1"),
    ("protocol", "u1"),
    ("vlan", "<u2"),
    ("initiator_port", "<u2"),
    ("responder_port", "<u2"),
    ("initiator", "V16"),
    ("responder", "V16"),
    ("source_number", "<u2"),
    ("record_time_ns", "<i8"),
    ("start_ns", "<i8"),
    ("end_ns", "<i8"),
    ("fwd_packets", "<i8"),
    ("bwd_packets", "<i8"),
    ("fwd_bytes", "<i8"),
    ("bwd_bytes", "<i8"),
    ("reason", "u1"),
    ("kind", "u1"),
    ("sequence", "<u4"),
    ("vector", "<f4", (FEATURES,)),
    ("valid", "u1", (-(-FEATURES // 8),)),
]
_ALERT_KIND = 2


@functools.lru_cache(1 << 16)
def _address_bytes(text: str) -> bytes:
    """Return an address as the digest has it: 16 bytes, IPv4 in the last 4."""
    try:
        return ipaddress.ip_address(text).packed.rjust(16, b"\0")
    except ValueError:
        raise BrokenOutputError(f"{text!r} is no address") from None


def _entries(block: Block, scored: bool) -> np.ndarray:
    """Return the records of a block as the digest packs them."""
    kind = [*_ENTRY, ("score", "<f4")] if scored else _ENTRY
    entries = np.zeros(len(block), np.dtype(kind))  # Packed: no padding.
    columns = block.columns
    for name in entries.dtype.names:
        if name in ("initiator", "responder"):
            packed = [_address_bytes(str(text)) for text in columns[name]]
            entries[name] = np.frombuffer(b"".join(packed), "V16")
        elif name == "score":
            entries[name] = np.nan_to_num(columns[name])
        elif name in columns and name != "reason":
            entries[name] = columns[name]
    known = {reason: number for number, reason in enumerate(REASONS)}
    entries["reason"] = [known.get(reason, 0xFF) for reason in columns["reason"]]
    entries["kind"] = columns["record"] == "final"
    entries["vector"] = block.vector.T
    entries["valid"] = np.packbits(block.valid, axis=0, bitorder="little").T
    return entries


class RunDigest:
    """The digest of a run, made again from its written records (SEMANTICS.rst, "Digest")."""

    def __init__(self, scored: bool) -> None:
        self._hash = xxhash.xxh3_128()
        self._scored = scored

    def add(self, block: Block) -> None:
        """Add records, with their vectors. An alert follows its record."""
        entries = _entries(block, self._scored)
        thresholds = np.nan_to_num(block.columns["threshold"]).astype("<f4")
        begin = 0
        for at in np.flatnonzero(block.columns["alert"]).tolist():
            self._hash.update(entries[begin : at + 1].tobytes())
            self._hash.update(bytes([_ALERT_KIND]) + thresholds[at].tobytes())
            begin = at + 1
        self._hash.update(entries[begin:].tobytes())

    def text(self) -> str:
        """Return the digest as the run told it."""
        return ("" if self._scored else NOT_SCORED) + self._hash.hexdigest()


@dataclass
class Sums:
    """What the records of one file add up to, and what is wrong within them."""

    separate: bool
    records: int = 0
    finals: int = 0
    packets: int = 0  # Of finals, as bytes.
    bytes: int = 0
    alerts: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    by_source: dict[int, int] = field(default_factory=dict)  # Packets of finals.
    faults: list[str] = field(default_factory=list)
    _last: tuple | None = None

    def add(self, block: Block) -> None:
        """Add a block of records."""
        columns = block.columns
        finals = columns["record"] == "final"
        packets = columns["fwd_packets"] + columns["bwd_packets"]
        self.records += len(block)
        self.finals += int(np.count_nonzero(finals))
        self.packets += sum(packets[finals].tolist())
        self.bytes += sum((columns["fwd_bytes"] + columns["bwd_bytes"])[finals].tolist())
        self.alerts += int(np.count_nonzero(columns["alert"]))
        for reason in columns["reason"].tolist():
            self.by_reason[reason] = self.by_reason.get(reason, 0) + 1
        for source in np.unique(columns["source_number"]).tolist():
            of_source = packets[finals & (columns["source_number"] == source)]
            self.by_source[source] = self.by_source.get(source, 0) + sum(of_source.tolist())
        self._check_order(block)
        self._check_kind(block, finals)
        self._check_twice_told(block)

    def _fault(self, block: Block, wrong: np.ndarray, text: str) -> None:
        if wrong.any():
            places = np.flatnonzero(wrong)
            more = f" (and {len(places) - 1} more nearby)" if len(places) > 1 else ""
            self.faults.append(f"record {block.first + int(places[0])} {text}{more}")

    def _check_order(self, block: Block) -> None:
        """Each record stands behind the one before it: none is doubled or moved."""
        keys = [block.columns[name] for name in ORDER]
        if self.separate:
            keys.insert(0, block.columns["position_reference"] >> SOURCE_BITS)
        if not len(block):
            return
        first = tuple(int(key[0]) for key in keys)
        if self._last is not None and not self._last < first:
            self.faults.append(f"record {block.first} is not behind the record before it")
        self._last = tuple(int(key[-1]) for key in keys)
        behind = np.zeros(len(block) - 1, bool)
        same = np.ones(len(block) - 1, bool)
        for key in keys:
            behind |= same & (key[1:] > key[:-1])
            same &= key[1:] == key[:-1]
        wrong = np.concatenate(([False], ~behind))
        self._fault(block, wrong, "is not behind the record before it")

    def _check_kind(self, block: Block, finals: np.ndarray) -> None:
        reasons = block.columns["reason"]
        self._fault(block, finals == (reasons == "early"), "is final or early against its reason")
        known = np.isin(reasons, REASONS)
        self._fault(block, ~known, "has a reason that there is not")

    def _check_twice_told(self, block: Block) -> None:
        """A count stands there as a whole number and as a feature."""
        for name, feature in TWICE_TOLD.items():
            at = index(feature)
            exact = block.columns[name].astype(np.float32)
            wrong = block.valid[at] & (block.vector[at] != exact)
            self._fault(block, wrong, f"has another {feature} than {name}")
