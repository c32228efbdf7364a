"""Services of a place: calls of them come in from anywhere, and run beside the pool that steps agents.

Each service has threads of its own, so that one that is slow or hangs keeps no other service waiting, and no agent.
A call has a deadline: then whoever called hears that, and what had not begun is not begun any more.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.cell import Raised
from agents.errors import (
    AgentsError,
    PlaceUnreachable,
    ServiceFailed,
    UnknownService,
    ValueNotPlain,
    WaitedTooLong,
)
from agents.here import Here, Surroundings
from agents.place.core import PlaceCore
from agents.place.outcomes import failed, returned
from agents.place.posting import encoded
from agents.protocol import CallService, Done
from agents.services import ServiceMaker
from agents.told import RemoteTrace, remade
from mobility.plain import PlainInvalid, decode

__all__ = [
    "OfferedService",
    "RaisedInCell",
    "Served",
    "Serving",
    "arguments_from",
    "arguments_to",
    "read_service_answer",
]


def arguments_to(what: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """The arguments of a call as bytes.

    Raises
    ------
    ValueNotPlain
    """
    return encoded([list(args), dict(kwargs)], f"what is given to {what}")


def arguments_from(data: bytes) -> tuple[list[Any], dict[str, Any]]:
    """From what `arguments_to` gave.

    Raises
    ------
    ValueNotPlain
        If it was somebody else who gave it.
    """
    try:
        args, kwargs = decode(data)
        if not (isinstance(args, list) and isinstance(kwargs, dict) and all(isinstance(key, str) for key in kwargs)):
            raise ValueError("they are no list and dict")
    except (PlainInvalid, TypeError, ValueError) as error:
        raise ValueNotPlain("the list of arguments", str(error)) from error
    return args, kwargs


def read_service_answer(place: str, service: str, data: bytes, package: str | None = None) -> Any:
    """What a service returned; `package` as in `agents.place.outcomes.read_outcome`.

    Raises
    ------
    ServiceFailed
    Exception
        What the service raised, if this process has a class of that name. Its cause is the traceback at the place.
    """
    told: Mapping[str, Any] = decode(data)
    if told["is"] == "returned":
        return told["value"]
    otherwise = ServiceFailed(place, service, told["kind"], told["text"], told["trace"])
    raise (remade(told, package) or otherwise) from RemoteTrace(told["trace"], told, otherwise)


class RaisedInCell(Exception):
    """What a service has raised that runs in a cell of its own: known here as the cell tells it."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.trace)
        self.raised = raised


class Served(Protocol):
    """Runs a service: gets the place, then the arguments of the call."""

    def __call__(self, here: Here, args: list[Any], kwargs: dict[str, Any]) -> Any: ...


@dataclass(slots=True, eq=False)
class OfferedService:
    """One service.

    Attributes
    ----------
    run
        Runs it.
    threads
        At most so many calls of it at once.
    """

    name: str
    run: Served
    most: int
    threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.threads = ThreadPoolExecutor(self.most, thread_name_prefix=f"sojourn-service-{self.name}")

    def close(self) -> None:
        """Begin no call any more."""
        self.threads.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True, eq=False)
class _Loaded:
    """A function that is loaded when it is first called."""

    make: ServiceMaker
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _function: Callable[..., Any] | None = field(default=None, init=False)

    def __call__(self, here: Here, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self._function is None:
            with self._lock:  # imported once, however many call it at that moment
                if self._function is None:
                    self._function = self.make()
        return self._function(here, *args, **kwargs)


class Serving:
    """Of one place.

    Parameters
    ----------
    given
        By name: what gives the function of a service.
    problem
        Why some of what the place should offer is not known; raised to whoever calls what there is not.
    """

    def __init__(
        self,
        core: PlaceCore,
        surroundings: Surroundings,
        given: Mapping[str, ServiceMaker],
        problem: AgentsError | None,
    ) -> None:
        self._core = core
        self._surroundings = surroundings
        self._problem = problem
        self._lock = threading.Lock()
        self._closed = False
        self._running = threading.local()
        self._services: dict[str, OfferedService] = {}
        for name, make in given.items():
            self.offer(name, _Loaded(make))

    @property
    def names(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(sorted(self._services))

    def offer(self, name: str, run: Served) -> None:
        """Offer a service, instead of the one of that name if there is any."""
        offered = OfferedService(name, run, self._core.options.most_service_calls)
        with self._lock:
            before = self._services.get(name)
            self._services[name] = offered
            closed = self._closed
        if before is not None:
            before.threads.shutdown(wait=False)  # calls of it that have come in are still done
        if closed:
            offered.close()

    def withdraw(self, name: str) -> None:
        """Offer it no more; what runs goes on."""
        with self._lock:
            before = self._services.pop(name, None)
        if before is not None:
            before.threads.shutdown(wait=False)

    def call(self, request: CallService) -> Done:
        """Run a service, and wait for its end; the value is an outcome, for `read_service_answer`.

        Raises
        ------
        UnknownService, ValueNotPlain, WaitedTooLong, PlaceUnreachable
        """
        args, kwargs = arguments_from(request.arguments)
        future = self._begun(request, args, kwargs)
        try:
            return Done(future.result(request.seconds))
        except FutureTimeout:
            never = future.cancel()
        state = "It had not begun, as others run, and will not." if never else _GOES_ON
        raise WaitedTooLong(f"the answer of {self._label(request.service)}", request.seconds, state=state)

    def _begun(self, request: CallService, args: list[Any], kwargs: dict[str, Any]) -> Future[bytes]:
        with self._lock:
            service = self._services.get(request.service)
            if service is not None and not self._closed:
                until = time.monotonic() + request.seconds
                return service.threads.submit(self._run, service, until, args, kwargs)
            known = sorted(self._services)
        if service is not None:
            raise PlaceUnreachable(self._core.name, "it has closed", unsent=True)
        if self._problem is not None:
            raise self._problem
        raise UnknownService(self._core.name, request.service, known)

    @property
    def seconds_left(self) -> float:
        """For the call that runs on this thread: how long somebody still waits for its end."""
        return float(max(0.0, getattr(self._running, "until", 0.0) - time.monotonic()))

    def _run(self, service: OfferedService, until: float, args: list[Any], kwargs: dict[str, Any]) -> bytes:
        """The outcome, whatever the service does."""
        places = [self._core.name]
        self._running.until = until
        try:
            # Not in the name of the caller, who is not here, and whom nobody has asked for a proof.
            value = service.run(Here(self._surroundings, f"service {service.name}"), args, kwargs)
        except RaisedInCell as error:
            return failed(error.raised, places)
        except BaseException as error:  # SystemExit of a service ends the call, not the place
            return failed(Raised(error, _trace(error)), places)
        return returned(self._label(service.name), value, places)[0]

    def _label(self, service: str) -> str:
        return f"the service {service} of {self._core.name}"

    def close(self) -> None:
        """Begin no call any more; what runs ends by itself."""
        with self._lock:
            self._closed = True
            services = list(self._services.values())
        for service in services:
            service.close()


_GOES_ON = "It still runs there; nobody hears what it returns."


def _trace(error: BaseException) -> str:
    """The traceback without the frames of the platform."""
    shown = error.__traceback__
    while shown is not None and str(shown.tb_frame.f_globals.get("__name__")).startswith("agents."):
        shown = shown.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, shown)).rstrip()
    except BaseException as problem:  # a __str__ of the service's own
        return f"{type(error).__qualname__}, of which no traceback could be made ({type(problem).__qualname__})"
