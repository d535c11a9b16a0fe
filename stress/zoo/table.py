"""The table bugs x instruments as text, from a record of its cells (cells.py)."""

from collections.abc import Iterator

from stress.zoo.bugs import ALL
from stress.zoo.checked import FORMS
from stress.zoo.scenarios import MACHINE, PROTOCOLS, why_not

COLUMNS = (*MACHINE, *FORMS)
FOUND, SILENT, LEFT_OUT, NOT_RUN = "yes", "no", "-", ""
_WHATS = {bug.name: bug for bug in ALL}


def cell(row: dict, protocol: str, column: str, is_shipped: bool = False) -> str:
    """Return what stands in the table; of shipped code how many executions, and if all."""
    if column not in row:
        return LEFT_OUT if why_not(protocol, column) else NOT_RUN
    one = row[column]
    if one["said"]:
        return FOUND
    late = f"not finished after {one['unfinished_s']:.0f} s" if "unfinished_s" in one else ""
    if not is_shipped:
        return late or SILENT
    count = f"{one['executions']:,}{' (all)' * one.get('exhausted', False)}"
    return f"{count}: {late}" if late else count


def missed(record: dict) -> list[str]:
    """Return the bugs that nothing found, and what was found in shipped code."""
    wrong = [
        f"{name}: no instrument finds it"
        for name, row in record["bugs"].items()
        if not any(one["said"] for one in row.values())
    ]
    return wrong + [
        f"shipped {protocol}: {column}: {one['said']}"
        for protocol, row in record["shipped"].items()
        for column, one in row.items()
        if one["said"]
    ]


def sums(record: dict) -> dict[str, str]:
    """Return {column: bugs found of those that it was run on}."""
    rows = list(record["bugs"].values())
    run = {column: [row[column] for row in rows if column in row] for column in COLUMNS}
    return {
        column: f"{sum(bool(one['said']) for one in cells)} of {len(cells)}"
        for column, cells in run.items()
        if cells
    }


def _lines(record: dict) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table: protocol, bug, a cell for each column that was measured."""
    found = sums(record)
    yield ("protocol", "bug", *found)
    for name, row in record["bugs"].items():
        bug = _WHATS[name]
        yield (bug.protocol, bug.what, *(cell(row, bug.protocol, column) for column in found))
    yield ("", "found", *found.values())
    for protocol, row in record["shipped"].items():
        yield (protocol, "as shipped", *(cell(row, protocol, column, True) for column in found))


def rst(record: dict) -> str:
    """Return the table for stress/README.rst."""
    first, *rest = _lines(record)
    rest = [(p, f"*{w}*" if w in ("found", "as shipped") else w, *cells) for p, w, *cells in rest]
    body = "\n".join("   * - " + "\n     - ".join(line).rstrip(" ") for line in (first, *rest))
    body = body.replace("* - \n", "* -\n")
    took = f"{record['cells_s']:,.0f} s of cells" if "cells_s" in record else ""
    took = took or f"{record['seconds']:.0f} s"
    title = f"{record['date'][:10]}, {record['machine']['processor']}, {took}"
    return f".. list-table:: {title}\n   :header-rows: 1\n\n{body}\n"


def text(record: dict) -> str:
    """Return the table for a terminal."""
    rows = list(_lines(record))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += ["", "As shipped: executions in which nothing was found; (all): there are no others,"]
    lines += ["of killpoint: it died at each store."]
    lines += [f"  {line}" for line in _exhausted(record)]
    lines += ["", f"{LEFT_OUT}  cannot be expressed:", *_left_out(record)]
    return "\n".join([*lines, "", f"{record['seconds']:.0f} s"])


def _exhausted(record: dict) -> Iterator[str]:
    """Yield, for each shipped protocol, up to how many records which forms ran all executions."""
    for protocol, row in record["shipped"].items():
        forms = [form for form in FORMS if row.get(form, {}).get("exhausted")]
        if forms:
            fewest = PROTOCOLS[protocol][2]
            yield f"{protocol}: exhaustive up to {fewest} record{'s' * (fewest != 1)} under " + (
                ", ".join(forms)
            )


def _left_out(record: dict) -> Iterator[str]:
    """Yield why there is nothing in a column for a protocol."""
    for column in sums(record):
        reasons: dict[str, list[str]] = {}
        for protocol in record["shipped"]:
            reason = why_not(protocol, column)
            if reason:
                reasons.setdefault(reason, []).append(protocol)
        for reason, protocols in reasons.items():
            yield f"  {column}, {', '.join(protocols)}: {reason}"
