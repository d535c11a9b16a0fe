"""The initiator host among its internal peers."""

from engine.features.feature import Feature

_SCOPE = "initiator host, internal peers, 300 s"

FEATURES = (
    Feature(
        "internal_flow_rate",
        "internal",
        _SCOPE,
        "flows/s",
        "flow starts from the host to internal peers per second",
        "always",
    ),
    Feature(
        "internal_known_service_ratio",
        "internal",
        _SCOPE,
        "0..1",
        "flow starts to a (peer, port) that is not new / flow starts to internal peers",
        "at least 1 flow start",
    ),
    Feature(
        "internal_protocol_entropy",
        "internal",
        _SCOPE,
        "0..1",
        "entropy of the flow starts over the 12 service classes / log2(12)",
        "at least 2 flow starts",
    ),
    Feature(
        "internal_packet_length_cv",
        "internal",
        _SCOPE,
        "ratio",
        "coefficient of variation of packet lengths between the host and internal peers",
        "at least 2 packets",
    ),
    Feature(
        "internal_flow_duration_mean_s",
        "internal",
        _SCOPE,
        "s",
        "mean duration of ended flows to internal peers",
        "at least 1 ended flow",
    ),
    Feature(
        "internal_peer_count",
        "internal",
        _SCOPE,
        "hosts",
        "distinct internal peers contacted: lateral movement",
        "always",
    ),
    Feature(
        "internal_ports_per_peer_max",
        "internal",
        _SCOPE,
        "ports",
        "largest number of distinct responder ports tried on one internal peer (64 buckets of "
        "peers, 64-bit bitmap each): service discovery",
        "always",
    ),
    Feature(
        "internal_staging_log2",
        "internal",
        _SCOPE,
        "log2",
        "log2((bytes received from internal peers + 1) / (bytes sent to external peers + 1)): "
        "collect, then exfiltrate",
        "always",
    ),
    Feature(
        "internal_rate_deviation",
        "internal",
        "initiator host, internal peers, 1350 s",
        "ratio",
        "(flow starts in the newest whole 150 s cell - mean over the 8 cells before it) / "
        "(their sample standard deviation + 1)",
        "at least 4 earlier cells",
    ),
    Feature(
        "internal_peer_entropy",
        "internal",
        _SCOPE,
        "0..1",
        "entropy of the flow starts over 64 buckets of the internal peer / 6",
        "at least 2 flow starts",
    ),
)
