"""Goal: run.json says what the run was, and nothing that must not be known.

Method: a run's facts are put in and read back. Whether the facts are right is the supervisor's.
"""

import hashlib
import os

import msgspec
import pytest

from engine.config import Config, load
from engine.errors import OutputError
from engine.recorder.run_json import (
    RunFacts,
    RunRecord,
    process_facts,
    run_record,
    source_files,
    write_run_json,
)
from engine.rings.plan import new_run_name
from engine.rings.statistics import Statistics
from tests.unit.recorder.rows import plan_of
from tests.unit.recorder.whole_runs import ordered, write_run


def read(folder) -> RunRecord:
    return msgspec.json.decode((folder / "run.json").read_bytes(), type=RunRecord)


def empty_facts(**changes) -> RunFacts:
    facts = {
        "command": ("engine",),
        "started_ns": 1,
        "ended_ns": 2,
        "exit_code": 0,
        "processes": {},
        "reports": [],
        "sources": [],
    }
    return RunFacts(**(facts | changes))


def test_run_json_says_what_the_stages_reported(tmp_path):
    run = write_run(tmp_path / "run", ordered(30), ("csv",), "finals")
    record = read(run.folder)
    assert record.outputs[0].name == "eve.json"
    assert {output.name for output in record.outputs} == {"eve.json", "flows.csv", "hosts.jsonl"}
    assert record.counters["classifier"]["finals"] == 25
    assert record.counters["worker"] == record.processes["worker.0"].counters
    assert record.sources[0].packets == record.counters["capture"]["read"]
    assert [damage.offset for damage in record.damage] == [24]
    assert len(record.digest) == 32
    assert len(record.feature_digest) == 64


def test_source_has_the_digest_of_its_file(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(b"capture")
    (source,) = source_files((str(path),))
    assert source.bytes == 7
    assert source.sha256 == hashlib.sha256(b"capture").hexdigest()
    (unhashed,) = source_files((str(path),), hashed=False)
    assert unhashed.sha256 is None


def test_source_that_is_no_file_has_no_digest_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("-", str(tmp_path / "gone"), str(tmp_path / "pipe"), str(tmp_path)):
        (source,) = source_files((path,))
        assert source.sha256 is None


def test_hash_key_is_in_no_corner_of_run_json(tmp_path):
    key = "0123456789abcdef" * 2
    config = load(None, (f"hash.key={key}",))
    plan = plan_of(tmp_path)
    plan = type(plan)(plan.run, config, (), config.hash_key(), 1, folder=str(tmp_path))
    command = ("engine", "run", "--set", f"hash.key={key}", f"--set=hash.key={key}")
    write_run_json(str(tmp_path), run_record(plan, empty_facts(command=command)))
    content = (tmp_path / "run.json").read_text()
    assert key not in content
    assert str(config.hash_key()[0]) not in content
    record = read(tmp_path)
    assert record.config["hash.key"] == "(hidden)"
    assert record.command[-1] == "--set=hash.key=(hidden)"


def test_paths_of_any_bytes_are_written(tmp_path):
    plan = plan_of(tmp_path, sources=("b\udcff.pcap",))
    facts = empty_facts(sources=source_files(plan.sources), command=("-r", "b\udcff.pcap"))
    write_run_json(str(tmp_path), run_record(plan, facts))
    record = read(tmp_path)
    assert record.sources[0].path == record.command[1] == "b\\xff.pcap"


def test_configuration_is_whole(tmp_path):
    write_run_json(str(tmp_path), run_record(plan_of(tmp_path), empty_facts()))
    settings = read(tmp_path).config
    assert settings["flow.idle_timeout"] == Config().flow.idle_timeout
    assert settings["packet.tunnels"] == list(Config().packet.tunnels)


def test_unwritable_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match=r"run\.json"):
        write_run_json(str(tmp_path / "none"), run_record(plan_of(tmp_path), empty_facts()))


def test_every_process_is_in_the_facts():
    statistics = Statistics.create(new_run_name(), 3)
    try:
        facts = process_facts(statistics)
    finally:
        statistics.segment.unlink()
        statistics.segment.close()
    assert list(facts) == ["capture", "worker.0", "worker.1", "worker.2", "classifier", "recorder"]
    assert facts["capture"].counters["read"] == 0
