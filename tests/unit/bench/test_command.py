"""Goal: engine bench measures what it is told, end to end, and its JSON agrees with itself.

Method: the command as the command line calls it, on captures of a few hundred packets. What it
cannot show: how fast anything is; nothing here looks at a clock.
"""

import json
import shutil

import pytest

from engine import FINGERPRINT
from engine.bench import command, main, memory, record, speed, workloads
from engine.bench.options import BenchOptions
from engine.bench.stages import STAGES, step_all
from engine.capture.synthetic import many_flows
from engine.config import load
from engine.errors import CaptureError, ConfigError, OutputError

PACKETS = 400


@pytest.fixture
def capture(tmp_path, monkeypatch):
    monkeypatch.setattr(workloads, "FOLDER", tmp_path / "cache")
    monkeypatch.setattr(speed, "FOLDER", tmp_path / "cache")
    monkeypatch.setattr(speed, "STARTS", 1)
    path = tmp_path / "tiny.pcap"
    many_flows(path, PACKETS)
    return str(path)


@pytest.mark.compiled
def test_tiny_capture_is_measured_end_to_end(capture, capsys):
    only = "features,tcpdump"
    arguments = ["--capture", capture, "--json", "--runs", "1", "--cores", "1", "--only", only]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    (workload,) = found["workloads"]
    ours = workload["programs"][0]
    assert (workload["packets"], ours["packets_read"]) == (PACKETS, PACKETS)
    assert workload["flows"] == PACKETS // 4
    assert workload["bytes"] == 24 + PACKETS * 80
    cpu_s = ours["cpu_seconds"]["median"]
    stages = sum(one["median"] for one in ours["ns_per_packet"].values())
    assert stages * PACKETS / 1e9 == pytest.approx(cpu_s, abs=2e-6)
    assert ours["packets_per_cpu_second"]["median"] == pytest.approx(PACKETS / cpu_s)
    assert ours["start_cpu_seconds"]["median"] > cpu_s
    names = [program["name"] for program in workload["programs"]]
    if shutil.which("tcpdump"):
        assert names == ["features", "tcpdump"]
        assert workload["programs"][1]["packets_read"] == PACKETS
    else:
        assert names == ["features"]
        assert found["left_out"] == {"tcpdump": "not installed"}


@pytest.mark.compiled
def test_memory_is_looked_at_in_every_process(capture, capsys):
    assert main(["--memory", "--capture", capture, "--json", "--cores", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    held = found["workloads"][0]["processes"]
    assert "supervisor" in held
    assert all(0 < one["own"] <= one["resident"] for one in held.values())
    hosts = found["workloads"][0]["hosts"]
    assert 0 < hosts["known_at_end"] == hosts["made"]
    assert hosts["bytes_per_host"] == pytest.approx(hosts["bytes"] / hosts["made"], abs=1)
    table_bytes = found["bytes_per_flow"] * found["max_flows"]
    assert found["segments"]["table"] == pytest.approx(table_bytes, rel=1e-3)
    assert found["segments"]["table"] < found["bytes_per_flow_max"] * found["max_flows"]


def test_private_memory_behind_a_segment_is_told_from_the_rest():
    text = """7f00-7f10 rw-s 00000000 00:1a 5    /dev/shm/x.hosts
Rss:                  4 kB
7f10-7f90 rw-p 00000000 00:00 0
Rss:                 24 kB
7f90-7fa0 rw-p 00000000 00:00 0
Rss:                100 kB
7fb0-7fc0 rw-s 00000000 00:1a 5    /dev/shm/x.hosts
Rss:                  8 kB
7fc0-7fd0 r-xp 00000000 08:01 9    /lib/other
Rss:                200 kB
"""
    assert memory.private_behind(text, "/dev/shm/x.hosts") == 24 * 1024
    assert memory.private_behind("", "/dev/shm/x.hosts") == 0


@pytest.mark.parametrize("score", [False, True])
def test_kernels_alone_read_every_packet(capture, score):
    config = load(None, ("engine.workers=2", "flow.max_flows=4096"))
    packets, costs = step_all(capture, config, score)
    assert packets == PACKETS
    assert tuple(costs) == STAGES
    assert all(cost > 0 for cost in costs.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runs", "0"], "--runs must be from 1"),
        (["--workers", "65"], "--workers must be from 1"),
        (["--cores", "100000"], "--cores must be from 1"),
        (["--only", "mix,argos"], "is 'argos'"),
        (["--memory", "--stages"], "one of --memory and --stages"),
        (["--clean", "--save"], "nothing that --save could keep"),
    ],
)
def test_wrong_options_are_refused_by_name(arguments, message):
    with pytest.raises(ConfigError, match=message):
        main(arguments)


def test_capture_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CaptureError, match="No such file"):
        main(["--capture", str(tmp_path / "none")])


def test_clean_says_what_it_removed(capture, capsys):
    workloads.FOLDER.mkdir()
    (workloads.FOLDER / "many-1.pcap").write_bytes(b"12345")
    assert main(["--clean"]) == 0
    assert capsys.readouterr().out == "removed 1 files, 5 bytes\n"


def test_help_names_every_option(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for option in ("capture", "json", "runs", "workers", "cores", "only", "quick", "save"):
        assert f"--{option}" in text


def test_command_that_is_kept_names_no_folder():
    options = BenchOptions(capture="/somebody/secret/a.pcap", runs=3)
    assert options.command() == ("engine bench --capture a.pcap --runs 3 --cores 2 --workers 1")


def test_kept_results_are_never_overwritten(tmp_path):
    found = {"date": "2026-01-02T03:04:05+00:00", "kind": "speed", "commit": "abc+"}
    path = record.keep(tmp_path, found)
    assert path.name == "20260102-030405-speed-abc.json"
    assert json.loads(path.read_text()) == found
    with pytest.raises(OutputError, match="File exists"):
        record.keep(tmp_path, found | {"kind": "speed"})


def test_results_outside_of_a_checkout_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "_ROOT", tmp_path)
    with pytest.raises(ConfigError, match="in a checkout"):
        record.results_folder()


@pytest.mark.compiled
def test_figures_of_sources_that_changed_meanwhile_are_not_kept(capture, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "fingerprint_now", lambda: "another")
    monkeypatch.setattr(command, "results_folder", lambda: tmp_path / "results")
    with pytest.raises(ConfigError, match="measure again"):
        main(["--stages", "--capture", capture, "--runs", "1", "--cores", "1", "--save"])
    assert not (tmp_path / "results").exists()


@pytest.mark.compiled
def test_measured_kernels_are_kept_and_shown(capture, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "fingerprint_now", lambda: FINGERPRINT)
    monkeypatch.setattr(command, "results_folder", lambda: tmp_path / "results")
    assert main(["--stages", "--capture", capture, "--runs", "1", "--cores", "1", "--save"]) == 0
    (path,) = (tmp_path / "results").iterdir()
    kept = json.loads(path.read_text())
    (workload,) = kept["workloads"]
    assert workload["packets"] == PACKETS
    for stages in workload["modes"].values():
        assert all(one["low"] <= one["median"] <= one["high"] for one in stages.values())
    text = capsys.readouterr().out
    assert f"{PACKETS:,} packets, one process" in text


def test_fingerprint_is_that_of_the_engine_that_is_measured():
    assert record.fingerprint_now() == FINGERPRINT


def test_sizes_of_a_process_are_read_in_bytes():
    text = "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss:  10 kB\nPss:  4 kB\nAnonymous: 2 kB"
    expected = {"resident": 10240, "proportional": 4096, "own": 2048}
    assert memory.parse_rollup(text) == expected
    assert memory.parse_rollup("") == {}


def test_largest_of_each_size_is_kept():
    assert memory.most({"own": 1, "resident": 5}, {"own": 2}) == {"own": 2, "resident": 5}


def test_process_that_is_gone_holds_nothing():
    assert memory.held_by(1 << 30) == {}
