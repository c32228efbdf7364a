"""A whole platform in one process, without an engine: real places, a real directory, and a transport of threads.

For tests of agents, and of the platform itself: requests can be lost, answers can be lost, places can be killed and
started again, all at a chosen moment.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from agents.checkpoints import SqliteCheckpoints
from agents.client import Client
from agents.declared import declared_of
from agents.directory_service import DirectoryService
from agents.errors import DirectoryUnreachable, PlaceUnreachable, UnknownPlace
from agents.extensions import Extensions, check_extensions
from agents.handle import Handle
from agents.place import Place, PlaceOptions
from agents.place.trusting import MemberTrust
from agents.placefile import check_place_file
from agents.platform import Platform
from agents.protocol import PlaceReply, PlaceRequest
from agents.resources import Resources
from agents.services import checked_services
from mobility.trust import Identity, PublicIdentity, TrustSource

__all__ = ["LocalLine", "LocalNet", "LocalPlatform", "Tamper"]

#: Looks at a request before it is delivered and at its answer before that is: raises, changes or passes each.
Tamper = Callable[[str, Any, Callable[[], Any]], Any]


class LocalNet:
    """Carries requests within one process; what is tested against `agents.transport.Transport`.

    Attributes
    ----------
    tamper
        Called with whom, the request, and a function that delivers it and returns the answer; None: just deliver.
    """

    def __init__(self) -> None:
        self._servers: dict[str, Callable[[PlaceRequest], PlaceReply]] = {}
        self._directory: DirectoryService | None = None
        self._lock = threading.Lock()
        # Apart, and many: a place that answers asks the directory meanwhile, and must not wait for its own thread.
        self._to_places = ThreadPoolExecutor(1000, thread_name_prefix="sojourn-net")
        self._to_directory = ThreadPoolExecutor(1000, thread_name_prefix="sojourn-net-directory")
        self._under_way: dict[str, set[Future[Any]]] = {}
        self.tamper: Tamper | None = None

    def line(self, owner: str) -> LocalLine:
        """A transport for one place, which is cut off when the place is killed."""
        return LocalLine(self, owner)

    def join(self, place: str, server: Callable[[PlaceRequest], PlaceReply]) -> None:
        """A place serves from now on."""
        with self._lock:
            self._servers[place] = server

    def cut(self, place: str) -> None:
        """A place does not answer any more, and is still known; who waits for it hears that at once."""

        def dead(request: PlaceRequest) -> PlaceReply:
            raise PlaceUnreachable(place, "it was killed", unsent=True)

        self.join(place, dead)
        self._break(place, PlaceUnreachable(place, "it was killed"))

    def serve_directory(self, directory: DirectoryService | None) -> None:
        """The directory serves from now on; None: nobody does."""
        self._directory = directory
        if directory is None:
            self._break("directory", DirectoryUnreachable("it was killed"))

    def _break(self, whom: str, error: BaseException) -> None:
        with self._lock:
            waiting = self._under_way.pop(whom, set())
        for answer in waiting:
            with suppress(InvalidStateError):
                answer.set_exception(error)

    def ask_place(self, place: str, request: PlaceRequest, *, timeout: float) -> PlaceReply:
        with self._lock:
            server = self._servers.get(place)
        if server is None:
            raise UnknownPlace(place, self.places())
        error = PlaceUnreachable(place, f"no answer in {timeout:g} s")
        reply: PlaceReply = self._carried(self._to_places, place, request, lambda: server(request), timeout, error)
        return reply

    def ask_directory(self, method: str, *args: Any, timeout: float, **kwargs: Any) -> Any:
        directory = self._directory
        if directory is None:
            raise DirectoryUnreachable("it was killed")
        error = DirectoryUnreachable(f"no answer in {timeout:g} s")
        return self._carried(
            self._to_directory,
            "directory",
            (method, args),
            lambda: directory.call(method, args, kwargs),
            timeout,
            error,
        )

    def _carried(
        self,
        pool: ThreadPoolExecutor,
        whom: str,
        request: Any,
        deliver: Callable[[], Any],
        timeout: float,
        late: BaseException,
    ) -> Any:
        tamper = self.tamper
        answer: Future[Any] = Future()
        with self._lock:
            self._under_way.setdefault(whom, set()).add(answer)

        def work() -> None:
            try:
                reply = deliver() if tamper is None else tamper(whom, request, deliver)
            except BaseException as error:
                with suppress(InvalidStateError):
                    answer.set_exception(error)
            else:
                with suppress(InvalidStateError):
                    answer.set_result(reply)

        try:
            pool.submit(work)
            return answer.result(timeout)
        except FutureTimeout:
            raise late from None
        except RuntimeError as error:  # the pool has ended
            raise late from error
        finally:
            with self._lock:
                self._under_way.get(whom, set()).discard(answer)

    def places(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(sorted(self._servers))

    def knows(self, place: str) -> bool:
        with self._lock:
            return place in self._servers

    def close(self) -> None:
        """Nothing is held open for one user of it."""

    def end(self) -> None:
        """Carry nothing any more."""
        for whom in list(self._under_way):
            self._break(whom, PlaceUnreachable(whom, "the platform has ended"))
        self._to_places.shutdown(wait=False, cancel_futures=True)
        self._to_directory.shutdown(wait=False, cancel_futures=True)


class LocalLine:
    """The transport of one place: once that is dead, nothing leaves in its name, and no answer reaches it."""

    def __init__(self, net: LocalNet, owner: str) -> None:
        self._net = net
        self._owner = owner
        self.dead = False

    def ask_place(self, place: str, request: PlaceRequest, *, timeout: float) -> PlaceReply:
        self._check_alive()
        reply = self._net.ask_place(place, request, timeout=timeout)
        self._check_alive()
        return reply

    def ask_directory(self, method: str, *args: Any, timeout: float, **kwargs: Any) -> Any:
        self._check_alive()
        answer = self._net.ask_directory(method, *args, timeout=timeout, **kwargs)
        self._check_alive()
        return answer

    def places(self) -> tuple[str, ...]:
        return self._net.places()

    def knows(self, place: str) -> bool:
        return self._net.knows(place)

    def close(self) -> None:
        """Nothing is held open."""

    def _check_alive(self) -> None:
        if self.dead:
            raise DirectoryUnreachable(f"{self._owner}, which asks, was killed")


class LocalPlatform(Platform):
    """Places, directory and log in this process.

    Parameters
    ----------
    places
        Names.
    resources
        By place, by name.
    services
        By place (``"*"``: every place), by name: functions that get the place first.
    folder
        Where all is kept; a temporary one unless given.
    lease_seconds
        Of the places' leases.
    trusts
        By place: its own list of trusted keys.
    owner
        Who launches; a new identity unless given, trusted by every place.
    environments
        By place (``"*"``: every place): what it is declared to offer, as `agents.declared` describes it.
    extensions
        By place (``"*"``: every place), by name: what is given to what other packages offer at places.
    place_files
        By place (``"*"``: every place): a TOML file of which the tables of extensions are read.

    >>> from agents.testing import LocalPlatform
    >>> with LocalPlatform(["oslo", "lima"], resources={"lima": {"n": 3}}) as platform:
    ...     print([place.name for place in platform.places()])
    ['lima', 'oslo']
    """

    def __init__(
        self,
        places: Sequence[str] = ("baku", "oslo", "lima"),
        *,
        resources: Mapping[str, Mapping[str, Any]] | None = None,
        folder: Path | None = None,
        lease_seconds: float = 10.0,
        options: PlaceOptions | None = None,
        trusts: Mapping[str, TrustSource] | None = None,
        owner: Identity | None = None,
        services: Mapping[str, Mapping[str, Callable[..., Any]]] | None = None,
        environments: Mapping[str, Mapping[str, Any]] | None = None,
        extensions: Mapping[str, Mapping[str, Any]] | None = None,
        place_files: Mapping[str, Path] | None = None,
    ) -> None:
        self._services = checked_services(services or {})
        self._extensions = extensions or {}
        self._place_files = place_files or {}
        check_extensions(self._extensions)
        for file in self._place_files.values():
            check_place_file(file)
        self._temporary = tempfile.TemporaryDirectory(prefix="sojourn-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary is not None else Path(folder or ".")
        self.net = LocalNet()
        self.owner = owner or Identity.generate("tester", "owner")
        self._owners: list[PublicIdentity] = [self.owner.public]
        self._resources = resources or {}
        self._trusts = trusts or {}
        self.environments: dict[str, Mapping[str, Any]] = dict(environments or {})
        self._options = options
        self._lease_seconds = lease_seconds
        self._identities: dict[str, Identity] = {}
        self.running: dict[str, Place] = {}
        self._lines: dict[str, LocalLine] = {}
        self.directory: DirectoryService | None = None
        self.start_directory()
        trust = MemberTrust("this program", None, (self.owner.public,))
        client = Client(self.net, owner=self.owner, trust=trust)
        super().__init__(client, closing=self._end)
        try:
            for place in places:
                self.start(place)
        except BaseException:
            self.close()
            raise

    # -- places that come and go

    def start(self, name: str) -> Place:
        """Start a place, or one that was killed anew; it takes back the agents that it had."""
        identity = self._identities.setdefault(name, Identity.generate(name, "place"))
        line = self.net.line(name)
        client = Client(line)
        place = Place(
            name,
            identity=identity,
            transport=line,
            store=SqliteCheckpoints(self.folder / "places" / name, place=name),
            handle_of=lambda agent: Handle(agent, None, client),
            owners=self._owners if name not in self._trusts else (),
            trust=self._trusts.get(name),
            resources=Resources(name, self._resources.get(name)),
            options=self._options,
            services={**self._services.get("*", {}), **self._services.get(name, {})},
            environment=declared_of(name, self.environments),
            extensions=self._extensions_of(name),
        )
        self.running[name] = place
        self._lines[name] = line
        self.net.join(name, place.serve)
        place.start()
        for other in self.running.values():
            other.refresh_members()
        return place

    def _extensions_of(self, name: str) -> Extensions:
        files = [self._place_files[key] for key in ("*", name) if key in self._place_files]
        given: dict[str, list[Callable[[], Any]]] = {}
        for key in ("*", name):
            for extension in self._extensions.get(key, {}):
                given.setdefault(extension, []).append(partial(self._extensions[key].__getitem__, extension))
        return Extensions(self.folder / "places" / name / "extensions", files, given)

    def kill(self, name: str) -> None:
        """End a place as ``kill -9`` would: it says nothing, and what it had in memory is gone."""
        place = self.running.pop(name)
        self._lines.pop(name).dead = True
        self.net.cut(name)
        place.die()

    # -- the directory

    def start_directory(self) -> DirectoryService:
        """Start the directory, or start it again with what it has on disk."""
        self.directory = DirectoryService(self.folder / "directory", lease_seconds=self._lease_seconds)
        self.net.serve_directory(self.directory)
        return self.directory

    def kill_directory(self) -> None:
        """It answers no more."""
        directory, self.directory = self.directory, None
        self.net.serve_directory(None)
        if directory is not None:
            directory.close()

    def _end(self) -> None:
        for place in list(self.running.values()):
            place.close(timeout=2.0)
        self.kill_directory()
        self.net.end()
        if self._temporary is not None:
            self._temporary.cleanup()
