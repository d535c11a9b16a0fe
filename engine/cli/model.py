"""`engine model show|check`: what a model is, and whether it may be used."""

import sys
import textwrap

import click

from engine.cli.options import json_option, write

WIDTH = 100
_MEASURED = ("captures", "sources", "flows", "ordinary_flows", "ordinary_captures", "suite_flows")


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
    if as_json:
        write(msgspec.json.format(msgspec.json.encode(card)).decode() + "\n")
    else:
        write("\n".join(_described(card)) + "\n")


def _described(card: dict) -> list[str]:
    """Return a card as lines for people."""
    lines = [f"{card['name']} {card['version']}, {card['created']}, {card['licence']}"]
    lines += [f"{card['file']}: {card['bytes']:,} bytes, sha256 {card['sha256']}", ""]
    lines += textwrap.wrap(card["description"], WIDTH)
    lines += ["", "Measured on laboratories that no part of the model had seen: found of all"]
    lines += _table(
        [
            ("", "attacks:", "", "", "ordinary, alarmed:", "", "suites:"),
            ("kind", "captures", "sources", "flows", "flows", "captures", "flows"),
            *((kind["label"], *_measured(kind["validation"])) for kind in card["kinds"]),
            ("all together", *_measured(card["together"])),
            *_without_hosts(card),
        ]
    )
    lines += ["  Suites are collections of protocol samples: benign, and odd on purpose."]
    lines += ["", "Trained on, and how large"]
    sizes = card["gate_trees"], card["trees"]
    lines += _table(
        [
            ("kind", "captures", "sources", "flows", "gate trees", "trees"),
            *(
                (
                    kind["label"],
                    *(f"{kind[name]:,}" for name in ("captures", "sources", "flows")),
                    *(str(trees[kind["label"]]) for trees in sizes),
                )
                for kind in card["kinds"]
            ),
        ]
    )
    lines += ["", f"Gates cleared {card['cleared']:.1%} of ordinary records wholly."]
    for kind in card["kinds"]:
        if kind["conditions"]:
            lines += _listed(f"A counter: {kind['label']}, where", kind["conditions"])
    lines += _listed("Limits", card["limits"])
    lines += _listed("Training", [f"{name}: {value}" for name, value in card["training"].items()])
    used = len(card["features_used"])
    lines += ["", f"Uses {used} of {card['features']} features (--json names them);"]
    lines += [f"feature digest {card['feature_digest']}"]
    return lines


def _without_hosts(card: dict) -> list[tuple[str, ...]]:
    """Return rows of what was found without host features, where the card says so."""
    measured = [(kind["label"], kind["flow_only"]) for kind in card["kinds"]]
    measured.append(("all together", card["together_flow_only"]))
    rows = [(label, *_measured(found)) for label, found in measured if found]
    return [("by flow features only:", *[""] * len(_MEASURED)), *rows] if rows else []


def _measured(validation: dict) -> tuple[str, ...]:
    counts = (validation[name] for name in _MEASURED)
    return tuple(f"{count['found']:,} of {count['all']:,}" for count in counts)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows in columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    ]


def _listed(title: str, texts: list[str]) -> list[str]:
    """Return a title and an indented paragraph for each text."""
    lines = ["", title]
    for text in texts:
        lines += textwrap.wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return lines


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
