"""What Ray says in a process that it was not asked for, where it would be taken for what the program says.

A connection that we made is to be quiet: standard output is for data. Ray writes on it, whatever is given to
`ray.init`, that a worker has died, which a platform expects and has in its log. Ray's own logs have it as before.
"""

from __future__ import annotations

import logging

__all__ = ["hush_advice", "hush_errors"]


def hush_advice() -> None:
    """Keep the import of Ray in a notebook from advising to install ipywidgets, for a picture that we do not show.

    Whoever has set a level keeps it, and what Ray warns of is told as before.
    """
    advising = logging.getLogger("ray.widgets.util")
    if advising.level == logging.NOTSET:
        advising.setLevel(logging.WARNING)


def hush_errors(hushed: bool) -> None:
    """Have Ray print nothing of other processes on our standard output, or have it print that again."""
    from ray._private import worker

    if hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = not hushed
