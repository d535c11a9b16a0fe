"""The repository passes every check, and each check can fail.

Method: `python -m tools check`, check by check, on this checkout; then on small projects made for
the purpose, each with one thing wrong.
"""

import shutil
import subprocess

import pytest

from tools.check import CHECKS, ROOT
from tools.generated import GENERATED, generate, outdated
from tools.mentions import mentions

# Not written out: this file is one of those that are read.
ELSEWHERE = "/".join(("", "home", "ada", "x"))
HOST = "".join(("py", "pi"))

WRONG = {
    "format": ("engine/planted.py", '"""It."""\na  =  1\n', "engine/planted.py:2"),
    "lint": ("engine/planted.py", '"""It."""\n\nimport os\n', "engine/planted.py:3"),
    "imports": (
        "engine/rings/planted.py",
        '"""It."""\n\nimport engine.capture\n',
        "engine/rings/planted.py:3: must not import engine.capture",
    ),
    "style": ("engine/planted.py", '"""It."""\n\ndata = 1\n', "engine/planted.py:3: data says"),
    "generated": ("engine/LAYOUTS.rst", "Layouts\n", "engine/LAYOUTS.rst:2: not what"),
    "mentions": ("engine/planted.py", f"PLACE = '{ELSEWHERE}'\n", "engine/planted.py:1: mentions"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_repository_leaves_nothing_to_do_for(name):
    assert list(CHECKS[name](ROOT)) == []


@pytest.fixture
def project(tmp_path):
    """Return a small project that passes every check."""
    for name in ("pyproject.toml", "setup.cfg"):
        shutil.copy(ROOT / name, tmp_path)
    for room in ("engine", "tools", "bpf", "engine/features"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
    for module in ("config", "profiles", "limits", "errors", "events", "equations"):
        (tmp_path / "engine" / f"{module}.py").write_text("")
    for package in (
        *("capture", "worker", "classifier", "recorder", "rings", "flows"),
        *("packets", "layouts", "memory", "reference"),
    ):
        (tmp_path / "engine" / package).mkdir()
        (tmp_path / "engine" / package / "__init__.py").write_text("")
    generate(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", CHECKS)
def test_check_passes_a_clean_project_and_finds_what_is_wrong(project, name):
    assert list(CHECKS[name](project)) == []
    path, text, says = WRONG[name]
    (project / path).write_text(text)
    assert [line for line in CHECKS[name](project) if line.startswith(says)]


def test_module_outside_all_layers_is_found(project):
    (project / "engine" / "elsewhere.py").write_text("")
    assert any("elsewhere" in line for line in CHECKS["imports"](project))


def test_the_twin_may_not_be_imported_by_the_engine(project):
    (project / "engine" / "worker" / "__init__.py").write_text("import engine.reference\n")
    assert any("engine.reference" in line for line in CHECKS["imports"](project))


def test_missing_generated_file_is_outdated_and_generate_writes_it(project):
    for name in GENERATED:
        (project / name).unlink()
    assert len(list(outdated(project))) == len(GENERATED)
    assert generate(project) == list(GENERATED)
    assert generate(project) == []


def test_file_that_git_ignores_may_mention_anything(project):
    subprocess.run(["git", "init", "-q", project], check=True)
    (project / ".gitignore").write_text("made/\n")
    (project / "made").mkdir()
    (project / "made" / "x.txt").write_text(ELSEWHERE + "\n")
    assert list(mentions(project)) == []
    (project / "kept.txt").write_text(ELSEWHERE + "\n")
    assert [line.partition(":")[0] for line in mentions(project)] == ["kept.txt"]


def test_package_index_is_not_to_be_mentioned(tmp_path):
    (tmp_path / "notes.rst").write_text(f"from {HOST}.org, with --index-{'url'}\n")
    assert len(list(mentions(tmp_path))) == 2
