"""Bulks: stretches in which one side sends data and the other only listens."""

from engine.features.feature import Feature

_BULK = (
    "bulk: at least 4 consecutive data packets of the {}, no gap between them above 1 s and no "
    "data packet of the peer between them; the bulk in progress counts once it has 4 packets"
)
_FWD_BULK = _BULK.format("initiator")
_BWD_BULK = _BULK.format("responder")

FEATURES = (
    Feature(
        "fwd_bulk_byte_count_mean",
        "bulk",
        "flow",
        "bytes",
        f"payload bytes in bulks / number of bulks; {_FWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Fwd Bytes/Bulk Avg",
    ),
    Feature(
        "fwd_bulk_packet_count_mean",
        "bulk",
        "flow",
        "packets",
        f"packets in bulks / number of bulks; {_FWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Fwd Packet/Bulk Avg",
    ),
    Feature(
        "fwd_bulk_rate",
        "bulk",
        "flow",
        "bytes/s",
        f"payload bytes in bulks / total duration of bulks; {_FWD_BULK}",
        "at least 1 bulk of duration > 0",
        cicflowmeter="Fwd Bulk Rate Avg",
    ),
    Feature(
        "bwd_bulk_byte_count_mean",
        "bulk",
        "flow",
        "bytes",
        f"payload bytes in bulks / number of bulks; {_BWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Bwd Bytes/Bulk Avg",
    ),
    Feature(
        "bwd_bulk_packet_count_mean",
        "bulk",
        "flow",
        "packets",
        f"packets in bulks / number of bulks; {_BWD_BULK}",
        "at least 1 bulk",
        cicflowmeter="Bwd Packet/Bulk Avg",
    ),
    Feature(
        "bwd_bulk_rate",
        "bulk",
        "flow",
        "bytes/s",
        f"payload bytes in bulks / total duration of bulks; {_BWD_BULK}",
        "at least 1 bulk of duration > 0",
        cicflowmeter="Bwd Bulk Rate Avg",
    ),
)
