"""`engine report DIR`: one HTML page of a finished run, for people who did not run it.

The page is one file: no script, no font, nothing from a network. It is made from run.json,
eve.json and a file of flow records, where there is one; what is missing is said on it.
"""

from pathlib import Path

from engine.errors import ConfigError, OutputError
from engine.recorder.escape import whole_text
from engine.recorder.files import OutputFile
from engine.recorder.folder import OWN_FILES, REPORT
from engine.report.page import page


def write_report(folder: str, out: str | None = None) -> Path:
    """Write the page of a run's folder, into the folder itself if `out` names no file.

    Raises ConfigError for a folder that no run has written, OutputError for what cannot be written.
    """
    path = Path(folder) / REPORT if out is None else Path(out)
    written = page(folder)
    inside = path.parent.resolve() == Path(folder).resolve()
    if inside and path.name in OWN_FILES and path.name != REPORT:
        raise ConfigError(f"{whole_text(str(path))} is a file of the run: name another with -o")
    if path.is_dir():
        raise OutputError(f"cannot write {whole_text(str(path))}: Is a directory")
    file = OutputFile(str(path.parent), path.name)
    try:
        file.write(written.encode())
        file.settle()
        file.appear()
    finally:
        file.abandon()
    return path
