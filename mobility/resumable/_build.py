"""Small constructors of syntax nodes, and the marks that stand for objects of the run-time."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

__all__ = [
    "assign",
    "call",
    "class_around",
    "delete",
    "first_leaf",
    "function",
    "load",
    "mark",
    "no_arguments",
    "place",
    "same_start",
    "set_none",
    "store",
]

_N = TypeVar("_N", bound=ast.AST)
_POSITION = ("lineno", "col_offset", "end_lineno", "end_col_offset")
MARK = "\0sojourn:"


def mark(name: str) -> ast.Constant:
    """A constant that is replaced by the run-time object `name` after compilation."""
    return ast.Constant(MARK + name)


def load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def assign(target: ast.expr | str, value: ast.expr, at: ast.AST) -> ast.Assign:
    where = store(target) if isinstance(target, str) else target
    return place(ast.Assign([where], value), at)


def set_none(names: Iterable[str], at: ast.AST) -> list[ast.stmt]:
    targets: list[ast.expr] = [store(name) for name in names]
    return [place(ast.Assign(targets, ast.Constant(None)), at)] if targets else []


def delete(names: Sequence[str], at: ast.AST) -> list[ast.stmt]:
    targets: list[ast.expr] = [ast.Name(name, ast.Del()) for name in names]
    return [place(ast.Delete(targets), at)] if targets else []


def call(function: ast.expr, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(function, arguments, [])


def no_arguments(names: Sequence[str] = ()) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[],
        args=[ast.arg(name) for name in names],
        vararg=None,
        kwonlyargs=[],
        kw_defaults=[],
        kwarg=None,
        defaults=[],
    )


def function(name: str, arguments: ast.arguments, body: list[ast.stmt], at: ast.AST) -> ast.FunctionDef:
    extra: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}
    node = ast.FunctionDef(
        name=name, args=arguments, body=body, decorator_list=[], returns=None, type_comment=None, **extra
    )
    return place(node, at)


def class_around(name: str, statement: ast.stmt) -> ast.ClassDef:
    """A class that holds one statement, so that private names are mangled as they were."""
    extra: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}
    return place(ast.ClassDef(name, [], [], [statement], [], **extra), statement)


def place(node: _N, at: ast.AST) -> _N:
    """Give `node`, and what below it has no position yet, the position of `at`."""
    if "lineno" in node._attributes:
        if hasattr(node, "lineno"):
            return node
        for name in _POSITION:
            setattr(node, name, getattr(at, name))
        if node.end_lineno != node.lineno:  # type: ignore[attr-defined]  # set just now
            # What is made up must not show on the last line of a statement that it stands for.
            start = node.lineno, node.col_offset  # type: ignore[attr-defined]  # set just now
            node.end_lineno, node.end_col_offset = start  # type: ignore[attr-defined]  # likewise
    for child in ast.iter_child_nodes(node):
        place(child, at)
    return node


def first_leaf(node: ast.expr) -> ast.expr:
    """The part of an expression that is evaluated first: its line is the first that a tracer sees."""
    while True:
        match node:
            case ast.BinOp(left=inner) | ast.Compare(left=inner):
                pass
            case ast.UnaryOp(operand=inner):
                pass
            case ast.BoolOp(values=[inner, *_]):
                pass
            case ast.Call(func=inner):
                pass
            case ast.IfExp(test=inner):
                pass
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
                pass
            case ast.List(elts=[inner, *_]) | ast.Tuple(elts=[inner, *_]) | ast.Set(elts=[inner, *_]):
                if all(isinstance(e, ast.Constant) for e in node.elts):
                    return node  # one constant
            case ast.NamedExpr(value=inner):
                pass
            case _:
                return node
        node = inner


def same_start(statement: ast.stmt) -> ast.AST:
    """Where the line of a statement's first instruction is taken from."""
    match statement:
        case ast.Expr(value=value) | ast.Assign(value=value):
            return first_leaf(value)
        case ast.Return(value=ast.expr() as value):
            return first_leaf(value)
        case ast.If(test=test) | ast.While(test=test):
            return first_leaf(test)
        case _:
            return statement
