"""Scopes: which names a function binds itself, and what happens to the scopes inside it.

Functions, lambdas and classes inside a generator stay what they are. A generator expression becomes a nested generator
function in the core language, so that its object can move too; a comprehension that holds one becomes a nested plain
function, which it is anyway before Python 3.12.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from mobility.resumable import _build as build
from mobility.resumable._core import Block, Branch, CoreFunction, DefineMark, For, Plain, Suspension
from mobility.resumable._grammar import own_scope

__all__ = ["ScopeRewriter", "bound_names", "declared_names", "mangle", "never_bound", "walrus_targets"]

_Comprehension = ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp
#: Builtins that look at the frame of their caller.
_FRAME_READERS = frozenset({"locals", "vars", "dir", "eval", "exec"})


def mangle(name: str, class_name: str | None) -> str:
    """A private name as the compiler writes it (reference, "Private name mangling")."""
    if class_name is None or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    owner = class_name.lstrip("_")
    return f"_{owner}{name}" if owner else name


def declared_names(body: Sequence[ast.stmt], kind: type[ast.Global] | type[ast.Nonlocal]) -> tuple[str, ...]:
    """Names that a ``global`` or ``nonlocal`` statement declares in this scope."""
    found = [n for s in body for n in own_scope(s) if isinstance(n, kind)]
    return tuple(dict.fromkeys(name for n in found for name in n.names))


def walrus_targets(node: ast.AST) -> list[str]:
    """Names that a comprehension binds in the scope around it, by ``:=`` at any depth of comprehensions."""
    names: list[str] = []
    todo: list[ast.AST] = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, ast.Lambda):
            todo += [*current.args.defaults, *(d for d in current.args.kw_defaults if d is not None)]
            continue
        if isinstance(current, ast.NamedExpr):
            names.append(current.target.id)
        todo += ast.iter_child_nodes(current)
    return list(dict.fromkeys(names))


def _names_of_arguments(arguments: ast.arguments) -> list[str]:
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [a.arg for a in named]


def bound_names(arguments: ast.arguments, body: Sequence[ast.stmt]) -> list[str]:
    """Names that a function's own scope binds, in order; comprehensions have scopes of their own."""
    names = _names_of_arguments(arguments)
    for statement in body:
        for node in own_scope(statement):
            match node:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                    names.append(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    names.append(name)
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    names.append(name)
                case ast.MatchMapping(rest=str(name)):
                    names.append(name)
                case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                    names += [a.asname or a.name.partition(".")[0] for a in aliases]
                case ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
                    names += walrus_targets(node)
                case _:
                    if type(node).__name__ == "TypeAlias":  # Python 3.12
                        names.append(node.name.id)  # type: ignore[attr-defined]  # absent from 3.11's ast
    declared = {*declared_names(body, ast.Global), *declared_names(body, ast.Nonlocal)}
    return [name for name in dict.fromkeys(names) if name not in declared]


def _is_block(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], ast.stmt)


def _docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    match first:
        case ast.Expr(value=ast.Constant(value=str())):
            return [first]
    return []


def never_bound(names: Sequence[str], at: ast.AST) -> list[ast.stmt]:
    """A name bound only inside a generator expression must still belong to the scope around; this runs never."""
    return [build.place(ast.If(ast.Constant(False), build.set_none(names, at), []), at)] if names else []


class _FrameReading(ast.NodeTransformer):
    """Replaces the builtins that would show hidden names of this frame: comprehensions share it from 3.12 on."""

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in _FRAME_READERS and isinstance(node.ctx, ast.Load):
            return build.place(build.call(build.mark("visible"), [node]), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        match node:
            case ast.Attribute(value=ast.Name(id="builtins" | "__builtins__"), attr=name, ctx=ast.Load()):
                return build.place(build.call(build.mark("visible"), [node]), node) if name in _FRAME_READERS else node
        return self.generic_visit(node)


class ScopeRewriter(_FrameReading):
    """Rewrites the scopes inside one function, in place.

    Collects the functions to define in this scope (`hoisted`) and in scopes inside it (`inside`).
    """

    def __init__(self, global_names: Iterable[str] = (), counter: list[int] | None = None) -> None:
        self.hoisted: list[CoreFunction] = []
        self.inside: list[CoreFunction] = []
        self.walrus_names: list[str] = []
        self._globals = frozenset(global_names)
        self._counter = counter if counter is not None else [0]

    def statements(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Rewrite a block; what a statement's own expressions hoist is defined right before it."""
        made: list[ast.stmt] = []
        for statement in body:
            before = len(self.hoisted)
            opens = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            blocks = {n: value for n, value in ast.iter_fields(statement) if _is_block(value) and not opens}
            for name in blocks:
                setattr(statement, name, [])
            handlers: list[ast.AST] = [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
            inner = [(part, part.body) for part in handlers]  # type: ignore[attr-defined]  # both have a body
            for part, _ in inner:
                part.body = []  # type: ignore[attr-defined]
            statement = self.visit(statement)
            for function in self.hoisted[before:]:
                mark = ast.copy_location(DefineMark(), function.at)
                mark.function = function
                made.append(mark)
            for name, value in blocks.items():
                setattr(statement, name, self.statements(value))
            for part, block in inner:
                part.body = self.statements(block)  # type: ignore[attr-defined]
            made.append(statement)
        return made

    # -- scopes that stay as they are: only what is evaluated outside of them belongs to this function ----------------

    def _entries(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> ast.AST:
        """A function inside: its generator expressions can move too, but they are defined within it."""
        if not isinstance(node, ast.Lambda):
            declared = declared_names(node.body, ast.Global)
            inner = ScopeRewriter(declared, self._counter)
            body = inner.statements(node.body)
            bound = [n for n in inner.walrus_names if n not in declared_names(node.body, ast.Nonlocal)]
            node.body = [*_docstring(node.body), *never_bound(bound, node), *body]
            self.inside += inner.hoisted + inner.inside
        arguments = node.args
        arguments.defaults = [self.visit(d) for d in arguments.defaults]
        arguments.kw_defaults = [self.visit(d) if d is not None else None for d in arguments.kw_defaults]
        if not isinstance(node, ast.Lambda):
            node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._entries(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._entries(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._entries(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.bases = [self.visit(b) for b in node.bases]
        node.keywords = [self.visit(k) for k in node.keywords]
        inner = ScopeRewriter((), self._counter)
        body: list[ast.stmt] = []
        for statement in node.body:
            marked = inner.statements([statement])
            defined = [s.function.name for s in marked if isinstance(s, DefineMark)]
            body += [*marked, *build.delete(defined, statement)]  # not to become attributes
        node.body = body
        self.inside += inner.hoisted + inner.inside
        return node

    # -- comprehensions -----------------------------------------------------------------------------------------------

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        """A nested generator function in the core language, called with the iterator of the outermost iterable."""
        if any(c.is_async for c in node.generators):
            return node
        return self._hoist(node)

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._comprehension(node)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> ast.AST:
        first = node.generators[0]
        inner: list[ast.AST] = [*first.ifs, *node.generators[1:]]
        inner += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        # One whose variables a function captures must not be inlined into a landing, where the name means another cell.
        holds = any(isinstance(n, ast.GeneratorExp | ast.Lambda) for part in inner for n in ast.walk(part))
        if holds and not any(c.is_async for c in node.generators):
            return self._hoist(node)
        first.iter = self.visit(first.iter)
        reading = _FrameReading()
        first.ifs = [reading.visit(test) for test in first.ifs]
        node.generators[1:] = [reading.visit(generator) for generator in node.generators[1:]]
        if isinstance(node, ast.DictComp):
            node.key, node.value = reading.visit(node.key), reading.visit(node.value)
        else:
            node.elt = reading.visit(node.elt)
        return node

    def _hoist(self, node: _Comprehension) -> ast.AST:
        self._counter[0] += 1
        name = f".g{self._counter[0]}"
        first = node.generators[0]
        outermost = self.visit(first.iter)
        walrus = walrus_targets(node)
        global_names = tuple(n for n in walrus if n in self._globals)
        nonlocal_names = tuple(n for n in walrus if n not in self._globals)
        self.walrus_names += nonlocal_names
        inner = ScopeRewriter(self._globals, self._counter)
        for generator in node.generators[1:]:
            generator.iter = inner.visit(generator.iter)
        for generator in node.generators:
            generator.ifs = [inner.visit(test) for test in generator.ifs]
        if isinstance(node, ast.DictComp):
            node.key, node.value = inner.visit(node.key), inner.visit(node.value)
        else:
            node.elt = inner.visit(node.elt)
        declared = (global_names, nonlocal_names)
        if isinstance(node, ast.GeneratorExp):
            suspension = Suspension(node.elt, 1, (), node.elt, delegates=False)
            body = _generator_clauses(node, suspension)
            self.hoisted.append(_scope_function(name, node, body, inner, declared, {1: suspension}))
        else:
            body = tuple(Plain(s, s) for s in _collecting_statements(node))
            self.hoisted.append(_scope_function(name, node, body, inner, declared, {}))
        argument = build.call(build.mark("iter"), [outermost])
        return build.place(build.call(build.load(name), [argument]), node)


def _scope_function(
    name: str,
    node: _Comprehension,
    body: Block,
    rewriter: ScopeRewriter,
    declared: tuple[tuple[str, ...], tuple[str, ...]],
    suspensions: dict[int, Suspension],
) -> CoreFunction:
    targets = [ast.copy_location(ast.Assign([g.target], ast.Constant(None)), node) for g in node.generators]
    shown = {ast.ListComp: "<listcomp>", ast.SetComp: "<setcomp>", ast.DictComp: "<dictcomp>"}
    return CoreFunction(
        name=name,
        shown=shown.get(type(node), "<genexpr>"),
        at=node,
        arguments=build.no_arguments([".i1"]),
        first=None,
        docstring=None,
        body=body,
        hoisted=rewriter.hoisted,
        inside=rewriter.inside,
        locals=frozenset(bound_names(build.no_arguments(), targets)),
        global_names=declared[0],
        nonlocal_names=declared[1],
        walrus_names=tuple(rewriter.walrus_names),
        suspensions=suspensions,
    )


def _generator_clauses(node: ast.GeneratorExp, suspension: Suspension, index: int = 0) -> Block:
    """``for``, ``if`` and one ``yield``, nested as the clauses are written (reference, "Generator expressions")."""
    if index == len(node.generators):
        return (suspension,)
    generator = node.generators[index]
    inner = _generator_clauses(node, suspension, index + 1)
    for test in reversed(generator.ifs):
        inner = (Branch(test, test, inner, ()),)
    started = index == 0
    iterable = build.place(build.load(".i1"), generator.iter) if started else generator.iter
    return (For(generator.iter, index + 1, generator.target, iterable, inner, (), started=started, given=started),)


def _collecting_statements(node: ast.ListComp | ast.SetComp | ast.DictComp) -> list[ast.stmt]:
    """The same for a comprehension, which collects in ``.out`` and returns it."""
    method, empty = {
        ast.ListComp: ("append", ast.List([], ast.Load())),
        ast.SetComp: ("add", build.call(build.mark("set"), [])),
        ast.DictComp: ("setitem", ast.Dict([], [])),
    }[type(node)]
    parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    collect = build.call(build.mark(method), [build.load(".out"), *parts])
    inner: ast.stmt = build.place(ast.Expr(collect), parts[0])
    for index, generator in reversed(list(enumerate(node.generators))):
        for test in reversed(generator.ifs):
            inner = build.place(ast.If(test, [inner], []), test)
        iterable = build.load(".i1") if index == 0 else generator.iter
        inner = build.place(ast.For(generator.target, iterable, [inner], [], None), generator.iter)
    return [
        build.assign(".out", empty, node),
        inner,
        build.place(ast.Return(build.load(".out")), node),
    ]
