"""Federated learning by moving the code to the data: unmodified Flower apps travel, signed, to where the data lies.

================  ====================================================================================
`AppBundle`       a Flower app, signed by its author; `verify_app` is the receiver's side
`run_app`         runs one on nodes that let it in, and gives a `RunResult`
`DataNode`        a place with datasets: what may come is an `AppAdmission`, all else is in `Dataset`
`ReleasePolicy`   what may leave, and at what price
`PlatformNodes`   the link to data nodes at the places of a platform
`LocalNodes`      data nodes in this process, for tests
`RoundJournal`    what has been answered in a run, so that it goes on where it was killed
`AuditLog`        what ran on what data, for whom, and what left: a chain that can be verified
`AgentGrid`       Flower's Grid over such nodes, which the app's server part gets
================  ====================================================================================

Flower itself is an extra, ``sojourn[federated]``, and is imported only where an app is built or run.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from federated._flower.grid import AgentGrid
    from federated.app import AppBundle, VerifiedApp, verify_app
    from federated.audit import AuditLog
    from federated.dataset import AppAdmission, Dataset
    from federated.errors import FederatedError
    from federated.journal import RoundJournal
    from federated.linking import PlatformNodes
    from federated.local import LocalNodes
    from federated.node import DataNode
    from federated.policy import ReleasePolicy
    from federated.results import Progress, RunResult
    from federated.running import run_app

#: Whose package this is: others have packages of the same name. `mobility.code.origin` goes by it.
__part_of__ = "sojourn"

__all__ = [
    "AgentGrid",
    "AppAdmission",
    "AppBundle",
    "AuditLog",
    "DataNode",
    "Dataset",
    "FederatedError",
    "LocalNodes",
    "PlatformNodes",
    "Progress",
    "ReleasePolicy",
    "RoundJournal",
    "RunResult",
    "VerifiedApp",
    "run_app",
    "verify_app",
]

# Loaded when first asked for: a part of the command line lives in this package too, and has to start at once.
_ROOMS = {
    **dict.fromkeys(("AppBundle", "VerifiedApp", "verify_app"), "federated.app"),
    **dict.fromkeys(("AppAdmission", "Dataset"), "federated.dataset"),
    "FederatedError": "federated.errors",
    "PlatformNodes": "federated.linking",
    "LocalNodes": "federated.local",
    "AgentGrid": "federated._flower.grid",
    "AuditLog": "federated.audit",
    "RoundJournal": "federated.journal",
    "ReleasePolicy": "federated.policy",
    "DataNode": "federated.node",
    **dict.fromkeys(("Progress", "RunResult"), "federated.results"),
    "run_app": "federated.running",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_ROOMS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
