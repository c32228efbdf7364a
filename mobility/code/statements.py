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

__all__ = ["Import", "Statement", "SourceText", "read_text"]

_OPTIMIZED = 0x1  # set for functions, not for the bodies of modules and classes
_AT_ONCE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


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

    @property
    def defines(self) -> bool:
        """Whether it is one ``def`` or ``class``."""
        return len(self.nodes) == 1 and isinstance(self.nodes[0], (*_FUNCTIONS, ast.ClassDef))

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


def read_text(filename: str, lines: Sequence[str]) -> SourceText:
    """Take a text apart.

    Raises
    ------
    SyntaxError
        If it does not parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first compilation has given them
        tree = ast.parse("".join(lines), filename)
        flags = _future_flags(tree) | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        statements = tuple(_statement(nodes, guard, filename, flags) for nodes, guard in _groups(tree))
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


def _is_main_guard(node: ast.stmt) -> bool:
    match node:
        case ast.If(
            test=ast.Compare(
                left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]
            ),
            orelse=[],
        ):
            return node.body[0].lineno > node.lineno  # not on one line
    return False


def _groups(tree: ast.Module) -> Iterator[tuple[tuple[ast.stmt, ...], int | None]]:
    """Statements that share no line with others, and those that do, together."""
    for body, guard in _bodies(tree):
        group: list[ast.stmt] = []
        for node in body:
            if group and _first_line(node) > (group[-1].end_lineno or group[-1].lineno):
                yield tuple(group), guard
                group = []
            group.append(node)
        if group:
            yield tuple(group), guard


def _bodies(tree: ast.Module) -> Iterator[tuple[list[ast.stmt], int | None]]:
    plain: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.If) and _is_main_guard(node):
            yield plain, None
            yield node.body, node.lineno
            plain = []
        else:
            plain.append(node)
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
    seen = _Seen()
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
    )


class _Seen:
    """What the syntax tree tells and compiled code does not."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.touches: set[str] = set()
        self.annotated: set[str] = set()
        self.chains: dict[str, set[tuple[str, ...]]] = {}

    def look(self, node: ast.AST, eager: bool, quiet: bool = False) -> None:
        """Walk; `quiet`: in a base class or an annotation."""
        if isinstance(node, ast.Attribute | ast.Name):
            base, chain = _chain(node)
            if isinstance(base, ast.Name):
                self.chains.setdefault(base.id, set()).add(chain)
                if eager and not quiet:
                    self.called.add(base.id)
                if quiet:
                    self.annotated.add(base.id)
            else:
                self.look(base, eager, quiet)
            return
        if eager:
            self._touched(node)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in node.decorator_list:
                    self.look(decorator, eager)
                for argument in ast.walk(node.args):
                    if isinstance(argument, ast.arg) and argument.annotation is not None:
                        self.look(argument.annotation, eager, True)
                for default in (*node.args.defaults, *node.args.kw_defaults):
                    if default is not None:
                        self.look(default, eager)
                if node.returns is not None:
                    self.look(node.returns, eager, True)
                for parameter in getattr(node, "type_params", ()):
                    self.look(parameter, False, True)
                for statement in node.body:
                    self.look(statement, False)
            case ast.Lambda():
                self.look(node.args, eager)
                self.look(node.body, False)
            case ast.ClassDef():
                for base in node.bases:
                    self.look(base, eager, not isinstance(base, ast.Call))
                for part in (*node.keywords, *node.decorator_list, *node.body):
                    self.look(part, eager)
            case ast.AnnAssign():
                self.look(node.target, eager)
                self.look(node.annotation, eager, True)
                if node.value is not None:
                    self.look(node.value, eager)
            case _:
                for child in ast.iter_child_nodes(node):
                    self.look(child, eager, quiet)

    def _touched(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                changed: list[ast.expr] = list(targets)
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
                changed = [target]
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                changed = [method]
            case ast.Expr(value=ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[first, *_])):
                self._add(first)
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                changed = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
            case _:
                return
        for target in changed:
            for part in ast.walk(target) if isinstance(target, ast.Tuple | ast.List) else (target,):
                if isinstance(part, ast.Attribute | ast.Subscript):
                    self._add(part)

    def _add(self, target: ast.AST) -> None:
        while isinstance(target, ast.Attribute | ast.Subscript | ast.Call):
            target = target.func if isinstance(target, ast.Call) else target.value
        if isinstance(target, ast.Name):
            self.touches.add(target.id)


def _chain(node: ast.expr) -> tuple[ast.expr, tuple[str, ...]]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return node, tuple(reversed(parts))


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
