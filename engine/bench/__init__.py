"""`engine bench`: what the engine costs here, beside other programs, so that it can be repeated.

Called by the command line. See README.rst for what is measured and how.
"""

import sys

import click

from engine.bench.options import BenchOptions
from engine.errors import ConfigError

_KINDS = ("scaling", "memory", "hostile", "stages", "clean")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--capture", metavar="FILE", help="Measure this capture instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--runs", type=int, default=5, show_default=True, help="Runs of each program.")
@click.option("-n", "--workers", type=int, metavar="N", help="Workers; default: cores - 2.")
@click.option("--cores", type=int, default=2, show_default=True, help="Cores that are used.")
@click.option("--only", default="", metavar="NAMES", help="Workloads, programs: mix,many,argus …")
@click.option("--quick", is_flag=True, help="Workloads of a tenth, fewer runs: for a first look.")
@click.option("--save", is_flag=True, help="Keep the result in stress/results (in a checkout).")
@click.option("--scaling", is_flag=True, help="Cost per packet at 1,000 to 1,000,000 live flows.")
@click.option("--memory", is_flag=True, help="Bytes per flow; memory of each process.")
@click.option("--hostile", is_flag=True, help="Input that attacks what is known of hosts.")
@click.option("--stages", is_flag=True, help="The kernels alone, in one process.")
@click.option("--clean", is_flag=True, help="Remove the workloads from the cache.")
def _bench(**options) -> int:
    """Measure speed and memory, beside other programs that are installed."""
    from engine.bench.command import bench_command

    kinds = [kind for kind in _KINDS if options.pop(kind)]
    if len(kinds) > 1:
        raise ConfigError(f"one of --{' and --'.join(kinds)} at a time")
    return bench_command(BenchOptions(kind=kinds[0] if kinds else "speed", **options))


def main(arguments: list[str]) -> int:
    """Run `engine bench` with these arguments; return the exit code."""
    try:
        return _bench.main(arguments, "engine bench", standalone_mode=False) or 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    finally:
        sys.stdout.flush()
