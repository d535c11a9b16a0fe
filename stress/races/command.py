"""python -m stress races INSTRUMENT MODULE:NAME: one instrument on one scenario.

An instrument that says what it has found exits 1; one that finds nothing, 0.
"""

import importlib

import click

# Instrument -> module whose `command` (a click command) runs it, imported when called.
INSTRUMENTS = {
    "zoo": "stress.zoo.command",
    "tsan": "stress.races.tsan",
    "xsan": "stress.races.xsan",
    "killpoint": "stress.races.killpoint",
    "weave": "stress.races.weave.command",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(INSTRUMENTS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return importlib.import_module(INSTRUMENTS[name]).command if name in INSTRUMENTS else None


@click.group(cls=_Lazy)
def command() -> None:
    """Find races in numba kernels."""
