"""The command line: ``sojourn COMMAND``, or ``python -m agents.cli COMMAND``.

One file per command; `agents.cli.app` has the table of them. What a command needs it imports when it runs, so that
``sojourn --help`` and shell completion answer at once: start-up imports typer, and neither ``mobility`` nor an engine.

==========  ================================================================================
exit code   meaning
==========  ================================================================================
0           done
1           failed
2           usage: the command line itself is wrong
3           refused: by policy, by a signature, or because this host does not fit
4           not found
5           timed out
==========  ================================================================================

Data go to stdout, progress and errors to stderr. ``docs/reference-cli.md`` describes every command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code.

    Parameters
    ----------
    arguments
        By default those of the process.

    Raises
    ------
    SystemExit
        Always.
    """
    from agents.cli.app import run_command_line

    run_command_line(arguments)
