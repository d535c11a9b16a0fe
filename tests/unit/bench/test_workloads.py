"""Goal: a workload is made once, whole, and again when it is not what it should be.

Method: makers that count their calls, fail, or find no room; files that were cut. What it cannot
show: that the captures are right: tests/unit/capture/test_synthetic.py does.
"""

import struct

import pytest

from engine.bench import workloads
from engine.bench.options import BenchOptions
from engine.bench.workloads import LeftOutError
from engine.capture.synthetic import many_flows
from engine.errors import CaptureError, ConfigError, OutputError


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(workloads, "FOLDER", tmp_path / "cache")
    return tmp_path / "cache"


class Maker:
    """Writes five bytes and counts how often."""

    def __init__(self):
        self.calls = self.said = 0

    def __call__(self, path):
        self.calls += 1
        path.write_bytes(b"12345")
        return 3

    def get(self, version="a"):
        def say():
            self.said += 1

        return workloads.cached("many-3", version, 5, self, say)


def test_workload_is_made_once():
    maker = Maker()
    assert maker.get() == maker.get()
    assert (maker.calls, maker.said) == (1, 1)
    assert (maker.get().packets, maker.get().bytes) == (3, 5)


def test_workload_of_another_size_is_made_again():
    maker = Maker()
    maker.get().path.write_bytes(b"123")
    assert maker.get().path.read_bytes() == b"12345"
    assert maker.calls == 2


def test_workload_of_another_maker_is_made_again():
    maker = Maker()
    maker.get("a")
    maker.get("b")
    assert maker.calls == 2


def test_failing_maker_leaves_nothing_behind(folder):
    def fail(path):
        path.write_bytes(b"12")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        workloads.cached("many-3", "a", 5, fail, lambda: None)
    assert list(folder.iterdir()) == []


def test_workload_without_room_is_left_out():
    with pytest.raises(LeftOutError, match="bytes free"):
        workloads.cached("many-3", "a", 1 << 60, Maker(), lambda: None)


def test_clean_removes_what_was_made(folder):
    Maker().get()
    files, size = workloads.clean()
    assert files == 2 and size > 5
    assert not folder.exists()


def test_real_mix_without_test_data_is_left_out_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("ENGINE_TEST_DATA", str(tmp_path / "none"))
    left_out = {}
    options = BenchOptions(only="mix", quick=True)
    with pytest.raises(ConfigError, match="mix: no test data"):
        workloads.chosen_workloads(options, left_out, lambda text: None)
    assert list(left_out) == ["mix"]


def test_given_capture_must_be_a_file(tmp_path):
    with pytest.raises(CaptureError, match="No such file"):
        workloads.given_capture(str(tmp_path / "none"))
    with pytest.raises(CaptureError, match="not a file"):
        workloads.given_capture(str(tmp_path))


def test_first_packet_is_a_capture_of_one(tmp_path):
    path = tmp_path / "all.pcap"
    many_flows(path, 40)
    first = workloads.first_packet(workloads.given_capture(str(path)))
    content, whole = first.read_bytes(), path.read_bytes()
    captured = struct.unpack_from("<I", content, 32)[0]
    assert len(content) == 24 + 16 + captured
    assert whole.startswith(content)


@pytest.mark.parametrize("content", [b"", b"\n\r\r\n" + bytes(60), b"\xd4\xc3\xb2\xa1" + bytes(20)])
def test_capture_of_another_kind_or_without_packets_has_no_first_packet(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    assert workloads.first_packet(workloads.given_capture(str(path))) is None


def test_title_of_live_flows_says_how_many(tmp_path):
    path = tmp_path / "live-10000-1000000.pcap"
    assert workloads.Workload(workloads.LIVE, path, 1, 1).title == "10,000 live flows"
