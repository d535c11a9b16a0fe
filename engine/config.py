"""Every limit and setting of the engine, with its unit, range and relations.

A configuration is TOML; `--set section.key=value` overrides a key. An unknown key, a value out of
range and an impossible relation are ConfigError (exit 2) that names the key and the allowed range.
How values are written is in limits.py.
"""

import os
import re
import secrets
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path

from engine.errors import ConfigError
from engine.limits import NETWORKS_MAX, SAME, SECOND_NS, Limit, as_toml, checked_value, comment

PANE_NS = 5 * SECOND_NS  # Every window is a multiple of panes, every timeout at least one.
WIDE_AGE_NS = 1 << 44  # A narrow row holds ages below this (4.9 h).
WIDE_SQUARES = 1 << 84  # A narrow row holds sums of squared gaps below this, in ns².
TIMEOUT_MAX_NS = 8760 * 3600 * SECOND_NS  # A year.
# Deadlines are filed anew every 1,245 s of the clock: a million of them through a day takes 1 s.
IDLE_TIMEOUT_MAX_NS = 24 * 3600 * SECOND_NS
FLOWS_PER_WORKER_MAX = 1_500_000  # Rows and cold blocks are referred to by 21 bits.
SOURCES_MAX = 1 << 15  # A source number has 15 bits of the frame reference.
STEPS_MAX = 4096  # Clock steps a worker remembers.


def _key(default, kind, unit, meaning, **bounds):
    return field(default=default, metadata={"limit": Limit(kind, unit, meaning, **bounds)})


def _count(default, unit, meaning, low, high):
    return _key(default, "count", unit, meaning, low=low, high=high)


def _power(default, unit, meaning, low, high):
    return _key(default, "power_of_two", unit, meaning, low=low, high=high)


def _duration(default_s, meaning, low_ns, high_ns=TIMEOUT_MAX_NS, off=False):
    default = default_s * SECOND_NS
    return _key(default, "duration", "ns", meaning, low=low_ns, high=high_ns, off=off)


def _idle_timeout_of(protocols):
    limits = {"low": PANE_NS, "high": IDLE_TIMEOUT_MAX_NS, "off": True, "same": True}
    return _key(SAME, "duration", "ns", f"likewise, of {protocols}", **limits)


def _choice(*choices, meaning):
    return _key(choices[0], "choice", "", meaning, choices=choices)


@dataclass(frozen=True, slots=True)
class EngineSection:
    workers: int = _count(0, "processes", "workers; 0: cores - 2, at least 1", 0, 64)


@dataclass(frozen=True, slots=True)
class RingSection:
    packet_capacity: int = _power(65_536, "records", "packet ring of each worker", 2, 1 << 22)
    event_capacity: int = _power(32_768, "slots", "event ring of each worker", 16, 1 << 22)
    row_capacity: int = _power(4_096, "rows", "ring to the recorder", 2, 1 << 20)


PORT_PROTOCOLS = ("tcp", "udp", "udp_lite", "sctp", "dccp")


@dataclass(frozen=True, slots=True)
class FlowSection:
    max_flows: int = _count(1 << 20, "flows", "live flows, all workers together", 64, 1 << 26)
    idle_timeout: int = _duration(
        120, "silence that ends a flow", PANE_NS, IDLE_TIMEOUT_MAX_NS, off=True
    )
    idle_timeout_tcp: int = _idle_timeout_of("TCP")
    idle_timeout_udp: int = _idle_timeout_of("UDP")
    idle_timeout_icmp: int = _idle_timeout_of("ICMP and ICMPv6")
    idle_timeout_other: int = _idle_timeout_of("all other protocols")
    active_timeout: int = _duration(1800, "age that splits a flow", PANE_NS, off=True)
    tcp_linger: int = _duration(5, "silence after a TCP end", PANE_NS, 1000 * SECOND_NS)
    tcp_end: bool = _key(True, "switch", "", "whether RST, or FIN from both, ends a flow")
    initiator: str = _choice(
        "synack",
        "first",
        meaning="who sent the first packet; synack: who got it if it is a SYN-ACK",
    )
    length: str = _choice(
        *("ip", "frame", "captured", "layer", "payload"),
        meaning="what the bytes of a packet are",
    )
    icmp: str = _choice(
        "community", "zero", meaning="ports of ICMP, by type and code as in Community ID, or 0"
    )
    port_protocols: tuple[str, ...] = _key(
        PORT_PROTOCOLS,
        "choices",
        "",
        "protocols whose ports are in the key",
        choices=PORT_PROTOCOLS,
    )
    vlan_in_key: str = _choice(
        *("outer", "inner", "all", "off"), meaning="which VLAN tags tell flows apart"
    )
    history: bool = _key(False, "switch", "", "whether records tell Zeek's conn_state and history")


TUNNELS = (
    "ipip",
    "6in4",
    "gre",
    "erspan",
    "vxlan",
    "geneve",
    "gtpu",
    "teredo",
    "tzsp",
    "capwap",
)
FURTHER_TUNNELS = ("fabricpath", "pptp", "ayiya")  # Opened where they are named.


@dataclass(frozen=True, slots=True)
class PacketSection:
    decapsulate: str = _choice("outer", "inner", "all", "udp", meaning="layers that are metered")
    tunnels: tuple[str, ...] = _key(
        TUNNELS,
        "choices",
        "",
        "kinds of tunnel that are opened",
        choices=(*TUNNELS, *FURTHER_TUNNELS),
    )
    fragments: str = _choice(
        "track", "skip", meaning="whether later fragments are counted to the flow of the first"
    )
    cut: str = _choice(
        "keep", "skip", meaning="whether packets that are not captured to their end are refused"
    )
    short_transport: str = _choice(
        "malformed",
        "zero",
        meaning="packets without a whole transport header: refused, or ports 0",
    )
    checksums: str = _choice(
        "ignore", "verify", meaning="whether packets with a wrong checksum are refused"
    )
    overlong: str = _choice(
        "refuse", "keep", meaning="packets whose IP length is more than the frame has"
    )
    inner_not_ip: str = _choice(
        "outer",
        "drop",
        meaning="with decapsulate = inner: tunnels that carry no readable IP packet",
    )
    clock: str = _choice(
        "step",
        "hold",
        meaning="what a packet older by more than 1 s does: steps the clock, nothing",
    )


HOME_NETWORKS = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
)


@dataclass(frozen=True, slots=True)
class HostSection:
    max_hosts: int = _count(1 << 16, "hosts", "hosts known at a time", 16, 1 << 20)
    max_pairs: int = _count(1 << 16, "pairs", "pairs watched for regularity", 16, 1 << 20)
    rows: int = _count(
        1 << 18, "rows", "newest rows kept, of initiators, of responders", 16, 1 << 22
    )
    home_networks: tuple[str, ...] = _key(
        HOME_NETWORKS, "networks", "", f"what is internal; at most {NETWORKS_MAX} networks"
    )


@dataclass(frozen=True, slots=True)
class CaptureSection:
    arena_bytes: int = _key(
        64 << 20,
        "size",
        "bytes",
        "frame arena (a power of two), for streams and compressed files",
        low=1 << 18,
        high=1 << 34,
    )
    stream_buffer_bytes: int = _key(
        1 << 20,
        "size",
        "bytes",
        "read buffer of a stream or compressed file; bounds a packet record",
        low=1 << 16,
        high=1 << 28,
    )
    open_streams: int = _count(
        64, "files", "compressed files read at the same time when merging", 1, 4096
    )


@dataclass(frozen=True, slots=True)
class HashSection:
    key: str = _key("", "text", "32 hex digits", "key of the shard and slot hash; empty: random")


@dataclass(frozen=True, slots=True)
class ProcessSection:
    start: str = _choice("fork", "spawn", meaning="how stages are started")
    stall_timeout: int = _duration(30, "silence of a stage that counts as hung", SECOND_NS)
    replace: bool = _key(True, "switch", "", "whether a stage that dies is replaced")


@dataclass(frozen=True, slots=True)
class ModelSection:
    path: str = _key("", "text", "", "model file; empty: the one in the package")


@dataclass(frozen=True, slots=True)
class RecorderSection:
    community_id_seed: int = _count(0, "seeds", "seed of Community IDs in outputs", 0, 65_535)
    source_digests: bool = _key(True, "switch", "", "whether run.json has captures' sha256")


TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. Every value has been checked."""

    engine: EngineSection = field(default_factory=EngineSection)
    ring: RingSection = field(default_factory=RingSection)
    flow: FlowSection = field(default_factory=FlowSection)
    packet: PacketSection = field(default_factory=PacketSection)
    host: HostSection = field(default_factory=HostSection)
    capture: CaptureSection = field(default_factory=CaptureSection)
    hash: HashSection = field(default_factory=HashSection)
    process: ProcessSection = field(default_factory=ProcessSection)
    model: ModelSection = field(default_factory=ModelSection)
    recorder: RecorderSection = field(default_factory=RecorderSection)

    def __post_init__(self) -> None:
        _check_relations(self)

    @property
    def workers(self) -> int:
        """Return how many workers run: as set, or cores - 2, at least 1."""
        return self.engine.workers or max(1, len(os.sched_getaffinity(0)) - 2)

    def idle_timeout_of(self, protocol: int) -> int:
        """Return the idle timeout of flows of a protocol, in ns; 0: off."""
        flow = self.flow
        own = {
            TCP: flow.idle_timeout_tcp,
            UDP: flow.idle_timeout_udp,
            ICMP: flow.idle_timeout_icmp,
            ICMP6: flow.idle_timeout_icmp,
        }.get(protocol, flow.idle_timeout_other)
        return flow.idle_timeout if own == SAME else own

    @property
    def payload_is_copied(self) -> bool:
        """Return whether payload goes through the arena, not being where lengths say it is."""
        return self.flow.length != "ip"

    @property
    def wide(self) -> bool:
        """Return whether rows keep 64-bit ages and no sums of squared gaps (SEMANTICS.rst)."""
        active = self.flow.active_timeout
        idle = [self.idle_timeout_of(protocol) for protocol in (TCP, UDP, ICMP, 0)]
        if not active or not all(idle) or active >= WIDE_AGE_NS:
            return True
        return active * max(*idle, active) >= WIDE_SQUARES

    def hash_key(self) -> tuple[int, int]:
        """Return the two halves of the hash key; drawn anew at each call when none is set."""
        digits = self.hash.key or secrets.token_hex(16)
        return tuple(
            int.from_bytes(bytes.fromhex(half), "big") for half in (digits[:16], digits[16:])
        )


def _check_relations(config: Config) -> None:
    flow = config.flow
    arena = config.capture.arena_bytes
    if arena & (arena - 1):
        raise ConfigError(f"capture.arena_bytes must be a power of two, is {arena}")
    if arena < 2 * config.capture.stream_buffer_bytes:
        raise ConfigError(
            f"capture.arena_bytes must be at least twice capture.stream_buffer_bytes "
            f"({config.capture.stream_buffer_bytes}), is {arena}"
        )
    if flow.max_flows < config.workers * 64:
        raise ConfigError(
            f"flow.max_flows must be at least 64 for each of the {config.workers} workers "
            f"({config.workers * 64}), is {flow.max_flows}"
        )
    if flow.max_flows > config.workers * FLOWS_PER_WORKER_MAX:
        raise ConfigError(
            f"flow.max_flows must be at most {FLOWS_PER_WORKER_MAX} for each of the "
            f"{config.workers} workers ({config.workers * FLOWS_PER_WORKER_MAX}), "
            f"is {flow.max_flows}"
        )
    if config.hash.key and not re.fullmatch("[0-9a-fA-F]{32}", config.hash.key):
        raise ConfigError(f"hash.key must be 32 hex digits or empty, is {config.hash.key!r}")


def limits():
    """Yield (dotted key, Limit, default value) of every setting."""
    for section in fields(Config):
        for entry in fields(section.default_factory):
            yield f"{section.name}.{entry.name}", entry.metadata["limit"], entry.default


_LIMITS = {name: limit for name, limit, _ in limits()}


def parse_value(name: str, value):
    """Return the checked value of setting `name` from TOML or from text, or raise ConfigError."""
    limit = _LIMITS.get(name)
    if limit is None:
        sections = sorted({known.partition(".")[0] for known in _LIMITS})
        near = sorted(known for known in _LIMITS if known.split(".")[0] == name.split(".")[0])
        raise ConfigError(
            f"unknown setting {name!r}; known: {', '.join(near) if near else ', '.join(sections)}"
        )
    return checked_value(name, limit, value)


def with_settings(config: Config, settings: dict[str, object]) -> Config:
    """Return `config` with dotted settings replaced; ConfigError names the first that is wrong."""
    sections: dict[str, dict[str, object]] = {}
    for name, value in settings.items():
        parsed = parse_value(name, value)
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = parsed
    changed = {name: replace(getattr(config, name), **values) for name, values in sections.items()}
    return replace(config, **changed)


def load(
    path: str | None = None,
    overrides: tuple[str, ...] = (),
    profile: dict[str, object] | None = None,
) -> Config:
    """Return a profile's settings, a TOML file's over them, then `key=value` overrides."""
    settings: dict[str, object] = dict(profile or {})
    if path is not None:
        try:
            tree = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read configuration {path!r}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"configuration {path!r} is not TOML: {error}") from None
        for section, values in tree.items():
            if not isinstance(values, dict):
                raise ConfigError(f"unknown setting {section!r}; settings stand in [sections]")
            settings |= {f"{section}.{key}": value for key, value in values.items()}
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"--set takes section.key=value, is {override!r}")
        settings[name.strip()] = value.strip()
    return with_settings(Config(), settings)


def flatten(config: Config) -> dict[str, object]:
    """Return {dotted key: value} of the whole configuration (durations in ns, sizes in bytes).

    A timeout that is as flow.idle_timeout is "same".
    """
    assert is_dataclass(config)
    values = {
        name: getattr(getattr(config, name.split(".")[0]), name.split(".")[1]) for name in _LIMITS
    }
    return {
        name: "same" if _LIMITS[name].same and value == SAME else value
        for name, value in values.items()
    }


def dump(config: Config) -> str:
    """Return the configuration as TOML that load() reads back, with meanings and ranges."""
    lines = []
    section = None
    for name, limit, _ in limits():
        head, _, key = name.partition(".")
        if head != section:
            lines += ["", f"[{head}]"] if section else [f"[{head}]"]
            section = head
        lines.append(f"{key} = {as_toml(limit, flatten(config)[name])}  # {comment(limit)}")
    return "\n".join(lines) + "\n"
