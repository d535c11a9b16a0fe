"""python -m stress: the instruments, and the engine put to the test."""

import importlib
import sys

import click

# Verb -> module whose `command` (a click command) runs it. Imported when called: some instruments
# must hook numba before anything is compiled.
COMMANDS = {
    "races": "stress.races.command",
    "fuzz": "stress.fuzz.command",
    "mutate": "stress.mutate.command",
    "list": "stress.harness.listing",
    "run": "stress.harness.running",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return importlib.import_module(COMMANDS[name]).command if name in COMMANDS else None


@click.group(cls=_Lazy)
def main() -> None:
    """Find races, crash processes, flood the engine."""


def _run() -> None:
    """Run the command line; say what to install where a package of the tests is missing."""
    try:
        main(prog_name="python -m stress")
    except ModuleNotFoundError as error:
        sys.exit(
            f"stress: package {error.name!r} is missing: the instruments need what the tests need; "
            "set it up with tools/test --quick, or pip install -e '.[lake,test,train]'"
        )


if __name__ == "__main__":
    _run()
