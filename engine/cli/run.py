"""`engine run`: read sources, meter flows, score them, write what was asked for."""

import sys

import click

from engine.cli.options import config_option, json_option, load_config, profile_option, set_option
from engine.errors import ConfigError

FLOW_FORMATS = ("csv", "jsonl", "parquet", "zeek", "zeek-json", "cicflowmeter", "nfstream")


EPILOG = """
\b
Examples:
  engine run -r monday.pcap.gz
  engine run -r captures/ --separate -w out --flows parquet
  tcpdump -w - | engine run -r - -w out 'tcp and not port 22'

\b
Without -w alerts go to standard output, a line each. With it: eve.json (alerts,
and flows with --flows jsonl), flows.csv, flows.parquet, conn.log or conn.json
(zeek), cicflowmeter.csv, nfstream.csv, and always run.json, from which
`engine check DIR` proves that every packet is accounted for.

\b
INT, TERM: stop reading, write every flow, exit 0. A second INT: leave at once.
Exit codes: 0 done, also with warnings; 1 failed after the start; 2 usage,
configuration, missing file; 3 with --strict: damage or loss; 4 a process died;
130 interrupted twice.
"""


@click.command(epilog=EPILOG)
@click.option(
    "-r",
    "sources",
    multiple=True,
    metavar="FILE|DIR|-",
    help="Read a capture (pcap, pcapng; .gz, .zst, .xz), all below a folder, or standard input. "
    "Several are merged by time.",
)
@click.option("-w", "folder", metavar="DIR", help="Write files into this folder.")
@click.option("--overwrite", is_flag=True, help="Use the folder even if it is not empty.")
@profile_option
@config_option
@set_option
@click.option(
    "-n", "--workers", type=int, metavar="N", help="Worker processes; else cores - 2, at least 1."
)
@click.option("--separate", is_flag=True, help="Files one by one, nothing kept between them.")
@click.option("--no-score", is_flag=True, help="Do not score: no alerts.")
@click.option(
    "--flows",
    "formats",
    multiple=True,
    type=click.Choice(FLOW_FORMATS),
    help="Write a record of each flow when it ends (with -w).",
)
@click.option("--early", is_flag=True, help="Write early records of long flows too, marked.")
@click.option(
    "--count", "packets_max", type=int, default=0, metavar="N", help="Stop after N packets."
)
@click.option("--digest", is_flag=True, help="Compute the digest of all records (-w: always).")
@click.option("--strict", is_flag=True, help="Exit 3 if input was damaged or anything was lost.")
@json_option
@click.argument("filter_words", nargs=-1, metavar="[FILTER...]")
def run(**options) -> None:
    """Read captures; write flows and alerts.

    FILTER: which packets to read, as for tcpdump.
    """
    from engine.supervisor.compiled import COMPILING, are_compiled

    workers = options.pop("workers")
    settings = options.pop("settings")
    if workers is not None:
        settings = (*settings, f"engine.workers={workers}")
    loaded = load_config(options.pop("config_path"), settings, options["profile"])
    if not options["sources"]:
        raise ConfigError("nothing to read: name a capture with -r FILE, a folder, or - for stdin")
    if options["packets_max"] < 0:
        raise ConfigError(f"--count must not be negative, is {options['packets_max']}")
    if options["early"] and not options["formats"]:
        raise ConfigError("--early adds early records to flow outputs: give --flows too")
    if options["formats"] and options["folder"] is None:
        raise ConfigError("--flows writes files: name a folder with -w DIR")
    if not are_compiled():
        print(COMPILING, file=sys.stderr, flush=True)
    from engine.supervisor.command import RunOptions, run_command  # Compiles what it imports.

    words = " ".join(options.pop("filter_words"))
    sys.exit(run_command(loaded, RunOptions(filter_words=words, **options)))
