"""python -m stress races zoo: the table bugs x instruments, measured anew."""

import json
import sys

import click

from stress.kept import keep_result


@click.command()
@click.option("--quick", is_flag=True, help="The model checker, and one run of the engine.")
@click.option("--executions", default=300, show_default=True, help="Of each way to choose them.")
@click.option("--limit", default=120.0, show_default=True, help="Seconds of a machine's cell.")
@click.option("--cells", default="", help="A file: cells are added to it; those it has are taken.")
@click.option("--json", "as_json", is_flag=True, help="Print the record.")
@click.option("--save", is_flag=True, help="Keep the record in stress/results.")
def command(
    quick: bool, executions: int, limit: float, cells: str, as_json: bool, save: bool
) -> None:
    """Run every instrument on every planted bug, and on the shipped code.

    Exits 1 if a bug is found by none, or anything is found in the shipped code. All of it takes
    half an hour.
    """
    from stress.zoo import table
    from stress.zoo.cells import measure

    record = measure(quick, executions, limit, cells)
    print(json.dumps(record) if as_json else table.text(record))
    if save:
        print(keep_result("zoo", record), file=sys.stderr)
    wrong = table.missed(record)
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
