"""Where in the sources an access stands: kept cheaply, spelled out only when somebody reads it."""

import linecache
import os
from functools import cache

_OWN_FOLDER = os.path.dirname(__file__)
# Code object and instruction of the access, then those of its caller; or from debug information
# (file, function, line).
Site = tuple


@cache
def _line_of(code, instruction: int) -> int:
    for begin, end, line in code.co_lines():
        if begin <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def lines_of(site: Site) -> list[tuple[str, str, int]]:
    """Return (file, function, line) of the access and, where known, of its caller."""
    if len(site) == 3:
        return [site]
    pairs = [site[k : k + 2] for k in range(0, len(site), 2)]
    lines = [(code.co_filename, code.co_name, _line_of(code, at)) for code, at in pairs]
    return lines[:1] + [line for line in lines[1:] if not line[0].startswith(_OWN_FOLDER)]


def place_of(site: Site) -> str:
    """Return "function (file:line), called by …" for people."""
    named = [f"{name} ({os.path.basename(file)}:{line})" for file, name, line in lines_of(site)]
    return " < ".join(named)


def source_of(site: Site) -> str:
    """Return the source line of an access, if it can be read."""
    file, _, line = lines_of(site)[0]
    return linecache.getline(file, line).strip()
