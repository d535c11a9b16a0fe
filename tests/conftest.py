"""What every test shares: test data, names for segments, kernels compiled once, and who cleans up.

Profiles of Hypothesis: quick (the default), full (tools/test), interpreted (without the JIT). Where
NUMBA_DISABLE_JIT is set, tests marked `compiled` are left out.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from engine.rings.segment import PREFIX, SHARED_MEMORY, find_segments
from engine.supervisor.kernels import load_kernels

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
STALE_GRACE_S = 5  # Another worker's test may be about to remove what its killed child left.

for _profile, _examples in (("quick", 25), ("full", 200), ("interpreted", 10)):
    hypothesis.settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,  # A first call may compile.
        print_blob=True,  # Enough to run a failing example again.
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("quick")


def _worker() -> str:
    """Return the name of this xdist worker, or "main"."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for tests of minutes."""
    parser.addoption("--long", action="store_true", help="run tests marked long as well")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile every kernel before xdist's workers start, or each of them would."""
    if _worker() == "main" and session.config.getoption("numprocesses", None):
        load_kernels(lambda: print("compiling the kernels", file=sys.stderr, flush=True))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, and what is about compiled code where nothing is compiled."""
    unwanted = [] if config.getoption("long") else ["long"]
    unwanted += ["compiled"] if WITHOUT_JIT else []
    left_out = [test for test in items if any(map(test.get_closest_marker, unwanted))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [test for test in items if test not in left_out]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of test captures; skip where the machine does not have it."""
    folder = Path(os.environ.get("ENGINE_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; name its folder in ENGINE_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def new_run() -> Callable[[], str]:
    """Return a function that returns a name of a run, and so of segments, that nobody else has."""
    numbers = itertools.count()
    return lambda: f"{_our_prefix().removeprefix(PREFIX)}{next(numbers):x}"


def _our_prefix() -> str:
    """Return what the names begin with that new_run has made in this process."""
    return f"{PREFIX}t{_worker()}p{os.getpid():x}n"


def _is_of_other_tests(name: str) -> bool:
    """Return whether new_run made a name in another process; a run's own is hexadecimal."""
    return name.startswith(f"{PREFIX}t") and not name.startswith(_our_prefix())


def _names() -> set[str]:
    return {name for name in os.listdir(SHARED_MEMORY) if name.startswith(PREFIX)}


@pytest.fixture(autouse=True)
def no_segment_outlives_its_test() -> Iterator[None]:
    """Fail the test that leaves a segment made by this process, or under a name of this worker."""
    before = _names()
    yield
    left = _names() - before
    if left:
        leaked = [
            found.name
            for found in find_segments()
            if found.name in left
            and (found.owner_pid == os.getpid() or found.name.startswith(_our_prefix()))
        ]
        assert not leaked, f"the test left segments behind: {', '.join(sorted(leaked))}"


@pytest.fixture(autouse=True, scope="session")
def no_stale_segment_outlives_the_session() -> Iterator[None]:
    """Fail the session that leaves segments of dead processes; other sessions see to theirs."""
    before = _names()
    yield
    deadline_s = time.monotonic() + STALE_GRACE_S
    while True:
        dead = {found.name for found in find_segments() if not found.live} - before
        stale = {name for name in dead if not _is_of_other_tests(name)}
        if not stale or time.monotonic() > deadline_s:
            break
    assert not stale, f"processes died and left segments behind: {', '.join(sorted(stale))}"
