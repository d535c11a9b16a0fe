"""The demo's summary counts flows and alerts by what they are known to be; its capture is kept.

Method: a few events of known kinds through the summary; the cache in a folder of the test's own.
"""

import json

import pytest

import engine
from engine.capture import synthetic
from tools import demo


def event(kind, source, destination, port, label=""):
    """Return a line of eve.json with what the summary reads, and more."""
    fields = {"event_type": kind, "src_ip": source, "dest_ip": destination, "dest_port": port}
    return json.dumps(fields | {"ml": {"label": label, "score": 0.5}, "proto": "TCP"}) + "\n"


def test_summary_counts_flows_and_alerts_by_kind(tmp_path, capsys):
    scanned, ordinary = ("10.20.1.66", "10.20.0.80", 99), ("10.20.1.12", "10.20.0.53", 53)
    events = tmp_path / "eve.json"
    events.write_text(
        event("flow", *scanned) * 1_200
        + event("alert", *scanned, "scan") * 3
        + event("alert", *scanned, "flood") * 2
        + event("flow", *ordinary) * 7
        + json.dumps({"event_type": "stats", "stats": {"uptime": 1}})
        + "\n"
    )
    demo._summarise(events)
    rows = {
        line.split("  ")[1]: line.split() for line in capsys.readouterr().out.splitlines() if line
    }
    assert rows["scan"][1:] == ["1,200", "5", "scan", "3,", "flood", "2"]
    assert rows["dns"][1:] == ["7", "0", "-"]
    assert {truth.kind for truth in synthetic.DEMO_TRUTH} <= set(rows)


def test_flow_that_is_not_the_demos_is_not_counted_as_its(tmp_path, capsys):
    events = tmp_path / "eve.json"
    events.write_text(event("alert", "8.8.8.8", "9.9.9.9", 80, "scan"))
    demo._summarise(events)
    assert "1" not in capsys.readouterr().out


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the cache's folder, with a small demo in the place of the real one."""
    monkeypatch.setattr(engine, "CACHE_HOME", tmp_path)
    monkeypatch.setattr(synthetic, "demo", lambda path: path.write_text("made"))
    return tmp_path


def test_demo_capture_is_made_once(cache, monkeypatch):
    capture = demo._capture()
    monkeypatch.setattr(synthetic, "demo", lambda path: path.write_text("made again"))
    assert demo._capture() == capture
    assert capture.read_text() == "made"


def test_capture_of_older_code_gives_way(cache):
    old = cache / demo.CAPTURE.format("0" * 16)
    old.write_text("old")
    demo._capture()
    assert not old.exists()
    assert len(list(cache.iterdir())) == 1
