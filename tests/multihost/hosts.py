"""Two hosts on one machine: network namespaces with a cable between them, each with its own processes and its own disk
for Ray. Nothing leaves the machine; everything ends with the context."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["ADDRESSES", "HEAD", "Hosts", "reason_against", "two_hosts"]

ADDRESSES = {"a": "10.77.0.1", "b": "10.77.0.2"}
HEAD = f"{ADDRESSES['a']}:6399"
_BIN = Path(sys.executable).parent


def reason_against() -> str | None:
    """Why this machine cannot do it; None if it can."""
    if sys.platform != "linux":
        return "network namespaces are of Linux"
    for tool in ("ip", "unshare"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    name = f"sj-{os.getpid()}-try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, timeout=20)
    if tried.returncode:
        return f"network namespaces are not permitted: {tried.stderr.decode(errors='replace').strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True, timeout=20)
    inside = subprocess.run(
        ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc", "true"],
        capture_output=True,
        timeout=20,
    )
    return None if inside.returncode == 0 else "namespaces for mounts and processes are not permitted"


class Hosts:
    """Both of them."""

    def __init__(self, tag: str) -> None:
        self.names = {host: f"sj-{tag}-{host}" for host in ADDRESSES}
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, host: str, script: str, output: IO[bytes], **more: str) -> subprocess.Popen[bytes]:
        """Run a shell script on a host, which ends with all that it has started."""
        inside = "\n".join(
            [
                "set -e",
                "mkdir -p /tmp/ray && mount -t tmpfs t /tmp/ray && mount -t tmpfs t /dev/shm",
                f"hostname {host}",
                script,
            ]
        )
        environment = {
            **os.environ,
            "PATH": f"{_BIN}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            **more,
        }
        for name in ("RAY_ADDRESS", "RAY_TMPDIR", "PYTHONWARNINGS"):
            environment.pop(name, None)
        unshare = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.names[host], *unshare, "bash", "-c", inside],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        self._running.append(process)
        return process

    def stop(self) -> None:
        """End everything on both."""
        for process in self._running:
            process.kill()  # and with it, by --kill-child, the first process of its namespace, and so all of them
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20, capture_output=True)


def _pairs(tag: str) -> Sequence[tuple[str, str]]:
    return [(host, f"sj{tag}{host}"[:15]) for host in ADDRESSES]


@contextmanager
def two_hosts() -> Iterator[Hosts]:
    """Make them; they are gone afterwards."""
    tag = str(os.getpid())
    hosts = Hosts(tag)
    (_, cable_a), (_, cable_b) = _pairs(tag)
    try:
        for name in hosts.names.values():
            _ip("netns", "add", name)
        _ip(
            *("link", "add", cable_a, "netns", hosts.names["a"], "type", "veth"),
            *("peer", "name", cable_b, "netns", hosts.names["b"]),
        )
        for host, cable in _pairs(tag):
            name = hosts.names[host]
            _ip("-n", name, "addr", "add", f"{ADDRESSES[host]}/24", "dev", cable)
            _ip("-n", name, "link", "set", cable, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield hosts
    finally:
        hosts.stop()
        for name in hosts.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20)
