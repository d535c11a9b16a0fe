"""python -m stress mutate: change shipped code line by line, and see what notices."""

import json
import sys
import time

import click

from stress.kept import keep_result

LAYERS = ("memory", "rings", "flows", "classifier", "recorder")


@click.command()
@click.argument("layers", nargs=-1, type=click.Choice(LAYERS))
@click.option("--list", "is_list", is_flag=True, help="Name the mutants; run nothing.")
@click.option("--only", default="", help="Those whose name has this in it.")
@click.option("--jobs", default=2, type=click.IntRange(1, 64), help="Mutants at a time.")
@click.option("--seconds", default=0, help="Begin no more mutants after that long; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Print the record.")
@click.option("--save", is_flag=True, help="Keep the record in stress/results.")
def command(layers: tuple[str, ...], **options) -> None:
    """Score the suites of LAYERS: which changes of orders, fences, bounds, rechecks they notice.

    Exits 1 if a score is below 95 %, a justification fits no mutant or one that is noticed, or a
    suite fails for what is shipped.
    """
    from stress.mutate import table, trials
    from stress.mutate.justified import justified, unfit
    from stress.mutate.mutants import mutants

    layers = layers or LAYERS
    made, reasons = mutants(layers), justified()
    wrong = [f"no such mutant is justified: {name}" for name in unfit(reasons, made, layers)]
    chosen = [mutant for mutant in made if options["only"] in mutant.name]
    if options["is_list"]:
        print("\n".join(mutant.name for mutant in chosen))
        sys.exit(_end(wrong))
    begin = time.monotonic()
    wrong += trials.unsound({mutant.file for mutant in chosen}, options["jobs"])
    if wrong:
        sys.exit(_end(wrong))
    found = trials.judged(chosen, options["jobs"], _tell, options["seconds"])
    is_whole = len(found) == len(made)
    record = {
        "whole": list(layers) if is_whole else [],
        "seconds": round(time.monotonic() - begin, 1),
        "layers": table.rows_of(found, reasons),
        "mutants": {name: {k: one[k] for k in ("by", "how") if one} for name, one in found.items()},
    }
    print(json.dumps(record) if options["as_json"] else table.text(record["layers"]))
    for name in table.survivors(found, reasons):
        print(f"nothing notices: {name}")
    if options["save"]:
        print(keep_result("mutation", record), file=sys.stderr)
    sys.exit(_end(table.wrong(found, reasons)))


def _tell(mutant, found: dict) -> None:
    """Say what became of a mutant, as it comes."""
    print(f"{found.get('by') or 'nothing':50.50} {mutant.name}", file=sys.stderr, flush=True)


def _end(wrong: list[str]) -> int:
    """Print what is wrong; return the exit code."""
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0
