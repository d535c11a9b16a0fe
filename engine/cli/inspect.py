"""`engine features|check|diff|stats|layout`: look at what is, without running anything."""

import sys

import click

from engine.cli.options import json_option, write


@click.group(invoke_without_command=True)
@click.pass_context
def features(context: click.Context) -> None:
    """List the 142 features, or show one with formula, unit, validity and aliases."""
    if context.invoked_subcommand is None:
        context.invoke(list_features, as_json=False)


@features.command(name="list")
@json_option
def list_features(as_json: bool) -> None:
    """List all features."""
    from engine.features.catalogue import listing

    write(listing(as_json))


@features.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one feature."""
    from engine.features.catalogue import show as show_feature

    write(show_feature(name, as_json))


@click.command()
@click.argument("folder", required=False)
@click.option("--sources", is_flag=True, help="Also compare the sources with their sha256.")
def check(folder: str | None, sources: bool) -> None:
    """Prove the accounting of a finished run from its FOLDER, or of the running engine."""
    from engine.check import check_folder, check_live, check_sources, is_wrong, report

    if folder is None:
        findings = check_live(live_run())
    else:
        findings = check_folder(folder) + (check_sources(folder) if sources else [])
    write(report(findings))
    sys.exit(1 if is_wrong(findings) else 0)


@click.command()
@click.argument("a")
@click.argument("b")
def diff(a: str, b: str) -> None:
    """Compare the flow records of two runs; name the first that differs."""
    from engine.diff import diff_folders

    found = diff_folders(a, b)
    write(found.text())
    sys.exit(found.exit_code)


@click.command()
@json_option
def stats(as_json: bool) -> None:
    """Print the counters of the running engine."""
    import msgspec

    from engine.rings.statistics import Statistics

    statistics = Statistics.attach(live_run())
    totals = statistics.totals()
    if as_json:
        processes = {line.name: line.values() for line in statistics.processes()}
        counters = {"counters": totals, "processes": processes}
        write(msgspec.json.format(msgspec.json.encode(counters)).decode() + "\n")
        return
    for stage, counters in totals.items():
        write(f"{stage}\n")
        for name, value in counters.items():
            write(f"  {name:28}{value:>16,}\n")


@click.command()
def layout() -> None:
    """Print every shared structure, byte by byte."""
    from engine.layouts.pages import rst

    write(rst())


def live_run() -> str:
    """Return the name of the newest run on this machine; ConfigError when there is none."""
    from engine.errors import ConfigError
    from engine.rings.segment import find_segments

    runs = [found.run for found in find_segments() if found.live and found.kind == "statistics"]
    if not runs:
        raise ConfigError("no engine is running here; name the folder of a finished run instead")
    if len(runs) > 1:
        raise ConfigError(f"{len(runs)} engines are running here: stop all but one to look at it")
    return runs[0]
