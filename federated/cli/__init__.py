"""The commands ``sojourn fl ...``: run Flower apps on data nodes, and look at what their owners keep.

`agents.cli` finds them by the entry point group ``sojourn.commands``. One file per command, in the style of those, with
their options and exit codes. A command imports what it needs when it runs, so that help needs neither Flower nor numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import typer

from federated.cli.audit import audit_file
from federated.cli.check import check_policies
from federated.cli.ledger import ledger_file
from federated.cli.run import run_on_nodes
from federated.cli.show import show_app
from federated.cli.sign import sign_app
from federated.cli.tour import tour_command

__all__: list[str] = []  # what the entry point names is found there, and imported by nobody

app = typer.Typer(
    help="Federated learning: Flower apps travel, signed, to where the data lies.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: In the order in which one meets them.
_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "run": run_on_nodes,
    "sign": sign_app,
    "show": show_app,
    "check": check_policies,
    "audit": audit_file,
    "ledger": ledger_file,
    "tour": tour_command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
