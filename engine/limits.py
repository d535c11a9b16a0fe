"""What a setting may hold: its kind, unit and range; how it is read, checked and written.

Durations are written "120 s", "500 ms" or as a number of seconds, and held in ns; "off" is 0 and
"same" SAME where they are allowed. Sizes are written "64 MiB" or as a number of bytes.
"""

import ipaddress
import re
from dataclasses import dataclass

from engine.errors import ConfigError

SECOND_NS = 1_000_000_000
SAME = -1  # A setting that is as the general one.

_UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
_UNITS_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_TOML_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]')
NETWORKS_MAX = 64
_QUANTITY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a key may hold.

    `kind`: count, power_of_two, duration, size, switch, choice, choices, text, networks.
    """

    kind: str
    unit: str
    meaning: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    off: bool = False  # "off" is allowed and held as 0.
    same: bool = False  # "same" is allowed and held as SAME: as the general setting.


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


def _networks(name: str, value) -> tuple[str, ...]:
    """Return networks in their usual spelling, each once, in the order given."""
    texts = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{name} must list networks such as 10.0.0.0/8, is {value!r}")
    if len(texts) > NETWORKS_MAX:
        raise ConfigError(f"{name} may list {NETWORKS_MAX} networks, has {len(texts)}")
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError as error:
            raise ConfigError(f"{name} must list networks such as 10.0.0.0/8: {error}") from None
    return tuple(dict.fromkeys(found))


def checked_value(name: str, limit: Limit, value):
    """Return the value of setting `name` from TOML or from text, or raise ConfigError."""
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
    if limit.kind == "networks":
        return _networks(name, value)
    if limit.off and value == "off":
        return 0
    if limit.same and value == "same":
        return SAME
    return _number(name, limit, value)


def as_toml(limit: Limit, value) -> str:
    """Return a value as TOML."""
    if limit.kind == "duration":
        if limit.same and value == "same":
            return '"same"'
        return '"off"' if not value and limit.off else f'"{_with_unit(value, _UNITS_NS)}"'
    if limit.kind == "size":
        return f'"{_with_unit(value, _UNITS_BYTES)}"'
    if limit.kind == "switch":
        return "true" if value else "false"
    if limit.kind in ("choices", "networks"):
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
    words = [bounds, *(["off"] if limit.off else []), *(["same"] if limit.same else [])]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" or {words[-1]}"


def comment(limit: Limit) -> str:
    """Return the meaning and the range of a setting."""
    if limit.kind in ("choice", "choices"):
        return f"{limit.meaning}: {', '.join(limit.choices)}"
    if limit.kind in ("duration", "size", "count", "power_of_two"):
        return f"{limit.meaning}; {_bounds(limit)}"
    return limit.meaning
