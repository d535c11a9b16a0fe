"""The table bugs x instruments: measure it, keep it, show it."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict

from stress.zoo import machine
from stress.zoo.bugs import ALL, BUGS, PRIVATE_TABLE, WHOLE
from stress.zoo.checked import FORMS, Checked, look
from stress.zoo.named import MANY, shipped_name
from stress.zoo.scenarios import MACHINE, PROTOCOLS, planted, shipped, why_not

EXECUTIONS = 300  # Of each chooser of the model checker,
IN_ORDER = 4  # and how many times as many in order, of shipped code: perhaps there are no more.
CORES = 2
QUICK = ("conservation", *FORMS)
COLUMNS = (*MACHINE, *FORMS)
FOUND, SILENT, LEFT_OUT, NOT_RUN = "yes", "no", "-", ""
_WHATS = {bug.name: bug for bug in ALL}


def measure(quick: bool, executions: int = EXECUTIONS) -> dict:
    """Return what every instrument says of every bug and of the shipped protocols.

    `quick`: the model checker alone, and conservation for what shows in a whole run alone;
    `executions`: of each chooser of the model checker.
    """
    begin = time.monotonic()
    wanted = [(None, protocol, form, executions) for protocol in PROTOCOLS for form in FORMS]
    wanted += [
        (number, bug.protocol, form, executions)
        for number, bug in enumerate(BUGS)
        for form in FORMS
        if not why_not(bug.protocol, form)
    ]
    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(1) as threads, ProcessPoolExecutor(CORES, context) as processes:
        checking = processes.map(_check, wanted, chunksize=4)  # Forks before a thread is there.
        instruments = [name for name in (QUICK if quick else COLUMNS) if name in MACHINE]
        told = threads.map(lambda name: _run_machine(name, quick), instruments)
        said = dict(zip(instruments, told, strict=True))
        checked = list(checking)
    found: dict[str, dict] = {bug.name: {} for bug in ALL}
    sound: dict[str, dict] = {protocol: {} for protocol in (*PROTOCOLS, WHOLE)}
    rows = found | {shipped_name(protocol): row for protocol, row in sound.items()}
    for (number, protocol, form, _), one in zip(wanted, checked, strict=True):
        (sound[protocol] if number is None else found[BUGS[number].name])[form] = asdict(one)
    for instrument, cells in said.items():
        for name, one in cells.items():
            rows[name][instrument] = one
    seconds = round(time.monotonic() - begin, 1)
    return {"quick": quick, "seconds": seconds, "bugs": found, "shipped": sound}


def _check(wanted: tuple) -> Checked:
    number, protocol, form, most = wanted
    if number is not None:
        return look(planted(BUGS[number]), protocol, form, most)
    return look(shipped(protocol), protocol, form, most, IN_ORDER * most)


def _run_machine(instrument: str, quick: bool) -> dict[str, dict]:
    """Return {bug or shipped protocol: what the instrument said}, of those that it can run."""
    protocols = [one for one in (*PROTOCOLS, WHOLE) if not why_not(one, instrument)]
    names = [bug.name for bug in ALL if bug.protocol in protocols]
    names += [shipped_name(one) for one in protocols]
    if instrument == "conservation":
        # As shipped there is one run for all.
        names = [PRIVATE_TABLE.name, shipped_name(WHOLE)] if quick else names
        return machine.look(instrument, names)
    suffix = "" if instrument == "killpoint" else MANY
    said = machine.look(instrument, [name + suffix for name in names])
    return {name.removesuffix(suffix): one for name, one in said.items()}


def cell(row: dict, protocol: str, column: str, is_shipped: bool = False) -> str:
    """Return what stands in the table; of shipped code how many executions, and if all."""
    if column not in row:
        return LEFT_OUT if why_not(protocol, column) else NOT_RUN
    one = row[column]
    if one["said"] or not is_shipped:
        return FOUND if one["said"] else SILENT
    return f"{one['executions']:,}{' (all)' * one.get('exhausted', False)}"


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
    title = f"{record['date'][:10]}, {record['machine']['processor']}, {record['seconds']:.0f} s"
    return f".. list-table:: {title}\n   :header-rows: 1\n\n{body}\n"


def text(record: dict) -> str:
    """Return the table for a terminal."""
    rows = list(_lines(record))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += ["", "As shipped: executions in which nothing was found; (all): there are no others."]
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
