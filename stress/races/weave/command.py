"""python -m stress races weave: explore a scenario, shrink what goes wrong, or replay a file."""

import os
import sys
from pathlib import Path

import click

from stress.races.scenario import ScenarioError, load_scenario
from stress.races.weave import replay, shown
from stress.races.weave.cells import RefusedError
from stress.races.weave.choosers import EveryChoice, Priorities, RandomWalk
from stress.races.weave.dpor import Dpor
from stress.races.weave.explore import Finding, Program, explore
from stress.races.weave.models import MODELS
from stress.races.weave.roles import Setting
from stress.races.weave.shrink import shrink

CHOOSERS = {
    "random": lambda seed, switches: RandomWalk(seed),
    "pct": lambda seed, switches: Priorities(seed),
    "bounded": lambda seed, switches: EveryChoice(switches),
    "dpor": lambda seed, switches: Dpor(),
}
SYSTEMATIC = ("bounded", "dpor")


@click.command()
@click.argument("name", metavar="MODULE:NAME")
@click.option("--model", type=click.Choice(list(MODELS)), default="c11", show_default=True)
@click.option("--chooser", type=click.Choice(list(CHOOSERS)), default="pct", show_default=True)
@click.option("--schedules", default=3000, show_default=True, help="Executions at most.")
@click.option("--seed", default=1, show_default=True, help="Of random and pct.")
@click.option("--switches", default=2, show_default=True, help="Of bounded: preemptions at most.")
@click.option("--stale", default=2, show_default=True, help="c11: reads of older values at most.")
@click.option("--kills", default=0, show_default=True, help="Deaths of roles at most.")
@click.option("--victim", multiple=True, help="Only this role dies; may be given again.")
@click.option("--races", type=click.Choice(["raise", "off"]), default="raise", show_default=True)
@click.option("--spins", type=click.Choice(["wait", "run"]), default="wait", show_default=True)
@click.option(
    "--front", type=click.Choice(["lifted", "compiled"]), default="lifted", show_default=True
)
@click.option("--save", "saved", type=click.Path(path_type=Path), help="Write a replay file.")
@click.option("--replay", "replayed", type=click.Path(path_type=Path), help="Run a replay file.")
def command(name: str, front: str, saved: Path | None, replayed: Path | None, **options) -> None:
    """Model-check the kernels of a scenario: their source (lifted), or what numba makes of it."""
    try:
        program = _program_of(name, front, options["victim"] or None)
        if replayed is not None:
            found = _replay(program, replayed)
        else:
            found = _explore(name, program, saved, options)
    except (ScenarioError, RefusedError) as error:
        raise click.ClickException(f"{name}: {error}") from None
    if front == "compiled":
        sys.stdout.flush()
        os._exit(found)  # Greenlets are parked in compiled code: they cannot be ended.
    sys.exit(found)


def _program_of(name: str, front: str, victims: tuple[str, ...] | None) -> Program:
    """Return the program; each front is imported when it is asked for."""
    if front == "compiled":
        from stress.races.weave.compiled import compiled_program, install_bridge

        bridge = install_bridge()  # Before the scenario's kernels are imported.
        return compiled_program(load_scenario(name), bridge, victims)
    from stress.races.weave.lift import program_of

    return program_of(load_scenario(name), victims)


def _replay(program: Program, path: Path) -> int:
    """Show a file's schedule; return 1 if it goes wrong."""
    _, setting, schedule, _ = replay.load(path)
    click.echo(shown.table_of(program, schedule, setting))
    return 1 if replay.replay(path, program) is not None else 0


def _explore(name: str, program: Program, saved: Path | None, options: dict) -> int:
    setting = Setting(
        model=options["model"],
        races=options["races"],
        spins=options["spins"],
        stale_max=options["stale"],
        kills_max=options["kills"],
    )
    chooser = CHOOSERS[options["chooser"]](options["seed"], options["switches"])
    explored = explore(program, chooser, setting, options["schedules"])
    rate = explored.executions / max(explored.seconds, 1e-9)
    click.echo(f"{name}: {setting.model}, {options['chooser']}: {explored} ({rate:,.0f} a second)")
    if explored.finding is None:
        if options["chooser"] in SYSTEMATIC and not explored.is_exhausted:
            click.echo("not exhaustive: ask for more with --schedules")
        return 0
    _show(name, program, explored.finding, (setting, saved))
    return 1


def _show(name: str, program: Program, finding: Finding, told: tuple) -> None:
    setting, saved = told
    small = shrink(program, finding, setting)
    how = "a shortest schedule" if small.is_shortest else "the shortest schedule found"
    click.echo(f"{finding.schedule} -> {small.schedule}: {how}, after {small.executions} more")
    click.echo(shown.table_of(program, small.schedule, setting))
    if saved is not None:
        replay.save(saved, name, setting, small.schedule, small.violation)
        click.echo(f"repeat it: python -m stress races weave {name} --replay {saved}")
