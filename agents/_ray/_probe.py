"""Whether a Ray cluster answers at an address, and of which versions it is; within a deadline.

Ray's own client waits 40 seconds for an address that nobody serves, and cannot be interrupted. So, in this order:

1. the port must accept a connection;
2. it must speak HTTP/2, as gRPC does: send SETTINGS (RFC 9113, section 3.4);
3. the cluster's control service must tell what versions it runs, asked by Ray's client on a thread of its own.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from agents._ray._cluster_errors import ClusterUnreachable

__all__ = ["Versions", "bounded", "probe", "split"]

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS: Final = 4
_FRAME_HEADER: Final = 9
_TOKEN: Final = (
    "Set RAY_AUTH_MODE=token, and copy ~/.ray/auth_token from the head of the cluster; "
    "or name a copy of it by RAY_AUTH_TOKEN_PATH."
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Versions:
    """Of Ray and of Python, as ``2.60.0`` and ``3.11.7``."""

    ray: str
    python: str


def bounded(what: Callable[[], _T], timeout: float, name: str) -> _T:
    """Call a function that might never return.

    Parameters
    ----------
    timeout
        Seconds.
    name
        Of the thread, and in the error.

    Raises
    ------
    TimeoutError
        If it has not returned in time. Its thread, a daemon, is left behind; whatever it returns is thrown away.
    """
    answer: list[_T] = []
    problem: list[BaseException] = []

    def run() -> None:
        try:
            answer.append(what())
        except BaseException as error:  # raised again below, in the caller's thread
            problem.append(error)

    thread = threading.Thread(target=run, name=f"sojourn {name}", daemon=True)
    thread.start()
    thread.join(timeout)
    if problem:
        raise problem[0]
    if not answer:
        raise TimeoutError(f"{name}: no answer within {timeout:g} s")
    return answer[0]


def split(address: str) -> tuple[str, int]:
    """Host and port.

    Raises
    ------
    ClusterUnreachable
        If it is no ``host:port``.
    """
    if "://" in address:
        raise ClusterUnreachable(
            address,
            "this is the address of a service, not of a cluster",
            remedy="Give host:port of the head, as `ray start --head` has shown it, and run the program on a node.",
        )
    host, colon, port = address.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ClusterUnreachable(address, "this is not of the form host:port")
    return host, int(port)


def probe(address: str, timeout: float) -> Versions:
    """Ask the cluster at ``host:port`` what it is.

    Parameters
    ----------
    timeout
        Seconds for all of it.

    Raises
    ------
    ClusterUnreachable
        If nobody, or somebody else, answers.
    """
    deadline = time.monotonic() + timeout
    _speaks_http2(address, timeout)
    try:
        return bounded(lambda: _versions(address, timeout), max(0.1, deadline - time.monotonic()), "cluster's versions")
    except TimeoutError:
        problem = f"its control service did not answer within {timeout:g} s"
        if os.environ.get("RAY_AUTH_MODE") == "token":
            raise ClusterUnreachable(address, f"{problem}, as where the token is wrong", remedy=_TOKEN) from None
        raise ClusterUnreachable(address, problem) from None


def _speaks_http2(address: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    host, port = split(address)
    received = b""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(_PREFACE)
            while len(received) < _FRAME_HEADER and (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                data = connection.recv(_FRAME_HEADER)
                if not data:
                    break
                received += data
    except TimeoutError:
        raise ClusterUnreachable(address, f"nobody answered within {timeout:g} s") from None
    except OSError as error:
        raise ClusterUnreachable(address, error.strerror or str(error)) from error
    if len(received) < _FRAME_HEADER or received[3] != _SETTINGS:
        raise ClusterUnreachable(address, "what answers there does not speak as Ray does")


def _versions(address: str, timeout: float) -> Versions:
    from ray._raylet import AuthenticationTokenLoader, GcsClient
    from ray.exceptions import AuthenticationError, RpcError

    # Ray would end the process.
    if os.environ.get("RAY_AUTH_MODE") == "token" and not AuthenticationTokenLoader.instance().has_token(
        ignore_auth_mode=True
    ):
        raise ClusterUnreachable(address, "RAY_AUTH_MODE is token, and there is no token here", remedy=_TOKEN)
    try:
        # The same entry that Ray compares when a node or driver joins.
        entry = GcsClient(address=address).internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster", timeout=timeout)
    except AuthenticationError as error:
        said = "it wants a token, and there is none here or another one"
        raise ClusterUnreachable(address, said, remedy=_TOKEN) from error
    except RpcError as error:
        raise ClusterUnreachable(address, str(error)) from error
    if entry is None:
        raise ClusterUnreachable(address, "its control service knows no cluster yet")
    told = json.loads(entry)
    return Versions(str(told["ray_version"]), str(told["python_version"]))
