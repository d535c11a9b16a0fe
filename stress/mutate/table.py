"""The score of each layer: mutants, who noticed them, which are justified; as text and as RST."""

from collections import Counter

from stress.mutate.mutants import LAYERS

KINDS = ("model checker", "tests", "property tests", "compiled")
HEAD = ("layer", "mutants", "killed", *(f"by {kind}" for kind in KINDS), "justified", "score")
SCORE_MIN = 0.95


def kind_of(suite: str) -> str:
    """Return which of KINDS a suite is."""
    if suite.startswith("weave "):
        return KINDS[0]
    if "--noconftest" in suite:
        return KINDS[3]
    return KINDS[2] if suite.startswith("tests/property") else KINDS[1]


def layer_of(name: str) -> str:
    """Return the layer of a mutant."""
    return name.partition("/")[0]


def rows_of(found: dict[str, dict], reasons: dict[str, str]) -> list[dict]:
    """Return a row for each layer; `found`: {mutant's name: {by, how, ...}, or {}}."""
    rows = []
    for layer in LAYERS:
        names = [name for name in found if layer_of(name) == layer]
        killed = [name for name in names if found[name]]
        excused = [name for name in names if not found[name] and name in reasons]
        row = {"layer": layer, "mutants": len(names), "killed": len(killed)}
        row["by"] = dict(Counter(kind_of(found[name]["by"]) for name in killed))
        row |= {"justified": len(excused), "score": score(len(killed), len(names) - len(excused))}
        rows += [row] if names else []
    return rows


def joined(records: list[dict]) -> dict[str, dict]:
    """Return what the last of the records that has it says of each mutant.

    A record of whole layers takes the place of all before it: names that are gone are gone.
    """
    found: dict[str, dict] = {}
    for record in records:
        found = {name: one for name, one in found.items() if layer_of(name) not in record["whole"]}
        found |= record["mutants"]
    return found


def score(killed: int, judged: int) -> float:
    """Return the part of mutants that was noticed, of those that are not justified."""
    return round(killed / judged, 4) if judged else 1.0


def wrong(found: dict[str, dict], reasons: dict[str, str]) -> list[str]:
    """Return what is not as it must be: a score too low; a justified mutant that is noticed."""
    said = [
        f"{row['layer']}: {row['score']:.1%} is below {SCORE_MIN:.0%}"
        for row in rows_of(found, reasons)
        if row["score"] < SCORE_MIN
    ]
    return said + [
        f"justified, yet noticed by {one['by']}: {name}"
        for name, one in found.items()
        if one and name in reasons
    ]


def survivors(found: dict[str, dict], reasons: dict[str, str]) -> list[str]:
    """Return the mutants that nothing noticed and nobody justified."""
    return [name for name, one in found.items() if not one and name not in reasons]


def _cells(rows: list[dict]) -> list[tuple[str, ...]]:
    total = {name: sum(row[name] for row in rows) for name in ("mutants", "killed", "justified")}
    by = Counter()
    for row in rows:
        by.update(row["by"])
    total |= {"layer": "all", "by": by}
    total["score"] = score(total["killed"], total["mutants"] - total["justified"])
    return [
        (
            row["layer"],
            *(str(row[name]) for name in ("mutants", "killed")),
            *(str(row["by"].get(kind, 0)) for kind in KINDS),
            str(row["justified"]),
            f"{100 * row['score']:.1f} %",
        )
        for row in [*rows, total]
    ]


def rst(rows: list[dict]) -> str:
    """Return the table for stress/README.rst."""
    body = "\n".join("   * - " + "\n     - ".join(cells) for cells in [HEAD, *_cells(rows)])
    return f".. list-table::\n   :header-rows: 1\n\n{body}\n"


def text(rows: list[dict]) -> str:
    """Return the table for a terminal."""
    lines = [HEAD, *_cells(rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
