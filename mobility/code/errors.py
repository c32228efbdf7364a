"""What can go wrong with code that travels.

::

    MobilityError
    └── CodeError
        ├── SourceMissing     a function or class whose text is not to be had cannot be packed
        ├── ForeignCode       a value's code is not part of the code that the owner signed
        ├── CodeInvalid       a code segment that is malformed
        ├── CodeNotFound      the state names code that the segment does not hold
        └── LoadFailed        a shipped module raised while it was executed
"""

from __future__ import annotations

from mobility.errors import MobilityError

__all__ = ["CodeError", "CodeInvalid", "CodeNotFound", "ForeignCode", "LoadFailed", "SourceMissing"]


class CodeError(MobilityError):
    """Base of this branch."""

    slug = "code"


class SourceMissing(CodeError):
    """Something that the unit uses has no text that could be shipped."""

    slug = "source-missing"

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"{name} cannot be packed: {reason}. Nothing was packed; the unit is unharmed. {remedy}")
        self.name = name
        self.reason = reason
        self.remedy = remedy


class ForeignCode(CodeError):
    """A value was made by code that is not the unit's own."""

    slug = "foreign-code"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the unit holds {name}, whose code is not part of what its owner signed. Nothing was packed; the unit is "
            f"unharmed. Keep plain data instead (numbers, text, lists, arrays), or a class that the unit itself uses."
        )
        self.name = name


class CodeInvalid(CodeError):
    """Bytes that are no code segment of a known version."""

    slug = "code-invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is no usable code segment: {reason}. Nothing of it was executed. Ask its sender for a new bundle."
        )
        self.reason = reason


class CodeNotFound(CodeError):
    """The state of a unit names code that its code segment does not hold."""

    slug = "code-not-found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the state names {name}, which the bundle's code does not hold. Nothing was resumed. "
            f"Pack the unit again where it came from."
        )
        self.name = name


class LoadFailed(CodeError):
    """A shipped module could not be executed here; the cause is chained."""

    slug = "load-failed"

    def __init__(self, module: str, reason: str) -> None:
        super().__init__(
            f"the shipped module {module} could not be executed here: {reason}. Nothing was resumed, and the bundle is "
            f"intact. Install what it needs, or resume it elsewhere."
        )
        self.module = module
        self.reason = reason
