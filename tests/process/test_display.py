"""Goal: people see progress on a terminal and plain lines elsewhere; programs get JSON or an error.

Method: the command with a pseudo-terminal, a closed pipe, a full device as its output; its --json
object field by field. What the bar looks like is not shown here, only that it is one.
"""

import os
import pty
import signal
import subprocess

import pytest

from tests.process.conftest import SOME
from tests.process.runs import ENGINE, HANG_S, Ended, environment, held_run, run_engine

ESCAPE = "\x1b["
READ = ("--no-score", "-n", "1")


class Terminal:
    """A pseudo-terminal: what is written to it, read as it comes."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._seen = b""

    @property
    def text(self) -> str:
        """Return all that was written so far."""
        try:
            while piece := os.read(self._master, 1 << 16):
                self._seen += piece
        except OSError:
            pass  # Nothing now, or nobody writes to it any more.
        return self._seen.decode(errors="replace")

    def close(self) -> None:
        """Give both ends up."""
        os.close(self._master)
        os.close(self.slave)


@pytest.fixture
def terminal():
    made = Terminal()
    yield made
    made.close()


@pytest.mark.slow
def test_terminal_shows_a_bar_and_then_the_summary(terminal, tmp_path, some, capture):
    words = ("-r", capture, *READ)
    with held_run(tmp_path, some, *words, err=terminal.slave) as (run, fifo):
        run.until("the bar is there", lambda: f"{ESCAPE}?25l" in terminal.text)
        run.until("it counts", lambda: "packets" in terminal.text)
        assert "reading" in terminal.text
        assert "source" not in terminal.text
        fifo.close()
        run.ended()
    assert f"{15_534 + SOME:,} packets of 2 sources" in terminal.text
    assert f"{ESCAPE}?25h" in terminal.text  # The cursor is back.


@pytest.mark.slow
def test_no_terminal_gets_plain_lines(tmp_path, capture):
    ended = run_engine("run", "-r", capture, *READ, "-w", tmp_path / "out")
    assert ended.code == 0
    assert ESCAPE not in ended.err
    lines = ended.err.splitlines()
    assert lines[0].startswith("15,534 packets of 1 source in ")
    assert lines[1] == "  accepted 15,514; refused 20 (non_ip 20)"
    assert lines[-1] == f"  written to {tmp_path / 'out'}: eve.json, hosts.jsonl, run.json"


def test_alerts_are_told_by_kind_and_address(capture):
    ended = run_engine("run", "-r", capture, "-n", "2")
    alerts = ended.out.splitlines()
    assert alerts
    summary = ended.err.splitlines()
    at = next(k for k, line in enumerate(summary) if "alert" in line)
    assert summary[at] == f"  {len(alerts):,} alerts:"
    kinds = [line.split("  ")[1] for line in alerts]
    told = summary[at + 1 :]
    assert len(told) == 2 * len(set(kinds))
    for line in told[::2]:
        label = next(kind for kind in set(kinds) if line.split("  ")[2].strip() == kind)
        assert f" {kinds.count(label):,}  " in line
        first = next(alert for alert in alerts if alert.split("  ")[1] == label)
        assert first.split("  ")[3].split()[1].rpartition(":")[0] in line


def test_json_is_one_object_with_everything_in_it(capture):
    ended = run_engine("run", "--json", "-r", capture, *READ, "--digest")
    assert ended.err == ""
    value = ended.value
    assert value["schema"] == 1
    assert value["digest"].startswith("noscore:")
    packets = value["packets"]
    refused = {"non_ip": 20}
    assert packets == {
        "read": 15_534,
        "accepted": 15_514,
        "refused": refused,
        "filtered": 0,
        "dropped": {"ring": 0, "arena": 0},
        "in_flight": 0,
    }
    assert value["sources"] == [{"path": str(capture), "packets": 15_534}]
    assert value["records"]["final"] == value["flows"] > 1000
    assert value["alerts"] == 0
    assert value["hosts"] == value["counters"]["classifier"]["hosts_made"] > 100
    assert 0 < value["cpu_seconds"] < HANG_S
    assert 0 < value["seconds"] < HANG_S
    assert value["exit_code"] == 0


def closed_pipe() -> int:
    """Return the writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


VERBS = (
    ("features", "list"),
    ("layout",),
    ("run", "-r", "capture", *READ, "--json"),
    ("run", "-r", "capture", "-n", "1"),
)


def written_to(descriptor: int, words: tuple[str, ...], capture) -> Ended:
    line = [str(ENGINE), *(str(capture) if word == "capture" else word for word in words)]
    ended = subprocess.run(
        line,
        stdout=descriptor,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=HANG_S,
        check=False,
        text=True,
    )
    os.close(descriptor)
    return Ended(ended.returncode, "", ended.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_closed_pipe_is_no_traceback(words, capture):
    ended = written_to(closed_pipe(), words, capture)
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "Exception" not in ended.err
    if words[0] == "run" and "--json" not in words:
        assert "recorder: standard output was closed by its reader; of " in ended.complaint(1)


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_full_standard_output_is_said(words, capture):
    complaint = written_to(os.open("/dev/full", os.O_WRONLY), words, capture).complaint(1)
    assert "cannot write standard output: No space left on device" in complaint


@pytest.mark.slow
def test_live_run_is_shown_by_stats_and_proved_by_check(tmp_path, some):
    with held_run(tmp_path, some, *READ) as (run, _):
        look = run.has_read(SOME)
        (name,) = {found.run for found in run.segments}
        shown = run_engine("stats", "--run", name)
        assert shown.code == 0
        assert f"worker.0{look.pid('worker.0'):>13}  running" in shown.out
        assert f"  {'read':28}{SOME:>18,}  packets read from the sources" in shown.out
        assert run_engine("stats", "--json", "--run", name).value["counters"] == look.totals
        assert run_engine("check", "--run", name).code == 0
        listed = run_engine("shm", "list").out
        assert sum(name in line and line.startswith("live") for line in listed.splitlines()) >= 6
        run.send(signal.SIGTERM)
        assert run.ended().code == 0
