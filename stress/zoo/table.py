"""The table bugs x instruments: measure it, keep it, show it."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict

from stress.zoo import machine
from stress.zoo.bugs import BUGS, PROTOCOLS, shipped
from stress.zoo.checked import FORMS, Checked, look
from stress.zoo.named import MANY, shipped_name

EXECUTIONS = {True: 300, False: 2000}  # Of each chooser; True: quick.
CORES = 2
MORTAL = "journal"  # The protocol whose roles are killed; it has one role, so nothing races.
QUICK = tuple(FORMS)
COLUMNS = ("threads", "tsan", "xsan", "killpoint", *FORMS)
FOUND, SILENT, LEFT_OUT = "yes", "no", ""


def measure(quick: bool) -> dict:
    """Return what every instrument says of every bug and of the shipped protocols.

    `quick`: the model checker alone, with fewer executions.
    """
    begin = time.monotonic()
    columns = QUICK if quick else COLUMNS
    wanted = [(None, protocol, form, quick) for protocol in PROTOCOLS for form in FORMS]
    wanted += [
        (number, bug.protocol, form, quick) for number, bug in enumerate(BUGS) for form in FORMS
    ]
    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(1) as threads, ProcessPoolExecutor(CORES, context) as processes:
        checking = processes.map(_check, wanted, chunksize=4)  # Forks before a thread is there.
        instruments = [name for name in columns if name not in FORMS]
        said = dict(zip(instruments, threads.map(_run_machine, instruments), strict=True))
        checked = list(checking)
    found = {bug.name: {} for bug in BUGS}
    sound: dict[str, dict] = {protocol: {} for protocol in PROTOCOLS}
    for (number, protocol, form, _), one in zip(wanted, checked, strict=True):
        (sound[protocol] if number is None else found[BUGS[number].name])[form] = asdict(one)
    for instrument, texts in said.items():
        for bug in BUGS:
            if bug.name in texts:
                found[bug.name][instrument] = {"said": texts[bug.name]}
        for protocol in PROTOCOLS:
            if shipped_name(protocol) in texts:
                sound[protocol][instrument] = {"said": texts[shipped_name(protocol)]}
    seconds = round(time.monotonic() - begin, 1)
    return {"quick": quick, "seconds": seconds, "bugs": found, "shipped": sound}


def _check(wanted: tuple) -> Checked:
    number, protocol, form, quick = wanted
    make = shipped(protocol) if number is None else BUGS[number].scenario
    return look(make, protocol, form, EXECUTIONS[quick])


def _run_machine(instrument: str) -> dict[str, str]:
    """Return {bug or shipped protocol: what the instrument said}, of those that it can run."""
    is_killer = instrument == "killpoint"
    names = [bug.name for bug in BUGS if (bug.protocol == MORTAL) == is_killer]
    names += [shipped_name(one) for one in PROTOCOLS if (one == MORTAL) == is_killer]
    suffix = "" if is_killer else MANY
    said = machine.look(instrument, [name + suffix for name in names])
    return {name.removesuffix(suffix): text for name, text in said.items()}


def cell(row: dict, column: str) -> str:
    """Return what stands in the table."""
    if column not in row:
        return LEFT_OUT
    return FOUND if row[column]["said"] else SILENT


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
    cells = {column: [cell(row, column) for row in record["bugs"].values()] for column in COLUMNS}
    return {
        column: f"{one.count(FOUND)} of {len(one) - one.count(LEFT_OUT)}"
        for column, one in cells.items()
        if any(one)
    }


def executions(record: dict) -> Iterator[str]:
    """Yield, for each shipped protocol, how many executions each form ran and which were all."""
    for protocol, row in record["shipped"].items():
        fewest = PROTOCOLS[protocol][2]
        parts = [
            f"{form} {row[form]['executions']:,}" + (" (all)" * row[form]["exhausted"])
            for form in FORMS
        ]
        yield f"{protocol}, {fewest} record{'s' * (fewest != 1)}: {', '.join(parts)}"


def rst(record: dict) -> str:
    """Return the table for stress/README.rst."""
    columns = [column for column in COLUMNS if any(column in r for r in record["bugs"].values())]
    whats = {bug.name: (bug.protocol, bug.what) for bug in BUGS}
    lines = [("protocol", "bug", *columns)]
    for name, row in record["bugs"].items():
        protocol, what = whats.get(name, ("", name))
        lines.append((protocol, what, *(cell(row, column) for column in columns)))
    found = sums(record)
    lines.append(("", "**found**", *(found[column] for column in columns)))
    for protocol, row in record["shipped"].items():
        lines.append((protocol, "*as shipped*", *(cell(row, column) for column in columns)))
    body = "\n".join(
        "   * - " + "\n     - ".join(line).replace("- \n", "-\n").rstrip(" ") for line in lines
    )
    return f".. list-table::\n   :header-rows: 1\n\n{body}\n"


def text(record: dict) -> str:
    """Return the table for a terminal."""
    columns = [column for column in COLUMNS if any(column in r for r in record["bugs"].values())]
    rows = [("", *columns)]
    rows += [(n, *(cell(r, c) for c in columns)) for n, r in record["bugs"].items()]
    rows.append(("found", *(sums(record)[column] for column in columns)))
    rows += [(f"shipped {n}", *(cell(r, c) for c in columns)) for n, r in record["shipped"].items()]
    widths = [max(len(row[k]) for row in rows) for k in range(len(columns) + 1)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += ["", "Executions of shipped code, nothing found:", *executions(record)]
    return "\n".join([*lines, f"{record['seconds']:.0f} s"])
