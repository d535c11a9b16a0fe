"""What the captures are: MANIFEST.tsv of a folder of captures, and the labels of single flows.

A manifest is tab-separated, unquoted, with a row per capture: path, source (owner/repository:path),
label (benign, malicious, mixed, excluded), kind, label_scope, label_file, group, home_networks.
Labels of flows stand in a table of 5-tuples with the column `label`.
"""

import csv
import ipaddress
from dataclasses import dataclass
from pathlib import Path

BENIGN = "benign"
NEITHER = ""  # Kind of a capture that is neither trained nor measured on.

# Our kinds of attack, and which of a manifest's finer kinds make them.
KINDS = {
    "scan": ("port-scan", "host-scan"),
    "flood": ("syn-flood", "amplification", "http-dos", "dhcp-flood"),
    "backscatter": ("backscatter",),
    "brute force": ("bruteforce-ftp", "bruteforce-http", "bruteforce-ssh"),
    "dns tunnel": ("dns-tunnel", "dns-exfil"),
    "icmp tunnel": ("icmp-tunnel", "c2-icmp"),
    "malware infection": (
        *("banking-trojan", "bot", "click-fraud", "coinminer", "downloader", "exploit-kit"),
        *("fake-av", "maldoc", "malspam", "malware", "modern-malware", "phishing-scam"),
        *("proxy-bot", "spam-bot", "worm"),
    ),
    "ransomware": ("ransomware",),
    "remote control": ("botnet-c2", "c2", "c2-framework", "rat", "rat-c2"),
    "directory attack": (
        *("ad-recon", "lateral-movement", "credential-access", "evasion", "priv-esc"),
    ),
    "exploit": ("exploit",),
    "web attack": ("web-attack",),
}
_KIND_OF = {fine: kind for kind, fines in KINDS.items() for fine in fines}

# Sources that share a laboratory or an author: one fold for them all.
LABORATORIES = (
    (
        "tatsuiman/malware-traffic-analysis.net",
        "Zynx095/encrypted-traffic-threat-hunter",
        "scottymace/Alienvault-Demo",
    ),
    ("ntop/nDPI", "nfstream/nfstream"),
    ("corelight/zeek-quasarrat-detector", "corelight/zeek-strrat-detector"),
)
# Collections of protocol samples, a connection or two each and many odd on purpose: they are benign
# to train on, but no ordinary traffic to set a threshold by.
PROTOCOL_SUITES = ("ntop/nDPI", "zeek/zeek", "ITI/ICS-Security-Tools")


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture file."""

    path: str  # Within the folder.
    source: str
    laboratory: str
    kind: str  # BENIGN, one of KINDS, or NEITHER.
    finer: str  # The manifest's own kind.
    label_file: str  # Within the folder; empty: the capture's label is that of all its flows.
    home_networks: tuple[str, ...] = ()  # None: not known.

    @property
    def is_ordinary(self) -> bool:
        """Return whether its flows are ordinary traffic: thresholds are set on these."""
        return self.kind == BENIGN and self.source not in PROTOCOL_SUITES


def read_manifest(folder: Path) -> list[Capture]:
    """Return the captures of a folder, in the manifest's order."""
    with open(folder / "MANIFEST.tsv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    sources = [row["source"].partition(":")[0] for row in rows]
    laboratories = _laboratories(sources, [row["group"] for row in rows])
    return [
        Capture(
            row["path"],
            source,
            laboratories[source],
            _kind(row),
            row["kind"],
            row["label_file"],
            tuple(filter(None, (row.get("home_networks") or "").split(","))),
        )
        for row, source in zip(rows, sources, strict=True)
    ]


def _kind(row: dict[str, str]) -> str:
    if row["label"] == "benign":
        return BENIGN
    if row["label"] != "malicious":
        return NEITHER
    assert row["kind"] in _KIND_OF, f"{row['path']}: unknown kind {row['kind']!r}"
    return _KIND_OF[row["kind"]]


def _laboratories(sources: list[str], groups: list[str]) -> dict[str, str]:
    """Return each source's laboratory: sources joined by LABORATORIES and by common groups."""
    joined = {source: {source} for source in sources}
    by_group: dict[str, set[str]] = {}
    for source, group in zip(sources, groups, strict=True):
        if group:
            by_group.setdefault(group, set()).add(source)
    for together in (*LABORATORIES, *by_group.values()):
        union = set().union(*(joined[source] for source in together if source in joined))
        for source in union:
            joined[source] = union
    return {source: min(union) for source, union in joined.items()}


Endpoint = tuple[str, int]
FlowKey = tuple[Endpoint, Endpoint, int]


def flow_key(one: Endpoint, other: Endpoint, protocol: int) -> FlowKey:
    """Return the key of a two-way flow, whoever began it."""
    return min(one, other), max(one, other), protocol


def read_flow_labels(path: Path) -> dict[FlowKey, str]:
    """Return the label of each flow of a capture: suspect, malicious, background or another."""
    labels = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            ends = [
                (ipaddress.ip_address(row[address]).compressed, int(row[port] or 0))
                for address, port in (("src", "sport"), ("dst", "dport"))
            ]
            labels[flow_key(*ends, int(row["proto"]))] = row["label"]
    return labels
