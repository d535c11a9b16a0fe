"""Small programs for the checker's own tests: what weave_axioms describes, run by the checker.

Beside its operations a thread may have ("await", word, order): load until the word is not 0; and
("settle", word, order): load until two loads in a row give the same that is not 0.
"""

from hypothesis import strategies as st

from stress.races.weave.explore import outcomes
from stress.races.weave.orders import NAMES, RELAXED
from stress.races.weave.roles import Setting

LOADS = ("relaxed", "acquire", "seq_cst")
STORES = ("relaxed", "release", "seq_cst")
UPDATES = ("relaxed", "acq_rel", "seq_cst")
FENCES = ("acquire", "release", "acq_rel", "seq_cst")
WORDS = 2
STALE_MAX = 99  # As many as there are.


def program_of(threads, successor=None):
    """Return the program of some threads; the first may be killed if it has a successor."""
    used = sorted({one[1] for thread in threads for one in thread if one[0] != "fence"})

    def program(execution):
        words = execution.words("words", [0] * WORDS)
        for number, thread in enumerate(threads):
            heir = (run_thread, execution, words, successor) if successor and not number else None
            execution.role(str(number), run_thread, execution, words, thread, successor=heir)
        return lambda results: [(tuple(words.region.now()[word] for word in used))]

    return program


def run_thread(execution, words, thread):
    """Run a thread's operations; return what its loads and updates returned."""
    returned = []
    for kind, *given, order_name in thread:
        order = NAMES.index(order_name)
        if kind == "fence":
            execution.fence(order)
            continue
        cell = words.cell(given[0])
        if kind == "load":
            returned.append(execution.load(cell, order))
        elif kind == "await":
            while execution.load(cell, order) == 0:
                execution.pause()
        elif kind == "settle":
            while (first := execution.load(cell, order)) != execution.load(
                cell, order
            ) or not first:
                execution.pause()
            returned.append(first)
        elif kind == "store":
            execution.store(cell, given[1], order)
        elif kind == "add":
            change = adding(given[1])
            returned.append(execution.update(cell, change, (order, order)))
        else:
            change = swapping(given[1], given[2])
            returned.append(execution.update(cell, change, (order, RELAXED)))
    return tuple(returned)


def adding(value):
    """Return what adds a value to a word."""
    return lambda word: word + value


def swapping(expected, value):
    """Return what puts a value in a word's place if it is as expected."""
    return lambda word: value if word == expected else None


def observed(threads, model, chooser):
    """Return the outcomes of all executions, as weave_axioms.allowed does, and how many ran."""
    setting = Setting(model, races="off", stale_max=STALE_MAX)
    found, count = outcomes(program_of(threads), chooser, setting)
    return {(tuple(value for _, value in results), final) for *results, final in found}, count


def operations(awaits=False, plain=False):
    """Draw an operation; loads and stores may be plain."""
    word = st.integers(0, WORDS - 1)
    loads = (*LOADS, "plain", "plain") if plain else LOADS
    stores = (*STORES, "plain", "plain") if plain else STORES
    kinds = [
        st.tuples(st.just("load"), word, st.sampled_from(loads)),
        st.tuples(st.just("store"), word, st.integers(1, 3), st.sampled_from(stores)),
        st.tuples(st.just("add"), word, st.just(10), st.sampled_from(UPDATES)),
        st.tuples(st.just("swap"), word, st.just(0), st.integers(4, 6), st.sampled_from(UPDATES)),
        st.tuples(st.just("fence"), st.sampled_from(FENCES)),
    ]
    if awaits:
        kinds.append(st.tuples(st.just("await"), word, st.sampled_from(LOADS)))
        kinds.append(st.tuples(st.just("settle"), word, st.sampled_from(LOADS)))
    return st.one_of(kinds)


@st.composite
def drawn_threads(draw, awaits=False, plain=False):
    """Draw two threads of up to three operations, or three of up to two."""
    count = draw(st.integers(2, 3))
    thread = st.lists(operations(awaits, plain), min_size=1, max_size=5 - count).map(tuple)
    return tuple(draw(thread) for _ in range(count))
