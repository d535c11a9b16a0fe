"""The folder of a finished run: run.json must be whole, the rest may be missing."""

import errno
import stat
from pathlib import Path

import msgspec

from engine.errors import ConfigError
from engine.events import COUNTERS
from engine.recorder.escape import whole_text
from engine.recorder.run_json import RUN_JSON, SCHEMA, RunRecord
from engine.rings.statistics import stage_of

_COUNT_MAX = (1 << 63) - 1
_BYTES_MAX = 1 << 28  # 32,768 sources take some 10 MB.


def load(folder: str) -> tuple[RunRecord, list[str]]:
    """Return run.json of the folder, and the counters of this engine that its engine had not.

    Those are 0 in what is returned. ConfigError when it is not what a run writes.
    """
    path, shown = Path(folder), whole_text(folder)
    if not path.is_dir():
        raise ConfigError(f"{shown} is not a folder that a run has written")
    try:
        record = msgspec.json.decode(_content(path / RUN_JSON), type=RunRecord)
    except OSError as error:
        raise ConfigError(f"{shown}: {RUN_JSON} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{shown}: {RUN_JSON} is not what a run writes: {error}") from None
    if record.schema != SCHEMA:
        found = f"{RUN_JSON} has schema {record.schema}, this engine {SCHEMA}"
        raise ConfigError(f"{shown}: {found}")
    _check_counts(shown, record)
    return record, _fill(record)


def _content(path: Path) -> bytes:
    """Return what a file holds; OSError too where it is none, or larger than any run writes."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a file")
    if status.st_size > _BYTES_MAX:
        raise OSError(errno.EFBIG, f"{status.st_size:,} bytes, at most {_BYTES_MAX:,} are read")
    return path.read_bytes()


def _check_counts(shown: str, record: RunRecord) -> None:
    """Raise ConfigError where a stage has no counters, or a counter is no count."""
    for stage in COUNTERS:
        if stage not in record.counters:
            raise ConfigError(f"{shown}: {RUN_JSON} has no counters of {stage}")
    stages = list(record.counters.items())
    stages += [(name, process.counters) for name, process in record.processes.items()]
    for stage, counters in stages:
        for name, count in counters.items():
            if not 0 <= count <= _COUNT_MAX:
                raise ConfigError(f"{shown}: {RUN_JSON}: {stage}.{name} cannot be {count}")


def _fill(record: RunRecord) -> list[str]:
    """Set the counters that are not there to 0; return their names."""
    missing = []
    for stage, counters in COUNTERS.items():
        for counter in counters:
            if counter.name not in record.counters[stage]:
                record.counters[stage][counter.name] = 0
                missing.append(f"{stage}.{counter.name}")
    for name, process in record.processes.items():
        for counter in COUNTERS.get(stage_of(name), ()):
            process.counters.setdefault(counter.name, 0)
    return missing
