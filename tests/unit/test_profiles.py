"""Profiles: each is a set of settings that are allowed; what stands above what."""

import pytest

from engine.config import Config, flatten, load
from engine.errors import ConfigError
from engine.profiles import PROFILES, profile_settings

NAMES = ("nfstream", "ndpi", "zeek", "arkime", "ipfixprobe", "cicflowmeter", "suricata")


def test_every_program_that_is_compared_has_a_profile():
    assert sorted(PROFILES) == sorted(NAMES)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_changes_what_it_names_and_nothing_else(name):
    before, behind = flatten(Config()), flatten(load(profile=profile_settings(name)))
    assert {key for key in before if before[key] != behind[key]} <= set(PROFILES[name])


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_names_nothing_that_is_so_by_default_but_timeouts(name):
    before, behind = flatten(Config()), flatten(load(profile=profile_settings(name)))
    idle = {key for key in PROFILES[name] if before[key] == behind[key]}
    assert all("timeout" in key or key == "packet.tunnels" for key in idle)


def test_a_file_stands_above_the_profile_and_a_setting_above_the_file(tmp_path):
    path = tmp_path / "engine.toml"
    path.write_text("[flow]\nlength = 'frame'\nicmp = 'community'\n")
    taken = load(str(path), ("flow.icmp=zero",), profile_settings("ndpi"))
    assert (taken.flow.length, taken.flow.icmp) == ("frame", "zero")
    assert taken.flow.initiator == "first"


def test_no_profile_has_no_settings_and_an_unknown_one_is_refused():
    assert profile_settings(None) == {}
    with pytest.raises(ConfigError, match="unknown profile 'x'; known: ndpi"):
        profile_settings("x")
