"""Set-up happens once for each state of the requirements, and says what it cannot do.

Method: the steps that call pip, venv and apt are recorded instead of made. That they work on a bare
machine is what .ci/run shows.
"""

import subprocess
from pathlib import Path

import pytest

from tools import environment
from tools.environment import SetupError, peer_python, ready


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return an empty checkout with a python in its environment, which nothing was installed in."""
    for name in ("setup.cfg", "pyproject.toml"):
        (tmp_path / name).write_text(f"# {name}\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(environment, "PYTHON", python)
    return tmp_path


@pytest.fixture
def commands(monkeypatch):
    """Return the list of commands that were run; all of them succeed."""
    run = []

    def record(command, **options):
        run.append([str(word) for word in command])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", record)
    return run


def installs(commands):
    """Return what pip was asked to install, call by call."""
    return [words[words.index("-e") + 1] for words in commands if "-e" in words]


def test_first_call_installs_and_second_runs_nothing(checkout, commands):
    assert ready() == checkout / ".venv" / "bin" / "python"
    assert installs(commands) == [str(checkout)]
    del commands[:]
    assert ready() == checkout / ".venv" / "bin" / "python"
    assert commands == []


def test_extras_are_installed_when_they_are_first_asked_for(checkout, commands):
    ready()
    ready(("test", "lake"))
    ready(("lake",))
    ready()
    assert installs(commands) == [str(checkout), f"{checkout}[lake,test]"]


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml"])
def test_changed_requirements_are_installed_again(checkout, commands, name):
    ready()
    (checkout / name).write_text("changed\n")
    ready()
    assert len(installs(commands)) == 2


def test_moved_checkout_is_set_up_again(checkout, commands, monkeypatch):
    ready()
    moved = checkout.rename(checkout.with_name("moved"))
    for name, path in (("ROOT", ""), ("ENVIRONMENT", ".venv"), ("PYTHON", ".venv/bin/python")):
        monkeypatch.setattr(environment, name, moved / path)
    ready()
    assert installs(commands)[-1] == str(moved)


def test_environment_whose_python_is_gone_is_made_anew(checkout, commands):
    ready()
    (checkout / ".venv" / "bin" / "python").unlink()
    ready()
    assert len(installs(commands)) == 2


def fails(*fragments):
    """Return a stand-in for subprocess.run: commands with one of the fragments fail."""

    def run(command, **options):
        words = " ".join(str(word) for word in command)
        return subprocess.CompletedProcess(command, int(any(one in words for one in fragments)))

    return run


def test_failed_install_is_an_error_and_is_tried_again(checkout, commands, monkeypatch):
    record = subprocess.run
    monkeypatch.setattr(subprocess, "run", fails("install --quiet"))
    with pytest.raises(SetupError, match="package index"):
        ready()
    monkeypatch.setattr(subprocess, "run", record)
    ready()
    assert len(installs(commands)) == 1


def test_without_venv_and_pip_a_user_is_told_what_to_install(checkout, monkeypatch):
    monkeypatch.setattr(subprocess, "run", fails("venv", "pip"))
    monkeypatch.setattr(environment.os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"apt-get install python3\.\d+-venv"):
        ready()


def test_without_venv_and_pip_root_gets_them_from_apt(checkout, commands, monkeypatch):
    record, broken = subprocess.run, fails("-m venv", "-m pip")

    def run(command, **options):
        installed = any("apt-get" in words[0] for words in commands)
        outcome = record(command, **options)
        return outcome if installed else broken(command)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(environment.os, "geteuid", lambda: 0)
    monkeypatch.setattr(environment.shutil, "which", lambda name: f"/usr/bin/{name}")
    ready()
    assert [words[1] for words in commands if words[0] == "apt-get"] == ["update", "install"]
    assert installs(commands) == [str(checkout)]


def test_without_ensurepip_an_installed_pip_is_used(checkout, commands, monkeypatch):
    monkeypatch.setattr(environment, "_existing_pip", lambda: None)
    monkeypatch.setattr(environment, "_has_ensurepip", lambda: False)
    ready()
    (install,) = [words for words in commands if "install" in words]
    assert install[1:5] == ["-m", "pip", "--python", str(checkout / ".venv" / "bin" / "python")]
    assert any("--without-pip" in words for words in commands)


def test_old_python_is_told_so(checkout, monkeypatch):
    monkeypatch.setattr(environment.sys, "version_info", (3, 10, 4))
    with pytest.raises(SetupError, match=r"Python 3\.11 or newer is needed.*3\.10\.4"):
        ready()


@pytest.mark.parametrize("name", ["tools/run", "tools/test", ".ci/run"])
def test_tool_can_be_run(name):
    path = Path(__file__).parents[2] / name
    assert path.stat().st_mode & 0o111 == 0o111
    assert path.read_text().startswith("#!/usr/bin/env ")


def test_peer_gets_an_environment_of_its_own_once(checkout, commands):
    python = checkout / ".venv" / "peer" / "bin" / "python"
    assert peer_python("peer", "peer>=1") == python
    assert commands == [[str(python), "-c", "import peer"]]  # It is there: nothing is installed.


def test_peer_that_cannot_be_had_is_left_out(checkout, monkeypatch):
    run = []

    def fail(command, **options):
        run.append([str(word) for word in command])
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", fail)
    assert peer_python("peer", "peer>=1") is None
    assert run[1][1:3] == ["-m", "venv"]
    assert len(run) == 2  # Without an environment nothing is installed.
