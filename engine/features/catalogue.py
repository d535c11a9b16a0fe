"""The 142 features in vector order: what every output, model and kernel means by a column.

Each group's module holds its rows; here they become one vector. The digest is of their definitions:
outputs carry it, models demand it. CATALOGUE.rst is rst(); a test fails when the two differ.
"""

import difflib
import hashlib
import re
from dataclasses import asdict

import msgspec

from engine.errors import ConfigError
from engine.features import (
    activity,
    bulk,
    ddos,
    flags,
    host_window,
    iat,
    internal,
    length,
    payload,
    ransomware,
    rate,
    traffic,
    volume,
    window,
)
from engine.features.feature import Feature

FEATURES: tuple[Feature, ...] = (
    *volume.FEATURES,
    *length.FEATURES,
    *rate.FEATURES,
    *iat.FEATURES,
    *flags.FEATURES,
    *window.FEATURES,
    *activity.FEATURES,
    *bulk.FEATURES,
    *ddos.FEATURES,
    *payload.FEATURES,
    *ransomware.FEATURES,
    *traffic.FEATURES,
    *internal.FEATURES,
    *host_window.FEATURES,
)
NAMES = tuple(feature.name for feature in FEATURES)
GROUPS = tuple(dict.fromkeys(feature.group for feature in FEATURES))
FLOW_INDICES = tuple(at for at, feature in enumerate(FEATURES) if feature.scope == "flow")
HOST_INDICES = tuple(at for at, feature in enumerate(FEATURES) if feature.scope != "flow")
PROGRAMS = ("cicflowmeter", "nfstream")  # Other programs whose columns are known.

_INDEX = {name: at for at, name in enumerate(NAMES)}
_ALIAS = re.compile(r"^(?P<column>.*?)(?: \((?P<remark>.*)\))?$")


def index(name: str) -> int:
    """Return the place of feature `name` in the vector; ConfigError suggests near ones."""
    if name in _INDEX:
        return _INDEX[name]
    near = near_names(name)
    hint = f"did you mean {', '.join(near)}?" if near else "see `engine features list`"
    raise ConfigError(f"no feature is named {name!r}; {hint}")


def near_names(name: str) -> list[str]:
    """Return at most 5 features that somebody who wrote `name` may have meant, best first."""
    wanted = name.strip().lower()
    spelled = {feature: [feature] for feature in NAMES}
    for program in PROGRAMS:
        for column, at, _ in columns(program):
            spelled[NAMES[at]].append(column.lower())
    near = {
        feature: max(
            2 * (wanted in words) + difflib.SequenceMatcher(None, wanted, words).ratio()
            for words in spellings
        )
        for feature, spellings in spelled.items()
    }
    best = sorted(near, key=lambda feature: (-near[feature], _INDEX[feature]))
    return [feature for feature in best if wanted and near[feature] >= 0.6][:5]


def columns(program: str) -> list[tuple[str, int, str]]:
    """Return (column of that program, index of the feature that means the same, difference).

    A column may stand twice: what it means depends on that program's settings.
    """
    known = []
    for at, feature in enumerate(FEATURES):
        for alias in getattr(feature, program).split("; "):
            match = _ALIAS.match(alias)
            if match["column"]:
                known.append((match["column"], at, match["remark"] or ""))
    return known


def digest() -> str:
    """Return the sha256 of all definitions, 64 hex digits."""
    lines = (
        f"{at}\t{f.name}\t{f.group}\t{f.scope}\t{f.unit}\t{f.definition}\t{f.valid_when}\n"
        for at, f in enumerate(FEATURES)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _row(at: int) -> dict[str, int | str]:
    return {"index": at, **asdict(FEATURES[at])}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def listing(json: bool = False) -> str:
    """Return the whole catalogue: a table for people, or one JSON object."""
    if json:
        rows = [_row(at) for at in range(len(FEATURES))]
        return _json({"feature_digest": digest(), "features": rows})
    width = max(len(name) for name in NAMES)
    lines = []
    group = None
    for at, feature in enumerate(FEATURES):
        if feature.group != group:
            group = feature.group
            lines += ["", group] if lines else [group]
        lines.append(f"{at:5}  {feature.name:{width}}  {feature.unit:9}  {feature.definition}")
        if feature.valid_when != "always":
            lines.append(f"{'':7}{'':{width}}  {'':9}  valid: {feature.valid_when}")
    return "\n".join([*lines, "", f"{len(FEATURES)} features, digest {digest()}"]) + "\n"


def show(name: str, json: bool = False) -> str:
    """Return all that is known of one feature; ConfigError suggests near names."""
    at = index(name)
    if json:
        return _json(_row(at))
    feature = FEATURES[at]
    rows = {
        "index": str(at),
        "group": feature.group,
        "scope": feature.scope,
        "unit": feature.unit,
        "formula": feature.definition,
        "valid when": feature.valid_when,
        "CICFlowMeter": feature.cicflowmeter or "no column",
        "NFStream": feature.nfstream or "no column",
    }
    return "\n".join([feature.name, *(f"  {word:14}{text}" for word, text in rows.items())]) + "\n"


def rst() -> str:
    """Return the catalogue as a page (checked in as CATALOGUE.rst)."""
    title = "Feature catalogue"
    lines = [
        title,
        "=" * len(title),
        "",
        "Generated by ``python -m tools generate`` from the tables in this folder; do not edit.",
        "Terms are those of ``engine/SEMANTICS.rst``. A feature that is not valid is 0.0 with",
        "validity bit 0. Columns of CICFlowMeter v4 and NFStream 6.6 that mean the same stand",
        "last, with the difference in parentheses.",
        "",
        f"Digest: ``{digest()}``",
    ]
    for group in GROUPS:
        lines += ["", "", group, "-" * len(group), "", ".. list-table::", "   :header-rows: 1", ""]
        lines += _cells(
            "index", "feature", "scope", "unit", "definition", "valid when", "elsewhere"
        )
        for at, feature in enumerate(FEATURES):
            if feature.group != group:
                continue
            aliases = [alias for alias in (feature.cicflowmeter, feature.nfstream) if alias]
            lines += _cells(
                str(at),
                f"``{feature.name}``",
                feature.scope,
                feature.unit,
                feature.definition.replace("|", "\\|").replace("*", "\\*"),
                feature.valid_when,
                "; ".join(aliases),
            )
    return "\n".join(lines) + "\n"


def _cells(*texts: str) -> list[str]:
    return [f"   {'* -' if at == 0 else '  -'} {text}".rstrip() for at, text in enumerate(texts)]
