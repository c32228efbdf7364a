"""From the core language back to syntax nodes, with what the run-time needs and nothing else.

Added to the user's statements: the label before each suspension; a slot for what a resumed statement will need; and
the way out for `Moved`, by which a generator is left without running its ``finally`` blocks and ``__exit__`` methods.
`Moved` is caught in the innermost statement that could notice it; there the label becomes 0 and the generator returns,
and the ``finally`` blocks on the way see the 0.
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Sequence
from dataclasses import replace

from mobility.resumable import _build as build
from mobility.resumable._core import (
    Block,
    Branch,
    CoreFunction,
    Define,
    DefineMark,
    For,
    Handler,
    Landing,
    Match,
    Node,
    Once,
    Plain,
    Suspension,
    TryExcept,
    TryFinally,
    TryStar,
    While,
    With,
    labels_in,
    loops_in,
)
from mobility.resumable._rewriting import Around, AsLanded, Leaving, flat
from mobility.resumable._scopes import never_bound

__all__ = ["emit_fresh", "emit_landing"]


class _Defining(ast.NodeTransformer):
    """Puts the functions of generator expressions where they are marked, at any depth."""

    def __init__(self, captured: dict[str, tuple[str, ...]]) -> None:
        self._captured = captured

    def visit_DefineMark(self, node: DefineMark) -> ast.AST:
        return emit_fresh(node.function, self._captured)


class _Emitter:
    """`takeover`: the user's variables that a landing unpacks."""

    def __init__(self, captured: dict[str, tuple[str, ...]], takeover: Sequence[str] = ()) -> None:
        self._captured = captured
        self._takeover = takeover

    def block(self, nodes: Block, around: Around) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        for node in nodes:
            statements += self.node(node, around)
        return statements

    def _body(self, nodes: Block, around: Around, at: ast.AST) -> list[ast.stmt]:
        return self.block(nodes, around) or [build.place(ast.Pass(), at)]

    def node(self, node: Node, around: Around) -> list[ast.stmt]:
        match node:
            case Plain():
                return self._plain(node, around)
            case Define():
                return [emit_fresh(node.function, self._captured)]
            case Suspension(delegates=True):
                return self._delegated(node)
            case Suspension():
                return [self._label(node), self._yield(node, node.value)]
            case Landing():
                return self._landing(node)
            case Branch():
                body, orelse = self._body(node.body, around, node.at), self.block(node.orelse, around)
                return [build.place(ast.If(node.test, body, orelse), node.at)]
            case While():
                body, orelse = self._body(node.body, around.in_loop(), node.at), self.block(node.orelse, around)
                return [build.place(ast.While(node.test, body, orelse), node.at)]
            case For():
                return self._for(node, around)
            case Once():
                loop = node.orelse[0]
                iterator = f".i{loop.slot}" if isinstance(loop, For) else None
                once = ast.For(
                    build.store(".once"),
                    ast.Tuple([ast.Constant(None)], ast.Load()),
                    self._body(node.body, around.in_loop(iterator), node.at),
                    self.block(node.orelse, around),
                    None,
                )
                return [build.place(once, node.at)]
            case TryExcept():
                return self._try_except(node, around)
            case TryStar():
                return self._try_star(node, around)
            case TryFinally():
                return self._try_finally(node, around)
            case With():
                return self._with(node, around)
            case Match():
                return self._match(node, around)
            case _:
                raise AssertionError(f"no emission for {type(node).__name__}")

    # -- suspensions ----------------------------------------------------------------------------------------------

    def _label(self, node: Suspension) -> ast.stmt:
        # On the line that is evaluated first, so that a tracer sees no line that the user's code would not show.
        at = build.first_leaf(node.value) if node.value is not None else node.at
        return build.assign(".label", ast.Constant(node.label), at)

    def _delegated(self, node: Suspension) -> list[ast.stmt]:
        """``yield from``, with a relay before an iterator that was written in Python."""
        assert node.value is not None
        at = build.first_leaf(node.value)
        kind = build.call(build.mark("type"), [build.load(".y")])
        foreign = ast.Compare(kind, [ast.NotIn()], [build.mark("known_iterables")])
        iterator = build.call(build.mark("iter"), [build.load(".y")])
        own = build.assign(".y", iterator, node.at)
        relayed = _unseen([build.assign(".y", build.call(build.mark("relay"), [build.load(".y")]), node.at)], node.at)
        return [
            build.assign(".y", node.value, node.value),
            build.place(ast.If(foreign, [own, *relayed], []), node.at),
            build.assign(".label", ast.Constant(node.label), at),
            self._yield(node, build.place(build.load(".y"), node.at)),
            *build.set_none([".y"], node.at),
        ]

    def _yield(self, node: Suspension, value: ast.expr | None) -> ast.stmt:
        made: ast.expr
        if node.delegates:
            assert value is not None
            made = ast.YieldFrom(value)
        else:
            made = ast.Yield(value)
        build.place(made, node.at)
        if node.targets:
            return build.place(ast.Assign(list(node.targets), made), node.at)
        return build.place(ast.Expr(made), node.at)

    def _landing(self, node: Landing) -> list[ast.stmt]:
        at, suspension = node.at, node.suspension
        taken = build.call(build.mark("pop"), [build.load(".land")])
        statements: list[ast.stmt] = []
        targets: list[ast.expr] = [build.store(name) for name in self._takeover]
        if targets:
            statements.append(build.assign(ast.Tuple(targets, ast.Store()), taken, at))
        else:
            statements.append(build.place(ast.Expr(taken), at))
        for name in self._takeover:
            absent = ast.Compare(build.load(name), [ast.Is()], [build.mark("unbound")])
            statements.append(build.place(ast.If(absent, build.delete([name], at), []), at))
        if suspension is None:
            return [*statements, *build.delete([".land"], at)]
        if suspension.delegates:
            return [*statements, *self._delegating(suspension, build.place(taken, at))]
        return [*statements, *build.delete([".land"], at), self._yield(suspension, None)]

    def _delegating(self, suspension: Suspension, taken: ast.expr) -> list[ast.stmt]:
        """A generator takes the first step itself, up to where it was; a plain iterator must not take any yet.

        It has no ``send``, ``throw`` or ``close``: what is sent fails as it would, all else acts here. From 3.12 on a
        StopIteration thrown at it is the result.
        """
        at = suspension.at
        sent = build.load(".t0")
        arrived = ast.Compare(sent, [ast.IsNot()], [ast.Constant(None)])
        send = build.call(ast.Attribute(build.load(".y"), "send", ast.Load()), [sent])
        kind = build.call(build.mark("type"), [build.load(".y")])
        step: ast.stmt = build.assign(".t0", ast.Yield(None), at)
        if sys.version_info >= (3, 12):
            value = ast.Attribute(build.load(".once"), "value", ast.Load())
            finished = build.assign(".y", build.call(build.mark("finished"), [value]), at)
            nothing = build.set_none([".t0"], at)
            ended = ast.ExceptHandler(build.mark("StopIteration"), ".once", [*nothing, finished])
            step = ast.Try([step], [ended], [], [])
        wait: list[ast.stmt] = [
            step,
            ast.If(arrived, [ast.Expr(send)], []),
            *build.delete([".t0"], at),
        ]
        plain = ast.If(ast.Compare(kind, [ast.In()], [build.mark("plain_iterators")]), wait, [])
        delegate = self._yield(suspension, build.place(build.load(".y"), at))
        return [build.assign(".y", taken, at), build.place(plain, at), delegate, *build.set_none([".y"], at)]

    # -- plain statements -----------------------------------------------------------------------------------------

    def _plain(self, node: Plain, around: Around) -> list[ast.stmt]:
        marked = any(isinstance(n, DefineMark) for n in ast.walk(node.statement))
        if not around.finals and around.iterator is None and not marked:
            return [node.statement]
        statement = copy.deepcopy(node.statement)
        if marked:
            statement = _Defining(self._captured).visit(statement)
        left = Leaving(around).visit(statement)
        return left if isinstance(left, list) else [left]

    # -- loops ----------------------------------------------------------------------------------------------------

    def _for(self, node: For, around: Around) -> list[ast.stmt]:
        name = f".i{node.slot}"
        at = node.iterable
        before: list[ast.stmt] = []
        if not node.started:
            before.append(build.assign(name, build.call(build.mark("iter"), [node.iterable]), at))
            before += build.delete(node.release, at)
        if not node.started or node.given:
            before.append(check_iterator(name, at))
        clear = build.set_none([name], at)
        loop = ast.For(
            node.target,
            build.load(name),
            self._body(node.body, around.in_loop(name), node.at),
            [*clear, *self.block(node.orelse, around)],
            None,
        )
        return [*before, build.place(loop, node.at)]

    # -- try ------------------------------------------------------------------------------------------------------

    def _leave(self, around: Around, at: ast.AST) -> ast.ExceptHandler:
        """``except Moved``: out, past all that encloses it."""
        body: list[ast.stmt] = [
            build.assign(".label", ast.Constant(0), at),
            *build.set_none(around.exits, at),
            build.place(ast.Return(None), at),
        ]
        return build.place(ast.ExceptHandler(build.mark("Moved"), None, body), at)

    def _lost_loops(self, block: Block, before: list[ast.stmt]) -> list[ast.stmt]:
        """An exception that leaves a loop drops its iterator, as the interpreter's stack would."""
        return [*build.set_none([f".i{loop.slot}" for loop in loops_in(block)], build.same_start(before[0])), *before]

    def _try_except(self, node: TryExcept, around: Around) -> list[ast.stmt]:
        handlers = [self._handler(handler, around, node.body) for handler in node.handlers]
        if labels_in(node.body):
            handlers.insert(0, self._leave(around, handlers[0]))
        body = self._body(node.body, around, node.at)
        return [build.place(ast.Try(body, handlers, self.block(node.orelse, around), []), node.at)]

    def _handler(self, node: Handler, around: Around, tried: Block) -> ast.ExceptHandler:
        body = self._lost_loops(tried, self._body(node.body, around, node.at))
        kind = node.type
        if not labels_in(node.body):
            return build.place(ast.ExceptHandler(kind, node.name, body), node.at)
        slot = f".e{node.slot}"
        if kind is None:
            kind = build.mark("BaseException")
        if node.name is not None:
            last = body[-1]
            forget = [*build.set_none([node.name], last), *build.delete([node.name], last)]
            named = build.assign(node.name, build.load(slot), node.at)
            body = [named, build.place(ast.Try(body, [], [], forget), node.at)]
        return build.place(ast.ExceptHandler(kind, slot, body), node.at)

    def _try_star(self, node: TryStar, around: Around) -> list[ast.stmt]:
        body = self._body(node.body, around, node.at)
        if labels_in(node.body):
            # A handler for `Moved` cannot stand beside except*, so it stands within.
            body = [build.place(ast.Try(body, [self._leave(around, node.handlers[0])], [], []), node.at)]
        handlers = list(node.handlers)
        if around.finals or around.iterator:
            handlers = [Leaving(around).visit(copy.deepcopy(h)) for h in handlers]
        return [build.place(ast.TryStar(body, handlers, self.block(node.orelse, around), []), node.at)]

    def _try_finally(self, node: TryFinally, around: Around) -> list[ast.stmt]:
        reason = f".f{node.slot}"
        recorded = bool(labels_in(node.final))
        # A final block that jumps could go on with the loop that a break has left.
        inner = replace(around, iterator=None) if _jumps(node.final) else around
        if recorded:
            inner = replace(inner, finals=(*around.finals, node.slot), crossed=(*around.crossed, node.slot))
        body = self._body(node.body, inner, node.at)
        handlers: list[ast.ExceptHandler] = []
        final = self._lost_loops(node.body, self._body(node.final, around, node.at))
        at = build.same_start(final[0])
        if labels_in(node.body):
            handlers.append(self._leave(around, at))
        if recorded:
            body += build.set_none([reason], at)
            kept = build.assign(reason, build.call(build.mark("exception"), []), at)
            again = build.place(ast.Raise(None, None), at)
            handlers.append(build.place(ast.ExceptHandler(build.mark("BaseException"), None, [kept, again]), at))
            final += build.set_none([reason, f".r{node.slot}"], final[-1])
        if labels_in(node.body):
            final = [build.place(ast.If(build.load(".label"), final, []), at)]
        return [build.place(ast.Try(body, handlers, [], final), node.at)]

    # -- with -----------------------------------------------------------------------------------------------------

    def _with(self, node: With, around: Around) -> list[ast.stmt]:
        """PEP 343's expansion, with the manager's methods looked up on its type; a landing does not enter."""
        at = node.at
        manager, leave, enter = (f".{kind}{node.slot}" for kind in "mxn")
        inner = replace(around, exits=(*around.exits, leave))
        before = self._methods(manager, enter, leave, at)
        body: list[ast.stmt] = []
        if not node.entered:
            # If it is no manager, the statement itself says so best.
            refusal = ast.With([ast.withitem(build.load(manager), None)], [build.place(ast.Pass(), at)], None)
            missing = ast.Compare(build.load(leave), [ast.Is()], [ast.Constant(None)])
            before = [
                build.assign(manager, node.context, at),
                *build.delete(node.release, at),
                *before,
                build.place(ast.If(missing, [refusal], []), at),
                build.assign(enter, build.call(build.load(enter), [build.load(manager)]), at),
            ]
            if node.target is not None:
                body.append(build.assign(node.target, build.load(enter), node.target))
        body += build.set_none([enter], at)  # forgotten at once: it must neither travel nor stay alive
        body += self.block(node.body, inner)
        handlers = [self._leave(inner, at)] if labels_in(node.body) else []
        failed = self._left_by_error(node, manager, leave, enter)
        handlers.append(build.place(ast.ExceptHandler(build.mark("BaseException"), None, failed), at))
        none = ast.Constant(None)
        done = build.place(ast.Expr(build.call(build.load(leave), [build.load(manager), none, none, none])), at)
        forget = build.set_none([manager, leave], at)
        if not _jumps(node.body):
            # Left by falling through or by an exception: nothing else to wait for.
            return [*before, build.place(ast.Try(body, handlers, [done, *forget], []), at)]
        pending = ast.Compare(build.load(leave), [ast.IsNot()], [none])
        final: list[ast.stmt] = [build.place(ast.If(pending, [done], []), at), *forget]
        return [*before, build.place(ast.Try(body, handlers, [], final), at)]

    def _methods(self, manager: str, enter: str, leave: str, at: ast.AST) -> list[ast.stmt]:
        """Find ``__enter__`` and ``__exit__``: known from the last time, and still those of the type.

        The first time, out of sight: whoever traces the user's function sees no frame of ours.
        """
        kind = build.load(leave)
        pair = build.load(enter)
        known = build.assign(enter, build.call(build.mark("known_managers"), [kind]), at)
        stale = [
            ast.Compare(
                ast.Subscript(pair, ast.Constant(index), ast.Load()),
                [ast.IsNot()],
                [ast.Attribute(kind, method, ast.Load())],
            )
            for index, method in enumerate(("__enter__", "__exit__"))
        ]
        unknown = ast.Compare(pair, [ast.Is()], [ast.Constant(None)])
        found = _unseen([build.assign(enter, build.call(build.mark("manages"), [kind]), at)], at)
        both = ast.Tuple([build.store(enter), build.store(leave)], ast.Store())
        return [
            build.assign(leave, build.call(build.mark("type"), [build.load(manager)]), at),
            known,
            build.place(ast.If(ast.BoolOp(ast.Or(), [unknown, *stale]), found, []), at),
            build.assign(both, pair, at),
        ]

    def _left_by_error(self, node: With, manager: str, leave: str, enter: str) -> list[ast.stmt]:
        """``__exit__`` with the exception, exactly once; a true result swallows it."""
        at = node.at
        swapped = ast.Tuple([build.store(enter), build.store(leave)], ast.Store())
        taken = build.assign(swapped, ast.Tuple([build.load(leave), ast.Constant(None)], ast.Load()), at)
        details = ast.Starred(build.call(build.mark("exc_info"), []), ast.Load())
        swallowed = build.call(build.load(enter), [build.load(manager), details])
        again = ast.If(ast.UnaryOp(ast.Not(), swallowed), [build.place(ast.Raise(None, None), at)], [])
        return self._lost_loops(node.body, [taken, build.place(again, at), *build.set_none([enter], at)])

    # -- match ----------------------------------------------------------------------------------------------------

    def _match(self, node: Match, around: Around) -> list[ast.stmt]:
        free = build.delete(node.release, node.at)
        cases = [
            ast.match_case(case.pattern, case.guard, [*free, *self._body(case.body, around, node.at)])
            for case in node.cases
        ]
        last = node.cases[-1]
        if free and not (last.guard is None and _irrefutable(last.pattern)):
            cases.append(ast.match_case(build.place(ast.MatchAs(None, None), node.at), None, free))
        return [build.place(ast.Match(node.subject, cases), node.at)]


def check_iterator(name: str, at: ast.AST) -> ast.stmt:
    """Make a stored iterator one that a ``for`` can take up again without being noticed."""
    kind = build.call(build.mark("type"), [build.load(name)])
    foreign = ast.Compare(kind, [ast.NotIn()], [build.mark("steady_iterators")])
    steps = build.assign(name, build.call(build.mark("steps"), [build.load(name)]), at)
    return build.place(ast.If(foreign, _unseen([steps], at), []), at)


def _unseen(statements: list[ast.stmt], at: ast.AST) -> list[ast.stmt]:
    """Statements that call our own functions, with tracing put aside."""
    traced = ast.Compare(build.load(".trace"), [ast.IsNot()], [ast.Constant(None)])
    off, on = (build.call(build.mark("settrace"), [value]) for value in (ast.Constant(None), build.load(".trace")))
    return [
        build.assign(".trace", build.call(build.mark("gettrace"), []), at),
        build.place(ast.If(traced, [ast.Expr(off)], []), at),
        *statements,
        build.place(ast.If(traced, [ast.Expr(on)], []), at),
        *build.delete([".trace"], at),
    ]


def _jumps(block: Block) -> bool:
    """Whether a block can be left by a return, or by a break or continue of a loop around it."""

    def jumps(node: ast.AST, in_loop: bool) -> bool:
        match node:
            case ast.Return():
                return True
            case ast.Break() | ast.Continue():
                return not in_loop
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                return False
            case ast.For() | ast.While():
                return any(jumps(s, True) for s in node.body) or any(jumps(s, in_loop) for s in node.orelse)
            case _:
                return any(jumps(child, in_loop) for child in ast.iter_child_nodes(node))

    def any_jumps(nodes: Block, in_loop: bool) -> bool:
        for node in nodes:
            match node:
                case Plain():
                    found = jumps(node.statement, in_loop)
                case For() | While() | Once():
                    found = any_jumps(node.body, True) or any_jumps(node.orelse, in_loop)
                case TryStar():
                    found = any(jumps(h, in_loop) for h in node.handlers)
                    found = found or any(any_jumps(b, in_loop) for b in node.blocks)
                case _:
                    found = any(any_jumps(b, in_loop) for b in node.blocks)
            if found:
                return True
        return False

    return any_jumps(block, False)


def _irrefutable(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchAs(pattern=None):
            return True
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return _irrefutable(inner)
        case ast.MatchOr(patterns=patterns):
            return _irrefutable(patterns[-1])
        case _:
            return False


def _declarations(function: CoreFunction, cells: Sequence[str], at: ast.AST) -> list[ast.stmt]:
    made: list[ast.stmt] = []
    if function.global_names:
        made.append(build.place(ast.Global(list(function.global_names)), at))
    names = dict.fromkeys([*function.nonlocal_names, *cells])
    if names:
        made.append(build.place(ast.Nonlocal(list(names)), at))
    return made


def _walrus_bindings(function: CoreFunction, cells: Sequence[str], at: ast.AST) -> list[ast.stmt]:
    declared = (*cells, *function.nonlocal_names)
    return never_bound([name for name in function.walrus_names if name not in declared], at)


def _start(body: list[ast.stmt], at: ast.AST) -> ast.AST:
    return build.same_start(body[0]) if body else at


def _hoisted(function: CoreFunction, captured: dict[str, tuple[str, ...]], at: ast.AST) -> list[ast.stmt]:
    """Definitions for a landing, which has passed the places where they stood; shown on the line of `at`."""
    made: list[ast.stmt] = []
    for inner in function.hoisted:
        definition = emit_fresh(inner, captured)
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            setattr(definition, name, getattr(at, name))
        made.append(definition)
    return made


def emit_fresh(function: CoreFunction, captured: dict[str, tuple[str, ...]]) -> ast.FunctionDef:
    """The function as it starts afresh; `captured` names each function's variables that inner ones capture."""
    body = _Emitter(captured).block(function.body, Around())
    at = _start(body, function.at)
    cells = captured.get(function.name, ())
    prologue: list[ast.stmt] = [] if function.docstring is None else [function.docstring]
    prologue += _declarations(function, (), at)
    prologue += _walrus_bindings(function, (), at)
    if not function.suspensions:
        prologue.append(check_iterator(".i1", at))  # a comprehension's
    if function.defines_first:
        prologue += _hoisted(function, captured, at)
    if cells and function.suspensions:
        seen = ast.Tuple([build.load(name) for name in cells], ast.Load())
        prologue.append(build.assign(".cells", ast.Lambda(build.no_arguments(), seen), at))
    if _has_finally(function.body):
        prologue.append(build.assign(".label", ast.Constant(-1), at))
    made = build.function(function.name, function.arguments, [*prologue, *body], function.at)
    if function.first is not None:
        made.decorator_list = [function.first]
    return made


def emit_landing(
    function: CoreFunction,
    block: Block,
    slots: Sequence[str],
    takeover: Sequence[str],
    cells: Sequence[str],
    unsure: Sequence[str],
    captured: dict[str, tuple[str, ...]],
) -> ast.FunctionDef:
    """A function of one argument, ``.land``, that takes over `slots` and `takeover` and goes on with `block`.

    Of `cells`, the captured variables, those in `unsure` are its own and may not be bound.

    ``.land`` is a list: what is delegated to (if anything), the values of `takeover`, the values of `slots`.
    """
    body = _Emitter(captured, takeover).block(block, Around())
    landed = AsLanded(function.first_parameter, cells, unsure)
    body = flat([landed.visit(copy.deepcopy(statement)) for statement in body])
    at = block[0].at if block else function.at
    prologue = _declarations(function, cells, at)
    prologue += _walrus_bindings(function, cells, at)
    prologue += _hoisted(function, captured, at)
    taken = build.call(build.mark("pop"), [build.load(".land")])
    targets: list[ast.expr] = [build.store(name) for name in slots]
    prologue.append(build.assign(ast.Tuple(targets, ast.Store()), taken, at))
    for name in unsure:
        closure = ast.Attribute(ast.Lambda(build.no_arguments(), build.load(name)), "__closure__", ast.Load())
        prologue.append(build.assign(f".c_{name}", ast.Subscript(closure, ast.Constant(0), ast.Load()), at))
    # A landing without a suspension left would not be a generator function any more.
    never = build.place(ast.If(ast.Constant(False), [ast.Expr(ast.Yield(None))], []), at)
    made = build.function(function.name, build.no_arguments([".land"]), [*prologue, *body, never], function.at)
    if function.first is not None:
        made.decorator_list = [function.first]
    return made


def _has_finally(block: Block) -> bool:
    return any(
        (isinstance(node, TryFinally) and bool(labels_in(node.body))) or any(_has_finally(b) for b in node.blocks)
        for node in block
    )
