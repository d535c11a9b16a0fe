"""`engine hosts`: what is known of hosts."""

import click

from engine.cli.inspect import run_option
from engine.cli.options import json_option, write
from engine.errors import ConfigError


@click.command()
@click.argument("words", nargs=-1, metavar="[FOLDER] [ADDRESS]")
@click.option("--sort", "feature", metavar="FEATURE", help="Largest first; default: flows/s.")
@click.option("--top", type=int, default=0, metavar="N", help="Show N hosts only.")
@run_option
@json_option
def hosts(
    words: tuple[str, ...], feature: str | None, top: int, run: str | None, as_json: bool
) -> None:
    """Show what is known of hosts, with their newest rows of features.

    FOLDER: what a finished run wrote; without it the engine that is running here. ADDRESS: all of
    one host.
    """
    from engine import host_list
    from engine.cli.live import live_run

    folder, address = host_list.told_apart(words)
    if top < 0:
        raise ConfigError(f"--top must not be negative, is {top}")
    if folder is None:
        found = host_list.live_hosts(live_run(run))
    else:
        found = host_list.written_hosts(folder)
    if address is not None:
        found = host_list.hosts_at(found, address)
    found = host_list.sort_hosts(found, feature or host_list.SORTED_BY)
    if as_json:
        write(host_list.as_json(found[:top] if top else found))
    elif address is not None:
        write(host_list.as_text(found))
    else:
        write(host_list.as_table(found, top))
