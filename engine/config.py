"""Every limit and setting of the engine, with its unit, range and relations.

A configuration is TOML; `--set section.key=value` overrides a key. An unknown key, a value out of
range and an impossible relation are ConfigError (exit 2) that names the key and the allowed range.
Durations are written "120 s", "500 ms" or as a number of seconds, and held in ns; "off" is 0 where
it is allowed. Sizes are written "64 MiB" or as a number of bytes.
"""

import os
import re
import secrets
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path

from engine.errors import ConfigError

SECOND_NS = 1_000_000_000
PANE_NS = 5 * SECOND_NS  # Every window is a multiple of panes, every timeout at least one.
WIDE_AGE_NS = 1 << 44  # A narrow row holds ages below this (4.9 h).
WIDE_SQUARES = 1 << 84  # A narrow row holds sums of squared gaps below this, in ns².
TIMEOUT_MAX_NS = 8760 * 3600 * SECOND_NS  # A year.
# Deadlines are filed anew every 1,245 s of the clock: a million of them through a day takes 1 s.
IDLE_TIMEOUT_MAX_NS = 24 * 3600 * SECOND_NS
FLOWS_PER_WORKER_MAX = 1_500_000  # Rows and cold blocks are referred to by 21 bits.
SOURCES_MAX = 1 << 15  # A source number has 15 bits of the frame reference.
STEPS_MAX = 4096  # Clock steps a worker remembers.

_UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
_UNITS_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_TOML_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]')
_QUANTITY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a key may hold. `kind` is count, power_of_two, duration, size, switch, choice, text."""

    kind: str
    unit: str
    meaning: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    off: bool = False  # "off" is allowed and held as 0.


def _key(default, kind, unit, meaning, **bounds):
    return field(default=default, metadata={"limit": Limit(kind, unit, meaning, **bounds)})


def _count(default, unit, meaning, low, high):
    return _key(default, "count", unit, meaning, low=low, high=high)


def _power(default, unit, meaning, low, high):
    return _key(default, "power_of_two", unit, meaning, low=low, high=high)


def _duration(default_s, meaning, low_ns, high_ns=TIMEOUT_MAX_NS, off=False):
    default = default_s * SECOND_NS
    return _key(default, "duration", "ns", meaning, low=low_ns, high=high_ns, off=off)


@dataclass(frozen=True, slots=True)
class EngineSection:
    workers: int = _count(0, "processes", "workers; 0: cores - 2, at least 1", 0, 64)


@dataclass(frozen=True, slots=True)
class RingSection:
    packet_capacity: int = _power(65_536, "records", "packet ring of each worker", 2, 1 << 22)
    event_capacity: int = _power(32_768, "slots", "event ring of each worker", 16, 1 << 22)
    row_capacity: int = _power(4_096, "rows", "ring to the recorder", 2, 1 << 20)


@dataclass(frozen=True, slots=True)
class FlowSection:
    max_flows: int = _count(1 << 20, "flows", "live flows, all workers together", 64, 1 << 26)
    idle_timeout: int = _duration(
        120, "silence that ends a flow", PANE_NS, IDLE_TIMEOUT_MAX_NS, off=True
    )
    active_timeout: int = _duration(1800, "age that splits a flow", PANE_NS, off=True)
    tcp_linger: int = _duration(5, "silence after a TCP end", PANE_NS, 1000 * SECOND_NS)
    tcp_end: bool = _key(True, "switch", "", "whether RST, or FIN from both, ends a flow")


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


@dataclass(frozen=True, slots=True)
class PacketSection:
    decapsulate: str = _key(
        "outer", "choice", "", "layer that is metered", choices=("outer", "inner", "all")
    )
    tunnels: tuple[str, ...] = _key(
        TUNNELS, "choices", "", "kinds of tunnel that are opened", choices=TUNNELS
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
    start: str = _key("fork", "choice", "", "how stages are started", choices=("fork", "spawn"))
    stall_timeout: int = _duration(30, "silence of a stage that counts as hung", SECOND_NS)


@dataclass(frozen=True, slots=True)
class ModelSection:
    path: str = _key("", "text", "", "model file; empty: the one in the package")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. Every value has been checked."""

    engine: EngineSection = field(default_factory=EngineSection)
    ring: RingSection = field(default_factory=RingSection)
    flow: FlowSection = field(default_factory=FlowSection)
    packet: PacketSection = field(default_factory=PacketSection)
    capture: CaptureSection = field(default_factory=CaptureSection)
    hash: HashSection = field(default_factory=HashSection)
    process: ProcessSection = field(default_factory=ProcessSection)
    model: ModelSection = field(default_factory=ModelSection)

    def __post_init__(self) -> None:
        _check_relations(self)

    @property
    def workers(self) -> int:
        """Return how many workers run: as set, or cores - 2, at least 1."""
        return self.engine.workers or max(1, len(os.sched_getaffinity(0)) - 2)

    @property
    def wide(self) -> bool:
        """Return whether rows keep 64-bit ages and no sums of squared gaps (SEMANTICS.rst)."""
        active, idle = self.flow.active_timeout, self.flow.idle_timeout
        if not active or not idle or active >= WIDE_AGE_NS:
            return True
        return active * max(idle, active) >= WIDE_SQUARES

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


def _quantity(name: str, value, units: dict[str, int], plain: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ConfigError(f"{name} must be a number with a unit ({', '.join(units)}), is {value!r}")
    match = _QUANTITY.match(str(value))
    if match is None or (match[2] and match[2] not in units):
        raise ConfigError(f"{name} must be a number with a unit ({', '.join(units)}), is {value!r}")
    number, _, decimals = match[1].partition(".")
    scale = units[match[2]] if match[2] else plain
    return int(number) * scale + (int(decimals) * scale // 10 ** len(decimals) if decimals else 0)


def _number(name: str, limit: Limit, value) -> int:
    if limit.kind == "duration":
        number = _quantity(name, value, _UNITS_NS, SECOND_NS)
    elif limit.kind == "size":
        number = _quantity(name, value, _UNITS_BYTES, 1)
    else:
        try:
            number = int(str(value)) if not isinstance(value, bool | float) else None
        except ValueError:
            number = None
        if number is None:
            raise ConfigError(f"{name} must be a whole number of {limit.unit}, is {value!r}")
    if not limit.low <= number <= limit.high:
        raise ConfigError(f"{name} must be {_bounds(limit)}, is {value}")
    if limit.kind == "power_of_two" and number & (number - 1):
        raise ConfigError(
            f"{name} must be a power of two, is {number}; use {1 << number.bit_length()}"
        )
    return number


def parse_value(name: str, value):
    """Return the checked value of setting `name` from TOML or from text, or raise ConfigError."""
    limit = _LIMITS.get(name)
    if limit is None:
        sections = sorted({known.partition(".")[0] for known in _LIMITS})
        near = sorted(known for known in _LIMITS if known.split(".")[0] == name.split(".")[0])
        raise ConfigError(
            f"unknown setting {name!r}; known: {', '.join(near) if near else ', '.join(sections)}"
        )
    if limit.kind == "switch":
        switches = {True: True, False: False, "true": True, "false": False}
        if not isinstance(value, bool | str) or value not in switches:
            raise ConfigError(f"{name} must be true or false, is {value!r}")
        return switches[value]
    if limit.kind == "text":
        if not isinstance(value, str):
            raise ConfigError(f"{name} must be text, is {value!r}")
        return value
    if limit.kind == "choice":
        if value not in limit.choices:
            raise ConfigError(f"{name} must be one of {', '.join(limit.choices)}, is {value!r}")
        return value
    if limit.kind == "choices":
        names = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or any(n not in limit.choices for n in names):
            raise ConfigError(f"{name} may list {', '.join(limit.choices)}, is {value!r}")
        return tuple(choice for choice in limit.choices if choice in names)
    if limit.off and value == "off":
        return 0
    return _number(name, limit, value)


def with_settings(config: Config, settings: dict[str, object]) -> Config:
    """Return `config` with dotted settings replaced; ConfigError names the first that is wrong."""
    sections: dict[str, dict[str, object]] = {}
    for name, value in settings.items():
        parsed = parse_value(name, value)
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = parsed
    changed = {name: replace(getattr(config, name), **values) for name, values in sections.items()}
    return replace(config, **changed)


def load(path: str | None = None, overrides: tuple[str, ...] = ()) -> Config:
    """Return the configuration of a TOML file (None: defaults) with `key=value` overrides."""
    settings: dict[str, object] = {}
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
    """Return {dotted key: value} of the whole configuration (durations in ns, sizes in bytes)."""
    assert is_dataclass(config)
    return {
        name: getattr(getattr(config, name.split(".")[0]), name.split(".")[1]) for name in _LIMITS
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
        lines.append(f"{key} = {_toml(limit, flatten(config)[name])}  # {_comment(limit)}")
    return "\n".join(lines) + "\n"


def _toml(limit: Limit, value) -> str:
    if limit.kind == "duration":
        return '"off"' if not value and limit.off else f'"{_with_unit(value, _UNITS_NS)}"'
    if limit.kind == "size":
        return f'"{_with_unit(value, _UNITS_BYTES)}"'
    if limit.kind == "switch":
        return "true" if value else "false"
    if limit.kind == "choices":
        return "[" + ", ".join(f'"{choice}"' for choice in value) + "]"
    if limit.kind in ("text", "choice"):
        return '"' + _TOML_ESCAPED.sub(lambda one: f"\\u{ord(one[0]):04x}", value) + '"'
    return str(value)


def _with_unit(value: int, units: dict[str, int]) -> str:
    name, scale = max(
        ((name, scale) for name, scale in units.items() if value % scale == 0 and scale <= value),
        key=lambda pair: pair[1],
        default=(next(iter(units)), 1),
    )
    return f"{value // scale} {name}"


def _bounds(limit: Limit) -> str:
    units = {"duration": _UNITS_NS, "size": _UNITS_BYTES}.get(limit.kind)
    if units:
        bounds = f"{_with_unit(limit.low, units)} to {_with_unit(limit.high, units)}"
    else:
        bounds = f"{limit.low} to {limit.high} {limit.unit}"
    return bounds + (" or off" if limit.off else "")


def _comment(limit: Limit) -> str:
    if limit.kind in ("choice", "choices"):
        return f"{limit.meaning}: {', '.join(limit.choices)}"
    if limit.kind in ("duration", "size", "count", "power_of_two"):
        return f"{limit.meaning}; {_bounds(limit)}"
    return limit.meaning
