"""Whoever follows stress/races/README.rst from an empty folder sees what is written there.

Method: its listing is saved, its commands are run as they stand, in a folder that holds nothing
else, and what they print is compared with the lines below them. Left out are rates and the order in
which races are found; `...` stands for any lines. What it cannot show: an installation by pip.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.race.instruments import LIMIT_S, ROOT

pytestmark = pytest.mark.compiled
_README = (ROOT / "stress" / "races" / "README.rst").read_text(encoding="utf-8")
_COMMAND = "$ python -m stress "


def listing(name: str) -> str:
    """Return the program that is to be saved as `name`."""
    _, after = _README.split(f"say {name}, anywhere::\n\n", 1)
    lines = re.match(r"(?:    .*\n|\n)+", after)[0].splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines) + "\n"


def commands() -> list[tuple[list[str], str]]:
    """Return the words of each command that has its output below it, and that output."""
    found = []
    for block in re.findall(r"::\n\n((?:    .*\n)+)", _README):
        for part in block.split(f"    {_COMMAND}")[1:]:
            line, *shown = part.splitlines()
            found.append((line.split(), "\n".join(text.removeprefix("    ") for text in shown)))
    return found


def ran(words: list[str], folder) -> str:
    """Return what a command prints there."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    done = subprocess.run(
        [sys.executable, "-m", "stress", *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-2000:]  # Each of them finds something.
    return done.stdout


def compared(text: str) -> str:
    """Return an output without what differs from run to run."""
    text = re.sub(r" \([\d,]+ a second\)", "", text).strip("\n")
    lines = text.splitlines()
    if any(line.startswith("race, ") for line in lines):
        lines.sort()
    return "\n".join(lines)


def test_readme_is_followed_from_an_empty_folder(tmp_path):
    (tmp_path / "mine.py").write_text(listing("mine.py"), encoding="utf-8")
    followed = commands()
    assert [words[1] for words, _ in followed] == ["xsan", "weave", "weave", "weave"]
    for words, shown in followed:
        pattern = re.escape(compared(shown)).replace(re.escape("..."), "(?s:.*)")
        printed = compared(ran(words, tmp_path))
        assert re.fullmatch(pattern, printed), f"{' '.join(words)} prints:\n{printed}"
