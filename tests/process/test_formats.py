"""Goal: whole runs write every format, the same in whatever way, and history changes nothing else.

Method: the real command over one capture, mapped and compressed, with 1, 2 and 3 workers; the lines
of other programs' formats, but for comments, are the same; the digest is that of a run without
history; what was written proves itself.
"""

import gzip

import msgspec
import pytest

from engine.recorder.outputs import FILES, FOREIGN
from tests.process.runs import digest_of, run_engine

_FORMATS = [word for name in FILES for word in ("--flows", name)]


def _records(path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines() if line[:1] != b"#"]


@pytest.mark.slow
def test_every_format_is_the_same_in_every_way_and_proves_itself(capture, tmp_path):
    packed = tmp_path / "mixed.pcap.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes(), 1))
    ways = {"one": (capture, "1"), "three": (capture, "3"), "packed": (packed, "2")}
    for name, (source, workers) in ways.items():
        words = ("run", "-r", source, "-w", tmp_path / name, "-n", workers, *_FORMATS)
        ended = run_engine(*words)
        assert ended.code == 0, ended.err
        checked = run_engine("check", tmp_path / name)
        assert checked.code == 0 and ", 0 wrong" in checked.out, checked.out + checked.err
    record = msgspec.json.decode((tmp_path / "one" / "run.json").read_bytes())
    assert record["digest"] == digest_of("-r", capture, "-n", "2")
    for file in FOREIGN.values():
        expected = _records(tmp_path / "one" / file)
        assert len(expected) > 100
        for name in ("three", "packed"):
            assert _records(tmp_path / name / file) == expected, (name, file)
    assert b"\tSF\t" in b"".join(_records(tmp_path / "one" / "conn.log"))


def test_early_records_are_refused_for_other_programs_columns(capture, tmp_path):
    words = ("run", "-r", capture, "-w", tmp_path / "out", "--flows", "zeek", "--early")
    assert "--early" in run_engine(*words).complaint(2)
