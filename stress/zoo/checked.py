"""The model checker on a scenario, in one of its forms: what each form can see is a column."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from stress.races.scenario import Scenario
from stress.races.weave.choosers import Priorities, RandomWalk
from stress.races.weave.dpor import Dpor
from stress.races.weave.explore import explore
from stress.races.weave.lift import program_of
from stress.races.weave.roles import Setting
from stress.zoo.scenarios import PROTOCOLS

SEED = 7
STALE_MAX = 2
# Column -> setting: in the first three only results are judged.
FORMS = {
    "sc": Setting("sc", races="off"),
    "tso": Setting("tso", races="off"),
    "c11": Setting("c11", races="off", stale_max=STALE_MAX),
    "c11+hb": Setting("c11", races="raise", stale_max=STALE_MAX),
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What a form of the checker found: `said` is empty where that is nothing.

    `exhausted`: there is no other execution of the protocol with the fewest records.
    """

    executions: int
    said: str = ""
    exhausted: bool = False


def look(
    make: Callable[[int], Scenario], protocol: str, form: str, most: int, in_order: int = 0
) -> Checked:
    """Explore by priorities, at random, then in order, `most` executions each, until one fails.

    `in_order`: another limit for the last.
    """
    module, few, fewer = PROTOCOLS[protocol]
    setting = replace(FORMS[form], kills_max=getattr(module, "DEATHS", 0))
    wide, narrow = (program_of(make(number)) for number in (few, fewer))
    count = 0
    for chooser in (Priorities(SEED), RandomWalk(SEED), Dpor()):
        is_last = isinstance(chooser, Dpor)
        limit = in_order or most if is_last else most
        explored = explore(narrow if is_last else wide, chooser, setting, limit)
        count += explored.executions
        if explored.finding is not None:
            return Checked(count, str(explored.finding.violation))
    return Checked(count, exhausted=explored.is_exhausted and not explored.unfinished)
