"""Protocols as scenarios: with a bug planted, or as shipped; and what cannot run them."""

from collections.abc import Callable
from types import ModuleType

from stress.races.scenario import Scenario
from stress.zoo.bugs import WHOLE, Bug
from stress.zoo.protocols import (
    commit,
    host_rows,
    journal,
    life,
    lines,
    merge,
    ring,
    rows,
    watermark,
)

# Protocol -> its module and how many records it has: for the model checker (few), and to be run
# through all executions (fewer).
PROTOCOLS: dict[str, tuple[ModuleType, int, int]] = {
    "ring": (ring, 3, 3),
    "watermark": (watermark, 2, 1),
    "merge": (merge, 3, 1),
    "rows": (rows, 2, 1),
    "host rows": (host_rows, 3, 1),
    "life": (life, 1, 1),
    "lines": (lines, 3, 3),
    "journal": (journal, 3, 2),
    "commit": (commit, 2, 1),
}
MACHINE = ("threads", "tsan", "xsan", "killpoint", "conservation")
_RACING = ("threads", "tsan", "xsan")
_READ_LIVE = ("rows", "host rows")


def is_mortal(protocol: str) -> bool:
    """Return whether roles of a protocol are killed in it; it has one, so nothing races."""
    return protocol != WHOLE and hasattr(PROTOCOLS[protocol][0], "DEATHS")


def why_not(protocol: str, column: str) -> str:
    """Return why an instrument cannot run a protocol; nothing if it can."""
    if protocol == WHOLE:
        return "" if column == "conservation" else "it shows in a whole run, not in a few words"
    if column in _RACING and is_mortal(protocol):
        return "one role: nothing races"
    if column == "killpoint" and not is_mortal(protocol):
        return "nobody dies in it"
    if column == "conservation" and is_mortal(protocol):
        return "nobody dies in a run that is left alone"
    if column == "conservation" and protocol in _READ_LIVE:
        return "no part of a run reads these rows while they change"
    return ""


def planted(bug: Bug) -> Callable[[int], Scenario]:
    """Return the maker of a bug's protocol with the bug, for so many records."""
    return lambda count: PROTOCOLS[bug.protocol][0].scenario(bug.edit, count)


def shipped(protocol: str) -> Callable[[int], Scenario]:
    """Return the maker of a protocol's scenario with the shipped code."""
    return lambda count: PROTOCOLS[protocol][0].scenario(None, count)
