"""One rule per compound statement."""

from __future__ import annotations

import ast

from mobility.resumable import _build as build
from mobility.resumable._core import (
    Branch,
    Case,
    For,
    Handler,
    Match,
    Node,
    Plain,
    TryExcept,
    TryFinally,
    TryStar,
    While,
    With,
)
from mobility.resumable._expressions import with_fields
from mobility.resumable._grammar import own_scope
from mobility.resumable._rules import suspends
from mobility.resumable._statements import StatementRules

__all__ = ["CompoundRules"]


def _leaves_turn(node: ast.AST) -> bool:
    """Whether a break or continue in a statement would mean a loop around it."""
    match node:
        case ast.Break() | ast.Continue():
            return True
        case ast.For() | ast.While():
            return any(map(_leaves_turn, node.orelse))
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
            return False
        case _:
            return any(map(_leaves_turn, ast.iter_child_nodes(node)))


class CompoundRules(StatementRules):
    """``stmt_X(node)`` for each compound statement class X; called only if a suspension stands in the node."""

    def stmt_If(self, node: ast.If) -> list[Node]:
        """The test, then one of the branches."""
        test = self.condition(node.test)
        body = list(self.block(node.body))
        return [*test.before, self.branch(test, body, list(self.block(node.orelse)), node)]

    def stmt_While(self, node: ast.While) -> list[Node]:
        """A test that suspends is evaluated inside an endless loop, with the ``else`` before its end.

        An ``else`` that itself leaves an outer loop stands after, behind a flag.
        """
        if not suspends(node.test):
            return [While(node, node.test, self.block(node.body), self.block(node.orelse))]
        test = self.condition(node.test)
        body = self.block(node.body)
        orelse = self.block(node.orelse)
        flag = self.temporary()
        no, yes = (self.set(flag, build.place(ast.Constant(v), node), node.test) for v in (False, True))
        stop: list[Node] = [yes] if orelse else []
        stop.append(Plain(node.test, build.place(ast.Break(), node.test)))
        if orelse and not any(map(_leaves_turn, node.orelse)):
            turn = (*test.before, self.branch(test, [], [*orelse, stop[-1]], node.test), *body)
            return [While(node, build.place(ast.Constant(True), node.test), turn, ())]
        turn = (*test.before, self.branch(test, [], stop, node.test), *body)
        loop = While(node, build.place(ast.Constant(True), node.test), turn, ())
        if not orelse:
            return [loop]
        free = self.release([flag], node)
        after = Branch(node, build.place(build.load(flag), node.test), (*free, *orelse), tuple(free))
        return [no, loop, after]

    def stmt_For(self, node: ast.For) -> list[Node]:
        """The iterator lives in a slot. A target that suspends is stored by the first statements of the body."""
        iterable = self.expression(node.iter)
        target: ast.expr = node.target
        body: list[Node] = []
        if suspends(target):
            name = self.temporary()
            body = [*self.store(target, build.place(build.load(name), target)), *self.release([name], target)]
            target = build.place(build.store(name), target)
        if not body and not any(suspends(s) for s in (*node.body, *node.orelse)):
            loop = with_fields(node, iter=iterable.value)
            return [*iterable.before, Plain(node, loop), *self.release(iterable.release, node)]
        slot = self.slot("i")
        body += self.block(node.body)
        orelse = self.block(node.orelse)
        return [
            *iterable.before,
            For(node, slot, target, iterable.value, tuple(body), orelse, tuple(iterable.release)),
        ]

    def stmt_With(self, node: ast.With) -> list[Node]:
        """Several items are nested statements; the manager lives in a slot."""
        item, *others = node.items
        inner = [ast.copy_location(with_fields(node, items=others), node)] if others else node.body
        context = self.expression(item.context_expr)
        target = item.optional_vars
        body: list[Node] = []
        if target is not None and suspends(target):
            name = self.temporary()
            body = [*self.store(target, build.place(build.load(name), target)), *self.release([name], target)]
            target = build.place(build.store(name), target)
        slot = self.slot("m")
        body += self.block(inner)
        return [
            *context.before,
            With(item.context_expr, slot, context.value, target, tuple(body), tuple(context.release)),
        ]

    def stmt_Try(self, node: ast.Try) -> list[Node]:
        """try-except-finally is a try-except within a try-finally."""
        if node.finalbody:
            slot = self.slot("f")
            inner = [with_fields(node, finalbody=[])] if node.handlers else node.body
            body = self.block(inner)
            return [TryFinally(node, slot, body, self.block(node.finalbody))]
        body = self.block(node.body)
        handlers = self._handlers(node.handlers)
        return [TryExcept(node, body, handlers, self.block(node.orelse))]

    def _handlers(self, handlers: list[ast.ExceptHandler]) -> tuple[Handler, ...]:
        """A handler type that suspends is evaluated in a handler for all, which raises the exception again within."""
        made: list[Handler] = []
        for index, handler in enumerate(handlers):
            slot = self.slot("e")
            if handler.type is None or not suspends(handler.type):
                made.append(Handler(handler, slot, handler.type, handler.name, self.block(handler.body)))
                continue
            steps, name = self.keep(self.expression(handler.type), handler.type)
            again = Plain(handler, build.place(ast.Raise(None, None), handler))
            known = with_fields(handler, type=build.place(build.load(name), handler.type))
            inner = self._handlers([known, *handlers[index + 1 :]])
            free = self.release([name], handler)
            first = Handler(handler, inner[0].slot, known.type, handler.name, (*free, *inner[0].body))
            retry = TryExcept(handler, (again,), (first, *inner[1:]), ())
            made.append(Handler(handler, slot, None, None, (*steps, retry)))
            break
        return tuple(made)

    def stmt_TryStar(self, node: ast.TryStar) -> list[Node]:
        """As for try; Python splits and joins the groups, so its handlers may not suspend."""
        for handler in node.handlers:
            if suspends(handler):
                self.refuse(
                    next(n for n in own_scope(handler) if isinstance(n, ast.Yield | ast.YieldFrom)),
                    "an except* handler yields",
                    "Collect in the handler, and yield after the try statement.",
                )
        if node.finalbody:
            slot = self.slot("f")
            body = self.block([with_fields(node, finalbody=[])])
            return [TryFinally(node, slot, body, self.block(node.finalbody))]
        return [TryStar(node, self.block(node.body), tuple(node.handlers), self.block(node.orelse))]

    def stmt_Match(self, node: ast.Match) -> list[Node]:
        """The subject, then the body of one case; guards may not suspend."""
        subject = self.expression(node.subject)
        cases: list[Case] = []
        for case in node.cases:
            if case.guard is not None and suspends(case.guard):
                self.refuse(case.guard, "a match guard yields", "Yield before the match, or test inside the case.")
            cases.append(Case(case.pattern, case.guard, self.block(case.body)))
        return [*subject.before, Match(node, subject.value, tuple(cases), tuple(subject.release))]
