"""The cells of the table: what each instrument says of each bug and of the shipped protocols.

A cell is measured alone, within its limit: of the model checker so many executions, of the others
so many seconds. It goes to a file at once if there is one. Who is interrupted and begins again with
that file goes on with the cells that it does not have, as long as engine, bugs and protocols are
the same.
"""

import functools
import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from engine import FINGERPRINT
from stress.zoo import machine
from stress.zoo.bugs import ALL, BUGS, PRIVATE_TABLE, WHOLE
from stress.zoo.checked import FORMS, look
from stress.zoo.named import MANY, shipped_name
from stress.zoo.scenarios import MACHINE, PROTOCOLS, planted, shipped, why_not

EXECUTIONS = 300  # Of each chooser of the model checker,
IN_ORDER = 4  # and, unless quick, so many times as many in order, of shipped code.
CORES = 2


class Cell(NamedTuple):
    """A bug's name, or that of a shipped protocol; its protocol; a column."""

    name: str
    protocol: str
    column: str


def cells(quick: bool) -> Iterator[Cell]:
    """Yield the cells of the table.

    `quick`: the model checker alone, and conservation for what shows in a whole run alone.
    """
    rows = [(shipped_name(protocol), protocol) for protocol in (*PROTOCOLS, WHOLE)]
    rows += [(bug.name, bug.protocol) for bug in ALL]
    whole = (PRIVATE_TABLE.name, shipped_name(WHOLE))
    for column in (*FORMS, *MACHINE):
        for name, protocol in rows:
            left = quick and column in MACHINE
            left = left and not (column == "conservation" and name in whole)
            if not left and not why_not(protocol, column):
                yield Cell(name, protocol, column)


def measure(
    quick: bool, executions: int = EXECUTIONS, limit_s: float = machine.LIMIT_S, file: str = ""
) -> dict:
    """Return what every instrument says of every bug and of the shipped protocols.

    `executions`: of each chooser of the model checker. `limit_s`: of each other cell. `file`: where
    cells are added as they are measured; an interrupt ends the record with those that are there.
    """
    begin_s = time.monotonic()
    found = _found_before(file)
    wanted = [cell for cell in cells(quick) if cell not in found]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(CORES, context) as processes, ThreadPoolExecutor(1) as threads:
        in_order = executions if quick else IN_ORDER * executions
        checked = [cell for cell in wanted if cell.column in FORMS]
        run = [cell for cell in wanted if cell.column in MACHINE]
        # The first forks before a thread is there.
        futures = _submit(processes, checked, _check, executions, in_order)
        futures |= _submit(threads, run, _run, limit_s)
        try:
            for cell, one in _as_they_come(futures):
                found[cell] = one
                _add(file, cell, one)
        except KeyboardInterrupt:
            processes.shutdown(cancel_futures=True)
            threads.shutdown(cancel_futures=True)
    record = {"quick": quick, "seconds": round(time.monotonic() - begin_s, 1)}
    record["cells_s"] = round(sum(one["seconds"] for one in found.values()), 1)
    return record | _rows(found)


def _rows(found: dict[Cell, dict]) -> dict:
    """Return {"bugs": {bug: {column: what was said}}, "shipped": the same by protocol}."""
    bugs: dict[str, dict] = {bug.name: {} for bug in ALL}
    sound: dict[str, dict] = {protocol: {} for protocol in (*PROTOCOLS, WHOLE)}
    for cell, one in found.items():
        row = bugs[cell.name] if cell.name in bugs else sound[cell.protocol]
        row[cell.column] = one
    return {"bugs": bugs, "shipped": sound}


def _submit(
    pool: Executor, wanted: list[Cell], measured: Callable[..., dict], *rest: float
) -> dict[Future, Cell]:
    return {pool.submit(_timed, measured, cell, *rest): cell for cell in wanted}


def _as_they_come(futures: dict[Future, Cell]) -> Iterator[tuple[Cell, dict]]:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, return_when="FIRST_COMPLETED")
        for future in done:
            yield futures[future], future.result()


def _timed(measured: Callable[..., dict], cell: Cell, *rest: float) -> dict:
    begin_s = time.monotonic()
    one = measured(cell, *rest)
    return one | {"seconds": round(time.monotonic() - begin_s, 2)}


def _check(cell: Cell, executions: int, in_order: int) -> dict:
    for bug in BUGS:
        if bug.name == cell.name:
            return asdict(look(planted(bug), cell.protocol, cell.column, executions))
    make = shipped(cell.protocol)
    return asdict(look(make, cell.protocol, cell.column, executions, in_order))


def _run(cell: Cell, limit_s: float) -> dict:
    few = cell.column in ("killpoint", "conservation")
    return machine.look(cell.column, cell.name if few else cell.name + MANY, limit_s)


@functools.cache
def _sources() -> str:
    """Return what changes with the engine, the bugs and the protocols."""
    digest = hashlib.sha256(FINGERPRINT.encode())
    folder = Path(__file__).parent
    others = [folder / f"{name}.py" for name in ("bugs", "twins", "scenarios")]
    for path in (*others, *sorted((folder / "protocols").glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _found_before(file: str) -> dict[Cell, dict]:
    """Return the cells of a file that were measured of the same sources."""
    path = Path(file)
    if not file or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {Cell(*one["cell"]): one["found"] for one in lines if one["sources"] == _sources()}


def _add(file: str, cell: Cell, one: dict) -> None:
    if file:
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps({"sources": _sources(), "cell": cell, "found": one}) + "\n")
