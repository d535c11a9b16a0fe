"""Goal: `engine report` makes a page of what a real run wrote, and a browser lays it out whole.

Method: one run on a small capture that is partly damaged, and the command on its folder. Where a
Chromium is installed it parses the page: what it makes of it must be the elements that were
written, and nothing may be wider than the window. What it cannot show: whether the page is pretty.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.capture import synthetic
from tests.process.runs import run_engine
from tests.unit.report.pages import Page, check_alone

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
WIDTHS = (480, 1280)
PACKETS = 4_000
_BROWSER_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return the folder of a run on a capture whose end is missing."""
    home = tmp_path_factory.mktemp("report")
    synthetic.many_flows(home / "whole.pcap", PACKETS)
    content = (home / "whole.pcap").read_bytes()
    (home / "cut <b>.pcap").write_bytes(content[: len(content) - 10])
    words = ("-r", home / "cut <b>.pcap", "-w", home / "out", "--flows", "csv", "-n", "2")
    assert run_engine("run", *words).code == 0
    return home / "out"


@pytest.fixture(scope="module")
def content(folder) -> str:
    """Return the page that the command wrote, under the name that it said."""
    ended = run_engine("report", folder)
    assert ended.code == 0, ended.err
    assert Path(ended.out.strip()) == folder / "report.html"
    return (folder / "report.html").read_text(encoding="utf-8")


def test_page_says_what_the_run_counted(folder, content):
    page = Page(content)
    check_alone(page, content)
    counters = json.loads((folder / "run.json").read_text(encoding="utf-8"))["counters"]
    read, alerts = counters["capture"]["read"], counters["classifier"]["alerts"]
    assert read == PACKETS - 1
    assert f"{read:,} read = {counters['worker']['accepted']:,} accepted" in page.text("accounting")
    assert f"Alerts {alerts:,}" in page.text("")
    assert "wrong" not in page.text("accounting")
    assert "1 source damaged" in page.text("damage")
    assert "cut <b>.pcap" in page.text()


def test_page_goes_where_it_is_told(folder, tmp_path):
    ended = run_engine("report", folder, "-o", tmp_path / "page.html")
    assert ended.code == 0
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_folder_that_no_run_wrote_is_a_fault_of_use(tmp_path):
    assert "run.json" in run_engine("report", tmp_path).complaint(2)
    assert "not a folder" in run_engine("report", tmp_path / "none").complaint(2)


def test_place_that_cannot_be_written_is_told(folder, tmp_path):
    words = ("report", folder, "-o", tmp_path / "none" / "page.html")
    assert "cannot write" in run_engine(*words).complaint(1)


def dom_of(path: Path) -> str:
    """Return what a browser makes of a page, its scripts run."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={path.parent / 'profile'}", f"file://{path}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=_BROWSER_S, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@needs_browser
def test_browser_finds_the_elements_that_were_written(content, tmp_path):
    (tmp_path / "page.html").write_text(content, encoding="utf-8")
    assert Page(dom_of(tmp_path / "page.html")).tags == Page(content).tags


@needs_browser
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(content, tmp_path, width):
    frame = f'<iframe width="{width}" height="900" srcdoc="{html.escape(content)}"></iframe>'
    script = (
        "<script>onload = () => { const d = document.querySelector('iframe').contentDocument;"
        "d.querySelectorAll('details').forEach(x => x.open = true);"
        "const e = d.documentElement; document.title = `${e.scrollWidth} ${e.clientWidth}` }"
        "</script>"
    )
    (tmp_path / "frame.html").write_text(f"<!doctype html>{script}{frame}", encoding="utf-8")
    title = re.search(r"<title>(\d+) (\d+)</title>", dom_of(tmp_path / "frame.html"))
    assert title is not None
    wide, room = map(int, title.groups())
    assert width - 30 <= room <= width
    assert wide <= room
