"""How deeply blocks are nested, as the compiler counts them.

It has room for 20 (``CO_MAXBLOCKS``). Past that it refuses loops, and some versions crash on handlers; so a function is
refused at its decoration if it, or one of its landings, could come there.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

__all__ = ["depth"]


def depth(statements: Sequence[ast.AST]) -> int:
    """Nested blocks at the deepest point of statements, without those of functions inside."""
    return max((_of(statement) for statement in statements), default=0)


def _of(node: ast.AST) -> int:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
            return 0
        case ast.For() | ast.While():
            return max(1 + depth(node.body), depth(node.orelse))
        case ast.With():
            return 2 + depth(node.body)
        case ast.Try() | ast.TryStar():
            outer = 1 if node.finalbody else 0
            body = 1 + depth(node.body) if node.handlers else depth(node.body)
            # The handlers as a whole are a block, and so is one that gives the exception a name.
            handlers = [1 + bool(handler.name) + depth(handler.body) for handler in node.handlers]
            return max(outer + max([body, depth(node.orelse), *handlers]), 1 + depth(node.finalbody))
        case _:
            return depth(list(ast.iter_child_nodes(node)))
