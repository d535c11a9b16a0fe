"""Profiles: settings that make flows comparable with those of another program.

A profile is a set of settings and nothing else: no line of the engine knows a program. Which
difference remains is known from their own expected outputs (tools/conformance).
"""

from engine.config import TUNNELS
from engine.errors import ConfigError

_ALL = " ".join(TUNNELS)

PROFILES: dict[str, dict[str, object]] = {
    # The reader of nDPI: frames as captured, the innermost layer, one flow until the file ends.
    "ndpi": {
        "flow.length": "captured",
        "flow.initiator": "first",
        "flow.icmp": "zero",
        "flow.vlan_in_key": "inner",
        "flow.idle_timeout": "off",
        "flow.active_timeout": "off",
        "flow.tcp_end": "false",
        "flow.port_protocols": "tcp udp",
        "packet.decapsulate": "inner",
        "packet.tunnels": "ipip 6in4 gre pptp vxlan gtpu tzsp capwap",
        "packet.fragments": "skip",
        "packet.cut": "skip",
        "packet.short_transport": "zero",
        "packet.inner_not_ip": "drop",
        "packet.clock": "hold",
    },
    # NFStream: frames as on the wire, the innermost layer, 120 s and 1,800 s.
    "nfstream": {
        "flow.length": "frame",
        "flow.initiator": "first",
        "flow.icmp": "zero",
        "flow.vlan_in_key": "inner",
        "flow.port_protocols": "tcp udp",
        "flow.tcp_end": "false",
        "packet.decapsulate": "inner",
        "packet.tunnels": "ipip 6in4 gtpu tzsp capwap",
        "packet.fragments": "skip",
        "packet.overlong": "keep",
        "packet.clock": "hold",
    },
    # Zeek: a connection for each layer, but those that only carry one; ports of TCP and UDP.
    "zeek": {
        "flow.history": "true",
        "flow.idle_timeout": "60 s",
        "flow.idle_timeout_tcp": "300 s",
        "flow.active_timeout": "off",
        "flow.vlan_in_key": "off",
        "flow.port_protocols": "tcp udp",
        "packet.decapsulate": "udp",
        "packet.tunnels": _ALL + " fabricpath pptp ayiya",
        "packet.checksums": "verify",
    },
    # Arkime: frames, the innermost layer, no VLAN in the key.
    "arkime": {
        "flow.length": "frame",
        "flow.icmp": "zero",
        "flow.vlan_in_key": "off",
        "flow.idle_timeout": "60 s",
        "flow.idle_timeout_tcp": "480 s",
        "flow.idle_timeout_other": "600 s",
        "flow.active_timeout": "off",
        "flow.tcp_linger": "1000 s",
        "packet.decapsulate": "inner",
        "packet.tunnels": _ALL + " pptp",
    },
    # For ipfixprobe: IP packets, 30 s and 300 s, no tunnels.
    "ipfixprobe": {
        "flow.initiator": "first",
        "flow.icmp": "zero",
        "flow.idle_timeout": "30 s",
        "flow.active_timeout": "300 s",
        "packet.clock": "hold",
    },
    # CICFlowMeter V4: the payload is what its lengths are; 120 s of age end a flow.
    "cicflowmeter": {
        "flow.length": "payload",
        "flow.initiator": "first",
        "flow.icmp": "zero",
        "flow.idle_timeout": "120 s",
        "flow.active_timeout": "120 s",
        "flow.vlan_in_key": "off",
        "packet.fragments": "skip",
    },
    # Suricata: every layer is a flow, all VLAN tags tell flows apart.
    "suricata": {
        "flow.length": "layer",
        "flow.vlan_in_key": "all",
        "flow.idle_timeout": "300 s",
        "flow.idle_timeout_tcp": "600 s",
        "flow.idle_timeout_udp": "30 s",
        "flow.active_timeout": "off",
        "flow.tcp_end": "false",
        "packet.decapsulate": "all",
        "packet.tunnels": _ALL,
    },
}


def profile_settings(name: str | None) -> dict[str, object]:
    """Return the settings of a profile, dotted; without one none."""
    if name is None:
        return {}
    if name not in PROFILES:
        raise ConfigError(f"unknown profile {name!r}; known: {', '.join(PROFILES)}")
    return dict(PROFILES[name])
