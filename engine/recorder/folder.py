"""The folder that a run writes into: made, refused or emptied before anything starts."""

import os
from pathlib import Path

from engine.errors import ConfigError, OutputError
from engine.recorder.escape import whole_text
from engine.recorder.files import PARTIAL
from engine.recorder.hosts import HOSTS
from engine.recorder.outputs import FILES
from engine.recorder.run_json import RUN_JSON

REPORT = "report.html"  # Written by `engine report`: of the run that is there, so it goes with it.
# What --overwrite may remove, and nothing else.
OWN_FILES = (*FILES.values(), HOSTS, RUN_JSON, REPORT)


def prepare_folder(folder: str, overwrite: bool) -> None:
    """Make the folder ready; OutputError if it cannot be, ConfigError if it is not empty."""
    path, shown = Path(folder), whole_text(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        raise OutputError(f"cannot use folder {shown!r}: {error.strerror}; nothing read") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write into folder {shown!r}: Permission denied; nothing read")
    if names and not overwrite:
        raise ConfigError(f"folder {shown!r} is not empty: name another, or give --overwrite")
    for name in names:
        if name.removesuffix(PARTIAL) in OWN_FILES:
            (path / name).unlink()
