"""One rule per expression that may hold a suspension."""

from __future__ import annotations

import ast
from typing import TypeVar

from mobility.resumable import _build as build
from mobility.resumable._core import Branch, Node, Plain
from mobility.resumable._rules import Rules, Spill, suspends

__all__ = ["ExpressionRules", "with_fields"]

_T = TypeVar("_T", bound=ast.AST)


class ExpressionRules(Rules):
    """``expr_X(node)`` for each expression class X; called only if a suspension stands in the node."""

    def _rebuilt(self, node: ast.expr, parts: list[ast.expr], fields: list[str]) -> Spill:
        before, values, release = self.operands(parts)
        return Spill(before, with_fields(node, **dict(zip(fields, values, strict=True))), release)

    def expr_Yield(self, node: ast.Yield) -> Spill:
        """The operand first; then a suspension that leaves what was sent in a temporary."""
        return self._suspended(node, node.value, delegates=False)

    def expr_YieldFrom(self, node: ast.YieldFrom) -> Spill:
        """As for ``yield``; the delegate is read from the suspended generator, not kept in a variable."""
        return self._suspended(node, node.value, delegates=True)

    def _suspended(self, node: ast.expr, operand: ast.expr | None, *, delegates: bool) -> Spill:
        spill = self.expression(operand) if operand is not None else None
        name = self.temporary()
        before: list[Node] = [*spill.before] if spill else []
        target = build.place(build.store(name), node)
        before.append(self.suspend((target,), spill.value if spill else None, node, delegates))
        before += self.release(spill.release if spill else [], node)
        return Spill(before, build.place(build.load(name), node), [name])

    def expr_BinOp(self, node: ast.BinOp) -> Spill:
        """Left, right, operator."""
        return self._rebuilt(node, [node.left, node.right], ["left", "right"])

    def expr_UnaryOp(self, node: ast.UnaryOp) -> Spill:
        """Operand, operator."""
        return self._rebuilt(node, [node.operand], ["operand"])

    def expr_Attribute(self, node: ast.Attribute) -> Spill:
        """The object, then the look-up."""
        return self._rebuilt(node, [node.value], ["value"])

    def expr_Subscript(self, node: ast.Subscript) -> Spill:
        """The container, the index, the look-up. A slice becomes a call of ``slice``, which evaluates alike."""
        index = self.as_object(node.slice) if suspends(node.slice) else node.slice
        return self._rebuilt(node, [node.value, index], ["value", "slice"])

    def expr_Starred(self, node: ast.Starred) -> Spill:
        """Only within displays, calls and subscripts, whose rules unpack it."""
        return self._rebuilt(node, [node.value], ["value"])

    def expr_NamedExpr(self, node: ast.NamedExpr) -> Spill:
        """The value, then the name; the assignment stays an expression at its place."""
        return self._rebuilt(node, [node.value], ["value"])

    def expr_List(self, node: ast.List) -> Spill:
        """Elements left to right."""
        return self._display(node)

    def expr_Tuple(self, node: ast.Tuple) -> Spill:
        """Elements left to right."""
        return self._display(node)

    def expr_Set(self, node: ast.Set) -> Spill:
        """Elements left to right; after the first ``*iterable``, each is hashed at its turn."""
        stars = [i for i, element in enumerate(node.elts) if isinstance(element, ast.Starred)]
        if not stars:
            return self._display(node)
        before, values, release = self.operands(node.elts[: stars[0]])
        start: ast.expr = with_fields(node, elts=values) if values else build.call(build.mark("set"), [])
        steps, name = self.keep(Spill(before, build.place(start, node), release), node)
        for element in node.elts[stars[0] :]:
            starred = isinstance(element, ast.Starred)
            spill = self.expression(element.value if isinstance(element, ast.Starred) else element)
            method = build.mark("update" if starred else "add")
            add = build.place(ast.Expr(build.call(method, [build.load(name), spill.value])), element)
            steps += [*spill.before, Plain(element, add), *self.release(spill.release, element)]
        return Spill(steps, build.place(build.load(name), node), [name])

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> Spill:
        before, values, release = self.operands(node.elts)
        return Spill(before, with_fields(node, elts=values), release)

    def expr_Dict(self, node: ast.Dict) -> Spill:
        """Key, value, key, value; ``**mapping`` is copied at its turn."""
        parts: list[ast.expr] = []
        mappings: set[int] = set()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                mappings.add(len(parts))
                parts.append(value)
            else:
                parts += [key, value]
        before, values, release = self.operands(_early_copies(parts, mappings))
        rest = iter(values)
        new_keys: list[ast.expr | None] = []
        new_values: list[ast.expr] = []
        for key in node.keys:
            new_keys.append(None if key is None else next(rest))
            new_values.append(next(rest))
        return Spill(before, with_fields(node, keys=new_keys, values=new_values), release)

    def expr_Call(self, node: ast.Call) -> Spill:
        """The function, positional arguments, keyword arguments; the call comes last."""
        count = len(node.args) + 1
        parts = [node.func, *node.args, *(k.value for k in node.keywords)]
        mappings = {count + i for i, k in enumerate(node.keywords) if k.arg is None}
        before, values, release = self.operands(_early_copies(parts, mappings))
        named = [with_fields(k, value=v) for k, v in zip(node.keywords, values[count:], strict=True)]
        return Spill(before, with_fields(node, func=values[0], args=values[1:count], keywords=named), release)

    def expr_BoolOp(self, node: ast.BoolOp) -> Spill:
        """Operand by operand; each next one only if the last did not decide."""
        result = self.temporary()

        def chain(rest: list[ast.expr]) -> list[Node]:
            steps, _ = self.keep(self.expression(rest[0]), rest[0], result)
            if len(rest) > 1:
                further = tuple(chain(rest[1:]))
                test: ast.expr = build.load(result)
                if isinstance(node.op, ast.Or):
                    test = ast.UnaryOp(ast.Not(), test)
                steps.append(Branch(rest[0], build.place(test, rest[0]), further, ()))
            return steps

        return Spill(chain(node.values), build.place(build.load(result), node), [result])

    def expr_Compare(self, node: ast.Compare) -> Spill:
        """A chain evaluates each middle operand once and stops at the first comparison that fails."""
        if len(node.ops) == 1:
            before, values, release = self.operands([node.left, *node.comparators])
            return Spill(before, with_fields(node, left=values[0], comparators=values[1:]), release)
        result = self.temporary()
        steps, left = self.keep(self.expression(node.left), node.left)

        def chain(index: int, left: str) -> list[Node]:
            operand = node.comparators[index]
            steps, right = self.keep(self.expression(operand), operand)
            link = ast.Compare(build.load(left), [node.ops[index]], [build.load(right)])
            steps.append(self.set(result, build.place(link, node), node))
            steps += self.release([left], node)
            if index + 1 == len(node.ops):
                return [*steps, *self.release([right], node)]
            test = build.place(build.load(result), node)
            stop = tuple(self.release([right], node))
            return [*steps, Branch(node, test, tuple(chain(index + 1, right)), stop)]

        return Spill([*steps, *chain(0, left)], build.place(build.load(result), node), [result])

    def expr_IfExp(self, node: ast.IfExp) -> Spill:
        """The test, then one of the two."""
        result = self.temporary()
        test = self.condition(node.test)
        body, _ = self.keep(self.expression(node.body), node.body, result)
        orelse, _ = self.keep(self.expression(node.orelse), node.orelse, result)
        branch = self.branch(test, body, orelse, node.test)
        return Spill([*test.before, branch], build.place(build.load(result), node), [result])

    def expr_JoinedStr(self, node: ast.JoinedStr) -> Spill:
        """Each field is formatted at its turn: one that waits has become a string."""
        last = max(i for i, part in enumerate(node.values) if suspends(part))
        before: list[Node] = []
        values: list[ast.expr] = []
        release: list[str] = []
        for index, part in enumerate(node.values):
            if not isinstance(part, ast.FormattedValue) or index > last:
                values.append(part)
                continue
            fields = [part.value] + ([part.format_spec] if part.format_spec is not None else [])
            steps, parts, consumed = self.operands(fields)
            before += steps
            # A specification that waited is a plain string by now, and must be a field again.
            spec = parts[1] if len(parts) > 1 else None
            if spec is not None and not isinstance(spec, ast.JoinedStr):
                spec = build.place(ast.JoinedStr([ast.FormattedValue(spec, -1, None)]), part)
            field = with_fields(part, value=parts[0], format_spec=spec)
            if index < last:
                text = build.place(ast.JoinedStr([field]), part)
                steps, name = self.keep(Spill([], text, consumed), part)
                before += steps
                release.append(name)
                field = build.place(ast.FormattedValue(build.load(name), -1, None), part)
            else:
                release += consumed
            values.append(field)
        return Spill(before, with_fields(node, values=values), release)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> Spill:
        first, *others = node.generators
        spill = self.expression(first.iter)
        generators = [with_fields(first, iter=spill.value), *others]
        return Spill(spill.before, with_fields(node, generators=generators), spill.release)

    def expr_ListComp(self, node: ast.ListComp) -> Spill:
        """Python lets only the outermost iterable suspend: it comes first."""
        return self._comprehension(node)

    def expr_SetComp(self, node: ast.SetComp) -> Spill:
        """As for a list comprehension."""
        return self._comprehension(node)

    def expr_DictComp(self, node: ast.DictComp) -> Spill:
        """As for a list comprehension."""
        return self._comprehension(node)

    def expr_Lambda(self, node: ast.Lambda) -> Spill:
        """Its body is a scope of its own; a default that suspends is refused."""
        self.refuse(node, "a default of a lambda yields", "Yield into a variable first, and use it as the default.")

    def as_object(self, index: ast.expr) -> ast.expr:
        """An index as an expression that a variable can hold: its slices become calls of ``slice``."""
        if isinstance(index, ast.Tuple):
            return with_fields(index, elts=[_slice_call(e) for e in index.elts])
        return _slice_call(index)

    # -- conditions -----------------------------------------------------------------------------------------------

    def condition(self, node: ast.expr) -> Spill:
        """An expression of which only the truth is wanted: asked once of each operand, as the compiler does."""
        if not suspends(node):
            return Spill([], node, [])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            spill = self.condition(node.operand)
            return Spill(spill.before, with_fields(node, operand=spill.value), spill.release)
        if not isinstance(node, ast.BoolOp):
            return self.expression(node)
        result = self.temporary()

        def settle(value: bool, at: ast.expr) -> list[Node]:
            return [self.set(result, build.place(ast.Constant(value), at), at)]

        def chain(first: ast.expr, *rest: ast.expr) -> list[Node]:
            test = self.condition(first)
            further = chain(*rest) if rest else None
            if isinstance(node.op, ast.Or):
                body, orelse = settle(True, first), further or settle(False, first)
            else:
                body, orelse = further or settle(True, first), settle(False, first)
            return [*test.before, self.branch(test, body, orelse, first)]

        return Spill(chain(*node.values), build.place(build.load(result), node), [result])

    def branch(self, test: Spill, body: list[Node], orelse: list[Node], at: ast.AST) -> Branch:
        """A branch that releases the temporaries of its test on both sides."""
        free = self.release(test.release, at)
        return Branch(at, test.value, (*free, *body), (*free, *orelse))


def with_fields(node: _T, **fields: object) -> _T:
    """A copy of a syntax node with some fields replaced."""
    new = type(node)(**{**{name: getattr(node, name) for name in node._fields if hasattr(node, name)}, **fields})
    return ast.copy_location(new, node)


def _early_copies(parts: list[ast.expr], mappings: set[int]) -> list[ast.expr]:
    """Replace ``**mapping`` by ``{**mapping}`` where it must be read before a later suspension."""
    last = max((i for i, part in enumerate(parts) if suspends(part)), default=-1)
    return [
        build.place(ast.Dict([None], [part]), part) if i in mappings and i < last else part
        for i, part in enumerate(parts)
    ]


def _slice_call(index: ast.expr) -> ast.expr:
    if not isinstance(index, ast.Slice):
        return index
    bounds = [bound or ast.Constant(None) for bound in (index.lower, index.upper, index.step)]
    return build.place(build.call(build.mark("slice"), bounds), index)
