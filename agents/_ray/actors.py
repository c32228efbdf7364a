"""The two actors: one directory for a platform, and one place for each node. Both are detached: they outlive drivers.

A place whose process ends by ``kill -9`` is started again by Ray on the same node, and finds its agents on disk. The
same holds for the directory.
"""

from __future__ import annotations

import gc
import pickle
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import ray

from agents._ray.environment import declared_environment
from agents._ray.folders import state_folder
from agents._ray.leaving import heed_sigterm
from agents._ray.steward import Steward
from agents._ray.transport import Buffer, RayTransport, to_bytes
from agents.checkpoints import SqliteCheckpoints
from agents.client import Client
from agents.connection import set_client
from agents.directory_service import DirectoryService
from agents.errors import AgentsError, ResourceFileInvalid, StoreFailed
from agents.extensions import Extensions
from agents.handle import Handle
from agents.place import Place, PlaceOptions
from agents.protocol import PlaceReply, PlaceRequest, Transfer
from agents.resources import Resources, read_resource_file
from agents.services import ServiceMaker, read_service_file, shipped_services
from agents.sockets import SocketAddress, SocketServer
from mobility.trust import Identity, PublicIdentity, TrustStore

__all__ = ["DIRECTORY_OPTIONS", "PLACE_OPTIONS", "DirectoryActor", "PlaceActor", "PlatformSettings"]

#: Seconds after which a thread of an actor lets another one have the interpreter. By default that is 5 ms, as long as a
#: whole hop: the thread that is to step an agent waits for the one that brought it.
_SWITCH: Final = 0.0005
#: Threads of each kind of request.
PLACE_GROUPS: Final = {"transfer": 16, "deliver": 32, "look": 8, "control": 32, "call": 128, "pull": 16, "use": 32}
DIRECTORY_GROUPS: Final = {"wait": 128}
#: Seconds for which a place waits for the disk of an earlier process.
_PATIENCE: Final = 30.0
_ALWAYS: Final = {"lifetime": "detached", "num_cpus": 0, "max_restarts": -1, "max_task_retries": 0}
PLACE_OPTIONS: Final[dict[str, Any]] = dict(_ALWAYS)
DIRECTORY_OPTIONS: Final[dict[str, Any]] = dict(_ALWAYS)


@dataclass(frozen=True, slots=True)
class PlatformSettings:
    """What whoever starts a platform decides for it; given to the directory's actor, and by it to the places.

    Attributes
    ----------
    state
        Folder for all that is kept, on each host; None: below the folder of Ray's session.
    lease_seconds
        Of the places' leases.
    owners
        Public keys of owners that every place trusts.
    trust
        Folder of each host's own list of trusted keys; None: none is looked at.
    place_files
        TOML file with resources, by place; under ``"*"`` for all places.
    resources
        By place: what it offers, pickled by cloudpickle.
    services
        By place and name: a function in a bundle that one of `owners` has signed; under ``"*"`` for all places.
    environments
        By place: what it is declared to offer, as `agents.declared` describes it; under ``"*"`` for all places.
    extensions
        By place and name: what is given to what other packages offer there, each pickled by cloudpickle; under ``"*"``
        for all places.
    options
        How places work.
    ports
        At which of these the directory and the places listen, each at one; 0: any. None at all: everything goes by Ray.
    secret
        Whoever knows it is heard there; known to the processes of the platform, which learn it by Ray.
    """

    state: str | None = None
    lease_seconds: float = 10.0
    owners: tuple[bytes, ...] = ()
    trust: str | None = None
    trusts: Mapping[str, str] = field(default_factory=dict)
    place_files: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, bytes] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extensions: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    options: PlaceOptions = field(default_factory=PlaceOptions)
    ports: Sequence[int] = (0,)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


class DirectoryActor:
    """The directory, and the steward that gives each node its place."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._settings = settings
        folder = state_folder(settings.state) / "directory"
        sys.setswitchinterval(_SWITCH)
        self._service = DirectoryService(folder, lease_seconds=settings.lease_seconds)
        self._server = _listening(settings, self._answered) if settings.ports else None
        self._steward = Steward(self._service, settings)
        self._steward.start()

    def _answered(self, request: Any, payload: memoryview | None) -> tuple[bool, Any]:
        method, args, kwargs = request
        try:
            return True, self._service.call(method, args, kwargs)
        except Exception as error:  # a refusal, or a defect of the caller's: in either case the directory has answered
            return False, error

    def greet(self) -> tuple[SocketAddress, bytes] | None:
        """Where it listens, and the secret of the platform; None if all goes by Ray."""
        return (self._server.address, self._settings.secret) if self._server is not None else None

    def call(self, request: bytes) -> bytes:
        """Call a method of the service; whether it returned, and what, or what it raised."""
        return to_bytes(self._answered(pickle.loads(request), None))

    @ray.method(concurrency_group="wait")  # type: ignore[untyped-decorator]  # Ray has no types for it
    def wait(self, request: bytes) -> bytes:
        """The same for what waits, on threads of its own."""
        return self.call(request)

    def settings(self) -> PlatformSettings:
        """With what the platform was started."""
        return self._settings

    def pid(self) -> int:
        """The process."""
        import os

        return os.getpid()


class PlaceActor:
    """A place on its node."""

    def __init__(self, name: str, actor: str, settings: PlatformSettings, about: Mapping[str, Any]) -> None:
        sys.setswitchinterval(_SWITCH)
        self._opened = threading.Event()
        folder = state_folder(settings.state) / "places" / name
        # First of all the lock of the folder: while an earlier process has it, this one is not the place.
        store = _opened(folder, name)
        transport = RayTransport((name, self._serve), sockets=bool(settings.ports))
        server = _listening(settings, self._arrived) if settings.ports else None
        client = Client(transport)
        set_client(client)
        trust_folder = settings.trusts.get(name, settings.trust)
        own = TrustStore(trust_folder, place=name) if trust_folder is not None else None
        owners = () if name in settings.trusts else settings.owners
        self._place = Place(
            name,
            identity=_identity(folder, name),
            transport=transport,
            store=store,
            handle_of=lambda agent: Handle(agent, None, None),
            trust=own,
            owners=[PublicIdentity.from_bytes(key) for key in owners],
            resources=_resources(name, settings),
            about={**about, "actor": actor, **({"socket": list(server.address)} if server is not None else {})},
            options=settings.options,
            services=_services(name, settings),
            environment=declared_environment(name, settings),
            extensions=_extensions(folder / "extensions", name, settings),
        )
        client.trust = self._place.trust
        self._opened.set()
        # What is here by now stays: the collector need not look through it again and again while agents come and go.
        gc.collect()
        gc.freeze()
        try:
            self._place.start(timeout=60.0)
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            raise
        if not heed_sigterm(self._place):
            print(
                f"sojourn: place {name} does not heed SIGTERM: it was not opened by its first thread", file=sys.stderr
            )

    def _serve(self, request: PlaceRequest) -> PlaceReply:
        return self._place.serve(request)

    def _arrived(self, request: PlaceRequest, payload: memoryview | None) -> PlaceReply:
        if payload is not None and isinstance(request, Transfer):
            request = replace(request, bundle=payload)
        self._opened.wait(_PATIENCE)
        return self._place.serve(request)

    @ray.method(concurrency_group="transfer")  # type: ignore[untyped-decorator]  # Ray has no types for it
    def transfer(self, request: bytes, payload: Buffer | None = None) -> bytes:
        """An agent comes."""
        transfer: Transfer = pickle.loads(request)
        if payload is not None:
            transfer = replace(transfer, bundle=memoryview(payload.data))
        return to_bytes(self._place.serve(transfer))

    @ray.method(concurrency_group="deliver")  # type: ignore[untyped-decorator]  # as above
    def deliver(self, request: bytes) -> bytes:
        """A message comes."""
        return to_bytes(self._place.serve(pickle.loads(request)))

    @ray.method(concurrency_group="look")  # type: ignore[untyped-decorator]  # as above
    def look(self, request: bytes) -> bytes:
        """Somebody asks for code, or for a description."""
        return to_bytes(self._place.serve(pickle.loads(request)))

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]  # as above
    def control(self, request: bytes) -> bytes:
        """Somebody wants something of an agent."""
        return to_bytes(self._place.serve(pickle.loads(request)))

    @ray.method(concurrency_group="call")  # type: ignore[untyped-decorator]  # as above
    def call(self, request: bytes) -> bytes:
        """Somebody calls a service."""
        return to_bytes(self._place.serve(pickle.loads(request)))

    @ray.method(concurrency_group="pull")  # type: ignore[untyped-decorator]  # as above
    def pull(self, request: bytes) -> bytes:
        """A unit is to be got from a repository."""
        return to_bytes(self._place.serve(pickle.loads(request)))

    @ray.method(concurrency_group="use")  # type: ignore[untyped-decorator]  # as above
    def use(self, request: bytes) -> bytes:
        """An agent elsewhere uses a resource that is here."""
        return to_bytes(self._place.serve(pickle.loads(request)))

    def close(self) -> None:
        """Say goodbye; agents stay on disk."""
        self._place.close(timeout=5.0)

    def ping(self) -> str:
        """Its name, once it serves."""
        return self._place.name


def _listening(settings: PlatformSettings, serve: Callable[[Any, memoryview | None], Any]) -> SocketServer:
    def failed(error: BaseException) -> None:
        traceback.print_exception(error, file=sys.stderr)

    host = ray.util.get_node_ip_address()
    return SocketServer(host, settings.secret, serve, ports=settings.ports, failed=failed)


def _opened(folder: Path, name: str) -> SqliteCheckpoints:
    """The place's disk; a process that is just being killed may hold its lock for a moment more."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return SqliteCheckpoints(folder, place=name)
        except StoreFailed:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)


def _identity(folder: Path, name: str) -> Identity:
    """The place's key: made at its first start, and kept in its folder."""
    file = folder / "place.key"
    if file.exists():
        return Identity.load(file)
    identity = Identity.generate(name, "place")
    identity.save(file)
    return identity


def _place_files(name: str, settings: PlatformSettings) -> list[Path]:
    import os

    files = [settings.place_files.get("*"), settings.place_files.get(name), os.environ.get("SOJOURN_PLACE_FILE")]
    return [Path(file) for file in files if file is not None]


def _services(name: str, settings: PlatformSettings) -> dict[str, ServiceMaker]:
    made: dict[str, ServiceMaker] = {}
    for file in _place_files(name, settings):
        with suppress(ResourceFileInvalid):  # told where its resources are read, which is the same file
            made |= read_service_file(file, name)
    owners = [PublicIdentity.from_bytes(key) for key in settings.owners]
    return made | shipped_services(settings.services, name, owners)


def _extensions(folder: Path, name: str, settings: PlatformSettings) -> Extensions:
    from ray import cloudpickle

    given: dict[str, list[Callable[[], Any]]] = {}
    for key in ("*", name):
        for extension, data in settings.extensions.get(key, {}).items():
            given.setdefault(extension, []).append(partial(cloudpickle.loads, data))
    return Extensions(folder, _place_files(name, settings), given)


def _resources(name: str, settings: PlatformSettings) -> Resources:
    from ray import cloudpickle

    found: dict[str, Any] = {}
    made: dict[str, Any] = {}
    problem: AgentsError | None = None
    for file in _place_files(name, settings):
        try:
            read_service_file(file, name)
            made |= read_resource_file(file)
        except ResourceFileInvalid as error:  # the place serves without; whoever asks for what it offers is told why
            print(f"sojourn: place {name}: {error}", file=sys.stderr, flush=True)
            problem = error
    for key in ("*", name):
        data = settings.resources.get(key)
        if data is not None:
            found |= cloudpickle.loads(data)
    return Resources(name, found, made, problem=problem)
