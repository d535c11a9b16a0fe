"""`engine hosts`: the hosts of a finished run or of a running one, as a table, in full, as JSON."""

import ipaddress
from pathlib import Path

import msgspec
import numpy as np

from engine.errors import ConfigError
from engine.features.catalogue import FEATURES, NAMES, index
from engine.hosts.fill import FIRST_INITIATOR, FIRST_RESPONDER
from engine.hosts.snapshot import live_rows
from engine.layouts.hosts import INITIATOR_FEATURES, RESPONDER_FEATURES
from engine.recorder.escape import shown_text, whole_text
from engine.recorder.host_lines import HostLine, host_lines
from engine.recorder.hosts import HOSTS
from engine.rings.segment import Segment, segment_name

# What a table shows of a host: the heading, the feature, decimals. Below that what came to it.
COLUMNS = (
    ("flows/s", "traffic_flow_rate", 2),
    ("packets/s", "traffic_packet_rate", 1),
    ("inside", "internal_peer_count", 0),
    ("outside", "external_peer_count", 0),
    ("services", "traffic_service_count", 0),
    ("failed", "ransomware_failed_flow_ratio", 2),
    ("scan", "port_scan_score", 2),
    ("new pairs", "new_internal_pair_count", 0),
    ("up/down", "upload_download_log2", 1),
    ("names/min", "dns_query_rate", 1),
    ("to: flows", "ddos_new_flow_rate_log10", 2),
    ("to: hosts", "ddos_source_count_log10", 2),
)
SORTED_BY = "traffic_flow_rate"
_ADDRESS_WIDTH = 39  # Of the longest.
_ABSENT = "-"


def told_apart(words: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the folder and the address among the words of the command line; None: not named."""
    addresses = [word for word in words if _is_address(word)]
    folders = [word for word in words if not _is_address(word)]
    if len(addresses) > 1 or len(folders) > 1:
        raise ConfigError("one folder and one address at most")
    return folders[0] if folders else None, addresses[0] if addresses else None


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def written_hosts(folder: str) -> list[HostLine]:
    """Return the hosts that a finished run has written; ConfigError where there are none."""
    path = Path(folder) / HOSTS
    if not path.is_file():
        raise ConfigError(f"{whole_text(str(path))} is not there: no run has written hosts here")
    try:
        return list(host_lines(path))
    except OSError as error:
        raise ConfigError(f"cannot read {whole_text(str(path))}: {error.strerror}") from None


def live_hosts(run: str) -> list[HostLine]:
    """Return the hosts of a running engine that have a kept row; SegmentError if it is over."""
    segment = Segment.attach(segment_name(run, "hosts"), "hosts")
    try:
        return hosts_of(segment.words)
    finally:
        segment.close()


def hosts_of(words: np.ndarray) -> list[HostLine]:
    """Return the hosts of a segment that have a kept row."""
    source, *sides = live_rows(words)
    hosts: dict[tuple[int, int, int], dict] = {}
    parts = (
        ("initiator", FIRST_INITIATOR, INITIATOR_FEATURES),
        ("responder", FIRST_RESPONDER, RESPONDER_FEATURES),
    )
    for rows, part in zip(sides, parts, strict=True):
        for row in rows:
            key = tuple(int(row[name]) for name in ("version", "high", "low"))
            _add(hosts.setdefault(key, {"features": {}, "until_ns": -(1 << 63)}), row, *part)
    made = []
    for key, host in hosts.items():
        until_ns = host.pop("until_ns")
        seen = {"address": _address(*key), "seen_until": _time(until_ns)}
        made.append(HostLine(source_number=source, **seen, **host))
    return made


def _add(host: dict, row: np.void, part: str, first: int, count: int) -> None:
    """Add a part's row to what is known of its host."""
    host["internal"] = bool(row["internal"])
    host["known_since"] = _time(int(row["known_ns"]))
    host["until_ns"] = max(host["until_ns"], int(row["until_ns"]))
    host[f"{part}_until"] = _time(int(row["until_ns"]))
    for number in range(count):
        if int(row["valid"]) >> number & 1:
            host["features"][NAMES[first + number]] = float(str(row["features"][number]))


def _address(version: int, high: int, low: int) -> str:
    mask = (1 << 64) - 1
    if version == 4:
        return str(ipaddress.IPv4Address(low & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address((high & mask) << 64 | low & mask))


def _time(time_ns: int) -> str:
    return f"{np.datetime64(time_ns, 'ns')}Z"


def sort_hosts(hosts: list[HostLine], feature: str) -> list[HostLine]:
    """Return the hosts, those with the largest value first, those without a value last."""
    index(feature)  # ConfigError, with a suggestion, if there is no such feature.
    return sorted(hosts, key=lambda host: (-host.features.get(feature, -np.inf), host.address))


def hosts_at(hosts: list[HostLine], address: str) -> list[HostLine]:
    """Return the hosts of an address, one for each source; ConfigError where there is none."""
    wanted = ipaddress.ip_address(address)
    found = [host for host in hosts if ipaddress.ip_address(host.address) == wanted]
    if not found:
        raise ConfigError(f"no host {wanted} is known; it may have been forgotten")
    return found


def as_json(hosts: list[HostLine]) -> str:
    """Return the hosts with every feature that is valid, as one JSON object."""
    return msgspec.json.format(msgspec.json.encode({"hosts": hosts})).decode() + "\n"


def as_table(hosts: list[HostLine], top: int) -> str:
    """Return a line for each of the first `top` hosts (0: all)."""
    shown = hosts[:top] if top else hosts
    width = min(_ADDRESS_WIDTH, max((len(host.address) for host in shown), default=7))
    heads = "".join(f"{heading:>10}" for heading, _, _ in COLUMNS)
    lines = [f"{'address':{width}}  where   {'seen until (UTC)':19}{heads}"]
    lines += [_line(host, width) for host in shown]
    lines.append(f"{len(hosts):,} hosts" + (f", {len(shown):,} shown" if top else ""))
    return "\n".join(lines) + "\n"


def _line(host: HostLine, width: int) -> str:
    where = "inside" if host.internal else "outside"
    seen = shown_text(host.seen_until)[:19].replace("T", " ")
    cells = "".join(f"{_cell(host, name, digits):>10}" for _, name, digits in COLUMNS)
    return f"{shown_text(host.address):{width}}  {where:7} {seen:19}{cells}"


def _cell(host: HostLine, name: str, decimals: int) -> str:
    value = host.features.get(name)
    return _ABSENT if value is None else f"{value:,.{decimals}f}"


def as_text(hosts: list[HostLine]) -> str:
    """Return all that is known of hosts, a feature in a line."""
    return "\n".join(map(_whole, hosts))


def _whole(host: HostLine) -> str:
    source = f" in {shown_text(host.source)}" if host.source is not None else ""
    where = "inside" if host.internal else "outside"
    lines = [f"{shown_text(host.address)}, {where}{source}"]
    for text in ("known_since", "seen_until", "initiator_until", "responder_until"):
        value = getattr(host, text)
        lines.append(f"  {text.replace('_', ' '):18}{shown_text(value) if value else _ABSENT}")
    for feature in FEATURES:
        if feature.name in host.features:
            value = f"{host.features[feature.name]:,.6g}"
            lines.append(f"  {feature.name:34}{value:>16}  {feature.unit}")
    return "\n".join(lines) + "\n"
