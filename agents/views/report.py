"""A report of a platform: one page that needs no network, no script and no other file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from agents.eventlog import EventKind, LogEvent
from agents.status import AgentStatus
from agents.trail import Trail
from agents.views.cards import agent_table, log_table, place_table, trail_card
from agents.views.looking import Overview, look_at, within
from agents.views.places_map import places_map
from agents.views.telling import event_text
from mobility.display.elements import Element, element
from mobility.display.sheet import Sign, badge, details, muted, page, paragraph, section, when_text
from mobility.errors import MobilityError

if TYPE_CHECKING:
    from agents.platform import Platform

__all__ = ["AgentReport", "PlatformReport", "report_of"]

#: Agents that are told of where none were named.
_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class AgentReport:
    """Of one agent; `problem` says why there is no trail or log."""

    name: str
    status: AgentStatus | None
    trail: Trail | None
    events: tuple[LogEvent, ...]
    problem: str = ""

    @property
    def failure(self) -> str:
        """Of one that ended with an error: what that was."""
        failed = [event for event in self.events if event.kind is EventKind.FAILED]
        return event_text(failed[-1]) if failed else ""


@dataclass(frozen=True, slots=True)
class PlatformReport:
    """What was found.

    Attributes
    ----------
    look
        Places, agents, moves.
    agents
        Those that are told of.
    warnings
        What did not verify, or could not be seen.
    """

    look: Overview
    agents: tuple[AgentReport, ...]
    warnings: tuple[str, ...]

    def html(self) -> str:
        """The page."""
        found = [paragraph(badge(Sign.BAD, warning)) for warning in self.warnings]
        good = badge(Sign.GOOD, "every trail is verified, every place answers")
        return page(
            "Sojourn report",
            element("h1", "Sojourn report", style="font-size:1.6em; margin:0"),
            paragraph(muted(f"as of {when_text(self.look.time)}")),
            section("Warnings", *found) if found else paragraph(good),
            section("Map", places_map(self.look).element()),
            section("Places", place_table(self.look.places)),
            section("Agents", agent_table(self.look.agents)),
            *(_agent(one, self.look.time) for one in self.agents),
        )


def _agent(one: AgentReport, now: float) -> Element:
    parts: list[Element] = [element("h2", element("bdi", one.name), style="font-size:1.2em; margin:28px 0 4px 0")]
    if one.problem:
        parts.append(paragraph(badge(Sign.BAD, one.problem)))
    if one.failure:
        parts.append(paragraph(badge(Sign.BAD, one.failure)))
    if one.trail is not None:
        lasting = one.status is not None and one.status.place is not None
        parts += [trail_card(one.trail), one.trail.timeline(until=now if lasting else None).element()]
    if one.events:
        names = {one.status.agent: one.name} if one.status is not None else {}
        parts.append(
            details(f"Log: {len(one.events)} event{'' if len(one.events) == 1 else 's'}", log_table(one.events, names))
        )
    return element("section", *parts)


def report_of(platform: Platform, names: Sequence[str] = (), *, seconds: float = 30.0) -> PlatformReport:
    """Overview at a platform, and at the trail and the log of each agent that is named.

    Parameters
    ----------
    names
        Agents by name or id; none: the youngest 50, also those that have ended.
    seconds
        That it may take. What was not seen by then is a warning.

    Raises
    ------
    UnknownAgent
        If one that was named is not there.
    WaitedTooLong
        If not even the names of places and agents were to be had.
    """
    end = time.monotonic() + seconds
    handles = [within(_left(end), partial(platform.get, name)) for name in names]
    look = look_at(platform.client, ended=True, seconds=max(0.5, min(10.0, seconds / 2)))
    warnings = list(look.problems)
    warnings += [
        f"{place.name} does not answer: {place.about['problem']}" for place in look.places if "problem" in place.about
    ]
    by_id = {status.agent: status for status in look.agents}
    wanted = [(handle.agent, handle.name) for handle in handles]
    if not names:
        wanted = [(status.agent, status.name) for status in look.agents[:_MOST]]
        if len(look.agents) > _MOST:
            warnings.append(f"of {len(look.agents)} agents only the youngest {_MOST} are told of")
    found = []
    for agent, name in wanted:
        if time.monotonic() >= end:
            warnings.append(f"{name} was not looked at: the time was over")
            continue
        one = _look_at_agent(platform, agent, name, by_id.get(agent), _left(end))
        found.append(one)
        if one.problem:
            warnings.append(f"{name} cannot be seen: {one.problem}")
        elif one.trail is not None and not one.trail.verified:
            warnings.append(f"the trail of {name} is NOT VERIFIED: {one.trail.problem}")
        if one.status is not None and one.status.state in ("unreachable", "held back"):
            warnings.append(f"{name} is {one.status.state}")
    return PlatformReport(look, tuple(found), tuple(warnings))


def _left(end: float) -> float:
    return max(0.1, end - time.monotonic())


def _look_at_agent(
    platform: Platform, agent: str, name: str, status: AgentStatus | None, seconds: float
) -> AgentReport:
    def look() -> AgentReport:
        handle = platform.get(agent)
        return AgentReport(name, status or handle.status(), handle.trail(), tuple(handle.logs(1000)))

    try:
        return within(seconds, look)
    except MobilityError as error:
        return AgentReport(name, status, None, (), f"{error.slug}: {error}")
