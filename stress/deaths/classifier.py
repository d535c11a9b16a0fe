"""The classifier's merge and commit: MERGE, for killpoint.

    python -m stress races killpoint stress.deaths.classifier:MERGE --writes

What must outlive a classifier, a region (engine/memory/kept.py) with its control words, cache and
journal, is watched, and with it the event rings, the row ring and the counters, which lie behind
the region's content here. All events of two workers (events.py) are there from the beginning; a
classifier merges, scores, hashes and sends them in steps of a quarter of a ring, lists the hosts
and is done. Its replacement is as engine/classifier/main.py has it. Rows, their order and number,
heads, counters, digest and all that is kept must be those of a classifier that nobody kills.
"""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from engine.classifier import main as stage
from engine.classifier import state, transaction
from engine.classifier.lanes import INFINITE
from engine.classifier.main import Classifier, summary
from engine.classifier.state import IS_DONE, State, state_of, words_of
from engine.config import Config, with_settings
from engine.events import CLASSIFIER, COUNTERS_MAX
from engine.hosts.pane import ROWS_VERSION
from engine.hosts.space import host_shape, initialise
from engine.layouts import EVENT_SLOT_WORDS, ROW
from engine.memory import kept
from engine.memory.region import HEADER_BYTES, make_file, map_region
from engine.offline import PrivateLine
from engine.rings import spsc
from engine.rings.plan import RunPlan
from engine.rings.waiting import FINISHED
from stress.deaths import events
from stress.deaths.memory import Parts, RingView, ring_words
from stress.races.killpoint_code import watched
from stress.races.scenario import Role, Scenario
from tests.property.dying import content_of

EVENT_SLOTS, ROW_SLOTS = 512, 512
_ROOT = Path(__file__).resolve().parents[2]
_NAMES = [f"events {worker}" for worker in range(events.WORKERS)]


@functools.cache
def _plan() -> RunPlan:
    config = with_settings(Config(), events.SETTINGS)
    words = ("deaths", config, ("none",), events.HASH_KEY, events.WORKERS)
    return RunPlan(*words, rows="all", folder="none", digest=True)


@functools.cache
def _parts() -> Parts:
    sizes = {"state": words_of(_plan())}
    sizes |= dict.fromkeys(_NAMES, ring_words(EVENT_SLOTS, 8 * EVENT_SLOT_WORDS))
    sizes |= {"rows": ring_words(ROW_SLOTS, ROW.size_bytes), "counters": COUNTERS_MAX}
    return Parts(sizes)


class _Region:
    """A region in a memory file, filled anew each time: a scenario's memory."""

    def __init__(self, count: int) -> None:
        self._file = make_file(count)
        self._size = os.fstat(self._file).st_size
        self.words = map_region(count, f"/proc/self/fd/{self._file}")
        self._places: np.ndarray | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Return address and size of the whole region."""
        begin = kept.region_of(self.words)
        return begin, kept.CONTENT_AT + HEADER_BYTES + self.words.nbytes

    def fill(self, words: np.ndarray) -> None:
        """Make the content these words, with nothing kept."""
        os.ftruncate(self._file, 0)
        os.ftruncate(self._file, self._size)
        if self._places is None:
            self._places = np.flatnonzero(words)
        self.words[self._places] = words[self._places]
        kept.control_of(self.words)[kept.IS_ON] = 1


def _event_rings(words: np.ndarray) -> list[RingView]:
    parts = [_parts().of(words, name) for name in _NAMES]
    return [RingView(part, EVENT_SLOTS, 8 * EVENT_SLOT_WORDS) for part in parts]


def _row_ring(words: np.ndarray) -> RingView:
    return RingView(_parts().of(words, "rows"), ROW_SLOTS, ROW.size_bytes)


@functools.cache
def _slots() -> list[np.ndarray]:
    """Return the slots of each worker's events, made by another process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.npz"
        line = [sys.executable, "-m", "stress.deaths.events", str(path)]
        subprocess.run(line, check=True, cwd=_ROOT)
        with np.load(path) as found:
            return [found[name].reshape(-1, EVENT_SLOT_WORDS) for name in sorted(found.files)]


@functools.cache
def _fresh() -> np.ndarray:
    """Return the words that a classifier finds which begins when all workers have ended."""
    words = np.zeros(_parts().words, np.int64)
    config = _plan().config
    shape = host_shape(config.host, config.flow.max_flows)
    initialise(_parts().of(words, "state")[: shape.words], config.host, shape, events.HASH_KEY)
    for ring, slots in zip(_event_rings(words), _slots(), strict=True):
        ring.prepare()
        ring.slots[: len(slots)] = slots
        spsc.publish(ring.header, len(slots))
        spsc.publish_watermark(ring.header, INFINITE, INFINITE)
    _row_ring(words).prepare()
    return words


def _state(words: np.ndarray) -> State:
    """Return the state; what Python stores to it is watched as well."""
    control_of = kept.control_of
    with patch.object(state.kept, "control_of", lambda content: watched(control_of(content))):
        return state_of(_plan(), watched(_parts().of(words, "state")))


# Read once: it is in no memory that outlives a classifier, and takes longer than all else.
_model = functools.cache(stage.read)


def classify(words: np.ndarray) -> dict:
    """Be a classifier, the first or a replacement; return what it reports."""
    mine = _state(words)
    if not mine.listing[IS_DONE]:
        rings = _event_rings(watched(words))
        transaction.recover(mine, rings)
        line = PrivateLine([counter.name for counter in CLASSIFIER])
        line.counters = _parts().of(watched(words), "counters")
        with patch.object(stage, "read", _model):
            classifier = Classifier(_plan(), line, rings, _row_ring(watched(words)), mine)
        while classifier.step() != FINISHED:
            pass
    return summary(_plan(), mine)


def _left(words: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is compared."""
    config = _plan().config
    shape = host_shape(config.host, config.flow.max_flows)
    state = state_of(_plan(), _parts().of(words, "state"))
    hosts, touched, small, alerted = content_of(state, shape)
    hosts[ROWS_VERSION] = 0  # One more for each death.
    rows = _row_ring(words)
    heads = [ring.header[[spsc.HEAD, spsc.TAIL]] for ring in (*_event_rings(words), rows)]
    counters = _parts().of(words, "counters").copy()
    found = {"hosts": hosts, "touched hosts": touched, "small words": small, "alerted": alerted}
    return found | {"heads": np.concatenate(heads), "rows": rows.slots, "counters": counters}


@functools.cache
def _undisturbed() -> tuple[dict, dict]:
    memory = _Region(len(_fresh()))
    memory.fill(_fresh())
    reported = classify(memory.words)
    left = {name: words.copy() for name, words in _left(memory.words).items()}
    line = PrivateLine([counter.name for counter in CLASSIFIER])
    line.counters = left["counters"]
    wanted = ("finals", "deltas", "scored", "host_rows", "hosts_listed", "rows")
    missing = [name for name in wanted if not line.values()[name]]
    assert not missing, f"the events do not come to {missing}"
    return left, reported


def _check(words: np.ndarray, results: dict) -> list[str]:
    left, reported = _undisturbed()
    wrong = []
    for name, found in _left(words).items():
        places = np.flatnonzero(found != left[name])
        if len(places):
            wrong.append(f"{name}: words {places[:5].tolist()} are others")
    if results["classifier"] != reported:
        wrong.append(f"reported {results['classifier']}, should be {reported}")
    return wrong


MERGE = Scenario(
    setup=_fresh,
    roles={"classifier": Role(classify)},
    check=_check,
    prepare=_undisturbed,
    memory=_Region,
)
