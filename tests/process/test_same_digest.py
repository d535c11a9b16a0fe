"""Goal: workers, rings, hash key, compression and repetition change nothing in what comes out.

Method: real runs of one capture, merged with another and --separate, in every way that must not
matter; their digests are equal, their written files prove themselves (engine check) and are equal
record by record (engine diff). Where the machine has test captures, some of those too. What the
digest should be is shown elsewhere, against the plain twin.
"""

import gzip

import pytest
import zstandard

from tests.process.runs import digest_of, first_packets, run_engine

KEYS = ("00000000000000000000000000000000", "f0e1d2c3b4a5968778695a4b3c2d1e0f")
SMALL_RINGS = ("--set", "ring.packet_capacity=64", "--set", "ring.event_capacity=64")
LARGE_RINGS = ("--set", "ring.packet_capacity=65536", "--set", "ring.event_capacity=65536")
WAYS = {
    "twice": ("-n", "1"),
    "2 workers": ("-n", "2"),
    "3 workers, rings of 64": ("-n", "3", *SMALL_RINGS),
    "5 workers": ("-n", "5"),
    "rings of 65,536": ("-n", "2", *LARGE_RINGS),
    "another hash key": ("-n", "3", "--set", f"hash.key={KEYS[0]}"),
    "a third hash key": ("-n", "3", "--set", f"hash.key={KEYS[1]}"),
}
MODES = {"merged": (), "separate": ("--separate",)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, capture):
    """Return a folder of two captures that overlap in time and share flows."""
    made = tmp_path_factory.mktemp("two")
    content = capture.read_bytes()
    (made / "a.pcap").write_bytes(content)
    (made / "b.pcap").write_bytes(first_packets(content, 3_000))
    return made


@pytest.fixture(scope="module")
def expected(folder):
    """Return the digest of each mode, as one worker makes it."""
    return {
        mode: digest_of("-r", folder, "--no-score", "-n", "1", *words)
        for mode, words in MODES.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_digest_is_the_same_in_every_way_of_running(way, mode, folder, expected):
    words = ("-r", folder, "--no-score", *WAYS[way], *MODES[mode])
    assert digest_of(*words) == expected[mode]


@pytest.mark.slow
def test_merged_and_separate_runs_differ(expected):
    assert expected["merged"] != expected["separate"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["gz", "zst", "stdin"])
def test_digest_is_the_same_for_every_form_of_a_capture(form, mode, capture, tmp_path):
    read = ("--no-score", "-n", "2", *MODES[mode])
    plain = digest_of("-r", capture, *read)
    content = capture.read_bytes()
    if form == "stdin":
        assert digest_of("-r", "-", *read, input=content) == plain
        return
    packed = tmp_path / f"capture.{form}"
    compress = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[form]
    packed.write_bytes(compress(content))
    assert digest_of("-r", packed, *read) == plain


def test_scored_digest_is_the_same_with_more_workers_and_smaller_rings(capture):
    digests = [digest_of("-r", capture, *WAYS[way]) for way in ("twice", "3 workers, rings of 64")]
    assert digests[0] == digests[1]
    assert not digests[0].startswith("noscore:")


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_written_files_prove_themselves_and_are_equal(mode, folder, tmp_path):
    runs = {"one": ("-n", "1", "--flows", "csv"), "many": ("-n", "3", *SMALL_RINGS)}
    runs["many"] += ("--flows", "parquet", "--flows", "jsonl")
    for name, words in runs.items():
        words = ("-r", folder, "--early", *words, *MODES[mode], "-w", tmp_path / name)
        ended = run_engine("run", *words)
        assert ended.code == 0, ended.err
        checked = run_engine("check", "--sources", tmp_path / name)
        assert checked.code == 0, checked.out
        assert "the run's digest, made again from the records" in checked.out
    compared = run_engine("diff", tmp_path / "one", tmp_path / "many")
    assert compared.code == 0, compared.out
    assert ", 0 differ, 0 are only in A, 0 only in B" in compared.out


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", ["malicious", "benign"])
def test_real_captures_have_one_digest(part, mode, test_data):
    paths = sorted((test_data / "train" / part).rglob("*.pcap*"))[::25][:8]
    assert paths, "the test data has no such captures"
    words = [word for path in paths for word in ("-r", path)] + ["--no-score", *MODES[mode]]
    digests = {digest_of(*words, *WAYS[way]) for way in ("twice", "3 workers, rings of 64")}
    assert len(digests) == 1
