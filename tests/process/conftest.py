"""The captures that tests of whole processes read, made once for each xdist worker."""

import signal
from pathlib import Path

import pytest

from tests.process import runs


@pytest.fixture(autouse=True, scope="session")
def _usual_signals() -> None:
    """Have runs start with no signal ignored: tests started by nohup or with & inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def capture(tmp_path_factory) -> Path:
    """Return a small capture of mixed traffic."""
    path = tmp_path_factory.mktemp("captures") / "mixed.pcap"
    runs.mixed_capture(path)
    return path


@pytest.fixture(scope="session")
def some(capture) -> bytes:
    """Return the beginning of the small capture: 900 packets."""
    return runs.first_packets(capture.read_bytes(), SOME)


SOME = 900
