"""The table of syntax is complete, without contradictions, and fails closed."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mobility import resumable
from mobility.errors import ResumableError
from mobility.resumable import _grammar, _source
from mobility.resumable._compounds import CompoundRules
from mobility.resumable._scopes import ScopeRewriter
from tests.mobility.resumable.helpers import execute

# Statements that hold no expression which Python would evaluate, with a yield, in the function's own scope.
PLAIN_STATEMENTS = {"Break", "Continue", "Global", "Import", "ImportFrom", "Nonlocal", "Pass", "TypeAlias"}
PLAIN_EXPRESSIONS = {"Constant", "Name"}
# Expressions that only ever stand inside another, whose rule takes them apart.
WITHIN_OTHERS = {"Slice": "Subscript", "FormattedValue": "JoinedStr"}
# Expressions that become functions of their own before any rule sees them.
SCOPES = {"GeneratorExp": ScopeRewriter.visit_GeneratorExp}

TABLES = {
    "statements": _grammar.RULED_STATEMENTS,
    "expressions": _grammar.RULED_EXPRESSIONS,
    "parts": _grammar.PARTS,
    "refused": frozenset(_grammar.REFUSED),
}


def node_classes(kind: type[ast.AST] = ast.AST) -> Iterator[type[ast.AST]]:
    """Each class of the `ast` module, also those that only old code uses."""
    if kind.__module__ in ("ast", "_ast"):
        yield kind
    for inner in kind.__subclasses__():
        yield from node_classes(inner)


CLASSES = sorted({kind.__name__: kind for kind in node_classes()}.items())


@pytest.mark.parametrize("name, kind", CLASSES, ids=[name for name, _ in CLASSES])
def test_each_class_of_ast_is_either_ruled_or_refused(name: str, kind: type[ast.AST]) -> None:
    """Protects against syntax that slips through untreated; on a new Python it names what has no rule yet."""
    holding = [table for table, names in TABLES.items() if name in names]
    assert len(holding) == 1, f"{name} is in {holding or 'no table'}"
    assert _grammar.is_ruled(kind) == (holding != ["refused"])


def test_the_walk_finds_what_the_module_offers() -> None:
    """Protects the test above from walking past something."""
    classes = {n: v for n, v in vars(ast).items() if isinstance(v, type) and not n.startswith("_")}
    offered = {n for n, v in classes.items() if issubclass(v, ast.AST)}
    assert offered <= {name for name, _ in CLASSES}
    assert len(CLASSES) > 100


def test_the_tables_hold_no_names_that_python_does_not_know() -> None:
    """A misspelt entry would rule nothing."""
    newer = {"TypeAlias", "TypeVar", "ParamSpec", "TypeVarTuple", "type_param"}
    older = {"Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice", "Suite", "Param", "AugLoad",
             "AugStore", "slice"}  # fmt: skip
    assert set().union(*TABLES.values()) - {name for name, _ in CLASSES} <= newer | older


def test_statements_and_expressions_are_in_the_table_of_their_sort() -> None:
    """A statement among the parts would be checked and then never given to a rule."""
    known = dict(CLASSES)
    assert all(issubclass(known[n], ast.stmt) for n in _grammar.RULED_STATEMENTS if n in known)
    assert all(issubclass(known[n], ast.expr) for n in _grammar.RULED_EXPRESSIONS if n in known)
    assert not any(issubclass(known[n], ast.stmt | ast.expr) for n in _grammar.PARTS if n in known)


@pytest.mark.parametrize("name", sorted(_grammar.RULED_STATEMENTS - PLAIN_STATEMENTS))
def test_each_statement_has_a_documented_rule(name: str) -> None:
    """The documentation of the table is the rules' docstrings."""
    assert getattr(CompoundRules, f"stmt_{name}").__doc__


@pytest.mark.parametrize("name", sorted(_grammar.RULED_EXPRESSIONS - PLAIN_EXPRESSIONS))
def test_each_expression_has_a_documented_rule(name: str) -> None:
    """As for statements."""
    rule = SCOPES.get(name) or getattr(CompoundRules, f"expr_{WITHIN_OTHERS.get(name, name)}")
    assert rule.__doc__


@pytest.mark.parametrize("name", sorted(PLAIN_STATEMENTS - {"TypeAlias"}))
def test_a_statement_without_a_rule_holds_no_expression(name: str) -> None:
    """Its entry in the grammar of the interpreter says so itself. (A type alias has a scope that forbids yield.)"""
    described = getattr(ast, name).__doc__
    assert described and "expr" not in described and "stmt" not in described


def test_there_is_no_rule_without_an_entry() -> None:
    """A rule for a class that the table does not let in would never run."""
    ruled = {f"stmt_{n}" for n in _grammar.RULED_STATEMENTS} | {f"expr_{n}" for n in _grammar.RULED_EXPRESSIONS}
    assert {n for n in dir(CompoundRules) if n.startswith(("stmt_", "expr_"))} <= ruled


# -- failing closed ---------------------------------------------------------------------------------------------------

SOURCE = """
    def walk(things):
        for thing in things:
            if thing > 1:
                yield thing
        match things:
            case [1]:
                yield 2
"""


class PerhapsStatement(ast.stmt):
    """Syntax that some later Python might have."""

    _fields = ("value",)


class PerhapsExpression(ast.expr):
    _fields = ("value",)


class PerhapsOperator(ast.cmpop):
    pass


class PerhapsPattern(ast.pattern):
    pass


def _statement(tree: Any) -> ast.AST:
    new = PerhapsStatement(ast.Constant(1))
    tree.body[0].body[0].body.insert(0, ast.copy_location(new, tree.body[0].body[0].body[0]))
    return new


def _expression(tree: Any) -> ast.AST:
    compare = tree.body[0].body[0].body[0].test
    compare.left = ast.copy_location(PerhapsExpression(compare.left), compare.left)
    return compare.left


def _operator(tree: Any) -> ast.AST:
    tree.body[0].body[0].body[0].test.ops[0] = PerhapsOperator()
    return tree.body[0].body[0].body[0].test.ops[0]


def _pattern(tree: Any) -> ast.AST:
    case = tree.body[0].body[1].cases[0]
    case.pattern = ast.copy_location(PerhapsPattern(), case.pattern)
    return case.pattern


def _with_tree(change: Callable[[Any], ast.AST], path: Path, monkeypatch: pytest.MonkeyPatch) -> ResumableError:
    """Decorate a function whose parsed text was changed."""
    function = execute(path, SOURCE).walk
    parse = _source.parse_quietly

    def changed(text: str, filename: str) -> ast.Module:
        tree = parse(text, filename)
        change(tree)
        return tree

    monkeypatch.setattr(_source, "parse_quietly", changed)
    with pytest.raises(ResumableError) as caught:
        resumable(function)
    assert caught.value.filename == str(path)
    assert caught.value.function == "walk"
    return caught.value


@pytest.mark.parametrize(
    "change, name, line",
    [
        (_statement, "PerhapsStatement", 4),
        (_expression, "PerhapsExpression", 4),
        (_operator, "PerhapsOperator", 2),
        (_pattern, "PerhapsPattern", 7),
    ],
)
def test_an_unknown_class_is_refused(
    change: Callable[[Any], ast.AST], name: str, line: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Syntax that has no rule is refused at decoration, wherever it stands, even where nothing yields."""
    error = _with_tree(change, tmp_path / "later.py", monkeypatch)
    assert f"no rule for {name}" in error.problem
    assert error.line == line
    assert error.remedy


class PerhapsFor(ast.For):
    """A later kind of an existing statement: the table goes by the exact class, not by what it derives from."""


def test_a_class_derived_from_a_ruled_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects against rules that match too much."""

    def change(tree: Any) -> ast.AST:
        tree.body[0].body[0].__class__ = PerhapsFor
        return tree.body[0].body[0]

    assert "PerhapsFor" in _with_tree(change, tmp_path / "later.py", monkeypatch).problem


@pytest.mark.parametrize("name", ["AsyncFor", "AsyncWith", "Await"])
def test_a_known_and_refused_class_names_its_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser lets these pass in places where only the compiler forbids them."""

    def change(tree: Any) -> ast.AST:
        loop = tree.body[0].body[0]
        nothing = ast.Constant(None)
        new: ast.stmt = {
            "AsyncFor": ast.AsyncFor(loop.target, loop.iter, loop.body, [], None),
            "AsyncWith": ast.AsyncWith([ast.withitem(nothing, None)], loop.body, None),
            "Await": ast.Expr(ast.copy_location(ast.Await(nothing), loop)),
        }[name]
        tree.body[0].body[0] = ast.copy_location(new, loop)
        return new

    error = _with_tree(change, tmp_path / "later.py", monkeypatch)
    assert (error.problem, error.remedy) == _grammar.REFUSED[name]
    assert error.line == 3
