"""One table that says of every class of the :mod:`ast` module how a resumable function treats it.

A class that is not in the table is refused, so syntax of a later Python fails closed until it has been given a rule.
The rule for each statement and expression is the docstring of the method ``stmt_X`` or ``expr_X`` of the normaliser.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = [
    "PARTS",
    "REFUSED",
    "RULED_EXPRESSIONS",
    "RULED_STATEMENTS",
    "annotations_of",
    "is_ruled",
    "own_scope",
    "scope_entries",
]

RULED_STATEMENTS = frozenset(
    """AnnAssign Assert Assign AsyncFunctionDef AugAssign Break ClassDef Continue Delete Expr For FunctionDef Global
    If Import ImportFrom Match Nonlocal Pass Raise Return Try TryStar TypeAlias While With""".split()
)
RULED_EXPRESSIONS = frozenset(
    """Attribute BinOp BoolOp Call Compare Constant Dict DictComp FormattedValue GeneratorExp IfExp JoinedStr Lambda
    List ListComp Name NamedExpr Set SetComp Slice Starred Subscript Tuple UnaryOp Yield YieldFrom""".split()
)
#: What statements and expressions are made of; handled by the rule of the node that holds them.
PARTS = frozenset(
    """arguments arg keyword alias withitem match_case comprehension ExceptHandler Load Store Del And Or Add Sub Mult
    MatMult Div Mod Pow LShift RShift BitOr BitXor BitAnd FloorDiv Invert Not UAdd USub Eq NotEq Lt LtE Gt GtE
    Is IsNot In NotIn MatchValue MatchSingleton MatchSequence MatchMapping MatchClass MatchStar MatchAs
    MatchOr TypeVar ParamSpec TypeVarTuple""".split()
)
#: Known and refused: the reason and the remedy.
REFUSED: dict[str, tuple[str, str]] = {
    "AsyncFor": ("it iterates asynchronously", "Use an ordinary generator with an ordinary for."),
    "AsyncWith": ("it enters a manager asynchronously", "Use an ordinary generator with an ordinary with."),
    "Await": ("it awaits", "Write it as an ordinary generator, and yield where it would await."),
    # Whole programs and types, which never stand in a function; abstract classes, and those that no parser makes.
    **dict.fromkeys(
        """Module Interactive Expression FunctionType Suite TypeIgnore Param AugLoad AugStore Index ExtSlice Num Str
        Bytes NameConstant Ellipsis mod stmt expr expr_context boolop operator unaryop cmpop excepthandler pattern
        type_ignore type_param slice AST""".split(),
        ("it is not the syntax of a function body", "Write it as ordinary Python source."),
    ),
}


def is_ruled(kind: type[ast.AST]) -> bool:
    """Whether nodes of exactly this class may stand in a resumable function."""
    name = kind.__name__
    return name in RULED_STATEMENTS or name in RULED_EXPRESSIONS or name in PARTS


def annotations_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """Annotations of a function's parameters and result."""
    spec = node.args
    parameters = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
    found = [parameter.annotation for parameter in parameters if parameter is not None]
    return [annotation for annotation in (*found, node.returns) if annotation is not None]


def scope_entries(node: ast.AST) -> list[ast.AST] | None:
    """The children of a node that opens a scope which are evaluated outside of it; None if it opens no scope."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            values = [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]
            return [value for value in (*values, *annotations_of(node)) if value is not None]
        case ast.Lambda():
            return [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        case ast.ClassDef():
            return [*node.decorator_list, *node.bases, *node.keywords]
        case ast.GeneratorExp() | ast.ListComp() | ast.SetComp() | ast.DictComp():
            return [node.generators[0].iter]
        case _:
            return None


def own_scope(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all below it that is evaluated in the same scope."""
    yield node
    entries = scope_entries(node)
    for child in ast.iter_child_nodes(node) if entries is None else entries:
        yield from own_scope(child)
