"""The abstract machine: computations that can be captured, moved and resumed.

==================  =====================================================================================
execution state     `ExecutionState`: the label at which a generator is suspended, and its named values
strong mobility     `resumable`, `capture`, `restore`, `discard`: the execution state travels
serialisation       `dumps`, `loads`
migration           `pack`, `unpack`, `Bundle`: code, data and execution state in one signed file
trust               `Identity`, `TrustStore`, `Passport`, `VerifiedBundle`, `Limits`: who signed what
heterogeneity       `environment`: what a unit needs, what a host offers, and the verdict
==================  =====================================================================================

>>> import mobility
>>> @mobility.resumable
... def count(n):
...     for i in range(n):
...         yield i
>>> counting = count(3)
>>> next(counting)
0
>>> snapshot = mobility.dumps(counting)     # send these bytes to another process or machine
>>> mobility.discard(counting)              # it goes on there, not here
>>> list(mobility.loads(snapshot))
[1, 2]
"""

from typing import TYPE_CHECKING, Any

import mobility.v1  # noqa: F401  # snapshots refer to it by name
from mobility.resumable import resumable
from mobility.state import ExecutionState, capture, discard, dumps, loads, restore

if TYPE_CHECKING:
    from mobility import environment
    from mobility.bundle import Birth, Branch, Bundle, VerifiedBundle, pack, unpack
    from mobility.trust import Identity, Limits, Passport, TrustStore

#: Whose package this is: others have packages of the same name. `mobility.code.origin` goes by it.
__part_of__ = "sojourn"

__all__ = [
    "Birth",
    "Branch",
    "Bundle",
    "ExecutionState",
    "Identity",
    "Limits",
    "Passport",
    "TrustStore",
    "VerifiedBundle",
    "capture",
    "discard",
    "dumps",
    "environment",
    "loads",
    "pack",
    "restore",
    "resumable",
    "unpack",
]

# Loaded when first asked for: capturing and restoring need nothing that has to be installed.
_ROOMS = {
    **dict.fromkeys(("Birth", "Branch", "Bundle", "VerifiedBundle", "pack", "unpack"), "mobility.bundle"),
    **dict.fromkeys(("Identity", "Limits", "Passport", "TrustStore"), "mobility.trust"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "environment":
        return importlib.import_module("mobility.environment")
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_ROOMS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
