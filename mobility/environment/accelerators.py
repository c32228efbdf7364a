"""Which accelerators this host offers, without importing anybody's runtime.

NVIDIA's driver lists its devices below ``/proc/driver/nvidia/gpus``, one folder each; what ``CUDA_VISIBLE_DEVICES``
hides is left out. The driver does not say there how much memory a device has. Other accelerators, and devices that are
known elsewhere (macOS, Windows), are not looked for: a host declares them, see `Environment.here`.

Source: NVIDIA, CUDA C++ Programming Guide, "CUDA Environment Variables".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mobility.environment.needs import Accelerator

__all__ = ["read_accelerators"]


def read_accelerators(
    root: str | os.PathLike[str] = "/", variables: Mapping[str, str] | None = None
) -> tuple[Accelerator, ...]:
    """What is to be seen here.

    Parameters
    ----------
    root
        Where ``proc`` is found.
    variables
        Environment variables; this process's own if None.
    """
    visible = (os.environ if variables is None else variables).get("CUDA_VISIBLE_DEVICES")
    devices = _nvidia(Path(root, "proc/driver/nvidia/gpus"))
    count = len(devices) if visible is None else _visible(visible, devices)
    return (Accelerator("cuda", count),) if count else ()


def _nvidia(folder: Path) -> list[str]:
    """The UUID of each device, in the order of the bus; empty where the driver does not tell it."""
    try:
        places = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return []
    return [_uuid(place / "information") for place in places]


def _uuid(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^GPU UUID:\s*(GPU-[0-9A-Fa-f-]+)", text, re.MULTILINE)
    return found[1] if found else ""


def _visible(setting: str, uuids: list[str]) -> int:
    """How many devices a setting leaves: all named ones before the first that does not exist; none if one comes twice.

    A part of a device (``MIG-...``) counts as one device, as it does for CUDA, if there is any device at all.
    """
    chosen: list[str] = []
    for name in map(str.strip, setting.split(",")):
        meant = [index for index, uuid in enumerate(uuids) if uuid.lower().startswith(name.lower())]
        if re.fullmatch("[0-9]{1,9}", name, re.ASCII) and int(name) < len(uuids):
            chosen.append(str(int(name)))
        elif name.startswith("GPU-") and len(meant) == 1:  # the beginning will do if only one device has it
            chosen.append(str(meant[0]))
        elif name.startswith("MIG-") and len(name) > len("MIG-") and uuids:
            chosen.append(name)
        else:
            break
    return len(chosen) if len(set(chosen)) == len(chosen) else 0
