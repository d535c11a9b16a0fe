"""How a stage's process begins, whoever started it: signals, orphanhood, reports, and its main.

A stage ignores INT, TERM and HUP: the supervisor alone decides, by the stop word. It outlives its
zygote if the supervisor does, who adopts it, and then ends with that: a run without either has
nobody who could unlink what it shares. Started as a program
of its own (process.start = spawn) it reads the plan as JSON from a pipe; forked from the zygote it
has it already.
"""

import ctypes
import faulthandler
import json
import os
import signal
import sys
import traceback

import msgspec

from engine.errors import EngineError
from engine.pipeline import mains
from engine.rings.plan import RunPlan
from engine.rings.report import Reporter
from engine.rings.statistics import stage_of

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ORPHANED = signal.SIGUSR1  # What the kernel sends zygote and stages when their parent ends.
FAILED = 1  # Exit code of a stage that has reported why.
_TRACEBACK_LINES = 12


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; end at once if it has already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(FAILED)


def _die_with_both(parent: int, above: int) -> None:
    """End when the parent has ended and `above` has, who is to adopt this process."""

    def orphaned(*_) -> None:
        if os.getppid() != above:
            os._exit(FAILED)
        die_with(above)

    signal.signal(ORPHANED, orphaned)
    signal_at_end_of(parent, ORPHANED)


def signal_at_end_of(parent: int, number: signal.Signals) -> None:
    """Have a signal sent to this process when its parent ends; at once if it has already."""
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        signal.raise_signal(number)


def adopt_orphans() -> None:
    """Have children come to this process whose parents end; they can then be waited for."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run_stage_process(
    plan: RunPlan, name: str, reporter: Reporter, parent: int, above: int = 0
) -> int:
    """Run the stage `name` of a run in this process; return its exit code.

    `above`: who adopts it when its parent ends; 0: nobody.
    """
    if above:
        _die_with_both(parent, above)
    else:
        die_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable(open(os.devnull, "wb"))  # noqa: SIM115 - lives as long as the process.
    stage, _, number = name.partition(".")
    try:
        mains()[stage](plan, int(number or 0), reporter)
    except EngineError as error:
        reporter.send("failed", error=str(error), exit_code=error.exit_code)
        return FAILED
    except Exception:
        # Our bug: the process dies and the supervisor says so, with what a report of it needs.
        lines = traceback.format_exc().strip().splitlines()[-_TRACEBACK_LINES:]
        reporter.send("failed", error="a bug of the engine:\n" + "\n".join(lines), exit_code=4)
        return FAILED
    return 0


def encode_plan(plan: RunPlan) -> bytes:
    """Return a plan as JSON; names of files that are not UTF-8 survive."""
    return json.dumps(msgspec.to_builtins(plan)).encode()


def decode_plan(text: bytes) -> RunPlan:
    """Return the plan that encode_plan was given."""
    return msgspec.convert(json.loads(text), RunPlan)


def main(arguments: list[str]) -> int:
    """Run a stage as a program: name, descriptors (plan, reports, who is woken), parent's pid."""
    name = arguments[0]
    plan_descriptor, log, wake, parent = map(int, arguments[1:])
    with open(plan_descriptor, "rb") as file:
        plan = decode_plan(file.read())
    assert stage_of(name) in mains()
    return run_stage_process(plan, name, Reporter(log, name, wake), parent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
