"""What every instrument is pointed at: shared words, the roles that use them, what must hold.

A scenario is a value of a module, named `package.module:NAME` on the command line, so that a new
process can import it. Instruments decide where the words lie (private memory, a mapping that
several processes share, a model) and which role runs when; they know nothing of what the words
mean.
"""

import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher


def _nothing() -> tuple:
    return ()


@dataclass(frozen=True, slots=True)
class Role:
    """What one thread or process runs: kernel(words, *arguments()).

    `kernel` is an @njit(nogil=True) function; what it returns is the role's result, a number or a
    tuple of numbers. `arguments` makes what belongs to the role alone (its workload, its scratch
    arrays), anew for each run. TSan, xsan and killpoint also take a Python function that calls
    kernels with parts of the words; they see what the kernels do, not what Python does.
    """

    kernel: Callable[..., Any]
    arguments: Callable[[], tuple] = _nothing


@dataclass(frozen=True, slots=True)
class Scenario:
    """Shared words and the roles on them.

    setup     the words as they are before any role starts: 1-D int64, the same each time
    roles     by name, in the order in which they are started
    check     (words, {role: result}) when all roles have ended -> what is wrong, in words; none
              if all is well
    recovery  {role: what runs in its place after it was killed}; a role not named here is run
              again from its beginning. Its result is the role's result.
    prepare   compiles what roles that are Python functions will call; kernels are compiled anyway
    validated names of functions that copy what may change meanwhile and look afterwards whether it
              did (readers of a sequence lock): a race of their reads is counted apart; that no torn
              copy is taken, the check must show
    labels    {index: name} of words, for reports; others are called words[index]
    model     {function of the kernels: (operation, its first arguments)} for the model checker:
              what an intrinsic of yours means (see weave)
    memory    makes the words that processes share, of a size (children.Memory), for killpoint:
              where more is watched than the words, or they lie at a place of their own
    tolerated words whose plain accesses are meant to race, for the model checker: copies that are
              thrown away when a version says so
    """

    setup: Callable[[], np.ndarray]
    roles: Mapping[str, Role]
    check: Callable[[np.ndarray, Mapping[str, Any]], list[str]]
    recovery: Mapping[str, Role] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None
    validated: frozenset[str] = frozenset()
    labels: Mapping[int, str] = field(default_factory=dict)
    model: Mapping[Any, Any] = field(default_factory=dict)
    memory: Callable[[int], Any] | None = None
    tolerated: frozenset[int] = frozenset()


class ScenarioError(Exception):
    """What was named is no scenario."""


def fresh_words(scenario: Scenario) -> np.ndarray:
    """Return new words of a scenario, checked for shape and kind."""
    words = scenario.setup()
    if words.dtype != np.int64 or words.ndim != 1 or not words.flags.c_contiguous:
        raise ScenarioError(f"setup() must give 1-D int64 words, gave {words.dtype} {words.shape}")
    return words


def compile_roles(scenario: Scenario, names: Collection[str] | None = None) -> None:
    """Compile the kernels of these roles, or all, without running them: roles may wait for each
    other."""
    words = fresh_words(scenario)
    for name, role in (*scenario.roles.items(), *scenario.recovery.items()):
        wanted = names is None or name in names
        if wanted and isinstance(role.kernel, Dispatcher):
            kinds = [numba.typeof(one) for one in (words, *role.arguments())]
            _, kinds = role.kernel.fold_argument_types(kinds, {})  # Those with defaults too.
            role.kernel.compile(kinds)
    if scenario.prepare is not None:
        scenario.prepare()


def load_scenario(name: str) -> Scenario:
    """Return the scenario `package.module:NAME` or `file.py:NAME`."""
    place, _, wanted = name.rpartition(":")
    if not place:
        raise ScenarioError(f"{name!r} is not MODULE:NAME")
    if place.endswith(".py"):
        path = Path(place).resolve()
        sys.path.insert(0, str(path.parent))
        place = path.stem
    try:
        found = getattr(importlib.import_module(place), wanted)
    except (ImportError, AttributeError) as error:
        raise ScenarioError(f"{name!r}: {error}") from error
    if not isinstance(found, Scenario):
        raise ScenarioError(f"{name!r} is a {type(found).__name__}, not a Scenario")
    return found
