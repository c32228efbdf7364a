"""Run a Flower app in Flower's own simulation engine, and print what its server part reports, as JSON.

``python benchmarks/flower_engine.py FOLDER NODES CPUS SETTINGS``, by an interpreter that has ``flwr[simulation]`` and
the Ray that it pins; nothing of this repository is imported. The engine is started as ``flwr run`` starts it, with the
app in its folder: there is no public call that gives a run config.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import tempfile
import time
import tomllib
from pathlib import Path


def main() -> None:
    """Run the app that the arguments name."""
    began = time.monotonic()
    folder, nodes, cpus, overrides = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
    # Its processes may still write there while it goes.
    with tempfile.TemporaryDirectory(prefix="flower-", ignore_cleanup_errors=True) as scratch:
        os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_HOME": scratch, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
        # Its actors get this too; without it they would put bytecode into the folder of the app.
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        with contextlib.redirect_stdout(sys.stderr):
            _simulate(folder, nodes, cpus, {**overrides, "report": f"{scratch}/report.json"})
        report = json.loads(Path(scratch, "report.json").read_text())
    whole = time.monotonic() - began
    print(json.dumps({**report, "whole": whole, "beside": whole - sum(report["seconds"])}))


def _simulate(folder: Path, nodes: int, cpus: int, overrides: dict[str, bool | float | int | str]) -> None:
    import numpy
    from flwr.app import Context, RecordDict
    from flwr.common.constant import SUPERLINK_NODE_ID
    from flwr.simulation.run_simulation import _run_simulation
    from flwr.supercore.constant import NOOP_FEDERATION_ID
    from flwr.supercore.run import Run
    from flwr.supercore.task_identity import TaskIdentity
    from flwr.supercore.telemetry import EventType

    project = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    settings = {**project["config"], **overrides}
    random.seed(1)
    numpy.random.seed(1)
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 5, SUPERLINK_NODE_ID, 1
    run = Run.create_empty(5)
    run.primary_task_id = 1
    run.federation_id = NOOP_FEDERATION_ID
    run.override_config = settings
    # One actor for each processor; Flower's default is one for every two.
    resources = {"num_cpus": 1, "num_gpus": 0.0}
    _run_simulation(
        num_supernodes=nodes,
        exit_event=EventType.PYTHON_API_RUN_SIMULATION_LEAVE,
        backend_config={"client_resources": resources, "init_args": {"num_cpus": cpus, "log_to_driver": False}},
        client_app_attr=project["components"]["clientapp"],
        server_app_attr=project["components"]["serverapp"],
        app_dir=str(folder),
        is_app=True,
        run=run,
        server_app_context=Context(
            run_id=5, node_id=SUPERLINK_NODE_ID, node_config={}, state=RecordDict(), run_config=settings
        ),
    )


if __name__ == "__main__":
    main()
