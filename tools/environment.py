"""Set up .venv in the checkout for whoever runs tools/run, tools/test and the like. Library only.

Needs Python 3.11 or newer and a way to get pip: its own ensurepip, an installed pip, or (as root on
Debian) python3-venv from apt. A stamp in .venv says which state of setup.cfg it was made for: while
that holds, nothing is done and the network is not needed.
"""

from __future__ import annotations  # An older Python must get as far as saying that it is one.

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
PYTHON_MIN = (3, 11)
_PACKAGING = ("setup.cfg", "pyproject.toml")


class SetupError(Exception):
    """Something is missing that cannot be installed from here; the message says what to do."""


def ready(extras: Iterable[str] = ()) -> Path:
    """Return the environment's python, with the engine and `extras` installed; else SetupError."""
    if sys.version_info < PYTHON_MIN:
        wanted, found = ".".join(map(str, PYTHON_MIN)), ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python {wanted} or newer is needed, {sys.executable} is {found}")
    extras = sorted(extras)
    if _is_stamped(extras):
        return PYTHON
    checkout = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(checkout, fcntl.LOCK_EX)  # One sets up, the others wait and find it done.
        if not _is_stamped(extras):
            _set_up(extras)
    finally:
        os.close(checkout)
    return PYTHON


def peer_python(name: str, requirement: str) -> Path | None:
    """Return the python of an environment of its own that has another program; None without it.

    It lies inside .venv and never shares packages with it. What cannot be installed is left out:
    tests that need it say so.
    """
    python = ENVIRONMENT / name / "bin" / "python"
    if not _works([python, "-c", f"import {name}"]):
        say(f"installing {requirement} for the tests that compare with it")
        make = [PYTHON, "-m", "venv", "--clear", ENVIRONMENT / name]
        install = [python, "-m", "pip", "install", "--quiet", requirement]
        if not (_works(make) and _works(install) and _works([python, "-c", f"import {name}"])):
            return None
    return python


def finish(action: Callable[[], int]) -> None:
    """Exit with what `action` returns, or with 1 after saying what set-up is missing."""
    try:
        sys.exit(action())
    except SetupError as error:
        say(f"{Path(sys.argv[0]).name}: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _stamp_path(extras: list[str]) -> Path:
    return ENVIRONMENT / ("set-up-" + "-".join(["engine", *extras]))


def _fingerprint() -> str:
    """Return what a stamp holds: it changes with the requirements, the place and the Python."""
    digest = hashlib.sha256(f"{ROOT}\n{sys.version_info[:2]}\n".encode())
    for name in _PACKAGING:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _is_stamped(extras: list[str]) -> bool:
    """Return whether an environment with at least these extras stands."""
    wanted = _fingerprint()
    for stamp in ENVIRONMENT.glob("set-up-engine*"):
        has_all = set(extras) <= set(stamp.name.split("-")[3:])
        if has_all and stamp.read_text(encoding="ascii").strip() == wanted and PYTHON.exists():
            return True
    return False


def _set_up(extras: list[str]) -> None:
    what = f"the engine ({', '.join(extras)})" if extras else "the engine"
    say(f"setting up {ENVIRONMENT.name} with {what}; this is done once and takes some minutes")
    pip = _existing_pip() or _new_pip()
    names = f"[{','.join(extras)}]" if extras else ""
    command = [*pip, "install", "--quiet", "--disable-pip-version-check", "-e", f"{ROOT}{names}"]
    outcome = subprocess.run(command, check=False)
    if outcome.returncode:
        raise SetupError(
            "pip could not install what setup.cfg asks for (its message stands above); "
            "is the package index reachable?"
        )
    _stamp_path(extras).write_text(_fingerprint() + "\n", encoding="ascii")


def say(text: str) -> None:
    """Tell the person who waits, on standard error."""
    print(text, file=sys.stderr, flush=True)


def _works(command: list[str | Path]) -> bool:
    try:
        outcome = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return False
    return outcome.returncode == 0


def _existing_pip() -> list[str | Path] | None:
    """Return the pip of an environment that already stands here, or None."""
    version = f"import sys; assert sys.version_info[:2] == {sys.version_info[:2]}"
    if _works([PYTHON, "-c", version]) and _works([PYTHON, "-m", "pip", "--version"]):
        return [PYTHON, "-m", "pip"]
    return None


def _new_pip() -> list[str | Path]:
    """Make the environment anew and return a pip that installs into it."""
    make = [sys.executable, "-m", "venv", "--clear"]
    if _has_ensurepip() and _works([*make, ENVIRONMENT]):
        return [PYTHON, "-m", "pip"]
    if _works([sys.executable, "-m", "pip", "--version"]):
        outcome = subprocess.run([*make, "--without-pip", ENVIRONMENT], check=False)
        if outcome.returncode == 0:
            return [sys.executable, "-m", "pip", "--python", PYTHON]
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(
            f"this Python cannot make virtual environments; install {package} "
            f"(Debian, Ubuntu: apt-get install {package}) and run this again"
        )
    _apt_install(package)
    outcome = subprocess.run([*make, ENVIRONMENT], check=False)
    if outcome.returncode:
        raise SetupError(f"{sys.executable} -m venv fails even with {package} installed")
    return [PYTHON, "-m", "pip"]


def _has_ensurepip() -> bool:
    return importlib.util.find_spec("ensurepip") is not None


def _apt_install(package: str) -> None:
    say(f"installing {package}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"stdout": subprocess.DEVNULL, "env": environment}
    subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", package]
    if subprocess.run(install, check=False, **quiet).returncode:
        raise SetupError(f"apt-get install {package} failed; its message stands above")
