"""A flow diagram (Sankey): counts in columns, ribbons between them as thick as the counts are.

Exact numbers stand beside the nodes; a node that would be too thin to see is drawn at
_THICKNESS_MIN.
"""

from dataclasses import dataclass

from engine.report.markup import Markup, element, joined
from engine.report.numbers import count, share

_WIDTH, _NODE_WIDTH, _LABEL_WIDTH = 560, 9, 188
_HEIGHT = 170  # Of the largest count.
_SLOT_MIN, _GAP, _MARGIN = 17, 7, 6
_THICKNESS_MIN = 1.5


@dataclass(frozen=True, slots=True)
class Node:
    """A count in a column; `tone` good, bad, dim or plain; `hint` says more."""

    name: str
    count: int
    column: int
    tone: str = "plain"
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """What goes from a node on to another, by their names."""

    source: str
    target: str
    count: int


@dataclass(slots=True)
class _Place:
    x: float
    y: float
    height: float
    middle: float
    out: float = 0.0
    into: float = 0.0


def diagram(nodes: list[Node], links: list[Link], label: str) -> Markup:
    """Return the drawing of the nodes and links whose count is above 0."""
    nodes = [node for node in nodes if node.count > 0]
    by_name = {node.name: node for node in nodes}
    assert len(by_name) == len(nodes)
    links = [k for k in links if k.count > 0 and k.source in by_name and k.target in by_name]
    if not nodes:
        return element("p", "Nothing was counted.", class_="none")
    columns = sorted({node.column for node in nodes})
    most = max(sum(n.count for n in nodes if n.column == column) for column in columns)
    places: dict[str, _Place] = {}
    height = 0.0
    for number, column in enumerate(columns):
        steps = max(1, len(columns) - 1)
        x = number * (_WIDTH - _LABEL_WIDTH) / steps
        inside = [node for node in nodes if node.column == column]
        height = max(height, _stack(inside, x, most, places))
    ribbons = [_ribbon(link, by_name, places, most) for link in links]
    drawn = [_node(node, places[node.name], most) for node in nodes]
    return element(
        "svg",
        *ribbons,
        *drawn,
        viewBox=f"0 0 {_WIDTH} {height:.0f}",
        class_="diagram",
        role="img",
        aria_label=label,
    )


def _stack(nodes: list[Node], x: float, most: int, places: dict[str, _Place]) -> float:
    """Place a column's nodes under one another; return where it ends."""
    y = float(_MARGIN)
    for node in nodes:
        height = max(_THICKNESS_MIN, _HEIGHT * node.count / most)
        slot = max(_SLOT_MIN, height)
        places[node.name] = _Place(x, y + (slot - height) / 2, height, y + slot / 2)
        y += slot + _GAP
    return y - _GAP + _MARGIN


def _ribbon(link: Link, nodes: dict[str, Node], places: dict[str, _Place], most: int) -> Markup:
    begin, end = places[link.source], places[link.target]
    thick = _HEIGHT * link.count / most
    out_of = min(thick, begin.height)
    into = max(min(thick, end.height), _THICKNESS_MIN)
    top, bottom = begin.y + begin.out, end.y + end.into
    begin.out += out_of
    end.into += into
    x, to = begin.x + _NODE_WIDTH, end.x
    middle = (x + to) / 2
    path = (
        f"M{x:.1f},{top:.1f}C{middle:.1f},{top:.1f} {middle:.1f},{bottom:.1f} {to:.1f},{bottom:.1f}"
        f"v{into:.1f}C{middle:.1f},{bottom + into:.1f} {middle:.1f},{top + out_of:.1f} "
        f"{x:.1f},{top + out_of:.1f}z"
    )
    text = f"{link.source} → {link.target}: {count(link.count)}"
    tone = nodes[link.target].tone
    return element("path", element("title", text), d=path, class_=f"ribbon {tone}")


def _node(node: Node, place: _Place, most: int) -> Markup:
    text = f"{node.name}: {count(node.count)} ({share(node.count, most)})"
    box = element(
        "rect",
        x=f"{place.x:.1f}",
        y=f"{place.y:.1f}",
        width=_NODE_WIDTH,
        height=f"{place.height:.1f}",
        rx=1.5,
        class_=f"node {node.tone}",
    )
    words = element(
        "text",
        element("tspan", count(node.count), class_="strong"),
        " ",
        element("tspan", node.name),
        x=f"{place.x + _NODE_WIDTH + 6:.1f}",
        y=f"{place.middle + 4:.1f}",
    )
    hint = element("title", joined(text, f": {node.hint}" if node.hint else ""))
    return element("g", hint, box, words)
