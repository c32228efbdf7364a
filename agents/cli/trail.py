"""``sojourn trail``: the passport of an agent, verified: who held it, in what state, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.cli.home import HomeFolder
from agents.cli.options import (
    AddressOption,
    AgentArgument,
    Format,
    FormatOption,
    HomeOption,
    StoreOption,
    TimeoutOption,
)
from agents.cli.screen import Screen, amount, moment, write_json

if TYPE_CHECKING:
    from agents.trail import Link, Trail

__all__ = ["trail", "trail_as_data"]


def trail(
    name: AgentArgument,
    address: AddressOption = None,
    timeout: TimeoutOption = 30.0,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Show where an agent has been: the chain of hops that the places have signed, verified."""
    from agents.cli.reaching import Deadline, connected

    with connected(HomeFolder.of(home, store), address, Deadline(timeout), output) as platform:
        found = platform.get(name).trail()
    if output is Format.JSON:
        write_json(trail_as_data(found))
    elif found.verified:
        _show(found)
    if not found.verified:
        from agents.cli.platform_errors import TrailUnverified

        raise TrailUnverified(found.name, found.problem)


def trail_as_data(found: Trail) -> dict[str, Any]:
    """A trail for programs."""
    links = [{name: getattr(link, name) for name in type(link).__dataclass_fields__} for link in found.links]
    whole = {name: getattr(found, name) for name in type(found).__dataclass_fields__ if name not in ("links", "events")}
    return {**whole, "links": links}


def _show(found: Trail) -> None:
    screen = Screen()
    called = found.agent if found.name == found.agent else f"{found.name} ({found.agent})"
    screen.line(f"{called}, born {moment(found.born)}, owner {found.owner}: verified")
    if not found.links:
        screen.line("no hops yet")
        return
    columns = ("#", "from", "to", "state", "freeze", "ship", "thaw", "signed by", "")
    screen.table(columns, [_row(link) for link in found.links])


def _row(link: Link) -> tuple[object, ...]:
    to = link.destination or "a file"
    return (
        link.number,
        link.origin,
        to if link.child is None else f"{to} (branch {link.child})",
        "-" if link.bytes is None else amount(link.bytes),
        _ms(link.freeze_ms),
        _ms(link.ship_ms),
        _ms(link.thaw_ms),
        link.signed_by,
        "verified",
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
