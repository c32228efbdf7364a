"""What the statements of a module bind, look up and change: the grain in which code is picked for travel.

Names are taken from compiled code, so scopes are the interpreter's own. What runs when the module is executed counts as
*eager*; what runs when something that it defines is called, as *late*.
"""

from __future__ import annotations
import __future__

import ast
import dis
import types
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mobility.code.usage import FUNCTIONS, Usage

__all__ = ["Import", "Statement", "SourceText", "read_text"]

_OPTIMIZED = 0x1  # set for functions, not for the bodies of modules and classes
_AT_ONCE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})


@dataclass(frozen=True, slots=True)
class Import:
    """One name that an import statement brings.

    Attributes
    ----------
    module
        As written; `level` dots before it.
    name
        What is taken from the module; None for ``import module``, ``*`` for all.
    bound
        The name that it gets.
    top
        Whether it stands at the top level, so that it can be left out by itself.
    """

    module: str
    level: int
    name: str | None
    bound: str
    top: bool


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement at the top level, or several that share lines.

    Attributes
    ----------
    first, last
        Its lines, decorators included.
    guard
        The line of the ``if __name__ == "__main__":`` in which it stands.
    binds, rebinds
        Names that it binds when executed; that functions in it bind by ``global``.
    eager, late, called
        Names that it looks up at once; later; and of the eager ones those that are not merely a base class or an
        annotation, so that their own code may run.
    touches
        Names whose objects it may change: by attribute, by subscript, by calling a method.
    chains
        For each name, the chains of attributes by which it is used; an empty one for a use by itself.
    calls_itself
        Whether executing it may call a function or lambda that stands in it.
    """

    nodes: tuple[ast.stmt, ...]
    first: int
    last: int
    guard: int | None
    binds: frozenset[str]
    rebinds: frozenset[str]
    eager: frozenset[str]
    late: frozenset[str]
    called: frozenset[str]
    touches: frozenset[str]
    imports: tuple[Import, ...]
    chains: dict[str, set[tuple[str, ...]]]
    calls_itself: bool

    @property
    def defines(self) -> bool:
        """Whether it is one ``def`` or ``class``."""
        return len(self.nodes) == 1 and isinstance(self.nodes[0], (*FUNCTIONS, ast.ClassDef))

    @property
    def only_imports(self) -> bool:
        return all(isinstance(node, ast.Import | ast.ImportFrom) for node in self.nodes)

    @property
    def is_future(self) -> bool:
        return any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in self.nodes)

    def constant(self, name: str) -> bool:
        """Whether it binds `name` to an immutable literal and does nothing else."""
        match self.nodes:
            case (ast.Assign(targets=[ast.Name()], value=value),):
                return _is_literal(value)
            case (ast.AnnAssign(target=ast.Name(), value=ast.expr() as value),):
                return _is_literal(value)
        return False


@dataclass(frozen=True, slots=True, eq=False)
class SourceText:
    """A file, or a cell of a notebook.

    Attributes
    ----------
    binding
        For each name, the statements that bind it.
    touching
        For each name, the statements that may change what it refers to.
    """

    filename: str
    lines: tuple[str, ...]
    statements: tuple[Statement, ...]
    binding: dict[str, list[Statement]] = field(default_factory=dict)
    touching: dict[str, list[Statement]] = field(default_factory=dict)
    rebound: frozenset[str] = frozenset()

    def at(self, line: int) -> Statement | None:
        """The statement that covers a line."""
        return next((s for s in self.statements if s.first <= line <= s.last), None)


def read_text(filename: str, lines: Sequence[str], module: str = "") -> SourceText:
    """Take a text apart.

    Parameters
    ----------
    module
        Its ``__name__``, which decides between the branches of an ``if`` that asks for it.

    Raises
    ------
    SyntaxError
        If it does not parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first compilation has given them
        tree = ast.parse("".join(lines), filename)
        flags = _future_flags(tree) | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        statements = tuple(_statement(nodes, guard, filename, flags) for nodes, guard in _groups(tree, module))
    text = SourceText(
        filename,
        tuple(lines),
        statements,
        rebound=frozenset().union(*(statement.rebinds for statement in statements)),
    )
    for statement in statements:
        for name in statement.binds:
            text.binding.setdefault(name, []).append(statement)
        for name in statement.touches:
            text.touching.setdefault(name, []).append(statement)
    return text


def _future_flags(tree: ast.Module) -> int:
    flags: int = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                feature: __future__._Feature = getattr(__future__, alias.name)
                flags |= feature.compiler_flag
    return int(flags)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _branch(node: ast.If, module: str) -> list[ast.stmt] | None:
    """The branch that an ``if`` took that asks for nothing but ``__name__``; None for any other, and on one line."""
    names = {inner.id for inner in ast.walk(node.test) if isinstance(inner, ast.Name)}
    if names != {"__name__"} or any(isinstance(inner, ast.Call | ast.NamedExpr) for inner in ast.walk(node.test)):
        return None
    test = compile(ast.Expression(node.test), "<test>", "eval")
    taken = node.body if eval(test, {"__name__": module, "__builtins__": {}}) else node.orelse  # nothing is called
    if taken and (taken[0].lineno == node.lineno or taken[0].col_offset == node.col_offset):
        return None  # on one line, or an elif
    return taken


def _groups(tree: ast.Module, module: str) -> Iterator[tuple[tuple[ast.stmt, ...], int | None]]:
    """Statements that share no line with others, and those that do, together."""
    for body, guard in _bodies(tree, module):
        group: list[ast.stmt] = []
        for node in body:
            if group and _first_line(node) > (group[-1].end_lineno or group[-1].lineno):
                yield tuple(group), guard
                group = []
            group.append(node)
        if group:
            yield tuple(group), guard


def _bodies(tree: ast.Module, module: str) -> Iterator[tuple[list[ast.stmt], int | None]]:
    plain: list[ast.stmt] = []
    for node in tree.body:
        taken = _branch(node, module) if isinstance(node, ast.If) else None
        if taken is None:
            plain.append(node)
            continue
        yield plain, None
        yield taken, node.lineno
        plain = []
    yield plain, None


class _Names:
    def __init__(self) -> None:
        self.binds: set[str] = set()
        self.rebinds: set[str] = set()
        self.eager: set[str] = set()
        self.late: set[str] = set()

    def read(self, code: types.CodeType, eager: bool, top: bool) -> None:
        for instruction in dis.get_instructions(code):
            operation, name = instruction.opname, instruction.argval
            if operation in _LOADS:
                (self.eager if eager else self.late).add(name)
            elif operation == "STORE_NAME" and top:
                self.binds.add(name)
            elif operation in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                (self.binds if eager else self.rebinds).add(name)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                at_once = (
                    not constant.co_flags & _OPTIMIZED
                    or constant.co_name in _AT_ONCE
                    or constant.co_name.startswith("<generic parameters")
                )
                self.read(constant, eager and at_once, False)


def _statement(nodes: tuple[ast.stmt, ...], guard: int | None, filename: str, flags: int) -> Statement:
    names = _Names()
    code = compile(ast.Module(list(nodes), []), filename, "exec", flags, dont_inherit=True)
    names.read(code, True, True)
    seen = Usage()
    for node in nodes:
        seen.look(node, True)
    return Statement(
        nodes,
        _first_line(nodes[0]),
        max(node.end_lineno or node.lineno for node in nodes),
        guard,
        frozenset(names.binds - {"*"}),
        frozenset(names.rebinds),
        frozenset(names.eager),
        frozenset(names.late | seen.annotated),
        frozenset(names.eager & seen.called),
        frozenset(seen.touches),
        tuple(_imports(nodes)),
        seen.chains,
        seen.calls_itself,
    )


def _imports(nodes: tuple[ast.stmt, ...]) -> Iterator[Import]:
    for outer in nodes:
        for node in ast.walk(outer):
            top = node is outer
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    # `import a.b as c` binds a.b, `import a.b` binds a.
                    yield Import(alias.name, 0, None, bound, top)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield Import(node.module or "", node.level, alias.name, alias.asname or alias.name, top)


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=inner):
            return _is_literal(inner)
        case ast.BinOp(left=left, right=right):
            return _is_literal(left) and _is_literal(right)
        case ast.Tuple(elts=parts):
            return all(map(_is_literal, parts))
    return False
