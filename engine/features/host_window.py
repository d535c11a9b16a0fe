"""Single symptoms of the initiator host: scans, log-ins, names, uploads."""

from engine.features.feature import Feature

FEATURES = (
    Feature(
        "dns_name_entropy",
        "host_window",
        "initiator host, 300 s",
        "bits",
        "entropy of the characters of the names queried by the host over 40 classes (a-z "
        "without case, 0-9, '-', '_', '.', other)",
        "at least 1 query",
    ),
    Feature(
        "peers_per_port_max",
        "host_window",
        "initiator host, 30 s",
        "hosts",
        "largest number of distinct peers contacted on one responder port (16 buckets of "
        "ports, 256-bit bitmap each): horizontal scan",
        "always",
    ),
    Feature(
        "dns_query_rate",
        "host_window",
        "initiator host, 300 s",
        "1/min",
        "DNS queries of the host per minute",
        "always",
    ),
    Feature(
        "dns_failure_ratio",
        "host_window",
        "initiator host, 300 s",
        "0..1",
        "DNS answers to the host with a code other than 0 / answers",
        "at least 1 answer",
    ),
    Feature(
        "tls_no_name_ratio",
        "host_window",
        "initiator host, 300 s",
        "0..1",
        "TLS client hellos whose extensions were captured whole and hold no server name / TLS "
        "client hellos with a name or captured whole",
        "at least 1 such client hello",
    ),
    Feature(
        "http_unusual_port_count",
        "host_window",
        "initiator host, 300 s",
        "flows",
        "flows with an HTTP request on a responder port outside 80, 8000, 8008, 8080, 8888",
        "always",
    ),
    Feature(
        "auth_refused_peer_count",
        "host_window",
        "initiator host, 300 s",
        "hosts",
        "distinct responders on the log-in ports of row 129 that refused, or that sent the "
        "first FIN or RST of an ended flow of at most 10 s: distributed brute force",
        "always",
    ),
    Feature(
        "auth_short_session_count",
        "host_window",
        "initiator host, 300 s",
        "flows",
        "ended TCP flows to log-in ports (21, 22, 23, 389, 1433, 3306, 3389, 5432, 5900) with "
        "fewer than 20 data packets and ended by the responder or within 10 s: repeated "
        "failed log-ins",
        "always",
    ),
    Feature(
        "new_internal_pair_count",
        "host_window",
        "initiator host, 30 s",
        "pairs",
        "new (internal peer, responder port) pairs of the host",
        "always",
    ),
    Feature(
        "port_scan_score",
        "host_window",
        "initiator host, 30 s",
        "0..1",
        "distinct (peer, responder port) pairs of flows not answered by the end of their "
        "first pane / distinct pairs tried",
        "at least 4 pairs tried",
    ),
    Feature(
        "upload_download_log2",
        "host_window",
        "initiator host, 300 s",
        "log2",
        "log2((bytes sent to external peers + 1) / (bytes received from them + 1))",
        "always",
    ),
    Feature(
        "burst_flow_count",
        "host_window",
        "initiator host, 30 s",
        "flows",
        "largest number of flow starts in one pane of the window",
        "always",
    ),
    Feature(
        "external_peer_count",
        "host_window",
        "initiator host, 30 s",
        "hosts",
        "distinct external peers",
        "always",
    ),
    Feature(
        "large_upload_count",
        "host_window",
        "initiator host, 300 s",
        "flows",
        "flows to external peers that crossed 1 MiB sent",
        "always",
    ),
    Feature(
        "dns_subdomain_count",
        "host_window",
        "initiator host, 300 s",
        "names",
        "distinct names under the parent domain (last two labels) the host queried most (16 "
        "buckets of the parent, 64-bit bitmap each; most queries, lowest bucket on ties): DNS "
        "tunnels",
        "always",
    ),
    Feature(
        "flow_rate_std",
        "host_window",
        "initiator host, 300 s",
        "1/min",
        "sample standard deviation of the flow starts per 10 s slice, times 6",
        "the host is known for >= 20 s",
    ),
    Feature(
        "service_class_ratio",
        "host_window",
        "initiator host, 30 s",
        "0..1",
        "service classes used by the host's flow starts / 12",
        "always",
    ),
    Feature(
        "flow_duration_mean_s",
        "host_window",
        "initiator host, 300 s",
        "s",
        "mean duration of the host's ended flows",
        "at least 1 ended flow",
    ),
    Feature(
        "rst_ratio",
        "host_window",
        "initiator host, 30 s",
        "0..1",
        "TCP packets with RST in the host's flows / TCP packets in them",
        "at least 1 TCP packet",
    ),
    Feature(
        "syn_unanswered_ratio",
        "host_window",
        "initiator host, 30 s",
        "0..1",
        "flows the host began by SYN that were not answered by the end of their first pane / "
        "flows it began by SYN",
        "at least 1 such flow",
    ),
)
