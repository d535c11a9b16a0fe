"""Traffic of the initiator host."""

from engine.features.feature import Feature

_SCOPE = "initiator host, 60 s"

FEATURES = (
    Feature(
        "traffic_packet_rate",
        "traffic",
        _SCOPE,
        "packets/s",
        "packets sent and received by the host per second",
        "always",
    ),
    Feature(
        "traffic_flow_rate",
        "traffic",
        _SCOPE,
        "flows/s",
        "flows started by the host per second",
        "always",
    ),
    Feature(
        "traffic_tcp_packet_ratio",
        "traffic",
        _SCOPE,
        "0..1",
        "TCP packets / (TCP + UDP) packets of the host's flows",
        "at least 1 TCP or UDP packet",
    ),
    Feature(
        "traffic_packet_length_mean",
        "traffic",
        _SCOPE,
        "bytes",
        "mean packet length in the host's flows",
        "at least 1 packet",
    ),
    Feature(
        "traffic_port_entropy",
        "traffic",
        _SCOPE,
        "0..1",
        "entropy of the host's flow starts over 64 buckets of the responder port / 6",
        "at least 2 flow starts",
    ),
    Feature(
        "traffic_flow_duration_std_s",
        "traffic",
        _SCOPE,
        "s",
        "sample standard deviation of the durations of the host's ended flows",
        "at least 2 ended flows",
    ),
    Feature(
        "traffic_peer_entropy",
        "traffic",
        _SCOPE,
        "0..1",
        "entropy of the host's flow starts over 64 buckets of the peer address / 6",
        "at least 2 flow starts",
    ),
    Feature(
        "traffic_top_peer_ratio",
        "traffic",
        _SCOPE,
        "0..1",
        "flow starts in the fullest of those 64 buckets / flow starts",
        "at least 1 flow start",
    ),
    Feature(
        "traffic_service_count",
        "traffic",
        _SCOPE,
        "count",
        "distinct (protocol, responder port) of the host's flow starts",
        "always",
    ),
    Feature(
        "traffic_flow_gap_cv",
        "traffic",
        _SCOPE,
        "ratio",
        "coefficient of variation of the gaps between consecutive flow starts of the host by "
        "position (a gap belongs to the pane of its later start)",
        "at least 3 flow starts, mean above 0",
    ),
)
