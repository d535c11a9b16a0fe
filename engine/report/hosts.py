"""The section on hosts that stand out: of features that tell of attacks, who has most.

Read from the hosts that a run writes at its end, each with its newest rows: a line is a JSON object
with an address and features. Only TELLING ones are looked at; a large value alone is no attack.
"""

import heapq
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from engine.features.catalogue import FEATURES, NAMES
from engine.recorder.escape import whole_text
from engine.report import numbers
from engine.report.charts import strip
from engine.report.markup import Markup, element, joined, table
from engine.report.ranges import Sample

HOSTS = "hosts.jsonl"
# Features, and what a large value of one would tell of.
TELLING = {
    "peers_per_port_max": "horizontal scan",
    "internal_ports_per_peer_max": "service discovery",
    "internal_peer_count": "lateral movement",
    "auth_short_session_count": "guessed log-ins",
    "auth_refused_peer_count": "guessed log-ins at many servers",
    "internal_staging_log2": "collection",
    "upload_download_log2": "exfiltration",
    "large_upload_count": "exfiltration",
    "dns_subdomain_count": "DNS tunnel",
    "ddos_new_flow_rate_log10": "flood against the host",
    "burst_flow_count": "bursts of connections",
}
OF_INTERNAL = ("internal_staging_log2", "upload_download_log2", "large_upload_count")  # Hosts.
NAMED = 3
LINE_BYTES_MAX = 1 << 20
_BATCH = 1024
_VALUE_MAX = float(np.finfo(np.float32).max)
_INDICES = {name: NAMES.index(name) for name in TELLING}


class _Host(msgspec.Struct, frozen=True):
    address: str
    features: dict[str, float]
    internal: bool = True


_HOST = msgspec.json.Decoder(_Host)


@dataclass(slots=True)
class Hosts:
    """What the file says. `largest`: by feature the hosts with most, as (value, address)."""

    sample: Sample = field(default_factory=lambda: Sample(tuple(TELLING)))
    count: int = 0
    largest: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    fault: str = ""


def read_hosts(folder: Path) -> Hosts | None:
    """Read the hosts of a run's folder, once through; None where the run wrote none."""
    path = folder / HOSTS
    if not path.is_file():
        return None
    found, batch = Hosts(), []
    try:
        with open(path, "rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                batch.append(_HOST.decode(line))
                if len(batch) == _BATCH:
                    _take(found, batch)
    except OSError as error:
        found.fault = f"{HOSTS} cannot be read: {error.strerror}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found.fault = f"{HOSTS}, line {found.count + len(batch) + 1}: {whole_text(str(error))}"
    _take(found, batch)
    return found


def _take(found: Hosts, batch: list[_Host]) -> None:
    """Count hosts, and empty the batch."""
    vector = np.zeros((len(NAMES), len(batch)), np.float32)
    valid = np.zeros(vector.shape, bool)
    for name, index in _INDICES.items():
        values = []
        for at, host in enumerate(batch):
            if name in host.features and (host.internal or name not in OF_INTERNAL):
                values.append((host.features[name], host.address))
                vector[index, at] = min(_VALUE_MAX, max(-_VALUE_MAX, host.features[name]))
                valid[index, at] = True
        known = found.largest.get(name, [])
        found.largest[name] = heapq.nsmallest(
            NAMED, [*known, *values], key=lambda pair: (-pair[0], pair[1])
        )
    found.sample.add(vector, valid)
    found.count += len(batch)
    batch.clear()


def standing_out(found: Hosts | None) -> Markup:
    """Return the section; nothing where the run wrote no hosts."""
    if found is None:
        return joined()
    ranges = found.sample.ranges()
    rows = []
    for name, tells in TELLING.items():
        named = found.largest.get(name)
        if not named or named[0][0] <= 0:
            continue
        definition = FEATURES[_INDICES[name]].definition
        rows.append(
            (
                joined(element("b", tells), element("small", element("code", name))),
                element("span", element("code", named[0][1]), title=definition),
                numbers.value(named[0][0]),
                strip(named[0][0], ranges.get(name)),
                ", ".join(f"{address} ({numbers.value(value)})" for value, address in named[1:]),
            )
        )
    heads = ("would tell of", "host with most", "#value", "among all hosts: 5 % to 95 %", "then")
    notes = [element("p", found.fault, class_="note fault")] if found.fault else []
    inner = table(heads, rows, class_="standing") if rows else element("p", "None.", class_="none")
    text = (
        f"{numbers.counted(found.count, 'host')} at the end, each with its newest values. "
        "Who has most of something has done no wrong by that alone."
    )
    return element(
        "section",
        element("h2", "Hosts that stand out"),
        *notes,
        element("div", element("p", text, class_="facts"), inner, class_="card"),
        id="standing-out",
    )
