"""``sojourn fl audit``: verify the audit log of a node, and show what ran and what left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import existing_file, public_key_at
from agents.cli.options import Format, FormatOption
from agents.cli.screen import Screen, amount, moment, write_json

if TYPE_CHECKING:
    from federated.audit import AuditReport
    from federated.auditrecords import AuditHead

__all__ = ["audit_file"]


def audit_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The audit log of a node.", show_default=False)],
    place: Annotated[
        Path | None,
        typer.Option(
            "--place",
            metavar="KEYFILE",
            help="The public key of the place that must have signed it; see: sojourn places --keys FOLDER",
            show_default=False,
        ),
    ] = None,
    heads: Annotated[
        list[Path] | None,
        typer.Option(
            "--head",
            metavar="FILE",
            help="A statement that the place has given away: what it names must be there. May be given several times.",
            show_default=False,
        ),
    ] = None,
    at_least: Annotated[int, typer.Option("--at-least", metavar="N", min=0, help="So many entries must be there.")] = 0,
    output: FormatOption = Format.TEXT,
) -> None:
    """Verify each entry, their signatures and their chain, and list them. Exit code 3 if it does not hold."""
    from federated.audit import verify_audit
    from federated.errors import AuditCorrupt

    key = public_key_at(place) if place is not None else None
    report = verify_audit(existing_file(file), place=key, heads=[_head(one) for one in heads or ()], at_least=at_least)
    if output is Format.JSON:
        write_json(
            {
                "file": str(file),
                "sound": report.sound,
                "problems": list(report.problems),
                "place": None
                if report.place is None
                else {"name": report.place.name, "key_id": report.place.key_id, "expected": key is not None},
                "entries": report.rows(),
            }
        )
    else:
        _show(Screen(), str(file), report, expected=key is not None)
    if not report.sound:
        raise AuditCorrupt(
            file,
            f"does not hold: {'; '.join(report.problems)}",
            state="What was verified of it is listed, and nothing was changed.",
            remedy="Keep the file, and ask its place for an earlier copy or a head to hold it against.",
        )


def _head(path: Path) -> AuditHead:
    from federated.auditrecords import AuditHead
    from mobility.trust import DEFAULT_LIMITS

    with open(existing_file(path), "rb") as file:
        return AuditHead.from_bytes(file.read(DEFAULT_LIMITS.key_file_bytes + 1))


def _show(screen: Screen, file: str, report: AuditReport, *, expected: bool) -> None:
    screen.table(
        ("no", "time", "kind", "dataset", "app", "asker", "run", "type", "what"),
        [_row(row) for row in report.rows()],
    )
    screen.line()
    if report.place is not None:
        note = "" if expected else "; name the key that you expect with --place"
        screen.line(f"Signed by {report.place}{note}.")
    if report.sound:
        screen.line(f"{file} holds: {len(report.entries)} entries, each signed and in its place.", "green")


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    def brief(name: str) -> str:
        return str(row.get(name, "-"))[:12]

    return (
        row["number"],
        moment(row["time"]),
        row["kind"],
        row.get("dataset", "-"),
        brief("app"),
        brief("asker"),
        brief("run"),
        row.get("type", "-"),
        _what(row),
    )


def _what(row: dict[str, Any]) -> str:
    """What is particular to an entry of its kind."""
    match row["kind"]:
        case "opened":
            return f"the log of {row.get('role')}:{row.get('name')}"
        case "executed":
            seconds = f" in {float(row['seconds']):.3g} s" if _is_number(row.get("seconds")) else ""
            return f"{row.get('outcome', '-')}{seconds}"
        case "released":
            cost = [f"{name} {float(row[name]):.4g}" for name in ("rho", "epsilon") if _is_cost(row.get(name))]
            size = amount(row["bytes"]) if type(row.get("bytes")) is int else "-"
            return ", ".join([size, *cost])
        case "refused" | "withheld":
            rules = row.get("rules")
            return ", ".join(map(str, rules)) if type(rules) is list else str(row.get("why", "-"))
        case "recovered":
            return f"{row.get('bytes')} bytes of an unfinished line were cut off"
        case _:
            return str(row.get("reason", ""))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_cost(value: Any) -> bool:
    return _is_number(value) and float(value) > 0
