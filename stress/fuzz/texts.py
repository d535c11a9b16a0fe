"""Fuzz what people hand in: model files and configurations.

A changed file is refused with ModelError or ConfigError, or it is taken; nothing else is raised. A
model that is taken then scores vectors: an index in it that was not checked would read elsewhere. A
configuration that is taken is written and read back: it must be the same.
"""

import io
import random
import zipfile
from pathlib import Path

import numpy as np

from engine.classifier import model, model_file
from engine.classifier.model import score_vectors
from engine.config import Config, dump, load
from engine.errors import ConfigError, ModelError
from stress.fuzz.batch import Batch, dice_of
from stress.fuzz.files import changed
from tests.unit.classifier.models import write_small

MODEL_CASES, CONFIG_CASES = 32, 64
_VECTORS = 64
_EDGES = (0.0, -0.0, 1.0, -1.0, 3e38, -3e38, 1e-45)
_WORDS = (
    *(
        "0",
        "-1",
        "1",
        "true",
        "false",
        "[]",
        '""',
        "1e9",
        "inf",
        "nan",
        "99999999999999999999",
        "{}",
    ),
    *('"off"', '"same"', '"5 s"', '"1 GiB"', '["x"]', "1979-05-27", "0x10", '"\\u0000"', "\ufeff"),
)


class ModelTarget:
    """The reader of models, and the kernels behind it."""

    name = "model"

    def __init__(self, seed: int, progress: np.ndarray, folder: Path) -> None:
        """`folder` takes the file at work."""
        self._seed = seed
        self._progress = progress
        self._path = folder / "fuzzed.model"
        write_small(self._path)
        self._whole = self._path.read_bytes()

    def run(self, number: int, cases: int = MODEL_CASES) -> Batch:
        """Run a batch; return what came of it."""
        dice = dice_of(self.name, self._seed, number)
        vectors = (
            np.random.default_rng(dice.getrandbits(62))
            .uniform(-3, 3, (_VECTORS, 142))
            .astype(np.float32)
        )
        vectors[: len(_EDGES)] = np.array(_EDGES, np.float32)[:, None]
        batch = Batch()
        for case in range(cases):
            self._progress[0] = case
            content = self._changed(dice)
            self._path.write_bytes(content)
            batch.cases += 1
            try:
                taken = model.read(self._path)
                scores, labels = score_vectors(taken.detector, vectors)
                assert np.isfinite(scores).all(), "a score is no number"
                assert (labels < len(taken.card.labels)).all(), "a label that the card lacks"
                batch.count("taken")
            except ModelError:
                batch.count("refused")
            except Exception as error:  # Whatever else is raised here is the finding.
                batch.find(case, f"{type(error).__name__}: {error}"[:2000], content)
        return batch

    def _changed(self, dice: random.Random) -> bytes:
        """Return a model file changed as a file, in a member, or in an array."""
        way = dice.randrange(3)
        if way == 0:
            return changed(self._whole, dice)
        members = _members(self._whole)
        if way == 1:
            members["card.json"] = changed(members["card.json"], dice)
            return _zipped(members)
        arrays = _members(members["forest.npz"])
        name = dice.choice(sorted(model_file.ARRAYS)) + ".npy"
        arrays[name] = changed_array(arrays[name], dice)
        members["forest.npz"] = _zipped(arrays)
        return _zipped(members)


def changed_array(content: bytes, dice: random.Random) -> bytes:
    """Return a .npy file with some numbers changed, or anything in it."""
    if dice.randrange(3) == 0:
        return changed(content, dice)
    octets = bytearray(content)
    begin = 10 + int.from_bytes(content[8:10], "little")
    for _ in range(dice.randrange(1, 4)):
        if begin < len(octets):
            octets[dice.randrange(begin, len(octets))] = dice.choice(
                (0, 1, 127, 128, 141, 142, 255)
            )
    return bytes(octets)


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class ConfigTarget:
    """The reader of configurations."""

    name = "config"

    def __init__(self, seed: int, progress: np.ndarray, folder: Path) -> None:
        """`folder` takes the file at work."""
        self._seed = seed
        self._progress = progress
        self._path = folder / "fuzzed.toml"
        self._lines = dump(Config()).splitlines()

    def run(self, number: int, cases: int = CONFIG_CASES) -> Batch:
        """Run a batch; return what came of it."""
        dice = dice_of(self.name, self._seed, number)
        batch = Batch()
        for case in range(cases):
            self._progress[0] = case
            content = self._changed(dice)
            self._path.write_bytes(content)
            batch.cases += 1
            try:
                taken = load(str(self._path))
                self._path.write_text(dump(taken), encoding="utf-8")
                assert load(str(self._path)) == taken, "read back it is another"
                batch.count("taken")
            except ConfigError:
                batch.count("refused")
            except Exception as error:  # Whatever else is raised here is the finding.
                batch.find(case, f"{type(error).__name__}: {error}"[:2000], content)
        return batch

    def _changed(self, dice: random.Random) -> bytes:
        """Return the default configuration with values, lines or bytes changed."""
        lines = list(self._lines)
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(lines))
            key = lines[at].partition(" = ")[0]
            way = dice.randrange(5)
            if way < 3:
                lines[at] = f"{key} = {dice.choice(_WORDS) if way else dice.randrange(1 << 40)}"
            elif way == 3:
                lines[at] = lines[dice.randrange(len(lines))]
            else:
                del lines[at]
        content = "\n".join(lines).encode("utf-8", "surrogatepass")
        return changed(content, dice) if dice.randrange(4) == 0 else content
