"""The suite of transports over Ray: actors stand for places, and pass what they are asked to functions of the test."""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client as Dialled
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import pytest
import ray

from agents._ray.cluster import OwnCluster, reach
from agents._ray.membership import PLATFORM_NAMESPACE
from agents._ray.transport import DIRECTORY, RayTransport, to_bytes
from agents.directory_service import DirectoryService
from agents.errors import DirectoryUnreachable
from agents.sockets import SocketServer
from tests.conformance.transport import TransportSuite
from tests.support.ray_cluster import eventually

pytestmark = pytest.mark.timeout(120)
_KEY = b"only for this test"


def listening(secret: bytes | None, serve: Callable[[Any], Any]) -> SocketServer | None:
    """At a port of its own, if there is a secret."""
    if secret is None:
        return None
    return SocketServer("127.0.0.1", secret, lambda request, payload: serve(request), failed=traceback.print_exception)


class StandIn:
    """A place's actor, of which the test is the place: each request makes a call to it."""

    def __init__(self, address: tuple[str, int], secret: bytes | None) -> None:
        self._address = address
        self._server = listening(secret, self._asked)

    def _asked(self, request: Any) -> Any:
        with Dialled(self._address, authkey=_KEY) as connection:
            connection.send(request)
            return connection.recv()

    def port(self) -> Any:
        return self._server.address if self._server is not None else None

    @ray.method(concurrency_group="all")
    def look(self, request: bytes) -> bytes:
        return to_bytes(self._asked(pickle.loads(request)))


class Ledger:
    """The directory's actor without the steward: no places of its own come."""

    def __init__(self, folder: str, secret: bytes | None) -> None:
        self._service = DirectoryService(Path(folder))
        self._secret = secret
        self._server = listening(secret, self._answered)

    def _answered(self, request: Any) -> tuple[bool, Any]:
        method, args, kwargs = request
        try:
            return True, self._service.call(method, args, kwargs)
        except Exception as error:
            return False, error

    def greet(self) -> Any:
        return (self._server.address, self._secret) if self._server is not None else None

    def call(self, request: bytes) -> bytes:
        return to_bytes(self._answered(pickle.loads(request)))

    @ray.method(concurrency_group="wait")
    def wait(self, request: bytes) -> bytes:
        return self.call(request)


class Network:
    """What the suite asks for; its actors stay from test to test, each of which has a transport of its own."""

    def __init__(self, folder: Path, secret: bytes | None) -> None:
        self._folder = folder
        self._secret = secret
        self._listeners: list[Listener] = []
        self._started: list[Any] = []
        self._actors: dict[str, Any] = {}
        self._servers: dict[str, Callable[[Any], Any]] = {}
        self._about: dict[str, dict[str, Any]] = {}
        self.transport = RayTransport()
        self.start_directory()

    def start_directory(self) -> None:
        self._ledger = (
            ray.remote(concurrency_groups={"wait": 8})(Ledger)
            .options(name=DIRECTORY, namespace=PLATFORM_NAMESPACE, num_cpus=0)
            .remote(str(self._folder), self._secret)
        )
        ray.get(self._ledger.greet.remote(), timeout=60)

    def kill_directory(self) -> None:
        ray.kill(self._ledger)
        assert eventually(self._is_gone, 20)

    def _is_gone(self) -> bool:
        try:
            self.transport.ask_directory("members", timeout=2)
        except DirectoryUnreachable:
            return True
        return False

    def serve(self, place: str, server: Callable[[Any], Any]) -> None:
        self._servers[place] = server
        if place not in self._actors:
            self._about[place] = self._start(place)
        # Also one that was there before: nobody renews its lease.
        self.transport.ask_directory("register", place, "w", b"k" * 32, False, self._about[place], timeout=10)

    def _start(self, place: str) -> dict[str, Any]:
        listener = Listener(("127.0.0.1", 0), authkey=_KEY, backlog=64)
        self._listeners.append(listener)
        threading.Thread(target=self._answer, args=(listener, place), daemon=True).start()
        name = f"place:{place}:stand-in-{len(self._started)}"
        self._actors[place] = (
            ray.remote(concurrency_groups={"all": 16})(StandIn)
            .options(name=name, namespace=PLATFORM_NAMESPACE, num_cpus=0)
            .remote(listener.address, self._secret)
        )
        self._started.append(self._actors[place])
        port = ray.get(self._actors[place].port.remote(), timeout=60)
        return {"actor": name, **({"socket": list(port)} if port is not None else {})}

    def _answer(self, listener: Listener, place: str) -> None:
        while True:
            try:
                connection = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection, self._servers[place]), daemon=True).start()

    def _one(self, connection: Any, server: Callable[[Any], Any]) -> None:
        with connection:
            connection.send(server(connection.recv()))

    def kill(self, place: str) -> None:
        ray.kill(self._actors.pop(place))

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        for actor in (*self._started, self._ledger):
            ray.kill(actor)
        assert eventually(self._is_gone, 20)
        self.transport.close()


@pytest.fixture(scope="module", params=[None, b"s" * 32], ids=["calls", "connections"])
def lasting(
    request: pytest.FixtureRequest, ray_cluster: OwnCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Network]:
    with reach(ray_cluster.address):
        network = Network(tmp_path_factory.mktemp("network"), request.param)
        try:
            yield network
        finally:
            network.close()


class TestRayTransport(TransportSuite):
    """What is promised of transports: by calls of Ray alone, and over connections of our own."""

    @pytest.fixture
    def network(self, lasting: Network) -> Network:
        lasting.transport.close()
        lasting.transport = RayTransport()
        return lasting


def test_each_request_has_a_door_that_the_actor_has() -> None:
    """Where no connection of our own is possible, a request without one would fail only there."""
    import typing

    from agents._ray.actors import PLACE_GROUPS, PlaceActor
    from agents._ray.transport import _DOORS
    from agents.protocol import PlaceRequest

    assert set(_DOORS) == set(typing.get_args(PlaceRequest))
    assert set(_DOORS.values()) == set(PLACE_GROUPS)
    assert all(callable(getattr(PlaceActor, door)) for door in PLACE_GROUPS)
