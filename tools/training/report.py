"""The table of what a model finds, for people: reStructuredText."""

from engine.classifier.model import Card, Count, Validation


def table_of(card: Card) -> str:
    """Return the measures of a card: of each kind, and of all together; flow features only first.

    A counter has no row of flow features only: it is made of host features.
    """
    rows = [
        (
            "kind",
            "features",
            "captures found",
            "sources",
            "flows found",
            "ordinary flows alarmed",
            "per million",
            "ordinary captures alarmed",
            "protocol suites: flows",
        )
    ]
    measured = [(kind.label, kind.flow_only, kind.validation) for kind in card.kinds]
    measured.append(("all together", card.together_flow_only, card.together))
    for label, flow_only, whole in measured:
        if flow_only:
            rows.append((label, "flow only", *_cells(flow_only)))
        counter = any(kind.label == label and kind.conditions for kind in card.kinds)
        rows.append((label, "counter" if counter else "all", *_cells(whole)))
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
    return f"{count.found:,} of {count.all:,}" if count.all else "none known"
