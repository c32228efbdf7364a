"""From the syntax tree of a generator function to the core language."""

from __future__ import annotations

import ast
import copy
import sys

from mobility.errors import ResumableError
from mobility.resumable import _build as build
from mobility.resumable import _grammar as grammar
from mobility.resumable._compounds import CompoundRules
from mobility.resumable._core import Block, CoreFunction, Handler, Plain, TryExcept
from mobility.resumable._scopes import ScopeRewriter, bound_names, declared_names
from mobility.resumable._source import FunctionSource

__all__ = ["normalise"]


class _Undeclared(ast.NodeTransformer):
    """Drops ``global`` and ``nonlocal``, which are stated at the start instead: a landing reorders the text."""

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # type: ignore[assignment]  # other scopes


def _check(source: FunctionSource, body: list[ast.stmt], qualname: str) -> None:
    for statement in body:
        for node in grammar.own_scope(statement):
            if grammar.is_ruled(type(node)):
                continue
            name = type(node).__name__
            problem, remedy = grammar.REFUSED.get(
                name, (f"this version has no rule for {name}", "Write it in another way, or move it into a function.")
            )
            raise ResumableError(
                problem,
                function=qualname,
                filename=source.filename,
                line=getattr(node, "lineno", source.node.lineno),
                remedy=remedy,
            )


def _bare_arguments(arguments: ast.arguments) -> ast.arguments:
    """Parameters without annotations and defaults, which belong to the function object."""

    def bare(parameter: ast.arg | None) -> ast.arg | None:
        return None if parameter is None else ast.copy_location(ast.arg(parameter.arg), parameter)

    return ast.arguments(
        posonlyargs=[ast.copy_location(ast.arg(a.arg), a) for a in arguments.posonlyargs],
        args=[ast.copy_location(ast.arg(a.arg), a) for a in arguments.args],
        vararg=bare(arguments.vararg),
        kwonlyargs=[ast.copy_location(ast.arg(a.arg), a) for a in arguments.kwonlyargs],
        kw_defaults=[None] * len(arguments.kwonlyargs),
        kwarg=bare(arguments.kwarg),
        defaults=[],
    )


def _unguarded(core: Block, at: ast.AST) -> Block:
    """From 3.12 on a lambda's generator is not subject to PEP 479: a StopIteration that leaves it is its result."""
    result = ast.Attribute(build.load(".once"), "value", ast.Load())
    back = Plain(at, build.place(ast.Return(result), at))
    handler = Handler(at, 0, build.place(build.mark("StopIteration"), at), ".once", (back,))
    return (TryExcept(at, core, (handler,), ()),)


def normalise(source: FunctionSource, qualname: str) -> CoreFunction:
    """Return the function in the core language.

    Raises
    ------
    ResumableError
        If it uses a construct that cannot move or that no rule is known for.
    """
    node = copy.deepcopy(source.node)
    if isinstance(node, ast.Lambda):
        body: list[ast.stmt] = [ast.copy_location(ast.Return(node.body), node.body)]
        name, first = "<lambda>", None
    else:
        body, name = node.body, node.name
        first = node.decorator_list[0] if node.decorator_list else None
    _check(source, body, qualname)
    docstring = None
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        if isinstance(body[0].value.value, str) and not isinstance(node, ast.Lambda):
            docstring, *body = body
    names = bound_names(node.args, body)
    global_names = declared_names(body, ast.Global)
    nonlocal_names = declared_names(body, ast.Nonlocal)
    rewriter = ScopeRewriter(global_names)
    undeclared = _Undeclared()
    body = rewriter.statements([undeclared.visit(statement) for statement in body])
    rules = CompoundRules(qualname, source.filename)
    core = rules.block(body)
    if isinstance(node, ast.Lambda) and sys.version_info >= (3, 12):
        core = _unguarded(core, body[0])
    return CoreFunction(
        name=".function",  # a name that the function itself cannot refer to
        shown=name,
        at=node,
        arguments=_bare_arguments(node.args),
        first=build.place(ast.Constant(None), first) if first is not None else None,
        docstring=docstring,
        body=core,
        hoisted=rewriter.hoisted,
        inside=rewriter.inside,
        locals=frozenset(names),
        global_names=global_names,
        nonlocal_names=nonlocal_names,
        walrus_names=tuple(rewriter.walrus_names),
        suspensions=rules.suspensions,
        defines_first=False,
    )
