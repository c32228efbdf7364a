"""The declared fallback: what neither pickle nor our reducers know goes by dill, each value by itself.

Loaded when it is needed: it costs a twentieth of a second.
"""

from __future__ import annotations

import pickletools
from typing import Any

from mobility.reducers.refusal import Refused

__all__ = ["is_known", "reduce_by_dill", "undill"]

_BYTECODE = frozenset({"_create_code", "CodeType"})


def is_known(kind: type) -> bool:
    """Whether dill has a way for values of this type that pickle has not."""
    import dill

    return any(base in dill.Pickler.dispatch for base in kind.__mro__[:-1])


def reduce_by_dill(value: Any) -> tuple[tuple[Any, ...], frozenset[str], bool]:
    """How to load the value, the modules that its description names, and whether it holds bytecode.

    Raises
    ------
    Refused
        If dill does not know it, either.
    """
    import dill

    try:
        data = dill.dumps(value, protocol=4, byref=False, recurse=True)
    except Exception as error:
        what = f"a value of {type(value).__qualname__} that neither pickle nor dill can write ({error})"
        raise Refused(what, "Make it again after the move, or give its type a __reduce__.") from error
    named = _references(data)
    bytecode = any(name in _BYTECODE for _, name in named)
    return (undill, (data,)), frozenset(module for module, _ in named), bytecode


def _references(data: bytes) -> set[tuple[str, str]]:
    """Module and name of all that a pickle names, without loading it."""
    found: set[tuple[str, str]] = set()
    stack: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            found.add((module, name))
        elif opcode.name == "STACK_GLOBAL":
            if len(stack) >= 2:
                found.add((stack[-2], stack[-1]))
        elif opcode.name.endswith("UNICODE"):
            stack.append(str(argument))
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = stack[-1] if stack else ""
        elif opcode.name in ("BINGET", "LONG_BINGET") and memo.get(int(argument or 0)):
            stack.append(memo[int(argument or 0)])
    return found


def undill(data: bytes) -> Any:
    """Load what `reduce_by_dill` wrote."""
    import dill

    return dill.loads(data)


LOADERS = (undill,)
