"""python -m stress run: scenarios for a time each; exit 1 if anything forbidden comes of them."""

import sys

import click

from engine.supervisor.kernels import load_kernels
from stress.harness.scenarios import SCENARIOS, as_record, line_of, try_scenario
from stress.kept import keep_result

_SHOWN = 3


@click.command(name="run")
@click.argument("name", type=click.Choice(("all", *SCENARIOS)))
@click.option("--seconds", type=float, default=20.0, help="For each scenario; at least one trial.")
@click.option("--seed", type=int, default=1)
@click.option("--trial", type=int, default=None, help="This trial alone, as a finding names it.")
@click.option("--kills", type=click.IntRange(0), default=0, help="Of kill_storm, in one run.")
@click.option("--input", type=click.Path(exists=True), help="That it reads.")
@click.option("--save", is_flag=True, help="Keep the result in stress/results.")
def command(name, seconds, seed, trial, save, **given) -> None:
    """Try a scenario, or all of them; what may come of it is named in `list`."""
    load_kernels(lambda: print("compiling the kernels", file=sys.stderr, flush=True))
    tallies = []
    for scenario in SCENARIOS.values() if name == "all" else (SCENARIOS[name],):
        tally = try_scenario(scenario, seed, seconds, trial, **given)
        tallies.append(tally)
        print(line_of(tally), flush=True)
        for fault in tally.forbidden[:_SHOWN]:
            print(f"  {fault['outcome']}: {fault['seen']}\n  again: {fault['again']}", flush=True)
    if save:
        print(f"kept: {keep_result('stress', as_record(tallies, seed))}")
    forbidden = sum(len(tally.forbidden) for tally in tallies)
    print(f"{sum(tally.trials for tally in tallies)} trials, {forbidden} forbidden outcomes")
    sys.exit(1 if forbidden else 0)
