"""Rewrite the text of an optimised module so that a back end sees every memory access in it.

    text of the module --> functions --> instructions --> Access --> lines of the back end

Left as they are: functions of numba's runtime (NRT_…: reference counts of arrays), the wrappers
that unpack Python's arguments and call a kernel that is never inlined into them (cpython, cfunc),
and the making of exceptions. In all others each instruction is known or refused. Not accesses of a
program, and left: private stack slots (private.py), constants, numba's environment pointers, the
words in which a kernel returns its value and its exception.
"""

import re
from dataclasses import dataclass, field

from stress.races.access import Access, BackEnd, Site, UnknownAccessError
from stress.races.instructions import access_fields
from stress.races.private import private_names
from stress.races.sites import Sites, debug_suffix

_DEFINE = re.compile(r'^define [^@]*@("[^"]*"|[-\w.$]+)\(')
_LABEL = re.compile(r'^(?:"[^"]*"|[-\w.$]+):')
_LEFT = re.compile(r"(?:NRT|nrt)_|_ZN7cpython|cfunc\.|__excinfo_unwrap_args|numba_unpickle")
_CONSTANT = re.compile(
    r'^(@(?:"[^"]*"|[-\w.$]+)) = (?:[a-z_]+(?:\([^)]*\))? )*?constant |'
    r"^(@_ZN08NumbaEnv\S+|@PyExc_\w+) = ",
    re.M,
)
_DECLARED = re.compile(r"^(?:define|declare) [^@]*(@[-\w.$]+)\(", re.M)
_KERNEL_CALL = re.compile(r'^  (?:%\S+ = )?(?:tail )?call [^@]*@"?_ZN')
# How numba returns: where the value goes, where the exception goes.
_RETURNED = ("%retptr", "%excinfo")
_FIRST_NAME = re.compile(r'[%@](?:"[^"]*"|[-\w.$]+)')
_GEP_OF = re.compile(r"^  (%\S+) = getelementptr .*?, ptr (%\S+?),")


@dataclass(slots=True)
class Rewriter:
    """A back end with what is known of the modules rewritten so far.

    `sites` numbers the places of all modules. `counts` says how many accesses of each kind were
    handed over, and how many were left ("private"). `places_kept`: in code that came from disk.
    """

    back_end: BackEnd
    sites: dict[Site, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    stems: int = 0
    places_kept: int = 0

    @property
    def places(self) -> int:
        """Return how many accesses were instrumented, in the code."""
        made = sum(n for kind, n in self.counts.items() if kind not in ("private", "pause"))
        return made + self.places_kept

    def rewrite(self, text: str) -> str:
        """Return the module's text with every access replaced. UnknownAccessError if one is not
        known."""
        lines = text.splitlines()
        inside = frozenset(f"@{match[1]}" for line in lines if (match := _DEFINE.match(line)))
        constants = frozenset(one or two for one, two in _CONSTANT.findall(text))
        places = Sites(text, self.sites)
        made: list[str] = []
        at = 0
        while at < len(lines):
            match = _DEFINE.match(lines[at])
            if match is None:
                made.append(lines[at])
                at += 1
                continue
            end = lines.index("}", at)
            name = match[1].strip('"')
            if _LEFT.match(name):
                made += self._wrapper(name, lines[at : end + 1])
            else:
                function = _Function(self, name, inside, constants, places)
                made += function.rewrite(lines[at : end + 1])
            at = end + 1
        known = set(_DECLARED.findall(text))
        for declared in self.back_end.declarations():
            if not known & set(_DECLARED.findall(declared)):
                made.append(declared)
        return "\n".join(made) + "\n"

    def _wrapper(self, name: str, lines: list[str]) -> list[str]:
        """Return a function that is left as it is but for what surrounds its call of a kernel."""
        before, behind = self.back_end.around_kernel()
        if not (name.startswith("_ZN7cpython") and (before or behind)):
            return lines
        made = []
        for line in lines:
            called = _KERNEL_CALL.match(line) is not None
            made += [*before, line, *behind] if called else [line]
        return made

    def count(self, kind: str) -> None:
        """Note an access of a kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1


@dataclass(slots=True)
class _Function:
    rewriter: Rewriter
    name: str
    inside: frozenset[str]
    constants: frozenset[str]
    places: Sites
    private: frozenset[str] = frozenset()
    last: str = ""  # The last instruction that says its line: a fence does not.

    def rewrite(self, lines: list[str]) -> list[str]:
        body = lines[1:-1]
        self.private = private_names(body) | _returned(body)
        back_end = self.rewriter.back_end
        made, begun, in_switch = [lines[0]], False, False
        for line in body:
            if in_switch or not _is_instruction(line):
                made.append(line)
                in_switch = in_switch and not line.startswith("  ]")
                continue
            in_switch = (
                line.startswith("  switch ")
                and not line.rstrip().endswith("]")
                and ("]," not in line)
            )
            if not begun and not re.match(r"^  %\S+ = (?:phi|alloca) ", line):
                made += back_end.enter(*self.places.of(line, self.name))
                begun = True
            if line.startswith("  ret "):
                made += back_end.leave()
            made += self._instruction(line)
        return [*made, lines[-1]]

    def _instruction(self, line: str) -> list[str]:
        self.last = line if debug_suffix(line) else self.last
        try:
            fields = access_fields(line, self.inside)
        except (UnknownAccessError, IndexError, ValueError, KeyError) as error:
            site, _ = self.places.of(line, self.name)
            text = f"{site} ({self.name}): {error or type(error).__name__}: {line.strip()}"
            raise UnknownAccessError(text) from error
        if fields is None:
            return [line]
        site, number = self.places.of(line if debug_suffix(line) else self.last, self.name)
        access = Access(line=line, site=site, number=number, debug=debug_suffix(line), **fields)
        access = self._located(access)
        if access is None:
            self.rewriter.count("private")
            return [line]
        self.rewriter.count(access.kind)
        self.rewriter.stems += 1
        return self.rewriter.back_end.replace(access, f"%races.{self.rewriter.stems}")

    def _located(self, access: Access) -> Access | None:
        """Return the access, told what of it is private; None if nothing of it is shared."""
        if access.kind in ("fence", "pause"):
            return access
        target = self._is_private(access.pointer)
        if access.kind in ("memcpy", "memmove"):
            source = self._is_private(access.source)
            if source and target:
                return None
            if source or target:
                fields = {name: getattr(access, name) for name in Access.__slots__}
                fields |= {"reads_private": source, "writes_private": target}
                return Access(**fields)
            return access
        return None if target else access

    def _is_private(self, operand: str) -> bool:
        if operand in self.private:
            return True
        match = _FIRST_NAME.search(operand)
        return match is not None and match[0] in self.constants


def _is_instruction(line: str) -> bool:
    """Return whether a line of a function's body is an instruction; refuse what is not known."""
    bare = line.strip()
    if not bare or bare[0] in ";#" or _LABEL.match(line):
        return False
    if line.startswith("  ") and not line.startswith("   "):
        return True
    raise UnknownAccessError(f"a line that is no instruction: {bare}")


def _returned(body: list[str]) -> frozenset[str]:
    """Return the names that point to where the function returns its value and its exception."""
    names = set(_RETURNED)
    for line in body:
        match = _GEP_OF.match(line)
        if match is not None and match[2] in names:
            names.add(match[1])
    return frozenset(names)
