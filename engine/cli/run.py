"""`engine run`: read sources, meter flows, score them, write what was asked for."""

import sys

import click

from engine.cli.options import config_option, json_option, load_config, set_option
from engine.errors import ConfigError

FLOW_FORMATS = ("csv", "jsonl", "parquet")


@click.command()
@click.option("-r", "sources", multiple=True, metavar="FILE|DIR|-", help="Read captures.")
@click.option("-w", "folder", metavar="DIR", help="Write files into this folder.")
@click.option("--overwrite", is_flag=True, help="Use the folder even if it is not empty.")
@config_option
@set_option
@click.option("-n", "--workers", type=int, metavar="N", help="Worker processes.")
@click.option("--separate", is_flag=True, help="Files one by one, nothing kept between them.")
@click.option("--no-score", is_flag=True, help="Do not score: no alerts.")
@click.option(
    "--flows", "formats", multiple=True, type=click.Choice(FLOW_FORMATS), help="Write flows."
)
@click.option("--early", is_flag=True, help="Write early records too, marked.")
@click.option(
    "--count", "packets_max", type=int, default=0, metavar="N", help="Stop after N packets."
)
@click.option("--digest", is_flag=True, help="Compute the digest of all records.")
@click.option("--strict", is_flag=True, help="Exit 3 if input was damaged or anything was lost.")
@json_option
@click.argument("filter_words", nargs=-1, metavar="[FILTER...]")
def run(**options) -> None:
    """Read captures; write flows and alerts. FILTER: what to read, as for tcpdump."""
    from engine.supervisor.command import RunOptions, run_command

    workers = options.pop("workers")
    settings = options.pop("settings")
    if workers is not None:
        settings = (*settings, f"engine.workers={workers}")
    loaded = load_config(options.pop("config_path"), settings)
    if not options["sources"]:
        raise ConfigError("nothing to read: name a capture with -r FILE, a folder, or - for stdin")
    if options["packets_max"] < 0:
        raise ConfigError(f"--count must not be negative, is {options['packets_max']}")
    if options["early"] and not options["formats"]:
        raise ConfigError("--early adds early records to flow outputs: give --flows too")
    if options["formats"] and options["folder"] is None:
        raise ConfigError("--flows writes files: name a folder with -w DIR")
    words = " ".join(options.pop("filter_words"))
    sys.exit(run_command(loaded, RunOptions(filter_words=words, **options)))
