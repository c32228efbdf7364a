"""Finds a suite of the installed interpreter and compiles it with every generator function made resumable.

The suite's text is parsed, a hook is put innermost on every ``def`` and around every ``lambda``, and the tree is
compiled under the suite's own file name and line numbers, so that ``inspect`` and tracebacks still find the text.
Whether a function is a generator is left to the compiler: the hook reads its flags when the ``def`` is executed. The
rules of scope (defaults, decorators, the first iterable of a comprehension) then need no second account here.

A generator expression is left as it is where it stands in an ordinary function: it is no function, and there is
nothing to decorate. Inside a generator function it is rewritten together with that function.
"""

from __future__ import annotations

import ast
import doctest
import importlib.util
import inspect
import sys
import tokenize
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["HOOK", "SUITES", "SuiteMissing", "compiled_examples", "is_generator_function", "load", "mark"]

SUITES = ("test_generators", "test_yield_from", "test_contextlib", "test_generator_stop")

HOOK = "__resumable__"
"""Name under which a marked module finds the hook; ends in underscores, so that classes do not mangle it."""

Hook = Callable[[types.FunctionType], Any]


class SuiteMissing(Exception):
    """This interpreter was installed without its ``test`` package; many distributions leave it out."""


def is_generator_function(function: types.FunctionType) -> bool:
    """Whether calling `function` makes a generator or an asynchronous generator."""
    return bool(function.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR))


class _Marker(ast.NodeTransformer):
    """Puts the hook on every function of a tree, at a line that the function already has."""

    def _hook(self, node: ast.expr | ast.stmt) -> ast.Name:
        # As wide as nothing: the first line of a code object is that of its first decorator.
        place = {"lineno": node.lineno, "col_offset": node.col_offset}
        return ast.Name(HOOK, ast.Load(), end_lineno=node.lineno, end_col_offset=node.col_offset, **place)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.decorator_list.append(self._hook(node))
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.decorator_list.append(self._hook(node))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Call(self._hook(node), [node], []), node)


def mark(tree: ast.AST) -> Any:
    """Return `tree` with the hook innermost on every function."""
    return _Marker().visit(tree)


def load(suite: str, hook: Hook) -> types.ModuleType:
    """Execute `suite` as a module of its own in which each function has gone through `hook`.

    Raises
    ------
    SuiteMissing
        If the interpreter has no such file.
    """
    try:
        original = importlib.util.find_spec(f"test.{suite}")
    except ModuleNotFoundError:
        original = None
    if original is None or original.origin is None or not original.origin.endswith(".py"):
        version = ".".join(map(str, sys.version_info[:3]))
        raise SuiteMissing(f"Python {version} at {sys.base_prefix} was installed without test/{suite}.py")
    with tokenize.open(original.origin) as file:
        text = file.read()
    code = compile(mark(ast.parse(text, original.origin)), original.origin, "exec", dont_inherit=True)

    # Not under the suite's own name: other tests of the interpreter's package may import the original.
    spec = importlib.util.spec_from_file_location(f"resumable_{suite}", original.origin)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, HOOK, hook)
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)
    return module


@contextmanager
def compiled_examples() -> Iterator[None]:
    """Make the examples of doctests go through :func:`mark` too, while the context lasts.

    :mod:`doctest` compiles each example with the built-in ``compile``, looked up in its own globals. An example's text
    is found through :mod:`linecache`, which doctest itself sees to.
    """

    def compile_marked(source: str, filename: str, mode: str, flags: int, dont_inherit: bool) -> types.CodeType:
        tree = compile(source, filename, mode, flags | ast.PyCF_ONLY_AST, dont_inherit)
        return compile(mark(tree), filename, mode, flags, dont_inherit)

    doctest.compile = compile_marked  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del doctest.compile  # type: ignore[attr-defined]
