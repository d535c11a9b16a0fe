"""The checker finds what is wrong, repeats it, makes it short, and refuses what it cannot say.

Method: kernels with one known defect and their sound twins (weave_kernels.py), under every chooser
and model. What it cannot show: that the checker's models are right; that is in test_weave_litmus.
"""

import pytest
from click.testing import CliRunner

from stress.races import example
from stress.races.command import command
from stress.races.weave import replay
from stress.races.weave.cells import RefusedError
from stress.races.weave.choosers import EveryChoice, Priorities, RandomWalk
from stress.races.weave.detector import DataRaceError
from stress.races.weave.dpor import Dpor
from stress.races.weave.explore import explore
from stress.races.weave.lift import program_of
from stress.races.weave.orders import ACQUIRE, RELEASE
from stress.races.weave.roles import Setting
from stress.races.weave.shown import table_of
from stress.races.weave.shrink import shrink
from stress.races.weave.sites import lines_of
from tests.race import weave_kernels as kernels

MODELS = ("sc", "tso", "c11")
RESULTS_ONLY = Setting(races="off")
CHOOSERS = {
    "random": lambda: RandomWalk(1),
    "priorities": lambda: Priorities(1),
    "bounded": lambda: EveryChoice(2),
    "reduced": Dpor,
}


def found_in(scenario, setting, chooser=None, executions_max=2000):
    """Return the finding of an exploration, or None."""
    chooser = chooser or RandomWalk(1)
    return explore(program_of(scenario), chooser, setting, executions_max).finding


def kind_of(scenario, setting=None):
    found = found_in(scenario, setting or Setting())
    return found and found.violation.kind


@pytest.mark.parametrize("name", CHOOSERS)
def test_every_chooser_finds_what_every_model_shows(name):
    for model in MODELS:
        setting = Setting(model, races="off")
        assert found_in(kernels.EARLY, setting, CHOOSERS[name]()).violation.kind == "result"
        assert found_in(kernels.SOUND, setting, CHOOSERS[name](), 300) is None


@pytest.mark.parametrize("name", CHOOSERS)
def test_missing_release_gives_wrong_results_in_c11_alone(name):
    for model in MODELS:
        found = found_in(kernels.RELAXED, Setting(model, races="off"), CHOOSERS[name](), 300)
        assert (found is not None) == (model == "c11")


def test_missing_release_is_a_race_in_every_model():
    for model in MODELS:
        violation = found_in(kernels.RELAXED, Setting(model)).violation
        assert isinstance(violation, DataRaceError)
        named = {lines_of(site)[0][1] for site in violation.sites}
        assert named == {"tell_relaxed", "listen"}
        assert found_in(kernels.SOUND, Setting(model), executions_max=300) is None


def test_missing_release_is_shrunk_to_one_stale_read():
    program = program_of(kernels.RELAXED)
    found = explore(program, RandomWalk(5, switch=0.5), RESULTS_ONLY).finding
    small = shrink(program, found, RESULTS_ONLY)
    assert small.is_shortest
    assert (len(small.schedule.switches), list(small.schedule.stale.values())) == (0, [1])
    table = table_of(program, small.schedule, RESULTS_ONLY).splitlines()
    assert "not the newest" in table[-2]
    assert table[-1].endswith("result: the message is 0")


def test_racy_counter_is_shrunk_to_one_switch():
    program = program_of(example.RACY)
    found = explore(program, RandomWalk(3, switch=0.5), RESULTS_ONLY).finding
    small = shrink(program, found, RESULTS_ONLY)
    assert (small.is_shortest, small.schedule.size) == (True, 1)
    explored = explore(program_of(example.SOUND), Dpor(), Setting())
    assert (explored.executions, explored.is_exhausted) == (6, True)


def test_replay_file_repeats_what_went_wrong(tmp_path):
    program, path = program_of(kernels.RELAXED), tmp_path / "relaxed.json"
    found = explore(program, RandomWalk(1), RESULTS_ONLY).finding
    replay.save(path, "kernels:RELAXED", RESULTS_ONLY, found.schedule, found.violation)
    assert replay.load(path) == ("kernels:RELAXED", RESULTS_ONLY, found.schedule, "result")
    assert str(replay.replay(path, program)) == str(found.violation)
    assert replay.replay(path, program_of(kernels.SOUND)) is None


def test_seed_repeats_an_exploration():
    for chooser in (RandomWalk, Priorities):
        findings = [found_in(example.RACY, RESULTS_ONLY, chooser(7)) for _ in range(2)]
        assert findings[0].schedule == findings[1].schedule
        assert findings[0].execution == findings[1].execution


def test_what_kernels_must_not_do_is_named():
    assert kind_of(kernels.SILENT) == "deadlock"
    assert kind_of(kernels.ASSERTING, RESULTS_ONLY) == "assertion"
    assert kind_of(kernels.BEYOND) == "out of bounds"


def test_change_between_two_looks_of_a_loop_ends_its_pause():
    """The second look sees what the first did not: the loop has not done the same as last time."""

    def program(execution):
        flag = execution.words("flag", [0]).cell(0)

        def listen():
            while (execution.load(flag, ACQUIRE), execution.load(flag, ACQUIRE)) != (1, 1):
                execution.pause()

        execution.role("listener", listen)
        execution.role("teller", lambda: execution.store(flag, 1, RELEASE))

    for model in MODELS:
        for chooser in (EveryChoice(), Dpor()):
            explored = explore(program, chooser, Setting(model))
            assert (explored.is_exhausted, explored.finding) == (True, None)


def test_loop_without_pause_is_counted_as_unfinished():
    explored = explore(program_of(kernels.IMPATIENT), RandomWalk(1), Setting(), 3)
    assert (explored.unfinished, explored.finding) == (3, None)
    assert "exhaustive" not in str(explored)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(RefusedError, match="unsigned"):
        found_in(kernels.UNSIGNED, Setting())
    unknown = kernels.scenario({"counter": kernels.count_twice}, kernels.nothing_wrong)
    object.__setattr__(unknown, "model", {})
    with pytest.raises(RefusedError, match="fetch_add"):
        program_of(unknown)


def test_role_is_killed_before_each_of_its_accesses():
    for kills_max, expected in ((0, 1), (1, 1 + 4), (2, 1 + 4 + 4 * 4)):

        def program(execution):
            words = execution.words("words", [0] * 4)

            def write():
                for word in range(4):
                    words[word] = 1

            execution.role("writer", write, successor=(write,))
            return lambda _: [] if words.region.now() == [1] * 4 else ["a word is missing"]

        explored = explore(program, Dpor(), Setting(kills_max=kills_max))
        assert (explored.executions, explored.finding) == (expected, None)


@pytest.mark.parametrize("kills_max", [1, 2])
@pytest.mark.parametrize("model", MODELS)
def test_redo_record_counts_each_step_once_wherever_the_worker_dies(model, kills_max):
    setting = Setting(model, kills_max=kills_max)
    explored = explore(program_of(kernels.WITH_REDO), Dpor(), setting)
    assert explored.is_exhausted
    assert explored.finding is None
    for broken in (kernels.IN_PLACE, kernels.COMMITTED_EARLY):
        assert explore(program_of(broken), Dpor(), setting).finding.violation.kind == "result"


def test_command_shows_what_it_found_and_how_to_repeat_it(tmp_path):
    name, path = "stress.races.example:RACY", tmp_path / "racy.json"
    words = ["weave", name, "--races", "off", "--save", str(path)]
    told = CliRunner().invoke(command, words)
    assert told.exit_code == 1
    assert "1 switches, 0 stale reads: a shortest schedule" in told.output
    again = CliRunner().invoke(command, ["weave", name, "--replay", str(path)])
    assert again.exit_code == 1
    assert "result: counter is 2, 2 x 2 were added" in again.output
    sound = ["weave", "stress.races.example:SOUND", "--chooser", "dpor"]
    told = CliRunner().invoke(command, sound)
    assert told.exit_code == 0
    assert "exhaustive: 6 executions" in told.output
