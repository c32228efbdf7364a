"""How much memory this host offers: what the machine has, within what a container allows.

On Linux ``/proc/meminfo`` is read and each control group that the process is in, up to the root of the mounted
hierarchy (versions 1 and 2). Elsewhere `os.sysconf` says what it can. Neither swap nor ``ulimit`` counts, nor does
``memory.high``, beyond which a group is slowed down and not stopped.

Sources: Linux, Documentation/filesystems/proc.rst (meminfo, mountinfo); Documentation/admin-guide/cgroup-v2.rst
("Memory Interface Files"); Documentation/admin-guide/cgroup-v1/memory.rst.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

__all__ = ["HostMemory", "read_memory"]

# Version 1 writes "no limit" as the largest number of pages; nothing that exists comes near it.
_UNLIMITED: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Bytes of memory; None for what is not known.

    Attributes
    ----------
    total
        What a unit could ever have here.
    available
        What can be had now without swapping: free memory, and what the system would give back.
    """

    total: int | None = None
    available: int | None = None


@dataclass(frozen=True, slots=True)
class _Names:
    """Of the files of one version of control groups."""

    limit: str
    used: str
    #: The field of ``memory.stat`` with the part of `used` that is given back on demand.
    reclaimable: str


_V1: Final = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2: Final = _Names("memory.max", "memory.current", "inactive_file")


def read_memory(root: str | os.PathLike[str] = "/") -> HostMemory:
    """What this host offers now.

    Parameters
    ----------
    root
        Where ``proc`` and the mounted control groups are found.
    """
    base = os.fspath(root)
    machine = _from_meminfo(_read(os.path.join(base, "proc/meminfo")))
    if machine.total is None:
        machine = _from_sysconf()
    totals, available = [machine.total], [machine.available]
    for names, folder in _groups(base, _read(os.path.join(base, "proc/self/cgroup"))):
        limit = _number(_read(os.path.join(folder, names.limit)))
        if limit is None or not 0 <= limit < _UNLIMITED:
            continue
        totals.append(limit)
        used = _number(_read(os.path.join(folder, names.used)))
        if used is not None:
            cache = _field(_read(os.path.join(folder, "memory.stat")), names.reclaimable) or 0
            available.append(max(0, limit - max(0, used - cache)))
    total = _least(totals)
    return HostMemory(total, _least([total, *available]) if _least(available) is not None else None)


def _least(amounts: list[int | None]) -> int | None:
    return min((amount for amount in amounts if amount is not None), default=None)


def _from_meminfo(text: str) -> HostMemory:
    total, available = _field(text, "MemTotal:"), _field(text, "MemAvailable:")
    return HostMemory(None if total is None else total * 1024, None if available is None else available * 1024)


def _from_sysconf() -> HostMemory:
    sizes: list[int | None] = []
    for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"):
        try:
            pages, page = os.sysconf(name), os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):  # not on this system, or a name that it does not know
            sizes.append(None)
        else:
            sizes.append(pages * page if pages >= 0 and page > 0 else None)  # -1: not known
    return HostMemory(*sizes)


@functools.lru_cache(maxsize=16)
def _groups(root: str, membership: str) -> tuple[tuple[_Names, str], ...]:
    """The folder of each group that the process is in, found anew when its membership changes."""
    own = _own_groups(membership)
    mounts = _read(os.path.join(root, "proc/self/mountinfo")) if own else ""
    return tuple((names, os.path.join(root, folder)) for names, folder in _folders(own, mounts))


def _folders(own: Mapping[str, str], mounts: str) -> Iterator[tuple[_Names, str]]:
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            names, group = _V2, own.get("")
        elif kind[0] == "cgroup" and "memory" in kind[2].split(","):
            names, group = _V1, own.get("memory")
        else:
            continue
        if group is not None:
            mount = PurePosixPath(_unescaped(fields[4]).lstrip("/"))
            inner = _below(group, _unescaped(fields[3]))
            for part in (inner, *inner.parents):
                yield names, str(mount / part)


def _own_groups(text: str) -> dict[str, str]:
    """From each controller to the group of the process; version 2 has one group, under the empty name."""
    result = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        for controller in controllers.split(","):
            if controller or number == "0":
                result[controller] = group
    return result


def _below(group: str, mounted: str) -> PurePosixPath:
    """The group's path below the mount, of which `mounted` is the part of the hierarchy that is to be seen.

    A container without a namespace for its groups sees the host's names, and only its own part is mounted.
    """
    path = PurePosixPath(group)
    if ".." in path.parts or not path.is_absolute():
        return PurePosixPath()
    return path.relative_to(mounted) if path.is_relative_to(mounted) else PurePosixPath()


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:  # unbuffered, as this is read for each unit that arrives
            return (file.read() or b"").decode("utf-8", "surrogateescape")
    except (OSError, ValueError):  # not there, not allowed, or no path
        return ""


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if re.fullmatch("[0-9]{1,20}", text, re.ASCII) else None


def _field(text: str, name: str) -> int | None:
    _, found, rest = f"\n{text}".partition(f"\n{name} ")
    return _number(rest.partition("\n")[0].removesuffix("kB")) if found else None
