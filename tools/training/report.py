"""The table of what a model finds, for people: reStructuredText."""

from engine.classifier.model import Card, Count, Validation


def table_of(card: Card) -> str:
    """Return the measures of a card, a row per kind and one for all together."""
    rows = [
        (
            "kind",
            "captures found",
            "sources",
            "flows found",
            "ordinary flows alarmed",
            "per million",
            "ordinary captures alarmed",
            "protocol suites: flows",
        )
    ]
    rows += [(kind.label, *_cells(kind.validation)) for kind in card.kinds]
    rows.append(("all together", *_cells(card.together)))
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'* -' if at == 0 else '  -'} {cell}" for at, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def _cells(measured: Validation) -> tuple[str, ...]:
    return (
        _of(measured.captures),
        _of(measured.sources),
        _of(measured.flows),
        _of(measured.ordinary_flows),
        f"{1e6 * measured.ordinary_flows.found / max(measured.ordinary_flows.all, 1):,.0f}",
        _of(measured.ordinary_captures),
        _of(measured.suite_flows),
    )


def _of(count: Count) -> str:
    return f"{count.found:,} of {count.all:,}"
