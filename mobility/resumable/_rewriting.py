"""What a statement of the user's becomes before it is emitted: in a body with slots, and in a landing."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mobility.resumable import _build as build
from mobility.resumable._grammar import scope_entries

__all__ = ["Around", "AsLanded", "Leaving", "flat"]


@dataclass(frozen=True, slots=True)
class Around:
    """What encloses a statement.

    Attributes
    ----------
    exits
        ``.x#`` of the managers around it.
    finals
        Slots of the enclosing ``finally`` blocks that may suspend, outermost first; a return passes them all.
    crossed
        Those of them inside the innermost loop, which a break or continue passes.
    iterator
        Slot of the innermost loop's iterator, if a break leaves that loop for good: a ``finally`` could still go on.
    """

    exits: tuple[str, ...] = ()
    finals: tuple[int, ...] = ()
    crossed: tuple[int, ...] = ()
    iterator: str | None = None

    def in_loop(self, iterator: str | None = None) -> Around:
        return replace(self, crossed=(), iterator=iterator)


class Leaving(ast.NodeTransformer):
    """Before a return, break or continue: records why the ``finally`` blocks on its way are entered."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._loops = 0

    def visit_FunctionDef(self, node: ast.AST) -> ast.AST:
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef

    def _visit_loop(self, node: ast.For | ast.While) -> ast.AST:
        self._loops += 1
        body = [self.visit(s) for s in node.body]
        self._loops -= 1
        orelse = [self.visit(s) for s in node.orelse]
        node.body, node.orelse = flat(body), flat(orelse)  # a copy already
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._visit_loop(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._visit_loop(node)

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        slots = self._around.finals
        if not slots:
            return [node]
        value = node.value or ast.Constant(None)
        targets: list[ast.expr] = [build.store(f".r{slot}") for slot in slots]
        kept = build.place(ast.Assign(targets, value), node)
        reason = self._reason("return", slots, node)
        return [kept, reason, build.place(ast.Return(build.load(f".r{slots[-1]}")), node)]

    def visit_Break(self, node: ast.Break) -> list[ast.stmt]:
        return self._jump("break", node)

    def visit_Continue(self, node: ast.Continue) -> list[ast.stmt]:
        return self._jump("continue", node)

    def _jump(self, reason: str, node: ast.stmt) -> list[ast.stmt]:
        slots, iterator = self._around.crossed, self._around.iterator
        if self._loops:
            return [node]
        reasons = [self._reason(reason, slots, node)] if slots else []
        dropped = build.set_none([iterator], node) if iterator and reason == "break" else []
        return [*reasons, *dropped, node]

    def _reason(self, reason: str, slots: Sequence[int], at: ast.AST) -> ast.stmt:
        targets: list[ast.expr] = [build.store(f".f{slot}") for slot in slots]
        return build.place(ast.Assign(targets, ast.Constant(reason)), at)


def flat(statements: Sequence[ast.AST | list[ast.stmt]]) -> list[ast.stmt]:
    flat: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, list):
            flat += statement
        else:
            assert isinstance(statement, ast.stmt)
            flat.append(statement)
    return flat


class AsLanded(ast.NodeTransformer):
    """What must be written otherwise in a landing, whose captured variables are not its own.

    - ``super()`` reads its frame's first parameter, which a landing does not have.
    - An annotated name cannot be nonlocal; the annotation of a local variable is never evaluated.
    - Reading a captured variable of its own that is not bound must be an `UnboundLocalError`, as it was: so it is
      asked for first, where that can happen (`unsure`).
    """

    def __init__(self, first: str | None, cells: Sequence[str], unsure: Sequence[str]) -> None:
        self._first = first
        self._cells = frozenset(cells)
        self._unsure = frozenset(unsure)

    def visit_FunctionDef(self, node: ast.AST) -> ast.AST:
        entries = scope_entries(node)
        assert entries is not None
        for entry in entries:
            self.visit(entry)
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef
    visit_GeneratorExp = visit_ListComp = visit_SetComp = visit_DictComp = visit_FunctionDef

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        implicit = isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args and not node.keywords
        if not implicit or self._first is None:
            return node
        return build.place(build.call(node.func, [build.load("__class__"), build.load(self._first)]), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.target, ast.Name) and node.target.id in self._cells):
            return node
        return build.assign(node.target, node.value, node) if node.value else build.place(ast.Pass(), node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self._unsure or not isinstance(node.ctx, ast.Load):
            return node
        return build.place(ast.IfExp(self._is_empty(node.id), self._complaint(node.id), node), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return [*self._checks([node.target], node), node]

    def visit_Delete(self, node: ast.Delete) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return [*self._checks(node.targets, node), node]

    def _checks(self, targets: Sequence[ast.expr], at: ast.AST) -> list[ast.stmt]:
        names = [t.id for t in targets if isinstance(t, ast.Name) and t.id in self._unsure]
        return [build.place(ast.If(self._is_empty(name), [ast.Expr(self._complaint(name))], []), at) for name in names]

    def _is_empty(self, name: str) -> ast.expr:
        # Comparing with an empty cell never looks at the content of a full one.
        return ast.Compare(build.load(f".c_{name}"), [ast.Eq()], [build.mark("empty_cell")])

    def _complaint(self, name: str) -> ast.expr:
        text = ast.Constant(f"cannot access local variable '{name}' where it is not associated with a value")
        return build.call(build.mark("raise"), [build.call(build.mark("UnboundLocalError"), [text])])
