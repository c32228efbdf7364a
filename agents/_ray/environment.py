"""What is declared of the environment of a place on a Ray node: by whoever started the platform, by its file, by Ray.

Ray hides a node's devices from every actor that has not asked for one, and a place asks for none. So what Ray knows of
the node counts: its resources ``GPU`` and ``TPU``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agents.declared import DeclaredEnvironment, declared_of, read_environment_file
from agents.errors import ResourceFileInvalid
from mobility.environment import Accelerator

if TYPE_CHECKING:
    from agents._ray.actors import PlatformSettings

__all__ = ["accelerators_of", "declared_environment"]

#: By the name of Ray's resource: what units call the device. Ray counts NVIDIA's devices and others alike as GPU.
_KINDS: Final = {"GPU": "cuda", "TPU": "tpu"}


def accelerators_of(resources: Mapping[str, Any]) -> tuple[Accelerator, ...]:
    """The devices of a node, from its resources as Ray knows them; a part of a device is none."""
    counts = {kind: int(resources.get(name, 0)) for name, kind in _KINDS.items()}
    return tuple(Accelerator(kind, count) for kind, count in counts.items() if count > 0)


def declared_environment(place: str, settings: PlatformSettings) -> DeclaredEnvironment:
    """What counts of a place in the stead of what its process sees.

    What is given by whoever started the platform comes first, then the files of the place, then what Ray knows.

    Raises
    ------
    EnvironmentInvalid
    """
    found = declared_of(place, settings.environments)
    files = [os.environ.get("SOJOURN_PLACE_FILE"), settings.place_files.get(place), settings.place_files.get("*")]
    for file in files:
        if file is not None:
            try:
                found = found.over(read_environment_file(Path(file)))
            except ResourceFileInvalid as error:  # as of its resources: the place serves without
                print(f"sojourn: place {place}: {error}", file=sys.stderr, flush=True)
    return found.over(DeclaredEnvironment(accelerators=_known_to_ray()))


def _known_to_ray() -> tuple[Accelerator, ...]:
    import ray

    own = ray.get_runtime_context().get_node_id()
    rows = [row for row in ray.nodes() if row["NodeID"] == own]
    return accelerators_of(rows[0]["Resources"]) if rows else ()
