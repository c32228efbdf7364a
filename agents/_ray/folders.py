"""Where a platform keeps what has to outlive its processes, on each host."""

from __future__ import annotations

from pathlib import Path

__all__ = ["session_folder", "state_folder"]


def session_folder() -> Path:
    """The folder of Ray's session on this host; it has the same name on every host of the cluster."""
    from ray._private import worker

    node = worker._global_node
    if node is None:
        raise RuntimeError("this process is not connected to Ray")
    return Path(node.get_session_dir_path())


def state_folder(given: str | None) -> Path:
    """The folder for directory and places: as given, else below Ray's session, and as lasting as that."""
    return Path(given) if given is not None else session_folder() / "sojourn"
