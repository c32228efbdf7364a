"""Conditions on records, and the values that they, groups and categories are held against: checked data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from federated.errors import QueryInvalid

__all__ = ["MOST_CELLS", "Condition", "Value", "checked_name", "checked_values", "plain_sequence"]

#: What a condition, a group or a category is held against.
Value: TypeAlias = str | int | float | bool

#: Of one query, in all groups.
MOST_CELLS: Final = 10_000
_OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=", "in")
_MOST_TEXT: Final = 256


@dataclass(frozen=True, slots=True)
class Condition:
    """What a record has to meet.

    Attributes
    ----------
    column
        Of the record.
    operator
        ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` or ``in``.
    value
        With which its value is compared; for ``in``, several.
    """

    column: str
    operator: str
    value: Value | tuple[Value, ...]

    def __post_init__(self) -> None:
        checked_name("the column of a condition", self.column)
        if self.operator not in _OPERATORS:
            raise QueryInvalid(f"a condition compares by one of {', '.join(_OPERATORS)}, not by {self.operator!r:.40}")
        if self.operator == "in":
            object.__setattr__(self, "value", checked_values(f"the condition on {self.column}", self.value))
        else:
            _value(f"the condition on {self.column}", self.value)
            if self.operator not in ("==", "!=") and type(self.value) not in (int, float):
                raise QueryInvalid(f"the condition on {self.column} orders by a number, not by {self.value!r:.80}")

    def to_plain(self) -> list[Any]:
        """As it travels."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return [self.column, self.operator, value]


def checked_name(what: str, value: Any) -> None:
    """Refuse what is no name.

    Raises
    ------
    QueryInvalid
    """
    if type(value) is not str or not 0 < len(value) <= _MOST_TEXT:
        raise QueryInvalid(f"{what} is a name of 1 to {_MOST_TEXT} letters, not {value!r:.80}")


def _value(what: str, value: Any) -> None:
    if type(value) not in (str, int, float, bool) or (type(value) is str and len(value) > _MOST_TEXT):
        raise QueryInvalid(f"{what} has a value that is no text, number or truth value: {value!r:.80}")
    if type(value) is float and not math.isfinite(value):
        raise QueryInvalid(f"{what} has the number {value!r}")
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise QueryInvalid(f"{what} has a whole number of more than 64 bits")


def checked_values(what: str, values: Any) -> tuple[Value, ...]:
    """Distinct ones; 1, 1.0 and True are the same.

    Raises
    ------
    QueryInvalid
    """
    given = plain_sequence(what, values)
    for value in given:
        _value(what, value)
    if not given or len(given) > MOST_CELLS or len(set(given)) != len(given):
        raise QueryInvalid(f"{what}: 1 to {MOST_CELLS} values, each once")
    return given


def plain_sequence(what: str, values: Any) -> tuple[Any, ...]:
    """What is given as a list; not a text.

    Raises
    ------
    QueryInvalid
    """
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise QueryInvalid(f"{what} is a list, not {values!r:.80}")
    # Numbers of numpy are numbers of Python here, so that they travel.
    return tuple(one.item() if hasattr(one, "item") else one for one in values)
