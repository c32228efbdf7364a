"""From an exception to an exit code and a report on stderr: the one place that decides either.

An error of the tree is shown as its sentences, or as JSON. Anything else is a defect of the program: it says so and how
to report it, and shows its traceback only when ``SOJOURN_DEBUG`` is set.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from agents.cli.options import Format
from agents.cli.screen import escaped, escaped_lines, write_json

__all__ = ["DONE", "EXIT_CODES", "FAILED", "NOT_FOUND", "REFUSED", "TIMED_OUT", "USAGE", "close_quietly", "exit_code"]
__all__ += ["report", "report_usage", "tell"]

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
NOT_FOUND: Final = 4
TIMED_OUT: Final = 5

#: By the name of an error's class; one that is not here has the code of the nearest of its bases that is. Names and not
#: classes, because the table must not import what the commands have not needed.
EXIT_CODES: Final[Mapping[str, int]] = {
    "MobilityError": FAILED,
    # mobility.trust: what was signed by whom, and whether it may come in
    "TrustError": REFUSED,
    "KeyFileError": FAILED,
    "StoreError": FAILED,
    "Rollback": REFUSED,
    "UnknownKey": NOT_FOUND,
    # mobility.bundle: bytes that are not what was signed
    "BundleError": REFUSED,
    "BundleFileError": FAILED,
    "CodeMissing": NOT_FOUND,
    # what a bundle contains, and is found out only after its signatures held
    "CodeInvalid": REFUSED,
    "PlainInvalid": REFUSED,
    "SourceMismatch": REFUSED,
    "EnvironmentRefused": REFUSED,
    # the command line's own
    "FileMissing": NOT_FOUND,
    "KeyMissing": NOT_FOUND,
    "AmbiguousKey": USAGE,
    "SecretKeyGiven": USAGE,
    "TimedOut": TIMED_OUT,
    "NoPlatform": NOT_FOUND,
    "NotUp": NOT_FOUND,
    "FunctionMissing": NOT_FOUND,
    "TrailUnverified": REFUSED,
    "CommandTimedOut": TIMED_OUT,
    # agents: places, the directory, and what they let in
    "UnknownPlace": NOT_FOUND,
    "UnknownAgent": NOT_FOUND,
    "UnknownService": NOT_FOUND,
    "UnknownUnit": NOT_FOUND,
    "UnitMismatch": REFUSED,
    "UnitOwned": REFUSED,
    "MoveRefused": REFUSED,
    "LandingRefused": REFUSED,
    "Busy": TIMED_OUT,
    "WaitedTooLong": TIMED_OUT,
    # agents._ray: the engine
    "ClusterUnreachable": NOT_FOUND,
    "ClusterVersionMismatch": REFUSED,
    "PlacesInvalid": USAGE,
    # federated: what the owner of data does not allow, what is not as it was signed or written, what is not there
    "AppUnsigned": REFUSED,
    "AppAltered": REFUSED,
    "AppNotAdmitted": REFUSED,
    "RequestRefused": REFUSED,
    "RecordsRefused": REFUSED,
    "NotReleased": REFUSED,
    "BudgetSpent": REFUSED,
    "AlreadyReleased": REFUSED,
    "RosterRefused": REFUSED,
    "LedgerCorrupt": REFUSED,
    "AuditCorrupt": REFUSED,
    "JournalCorrupt": REFUSED,
    "JournalMismatch": REFUSED,
    "JournalDiverged": REFUSED,
    "DatasetUnknown": NOT_FOUND,
    "RunConfigInvalid": USAGE,
}

_BEGINNINGS: Final = frozenset({"a", "agent", "an", "it", "no", "segment", "the", "there", "these", "this", "you"})


def exit_code(error: BaseException) -> int:
    """The exit code for an error."""
    if _is_of_the_tree(error):
        if getattr(error, "why", None) == "agent-name-taken":  # no question of trust or policy
            return FAILED
        if getattr(error, "is_refusal", False):  # only the error itself knows
            return REFUSED
        for kind in type(error).__mro__:
            if kind.__name__ in EXIT_CODES:
                return EXIT_CODES[kind.__name__]
    return FAILED


def _is_of_the_tree(error: BaseException) -> bool:
    errors = sys.modules.get("mobility.errors")  # if it was never imported, nothing of it was raised
    return errors is not None and isinstance(error, errors.MobilityError)


def report(error: BaseException, chosen: Format) -> int:
    """Say on stderr what went wrong.

    Returns
    -------
    int
        The exit code.
    """
    if os.environ.get("SOJOURN_DEBUG"):
        import traceback

        tell(escaped_lines("".join(traceback.format_exception(error)).rstrip()))
    code = exit_code(error)
    if _is_of_the_tree(error):
        slug, sentences = str(getattr(error, "slug", "mobility")), list(_sentences(error))
        details = _details(error)
    elif isinstance(error, KeyboardInterrupt):
        slug, details = "interrupted", {}
        sentences = ["Interrupted. What was not finished has been left; files are as they were, or whole."]
    elif isinstance(error, OSError):
        slug, details = "system", {"path": error.filename if isinstance(error.filename, str) else None}
        named = f"{details['path']}: " if details["path"] else ""
        sentences = [
            f"The system refused: {named}{error.strerror or error} (system).",
            "What was not finished has been left; files are as they were, or whole.",
            "Repair what it names, then try again.",
        ]
    else:
        slug, details = "unexpected", {"type": type(error).__qualname__}
        sentences = [
            f"This is a defect of sojourn: {type(error).__qualname__}: {error} (unexpected).",
            "What was not finished has been left.",
            "Please report it with the output of the same command under SOJOURN_DEBUG=1.",
        ]
    if chosen is Format.JSON:
        write_json({"error": slug, "message": " ".join(sentences), "exit_code": code, **details}, file=sys.stderr)
    else:
        if isinstance(details.get("trace"), str):
            tell(escaped_lines(details["trace"]))
        for sentence in sentences:
            tell(escaped(sentence))
    return code


def _sentences(error: BaseException) -> Iterator[str]:
    """What happened; how things stand now; what to do next."""
    parts = [getattr(error, name, None) for name in ("reason", "state", "remedy")]
    if all(isinstance(part, str) for part in parts):
        happened, state, remedy = (str(part) for part in parts)
        # A sentence may begin with a name, which is to stay as it is.
        start = happened[:1].upper() if happened.partition(" ")[0] in _BEGINNINGS else happened[:1]
        yield f"{start}{happened[1:]} ({_mark(error)})."
        yield from filter(None, (state, remedy))
    else:
        mark = f"({getattr(error, 'slug', '')})"
        yield str(error) if mark in str(error) else f"{error} {mark}"


def _mark(error: BaseException) -> str:
    """The slug; of a move that failed, that of the cause."""
    why = getattr(error, "why", None)
    return why if isinstance(why, str) and why else str(getattr(error, "slug", ""))


def _details(error: BaseException) -> dict[str, Any]:
    """The attributes of an error that JSON has a form for."""
    details: dict[str, Any] = {}
    for name, value in vars(error).items():
        if name.startswith("_") or name in ("error", "message", "exit_code"):
            continue
        if isinstance(value, str | bool | int | None) or (isinstance(value, float) and math.isfinite(value)):
            details[name] = value
        elif isinstance(value, bytes):
            details[name] = value.hex()
        elif isinstance(value, tuple | list) and all(isinstance(item, str) for item in value):
            details[name] = list(value)
        elif name == "reasons":  # of a verdict: each is plain data
            details[name] = [dict(reason) for reason in value]
        elif hasattr(value, "as_data"):
            details[name] = value.as_data()
    return details


def report_usage(error: Any, chosen: Format) -> int:
    """Say on stderr what is wrong with the command line itself."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        tell(context.get_help())  # a person who only typed the name
        return USAGE
    if chosen is Format.JSON:
        write_json({"error": "usage", "message": message, "exit_code": USAGE}, file=sys.stderr)
        return USAGE
    if context is not None:
        tell(context.get_usage())
    tell(escaped_lines(message))
    if context is not None:
        tell(f"See: {context.command_path} --help")
    return USAGE


def tell(text: str) -> None:
    """Progress and errors; a stderr that nobody reads any more is no further error."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def close_quietly() -> None:
    """Let the interpreter end without a complaint about the pipe that is gone."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
