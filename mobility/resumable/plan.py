"""A `Plan`: all that is known of one resumable function, carried by its code object.

The last constant of every code object that a plan has compiled is the plan itself, or an `Inner` for a function inside
it; so a suspended generator leads to its plan without any table.
"""

from __future__ import annotations

import ast
import re
import threading
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mobility.errors import ResumableError
from mobility.resumable import _build as build
from mobility.resumable._core import Block, CoreFunction, For, Landing, Node, Plain, Suspension, With
from mobility.resumable._depth import depth
from mobility.resumable._emission import emit_fresh, emit_landing
from mobility.resumable._landing import land, live_slots
from mobility.resumable._normalise import normalise
from mobility.resumable._runtime import OBJECTS
from mobility.resumable._scopes import mangle
from mobility.resumable._source import FunctionSource

__all__ = ["Address", "Inner", "Plan", "inner_of", "make_plan", "plan_of", "split_label"]

_FACTORY = ".factory"
_CO_OPTIMIZED = 0x1
#: The interpreter has room for 20 blocks; a landing and the generator itself take some of it.
_DEEPEST = 17
_lock = threading.RLock()

#: (name, line counted from the function's first, ordinal among equals)
Address = tuple[str, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """A function defined inside a resumable one."""

    plan: Plan
    address: Address


class Plan:
    """One function, ready to start afresh and to land at any of its labels.

    Attributes
    ----------
    module, qualname, digest
        The snapshot's key; a generator expression's `qualname` ends in ``#n``, the n-th of its function.
    code
        Of a generator that starts afresh.
    inner
        Code of the functions defined inside, by their address.
    nested
        Plans of the generator expressions inside, by their number.
    slots
        By label: the hidden variables that its landing needs, in order.
    finals
        By label: the slots of the ``finally`` blocks in which it lies.
    delegating
        Labels of ``yield from``.
    lines
        By label: the line of the suspension; 0: the first line.
    """

    code: types.CodeType

    def __init__(
        self, core: CoreFunction, source: FunctionSource, module: str, qualname: str, root: Plan | None
    ) -> None:
        self.module = module
        self.qualname = qualname if root is None else f"{qualname}#{core.name[2:]}"
        self.digest = source.digest
        self.filename = source.filename
        self.source = source
        self.inner: dict[Address, types.CodeType] = {}
        self.nested: dict[str, Plan] = {}
        self.slots: dict[int, tuple[str, ...]] = {0: (".label",)}
        self.finals: dict[int, tuple[int, ...]] = {0: ()}
        self.lines: dict[int, int] = {0: _line(core.first or core.at)}
        self.delegating = frozenset(label for label, s in core.suspensions.items() if s.delegates)
        self.has_temporaries = _waits(core.body)
        self._core = core
        self._root = root or self
        self._class_name = _enclosing_class(qualname)
        self._shown_qualname = qualname
        self._captured: dict[str, tuple[str, ...]] = {}
        self._known: dict[types.CodeType | str, types.CodeType] = {}
        self._landings: dict[tuple[Any, ...], types.CodeType] = {}
        self._takeovers: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._locals = frozenset(mangle(name, self._class_name) for name in (*core.locals, *core.walrus_names))
        if root is not None:
            self.slots[0] = (".label", ".i1")
        for label, suspension in core.suspensions.items():
            self._locate(label, suspension)
        for part in (*core.hoisted, *core.inside):
            self._add_nested(part)

    def _locate(self, label: int, suspension: Suspension) -> None:
        live = live_slots(self._core.body, label)
        hidden = [".label"]
        for kind, number in live:
            hidden += [f".f{number}", f".r{number}"] if kind == "f" else [f".{kind}{number}"]
        self.slots[label] = tuple(hidden)
        self.finals[label] = tuple(number for kind, number in live if kind == "f")
        self.lines[label] = _line(suspension.at)

    def _add_nested(self, core: CoreFunction) -> None:
        if core.suspensions:
            plan = Plan(core, self.source, self.module, self._root.qualname, self._root)
            self._root.nested[core.name] = plan
        else:
            for inner in (*core.hoisted, *core.inside):
                self._add_nested(inner)

    def __repr__(self) -> str:
        return f"<plan of {self.module}.{self.qualname}, {len(self._core.suspensions)} suspensions>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A function pickled by value carries its plan; the text is enough to make it again.
        root = self._root
        where = (root.source, root.module, root.qualname, root.code.co_freevars)
        return (_remade, (*where, None if root is self else self._core.name))

    @property
    def provided(self) -> tuple[str, ...]:
        """Captured variables that the function at the destination brings (``__class__``, type parameters)."""
        return self._root.code.co_freevars if "<locals>" not in self.qualname else ()

    @property
    def captured(self) -> tuple[str, ...]:
        """Its own variables that functions inside capture."""
        return self._root._captured.get(self._core.name, ())

    @cached_property
    def deleted(self) -> frozenset[str]:
        """Captured variables that the text unbinds somewhere."""
        unbound: set[str] = set()
        for node in ast.walk(self.source.node):
            match node:
                case ast.Name(id=name, ctx=ast.Del()) | ast.ExceptHandler(name=str(name)):
                    unbound.add(mangle(name, self._class_name))
        return frozenset(unbound.intersection(self.captured))

    @property
    def has_inner(self) -> bool:
        """Whether functions are defined inside."""
        return bool(self._root.inner)

    @property
    def name(self) -> str:
        """Module and qualified name, for messages."""
        return f"{self.module}.{self._shown_qualname}"

    def binding_line(self, variable: str, label: int) -> int:
        """Where a variable was bound last before the suspension at `label`, as far as the text tells."""
        here = self.lines.get(label, self.lines[0])
        lines = sorted({_line(n) for n in ast.walk(self.source.node) if _binds(n, variable)})
        before = [line for line in lines if line <= here]
        return before[-1] if before else (lines[0] if lines else here)

    def slot_line(self, slot: str, label: int) -> int:
        """The line of the statement to which a hidden variable belongs."""
        lines = [_line(node.at) for node in _walk(self._core.body) if _slot_of(node) == slot]
        return lines[0] if lines else self.lines.get(label, self.lines[0])

    # -- compilation ----------------------------------------------------------------------------------------------

    def compile_fresh(self, free: tuple[str, ...]) -> None:
        """Compile the function that starts afresh, whose captured outer variables are `free`."""
        fresh = emit_fresh(self._core, {})
        if depth(fresh.body) > _DEEPEST:
            raise ResumableError(
                "its blocks are nested too deeply to be entered again in the middle",
                function=self.qualname,
                filename=self.filename,
                line=self.lines[0],
                remedy="Split it into smaller generators joined by `yield from`.",
            )
        raw = self._compile(fresh, free)
        self._captured = {
            code.co_name: tuple(n for n in code.co_cellvars if not n.startswith("."))
            for code in (raw, *_functions_in(raw))
            if code is raw or code.co_name.startswith(".g")
        }
        if any(self._captured.values()):
            raw = self._compile(emit_fresh(self._core, self._captured), free)
        for address, code in _addresses(raw, self.lines[0]).items():
            self.inner[address] = code
        addresses = {code: address for address, code in self.inner.items()}
        self.code = self._finish(raw, addresses)
        self.inner = {address: self._known[code] for address, code in self.inner.items()}

    def landing(
        self,
        label: int | tuple[Any, ...],
        cells: tuple[str, ...],
        waiting: tuple[str, ...] = (),
        unsure: tuple[str, ...] = (),
    ) -> types.CodeType:
        """Code of a function of one argument that goes on at `label`.

        Parameters
        ----------
        cells
            Names of the captured variables, which are free in the code.
        waiting
            Temporaries that the snapshot holds.
        unsure
            Of `cells`, its own that may be read while they are not bound.
        """
        key = (label, cells, waiting, unsure)
        code = self._landings.get(key)
        if code is None:
            with _lock:
                code = self._landings[key] = self._compile_landing(label, cells, waiting, unsure)
        return code

    def takeover(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        """The user's variables that a landing unpacks, in order."""
        names = self._takeovers.get(cells)
        if names is None:
            names = self._takeovers[cells] = tuple(sorted(self._locals.difference(cells)))
        return names

    def _compile_landing(
        self, label: int | tuple[Any, ...], cells: tuple[str, ...], waiting: tuple[str, ...], unsure: tuple[str, ...]
    ) -> types.CodeType:
        number, given = split_label(label)
        body = self._core.body
        if number:
            block = land(body, number, dict(zip(self.finals[number], given, strict=True)))
        else:
            block = (Landing(body[0].at, None), *body)
        tree = emit_landing(
            self._core,
            block,
            (*self.slots[number], *waiting),
            self.takeover(cells),
            [name for name in cells if name != "__class__"],
            unsure,
            self._root._captured,
        )
        return self._finish(self._compile(tree, cells), {})

    def _compile(self, tree: ast.FunctionDef, free: tuple[str, ...]) -> types.CodeType:
        """Compile a function within a scope that binds `free`, and within its class, for private names."""
        wrapped: ast.stmt = tree
        if self._class_name is not None:
            wrapped = build.class_around(self._class_name, wrapped)
        parameters = [name for name in free if name != "__class__" or self._class_name is None]
        body = [wrapped]
        if self._class_name is not None and self._class_name not in parameters:
            # The class around must not catch the function's own references to a global of its name.
            body.insert(0, build.place(ast.Global([self._class_name]), tree))
        factory = build.function(_FACTORY, build.no_arguments(parameters), body, tree)
        try:
            with _lock, warnings.catch_warnings():
                # The user's own compilation has said what there is to warn of.
                warnings.simplefilter("ignore")
                module = ast.fix_missing_locations(ast.Module([factory], []))
                code: types.CodeType = compile(module, self.filename, "exec", self.source.future, dont_inherit=True)
        except (SyntaxError, RecursionError) as error:
            raise ResumableError(
                f"its transformed text does not compile ({error})",
                function=self.qualname,
                filename=self.filename,
                line=getattr(error, "lineno", None) or self.lines[0],
                remedy="Split it into smaller generators joined by `yield from`; its blocks may be nested too deeply.",
            ) from error
        path = [_FACTORY, *([self._class_name] if self._class_name is not None else []), tree.name]
        for name in path:
            code = next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)
        return code

    def _finish(self, raw: types.CodeType, addresses: dict[types.CodeType, Address]) -> types.CodeType:
        """Put the run-time's objects in place of their marks, mend the names, and sign the code.

        The functions inside are the same in every landing; those of the fresh code serve for all.
        """
        root = self._root
        prefix = raw.co_qualname

        def shown(qualname: str) -> str:
            qualname = self._shown_qualname + qualname[len(prefix) :]
            return re.sub(r"\.\.(g\d+)", lambda m: "." + _shown(root._core, "." + m.group(1)), qualname)

        def constant(value: Any) -> Any:
            if isinstance(value, types.CodeType):
                return mend(value)
            if not isinstance(value, str):
                return value
            if value.startswith(build.MARK):
                return OBJECTS[value[len(build.MARK) :]]
            # The body of a class holds its qualified name.
            return shown(value) if value.startswith(prefix + ".") else value

        def mend(code: types.CodeType) -> types.CodeType:
            known = root._known.get(code.co_name if code.co_name.startswith(".g") else code)
            if known is not None and code is not raw:
                return known
            constants = [constant(value) for value in code.co_consts]
            plan = self if code is raw else root.nested.get(code.co_name)
            if plan is not None:
                constants.append(plan)
            elif code in addresses:
                constants.append(Inner(root, addresses[code]))
            qualname = shown(code.co_qualname)
            name = code.co_name
            if code is raw:
                name = self._core.shown
            elif name.startswith(".g"):
                name = _shown(root._core, name)
            new = code.replace(co_consts=tuple(constants), co_name=name, co_qualname=qualname)
            if code is not raw:
                root._known[code.co_name if code.co_name.startswith(".g") else code] = new
                if plan is not None:
                    plan.code = new
                    plan._shown_qualname = qualname
            return new

        return mend(raw)


def split_label(label: int | tuple[Any, ...]) -> tuple[int, tuple[str, ...]]:
    """A recorded label's number, and the reasons of the ``finally`` blocks around it."""
    return (label, ()) if isinstance(label, int) else (label[0], tuple(label[1:]))


def plan_of(code: types.CodeType) -> Plan | None:
    """The plan that compiled this code as a resumable function, if one did."""
    last = code.co_consts[-1] if code.co_consts else None
    return last if isinstance(last, Plan) else None


def inner_of(function: types.FunctionType) -> Inner | None:
    """Where in a resumable function this function was defined, if in one."""
    constants = function.__code__.co_consts
    last = constants[-1] if constants else None
    return last if isinstance(last, Inner) else None


def make_plan(source: FunctionSource, module: str, qualname: str, free: tuple[str, ...]) -> Plan:
    """Transform one function; `free` are the names of its captured outer variables."""
    plan = Plan(normalise(source, qualname), source, module, qualname, None)
    plan.compile_fresh(free)
    return plan


def _remade(source: FunctionSource, module: str, qualname: str, free: tuple[str, ...], nested: str | None) -> Plan:
    plan = make_plan(source, module, qualname, free)
    return plan if nested is None else plan.nested[nested]


def _enclosing_class(qualname: str) -> str | None:
    """The class whose name mangles private names in this function."""
    parts = qualname.split(".")
    index = len(parts) - 1
    while index > 0:
        if parts[index - 1] != "<locals>":
            return parts[index - 1]
        index -= 2
    return None


def _functions_in(code: types.CodeType) -> Iterator[types.CodeType]:
    """Code objects inside `code`, at any depth, in the order of compilation."""
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            yield value
            yield from _functions_in(value)


def _first_position(code: types.CodeType) -> tuple[int, int]:
    """Where the text of a function's body begins: tells lambdas of one line apart."""
    found = [(p[0], p[2]) for p in code.co_positions() if p[0] is not None and p[2] is not None and p[3] != p[2]]
    return min(found, default=(code.co_firstlineno, 0))


def _addresses(raw: types.CodeType, first_line: int) -> dict[Address, types.CodeType]:
    """Addresses that mean the same on every Python: comprehensions, which 3.12 inlines, have none."""
    comprehensions = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
    functions = [
        code
        for code in dict.fromkeys(_functions_in(raw))
        if code.co_flags & _CO_OPTIMIZED and code.co_name not in comprehensions and not code.co_name.startswith(".")
    ]
    found: dict[Address, types.CodeType] = {}
    for code in sorted(functions, key=_first_position):
        ordinal = 0
        while (address := (code.co_name, code.co_firstlineno - first_line, ordinal)) in found:
            ordinal += 1
        found[address] = code
    return found


def _shown(core: CoreFunction, name: str) -> str:
    for inner in (*core.hoisted, *core.inside):
        shown = inner.shown if inner.name == name else _shown(inner, name)
        if shown:
            return shown
    return ""


def _walk(block: Block) -> Iterator[Node]:
    for node in block:
        yield node
        for inner in node.blocks:
            yield from _walk(inner)


def _waits(block: Block) -> bool:
    """Whether a temporary is ever set before a suspension."""
    names = (n for node in _walk(block) if isinstance(node, Plain) for n in ast.walk(node.statement))
    return any(isinstance(n, ast.Name) and n.id.startswith(".t") for n in names)


def _slot_of(node: Node) -> str | None:
    match node:
        case For(slot=slot):
            return f".i{slot}"
        case With(slot=slot):
            return f".m{slot}"
        case _:
            return None


def _line(node: ast.AST) -> int:
    return int(node.lineno)  # type: ignore[attr-defined]  # every node that comes here has a line


def _binds(node: ast.AST, variable: str) -> bool:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return name == variable
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.ExceptHandler(name=name):
            return name == variable
        case _:
            return False
