"""The files that come from code, and whether they are up to date."""

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.features import catalogue
from engine.layouts import pages

# Path under the root -> what makes its text.
GENERATED: dict[str, Callable[[], str]] = {
    "bpf/packet.h": pages.packet_header,
    "engine/LAYOUTS.rst": pages.rst,
    "engine/features/CATALOGUE.rst": catalogue.rst,
}


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
