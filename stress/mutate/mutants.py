"""The mutants of the layers: shipped files with one change each, found by rule, named for good.

A name says where and what: `rings/spsc.py:publish:store_release(ring, TAIL, tail):weaker`, with a
number behind it where a rule fits a line more than once. It stays as long as the line does.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stress.mutate.rules import RULES
from stress.mutate.source import Scope, Source, scopes
from stress.zoo.twins import Edit

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("memory", "rings", "flows", "classifier", "recorder")
# Of these layers the files in which a step becomes final.
COMMITTING = {"classifier": ("transaction.py",)}
COMMITTING["recorder"] = ("found.py", "ledger.py", "outputs.py")
KERNELS_ONLY = ("flows",)  # What is no kernel there looks at copies, or at a table that is still.
# Instruments that only look: what they assert is for tests, and shown by their own.
LEFT_OUT = ("flows/check.py",)
# What the others of flows compare and mask are features: bounds of theirs are the twin's matter
# (tests/property). Orders, and what is kept for recovery, are judged everywhere.
BOUNDED = ("memory/", "rings/", "classifier/")
BOUNDED += tuple(
    f"flows/{name}.py"
    for name in (
        *("clock", "consume", "deadlines", "emit", "panes", "pools", "pressure", "recover"),
        *("rewrite", "shard", "slots", "snapshot", "sorting", "stop", "table"),
    )
)
_BOUNDS = ("bound", "capacity", "mask", "unasserted")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: its name, its layer, its file below engine/, the rule, the edit."""

    name: str
    layer: str
    file: str
    rule: str
    edit: Edit


def mutants(layers: tuple[str, ...] = LAYERS) -> list[Mutant]:
    """Return the mutants of layers, in the order of files and lines."""
    return [made for layer in layers for made in _of_layer(layer)]


def _of_layer(layer: str) -> Iterator[Mutant]:
    for path in sorted((ROOT / "engine" / layer).glob("*.py")):
        file = f"{layer}/{path.name}"
        if file in LEFT_OUT or path.name not in COMMITTING.get(layer, path.name):
            continue
        source = Source(f"engine.{layer}.{path.stem}", path.read_text(encoding="utf-8"))
        yield from _of_source(source, layer, file)


def _of_source(source: Source, layer: str, file: str) -> Iterator[Mutant]:
    count: Counter[str] = Counter()
    texts = {source.text}
    for scope in scopes(source):
        if not _is_judged(scope, layer):
            continue
        for rule in RULES:
            if rule.__name__ in _BOUNDS and not file.startswith(BOUNDED):
                continue
            for node, pieces, needs in rule(source, scope):
                text = source.exchanged(pieces, needs)
                name = f"{file}:{scope.name}:{source.line(node)}:{rule.__name__}"
                count[name] += 1
                if text in texts:  # Another rule has made the same.
                    continue
                texts.add(text)
                ast.parse(text)
                number = f"#{count[name]}" if count[name] > 1 else ""
                edit = Edit(source.module, source.text, text)
                yield Mutant(name + number, layer, file, rule.__name__, edit)


def _is_judged(scope: Scope, layer: str) -> bool:
    if scope.name.rpartition(".")[2] in ("check", "_check_layout"):
        return False
    return scope.is_kernel or layer not in KERNELS_ONLY
