"""Flow records in the columns of NFStream 6.6 with statistics, without dissection; times in ms."""

from engine.recorder.schemas import Cell, feature_cells, header_of, record_of, unknown

_SIDES = ("bidirectional", "src2dst", "dst2src")
_FLAGS = ("syn", "cwr", "ece", "urg", "ack", "psh", "rst", "fin")
NAMES = (
    *("id", "expiration_id"),
    *("src_ip", "src_mac", "src_oui", "src_port", "dst_ip", "dst_mac", "dst_oui", "dst_port"),
    *("protocol", "ip_version", "vlan_id", "tunnel_id"),
    *(
        f"{side}_{what}"
        for side in _SIDES
        for what in ("first_seen_ms", "last_seen_ms", "duration_ms", "packets", "bytes")
    ),
    *(f"{side}_{what}_ps" for side in _SIDES for what in ("min", "mean", "stddev", "max")),
    *(f"{side}_{what}_piat_ms" for side in _SIDES for what in ("min", "mean", "stddev", "max")),
    *(f"{side}_{flag}_packets" for side in _SIDES for flag in _FLAGS),
)
_LENGTHS = "frames there: ours are, with profile nfstream"
_OF_MS = "there from stamps cut to ms"
_OWN = (
    Cell("id", "<flow_id>", "flow_id", "no running number"),
    Cell(
        "expiration_id",
        "<nfstream.expiration>",
        "1 of reason active, else 0",
        "there is no -1 of a plug-in",
    ),
    Cell("src_ip", "<initiator>", "initiator"),
    Cell("src_port", "<initiator_port>", "initiator_port", "of ICMP the type, or profile nfstream"),
    Cell("dst_ip", "<responder>", "responder"),
    Cell("dst_port", "<responder_port>", "responder_port", "likewise"),
    Cell("protocol", "<protocol>", "protocol"),
    Cell("ip_version", "<version>", "version"),
    Cell("vlan_id", "<vlan>", "vlan", "the outermost; flow.vlan_in_key"),
    Cell("bidirectional_first_seen_ms", "<ms.start>", "start_ns in ms"),
    Cell("bidirectional_last_seen_ms", "<ms.end>", "end_ns in ms"),
    Cell("bidirectional_duration_ms", "<ms.duration>", "the one less the other"),
    Cell("bidirectional_packets", "<packets>", "fwd_packets + bwd_packets"),
    Cell("bidirectional_bytes", "<bytes>", "fwd_bytes + bwd_bytes", _LENGTHS),
    Cell("src2dst_packets", "<fwd_packets>", "fwd_packets"),
    Cell("src2dst_bytes", "<fwd_bytes>", "fwd_bytes", _LENGTHS),
    Cell("dst2src_packets", "<bwd_packets>", "bwd_packets"),
    Cell("dst2src_bytes", "<bwd_bytes>", "bwd_bytes", _LENGTHS),
    *(
        Cell(
            f"{side}_duration_ms",
            f"<thousandth.{way}_iat_total_us>",
            f"{way}_iat_total_us / 1000",
            "not cut to whole ms",
        )
        for side, way in (("src2dst", "fwd"), ("dst2src", "bwd"))
    ),
)


def _cell(name: str, known: dict[str, Cell]) -> Cell:
    cell = known.get(name) or unknown(name)
    if cell.difference or not cell.place:
        return cell
    if name.endswith("_ps"):
        return cell._replace(difference=_LENGTHS)
    return cell._replace(difference=_OF_MS) if name.endswith("_piat_ms") else cell


_KNOWN = feature_cells("nfstream") | {cell.name: cell for cell in _OWN}
CELLS = tuple(_cell(name, _KNOWN) for name in NAMES)
NFSTREAM_RECORD = record_of(CELLS)
NFSTREAM_HEADER = header_of(CELLS)
assert len(CELLS) == 77
