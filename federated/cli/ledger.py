"""``sojourn fl ledger``: what the datasets of a node have spent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import existing_file
from agents.cli.options import Format, FormatOption
from agents.cli.screen import Screen, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federated.accounting import Allowance
    from federated.ledgerrows import LedgerRow

__all__ = ["ledger_file"]


def ledger_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The ledger of a node.", show_default=False)],
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            metavar="FILE",
            help="The place's TOML file: then also what each dataset has left.",
            show_default=False,
        ),
    ] = None,
    delta: Annotated[
        float,
        typer.Option("--delta", metavar="DELTA", help="In terms of which to say epsilon, where no policy says it."),
    ] = 1e-5,
    output: FormatOption = Format.TEXT,
) -> None:
    """Verify the ledger row by row, and say what each dataset has spent: releases, and epsilon of its allowance."""
    from federated.errors import LedgerCorrupt
    from federated.ledger import Ledger
    from federated.policyfile import read_policies

    if not 0 < delta < 1:
        raise typer.BadParameter(f"it is between 0 and 1, not {delta!r}", param_hint="--delta")
    allowances = {} if policies is None else {
        name: policy.allowance for name, policy in read_policies(existing_file(policies)).items()
    }  # fmt: skip
    # Opening what has no rows yet would begin a ledger, and a look is not to begin one.
    if not existing_file(file).with_name(f"{file.name}.mark").is_file():
        raise LedgerCorrupt(file, "has no mark beside it, the file that says how far it has come")
    with Ledger(file) as ledger:
        rows = ledger.rows()
    found = _spent(rows, allowances, delta)
    if output is Format.JSON:
        write_json({"file": str(file), "rows": len(rows), "datasets": found})
        return
    screen = Screen()
    screen.table(
        ("dataset", "releases", "not confirmed", "runs", "epsilon", "delta", "epsilon of counts", "rounds by type"),
        [_row(one) for one in found],
    )
    screen.line()
    screen.line(f"{file} holds: {len(rows)} rows, each in its place.", "green")


def _spent(rows: Sequence[LedgerRow], allowances: dict[str, Allowance], delta: float) -> list[dict[str, Any]]:
    """What each dataset has spent; one with an allowance that has spent nothing is there, too."""
    from federated.accounting import Allowance, epsilon_of
    from federated.ledgerrows import RowKind, Sums

    sums = Sums()
    reserved: dict[str, list[LedgerRow]] = {name: [] for name in allowances}
    for row in rows:
        sums.add(row)
        if row.kind is RowKind.RESERVED:
            reserved.setdefault(row.dataset, []).append(row)
    found = []
    for name, of_dataset in sorted(reserved.items()):
        allowance = allowances.get(name, Allowance())
        cost = sums.spent(name, "", "").cost
        known = delta if allowance.delta is None else allowance.delta
        types: dict[str, int] = {}
        for row in of_dataset:
            types[row.type] = types.get(row.type, 0) + 1
        found.append(
            {
                "dataset": name,
                "releases": len(of_dataset),
                "unconfirmed": sum(1 for row in sums.open.values() if row.dataset == name),
                "runs": len({row.run for row in of_dataset}),
                "rho": cost.rho,
                "epsilon": epsilon_of(cost.rho, known),
                "delta": known,
                "counting_epsilon": cost.epsilon,
                "rounds": types,
                "allowed": {
                    "epsilon": allowance.epsilon,
                    "counting_epsilon": allowance.counting_epsilon,
                    "rounds_in_all": allowance.rounds_in_all,
                },
            }
        )
    return found


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    allowed = one["allowed"]
    most = allowed["rounds_in_all"]
    rounds = ", ".join(f"{type} {_of(number, most)}" for type, number in one["rounds"].items())
    return (
        one["dataset"],
        one["releases"],
        one["unconfirmed"],
        one["runs"],
        _of(one["epsilon"], allowed["epsilon"]),
        f"{one['delta']:g}",
        _of(one["counting_epsilon"], allowed["counting_epsilon"]),
        rounds or "-",
    )


def _of(spent: float, allowed: float | None) -> str:
    return f"{spent:.4g}" if allowed is None else f"{spent:.4g} of {allowed:.4g}"
