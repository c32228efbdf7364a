"""Requests over connections of our own where that is possible, and as calls of Ray's actors everywhere else.

A call of Ray takes most of a millisecond, and a hop needs two. Each place, and the directory, therefore listens at a
port as well (`agents.sockets`); where that cannot be reached, as behind a firewall, Ray carries the request. What was
sent and not answered is not sent again the other way.

A request and its answer are pickled here, once, and Ray carries bytes: its own pickler, which must cope with whatever a
program gives it, takes a tenth of a millisecond more for each. Large bundles travel beside the request, as buffers of
pickle protocol 5, so that Ray neither copies them into its message nor out of it.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    RayActorError,
    RayError,
    RaySystemError,
)

from agents._ray.membership import PLATFORM_NAMESPACE
from agents.directory import Member
from agents.directory_service import WAITING_METHODS
from agents.errors import AgentsError, DirectoryUnreachable, PlaceUnreachable, UnknownPlace
from agents.protocol import (
    CallService,
    Control,
    Deliver,
    Drain,
    FetchCode,
    FetchUnit,
    Judges,
    LooksAt,
    NotHere,
    PlaceReply,
    PlaceRequest,
    PublishUnit,
    PullUnit,
    RemoveFragment,
    Reopen,
    Transfer,
    UseResource,
)
from agents.sockets import Interrupted, NoConnection, SocketAddress, SocketCaller

__all__ = ["DIRECTORY", "Buffer", "RayTransport", "to_bytes"]

#: Name of the directory's actor.
DIRECTORY: Final = "directory"
#: For how long a list of the places is good.
_FRESH: Final = 1.0
#: Seconds for which an address that was not reached is not tried again.
_SHUNNED: Final = 30.0
#: Bundles of fewer bytes go in the message itself.
_SMALL: Final = 64 << 10

#: Each kind of request has threads of its own at a place, so that none waits behind another kind.
_DOORS: Final[dict[type[Any], str]] = {
    Transfer: "transfer",
    Deliver: "deliver",
    FetchCode: "look",
    LooksAt: "look",
    Control: "control",
    CallService: "call",
    PublishUnit: "control",
    FetchUnit: "look",
    PullUnit: "pull",
    RemoveFragment: "control",
    Drain: "control",
    Reopen: "control",
    Judges: "look",
    UseResource: "use",
}


class Buffer:
    """Bytes that Ray carries beside its message (PEP 574)."""

    __slots__ = ("data",)

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Buffer, (pickle.PickleBuffer(self.data) if protocol >= 5 else bytes(self.data),)


def to_bytes(value: object) -> bytes:
    """A request or an answer, for the other end of a call; both ends are processes of one platform."""
    return pickle.dumps(value, protocol=5)


class RayTransport:
    """To the places and the directory of the platform that runs on the Ray of this process.

    Parameters
    ----------
    own
        The name of the place in whose process this is, and what answers there.
    sockets
        Whether connections of our own may be used.
    """

    def __init__(
        self, own: tuple[str, Callable[[PlaceRequest], PlaceReply]] | None = None, *, sockets: bool = True
    ) -> None:
        self._own = own
        self._sockets = sockets
        self._caller: SocketCaller | None = None
        self._directory: SocketAddress | None = None
        self._shunned: dict[SocketAddress, float] = {}
        self._lock = threading.Lock()
        self._actors: dict[str, Any] = {}
        self._doors: dict[tuple[str, str], Any] = {}
        self._members: dict[str, Member] = {}
        self._looked = float("-inf")

    # -- places

    def ask_place(self, place: str, request: PlaceRequest, *, timeout: float) -> PlaceReply:
        if self._own is not None and place == self._own[0]:
            return self._own[1](request)
        member = self._member(place)
        try:
            return self._ask_member(member, request, timeout)
        except PlaceUnreachable as error:
            # What was known of it may be of a node that is gone, in yesterday's cluster for one: nobody was asked yet.
            if not error.unsent or self._member(place).about["actor"] == member.about["actor"]:
                raise
        return self._ask_member(self._member(place), request, timeout)

    def _ask_member(self, member: Member, request: PlaceRequest, timeout: float) -> PlaceReply:
        place, name = member.place, str(member.about["actor"])
        payload: Any = None
        if isinstance(request, Transfer) and len(request.bundle) > _SMALL:
            payload = request.bundle
            request = replace(request, bundle=b"")
        done, direct = self._directly(member.about.get("socket"), place, request, payload, timeout)
        if done:
            return direct
        if payload is not None:
            payload = Buffer(payload)
        try:
            door = self._door(name, _DOORS[type(request)])
            sent = to_bytes(request)
            answer = door.remote(sent) if payload is None else door.remote(sent, payload)
            reply: PlaceReply = pickle.loads(ray.get(answer, timeout=timeout))
        except GetTimeoutError:
            raise PlaceUnreachable(place, f"no answer within {timeout:.3g} seconds") from None
        except (RayActorError, ActorUnavailableError, ActorDiedError) as error:
            self._forget(name)
            raise PlaceUnreachable(place, _brief(error)) from None
        except ValueError as error:  # Ray knows no actor of that name
            self._forget(name)
            raise PlaceUnreachable(place, f"its process is gone ({_brief(error)})", unsent=True) from None
        except RayError as error:
            self._forget(name)
            raise PlaceUnreachable(place, _brief(error)) from None
        return reply

    def places(self) -> tuple[str, ...]:
        return tuple(sorted(place for place, member in self._known().items() if member.leased))

    def knows(self, place: str) -> bool:
        if place not in self._known():
            self._looked = float("-inf")  # it may have come just now
        return place in self._known()

    def _directly(
        self, told: Any, place: str, request: PlaceRequest, payload: Any, timeout: float
    ) -> tuple[bool, PlaceReply]:
        """Ask over a connection of our own; whether that was possible, and the answer."""
        caller = self._calling() if told is not None else None
        if caller is None:
            return False, NotHere()
        address: SocketAddress = (str(told[0]), int(told[1]))
        if self._shunned.get(address, 0.0) > time.monotonic():
            return False, NotHere()
        try:
            reply: PlaceReply = caller.call(address, request, payload, timeout=timeout)
        except NoConnection:
            self._shun(address)
            return False, NotHere()
        except Interrupted as error:
            self._forget(place)
            caller.forget(address)
            raise PlaceUnreachable(place, str(error)) from None
        return True, reply

    def _shun(self, address: SocketAddress) -> None:
        """Try it again only after a while; whoever is told by it may have moved, too."""
        self._shunned[address] = time.monotonic() + _SHUNNED
        self._looked = float("-inf")

    def _calling(self) -> SocketCaller | None:
        if self._caller is None and self._sockets:
            self._greet_directory()
        return self._caller

    def _greet_directory(self) -> None:
        """Learn by Ray where the directory listens, and the secret of the platform."""
        try:
            told = ray.get(self._door(DIRECTORY, "greet").remote(), timeout=5.0)
        except (RayError, ValueError):
            self._forget(DIRECTORY)
            return
        if told is None:
            self._sockets = False
            return
        address, secret = told
        self._directory = (str(address[0]), int(address[1]))
        if self._caller is None:
            self._caller = SocketCaller(secret)

    def _member(self, place: str) -> Member:
        member = self._known().get(place)
        if member is None:
            self._looked = float("-inf")
            member = self._known().get(place)
        if member is None:
            raise UnknownPlace(place, self.places())
        return member

    def _known(self) -> dict[str, Member]:
        if time.monotonic() - self._looked > _FRESH:
            try:
                members = self.ask_directory("members", timeout=5.0)
            except DirectoryUnreachable:
                if not self._members:
                    raise
                self._looked = time.monotonic()  # what was known is better than nothing
            else:
                self._members = {member.place: member for member in members if member.left is None}
                self._looked = time.monotonic()
        return self._members

    # -- the directory

    def ask_directory(self, method: str, *args: Any, timeout: float, **kwargs: Any) -> Any:
        if self._sockets and self._directory is None:
            self._greet_directory()
        address, caller = self._directory, self._caller
        if address is not None and caller is not None:
            try:
                done, value = caller.call(address, (method, args, kwargs), timeout=timeout)
            except NoConnection:
                self._directory = None  # started again, at another port; or not to be reached: Ray knows
            except Interrupted as error:
                self._directory = None
                caller.forget(address)
                raise DirectoryUnreachable(str(error)) from None
            else:
                if not done:
                    raise value
                return value
        return self._by_ray(method, args, kwargs, timeout)

    def _by_ray(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float) -> Any:
        try:
            door = self._door(DIRECTORY, "wait" if method in WAITING_METHODS else "call")
            done, value = pickle.loads(ray.get(door.remote(to_bytes((method, args, kwargs))), timeout=timeout))
        except GetTimeoutError:
            raise DirectoryUnreachable(f"no answer within {timeout:.3g} seconds") from None
        except ValueError as error:
            self._forget(DIRECTORY)
            raise DirectoryUnreachable(f"there is none ({_brief(error)})") from None
        except (RayError, RaySystemError) as error:
            self._forget(DIRECTORY)
            raise DirectoryUnreachable(_brief(error)) from None
        if not done:
            raise value
        return value

    # -- actors

    def _door(self, name: str, method: str) -> Any:
        """An actor's method: making one anew for each call would take longer than its use."""
        found = self._doors.get((name, method))
        if found is None:
            found = getattr(self._actor(name), method)
            with self._lock:
                self._doors[name, method] = found
        return found

    def _actor(self, name: str) -> Any:
        found = self._actors.get(name)
        if found is None:
            if not ray.is_initialized():
                raise AgentsError(
                    "this process is not connected to Ray any more",
                    state="Agents go on.",
                    remedy="Call agents.connect() again.",
                )
            found = ray.get_actor(name, namespace=PLATFORM_NAMESPACE)
            with self._lock:
                self._actors[name] = found
        return found

    def _forget(self, name: str) -> None:
        with self._lock:
            self._actors.pop(name, None)
            for door in [door for door in self._doors if door[0] == name]:
                del self._doors[door]
        self._looked = float("-inf")

    def close(self) -> None:
        if self._caller is not None:
            self._caller.close()
        with self._lock:
            self._actors.clear()
            self._doors.clear()


def _brief(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
