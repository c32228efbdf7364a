"""Federated learning by moving the code to the data: unmodified Flower apps travel, signed, to where the data lies.

================  ====================================================================================
`AppBundle`       a Flower app, signed by its author; `verify_app` is the receiver's side
`run_app`         runs one on nodes that let it in, and gives a `RunResult`
`DataNode`        a place with datasets: what may come is an `AppAdmission`, all else is in `Dataset`
`PlatformNodes`   the link to data nodes at the places of a platform
`LocalNodes`      data nodes in this process, for tests
================  ====================================================================================

Flower itself is an extra, ``sojourn[federated]``, and is imported only where an app is built or run.
"""

from federated.app import AppBundle, VerifiedApp, verify_app
from federated.dataset import AppAdmission, Dataset
from federated.errors import FederatedError
from federated.linking import PlatformNodes
from federated.local import LocalNodes
from federated.node import DataNode
from federated.running import Progress, RunResult, run_app

__all__ = [
    "AppAdmission",
    "AppBundle",
    "DataNode",
    "Dataset",
    "FederatedError",
    "LocalNodes",
    "PlatformNodes",
    "Progress",
    "RunResult",
    "VerifiedApp",
    "run_app",
    "verify_app",
]
