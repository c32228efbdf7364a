"""From a value that the encoder refuses to a sentence that says where it is and what to send instead.

The path is looked for only now, by a second walk: the encoder itself keeps no account of it.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import reprlib
from collections import deque
from collections.abc import Iterator
from typing import Any

from mobility.plain.errors import NotPlain
from mobility.plain.registry import Registry

__all__ = ["Refused", "explained", "unknown"]

_SHOWN = 12  # steps of a long path, at either end


class Refused(Exception):
    """`value` cannot be encoded.

    Attributes
    ----------
    offender, suffix
        What is to blame, if it is a part of `value` that is written with it, and which part.
    """

    def __init__(self, value: Any, reason: str, remedy: str, *, offender: Any = None, suffix: str = "") -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.remedy = remedy
        self.offender = value if offender is None else offender
        self.suffix = suffix


_REMEDIES = {
    "OrderedDict": "Send dict(value), which keeps the order.",
    "defaultdict": "Send dict(value).",
    "Counter": "Send dict(value).",
    "deque": "Send list(value).",
    "array": "Send list(value), or a numpy array.",
    "memoryview": "Send bytes(value).",
    "PosixPath": "Send pathlib.PurePosixPath(value): a path that can open files is not data.",
    "WindowsPath": "Send pathlib.PureWindowsPath(value): a path that can open files is not data.",
    "generator": "Send list(value), or hop with the generator itself.",
    "matrix": "Send numpy.asarray(value).",
    "memmap": "Send numpy.asarray(value).",
    "recarray": "Send numpy.asarray(value) with a plain structured dtype.",
    "MaskedArray": "Send the data and the mask as two arrays.",
    "DataFrame": "Send its columns as a dict of arrays.",
    "Series": "Send value.to_numpy().",
    "Tensor": "Send value.detach().cpu().numpy().",
}


def unknown(value: Any) -> Refused:
    """The refusal of a value whose type the format does not have."""
    kind = type(value)
    # By the class alone: a proxy answers questions about itself in the name of something else, or not at all.
    if issubclass(kind, enum.Enum) or dataclasses.is_dataclass(kind):
        what = "enum" if issubclass(kind, enum.Enum) else "dataclass"
        return Refused(
            value,
            f"this {what} is not registered",
            f"On both sides: registry.add({kind.__qualname__}, 'a stable name'), and pass registry=registry.",
        )
    base = next((b for b in _BUILT_IN if issubclass(kind, b)), None)
    if issubclass(kind, tuple) and hasattr(kind, "_asdict"):
        reason, remedy = "a named tuple is a class of its own", "Send tuple(value) or value._asdict()."
    elif issubclass(kind, BaseException):
        reason, remedy = "an exception may hold anything", "Send its type's name and str(value)."
    elif kind.__name__ in _REMEDIES:
        reason, remedy = "it is none of the plain types", _REMEDIES[kind.__name__]
    elif base is not None:
        reason = f"a subclass of {base.__name__} is not taken for one"
        remedy = f"Send {base.__name__}(value)." if base is not datetime.tzinfo else "Send a datetime.timezone."
    elif issubclass(kind, type) or callable(value):
        reason, remedy = "code is not data", "Send what it returns."
    else:
        reason = "it is none of the plain types"
        remedy = "Send dicts, lists, numbers, text, bytes, dates or arrays, or a registered dataclass."
    return Refused(value, reason, remedy)


_BUILT_IN = (
    bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset,
    datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo,
)  # fmt: skip


def explained(refused: Refused, root: Any, name: str, registry: Registry) -> NotPlain:
    """The error with the path to the value, which is called `name` as a whole."""
    kind = type(refused.offender)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return NotPlain(
        path=_spelt(name, _steps(root, refused.value, registry)) + refused.suffix,
        kind=module + kind.__qualname__,
        reason=refused.reason,
        remedy=refused.remedy,
    )


def _steps(root: Any, wanted: Any, registry: Registry) -> list[str]:
    """The steps of the shortest path to an object; none if it is the root, or was changed away meanwhile."""
    origin: dict[int, tuple[int, str]] = {}
    waiting = deque([root])
    kept = [root]  # no identity may be used twice
    while waiting:
        value = waiting.popleft()
        if value is wanted:
            steps = []
            at = id(value)
            while at != id(root):
                at, step = origin[at]
                steps.append(step)
            return steps[::-1]
        for step, child in _children(value, registry):
            if id(child) not in origin and child is not root:
                origin[id(child)] = (id(value), step)
                kept.append(child)
                waiting.append(child)
    return []


def _children(value: Any, registry: Registry) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind is list or kind is tuple:
        yield from ((f"[{index}]", child) for index, child in enumerate(value))
    elif kind is dict:
        for index, (key, child) in enumerate(value.items()):
            yield f"[{reprlib.repr(key) if _is_spelt(key) else f'list({{}})[{index}]'}]", child
            yield f"<{index}>", key
    elif kind is set or kind is frozenset:
        yield from ((f"<{index}>", child) for index, child in enumerate(value))
    elif kind is slice:
        yield from ((f".{name}", getattr(value, name)) for name in ("start", "stop", "step"))
    elif (entry := registry.of_kind(kind)) is not None:
        yield from ((f".{name}", getattr(value, name)) for name in entry.fields if hasattr(value, name))


def _is_spelt(key: Any) -> bool:
    """Whether a key's text is an expression, and runs no foreign code; Python spells no integer of 4300 digits."""
    return type(key) in (str, float, bool, type(None), bytes) or (type(key) is int and key.bit_length() < 256)


def _spelt(name: str, steps: list[str]) -> str:
    if len(steps) > 2 * _SHOWN:
        left_out = len(steps) - 2 * _SHOWN
        return _spelt(_spelt(name, steps[:_SHOWN]) + f"...({left_out} more)...", steps[-_SHOWN:])
    for step in steps:
        if step.startswith("<"):  # a key or member, which no index reaches
            name = f"list({name})[{step[1:-1]}]"
        else:
            name += step.replace("{}", name) if step.startswith("[list(") else step
    return name
