"""Initial TCP windows."""

from engine.features.feature import Feature

FEATURES = (
    Feature(
        "fwd_init_window_bytes",
        "window",
        "flow",
        "bytes",
        "TCP window field, unscaled, of the initiator's first TCP packet",
        "TCP and fwd_packet_count >= 1",
        cicflowmeter="FWD Init Win Bytes",
    ),
    Feature(
        "bwd_init_window_bytes",
        "window",
        "flow",
        "bytes",
        "TCP window field, unscaled, of the responder's first TCP packet",
        "TCP and bwd_packet_count >= 1",
        cicflowmeter="Bwd Init Win Bytes",
    ),
)
