"""Ransomware, as the initiator host shows it."""

from engine.features.feature import Feature

FEATURES = (
    Feature(
        "ransomware_smb_data_packet_rate",
        "ransomware",
        "initiator host, 30 s",
        "1/s",
        "data packets of the host to SMB servers (TCP 445, 139) per second: stands for file "
        "operations",
        "at least 1 packet of the host in the window",
    ),
    Feature(
        "ransomware_smb_write_byte_log10",
        "ransomware",
        "initiator host, 30 s",
        "log10",
        "log10(1 + payload bytes of the host to SMB servers): stands for file writes",
        "always",
    ),
    Feature(
        "ransomware_smb_read_write_balance",
        "ransomware",
        "initiator host, 30 s",
        "0..1",
        "1 - |read - written| / (read + written), SMB payload bytes: encrypting in place "
        "reads and writes alike",
        "at least 65,536 SMB payload bytes written",
    ),
    Feature(
        "ransomware_admin_peer_count",
        "ransomware",
        "initiator host, 30 s",
        "hosts",
        "distinct peers of the host on responder ports 22, 135, 139, 445, 3389, 5985, 5986",
        "always",
    ),
    Feature(
        "ransomware_upload_byte_log10",
        "ransomware",
        "initiator host, 30 s",
        "log10",
        "log10(1 + payload bytes of the host to external addresses)",
        "always",
    ),
    Feature(
        "ransomware_new_peer_ratio",
        "ransomware",
        "initiator host, 30 s",
        "0..1",
        "new peers of the host / distinct peers in the window",
        "at least 1 peer",
    ),
    Feature(
        "ransomware_beacon_regularity",
        "ransomware",
        "initiator host and service, 24 h",
        "0..1",
        "max(0, 1 - coefficient of variation) of the last 8 gaps between starts, by position, "
        "of the host's flows to this responder, protocol and port, starts more than 24 h "
        "before the end of the pane left out",
        "at least 4 such gaps, mean above 0",
    ),
    Feature(
        "ransomware_rate_shift_log2",
        "ransomware",
        "initiator host, 30 s",
        "log2",
        "log2((flow starts per second of the host in the last 30 s + 0.01) / (in the last 300 "
        "s + 0.01))",
        "the host is known for >= 30 s",
    ),
    Feature(
        "ransomware_failed_flow_ratio",
        "ransomware",
        "initiator host, 30 s",
        "0..1",
        "flows begun by the host that by the end of their first pane were refused or, not "
        "TCP, not answered / flows begun by it",
        "at least 1 flow",
    ),
)
