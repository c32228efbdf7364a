"""Call ``__reduce__`` and ``__setstate__`` of an itertools object without its deprecation warning.

From 3.12 to 3.13 both warn at each call. Changing the warning filters around the call would be wrong in a process
with threads: the filters belong to the whole process, and each change makes every warning of every module that was
shown once be shown again. The interpreter, however, consults the registry of the calling module before the filters:
a warning that this registry holds was "already given". So the calls are made from a name space of their own, whose
registry holds exactly this one message. Nothing outside the name space is touched.

A registry counts only while it bears the version number of the present filters. `_register` renews it, and learns the
number by offering the registry a warning that cannot be shown. If another thread changes the filters between the
renewal and the call, the warning escapes once: shown, or raised, and then the call is repeated.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

_WARNS = (3, 12) <= sys.version_info < (3, 14)
_TEXT = "Pickle, copy, and deepcopy support will be removed from itertools in Python 3.14."
_LINE = 1

_registry: dict[Any, Any] = {}
_space: dict[str, Any] = {"__name__": __name__, "__warningregistry__": _registry}
_call_reduce: Callable[[Any], Any] = eval("lambda it: it.__reduce__()", _space)
_call_set_state: Callable[[Any, Any], Any] = eval("lambda it, state: it.__setstate__(state)", _space)


class _CannotShow(Exception):
    """Stops the machinery of warnings just before it would print."""


class _Shy(type):
    def __bool__(cls) -> bool:
        # Asked by warnings.WarningMessage, the step between the decision to show a warning and showing it.
        raise _CannotShow


class _Probe(Warning, metaclass=_Shy):
    """Never seen: it makes the interpreter write the filters' version into the registry."""


_PROBE_KEY = (str(_Probe()), _Probe, _LINE)
_TEXT_KEY = (_TEXT, DeprecationWarning, _LINE)


def _register() -> None:
    try:
        warnings.warn_explicit(_Probe(), None, __name__, _LINE, registry=_registry)
    except (_CannotShow, _Probe):
        pass
    _registry[_PROBE_KEY] = True
    _registry[_TEXT_KEY] = True


def _quietly(call: Callable[..., Any], *arguments: Any) -> Any:
    if _WARNS:
        for _ in range(8):
            _register()
            try:
                return call(*arguments)
            except DeprecationWarning as warning:
                if str(warning) != _TEXT:
                    raise
    return call(*arguments)


def reduced(it: Any) -> tuple[Any, ...]:
    """Return what ``it.__reduce__()`` returns."""
    result: tuple[Any, ...] = _quietly(_call_reduce, it)
    return result


def set_state(it: Any, state: Any) -> None:
    """Call ``it.__setstate__(state)``."""
    _quietly(_call_set_state, it, state)
