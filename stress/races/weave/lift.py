"""Lifted kernels: a numba kernel's own Python source, run on the checker's words.

`lift` copies a kernel's function and binds its globals and closures anew, and those of all kernels
that it calls: intrinsics become operations of the checker, as the scenario's `model` says, numpy's
integers become Python's. What it cannot say the meaning of it refuses.

Limits: numbers do not wrap at 64 bits, storing one that left them is refused; records, float and
narrow words are refused. What the compiler makes of the source is not seen: for that are compiled
kernels (compiled.py).
"""

import types
from collections.abc import Callable, Collection, Mapping

import numpy as np
from numba.core.extending import _Intrinsic

from stress.races.scenario import Role, Scenario, fresh_words
from stress.races.weave.cells import RefusedError
from stress.races.weave.execution import Execution
from stress.races.weave.explore import Check, Program
from stress.races.weave.operations import Private, Stage, operation


def program_of(scenario: Scenario, victims: Collection[str] | None = None) -> Program:
    """Return a scenario as a program of lifted kernels.

    Where the setting allows kills, these roles may be killed; all of them where none is named.
    """
    stage = Stage()
    begin = fresh_words(scenario)
    initial = begin.tolist()
    lifter = Lifter(scenario.model, stage)
    lifted = {name: lifter.lift(role.kernel) for name, role in scenario.roles.items()}
    heirs = {name: scenario.recovery.get(name, role) for name, role in scenario.roles.items()}
    lifted_heirs = {name: lifter.lift(role.kernel) for name, role in heirs.items()}
    labels = scenario.labels
    mortal = scenario.roles if victims is None else victims

    def name_of(index: int) -> str:
        return labels.get(index) or f"words[{index}]"

    def program(execution: Execution) -> Check:
        stage.execution = execution
        words = execution.words("words", initial, name_of, scenario.tolerated)
        for name, role in scenario.roles.items():
            call = _call(lifted[name], words, role)
            heir = (_call(lifted_heirs[name], words, heirs[name]),)
            execution.role(name, call, successor=heir if name in mortal else None)

        def check(results: dict[str, object]) -> list[str]:
            now = begin.copy()
            for index, cell in words.region.cells.items():
                now[index] = cell.value
            return scenario.check(now, results)

        return check

    return program


def _call(kernel: Callable, words, role: Role) -> Callable:
    return lambda: kernel(words, *map(own, role.arguments()))


def own(argument):
    """Return a role's own argument as lifted kernels take it: arrays of int64 become Private."""
    if not isinstance(argument, np.ndarray):
        return argument.item() if isinstance(argument, np.generic) else argument
    if argument.dtype != np.int64 or argument.ndim > 2:
        raise RefusedError(f"an array of {argument.dtype} of {argument.ndim} dimensions")
    columns = argument.shape[1] if argument.ndim == 2 else 0
    return Private(argument.reshape(-1).tolist(), 0, argument.size, columns)


def _refuse_unsigned(*_):
    raise RefusedError("unsigned arithmetic: numba's and Python's differ")


# What kernels use of numpy.
_NUMPY = types.SimpleNamespace(
    int64=int,
    intp=int,
    float64=float,
    bool_=bool,
    uint64=_refuse_unsigned,
    uint32=_refuse_unsigned,
)
_AS_THEY_ARE = (int, float, str, bytes, tuple, dict, type(None), type)
_AS_THEY_ARE += (types.BuiltinFunctionType, np.ufunc)


class Lifter:
    """Lifts kernels under one model; each function once. `constants` replaces globals by name."""

    def __init__(
        self, model: Mapping, stage: Stage, constants: Mapping[str, object] | None = None
    ) -> None:
        self._operations = {
            id(intrinsic): operation(stage, *meaning) for intrinsic, meaning in model.items()
        }
        self._constants = constants or {}
        self._lifted: dict[int, object] = {}
        self._kept = [model]  # An id is only one while its object lives.

    def lift(self, value):
        """Return a kernel, intrinsic or constant as it is under the checker."""
        if id(value) in self._operations:
            return self._operations[id(value)]
        if id(value) not in self._lifted:
            self._kept.append(value)
            self._lifted[id(value)] = self._made(value)
        return self._lifted[id(value)]

    def _made(self, value):
        function = getattr(value, "py_func", value)
        if isinstance(function, types.FunctionType):
            return self._function(value, function)
        if isinstance(value, _Intrinsic):
            raise RefusedError(f"{value._name}: the scenario's model does not say what it means")
        if isinstance(value, _AS_THEY_ARE):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return own(value)
        raise RefusedError(f"{value!r} in a kernel")

    def _function(self, value, function: types.FunctionType) -> types.FunctionType:
        bound = {"__builtins__": __builtins__, "__name__": function.__name__}
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        made = types.FunctionType(
            function.__code__, bound, function.__name__, function.__defaults__, cells or None
        )
        self._lifted[id(value)] = made  # Before its own globals: it may call itself.
        names = _names_in(function.__code__)
        for name in names & function.__globals__.keys():
            bound[name] = self.named(name, function.__globals__[name])
        free = function.__code__.co_freevars
        for name, cell, old in zip(free, cells, function.__closure__ or (), strict=True):
            cell.cell_contents = self.named(name, old.cell_contents)
        return made

    def named(self, name: str, value):
        """Return a global as it is under the checker."""
        if name in self._constants:
            return self._constants[name]
        if not isinstance(value, types.ModuleType):
            return self.lift(value)
        return _NUMPY if value is np else _Module(self, value)


class _Module:
    """What kernels use of a module, lifted when it is first used."""

    def __init__(self, lifter: Lifter, module: types.ModuleType) -> None:
        self._lifter = lifter
        self._module = module

    def __getattr__(self, name: str):
        lifted = self._lifter.named(name, getattr(self._module, name))
        setattr(self, name, lifted)
        return lifted


def _names_in(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names
