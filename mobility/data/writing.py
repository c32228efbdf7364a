"""Writes the values of a unit, and notes whose code they need."""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

from mobility.code import ForeignCode, Namespace, Root
from mobility.code.origin import Origin, is_foreign, origin_of
from mobility.data.states import ModuleState, Spot
from mobility.reducers.by_dill import reduce_by_dill
from mobility.reducers.closures import reduce_closure, shipped_module
from mobility.reducers.functions import is_importable
from mobility.reducers.pickler import Pickler
from mobility.reducers.refusal import Refused
from mobility.resumable.plan import Plan, inner_of, plan_of
from mobility.resumable.shipped import package_name, shared_name

__all__ = ["OUT_OF_BAND", "UnitPickler", "unit_pickler"]

#: Buffers of at least so many bytes travel as segments of their own.
OUT_OF_BAND = 64 * 1024


class UnitPickler(Pickler):
    """Pickle 5, with the project's functions and classes by name and source, and dill for what is left.

    Attributes
    ----------
    by_value
        Identities of functions that are not to be named, although they could be.
    roots
        What the code segment must hold.
    outside
        Modules of installed distributions that the values name.
    used_dill, bytecode
        Whether dill was needed, and whether that wrote bytecode of this version.
    """

    def __init__(self, own: Namespace | None, by_dill: frozenset[type], buffers: list[pickle.PickleBuffer]) -> None:
        self.file = io.BytesIO()
        super().__init__(self.file, _collector(buffers))
        self.own = own
        self.by_dill = by_dill
        self.by_value: frozenset[int] = frozenset()
        self.roots: set[Root] = set()
        self.outside: set[str] = set()
        self.used_dill = False
        self.bytecode = False

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is types.FunctionType:
            return self._function(value)
        if issubclass(kind, type):
            return self._class(value)
        if kind is types.ModuleType:
            return self._module(value)
        if kind in self.by_dill:
            return self._by_dill(value)
        if kind is types.GeneratorType:
            plan = plan_of(value.gi_code)
            if plan is not None:
                self._note_plan(plan)
        elif kind is types.BuiltinFunctionType or kind is _CACHED:
            self._note(value.__module__, value.__qualname__)
        return super().reducer_override(value)

    # -- whose code

    def _note(self, module: str | None, qualname: str, filename: str = "", line: int = 0, digest: bytes = b"") -> None:
        if not isinstance(module, str):
            return
        origin = origin_of(module)
        if origin is Origin.INSTALLED:
            if is_foreign(module):
                self.outside.add(module)
        elif origin is Origin.LOCAL and module in sys.modules:
            if self.own is not None:
                raise ForeignCode(f"{module}.{qualname}")
            self.roots.add(Root(module, qualname.partition(".")[0], filename, line, digest))
        elif origin is Origin.SHIPPED and not self._is_own(module):
            raise ForeignCode(f"{module}.{qualname}")

    def _is_own(self, module: str) -> bool:
        return self.own is not None and shared_name(module).partition(".")[0] == package_name(self.own.digest)

    def _note_plan(self, plan: Plan) -> None:
        self._note(plan.module, plan.qualname, plan.filename, plan.source.node.lineno, plan.digest)

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        plan = plan_of(code)
        inner = inner_of(function)
        if plan is not None:
            self._note_plan(plan)
        elif inner is not None:
            self._note_plan(inner.plan)
        elif is_importable(function) and id(function) not in self.by_value:
            self._note(function.__module__, function.__qualname__)
            return NotImplemented
        else:
            reduced = reduce_closure(function)
            module = function.__globals__.get("__name__")
            self._note(module, code.co_qualname, code.co_filename, code.co_firstlineno)
            return reduced
        return super().reducer_override(function)

    def _class(self, kind: type) -> Any:
        if is_importable(kind):
            self._note(kind.__module__, kind.__qualname__)
            return super().reducer_override(kind)
        try:
            reduced = super().reducer_override(kind)
        except Refused:
            if "<locals>" not in kind.__qualname__ and origin_of(kind.__module__) is not Origin.INTERPRETER:
                raise
            return self._by_dill(kind)
        if reduced is NotImplemented and kind.__module__ != "builtins":
            return self._by_dill(kind)  # made by type(...), named tuples and the like
        return reduced

    def _module(self, module: types.ModuleType) -> Any:
        name = module.__name__
        if sys.modules.get(name) is not module:
            return self._by_dill(module)
        if origin_of(name) in (Origin.LOCAL, Origin.SHIPPED):
            self._note(name, "")
            return shipped_module, (name,)
        self._note(name, "")
        return super().reducer_override(module)

    def _by_dill(self, value: Any) -> Any:
        reduced, modules, bytecode = reduce_by_dill(value)
        for module in modules:
            if origin_of(module) in (Origin.LOCAL, Origin.SHIPPED) and module in sys.modules:
                what = f"{value!r:.80}, which only its bytecode describes and which needs code of {module}"
                raise Refused(what, f"Define it at the top level of {module}.")
            self._note(module, "")
        self.used_dill = True
        self.bytecode |= bytecode
        return reduced


class _ReferringPickler(UnitPickler):
    """Writes objects that the text makes again as references to their place."""

    known: dict[int, tuple[Spot, type]]

    def persistent_id(self, value: Any) -> tuple[Spot, type] | None:
        return self.known.get(id(value))


def unit_pickler(
    own: Namespace | None, by_dill: frozenset[type], buffers: list[pickle.PickleBuffer], modules: ModuleState
) -> UnitPickler:
    """The pickler for a unit and what its modules hold."""
    if modules.contents:
        pickler: UnitPickler = _ReferringPickler(own, by_dill, buffers)
        pickler.known = modules.known  # type: ignore[attr-defined]  # of the one kind
    else:
        pickler = UnitPickler(own, by_dill, buffers)
    # Found by their name here, because they were put there, and not where the text is executed.
    assigned = modules.assigned.values()
    pickler.by_value = frozenset(id(value) for value in assigned if isinstance(value, types.FunctionType))
    return pickler


_CACHED: type = type(functools.lru_cache(origin_of))


def _collector(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    def collect(buffer: pickle.PickleBuffer) -> bool:
        with memoryview(buffer) as view:
            if view.nbytes < OUT_OF_BAND:
                return True  # within the state
        buffers.append(buffer)
        return False

    return collect
