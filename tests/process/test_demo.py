"""Goal: a run of the engine on the demo alerts on its attacks and on nothing that is ordinary.

Method: one run of the command, processes and all, over the demo capture; its eve.json and run.json
against what is known of every flow of the demo. The model was trained on other captures; the demo
was never among them. What it cannot show: how the model does on traffic that is real (the model's
card says what was measured).
"""

import collections
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.capture import synthetic

FOUND = ("scan", "brute force", "flood", "beacon", "exfiltration")
ORDINARY = {truth.kind for truth in synthetic.DEMO_TRUTH if not truth.attack}


class Outcome(NamedTuple):
    """What a run wrote."""

    flows: list[dict]
    alerts: list[dict]
    run: dict


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> Outcome:
    """Run the engine on the demo, once for this module."""
    folder = tmp_path_factory.mktemp("demo")
    synthetic.demo(folder / "demo.pcap")
    command = [Path(sys.executable).parent / "engine", "run", "-n", "2", "--flows", "jsonl"]
    command += ["-r", folder / "demo.pcap", "-w", folder / "out"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert finished.returncode == 0, finished.stderr
    written: dict[str, list] = {"flow": [], "alert": [], "stats": []}
    for line in (folder / "out" / "eve.json").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        written[event["event_type"]].append(event)
    run = json.loads((folder / "out" / "run.json").read_text(encoding="utf-8"))
    return Outcome(written["flow"], written["alert"], run)


def _truth(event: dict) -> synthetic.Truth:
    truth = synthetic.kind_of(event["src_ip"], event["dest_ip"], event.get("dest_port", 0))
    assert truth is not None, f"a flow that the demo does not have: {event}"
    return truth


def _by_kind(events: list[dict]) -> collections.Counter[str]:
    return collections.Counter(_truth(event).kind for event in events)


def test_ordinary_traffic_raises_no_alert(outcome):
    alarms = [event for event in outcome.alerts if not _truth(event).attack]
    assert alarms == []
    flows = _by_kind(outcome.flows)
    assert all(flows[kind] for kind in ORDINARY), flows  # Or silence would say nothing.


@pytest.mark.parametrize("kind", FOUND)
def test_attack_is_found_in_most_of_its_flows(outcome, kind):
    assert _by_kind(outcome.alerts)[kind] > _by_kind(outcome.flows)[kind] / 2


@pytest.mark.parametrize("kind", FOUND)
def test_attack_is_called_what_it_is(outcome, kind):
    labels = {event["ml"]["label"] for event in outcome.alerts if _truth(event).kind == kind}
    assert labels == {kind}


def test_each_flow_alerts_at_most_once(outcome):
    alerted = collections.Counter(event["ml"]["uid"] for event in outcome.alerts)
    assert set(alerted.values()) == {1}
    assert set(alerted) <= {event["ml"]["uid"] for event in outcome.flows}


def test_alerts_are_at_their_threshold_and_say_why(outcome):
    for event in outcome.alerts:
        quantities = event["ml"]
        assert quantities["score"] >= quantities["threshold"]
        weights = [abs(top["weight"]) for top in quantities["top_features"]]
        assert 1 <= len(weights) <= 8
        assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("beacon", {"ransomware_beacon_regularity", "tls_no_name_ratio"}),
        ("exfiltration", {"internal_staging_log2", "large_upload_count", "internal_peer_count"}),
    ],
)
def test_what_counters_find_is_explained_by_what_they_count(outcome, kind, names):
    alerts = [event for event in outcome.alerts if event["ml"]["label"] == kind]
    assert alerts
    for event in alerts:
        assert names <= {top["name"] for top in event["ml"]["top_features"]}


def test_flows_say_that_they_had_an_alert(outcome):
    alerted = {event["ml"]["uid"] for event in outcome.alerts}
    for event in outcome.flows:
        assert event["flow"]["alerted"] is (event["ml"]["uid"] in alerted)


def test_every_alert_and_flow_that_was_counted_was_written(outcome):
    counted = outcome.run["processes"]["classifier"]["counters"]
    assert counted["alerts"] == len(outcome.alerts)
    assert counted["finals"] == len(outcome.flows)
    assert counted["scored"] == counted["finals"] + counted["early"]
