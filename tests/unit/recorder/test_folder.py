"""A run's folder is emptied of what runs write, in every format, and of nothing else."""

import pytest

from engine.errors import ConfigError
from engine.recorder.files import PARTIAL
from engine.recorder.folder import prepare_folder
from engine.recorder.outputs import FILES

WRITTEN = {*FILES.values(), "run.json", "report.html"}


def test_overwriting_removes_what_runs_write_and_nothing_else(tmp_path):
    for name in WRITTEN | {"notes.txt"}:
        (tmp_path / name).write_text(name)
        (tmp_path / (name + PARTIAL)).write_text(name)
    prepare_folder(str(tmp_path), overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "notes.txt" + PARTIAL}


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_folder_with_files_of_a_run_is_refused(tmp_path, name):
    (tmp_path / name).write_text(name)
    with pytest.raises(ConfigError, match="not empty"):
        prepare_folder(str(tmp_path), overwrite=False)
    assert (tmp_path / name).read_text() == name
