"""The four paradigms of code mobility: who has the code, who has the resource, and where it is executed.

A is the party that starts it, at site SA; the resource is at SB, but for code on demand, where it is at SA.

==================  =====================  ======================  ==========================  ========================
paradigm            before: SA             before: SB              after: SA                   after: SB
==================  =====================  ======================  ==========================  ========================
client-server       A                      code, resource, B       A                           code, resource, B
                                                                                               *executes*
remote evaluation   code, A                resource, B             A                           code, resource, B
                                                                                               *executes*
code on demand      resource, A            code, B                 resource, code, A           B
                                                                   *executes*
mobile agent        code, A                resource                --                          code, resource, A
                                                                                               *executes*
==================  =====================  ======================  ==========================  ========================

Each of them from outside, as a method of `agents.Platform`, and from within an agent, as an effect to yield:

==================  ==========================================  ====================================================
paradigm            from outside                                from within an agent
==================  ==========================================  ====================================================
client-server       ``platform.call(place, service, ...)``      ``yield request(place, service, ...)``
remote evaluation   ``platform.evaluate(place, function, ...)`` ``yield evaluate(place, function, ...)``
code on demand      ``platform.publish(function, name)``,       ``yield publish(function, name)``,
                    ``platform.fetch(name)``                    ``yield fetch(name)``
mobile agent        ``platform.launch(agent, ...)``             ``yield hop(place)``
==================  ==========================================  ====================================================

Code on demand has two more forms, which the receiver initiates as well: a place *pulls* a unit from the repository of
another one and starts it (``platform.pull``, `pull`), or takes it in as a *fragment*, code only, that becomes one of
the services of the place (``platform.install``; ``fragment=`` of ``launch`` and ``pull``).

A place has a repository; what is published in one is signed by its owner, and verified by whoever uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agents.effects import checked_seconds, place_name

__all__ = [
    "Evaluation",
    "Publication",
    "RemoteEffect",
    "ServiceCall",
    "UnitFetch",
    "UnitPull",
    "evaluate",
    "fetch",
    "publish",
    "pull",
    "request",
]


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """See `request`."""

    place: str
    service: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """See `evaluate`."""

    place: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    timeout: float = 3600.0
    process: bool | None = None


@dataclass(frozen=True, slots=True)
class UnitFetch:
    """See `fetch`."""

    name: str | None
    version: str | None
    digest: str | None
    source: str | None
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Publication:
    """See `publish`."""

    unit: Any
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class UnitPull:
    """See `pull`."""

    place: str
    name: str | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    version: str | None = None
    digest: str | None = None
    source: str | None = None
    called: str | None = None
    process: bool = False
    fragment: str | None = None
    replace: bool = False
    timeout: float = 60.0
    start_at: float | None = None
    start_when: str | None = None


#: What an agent yields to use other places without going there.
RemoteEffect: TypeAlias = ServiceCall | Evaluation | UnitFetch | Publication | UnitPull


def request(place: Any, service: str, /, *args: Any, timeout: float = 60.0, **kwargs: Any) -> ServiceCall:
    """Call a service of a place, and wait for what it returns (client-server).

    Raises
    ------
    UnknownPlace, UnknownService, ValueNotPlain, WaitedTooLong, PlaceUnreachable
        At the ``yield``.
    Exception
        What the service raised, at the ``yield``; `ServiceFailed` if there is no such class here.
    """
    return ServiceCall(place_name(place), service, args, kwargs, checked_seconds(timeout, "timeout"))


def evaluate(
    place: Any,
    function: Callable[..., Any],
    /,
    *args: Any,
    timeout: float = 3600.0,
    process: bool | None = None,
    **kwargs: Any,
) -> Evaluation:
    """Ship a function to a place, have it run there beside the resources, and get what it returns (remote evaluation).

    It is a function of the code that this agent brought along, and becomes a child of the agent: the function gets the
    place, then `args` and `kwargs`. While it runs, this agent waits without a thread, and can be moved.

    Parameters
    ----------
    timeout
        Seconds after which the agent waits no more; the child goes on.
    process
        Whether it runs in a process of its own; None: if this agent does.

    Raises
    ------
    MoveRefused, MoveFailed, UnknownPlace, WaitedTooLong
        At the ``yield``.
    Exception
        What the function raised, at the ``yield``; `AgentFailed` if there is no such class here.
    """
    if not callable(function):
        raise TypeError(f"a function is evaluated, not a {type(function).__qualname__}")
    seconds = checked_seconds(timeout, "timeout")
    return Evaluation(place_name(place), function, args, kwargs, seconds, process)


def fetch(
    name: str | None = None,
    *,
    version: str | None = None,
    digest: str | None = None,
    from_: Any = None,
    timeout: float = 60.0,
) -> UnitFetch:
    """Get published code from the repository of a place, to be called here (code on demand).

    The value of the ``yield`` is an `agents.units.FetchedUnit`: to be called like the function or class that it is, and
    to be kept across hops, where it travels by its name.

    Parameters
    ----------
    version
        None: the newest.
    digest
        Instead of a name: that very unit.
    from_
        The place; None: whichever has it, and has the newest.

    Raises
    ------
    UnknownUnit, UnknownPlace, PlaceUnreachable, mobility.errors.MobilityError
        At the ``yield``; the latter for what is not signed by somebody who is trusted here.
    """
    if (name is None) == (digest is None):
        raise TypeError("a unit is fetched by its name or by its digest")
    source = None if from_ is None else place_name(from_)
    return UnitFetch(name, version, digest, source, checked_seconds(timeout, "timeout"))


def publish(unit: Any, name: str, version: str = "1.0") -> Publication:
    """Publish a function or class of this agent's own code in the repository of the present place.

    The value of the ``yield`` is an `agents.units.PublishedUnit`.

    Raises
    ------
    NotPublishable, VersionTaken, UnitOwned
        At the ``yield``.
    """
    return Publication(unit, name, version)


def pull(
    place: Any,
    name: str | None = None,
    /,
    *args: Any,
    version: str | None = None,
    digest: str | None = None,
    from_: Any = None,
    called: str | None = None,
    process: bool = False,
    fragment: str | None = None,
    replace: bool = False,
    start_at: float | None = None,
    start_when: str | None = None,
    timeout: float = 60.0,
    **kwargs: Any,
) -> UnitPull:
    """Have a place get a published unit and start it there: weak mobility that the receiver initiates.

    The value of the ``yield`` is a handle of the agent that it becomes.

    Parameters
    ----------
    from_
        From the repository of which place; None: whichever has it.
    called
        How the agent is called.
    process, fragment, replace, start_at, start_when
        See `agents.terms.LaunchTerms`.

    Raises
    ------
    UnknownUnit, UnknownPlace, MoveRefused, MoveFailed, mobility.errors.MobilityError
        At the ``yield``.
    """
    if (name is None) == (digest is None):
        raise TypeError("a unit is pulled by its name or by its digest")
    return UnitPull(
        place_name(place),
        name,
        args,
        kwargs,
        version,
        digest,
        None if from_ is None else place_name(from_),
        called,
        process,
        fragment,
        replace,
        checked_seconds(timeout, "timeout"),
        start_at,
        start_when,
    )
