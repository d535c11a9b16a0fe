"""A segment lives as long as anybody holds it, and is attached to only when it is published.

Method: a machine over real files of /dev/shm: creators and attachers come, publish, let go and die
in drawn order, and cleaners come by. The model is who holds what, what is published and what stands
under its name. check() compares what find_segments would tell and what anybody may attach to; its
canaries leave out a lock, a look or the order. What it cannot show: two processes in the middle of
a step each (tests/unit/rings/test_segment.py has the creator overtaken by a cleaner).
"""

import itertools
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.errors import SegmentError
from engine.rings import segment
from engine.rings.segment import SHARED_MEMORY, Segment, segment_name

NAMES = 2
WORDS = 8
_numbers = itertools.count()


def _run_name() -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"t{worker}p{os.getpid():x}m{next(_numbers):x}"


class SegmentMachine(RuleBasedStateMachine):
    """Segments under two names, and the model of them."""

    def __init__(self) -> None:
        super().__init__()
        run = _run_name()
        self.names = [segment_name(run, "table", number) for number in range(NAMES)]
        self.held: list[tuple[int, Segment]] = []  # By whom it is held: the file's number.
        self.stands: dict[int, int] = {}  # Which file stands under a name.
        self.published: set[int] = set()
        self.contents: dict[int, int] = {}
        self.files = 0

    @rule(name=st.integers(0, NAMES - 1), content=st.integers(1, 1 << 40))
    def create(self, name, content):
        """Make a segment, unless the name is taken."""
        try:
            made = Segment.create(self.names[name], "table", 8 * WORDS)
        except SegmentError:
            assert name in self.stands
            return
        assert name not in self.stands
        made.words[:] = content
        self.stands[name] = self.files
        self.contents[self.files] = content
        self.held.append((self.files, made))
        self.files += 1

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9))
    def publish(self, which):
        """Publish a segment: its creator's last step."""
        file, one = self.held[which % len(self.held)]
        if one.owner:
            one.publish()
            self.published.add(file)

    @rule(name=st.integers(0, NAMES - 1), kind=st.sampled_from(["table", "table", "packets"]))
    def attach(self, name, kind):
        """Attach to whatever stands under a name, if it is published and of the kind."""
        file = self.stands.get(name)
        try:
            one = Segment.attach(self.names[name], kind)
        except SegmentError:
            assert file not in self.published or kind != "table"
            return
        assert file in self.published
        assert kind == "table"
        assert one.words.tolist() == [self.contents[file]] * WORDS
        self.held.append((file, one))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9))
    def let_go(self, which):
        """Let go of a segment, as its holder's death does."""
        _, one = self.held.pop(which % len(self.held))
        one.close()

    @precondition(lambda self: any(one.owner for _, one in self.held))
    @rule(which=st.integers(0, 9))
    def unlink(self, which):
        """Remove the name, as its creator does at the end."""
        owners = [(file, one) for file, one in self.held if one.owner]
        file, one = owners[which % len(owners)]
        if file in self.stands.values():
            one.unlink()
            self.stands = {name: other for name, other in self.stands.items() if other != file}

    @rule()
    def clean(self):
        """Remove what nobody holds."""
        self._look(remove=True)
        living = {file for file, _ in self.held}
        self.stands = {name: file for name, file in self.stands.items() if file in living}

    def _look(self, remove: bool) -> list[bool | None]:
        """Return of each name whether its segment is live, or None."""
        found = [segment._look(SHARED_MEMORY / name, remove) for name in self.names]
        return [one and one.live for one in found]

    @invariant()
    def check(self):
        """What stands is what the model says, and live if somebody holds it."""
        living = {file for file, _ in self.held}
        stands = [self.stands.get(name) for name in range(NAMES)]
        expected = [None if file is None else file in living for file in stands]
        assert self._look(remove=False) == expected
        for file, one in self.held:
            assert np.all(one.words == self.contents[file])

    def teardown(self):
        """Leave nothing behind, whatever was planted."""
        while self.held:
            self.held.pop()[1].close()
        for name in self.names:
            (SHARED_MEMORY / name).unlink(missing_ok=True)


TestSegments = SegmentMachine.TestCase
TestSegments.settings = settings(
    max_examples=min(50, settings().max_examples),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def _no_lock(descriptor, operation):
    """Hold nothing."""


def _always_free(descriptor, operation):
    """Take every lock for one that nobody holds, as a cleaner."""
    if not operation & segment.fcntl.LOCK_EX:
        _flock(descriptor, operation)


def _unchecked(self, kind):
    """Believe a segment without looking at its magic."""


def _published_at_once(*words, **options):
    """Make a segment that is published before it is filled."""
    made = _create(*words, **options)
    made.publish()
    return made


def _unlinks_nothing(self):
    """Leave the name."""


def _keeps_descriptor(self):
    """Give nothing up."""
    _kept.append(self)


_flock, _create, _kept = segment.fcntl.flock, Segment.create, []
CANARIES = (
    (segment.fcntl, "flock", _no_lock),
    (segment.fcntl, "flock", _always_free),
    (Segment, "_check", _unchecked),
    (Segment, "create", _published_at_once),
    (Segment, "unlink", _unlinks_nothing),
    (Segment, "close", _keeps_descriptor),
)


@pytest.mark.parametrize(
    ("where", "name", "broken"), CANARIES, ids=[one[2].__name__ for one in CANARIES]
)
def test_segment_machine_finds_a_step_that_is_broken(monkeypatch, where, name, broken):
    monkeypatch.setattr(where, name, broken)
    generate_only = settings(
        max_examples=300,
        stateful_step_count=25,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        with pytest.raises(AssertionError):
            run_state_machine_as_test(SegmentMachine, settings=generate_only)
    finally:
        while _kept:
            os.close(_kept.pop().descriptor)
