"""Small drawings: amounts over time, a value against a range, a bar in a table's cell.

Shapes are stretched to the width there is; text stands beside them in HTML and keeps its size.
"""

import math
from collections.abc import Callable

import numpy as np

from engine.report import numbers
from engine.report.markup import Markup, element, joined
from engine.report.ranges import Range
from engine.report.timeline import Columns

TICKS = 5
TONES = 8  # Colours of kinds; a ninth has the first one's.
_CHART_HEIGHT = 100
_NOTHING = 1e-9  # Of the largest: what rounding leaves where nothing was.
_VALUE_MAX = 1e36  # Near what a float32 holds.
_WIDE = 20.0  # Ranges away from which an axis becomes logarithmic.


def chart(columns: Columns, series: dict[str, np.ndarray], shown: Callable[[float], str]) -> Markup:
    """Return stacked columns over time, one tone for each of the series."""
    total = sum(series.values())
    most = float(total.max()) or 1.0
    bars = []
    for at in range(len(columns)):
        base = 0.0
        for number, (name, amounts) in enumerate(series.items()):
            amount = float(amounts[at])
            if amount <= _NOTHING * most:
                continue
            high = max(1.0, _CHART_HEIGHT * amount / most)
            words = f"{_span(columns, at)}: {shown(amount)}" + (f" {name}" if name else "")
            bars.append(
                element(
                    "rect",
                    element("title", words),
                    x=f"{at + 0.08:.2f}",
                    width="0.84",
                    y=f"{_CHART_HEIGHT - base - high:.1f}",
                    height=f"{high:.1f}",
                    class_=f"tone{number % TONES}" if name else None,
                )
            )
            base += high
    cuts = [
        element("line", x1=at, x2=at, y1=0, y2=_CHART_HEIGHT, class_="cut") for at in _cuts(columns)
    ]
    return element(
        "svg",
        *bars,
        *cuts,
        viewBox=f"0 0 {len(columns)} {_CHART_HEIGHT}",
        preserveAspectRatio="none",
        class_="chart",
        role="img",
        aria_label="amounts over time",
    )


def _cuts(columns: Columns) -> list[int]:
    """Return the columns before which silence is left out."""
    apart = np.diff(columns.begins_s) > 1.5 * columns.width_s
    return (np.flatnonzero(apart) + 1).tolist() if columns.gaps else []


def _span(columns: Columns, at: int) -> str:
    begin_s = float(columns.begins_s[at])
    return f"{numbers.moment(begin_s, columns.width_s < 1)} + {numbers.width(columns.width_s)}"


def axis(columns: Columns) -> Markup:
    """Return the ticks below charts, as a row of short times."""
    count = len(columns)
    span_s = float(columns.begins_s[-1] - columns.begins_s[0]) + columns.width_s
    places = sorted({round(k * (count - 1) / (TICKS - 1)) for k in range(TICKS)})
    starts = [0, *_cuts(columns)]
    if columns.gaps and len(starts) <= TICKS:
        places = starts
    ticks = []
    for number, place in enumerate(places):
        text = numbers.tick(float(columns.begins_s[place]), span_s, columns.width_s)
        last = number == len(places) - 1 and place > count / 2
        side, offset = ("right", 1 - (place + 1) / count) if last else ("left", place / count)
        kind = "tick minor" if 0 < number < len(places) - 1 else "tick"
        style = f"{side}:{100 * offset:.2f}%"
        ticks.append(element("span", text, class_=kind, style=style))
    return element("div", *ticks, class_="axis")


def bar(part: float, whole: float, tone: str = "") -> Markup:
    """Return a bar for a table's cell."""
    wide = 100 * part / whole if whole else 0.0
    inner = element("span", style=f"width:{min(100.0, max(0.5, wide)):.1f}%")
    return element("span", inner, class_=f"bar {tone}".strip())


def strip(value: float, known: Range | None) -> Markup:
    """Return the ordinary range of a feature as a band, with the value as a mark on it."""
    if known is None:
        return element("span", "no range", class_="none")
    value = max(-_VALUE_MAX, min(_VALUE_MAX, value))
    ends = (min(value, known.low), max(value, known.high))
    scale, logarithmic = _scale(*ends, known)
    low, middle, high, mark = map(scale, (known.low, known.middle, known.high, value))
    outside = value < known.low or value > known.high
    words = (
        f"value {numbers.value(value)}; of {numbers.count(known.count)} ordinary flows 5 % are up "
        f"to {numbers.value(known.low)}, half up to {numbers.value(known.middle)}, "
        f"95 % up to {numbers.value(known.high)}" + ("; logarithmic" if logarithmic else "")
    )
    return element(
        "svg",
        element("title", words),
        element("line", x1="1%", x2="99%", y1=10, y2=10, class_="rail"),
        element(
            "rect",
            x=f"{low:.2f}%",
            width=f"{max(0.8, high - low):.2f}%",
            y=5,
            height=10,
            rx=2,
            class_="band",
        ),
        element("line", x1=f"{middle:.2f}%", x2=f"{middle:.2f}%", y1=5, y2=15, class_="middle"),
        element(
            "circle",
            cx=f"{mark:.2f}%",
            cy=10,
            r=5,
            class_="mark outside" if outside else "mark",
        ),
        class_="strip",
        role="img",
        aria_label=words,
    )


def _scale(low: float, high: float, known: Range) -> tuple[Callable[[float], float], bool]:
    """Return value -> place in per cent; logarithmic when the value lies far from the range."""
    wide = known.high - known.low
    logarithmic = high - low > _WIDE * wide and high > low

    def bent(number: float) -> float:
        unit = max(wide, abs(known.middle) / 10, 1e-9)
        offset = (number - known.middle) / unit
        return math.copysign(math.log1p(abs(offset)), offset) if logarithmic else offset

    first, last = bent(low), bent(high)

    def placed(number: float) -> float:
        return 4 + 92 * ((bent(number) - first) / (last - first) if last > first else 0.5)

    return placed, logarithmic


def legend(names: list[str]) -> Markup:
    """Return what the tones of a stacked chart stand for."""
    return joined(
        *(
            element("span", element("i", class_=f"tone{at % TONES}"), name, class_="key")
            for at, name in enumerate(names)
        )
    )
