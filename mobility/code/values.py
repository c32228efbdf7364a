"""What a value of a module is to its text: made by it, merely named in it, or something else by now."""

from __future__ import annotations

import ast
import enum
import types
import typing
from typing import Any

from mobility.code.origin import Origin, origin_of
from mobility.code.statements import SourceText, Statement
from mobility.code.view import ModuleView

__all__ = ["BY_NAME", "TYPE_ALIASES", "is_literal", "is_made_at_once", "is_own", "is_told_of_subclasses", "stands_in"]

#: Types whose objects are found again by their name.
BY_NAME = (type, types.FunctionType, typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple, typing.NewType)
_ALIAS: Any = typing.Annotated[int, 0]
#: Types of aliases of types, with the base of typing's own.
TYPE_ALIASES = (types.GenericAlias, types.UnionType, type(_ALIAS).__mro__[-2])


def is_own(view: ModuleView, name: str, value: Any) -> bool:
    """Whether the value is found again by this module and this name."""
    return getattr(value, "__module__", None) == view.name and getattr(value, "__name__", None) == name


def stands_in(function: types.FunctionType, view: ModuleView, place: tuple[SourceText, Statement]) -> bool:
    """Whether it is a lambda that this very statement made."""
    text, statement = place
    code = function.__code__
    own = function.__globals__ is view.namespace and code.co_filename == text.filename and not code.co_freevars
    own = own and all(isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) for node in statement.nodes)
    return own and code.co_qualname == "<lambda>" and statement.first <= code.co_firstlineno <= statement.last


def is_literal(statement: Statement, value: Any) -> bool:
    """Whether a statement that binds an immutable literal gives this value."""
    node = statement.nodes[0]
    assert isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
    code = compile(ast.Expression(node.value), "<literal>", "eval")
    return _are_same(eval(code, {"__builtins__": {}}), value)  # of constants alone


def _are_same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_are_same, one, other))
    return repr(one) == repr(other) if isinstance(one, float | complex) else bool(one == other)


def is_made_at_once(value: Any) -> bool:
    """Whether making a class calls its own methods: an enumeration's, or those that the project's metaclass calls."""
    kind = type(value)
    if isinstance(value, enum.EnumMeta):
        return any(name in vars(value) for name in ("__init__", "__new__", "_missing_", "_generate_next_value_"))
    return isinstance(value, type) and kind is not type and origin_of(kind.__module__) is Origin.LOCAL


def is_told_of_subclasses(value: Any) -> bool:
    """Whether making a subclass runs code of this class."""
    if not isinstance(value, type):
        return False
    own = [base for base in value.__mro__ if origin_of(base.__module__) is Origin.LOCAL]
    return any("__init_subclass__" in vars(base) for base in own) or origin_of(type(value).__module__) is Origin.LOCAL
