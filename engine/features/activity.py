"""Activity: runs of packets, the silences between them, and subflows."""

from engine.features.feature import Feature

_ACTIVE = (
    "an active period: a run of packets in which no gap exceeds activity_timeout (5 s); the "
    "run in progress counts up to the last packet"
)
_IDLE = "an idle period: a gap between consecutive packets that exceeds activity_timeout (5 s)"
_BEGINS = (
    "a new subflow begins where a gap of the flow exceeds subflow_timeout (1 s); the first "
    "packet begins the first"
)

FEATURES = (
    Feature(
        "active_mean_us",
        "activity",
        "flow",
        "us",
        f"mean length of {_ACTIVE}",
        "packet_count >= 1",
        cicflowmeter="Active Mean",
    ),
    Feature(
        "active_std_us",
        "activity",
        "flow",
        "us",
        f"sample standard deviation (n-1) of the length of {_ACTIVE}",
        "at least 2 active periods",
        cicflowmeter="Active Std",
    ),
    Feature(
        "active_max_us",
        "activity",
        "flow",
        "us",
        f"largest length of {_ACTIVE}",
        "packet_count >= 1",
        cicflowmeter="Active Max",
    ),
    Feature(
        "active_min_us",
        "activity",
        "flow",
        "us",
        f"smallest length of {_ACTIVE}",
        "packet_count >= 1",
        cicflowmeter="Active Min",
    ),
    Feature(
        "idle_mean_us",
        "activity",
        "flow",
        "us",
        f"mean length of {_IDLE}",
        "at least 1 idle period",
        cicflowmeter="Idle Mean",
    ),
    Feature(
        "idle_std_us",
        "activity",
        "flow",
        "us",
        f"sample standard deviation (n-1) of the length of {_IDLE}",
        "at least 2 idle periods",
        cicflowmeter="Idle Std",
    ),
    Feature(
        "idle_max_us",
        "activity",
        "flow",
        "us",
        f"largest length of {_IDLE}",
        "at least 1 idle period",
        cicflowmeter="Idle Max",
    ),
    Feature(
        "idle_min_us",
        "activity",
        "flow",
        "us",
        f"smallest length of {_IDLE}",
        "at least 1 idle period",
        cicflowmeter="Idle Min",
    ),
    Feature(
        "subflow_fwd_packet_count_mean",
        "subflow",
        "flow",
        "packets",
        f"packets of the initiator / number of subflows; {_BEGINS}",
        "always",
        cicflowmeter="Subflow Fwd Packets",
    ),
    Feature(
        "subflow_fwd_byte_count_mean",
        "subflow",
        "flow",
        "bytes",
        "bytes of the initiator / number of subflows",
        "always",
        cicflowmeter="Subflow Fwd Bytes",
    ),
    Feature(
        "subflow_bwd_packet_count_mean",
        "subflow",
        "flow",
        "packets",
        f"packets of the responder / number of subflows; {_BEGINS}",
        "always",
        cicflowmeter="Subflow Bwd Packets",
    ),
    Feature(
        "subflow_bwd_byte_count_mean",
        "subflow",
        "flow",
        "bytes",
        "bytes of the responder / number of subflows",
        "always",
        cicflowmeter="Subflow Bwd Bytes",
    ),
)
