"""Goal: what is installed is found and asked for its version, what is not is named with the reason.

Method: programs of a few lines in a folder of their own. What it cannot show: that real peers
understand their arguments; a run that fails is left out with its own words.
"""

import pytest

from engine.bench import programs
from engine.bench.measure import Watched
from engine.bench.options import check_names, chosen
from engine.errors import ConfigError


@pytest.fixture
def place(monkeypatch, tmp_path):
    """Return a folder that is the only one where programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "FURTHER_PLACES", ())
    monkeypatch.delenv("NFSTREAM_PYTHON", raising=False)
    return tmp_path


def install(place, name, text):
    path = place / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_absent_peers_are_named_with_the_reason(place, monkeypatch):
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    found, absent = programs.find_peers(programs.PEER_NAMES, 2)
    assert found == []
    assert list(absent) == list(programs.PEER_NAMES)
    assert absent["argus"] == "not installed"
    assert "NFSTREAM_PYTHON" in absent["nfstream"]


def test_installed_peer_is_found_with_its_version(place):
    path = install(place, "argus", "echo 'Argus Version 3.0.8.2' >&2; exit 1")
    (found,), absent = programs.find_peers(("argus", "tcpdump"), 2)
    assert (found.name, found.version, found.command[0]) == ("argus", "3.0.8.2", str(path))
    assert list(absent) == ["tcpdump"]


def test_interpreter_without_nfstream_is_named(place, monkeypatch):
    monkeypatch.setenv("NFSTREAM_PYTHON", str(install(place, "python", "exit 1")))
    found, absent = programs.find_peers(("nfstream",), 2)
    assert found == []
    assert "cannot import" in absent["nfstream"]


def test_nfstream_meters_leave_a_core(place, monkeypatch):
    monkeypatch.setenv("NFSTREAM_PYTHON", str(install(place, "python", "echo 6.6.0")))
    (found,), _ = programs.find_peers(("nfstream",), 4)
    assert found.version == "6.6.0"
    assert found.command[-1] == "3"


def test_capture_and_folder_are_filled_in(tmp_path):
    program = programs.engine_program(programs.SCORED, 3)
    command = program.fill(tmp_path / "a.pcap", tmp_path / "out")
    assert command[command.index("-r") + 1] == str(tmp_path / "a.pcap")
    assert command[command.index("-w") + 1] == str(tmp_path / "out")
    assert command[command.index("-n") + 1] == "3"
    assert "{capture}" in program.shown


def test_only_the_mode_that_says_so_reads_the_capture_twice():
    scored, written = (programs.engine_program(name, 1).command for name in ("scored", "written"))
    assert "recorder.source_digests=false" in scored
    assert [word for word in scored if word not in written] == ["--set", scored[-1]]


def test_flow_features_alone_write_and_score_nothing():
    command = programs.engine_program(programs.FEATURES, 1).command
    assert "--no-score" in command
    assert "-w" not in command


@pytest.mark.parametrize(
    ("name", "stdout", "stderr", "expected"),
    [
        ("tcpdump", "1000 packets\n", "reading from file", 1000),
        ("tcpdump", "1 packet\n", "", 1),
        ("softflowd", "Packets processed: 97\nIgnored packets: 3 (3 non-IP)\n", "", 100),
        ("softflowd", "", "nothing", None),
        ("argus", "1000 packets\n", "", None),
    ],
)
def test_packets_that_a_peer_says_it_has_read_are_taken(name, stdout, stderr, expected):
    program = programs.Program(name, name, (name,), name)
    watched = Watched(0, stdout=stdout, stderr=stderr)
    assert program.packets_read(watched) == expected


def test_named_ones_are_chosen_in_their_own_order():
    assert chosen("argus, mix,tcpdump", programs.NAMES) == ("tcpdump", "argus")


def test_naming_none_of_a_kind_chooses_all():
    assert chosen("mix", programs.NAMES) == programs.NAMES


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="mix, argus, is 'argos'"):
        check_names("mix,argos", ("mix", "argus"))
