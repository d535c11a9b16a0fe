"""An execution as a table for people: one line per access, what was wrong at the end."""

from stress.races.weave.cells import ViolationError
from stress.races.weave.choosers import Script
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
    """Return the rows of a trace, aligned: role, access, word, value, remark | place | source."""
    rows = []
    for _, role, what, cell, value, shown, site in trace:
        shown_value = "" if value is None else f"= {value}"
        place = place_of(site) if site else ""
        rows.append((role, what, cell, shown_value, shown, place, source_of(site) if site else ""))
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(7)]
    lines = []
    for row in rows:
        left = "  ".join(row[k].ljust(widths[k]) for k in range(5))
        lines.append(f"  {left} | {row[5].ljust(widths[5])} | {row[6]}".rstrip())
    lines.append(f"  => {violation}" if violation else "  => nothing wrong")
    return "\n".join(lines)
