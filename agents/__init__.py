"""Agents: units of running code that visit places.

An agent is an ordinary generator function. It yields what it wants done; to `hop` is to go on at that very line on
another node.

==================  ==================================================================================================
mobile agent        `agent`, `Here`; `hop`, `clone`, `spawn`, `gather`
itineraries         `visit`, `ordered`, `any_order`, `alternatives`, `loop`; `onward`, `Way`
messages            `send`, `receive`, `ask`, `reply`; `Received`, `Clone`
waiting             `sleep`, `call`, `checkpoint`
other places' work  `request`, `evaluate`, `fetch`, `publish`, `pull`: see `agents.paradigms`
ending              `done`
the platform        `connect`, `Platform`, `PlaceInfo`
a reference         `Handle`, `AgentStatus`, `Trail`
what may go wrong   `AgentsError` and the tree in `agents.errors`
==================  ==================================================================================================

>>> from agents import agent, hop
>>> @agent
... def survey(here, places):
...     means = {}
...     for place in places:
...         here = yield hop(place)
...         means[here.name] = here.resource("readings").mean()
...     return means

The protocol by which an agent moves is in `agents.handoff`, a platform for tests in `agents.testing`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.decorating import agent
    from agents.effects import (
        Clone,
        Received,
        ask,
        call,
        checkpoint,
        clone,
        done,
        gather,
        hop,
        onward,
        receive,
        reply,
        send,
        sleep,
        spawn,
    )
    from agents.errors import AgentsError
    from agents.handle import Handle
    from agents.here import Here
    from agents.itinerary import Way
    from agents.paradigms import evaluate, fetch, publish, pull, request
    from agents.platform import PlaceInfo, Platform
    from agents.starting import connect
    from agents.status import AgentStatus
    from agents.trail import Trail
    from mobility.trust.itinerary import alternatives, any_order, loop, ordered, visit

#: Whose package this is: others have packages of the same name. `mobility.code.origin` goes by it.
__part_of__ = "sojourn"

__all__ = [
    "AgentsError",
    "Clone",
    "Handle",
    "Here",
    "PlaceInfo",
    "Platform",
    "Received",
    "AgentStatus",
    "Trail",
    "Way",
    "agent",
    "alternatives",
    "any_order",
    "ask",
    "call",
    "checkpoint",
    "clone",
    "connect",
    "done",
    "evaluate",
    "fetch",
    "gather",
    "hop",
    "loop",
    "onward",
    "ordered",
    "publish",
    "pull",
    "receive",
    "reply",
    "request",
    "send",
    "sleep",
    "spawn",
    "visit",
]

# Loaded when first asked for: the command line lives in this package too, and has to start at once.
_ROOMS = {
    "agent": "agents.decorating",
    **dict.fromkeys(
        (
            *("Clone", "Received", "ask", "call", "checkpoint", "clone"),
            *("done", "gather", "hop", "onward", "receive", "reply", "send", "sleep", "spawn"),
        ),
        "agents.effects",
    ),
    "AgentsError": "agents.errors",
    "Handle": "agents.handle",
    "Here": "agents.here",
    **dict.fromkeys(("evaluate", "fetch", "publish", "pull", "request"), "agents.paradigms"),
    **dict.fromkeys(("PlaceInfo", "Platform"), "agents.platform"),
    "connect": "agents.starting",
    "AgentStatus": "agents.status",
    "Trail": "agents.trail",
    "Way": "agents.itinerary",
    **dict.fromkeys(("alternatives", "any_order", "loop", "ordered", "visit"), "mobility.trust.itinerary"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_ROOMS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
