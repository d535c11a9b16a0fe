"""Goal: a run under a profile is a run like any other: one digest, everything accounted for.

Method: the real command under each profile over one capture, in ways that must not matter; what it
writes proves itself. What each setting does is shown on kernels and against the twin.
"""

import gzip

import msgspec
import pytest

from engine.profiles import PROFILES
from tests.process.runs import digest_of, run_engine


@pytest.mark.slow
@pytest.mark.parametrize("name", PROFILES)
def test_a_run_under_a_profile_proves_itself_and_has_one_digest(name, capture, tmp_path):
    folder, packed = tmp_path / "out", tmp_path / "mixed.pcap.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes(), 1))
    words = ("--no-score", "--profile", name)
    ended = run_engine("run", "-r", capture, "-w", folder, "--flows", "csv", "-n", "1", *words)
    assert ended.code == 0, ended.err
    record = msgspec.json.decode((folder / "run.json").read_bytes())
    assert record["profile"] == name
    checked = run_engine("check", folder)
    assert checked.code == 0, checked.out + checked.err
    assert ", 0 wrong" in checked.out
    assert digest_of("-r", capture, "-n", "3", *words) == record["digest"]
    # The arena is of a stream then, not of a file that is copied.
    assert digest_of("-r", packed, "-n", "2", *words) == record["digest"]


@pytest.mark.slow
def test_settings_stand_above_a_profile(capture, tmp_path):
    given = "[flow]\nlength = 'ip'\n"
    (tmp_path / "engine.toml").write_text(given)
    words = ("--profile", "ndpi", "-c", tmp_path / "engine.toml", "--set", "flow.icmp=community")
    shown = run_engine("config", "dump", *words)
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert any(line.startswith('length = "ip"') for line in lines)
    assert any(line.startswith('icmp = "community"') for line in lines)
    assert any(line.startswith('initiator = "first"') for line in lines)


def test_unknown_profile_is_refused_with_the_names_there_are():
    ended = run_engine("config", "dump", "--profile", "wireshark")
    assert ended.code == 2
    assert "ipfixprobe" in ended.err
