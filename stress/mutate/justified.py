"""Mutants that change nothing that can be seen, each with its reason in one line (justified.txt).

The file has a mutant's name, and below it, indented, why it is as good as what is shipped. A line
that is changed takes its justification with it: a name that fits no mutant is an error.
"""

from collections.abc import Iterable
from pathlib import Path

from stress.mutate.mutants import Mutant

PATH = Path(__file__).with_name("justified.txt")


def justified(path: Path = PATH) -> dict[str, str]:
    """Return {mutant's name: reason}."""
    found: dict[str, str] = {}
    name = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            assert name, f"{path.name}:{number}: a reason without a mutant"
            found[name], name = line.strip(), ""
            continue
        assert not name, f"{path.name}:{number}: {name} has no reason"
        assert line not in found, f"{path.name}:{number}: twice"
        name = line
    assert not name, f"{path.name}: {name} has no reason"
    return found


def unfit(reasons: Iterable[str], mutants: Iterable[Mutant], layers: Iterable[str]) -> list[str]:
    """Return the justified names in these layers that no mutant has."""
    names = {mutant.name for mutant in mutants}
    chosen = tuple(f"{layer}/" for layer in layers)
    return [name for name in reasons if name.startswith(chosen) and name not in names]
