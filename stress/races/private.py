"""Which memory of a function no other thread can know: stack slots whose address stays inside.

An alloca is private if its address, and every address made from it by getelementptr, is only used
to load from, to store to (not as the value stored), to be copied to or from, to mark its life. Any
other use (an argument of a call, a phi, a select, a comparison, a conversion to a number, a value
stored) may let it out: then accesses through it are instrumented like all others, which costs time
and finds nothing wrong that is right.
"""

import re

_RESULT = re.compile(r'^  (%(?:"[^"]*"|[-\w.$]+)) = (\w+) ')
_NAME = re.compile(r'%(?:"[^"]*"|[-\w.$]+)')
_GEP = re.compile(r'^  (%\S+) = getelementptr .*?, ptr (%(?:"[^"]*"|[-\w.$]+))(.*)$')
_LOAD = re.compile(r'^  %\S+ = load .*, ptr (%(?:"[^"]*"|[-\w.$]+))')
_STORE = re.compile(r'^  store (.*), ptr (%(?:"[^"]*"|[-\w.$]+))')
_HARMLESS = re.compile(r"@llvm\.(?:mem(?:cpy|set|move)|lifetime)\.")


def private_names(lines: list[str]) -> frozenset[str]:
    """Return the names of a function's values that point into private stack slots."""
    root: dict[str, str] = {}  # Pointer -> its alloca.
    for line in lines:
        if " = alloca " in line:
            name = _RESULT.match(line)[1]
            root[name] = name
        elif " = getelementptr " in line:
            match = _GEP.match(line)
            if match is not None and match[2] in root:
                root[match[1]] = root[match[2]]
    if not root:
        return frozenset()
    out: set[str] = set()
    for line in lines:
        if line.lstrip().startswith("#dbg"):
            continue
        for name in _escaping(line):
            if name in root:
                out.add(root[name])
    return frozenset(name for name, slot in root.items() if slot not in out)


def _escaping(line: str) -> list[str]:
    """Return the names that an instruction may let out."""
    if " = alloca " in line or _HARMLESS.search(line):
        return []
    match = _GEP.match(line)
    if match is not None:
        return _NAME.findall(match[3])  # Indices; a vector of pointers does not match.
    if _LOAD.match(line):
        return []
    match = _STORE.match(line)
    if match is not None:
        return _NAME.findall(match[1])
    made = _RESULT.match(line)
    return [name for name in _NAME.findall(line) if made is None or name != made[1]]
