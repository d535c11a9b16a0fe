"""`engine model show|check`: what a model is, and whether it may be used."""

import sys

import click

from engine.cli.options import json_option, write


@click.group()
def model() -> None:
    """Show and check model files."""


@model.command()
@click.argument("path", required=False)
@json_option
def show(path: str | None, as_json: bool) -> None:
    """Print the card of a model; without PATH that of the model in the package."""
    import msgspec

    from engine.classifier import model as models

    card = models.show(models.path_of(path or ""))
    text = msgspec.json.format(msgspec.json.encode(card)).decode()
    if as_json:
        write(text + "\n")
        return
    for name, value in card.items():
        if isinstance(value, dict | list):
            value = msgspec.json.format(msgspec.json.encode(value)).decode().replace("\n", "\n  ")
        write(f"{name}: {value}\n")


@model.command()
@click.argument("path", required=False)
def check(path: str | None) -> None:
    """Check a model: its features, every index in it, its own reference vectors."""
    from engine.classifier import model as models

    path = models.path_of(path or "")
    findings = models.check(path)
    for finding in findings:
        write(f"wrong: {finding}\n")
    if not findings:
        write(f"{path}: may be used\n")
    sys.exit(1 if findings else 0)
