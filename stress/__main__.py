"""python -m stress: the instruments, and the engine put to the test."""

import importlib

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


if __name__ == "__main__":
    main(prog_name="python -m stress")
