"""The documents say what is there: rooms, modules, commands, paths, names, columns, measures.

Method: every README.rst is read for its literals and literal blocks; what they name is looked up in
the checkout, in the command line, in the catalogue of columns and in the shipped model. Planted
mistakes show that each look-up can fail. What it cannot show: that a sentence is true.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

from engine.cli import engine as command_line
from engine.recorder.columns import COLUMN_NAMES
from engine.recorder.outputs import FORMATS
from engine.recorder.run_json import RUN_JSON
from tools.check import ROOT
from tools.generated import MEASURED, MEASURES, with_measures

PACKAGES = sorted(path.parent for path in (ROOT / "engine").rglob("__init__.py"))
ROOMS = (ROOT, *PACKAGES, *(ROOT / name for name in ("bpf", "stress", "tests", "tools")))
README = ROOT / "README.rst"
READMES = [README, *sorted(p for top in ROOMS[1:] for p in top.glob("README.rst"))]
READMES += sorted(p for name in ("tests", "tools") for p in (ROOT / name).glob("*/README.rst"))
READMES += sorted(p for p in (ROOT / "stress").rglob("README.rst") if p.parent.name != "stress")
# Where a path in a README may begin, besides its own folder.
_BASES = (ROOT, ROOT / "engine", ROOT / "tests")
_LITERAL = re.compile(r"``([^`]+)``")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
_FILE_ENDS = (".py", ".rst", ".h", ".cfg", ".toml")
_OTHER_ENDS = (".csv", ".json", ".model", ".npz", ".parquet", ".partial", ".pcap", ".tsv")
_DOTTED = re.compile(r"([a-z_]\w*)\.([A-Za-z_]\w*)")
_COMMAND = re.compile(r"(?:\$ )?(?:tools/run|engine)(?P<words>(?: \S+)*)(?:  .*)?$")
_OF_THE_TEST_DATA = ("make_workload.py",)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str) -> list[str]:
    """Return the lines of a document's literal blocks."""
    found, inside = [], False
    for before, line in zip(("", *text.splitlines()), text.splitlines(), strict=False):
        if line.strip():
            inside = line.startswith(" ") and (inside or before.rstrip() == "")
            if inside:
                found.append(line.strip())
    return found


def literals(path: Path) -> list[str]:
    """Return the inline literals of a document."""
    return _LITERAL.findall(path.read_text(encoding="utf-8"))


def commands_in(text: str) -> list[list[str]]:
    """Return the command lines of `engine` in literal blocks, as words behind `engine`."""
    found = []
    for line in blocks(text):
        match = _COMMAND.match(line)
        if match is not None and not line.startswith("engine:"):
            words = shlex.split(match["words"], comments=True)
            found.append(words[: words.index("<")] if "<" in words else words)
    return found


def parse(words: list[str]) -> None:
    """Take the words as the command line would, without running anything.

    Of a synopsis ("[--runs N]", "--memory | --stages") only the names of options are looked at.
    """
    synopsis = []
    if any(word[0] in "[|" for word in words):
        count = next(at for at, word in enumerate(words) if word[0] in "[|-")
        words, synopsis = words[:count], [word.strip("[]") for word in words[count:]]
    context = click.Context(command_line, info_name="engine")
    command = command_line
    while isinstance(command, click.Group) and words:
        name, command, words = command.resolve_command(context, words)
        if command.name == "bench":
            from engine.bench import _bench as command
        context = command.make_context(name, list(words), parent=context)
        words = [*context._protected_args, *context.args] if words else []
    known = {name for parameter in command.params for name in parameter.opts}
    unknown = [word for word in synopsis if word.startswith("-") and word not in known]
    if unknown:
        raise click.UsageError(f"no such option: {unknown}")


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the names of all commands that do something."""
    if not isinstance(command, click.Group):
        return [path]
    return [
        leaf for name, inner in command.commands.items() for leaf in leaves(inner, (*path, name))
    ]


def first_name(word: str) -> str:
    """Return a path up to its first name: `rings`, `../hosts`."""
    parts = word.split("/")
    names = [at for at, part in enumerate(parts) if part not in ("", ".", "..")]
    return "/".join(parts[: names[0] + 1] if names else parts)


def is_folder_of_ours(path: Path) -> bool:
    """Return whether a path is a folder of the checkout; what stands beside it is not."""
    return path.is_dir() and path.resolve().is_relative_to(ROOT.resolve())


def missing_paths(path: Path, words: list[str]) -> list[str]:
    """Return the words that look like paths of the checkout and lead nowhere."""
    missing = []
    for word in words:
        if not _PATH.fullmatch(word) or word in _OF_THE_TEST_DATA:
            continue
        bases = (path.parent, *_BASES)
        ours = "/" in word and any(is_folder_of_ours(base / first_name(word)) for base in bases)
        if not ours and not word.endswith(_FILE_ENDS):
            continue
        if "/" not in word and list((ROOT / "tests").rglob(word)):
            continue  # A test, named without its folder.
        if not any((base / word).exists() for base in bases):
            missing.append(word)
    return missing


def unknown_names(path: Path, words: list[str]) -> list[str]:
    """Return words `module.NAME` of whose module nothing has that name."""
    unknown = []
    for word in words:
        match = _DOTTED.fullmatch(word)
        if match is None or f".{match[2]}" in (*_FILE_ENDS, *_OTHER_ENDS):
            continue
        for base in (path.parent, ROOT / "engine"):
            sources = [base / f"{match[1]}.py", *sorted((base / match[1]).glob("*.py"))]
            texts = [source.read_text(encoding="utf-8") for source in sources if source.is_file()]
            if texts:
                if not any(re.search(rf"\b{match[2]}\b", text) for text in texts):
                    unknown.append(word)
                break
    return unknown


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_room_has_a_readme_with_a_title(room):
    lines = (room / "README.rst").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "=" * len(lines[0])


@pytest.mark.parametrize("path", READMES[1:], ids=name_of)
def test_readme_names_every_module_of_its_room(path):
    words = {word.removesuffix(".py") for word in literals(path)}
    modules = {module.stem for module in path.parent.glob("*.py")} - {"__init__", "__main__"}
    assert modules - words == set()


@pytest.mark.parametrize("path", READMES, ids=name_of)
def test_paths_and_names_in_a_readme_are_there(path):
    assert missing_paths(path, literals(path)) == []
    assert unknown_names(path, literals(path)) == []


@pytest.mark.parametrize("word", ("../nothing", "../shared/data", "../../x/y"))
def test_path_beside_the_checkout_is_not_looked_for(word):
    assert missing_paths(ROOT / "tests" / "README.rst", [word]) == []
    assert missing_paths(README, [word]) == []


def test_paths_and_names_that_are_not_there_are_found():
    path = ROOT / "engine" / "rings" / "README.rst"
    words = ["rings/spsc.py", "spsc.py", "test_spsc.py", "tests/race", "out/", "spsc.peek"]
    assert missing_paths(path, words) == unknown_names(path, words) == []
    assert missing_paths(path, ["spin.py", "tests/races", "test_none.py"]) == [
        *("spin.py", "tests/races", "test_none.py")
    ]
    assert missing_paths(path, ["../hosts", "../hosts/no", "../no.rst"]) == [
        *("../hosts/no", "../no.rst")
    ]
    assert unknown_names(path, ["spsc.peak", "layouts.NOTHING"]) == ["spsc.peak", "layouts.NOTHING"]


@pytest.mark.parametrize("path", READMES, ids=name_of)
def test_command_lines_in_a_readme_are_taken(path):
    for words in commands_in(path.read_text(encoding="utf-8")):
        parse(words)


@pytest.mark.parametrize("path", READMES, ids=name_of)
def test_commands_named_in_a_readme_exist(path):
    for literal in literals(path):
        if re.match(r"engine [a-z]", literal):
            words = [word for word in literal.split()[1:] if re.fullmatch("[a-z]+", word)]
            context = click.Context(command_line)
            command_line.resolve_command(context, words)


@pytest.mark.parametrize(
    "words",
    [
        ["ran"],
        ["run", "--read", "x"],
        ["shm", "wash"],
        ["diff", "A"],
        ["check", "A", "B"],
        ["bench", "[--runs", "N]", "[--fast]"],
        ["bench", "--memory", "|", "--speed"],
    ],
)
def test_command_line_that_does_not_exist_is_refused(words):
    with pytest.raises(click.UsageError):
        parse(words)


def test_literal_blocks_give_their_command_lines():
    text = (
        "Run::\n\n    $ engine check out   # says so\n    engine run -r - < x\n\nengine run now\n"
    )
    text += "\n::\n\n    tools/run bench  fast\n    tools/run shm list\n"
    found = [["check", "out"], ["run", "-r", "-"], ["bench"], ["shm", "list"]]
    assert commands_in(text) == found


def test_every_command_is_named_in_the_readme():
    text = README.read_text(encoding="utf-8").replace("[list]", "list")
    assert [leaf for leaf in leaves(command_line) if f"``engine {' '.join(leaf)}" not in text] == []


def test_every_option_of_a_run_is_named_in_the_readme():
    text = README.read_text(encoding="utf-8")
    options = [max(parameter.opts, key=len) for parameter in command_line.commands["run"].params]
    named = [option for option in options if option.startswith("-")]
    short = {"--config": "-c", "--workers": "-n"}
    assert [option for option in named if f"{short.get(option, option)}" not in text] == []


def test_every_output_and_column_is_named_in_the_readme():
    words = set(literals(README))
    assert {*FORMATS.values(), RUN_JSON, *COLUMN_NAMES} - words == set()


@pytest.mark.parametrize("name", MEASURED)
def test_measures_of_the_shipped_model_stand_where_they_are_told(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert with_measures(text) == text, "run python -m tools generate"


def test_measures_replace_the_table_that_stands_and_nothing_else():
    table = ".. list-table::\n   :header-rows: 1\n\n   * - old\n     - 1\n\n"
    text = f"Before.\n\n{MEASURES}{table}Behind.\n\n.. list-table::\n\n   * - kept\n"
    made = with_measures(text)
    assert made.startswith(f"Before.\n\n{MEASURES}.. list-table::\n") and "old" not in made
    assert made.endswith("\n\nBehind.\n\n.. list-table::\n\n   * - kept\n")
    assert with_measures(made) == made
