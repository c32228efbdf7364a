"""One rule per simple statement: assignments in every form, del, assert, return, raise, definitions."""

from __future__ import annotations

import ast
from typing import NoReturn

from mobility.resumable import _build as build
from mobility.resumable._core import Branch, Node, Plain
from mobility.resumable._expressions import ExpressionRules, with_fields
from mobility.resumable._grammar import annotations_of
from mobility.resumable._rules import suspends

__all__ = ["StatementRules"]


class StatementRules(ExpressionRules):
    """``stmt_X(node)`` for each simple statement class X; called only if a suspension stands in the node."""

    def stmt_Expr(self, node: ast.Expr) -> list[Node]:
        """A bare ``yield`` is a suspension without a target; anything else is evaluated and dropped."""
        if isinstance(node.value, ast.Yield | ast.YieldFrom):
            return self._bare(node.value, ())
        spill = self.expression(node.value)
        return self._finish(Plain(node, with_fields(node, value=spill.value)), spill.before, spill.release)

    def _bare(self, node: ast.Yield | ast.YieldFrom, targets: tuple[ast.expr, ...]) -> list[Node]:
        delegates = isinstance(node, ast.YieldFrom)
        if node.value is None:
            return [self.suspend(targets, None, node, delegates)]
        spill = self.expression(node.value)
        suspension = self.suspend(targets, spill.value, node, delegates)
        return self._finish(suspension, spill.before, spill.release)

    def _finish(self, node: Node, before: list[Node], release: list[str]) -> list[Node]:
        return [*before, node, *self.release(release, node.at)]

    # -- assignments ----------------------------------------------------------------------------------------------

    def stmt_Assign(self, node: ast.Assign) -> list[Node]:
        """The value first, then the targets left to right."""
        if not any(suspends(target) for target in node.targets):
            if isinstance(node.value, ast.Yield | ast.YieldFrom):
                return self._bare(node.value, tuple(node.targets))
            spill = self.expression(node.value)
            return self._finish(Plain(node, with_fields(node, value=spill.value)), spill.before, spill.release)
        steps, name = self.keep(self.expression(node.value), node.value)
        for target in node.targets:
            steps += self.store(target, build.place(build.load(name), node))
        return [*steps, *self.release([name], node)]

    def store(self, target: ast.expr, value: ast.expr) -> list[Node]:
        """Assign a value that is at hand to a target that may suspend."""
        if not suspends(target):
            return [Plain(target, build.assign(target, value, target))]
        if isinstance(target, ast.Attribute | ast.Subscript):
            spill = self.expression(target)
            return self._finish(Plain(target, build.assign(spill.value, value, target)), spill.before, spill.release)
        assert isinstance(target, ast.Tuple | ast.List)
        names = [self.temporary() for _ in target.elts]
        parts: list[ast.expr] = []
        for name, element in zip(names, target.elts, strict=True):
            part: ast.expr = build.store(name)
            parts.append(ast.Starred(part, ast.Store()) if isinstance(element, ast.Starred) else part)
        unpacked = build.place(with_fields(target, elts=parts), target)
        steps: list[Node] = [Plain(target, build.assign(unpacked, value, target))]
        for name, element in zip(names, target.elts, strict=True):
            inner = element.value if isinstance(element, ast.Starred) else element
            steps += self.store(inner, build.place(build.load(name), inner))
            steps += self.release([name], inner)
        return steps

    def stmt_AugAssign(self, node: ast.AugAssign) -> list[Node]:
        """The target is read before the value is computed; the operation is in place; then the target is stored."""
        old = self.temporary()
        target = node.target
        release: list[str] = []
        steps: list[Node] = []
        if isinstance(target, ast.Name):
            where: ast.expr = target
            steps.append(self.set(old, build.place(build.load(target.id), target), target))
        else:
            parts = [target.value] if isinstance(target, ast.Attribute) else [target.value, target.slice]
            names: list[ast.expr] = []
            for part in parts:
                part = self.as_object(part)
                more, name = self.keep(self.expression(part), part)
                steps += more
                release.append(name)
                names.append(build.place(build.load(name), part))
            fields: dict[str, object] = {"value": names[0]}
            if isinstance(target, ast.Subscript):
                fields["slice"] = names[1]
            where = with_fields(target, **fields)
            steps.append(self.set(old, with_fields(target, ctx=ast.Load(), **fields), target))
        spill = self.expression(node.value)
        update = build.place(ast.AugAssign(build.store(old), node.op, spill.value), node)
        steps += [*spill.before, Plain(node, update), *self.release(spill.release, node)]
        steps.append(Plain(node, build.assign(where, build.place(build.load(old), target), node)))
        return [*steps, *self.release([old, *release], node)]

    def stmt_AnnAssign(self, node: ast.AnnAssign) -> list[Node]:
        """As an assignment; the annotation of a local variable is never evaluated, so it may not suspend."""
        if suspends(node.annotation):
            self.refuse(node, "an annotation yields", "Yield on a line of its own.")
        if node.value is None:
            spill = self.expression(node.target)
            return self._finish(Plain(node, with_fields(node, target=spill.value)), spill.before, spill.release)
        if isinstance(node.target, ast.Name):
            spill = self.expression(node.value)
            return self._finish(Plain(node, with_fields(node, value=spill.value)), spill.before, spill.release)
        steps, name = self.keep(self.expression(node.value), node.value)
        steps += self.store(node.target, build.place(build.load(name), node))
        return [*steps, *self.release([name], node)]

    # -- other simple statements ----------------------------------------------------------------------------------

    def stmt_Delete(self, node: ast.Delete) -> list[Node]:
        """Target by target."""
        steps: list[Node] = []
        for target in node.targets:
            steps += self._delete(target)
        return steps

    def _delete(self, target: ast.expr) -> list[Node]:
        if not suspends(target):
            return [Plain(target, build.place(ast.Delete([target]), target))]
        if isinstance(target, ast.Tuple | ast.List):
            return [step for element in target.elts for step in self._delete(element)]
        spill = self.expression(target)
        return self._finish(Plain(target, build.place(ast.Delete([spill.value]), target)), spill.before, spill.release)

    def stmt_Return(self, node: ast.Return) -> list[Node]:
        """The value, then the return."""
        assert node.value is not None
        spill = self.expression(node.value)
        return [*spill.before, Plain(node, with_fields(node, value=spill.value))]

    def stmt_Raise(self, node: ast.Raise) -> list[Node]:
        """The exception, its cause, then the raise."""
        parts = [part for part in (node.exc, node.cause) if part is not None]
        before, values, _ = self.operands(parts)
        cause = values[1] if node.cause is not None else None
        return [*before, Plain(node, with_fields(node, exc=values[0], cause=cause))]

    def stmt_Assert(self, node: ast.Assert) -> list[Node]:
        """Under ``__debug__``: the test; if it is false, the message, and a failing assert."""
        test = self.condition(node.test)
        failure: list[Node] = []
        message: ast.expr | None = None
        if node.msg is not None:
            spill = self.expression(node.msg)
            failure, message = spill.before, spill.value
        never = build.place(ast.Constant(False), node)
        failure = [*failure, Plain(node, build.place(ast.Assert(never, message), node))]
        checked = (*test.before, self.branch(test, [], failure, node.test))
        return [Branch(node, build.place(build.load("__debug__"), node), checked, ())]

    def stmt_FunctionDef(self, node: ast.FunctionDef) -> list[Node]:
        """Its body is a scope of its own; a decorator, default or annotation that suspends is refused."""
        self._refuse_outside(node)

    def stmt_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> list[Node]:
        """As for a function."""
        self._refuse_outside(node)

    def _refuse_outside(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> NoReturn:
        where = "an annotation" if any(map(suspends, annotations_of(node))) else "a decorator or a default value"
        self.refuse(node, f"{where} yields", "Yield into a variable on the line before, and use that.")

    def stmt_ClassDef(self, node: ast.ClassDef) -> list[Node]:
        """Decorators, bases, keywords; then the body, which is a scope of its own."""
        if any(suspends(decorator) for decorator in node.decorator_list):
            self.refuse(node, "a decorator yields", "Yield into a variable on the line before, and use that.")
        keywords = [k.value for k in node.keywords]
        before, values, release = self.operands([*node.decorator_list, *node.bases, *keywords])
        first, last = len(node.decorator_list), len(node.decorator_list) + len(node.bases)
        named = [with_fields(k, value=v) for k, v in zip(node.keywords, values[last:], strict=True)]
        new = with_fields(node, decorator_list=values[:first], bases=values[first:last], keywords=named)
        return self._finish(Plain(node, new), before, release)
