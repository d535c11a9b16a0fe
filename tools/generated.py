"""The files that come from code, and whether they are up to date."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.features import catalogue
from engine.layouts import pages


def schemas_page() -> str:
    """Return SCHEMAS.rst."""
    from engine.recorder import flows_cicflowmeter, flows_nfstream, schemas

    return schemas.rst({"cicflowmeter": flows_cicflowmeter.CELLS, "nfstream": flows_nfstream.CELLS})


# Path under the root -> what makes its text.
GENERATED: dict[str, Callable[[], str]] = {
    "bpf/packet.h": pages.packet_header,
    "engine/LAYOUTS.rst": pages.rst,
    "engine/features/CATALOGUE.rst": catalogue.rst,
    "engine/recorder/SCHEMAS.rst": schemas_page,
}


# Where the table of what the shipped model finds stands, and what stands before it.
MEASURED = ("README.rst", "tools/training/README.rst")
MEASURES = ".. The measures of the shipped model; python -m tools generate puts them here.\n\n"
# Where README.rst shows the comparison with other programs' outputs.
CONFORMANCE = ".. What python -m tools conformance --save kept last; python -m tools generate.\n\n"
# Where stress/README.rst shows which instruments find the planted bugs.
ZOO = ".. What python -m stress races zoo --save kept last; python -m tools generate.\n\n"
# And how many changes of shipped code the suites notice.
MUTATION = ".. What python -m stress mutate --save kept last; python -m tools generate.\n\n"


def outdated(root: Path) -> Iterator[str]:
    """Yield path:line: what to do, for every generated file that is not what the code makes."""
    for name, make in GENERATED.items():
        path = root / name
        stands = path.read_text(encoding="utf-8") if path.is_file() else ""
        if stands != make():
            lines = zip(stands.splitlines(), make().splitlines(), strict=False)
            same = 0
            for before, after in lines:
                if before != after:
                    break
                same += 1
            yield f"{name}:{same + 1}: not what the code makes; run python -m tools generate"


def generate(root: Path) -> list[str]:
    """Write every generated file that is outdated; return their names."""
    written = [line.partition(":")[0] for line in outdated(root)]
    for name in written:
        (root / name).write_text(GENERATED[name](), encoding="utf-8")
    return written


def with_measures(text: str) -> str:
    """Return the text of one of MEASURED with the measures of the shipped model.

    Not among the checks: the model's module loads kernels. A test looks at it.
    """
    from engine.classifier.model import DEFAULT_PATH, read
    from tools.training.report import table_of

    return _with_table(text, MEASURES, table_of(read(DEFAULT_PATH).card))


def write_measures(root: Path) -> bool:
    """Bring the measures in MEASURED up to date; return whether they were not."""
    outdated_any = False
    for name in MEASURED:
        text = (root / name).read_text(encoding="utf-8")
        changed = with_measures(text)
        (root / name).write_text(changed, encoding="utf-8")
        outdated_any |= text != changed
    return outdated_any


def newest_conformance(root: Path) -> dict:
    """Return the table of `python -m tools conformance --save` that was kept last."""
    kept = sorted((root / "stress" / "results").glob("*-conformance-*.json"))
    assert kept, "no conformance table is kept"
    return json.loads(kept[-1].read_text(encoding="utf-8"))


def write_conformance(root: Path) -> bool:
    """Bring the table of other programs in README.rst up to date; return whether it was not."""
    from tools.conformance.table import rst_table

    text = (root / "README.rst").read_text(encoding="utf-8")
    changed = _with_table(text, CONFORMANCE, rst_table(newest_conformance(root)["peers"]))
    (root / "README.rst").write_text(changed, encoding="utf-8")
    return changed != text


def newest_zoo(root: Path) -> dict:
    """Return what `python -m stress races zoo --save` kept last."""
    kept = sorted((root / "stress" / "results").glob("*-zoo-*.json"))
    assert kept, "no table of the zoo is kept"
    return json.loads(kept[-1].read_text(encoding="utf-8"))


def write_zoo(root: Path) -> bool:
    """Bring the table of planted bugs in stress/README.rst up to date; return if it was not."""
    from stress.zoo.table import rst

    path = root / "stress" / "README.rst"
    text = path.read_text(encoding="utf-8")
    changed = _with_table(text, ZOO, rst(newest_zoo(root)))
    path.write_text(changed, encoding="utf-8")
    return changed != text


def newest_mutation(root: Path) -> dict:
    """Return {mutant: what noticed it} as `python -m stress mutate --save` kept it last."""
    from stress.mutate.table import joined

    kept = sorted((root / "stress" / "results").glob("*-mutation-*.json"))
    assert kept, "no mutation scores are kept"
    return joined([json.loads(path.read_text(encoding="utf-8")) for path in kept])


def write_mutation(root: Path) -> bool:
    """Bring the mutation scores in stress/README.rst up to date; return if they were not."""
    from stress.mutate.justified import justified
    from stress.mutate.table import rows_of, rst

    path = root / "stress" / "README.rst"
    text = path.read_text(encoding="utf-8")
    changed = _with_table(text, MUTATION, rst(rows_of(newest_mutation(root), justified())))
    path.write_text(changed, encoding="utf-8")
    return changed != text


def _with_table(text: str, marker: str, table: str) -> str:
    """Return a text with the list-table behind a marker replaced."""
    before, found, rest = text.partition(marker)
    assert found, f"there is no place for {marker.strip()!r}"
    behind = re.sub(r"\A\.\. list-table::.*\n(?:\n| .*\n)*", "", rest)
    return before + marker + table + "\n" + behind
