"""The core language: what is left of a generator's body once every suspension is a statement of its own.

A *suspension* is one ``yield`` or ``yield from`` whose operand suspends no more. Each has a label, counted in the
order of the text. A compound statement appears here as a node of its own only if a suspension lies in it; all else is
`Plain`. Nodes are immutable, so a landing shares the parts of the body that it does not take apart.

Hidden names begin with a dot, which no Python identifier can:

=========  ===========================================================================================
``.label``  label of the last suspension; 0 once the generator is being discarded
``.i#``     iterator of a ``for``
``.m#``     manager of a ``with``; ``.x#`` its bound ``__exit__``, ``.n#`` its ``__enter__`` and result
``.e#``     exception that a handler is handling
``.f#``     why a ``finally`` was entered: None, an exception, ``"return"``, ``"break"``, ``"continue"``
``.r#``     value of that return
``.t#``     operand that waits for a suspension
``.g#``     function of a generator expression or comprehension
``.cells``  lambda over the captured variables, so that their cells can be read
``.land``   what a landing takes over; ``.y`` what it delegates to
=========  ===========================================================================================
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Block",
    "Branch",
    "Case",
    "CoreFunction",
    "Define",
    "DefineMark",
    "For",
    "Handler",
    "Landing",
    "Match",
    "Node",
    "Once",
    "Plain",
    "Suspension",
    "TryExcept",
    "TryFinally",
    "TryStar",
    "While",
    "With",
    "labels_in",
    "loops_in",
]


@dataclass(frozen=True, slots=True)
class Node:
    """A statement; `at` is the syntax node that gives it its line."""

    at: ast.AST

    @property
    def blocks(self) -> tuple[Block, ...]:
        return ()

    @property
    def labels(self) -> frozenset[int]:
        return frozenset().union(*(labels_in(b) for b in self.blocks))


Block = tuple[Node, ...]


def labels_in(block: Sequence[Node]) -> frozenset[int]:
    """Labels of the suspensions in `block`."""
    return frozenset().union(*(node.labels for node in block))


def loops_in(block: Sequence[Node]) -> Iterator[For]:
    """Loops with a suspension in them, at any depth of `block`."""
    for node in block:
        if isinstance(node, For):
            yield node
        for inner in node.blocks:
            yield from loops_in(inner)


@dataclass(frozen=True, slots=True)
class Plain(Node):
    """A statement without a suspension, compiled as it is."""

    statement: ast.stmt


@dataclass(frozen=True, slots=True)
class Define(Node):
    """Definition of the function of a generator expression, before the statement that uses it."""

    function: CoreFunction


class DefineMark(ast.Pass):
    """A `Define` among syntax nodes."""

    function: CoreFunction

    def __deepcopy__(self, memo: object) -> DefineMark:
        return self


@dataclass(frozen=True, slots=True)
class Suspension(Node):
    """``targets = yield value`` or ``targets = yield from value``."""

    label: int
    targets: tuple[ast.expr, ...]
    value: ast.expr | None
    delegates: bool

    @property
    def labels(self) -> frozenset[int]:
        return frozenset((self.label,))


@dataclass(frozen=True, slots=True)
class Landing(Node):
    """Where a restored generator takes over its variables, and waits as it did (unless it had not begun)."""

    suspension: Suspension | None

    @property
    def labels(self) -> frozenset[int]:
        return self.suspension.labels if self.suspension is not None else frozenset()


@dataclass(frozen=True, slots=True)
class Branch(Node):
    test: ast.expr
    body: Block
    orelse: Block

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.body, self.orelse


@dataclass(frozen=True, slots=True)
class While(Node):
    test: ast.expr
    body: Block
    orelse: Block

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.body, self.orelse


@dataclass(frozen=True, slots=True)
class For(Node):
    """`started`: the iterator already lies in its slot; `given`: as the argument of a generator expression."""

    slot: int
    target: ast.expr
    iterable: ast.expr
    body: Block
    orelse: Block
    release: tuple[str, ...] = ()
    started: bool = False
    given: bool = False

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.body, self.orelse


@dataclass(frozen=True, slots=True)
class Once(Node):
    """The rest of an interrupted turn of a loop; `orelse` is the loop itself, skipped by a break."""

    body: Block
    orelse: Block

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.body, self.orelse


@dataclass(frozen=True, slots=True)
class Handler:
    at: ast.AST
    slot: int
    type: ast.expr | None
    name: str | None
    body: Block


@dataclass(frozen=True, slots=True)
class TryExcept(Node):
    body: Block
    handlers: tuple[Handler, ...]
    orelse: Block

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.body, *(h.body for h in self.handlers), self.orelse


@dataclass(frozen=True, slots=True)
class TryStar(Node):
    """``except*``; no suspension stands in its handlers."""

    body: Block
    handlers: tuple[ast.ExceptHandler, ...]
    orelse: Block

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.body, self.orelse


@dataclass(frozen=True, slots=True)
class TryFinally(Node):
    slot: int
    body: Block
    final: Block

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.body, self.final


@dataclass(frozen=True, slots=True)
class With(Node):
    """`entered`: the manager already lies in its slot and has been entered."""

    slot: int
    context: ast.expr
    target: ast.expr | None
    body: Block
    release: tuple[str, ...] = ()
    entered: bool = False

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (self.body,)


@dataclass(frozen=True, slots=True)
class Case:
    pattern: ast.pattern
    guard: ast.expr | None
    body: Block


@dataclass(frozen=True, slots=True)
class Match(Node):
    subject: ast.expr
    cases: tuple[Case, ...]
    release: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(case.body for case in self.cases)


@dataclass(slots=True)
class CoreFunction:
    """A generator function in the core language.

    Attributes
    ----------
    name, shown
        Name in the compiled tree, and the name that people see (they differ for generator expressions).
    hoisted
        Functions of its generator expressions (and of comprehensions that hold one).
    inside
        Functions of those in the functions and classes inside.
    defines_first
        Whether these are defined at its start; else where `Define` says.
    locals, global_names, nonlocal_names
        Names that its own scope binds; names that it declares.
    """

    name: str
    shown: str
    at: ast.AST
    arguments: ast.arguments
    first: ast.expr | None
    docstring: ast.stmt | None
    body: Block
    hoisted: list[CoreFunction]
    inside: list[CoreFunction]
    locals: frozenset[str]
    global_names: tuple[str, ...]
    nonlocal_names: tuple[str, ...]
    walrus_names: tuple[str, ...] = ()
    suspensions: dict[int, Suspension] = field(default_factory=dict)
    defines_first: bool = True

    @property
    def first_parameter(self) -> str | None:
        positional = [*self.arguments.posonlyargs, *self.arguments.args]
        return positional[0].arg if positional else None
