"""`engine features|check|diff|report|stats|layout`: look at what is, without running anything."""

import sys

import click

from engine.cli.options import json_option, write


@click.group(invoke_without_command=True)
@click.pass_context
def features(context: click.Context) -> None:
    """Show the 142 features.

    Each has a formula, a unit, a condition under which it is valid, and names in other programs.
    """
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


@features.command()
@click.argument("folder")
@json_option
def summary(folder: str, as_json: bool) -> None:
    """Show how often each feature of a run is valid, and its least, middle and largest value.

    FOLDER: what a run with --flows csv, jsonl or parquet has written.
    """
    from engine.feature_table import feature_table, report

    write(report(feature_table(folder), as_json))


run_option = click.option("--run", metavar="NAME", help="Which engine, when several are running.")


@click.command()
@click.argument("folder", required=False)
@click.option("--sources", is_flag=True, help="Also compare the sources with their sha256.")
@run_option
def check(folder: str | None, sources: bool, run: str | None) -> None:
    """Prove that every packet of a run is accounted for.

    FOLDER: what a finished run wrote; without it the engine that is running here.
    """
    from engine.check import check_folder, check_live, check_sources, is_wrong
    from engine.check import report as text_of
    from engine.cli.live import live_run

    if folder is None:
        findings = check_live(live_run(run))
    else:
        findings = check_folder(folder) + (check_sources(folder) if sources else [])
    write(text_of(findings))
    sys.exit(1 if is_wrong(findings) else 0)


@click.command()
@click.argument("a")
@click.argument("b")
def diff(a: str, b: str) -> None:
    """Compare the flow records of two runs.

    A and B: folders that runs have written. The first record that differs is shown field by field.
    """
    from engine.diff import diff_folders

    found = diff_folders(a, b)
    write(found.text())
    sys.exit(found.exit_code)


@click.command()
@click.argument("folder")
@click.option("-o", "--output", metavar="FILE", help="Default: report.html in the folder.")
def report(folder: str, output: str | None) -> None:
    """Write one HTML page of a finished run.

    FOLDER: what the run wrote. The page is one file and loads nothing: it can be sent and archived.
    """
    from engine.recorder.escape import shown_text
    from engine.report import write_report

    write(f"{shown_text(str(write_report(folder, output)))}\n")


@click.command()
@run_option
@json_option
def stats(run: str | None, as_json: bool) -> None:
    """Print the processes and counters of the running engine."""
    import msgspec

    from engine.cli.live import counter_lines, live_run, process_lines
    from engine.rings.statistics import Statistics

    name = live_run(run)
    statistics = Statistics.attach(name)
    if as_json:
        processes = {line.name: line.values() for line in statistics.processes()}
        counters = {"run": name, "counters": statistics.totals(), "processes": processes}
        write(msgspec.json.format(msgspec.json.encode(counters)).decode() + "\n")
        return
    write("\n".join([*process_lines(name, statistics), "", *counter_lines(statistics)]) + "\n")


@click.command()
def layout() -> None:
    """Print every shared structure, byte by byte."""
    from engine.layouts.pages import rst

    write(rst())
