"""The engine's protocols between processes hold in every execution that memory models allow.

Method: the shipped kernels, run by the model checker: every execution within the bounds that stand
in EXHAUSTED, and larger programs at random and by priorities. Plain accesses are judged by the race
detector. Beside each protocol run broken twins, which must be found. What it cannot show: more
records, more reads of old values, what the compiler makes of the source.

`python -m stress races weave tests.race.weave_rings:RING --chooser dpor --stale 2` prints a row
of EXHAUSTED.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.races.scenario import load_scenario
from stress.races.weave import replay
from stress.races.weave.choosers import Priorities, RandomWalk
from stress.races.weave.dpor import Dpor
from stress.races.weave.explore import explore
from stress.races.weave.lift import program_of
from stress.races.weave.roles import Setting
from tests.race import weave_merge, weave_rings, weave_states

# Scenario: executions of sc, of tso, and of c11 with at most 1, and at most 2, reads of old values.
EXHAUSTED = {
    "weave_rings:RING": (88, 144, 552, 2034),
    "weave_rings:RING_FULL": (632, 1584, 5506, None),
    "weave_rings:RING_BATCHES": (8, 8, 26, 56),
    "weave_rings:RING_LAST": (88, 144, 552, 2034),
    "weave_rings:WATERMARK": (50, 50, 231, 560),
    "weave_rings:WATERMARK_TWICE": (439, 439, 2412, 7305),
    "weave_states:FLOW_ROW": (36, 72, 142, 317),
    "weave_states:FLOW_ROW_TWICE": (72, 144, 287, 667),
    "weave_states:FLOW_ROW_CHANGES": (1375, None, 9598, None),
    "weave_states:HOST_ROWS": (14, 28, 62, 140),
    "weave_states:HOST_ROWS_GIVEN_UP": (320, 10240, 2400, 9247),
    "weave_events:EVENTS": (88, 144, 552, 2034),
    "weave_states:COUNTERS": (26, 26, 98, 200),
    "weave_states:LIFE": (72, 72, 244, 392),
}
BOUNDS = (("sc", 0), ("tso", 0), ("c11", 1), ("c11", 2))
REPLAYS = Path(__file__).parent / "replays"
LONG = 2500  # Executions; more are left to the long run.
LARGER = {
    "ring": weave_rings.ring(8, 4),
    "ring of batches": weave_rings.ring(8, 4, batch=2),
    "watermark": weave_rings.watermark(4, 4),
    "row": weave_states.row(3, 3),
    "hosts' rows": weave_states.host_rows(4, 3),
    "counters": weave_states.counters(4, 4),
    "merge": weave_merge.merging(((1, 3, 5), (2, 4))),
    "merge of late and early": weave_merge.merging(((5, 6, 7), (1,))),
}
# Broken twin: what it is a twin of. Its shortest schedule, results only, is kept in replays/.
BROKEN = {
    "weave_rings:PUBLISHED_EARLY": "weave_rings:RING",
    "weave_rings:PUBLISHED_RELAXED": "weave_rings:RING",
    "weave_rings:RELEASED_EARLY": "weave_rings:RING",
    "weave_rings:PROMISED_EARLY": "weave_rings:WATERMARK",
    "weave_rings:TAIL_FIRST": "weave_rings:WATERMARK_TWICE",
    "weave_states:ROW_NOT_MARKED": "weave_states:FLOW_ROW_CHANGES",
    "weave_states:PANE_NOT_MARKED": "weave_states:HOST_ROWS_GIVEN_UP",
    "weave_states:TWO_WRITERS": "weave_states:COUNTERS",
    "weave_states:STATE_IN_HALVES": "weave_states:LIFE",
    "weave_merge:MERGE_PROMISED_EARLY": "weave_merge:MERGE_ALTERNATING",
    "weave_merge:MERGE_BELIEVING": "weave_merge:MERGE_ALTERNATING",
}


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        pytest.param(name, k, marks=[pytest.mark.slow] if counts[k] > LONG else [])
        for name, counts in EXHAUSTED.items()
        for k in range(4)
        if counts[k] is not None
    ],
)
def test_protocol_holds_in_every_execution(name, bound):
    model, stale_max = BOUNDS[bound]
    program = program_of(scenario_of(name))
    explored = explore(program, Dpor(), Setting(model, stale_max=stale_max))
    assert explored.finding is None
    assert (explored.is_exhausted, explored.unfinished) == (True, 0)
    assert explored.executions == EXHAUSTED[name][bound]


WORKLOADS = st.fixed_dictionaries(
    {
        "count": st.integers(1, 4).map(lambda half: 2 * half),
        "capacity": st.sampled_from([2, 4, 8]),
        "batch": st.sampled_from([1, 2]),
        "first": st.sampled_from([0, 1, (1 << 32) - 2, weave_rings.LAST - 9]),
    }
)


@given(workload=WORKLOADS, seed=st.integers(0, 1 << 30), model=st.sampled_from(["tso", "c11"]))
def test_drawn_workload_goes_through_the_ring_in_drawn_schedules(workload, seed, model):
    program = program_of(weave_rings.ring(**workload))
    for chooser in (RandomWalk(seed), Priorities(seed)):
        explored = explore(program, chooser, Setting(model), 20)
        assert (explored.finding, explored.unfinished) == (None, 0)
    broken = program_of(weave_rings.ring(**workload, producer=weave_rings.produce_too_early))
    assert explore(broken, RandomWalk(seed), Setting(model), 100).finding is not None


@pytest.mark.parametrize("name", LARGER)
def test_larger_protocol_holds_in_many_executions(name):
    program = program_of(LARGER[name])
    for model in ("tso", "c11"):
        for chooser in (RandomWalk(1), Priorities(1)):
            explored = explore(program, chooser, Setting(model), 150)
            assert (explored.finding, explored.unfinished) == (None, 0)


def scenario_of(name):
    return load_scenario(f"tests.race.{name}")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_twin_is_found(name):
    program = program_of(scenario_of(name))
    for chooser in (RandomWalk(1), Priorities(1)):
        assert explore(program, chooser, Setting(), 1000).finding is not None


@pytest.mark.parametrize("name", BROKEN)
def test_kept_schedule_breaks_the_twin_and_not_the_engine(name):
    """Write one anew by `weave tests.race.NAME --races off --save FILE`."""
    path = REPLAYS / f"{name.partition(':')[2].lower()}.json"
    told, _, _, kind = replay.load(path)
    assert told == f"tests.race.{name}"
    assert replay.replay(path, program_of(scenario_of(name))).kind == kind
    assert replay.replay(path, program_of(scenario_of(BROKEN[name]))) is None


def test_last_sequence_is_followed_by_no_other():
    """A ring gives 2**63 - 1 records; the next one stops its process loudly."""
    beyond = weave_rings.ring(3, 2, first=weave_rings.LAST - 2)
    program = program_of(weave_rings.ring(2, 2, first=weave_rings.LAST - 2))
    assert explore(program, Dpor(), Setting(stale_max=1)).finding is None
    with pytest.raises(Exception, match="not a signed number of 64 bits"):
        explore(program_of(beyond), Dpor(), Setting(stale_max=1))
