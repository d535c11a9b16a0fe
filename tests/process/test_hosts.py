"""Goal: hosts are written, shown and accounted for, whatever the traffic does to them.

Method: real runs. Hostile captures of our own under limits that are met at once: sources without
end, all ports of a host, names and greetings that are broken everywhere; then what was written
against the counters, `engine check`, and the digest of other numbers of workers. A run held in the
middle is asked for its hosts. Costs are measured elsewhere (`engine bench --hostile`).
"""

import json

import pytest

from engine.capture.synthetic import crowds
from tests.process.runs import PIPE_BYTES, first_packets, held_run, mixed_capture, run_engine

PACKETS = {"crowd": 200_000, "trickle": 40_000, "sweep": 140_000, "names": 20_000, "hellos": 5_000}
WITH_A_PANE = 6_000  # Packets of the capture, 7 s: a pane and more.
VERIFIED = ("--set", "packet.checksums=verify")
LIMITS = ("--set", "host.max_hosts=64", "--set", "host.max_pairs=32", "--set", "host.rows=64")


def hosts_in(folder) -> list[dict]:
    """Return the lines of hosts.jsonl."""
    return [json.loads(line) for line in (folder / "hosts.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("kind", crowds.WORKLOADS)
def test_hostile_traffic_is_accounted_for_within_limits(kind, tmp_path):
    path, out = tmp_path / "hostile.pcap", tmp_path / "out"
    packets = crowds.write(path, kind, PACKETS[kind], hostile=True)
    run = run_engine(
        "run", "-r", path, "-w", out, "--json", "-n", "2", "--no-score", *LIMITS, *VERIFIED
    )
    assert run.code == 0, run.err
    counters = run.value["counters"]["classifier"]
    assert run.value["packets"]["accepted"] == packets
    hosts = hosts_in(out)
    assert len(hosts) == counters["hosts_made"] - counters["hosts_forgotten"] <= 64
    assert sum(not host["internal"] for host in hosts) <= 32
    parts = sum(counters[f"host_rows_{name}"] for name in ("joined", "none", "gone"))
    assert parts == 2 * (counters["finals"] + counters["early"])
    checked = run_engine("check", out)
    assert checked.code == 0, checked.out
    if kind in ("crowd", "trickle"):
        assert counters["hosts_made"] + counters["host_refused"] >= packets
        assert counters["hosts_forgotten"] > 0
        assert counters["pairs_forgotten"] > 0
    if kind == "sweep":
        (scanner,) = (host for host in hosts if host["address"] == "10.0.0.1")
        assert scanner["features"]["traffic_service_count"] == 1420  # All 256 bits.
        assert scanner["features"]["internal_ports_per_peer_max"] == 266  # All 64.


def test_separate_sources_have_their_own_hosts_in_any_number_of_workers(tmp_path):
    paths = []
    for number, kind in enumerate(("sweep", "names", "crowd")):
        paths += ["-r", tmp_path / f"{number}.pcap"]
        crowds.write(paths[-1], kind, 3_000, hostile=True)
    found = []
    for workers in (1, 3):
        out = tmp_path / f"out{workers}"
        words = ("--separate", "--json", "-n", workers, "--set", "ring.row_capacity=64")
        run = run_engine("run", *paths, "-w", out, *words)
        assert run.code == 0, run.err
        assert run_engine("check", out).code == 0
        found.append((run.value["digest"], (out / "hosts.jsonl").read_bytes()))
    assert found[0] == found[1]
    numbers = [host["source_number"] for host in hosts_in(tmp_path / "out1")]
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1, 2}


def test_hosts_of_a_finished_run_are_shown(tmp_path):
    path, out = tmp_path / "office.pcap", tmp_path / "out"
    mixed_capture(path)
    assert run_engine("run", "-r", path, "-w", out, "--no-score", "-n", "1").code == 0
    written = {host["address"]: host for host in hosts_in(out)}
    shown = run_engine("hosts", out, "--json", "--sort", "port_scan_score").value["hosts"]
    assert {host["address"]: host for host in shown} == written
    scores = [host["features"].get("port_scan_score", -1.0) for host in shown]
    assert scores == sorted(scores, reverse=True)
    assert shown[0]["address"] == "10.20.1.66"  # The scanner.
    table = run_engine("hosts", out, "--top", 2, "--sort", "port_scan_score").out.splitlines()
    assert len(table) == 4
    assert table[1].startswith("10.20.1.66 ")
    assert table[-1] == f"{len(written):,} hosts, 2 shown"
    whole = run_engine("hosts", "10.20.1.66", out).out
    assert "port_scan_score" in whole
    assert "10.20.1.66, inside in " in whole
    assert "no host" in run_engine("hosts", out, "192.0.2.77").complaint(2)
    assert "is not there" in run_engine("hosts", tmp_path).complaint(2)
    assert "did you mean" in run_engine("hosts", out, "--sort", "port_scan").complaint(2)


def test_hosts_of_a_running_engine_are_shown(tmp_path, capture):
    content = first_packets(capture.read_bytes(), WITH_A_PANE)
    begin = content[:PIPE_BYTES]
    with held_run(tmp_path / "held", begin, "-n", "1", "--json") as (run, fifo):
        for at in range(PIPE_BYTES, len(content), PIPE_BYTES):
            run.until("the pipe is empty", lambda: fifo.is_empty)
            fifo.feed(content[at : at + PIPE_BYTES])
        run.has_read(WITH_A_PANE)
        name = run.segments[0].run
        run.sees("a pane has ended", lambda look: look.totals["classifier"]["host_rows"] > 0)
        shown = run_engine("hosts", "--run", name, "--json").value["hosts"]
        assert "10.20.1.66" in {host["address"] for host in shown}  # The scanner.
        assert all(host["features"] for host in shown)
        assert "10.20.1.66" in run_engine("hosts", "10.20.1.66", "--run", name).out
