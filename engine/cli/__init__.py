"""The command line: `engine VERB ...`. Verbs and flags follow tcpdump, Suricata and Zeek.

Exit codes: 0 done, also with warnings; 1 failed after the start; 2 usage, configuration, missing
file, bad filter; 3 damaged input or loss, with --strict only; 4 a process died; 130 interrupted
twice.
"""

import os
import signal
import sys

import click

from engine import __version__
from engine.cli.config import config
from engine.cli.hosts import hosts
from engine.cli.inspect import check, diff, features, layout, report, stats
from engine.cli.model import model
from engine.cli.run import run
from engine.cli.shm import shm
from engine.errors import EngineError
from engine.recorder.escape import shown_text

BROKEN_PIPE = 1
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="engine")
def engine() -> None:
    """Network intrusion detection that accounts for every packet."""


for command in (run, features, check, diff, report, stats, hosts, layout, model, config, shm):
    engine.add_command(command)


@engine.command(
    add_help_option=False,  # Its own options have their own help.
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure speed and memory, beside other programs."""
    from engine.bench import main as bench_main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # It has files to remove.
    sys.exit(bench_main(list(arguments)))


def main() -> None:
    """Run a verb; faults of the world become one line and their exit code."""
    _open_standard_streams()
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    try:
        engine(prog_name="engine", standalone_mode=False)
    except EngineError as error:
        print("engine: " + shown_text(str(error)), file=sys.stderr)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(BROKEN_PIPE)  # Whoever read our output has gone: nobody is there to be told.


def _leave(number: int, frame) -> None:
    """End at an interrupt, where no run has begun: there is nothing to undo.

    Raised amid the compiling of a kernel, a KeyboardInterrupt comes out as some other error.
    """
    os._exit(INTERRUPTED)


def _open_standard_streams() -> None:
    """Open what of descriptors 0 to 2 is closed: else our own files would get their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest that is free: `number`.
            stream = os.fdopen(number, "w" if number else "r", closefd=False)
            setattr(sys, name, stream)
