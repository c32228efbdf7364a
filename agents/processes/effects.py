"""What an agent yields in its process, on its way to the place that does it.

An effect that names a function, with its arguments, is taken apart where the function is: the place gets it as what
`mobility.bundle.pack` takes in its stead. A function that the agent only calls stays there.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Final

from agents import effects as does
from agents.errors import ValueNotPlain
from agents.paradigms import Publication, RemoteEffect
from agents.processes.parts import header_of
from agents.units import check_publishable
from mobility.bundle.collecting import Collected, collect, unit_of
from mobility.plain import NotPlain, Registry, decode, encode

__all__ = ["EFFECT_FORMS", "Packed", "packed", "stand_in", "unpacked", "with_code"]

_KINDS: Final[tuple[type, ...]] = (*typing.get_args(does.Effect), *typing.get_args(RemoteEffect))
#: The field in which an effect has a function or class.
_CODE: Final = {kind: "unit" if kind is Publication else "function" for kind in _KINDS}
#: As which effects travel.
EFFECT_FORMS: Final = Registry()
for _kind in _KINDS:
    if _kind is not does.Call and dataclasses.is_dataclass(_kind):
        EFFECT_FORMS.add(_kind, f"sojourn.effect.{_kind.__name__}")

#: How something is yielded: what it is, its bytes or the name of its type, the header of a function's parts, buffers.
Packed: typing.TypeAlias = tuple[str, Any, Any, list[memoryview]]


def packed(agent: str, effect: Any) -> Packed:
    """What an agent has yielded.

    Raises
    ------
    ValueNotPlain
        It would send what is no plain data.
    mobility.errors.MobilityError
        A function's arguments cannot travel.
    """
    kind = type(effect)
    if kind is does.Call:
        return "call", None, None, []
    header, buffers = None, list[memoryview]()
    if kind in _KINDS and hasattr(effect, _CODE[kind]):
        code = getattr(effect, _CODE[kind])
        if kind is Publication:
            check_publishable(code)
        unit = unit_of(code, getattr(effect, "args", ()), getattr(effect, "kwargs", {}))
        header, buffers = header_of(collect(*unit, preview=False))
        empty: dict[str, Any] = {"args": (), "kwargs": {}}
        rest = {name: value for name, value in empty.items() if hasattr(effect, name)}
        effect = dataclasses.replace(effect, **{_CODE[kind]: None}, **rest)
    try:
        return "effect", encode(effect, registry=EFFECT_FORMS), header, buffers
    except NotPlain as error:
        if kind not in _KINDS:
            return "other", [kind.__module__, kind.__qualname__], None, []
        what = f"what {agent} yields with {kind.__name__.lower()}"
        raise ValueNotPlain(what, f"{error.path} is of type {error.kind}, and {error.reason}") from error


def unpacked(data: bytes) -> Any:
    """An effect, or plain data, of which the place will say that it is none."""
    return decode(data, registry=EFFECT_FORMS)


def with_code(effect: Any, parts: Collected) -> Any:
    """The effect with the function or class that was taken apart, for `mobility.bundle.pack`."""
    # Not by its constructor: what the fields are is the effect's own affair.
    object.__setattr__(effect, _CODE[type(effect)], parts)
    return effect


def stand_in(module: str, qualname: str) -> Any:
    """Something of a type that the place does not have, and need not: it is no effect."""
    return type(qualname.rpartition(".")[2], (), {"__module__": module, "__qualname__": qualname})()
