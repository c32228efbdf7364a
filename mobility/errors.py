"""One tree for everything that ``mobility`` raises on purpose.

::

    MobilityError
    ├── ResumableError       a function cannot be made resumable (at decoration)
    ├── NotMovable           a value of a suspended generator cannot travel (at capture)
    ├── GeneratorRunning     a generator that is executing cannot be captured or discarded
    ├── FunctionNotFound     a snapshot's function does not exist here
    ├── SourceMismatch       it exists here with another source
    ├── SnapshotInvalid      bytes that are no snapshot, or one that this version cannot read
    ├── CodeError            code that cannot travel, or cannot be loaded        mobility.code.errors
    ├── DataError            values that cannot travel, or cannot be decoded     mobility.data.errors
    ├── BundleError          a bundle that is not what was signed                mobility.bundle.errors
    ├── TrustError           keys, signatures, chains, seals                     mobility.trust.errors
    ├── EnvironmentRefused   this host does not offer what a unit needs          mobility.environment.errors
    ├── NotPlain             a value that the plain codec does not write         mobility.plain.errors
    └── PlainInvalid         bytes that are not of the plain codec               mobility.plain.errors

Every error carries a stable ``slug``, says what happened, why, in what state the generator is now and what to do
next, and survives ``pickle``.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "FunctionNotFound",
    "GeneratorRunning",
    "MobilityError",
    "NotMovable",
    "ResumableError",
    "SnapshotInvalid",
    "SourceMismatch",
]


class MobilityError(Exception):
    """Base of the tree; ``slug`` names the kind of failure for programs."""

    slug: ClassVar[str] = "mobility"

    def __reduce__(self) -> tuple[Any, ...]:
        # The keyword-built subclasses could not be rebuilt by calling them with the message alone.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(kind: type[MobilityError], args: tuple[Any, ...], attributes: dict[str, Any]) -> MobilityError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class ResumableError(MobilityError):
    """A function cannot be made resumable.

    Attributes
    ----------
    function, filename, line
        Where the offending construct stands.
    """

    slug = "not-resumable"

    def __init__(self, problem: str, *, function: str, filename: str, line: int, remedy: str) -> None:
        super().__init__(f"{function} cannot be made resumable: {problem} ({filename}, line {line}). {remedy}")
        self.problem = problem
        self.function = function
        self.filename = filename
        self.line = line
        self.remedy = remedy


class NotMovable(MobilityError):
    """A value that a suspended generator holds cannot travel; the generator stays runnable.

    Attributes
    ----------
    function, variable, filename, line, kind
        The generator's function, the variable that holds the value, where it was bound, and the value's type.
    remedy
        What to do instead.
    """

    slug = "not-movable"

    def __init__(
        self, *, function: str, variable: str, filename: str, line: int, kind: str, reason: str, remedy: str
    ) -> None:
        super().__init__(
            f"{function} cannot be captured: {variable} (line {line} of {filename}) holds {kind}, "
            f"which cannot move: {reason}. The generator is unharmed and still runnable. {remedy}"
        )
        self.function = function
        self.variable = variable
        self.filename = filename
        self.line = line
        self.kind = kind
        self.reason = reason
        self.remedy = remedy


class GeneratorRunning(MobilityError):
    """A generator that is executing has no suspended state to read."""

    slug = "generator-running"

    def __init__(self, function: str, action: str) -> None:
        super().__init__(
            f"{function} cannot be {action}: it is executing right now. It goes on undisturbed. "
            f"Wait until it has yielded, then try again."
        )
        self.function = function
        self.action = action


class FunctionNotFound(MobilityError):
    """A snapshot names a function that does not exist in this process."""

    slug = "function-not-found"

    def __init__(self, module: str, qualname: str, reason: str) -> None:
        super().__init__(
            f"the snapshot's function {module}.{qualname} was not found here: {reason}. "
            f"Nothing was restored and the snapshot is intact. Make the module importable under the same name, "
            f"or move the function out of __main__ into a module."
        )
        self.module = module
        self.qualname = qualname
        self.reason = reason


class SourceMismatch(MobilityError):
    """The function found here has another source than the one that was captured."""

    slug = "source-mismatch"

    def __init__(self, module: str, qualname: str, captured: str, found: str) -> None:
        super().__init__(
            f"the source of {module}.{qualname} differs from the captured one: the snapshot was taken from "
            f"source {captured}, this process has {found}. Nothing was restored and the snapshot is intact. "
            f"Resume it where the captured source is installed."
        )
        self.module = module
        self.qualname = qualname
        self.captured = captured
        self.found = found


class SnapshotInvalid(MobilityError):
    """Bytes that are not a snapshot, are damaged, or were written by an unknown version."""

    slug = "snapshot-invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is not a usable snapshot: {reason}. Nothing was restored. "
            "Fetch its bytes again from where it was taken, or take it again."
        )
        self.reason = reason
