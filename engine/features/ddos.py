"""Floods, as the responder host sees them."""

from engine.features.feature import Feature

_SCOPE = "responder host, 10 s"

FEATURES = (
    Feature(
        "ddos_syn_unanswered_ratio",
        "ddos",
        _SCOPE,
        "0..1",
        "flows to the host begun by SYN that had no handshake by the end of their first pane "
        "/ flows to the host begun by SYN",
        "at least 1 such flow",
    ),
    Feature(
        "ddos_packet_asymmetry",
        "ddos",
        _SCOPE,
        "-1..1",
        "(packets to the host - packets from it) / (packets to it + packets from it)",
        "at least 1 packet",
    ),
    Feature(
        "ddos_source_count_log10",
        "ddos",
        _SCOPE,
        "log10",
        "log10(1 + distinct peer addresses that sent to the host); HyperLogLog, 256 registers",
        "always",
    ),
    Feature(
        "ddos_impossible_flag_ratio",
        "ddos",
        _SCOPE,
        "0..1",
        "TCP packets to the host whose flags no TCP stack sends (none; SYN+FIN; SYN+RST; FIN "
        "without ACK; FIN+PSH+URG without ACK) / TCP packets to it",
        "at least 1 TCP packet to it",
    ),
    Feature(
        "ddos_length_entropy",
        "ddos",
        _SCOPE,
        "0..1",
        "entropy of packets to the host over 16 bins of 96 bytes (last bin open) of the mean "
        "packet length of each delta, weighted by its packets / 4",
        "at least 2 packets",
    ),
    Feature(
        "ddos_amplification_log2",
        "ddos",
        _SCOPE,
        "log2",
        "log2((UDP bytes to the host + 1) / (UDP bytes from the host + 1))",
        "at least 1 UDP packet",
    ),
    Feature(
        "ddos_completion_ratio",
        "ddos",
        _SCOPE,
        "0..1",
        "TCP flows to the host that ended properly / TCP flows to it that ended",
        "at least 1 ended TCP flow",
    ),
    Feature(
        "ddos_source_prefix_entropy",
        "ddos",
        _SCOPE,
        "0..1",
        "entropy of packets to the host over 64 buckets of the peer's prefix (/16 for IPv4, "
        "/32 for IPv6) / 6; stands for geographical concentration without a location database",
        "at least 2 packets",
    ),
    Feature(
        "ddos_rate_escalation_log2",
        "ddos",
        _SCOPE,
        "log2",
        "log2((packets per second to the host in the last 10 s + 1) / (in the last 60 s + 1))",
        "the host is known for >= 10 s",
    ),
    Feature(
        "ddos_new_flow_rate_log10",
        "ddos",
        _SCOPE,
        "log10",
        "log10(1 + flows begun to the host per second)",
        "always",
    ),
)
