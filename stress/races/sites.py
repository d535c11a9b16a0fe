"""Debug metadata of a module's text: from `!dbg !7` to function, line, file and inlined callers."""

import re

from stress.races.access import Site

_ENTRY = re.compile(r"^(!\d+) = (?:distinct )?!(\w+)\((.*)\)", re.M)
_FIELD = re.compile(r'(\w+): ("(?:[^"\\]|\\.)*"|![\d]+|[\w-]+)')
_DEBUG = re.compile(r", !dbg (!\d+)")
_INLINED_MAX = 64


def debug_suffix(line: str) -> str:
    """Return the `, !dbg !7` of an instruction, or nothing."""
    match = _DEBUG.search(line)
    return match[0] if match is not None else ""


class Sites:
    """The places of one module. Sites get numbers from `numbers`, which all modules share."""

    def __init__(self, text: str, numbers: dict[Site, int]) -> None:
        self._entries = {
            match[1]: (match[2], dict(_FIELD.findall(match[3]))) for match in _ENTRY.finditer(text)
        }
        self._numbers = numbers
        self._known: dict[tuple[str, str], tuple[Site, int]] = {}

    def of(self, line: str, function: str) -> tuple[Site, int]:
        """Return the site of an instruction and its number; without metadata, line 0."""
        match = _DEBUG.search(line)
        key = (match[1] if match is not None else "", function)
        if key not in self._known:
            site = self._site(*key)
            self._known[key] = site, self._numbers.setdefault(site, len(self._numbers))
        return self._known[key]

    def _site(self, location: str, function: str) -> Site:
        chain, path = [], ""
        while location in self._entries and len(chain) < _INLINED_MAX:
            kind, fields = self._entries[location]
            if kind != "DILocation":
                break
            name, where = self._scope(fields.get("scope", ""))
            path = path or where
            chain.append((name or short_name(function), int(fields.get("line", 0))))
            location = fields.get("inlinedAt", "")
        if not chain:
            return Site(short_name(function), 0)
        return Site(*chain[0], path, tuple(chain[1:]))

    def _scope(self, scope: str) -> tuple[str, str]:
        """Return the name of the function around a scope, and its file."""
        for _ in range(_INLINED_MAX):
            kind, fields = self._entries.get(scope, ("", {}))
            if kind == "DISubprogram":
                name = fields.get("name", '""')[1:-1].rpartition("<locals>.")[2]
                return re.sub(r"\[.*|\$.*", "", name).rpartition("::")[2], self._path(fields)
            scope = fields.get("scope", "")
        return "", ""

    def _path(self, fields: dict[str, str]) -> str:
        _, file = self._entries.get(fields.get("file", ""), ("", {}))
        folder, name = (file.get(key, '""')[1:-1] for key in ("directory", "filename"))
        return f"{folder}/{name}" if folder and not name.startswith("/") else name


def short_name(function: str) -> str:
    """Return the Python name in one of numba's mangled ones, or the name itself."""
    parts, rest = [], function.partition("_ZN")[2]
    while match := re.match(r"(\d+)", rest):
        begin = match.end()
        end = begin + int(match[1])
        parts.append(rest[begin:end])
        rest = rest[end:]
    return re.sub(r"^\d+_3clocals_3e|B\d+v\d+.*", "", parts[-1]) if parts else function
