"""Kernels with known defects, and their sound twins: what the checker's tests point it at."""

import numpy as np
from numba import njit

from engine.memory.atomics import fetch_add, load_acquire, pause, store_relaxed, store_release
from stress.engine_model import ENGINE_MODEL
from stress.races.scenario import Role, Scenario

MESSAGE, FLAG, ROW, REDO, COMMIT, APPLIED = range(6)
WORDS = 8
PATIENCE = 20
STEPS = 2  # Of the worker that may die.


def scenario(roles, check, recovery=None):
    """Return a scenario of kernels that take the words alone."""
    return Scenario(
        setup=lambda: np.zeros(WORDS, np.int64),
        roles={name: Role(kernel) for name, kernel in roles.items()},
        check=check,
        recovery={name: Role(kernel) for name, kernel in (recovery or {}).items()},
        labels=dict(enumerate(("message", "flag", "row", "redo", "commit", "applied"))),
        model=ENGINE_MODEL,
    )


@njit(nogil=True)
def tell(words):
    words[MESSAGE] = 7
    store_release(words, FLAG, 1)


@njit(nogil=True)
def tell_relaxed(words):
    words[MESSAGE] = 7
    store_relaxed(words, FLAG, 1)


@njit(nogil=True)
def tell_too_early(words):
    store_release(words, FLAG, 1)
    words[MESSAGE] = 7


@njit(nogil=True)
def listen(words):
    while load_acquire(words, FLAG) == 0:
        pause()
    return words[MESSAGE]


@njit(nogil=True)
def listen_without_pause(words):
    while load_acquire(words, FLAG) == 0:
        pass
    return words[MESSAGE]


@njit(nogil=True)
def listen_with_assertion(words):
    while load_acquire(words, FLAG) == 0:
        pause()
    assert words[MESSAGE] == 7, "no message"


@njit(nogil=True)
def look_beyond(words):
    return words[WORDS]


@njit(nogil=True)
def unsigned(words):
    return np.uint64(words[MESSAGE])


@njit(nogil=True)
def write_half(words):
    words.view(np.int32)[0] = 1


@njit(nogil=True)
def listen_plainly(words):
    for _ in range(PATIENCE):
        if words[FLAG] != 0:
            return 1
    return 0


@njit(nogil=True)
def count_twice(words):
    for _ in range(2):
        fetch_add(words, ROW, 1)


def message_arrives(words, results):
    return [] if results["listener"] == 7 else [f"the message is {results['listener']}"]


def nothing_wrong(words, results):
    return []


SOUND = scenario({"teller": tell, "listener": listen}, message_arrives)
RELAXED = scenario({"teller": tell_relaxed, "listener": listen}, message_arrives)
EARLY = scenario({"teller": tell_too_early, "listener": listen}, message_arrives)
SILENT = scenario({"listener": listen}, message_arrives)
IMPATIENT = scenario({"listener": listen_without_pause}, message_arrives)
ASSERTING = scenario({"teller": tell_too_early, "listener": listen_with_assertion}, nothing_wrong)
BEYOND = scenario({"reader": look_beyond}, nothing_wrong)
HALF = scenario({"writer": write_half}, nothing_wrong)
PLAIN = scenario({"teller": tell, "listener": listen_plainly}, nothing_wrong)
UNSIGNED = scenario({"reader": unsigned}, nothing_wrong)


@njit(nogil=True)
def work_with_redo(words):
    """Add 10 to the row STEPS times, each exactly once whenever this dies and begins again."""
    done = load_acquire(words, COMMIT)
    if done != load_acquire(words, APPLIED):
        words[ROW] = words[REDO]
        store_release(words, APPLIED, done)
    while done < STEPS:
        words[REDO] = words[ROW] + 10
        done += 1
        store_release(words, COMMIT, done)
        words[ROW] = words[REDO]
        store_release(words, APPLIED, done)


@njit(nogil=True)
def work_in_place(words):
    """Do the same without a record of it."""
    done = load_acquire(words, APPLIED)
    while done < STEPS:
        words[ROW] += 10
        done += 1
        store_release(words, APPLIED, done)


@njit(nogil=True)
def work_committed_early(words):
    """Do the same, but say that the record is there before it is."""
    done = load_acquire(words, COMMIT)
    if done != load_acquire(words, APPLIED):
        words[ROW] = words[REDO]
        store_release(words, APPLIED, done)
    while done < STEPS:
        done += 1
        store_release(words, COMMIT, done)
        words[REDO] = words[ROW] + 10
        words[ROW] = words[REDO]
        store_release(words, APPLIED, done)


def counted_once(words, results):
    return [] if words[ROW] == 10 * STEPS else [f"the row is {words[ROW]}"]


WITH_REDO = scenario({"worker": work_with_redo}, counted_once)
IN_PLACE = scenario({"worker": work_in_place}, counted_once)
COMMITTED_EARLY = scenario({"worker": work_committed_early}, counted_once)
