"""Fuzz what reads back the files of a run: `engine check`, `engine report`, `engine features`.

A disk, or somebody with an interest, changed a file of a finished run. `engine check` must find it:
no changed output may be proved, and none may be raised over. The others say what is wrong with an
EngineError, or show what is there.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.check import check_folder, is_wrong
from engine.errors import EngineError
from engine.feature_table import feature_table
from engine.host_list import written_hosts
from engine.report import write_report
from stress.fuzz.batch import Batch, dice_of
from stress.fuzz.files import changed
from tests.unit.recorder.whole_runs import ordered, write_run

CASES = 8
_FORMATS = ("csv", "jsonl", "zeek", "zeek-json", "cicflowmeter", "nfstream")
_RUN = "run.json"
_RECORDS = 24
_SHOWS: tuple[Callable[[str], object], ...] = (write_report, feature_table, written_hosts)


class WrittenTarget:
    """The files of a run, and all that reads them back."""

    name = "written"

    def __init__(self, seed: int, progress: np.ndarray, folder: Path) -> None:
        """Write a run below `folder`."""
        self._seed = seed
        self._progress = progress
        self._folder = folder / "changed"
        self._whole = folder / "whole"
        write_run(self._whole, ordered(_RECORDS), _FORMATS, "finals")
        assert not is_wrong(check_folder(str(self._whole))), "the whole run is not proved"
        self._names = sorted(path.name for path in self._whole.iterdir() if path.is_file())

    def run(self, number: int, cases: int = CASES) -> Batch:
        """Run a batch; return what came of it."""
        dice = dice_of(self.name, self._seed, number)
        batch = Batch()
        for case in range(cases):
            self._progress[0] = case
            name = _RUN if dice.randrange(3) == 0 else dice.choice(self._names)
            content, differs = self._change(name, dice)
            batch.cases += 1
            try:
                found = is_wrong(check_folder(str(self._folder)))
                assert found or not differs or name == _RUN, "a changed file is proved"
                batch.count(f"{name}: {'found' if found else 'not found'}")
                self._show()
            except Exception as error:  # Whatever is raised here is the finding.
                what = f"{name}: {type(error).__name__}: {error}"[:2000]
                batch.find(case, what, content)
        return batch

    def _change(self, name: str, dice: random.Random) -> tuple[bytes, bool]:
        """Have the run with one file changed; return its bytes, and whether they differ."""
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._whole, self._folder)
        path = self._folder / name
        before = path.read_bytes()
        content = changed(before, dice)
        path.write_bytes(content)
        return content, content != before

    def _show(self) -> None:
        """Have it shown by all that shows a run."""
        for show in _SHOWS:
            try:
                show(str(self._folder))
            except EngineError:
                continue
