"""A place in a process of another Python version, beside the places of a `LocalPlatform`.

Ray has one minor version in a cluster; what carries requests here is the platform's own sockets, through this process.
Run as a program it is that place.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.checkpoints import SqliteCheckpoints
from agents.client import Client
from agents.errors import DirectoryUnreachable, PlaceUnreachable
from agents.handle import Handle
from agents.place import Place
from agents.sockets import Interrupted, NoConnection, SocketCaller, SocketServer
from agents.testing.local import LocalPlatform
from mobility.errors import MobilityError
from mobility.trust import Identity, PublicIdentity

__all__ = ["Relay", "foreign_place"]

SECRET = b"of this test"


def _failed(error: BaseException) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


class Relay:
    """A transport to whatever a relay in another process reaches."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._caller = SocketCaller(SECRET)

    def _ask(self, request: Any, timeout: float) -> Any:
        done, answer = self._caller.call(self._address, request, timeout=timeout)
        if done:
            return answer
        raise answer

    def ask_place(self, place: str, request: Any, *, timeout: float) -> Any:
        try:
            return self._ask(("place", place, request, timeout), timeout)
        except (NoConnection, Interrupted) as error:
            raise PlaceUnreachable(place, str(error)) from None

    def ask_directory(self, method: str, *args: Any, timeout: float, **kwargs: Any) -> Any:
        try:
            return self._ask(("directory", method, args, kwargs, timeout), timeout)
        except (NoConnection, Interrupted) as error:
            raise DirectoryUnreachable(str(error)) from None

    def places(self) -> tuple[str, ...]:
        return tuple(self._ask(("places",), 5.0))

    def knows(self, place: str) -> bool:
        return place in self.places()

    def close(self) -> None:
        self._caller.close()


@contextmanager
def foreign_place(platform: LocalPlatform, name: str, python: str) -> Iterator[tuple[str, int]]:
    """A place of that name, run by that interpreter, as a member of a platform; gives the address for a `Relay`.

    Parameters
    ----------
    python
        Path of the interpreter, which has this distribution.
    """

    def serve(request: Any, payload: Any) -> tuple[bool, Any]:
        try:
            match request:
                case ("places",):
                    return True, platform.net.places()
                case ("place", place, inner, timeout):
                    return True, platform.net.ask_place(place, inner, timeout=timeout)
                case (_, method, args, kwargs, timeout):
                    return True, platform.net.ask_directory(method, *args, timeout=timeout, **kwargs)
        except MobilityError as error:
            return False, error
        raise AssertionError(request)

    server = SocketServer("127.0.0.1", SECRET, serve, failed=_failed)
    caller = SocketCaller(SECRET)
    with tempfile.TemporaryDirectory() as folder:
        given = {
            "name": name,
            "folder": folder,
            "relay": server.address,
            "owner": platform.owner.public.to_bytes().hex(),
        }
        child = subprocess.Popen(
            [python, __file__, json.dumps(given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdin is not None and child.stdout is not None
        try:
            address = tuple(json.loads(child.stdout.readline()))
            platform.net.join(name, lambda request: caller.call(address, request, timeout=30.0))
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "serves\n"
            for place in platform.running.values():
                place.refresh_members()
            yield server.address
        finally:
            child.stdin.close()  # it ends
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()
            caller.close()
            server.close()


def main() -> None:
    """The place, until standard input ends."""
    given = json.loads(sys.argv[1])
    name, relay = given["name"], Relay(tuple(given["relay"]))
    place = Place(
        name,
        identity=Identity.generate(name, "place"),
        transport=relay,
        store=SqliteCheckpoints(Path(given["folder"]), place=name),
        handle_of=lambda agent: Handle(agent, None, Client(relay)),
        owners=[PublicIdentity.from_bytes(bytes.fromhex(given["owner"]))],
    )
    server = SocketServer("127.0.0.1", SECRET, lambda request, payload: place.serve(request), failed=_failed)
    print(json.dumps(server.address), flush=True)
    sys.stdin.readline()
    place.start()
    print("serves", flush=True)
    sys.stdin.read()
    place.close(timeout=5.0)
    server.close()


if __name__ == "__main__":
    main()
