"""Goal: a folder that somebody spoilt gives a page or a fault of use, never a traceback or a hang.

Method: a small run; drawn changes of one of its files (bytes flipped, cut, doubled, numbers
and words of JSON replaced by odd ones). What it cannot show: faults that need two spoilt files, and
spoilt Parquet, which is read by a library of its own.
"""

import os
import shutil

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.report.page import page
from tests.unit.recorder.whole_runs import ordered, write_run
from tests.unit.report.pages import Page, check_alone

RECORDS = 24
FILES = ("run.json", "eve.json", "flows.csv")
ODD = (-1, 0, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 1e308, -1e308, "", "</p>", None, [], {}, True)
ODD += ("\ud800", "0" * 300, [[]], {"name": 1})
_SETTINGS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Return {format: {file: its bytes}} of a small run."""
    made = {}
    for name in ("csv", "jsonl"):
        folder = tmp_path_factory.mktemp("run") / name
        tops = [(1, 0.75), (36, -0.25)]
        records = [r | {"top": tops if r["alert"] else []} for r in ordered(RECORDS)]
        write_run(folder, records, (name,), "finals")
        made[name] = {path.name: path.read_bytes() for path in folder.iterdir()}
    return made


def try_page(folder) -> None:
    """Make the page: it is whole, or the folder is refused."""
    try:
        content = page(str(folder))
    except ConfigError:
        return
    check_alone(Page(content), content)


def spread(folder, files) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


@_SETTINGS
@given(
    st.sampled_from(("csv", "jsonl")),
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
def test_spoilt_bytes_never_raise(tmp_path, contents, form, name, changes, cut):
    files = dict(contents[form])
    content = bytearray(files.get(name, b""))
    for at, byte in changes:
        if content:
            content[at % len(content)] = byte
    files[name] = bytes(content[: max(0, int(cut * 1.5 * len(content)))])
    spread(tmp_path, files)
    try_page(tmp_path)


def places_of(value, path=()):
    """Yield the path of each value inside a JSON value."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places_of(inner, (*path, key))
    elif isinstance(value, list):
        for key, inner in enumerate(value):
            yield from places_of(inner, (*path, key))


def replaced(value, path, odd):
    """Return a JSON value with another one at a place."""
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], odd)
    return copy


def encoded(value) -> bytes:
    """Return JSON; a lone surrogate as the escape that a hostile writer would use."""
    if isinstance(value, str) and "\ud800" in value:
        return b'"\\ud800"'
    if isinstance(value, dict):
        return b"{" + b",".join(encoded(k) + b":" + encoded(v) for k, v in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(encoded, value)) + b"]"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value).encode()
    return msgspec.json.encode(value)


@_SETTINGS
@given(st.sampled_from(("run.json", "eve.json")), st.integers(0, 1 << 30), st.sampled_from(ODD))
def test_odd_values_never_raise(tmp_path, contents, name, choice, odd):
    files = dict(contents["jsonl"])
    lines = [files[name]] if name == "run.json" else files[name].splitlines()
    at = choice % len(lines)
    value = msgspec.json.decode(lines[at])
    places = list(places_of(value))
    lines[at] = encoded(replaced(value, places[choice // len(lines) % len(places)], odd))
    files[name] = b"\n".join(lines) + b"\n"
    spread(tmp_path, files)
    try_page(tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["fifo", "folder", "nowhere"])
def test_file_that_is_none_is_not_waited_for(tmp_path, contents, name, kind):
    spread(tmp_path, contents["csv"])
    (tmp_path / name).unlink()
    if kind == "fifo":
        os.mkfifo(tmp_path / name)
    elif kind == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    try_page(tmp_path)


def test_what_was_drawn_from_is_sound(tmp_path, contents):
    for name, files in contents.items():
        folder = tmp_path / name
        folder.mkdir()
        spread(folder, files)
        assert "≠" not in page(str(folder))
        shutil.rmtree(folder)
