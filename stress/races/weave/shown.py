"""An execution as a table for people: one line per access, what was wrong at the end."""

from stress.races.weave.cells import ViolationError
from stress.races.weave.choosers import Script
from stress.races.weave.detector import DataRaceError
from stress.races.weave.explore import Program, run
from stress.races.weave.roles import Setting
from stress.races.weave.schedule import Schedule
from stress.races.weave.sites import place_of, source_of


def table_of(program: Program, schedule: Schedule, setting: Setting) -> str:
    """Return the accesses of a schedule's execution, and its violation."""
    trace: list = []
    _, violation = run(program, Script(schedule), setting, trace)
    return table(trace, violation)


def table(trace: list, violation: ViolationError | None) -> str:
    """Return the rows of a trace, aligned: role, access, word, value, remark | place | source.

    Plain accesses that tell a role nothing of another one, nor another of it, are only counted.
    """
    rows = []
    if isinstance(violation, DataRaceError):  # The access that it ended at, before it was made.
        trace = [*trace, (None, *violation.later, None, "races", violation.sites[0])]
    told = _telling(trace)
    for _, role, what, cell, value, shown, site in told:
        shown_value = "" if value is None else f"= {value}"
        place = place_of(site) if site else ""
        rows.append((role, what, cell, shown_value, shown, place, source_of(site) if site else ""))
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(7)]
    lines = []
    for row in rows:
        left = "  ".join(row[k].ljust(widths[k]) for k in range(5))
        lines.append(f"  {left} | {row[5].ljust(widths[5])} | {row[6]}".rstrip())
    if len(told) < len(trace):
        count = len(trace) - len(told)
        lines.append(f"  (and {count} plain accesses between a role and itself)")
    lines.append(f"  => {violation}" if violation else "  => nothing wrong")
    return "\n".join(lines)


def _telling(trace: list) -> list:
    """Return the rows without plain loads of what no other role writes, and plain stores of what no
    other role touches.
    """
    touched: dict[str, set[str]] = {}
    written: dict[str, set[str]] = {}
    for _, role, what, cell, *_ in trace:
        touched.setdefault(cell, set()).add(role)
        if not what.startswith("load"):
            written.setdefault(cell, set()).add(role)
    return [
        row
        for row in trace
        if not (row[2] == "load plain" and written.get(row[3], set()) <= {row[1]})
        and not (row[2] == "store plain" and touched[row[3]] <= {row[1]})
    ]
