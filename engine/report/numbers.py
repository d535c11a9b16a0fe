"""Numbers, sizes and times as people read them."""

import datetime

from engine.report.markup import Markup, element

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DAY_S = 86_400
_WHOLE_MAX = 1e12


def count(number: int) -> str:
    """Return a whole number, exact."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return a whole number with what it counts."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def size_text(size: float) -> str:
    """Return bytes to three digits."""
    at = 0
    while size >= 999.5 and at < len(_SIZES) - 1:
        size /= 1000
        at += 1
    return f"{size:.0f} {_SIZES[at]}" if at == 0 or size >= 99.95 else f"{size:.3g} {_SIZES[at]}"


def size(number: int) -> Markup:
    """Return bytes to three digits, exact where one points at it."""
    return element("span", size_text(number), title=f"{number:,} bytes")


def share(part: int, whole: int) -> str:
    """Return a share in per cent; never 0 % or 100 % of what is not none or all."""
    if not whole:
        return "-"
    per_cent = 100 * part / whole
    if 0 < per_cent < 0.1:
        return "< 0.1 %"
    if 99.9 < per_cent < 100:
        return "> 99.9 %"
    return f"{per_cent:.1f} %".replace(".0 %", " %")


def value(number: float) -> str:
    """Return a feature's value to five digits."""
    if number == int(number) and abs(number) < _WHOLE_MAX:
        return f"{int(number):,}"
    return f"{number:,.3f}" if 1000 <= abs(number) < _WHOLE_MAX else f"{number:.4g}"


def moment(time_s: float, fraction: bool = False) -> str:
    """Return a time, UTC."""
    try:
        when = _EPOCH + datetime.timedelta(seconds=time_s)
    except (OverflowError, ValueError):
        return f"{time_s:.0f} s after 1970"
    return f"{when:%Y-%m-%d %H:%M:%S}" + (f".{when.microsecond // 1000:03}" if fraction else "")


def tick(time_s: float, span_s: float, width_s: float) -> str:
    """Return a time as short as an axis of that span allows."""
    whole = moment(time_s, fraction=width_s < 1)
    if span_s < _DAY_S:
        return whole[11:]
    return whole[:16] if span_s < 60 * _DAY_S else whole[:10]


def duration(length_s: float) -> str:
    """Return a length of time, rounded."""
    for unit, unit_s in (("days", _DAY_S), ("h", 3600), ("min", 60), ("s", 1)):
        if length_s >= 2 * unit_s:
            return f"{length_s / unit_s:.3g} {unit}"
    return f"{length_s:.3g} s"


def width(width_s: float) -> str:
    """Return the width of a column."""
    for unit, unit_s in (("days", _DAY_S), ("h", 3600), ("min", 60)):
        if width_s >= unit_s and width_s % unit_s == 0:
            return f"{width_s / unit_s:g} {unit}"
    return f"{width_s:g} s"
