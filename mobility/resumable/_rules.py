"""What all rules share: temporaries, evaluation order, refusal, and dispatch to one method per syntax node.

A rule for a statement returns core nodes. A rule for an expression that suspends returns a `Spill`: core nodes to run
first, the expression that is left, and the temporaries it consumes. Each temporary is read once and deleted right
after, so that it neither keeps an object alive nor travels for nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from mobility.errors import ResumableError
from mobility.resumable import _build as build
from mobility.resumable._core import Block, Define, DefineMark, Node, Plain, Suspension
from mobility.resumable._grammar import own_scope

__all__ = ["Rules", "Spill", "suspends"]


class Spill(NamedTuple):
    before: list[Node]
    value: ast.expr
    release: list[str]


def suspends(node: ast.AST) -> bool:
    """Whether a suspension stands in `node`, in its own scope."""
    return any(isinstance(n, ast.Yield | ast.YieldFrom) for n in own_scope(node))


def _is_steady(node: ast.expr) -> bool:
    """Whether evaluating it later makes no difference."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.startswith(".g"))


class Rules:
    """State of one function's normalisation."""

    def __init__(self, qualname: str, filename: str) -> None:
        self.qualname = qualname
        self.filename = filename
        self.suspensions: dict[int, Suspension] = {}
        self._temporaries = 0
        self._slots = dict.fromkeys("imef", 0)

    # -- shared means ---------------------------------------------------------------------------------------------

    def refuse(self, node: ast.AST, problem: str, remedy: str) -> NoReturn:
        raise ResumableError(
            problem, function=self.qualname, filename=self.filename, line=getattr(node, "lineno", 0), remedy=remedy
        )

    def temporary(self) -> str:
        self._temporaries += 1
        return f".t{self._temporaries}"

    def slot(self, kind: str) -> int:
        self._slots[kind] += 1
        return self._slots[kind]

    def release(self, names: Sequence[str], at: ast.AST) -> list[Node]:
        return [Plain(at, statement) for statement in build.delete(names, at)]

    def set(self, name: str, value: ast.expr, at: ast.AST) -> Plain:
        return Plain(at, build.assign(name, value, at))

    def keep(self, spill: Spill, at: ast.AST, name: str | None = None) -> tuple[list[Node], str]:
        """Store what is left of a spill in a temporary."""
        name = name or self.temporary()
        return [*spill.before, self.set(name, spill.value, at), *self.release(spill.release, at)], name

    def suspend(
        self, targets: tuple[ast.expr, ...], value: ast.expr | None, at: ast.expr, delegates: bool
    ) -> Suspension:
        label = len(self.suspensions) + 1
        suspension = Suspension(at, label, targets, value, delegates)
        self.suspensions[label] = suspension
        return suspension

    # -- dispatch -------------------------------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt]) -> Block:
        nodes: list[Node] = []
        for statement in statements:
            nodes += self.statement(statement)
        return tuple(nodes)

    def statement(self, node: ast.stmt) -> list[Node]:
        if isinstance(node, DefineMark):
            return [Define(node, node.function)]
        if not suspends(node):
            return [Plain(node, node)]
        rule: Callable[[ast.stmt], list[Node]] | None = getattr(self, "stmt_" + type(node).__name__, None)
        if rule is None:
            self.refuse(node, f"no rule is known for a yield in {type(node).__name__}", "Move the yield out of it.")
        return rule(node)

    def expression(self, node: ast.expr) -> Spill:
        if not suspends(node):
            return Spill([], node, [])
        rule: Callable[[ast.expr], Spill] | None = getattr(self, "expr_" + type(node).__name__, None)
        if rule is None:
            self.refuse(node, f"no rule is known for a yield in {type(node).__name__}", "Move the yield out of it.")
        return rule(node)

    def operands(self, nodes: Sequence[ast.expr]) -> tuple[list[Node], list[ast.expr], list[str]]:
        """Evaluate operands left to right; what is evaluated before the last suspension waits in temporaries."""
        last = max((i for i, n in enumerate(nodes) if suspends(n)), default=-1)
        before: list[Node] = []
        values: list[ast.expr] = []
        release: list[str] = []
        for index, node in enumerate(nodes):
            if index > last or (index < last and _is_steady(node)):
                values.append(node)
                continue
            inner = node.value if isinstance(node, ast.Starred) else node
            spill = self.expression(inner)
            if index < last:
                kept = spill
                if isinstance(node, ast.Starred):
                    # Unpacked at its turn, as the display or the call would.
                    unpacked = build.place(ast.List([ast.Starred(spill.value, ast.Load())], ast.Load()), node)
                    kept = Spill(spill.before, unpacked, spill.release)
                steps, name = self.keep(kept, inner)
                before += steps
                value: ast.expr = build.place(build.load(name), inner)
                release.append(name)
            else:
                before += spill.before
                value = spill.value
                release += spill.release
            if isinstance(node, ast.Starred):
                value = ast.copy_location(ast.Starred(value, ast.Load()), node)
            values.append(value)
        return before, values, release
