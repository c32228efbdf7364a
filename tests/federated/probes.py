"""Small apps, written to a folder: a ClientApp of a few lines, and a server that asks once and tells what came."""

from __future__ import annotations

import textwrap
from pathlib import Path

from federated.app import AppBundle

PROJECT = """
[project]
name = "probe"
version = "1.0.0"
description = "a probe"
license = "Apache-2.0"
dependencies = ["flwr>=1.40.0"]

[tool.flwr.app]
publisher = "sojourn"

[tool.flwr.app.components]
serverapp = "server:app"
clientapp = "client:app"

[tool.flwr.app.config]
rounds = 1
timeout = 20.0
[tool.flwr.app.config.deep]
value = "x"
"""

#: The same with settings of its own.
CONFIG = PROJECT[: PROJECT.index("rounds = 1")] + "{}\n"

SERVER = """
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()

@app.main()
def main(grid, context):
    import numpy
    FedAvg(min_train_nodes=1, min_available_nodes=1, min_evaluate_nodes=1, fraction_evaluate=0.0).start(
        grid=grid, initial_arrays=ArrayRecord([numpy.zeros(4)]), num_rounds=context.run_config["rounds"],
        timeout=context.run_config["timeout"])
"""

CLIENT_HEAD = """
import os, sys, time
import numpy
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()

def answer(msg, array, **metrics):
    content = RecordDict({"arrays": ArrayRecord([array]), "metrics": MetricRecord({"num-examples": 1, **metrics})})
    return Message(content, reply_to=msg)
"""


def write(folder: Path, client: str, *, server: str = SERVER, project: str = PROJECT) -> Path:
    """An app in a new folder; `client` is the body of its training function, or a whole module if it has a def."""
    folder.mkdir(parents=True)
    body = textwrap.dedent(client)
    if "def " not in body:
        body = "@app.train()\ndef train(msg, context):\n" + textwrap.indent(body, "    ")
    (folder / "client.py").write_text(CLIENT_HEAD + "\n" + body, encoding="utf-8")
    (folder / "server.py").write_text(server, encoding="utf-8")
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    return folder


def probe(folder: Path, client: str, **others: str) -> AppBundle:
    """The same as a bundle."""
    return AppBundle.from_dir(write(folder, client, **others))
