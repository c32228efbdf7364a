"""The main job, to be watched: a surveyor travels between three hospitals, and no patient's row leaves its own.

``sojourn demo``, or ``python -m agents.demo``. The agent is in `surveyor`, its mathematics in `moments` and `logistic`,
the data in `hospitals`, the same computed at one place in `central`.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["demonstrate"]


def demonstrate(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 if its result is the central one and its passport holds, 1 if not, else an error's code.

    Parameters
    ----------
    argv
        Arguments of the command line, without the program's name; by default those of this process.
    """
    from agents.demo.running import run

    return run(argv)
