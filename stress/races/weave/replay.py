"""Replay files: a schedule that went wrong once, to be run for ever after.

JSON: the program's name (MODULE:NAME), the setting, the schedule, and what went wrong. Committed
beside a test it says that the defect is gone, as long as the program still makes the same choices;
`step` says how many steps the execution had.
"""

import json
from dataclasses import asdict
from pathlib import Path

from stress.races.weave.cells import ViolationError
from stress.races.weave.choosers import Script
from stress.races.weave.explore import Program, run
from stress.races.weave.roles import Setting
from stress.races.weave.schedule import Schedule


def save(
    path: Path, name: str, setting: Setting, schedule: Schedule, violation: ViolationError
) -> None:
    """Write a replay file."""
    written = {
        "program": name,
        "violation": {"kind": violation.kind, "text": violation.text},
        "setting": asdict(setting),
        "schedule": schedule.as_json(),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in written.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def load(path: Path) -> tuple[str, Setting, Schedule, str]:
    """Return a file's program name, setting, schedule, and the kind of what went wrong."""
    read = json.loads(path.read_text(encoding="utf-8"))
    schedule = Schedule.from_json(read["schedule"])
    return read["program"], Setting(**read["setting"]), schedule, read["violation"]["kind"]


def replay(path: Path, program: Program) -> ViolationError | None:
    """Run a replay file's schedule on a program; return what goes wrong, if anything does."""
    _, setting, schedule, _ = load(path)
    return run(program, Script(schedule), setting)[1]
