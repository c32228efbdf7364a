"""Datasets and their policies as a place's TOML file has them; nothing is guessed, and no key is ignored.

A key that is mistyped would else be a limit that does not hold. ::

    [place.datasets.ward]
    config = { data = "/srv/ward.csv" }    # what an app finds in context.node_config
    seconds = 600                          # that it may take for one message
    memory = "4 GiB"                       # of address space that its process may have
    reply_bytes = "64 MiB"
    tell = false                           # whether the text of what it raises leaves
    environment = { OMP_NUM_THREADS = "2" }
    loader = "wards:columns"               # gives the columns of which queries ask
    least = 3                              # participants without whose signed roster nothing is answered
    fellows = ["9d1f..."]                  # key ids of the places that may be on it; else all that are trusted

    [place.datasets.ward.policy]           # as `federated.policy` has it; without one nobody is admitted
    signers = ["5f0c..."]
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from agents.declared import bytes_of
from federated.accounting import Allowance
from federated.dataset import Dataset
from federated.errors import PolicyInvalid
from federated.policy import CountRule, Neighbours, NoiseRule, ReleasePolicy
from federated.queryrules import QueryRule

__all__ = ["datasets_at", "datasets_from_table", "policy_from_dict", "read_policies"]


def datasets_from_table(table: Any, *, path: object = None) -> dict[str, Dataset]:
    """Read the table ``[place.datasets]``.

    Parameters
    ----------
    path
        Of the file, for errors.

    Raises
    ------
    PolicyInvalid
    """
    return {
        name: _dataset_from_table(name, entry, path) for name, entry in _table("place.datasets", table, path).items()
    }


def _dataset_from_table(name: str, entry: Any, path: object) -> Dataset:
    where = f"place.datasets.{name}"
    given = _read_table(where, entry, {key: reader for key, reader in _DATASET.items() if key in _OFFERED}, path)
    if "memory" in given:
        given["memory_bytes"] = given.pop("memory")
    if "policy" in given:
        given["policy"] = policy_from_dict(name, given["policy"], path=path)
    return Dataset(**given)


def policy_from_dict(dataset: str, table: Mapping[str, Any], *, path: object = None) -> ReleasePolicy:
    """Read the table ``[place.datasets.NAME.policy]``.

    Parameters
    ----------
    path
        Of the file, for errors.

    Raises
    ------
    PolicyInvalid
    """
    where = f"place.datasets.{dataset}.policy"
    given = _read_table(where, table, _FIELDS, path)
    if "noise" in given:
        numbers = dict.fromkeys(("epsilon", "delta", "multiplier"), _number)
        given["noise"] = _made(f"{where}.noise", NoiseRule, numbers, given["noise"], path)
    if "allowance" in given:
        given["allowance"] = _made(f"{where}.allowance", Allowance, _ALLOWANCE, given["allowance"], path)
    rules = []
    for number, entry in enumerate(given.get("counts", ())):
        rules.append(_made(f"{where}.counts[{number}]", CountRule, _COUNT, entry, path, needed=("key", "epsilon")))
    given["counts"] = tuple(rules)
    given["queries"] = tuple(
        _made(f"{where}.queries[{number}]", QueryRule, _QUERY, entry, path, needed=("kinds", "askers"))
        for number, entry in enumerate(given.get("queries", ()))
    )
    try:
        return ReleasePolicy(dataset=dataset, **given)
    except ValueError as error:
        raise PolicyInvalid(where, f"cannot be: {error}", path=path) from None


def datasets_at(path: str | Path) -> dict[str, Dataset]:
    """The datasets of a place's TOML file; none, if it has no table ``[place.datasets]``.

    Raises
    ------
    PolicyInvalid
    """
    return datasets_from_table(_datasets(path), path=path)


def read_policies(path: str | Path) -> dict[str, ReleasePolicy]:
    """The policies of a place's TOML file, by data set; a data set without one has none, and releases nothing.

    Raises
    ------
    PolicyInvalid
    """
    found = {}
    for name, entry in _datasets(path).items():
        described = _table(f"place.datasets.{name}", entry, path)
        if "policy" in described:
            policy = _table(f"place.datasets.{name}.policy", described["policy"], path)
            found[name] = policy_from_dict(name, policy, path=path)
    return found


def _datasets(path: str | Path) -> Mapping[str, Any]:
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise PolicyInvalid("the file", f"cannot be read: {error.strerror or error}", path=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyInvalid("the file", f"is no TOML: {error}", path=path) from None
    place = _table("place", table.get("place", {}), path)
    return _table("place.datasets", place.get("datasets", {}), path)


def _table(where: str, value: Any, path: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PolicyInvalid(where, "is no table", path=path)
    return value


def _read_table(
    where: str, table: Any, readers: Mapping[str, Callable[[Any], Any]], path: object, needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    given = {}
    for name, value in _table(where, table, path).items():
        reader = readers.get(name)
        if reader is None:
            raise PolicyInvalid(f"{where}.{name}", f"is not known; there are {', '.join(readers)}", path=path)
        try:
            given[name] = reader(value)
        except ValueError as error:
            raise PolicyInvalid(f"{where}.{name}", str(error), path=path) from None
    for name in needed:
        if name not in given:
            raise PolicyInvalid(f"{where}.{name}", "is missing", path=path)
    return given


def _made(
    where: str,
    kind: Callable[..., Any],
    readers: Mapping[str, Callable[[Any], Any]],
    table: Any,
    path: object,
    needed: tuple[str, ...] = (),
) -> Any:
    given = _read_table(where, table, readers, path, needed)
    try:
        return kind(**given)
    except ValueError as error:
        raise PolicyInvalid(where, f"cannot be: {error}", path=path) from None


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(type(one) is str and one for one in value):
        raise ValueError("is no list of texts")
    return tuple(value)


def _text(value: Any) -> str:
    if type(value) is not str or not value:
        raise ValueError("is no text")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("is no finite number")
    return float(value)


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("is no whole number of at least 0")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("is neither true nor false")
    return value


def _neighbours(value: Any) -> Neighbours:
    if value not in list(Neighbours):
        raise ValueError(f"is none of {', '.join(Neighbours)}")
    return Neighbours(value)


def _dictionary(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("is no table")
    return dict(value)


def _tables(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("is no list of tables")
    return list(value)


def _seconds(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError("is no number above 0")
    return number


def _size(value: Any) -> int:
    size = bytes_of(value)
    if size == 0:
        raise ValueError("is no size above 0")
    return size


def _settings(value: Any) -> dict[str, Any]:
    for name, one in _dictionary(value).items():
        if type(one) not in (str, int, float, bool):
            raise ValueError(f"has under {name!r} neither a text, nor a number, nor true or false")
    return dict(value)


def _variables(value: Any) -> dict[str, str]:
    for name, one in _dictionary(value).items():
        if type(one) is not str or not name or "=" in name or "\0" in name + one:
            raise ValueError(f"has under {name!r} no text")
    return dict(value)


def _reference(value: Any) -> str:
    module, colon, qualname = _text(value).partition(":")
    if not (module and colon and qualname):
        raise ValueError("is not module:function")
    return str(value)


def _bounds(value: Any) -> tuple[tuple[str, tuple[float, float]], ...]:
    found = []
    for column, pair in _dictionary(value).items():
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"has under {column!r} no two numbers")
        found.append((column, (_number(pair[0]), _number(pair[1]))))
    return tuple(found)


def _count(value: Any) -> int:
    if _whole(value) < 1:
        raise ValueError("is less than 1")
    return int(value)


def _key_ids(value: Any) -> frozenset[str]:
    if not all(_KEY_ID.fullmatch(one) for one in _texts(value)):
        raise ValueError("has what is no key id: 64 hexadecimal digits, as sojourn key list shows")
    return frozenset(value)


_KEY_ID: Final = re.compile("[0-9a-f]{64}")
_DATASET: Final[dict[str, Callable[[Any], Any]]] = {
    "config": _settings,
    "seconds": _seconds,
    "memory": _size,
    "reply_bytes": _size,
    "tell": _flag,
    "environment": _variables,
    "least": _count,
    "fellows": _key_ids,
    "loader": _reference,
    "policy": _dictionary,
}
#: A key of which a `Dataset` knows nothing is not read: it would say what nobody heeds.
_OFFERED: Final = {"memory", *(field.name for field in fields(Dataset))}
_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    "signers": _texts,
    "digests": _texts,
    "messages": _texts,
    "keys": _texts,
    "exact": _texts,
    "dtypes": _texts,
    "most_bytes": _whole,
    "like_sent": _flag,
    "clip_norm": _number,
    "noise": _dictionary,
    "neighbours": _neighbours,
    "counts": _tables,
    "queries": _tables,
    "allowance": _dictionary,
}
_ALLOWANCE: Final[dict[str, Callable[[Any], Any]]] = {
    "rounds": _whole,
    "rounds_in_all": _whole,
    "epsilon": _number,
    "delta": _number,
    "counting_epsilon": _number,
}
_COUNT: Final[dict[str, Callable[[Any], Any]]] = {
    "key": _text,
    "epsilon": _number,
    "sensitivity": _whole,
    "length": _whole,
}
_QUERY: Final[dict[str, Callable[[Any], Any]]] = {
    "kinds": _texts,
    "askers": _texts,
    "columns": _texts,
    "by": _texts,
    "epsilon": _number,
    "exact": _flag,
    "least": _whole,
    "bounds": _bounds,
}
