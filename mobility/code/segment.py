"""The code segment: the text of all modules that a unit needs, as one content-addressed document.

Form: canonical JSON, UTF-8. Its SHA-256 is what the owner signs.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from mobility.code.errors import CodeInvalid
from mobility.trust.errors import SchemaError
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.strict import Array, Boolean, Json, Record, Text, parse_strict, write_canonical

__all__ = ["CodeSegment", "ShippedModule"]

_NAME: Final = Text(re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"), most=512)
_MOST_MODULES: Final = 4096


@dataclass(frozen=True, slots=True)
class ShippedModule:
    """The part of a module that a unit needs; lines are where they were, and what is not needed is blank.

    Attributes
    ----------
    late
        Whether it was not imported when the unit was packed, so that it is not executed before somebody asks for it.
    """

    name: str
    package: bool
    source: str
    late: bool = False


class _Source:
    """Any text; `load_strict` has bounded it and refused lone surrogates."""

    def read(self, value: Any) -> str:
        return Text.read(_ANY, value) if type(value) is not str else value

    def write(self, value: str) -> Json:
        return value


_ANY: Final = Text()
_MODULE: Final = Record(
    ShippedModule,
    {"name": _NAME, "package": Boolean(), "source": _Source(), "late": Boolean()},
)


@dataclass(frozen=True, slots=True)
class CodeSegment:
    """The modules of a unit.

    Attributes
    ----------
    modules
        In the order in which they are to be imported; the packages of each are among them.
    main_package
        What relative imports of ``__main__`` start from, if it was run as part of a package.
    """

    modules: tuple[ShippedModule, ...]
    main_package: str = ""

    def to_bytes(self) -> bytes:
        """The document."""
        return write_canonical(self, _SEGMENT)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, limits: Limits = DEFAULT_LIMITS) -> CodeSegment:
        """Read the document; nothing of it is executed.

        Raises
        ------
        CodeInvalid, TooLarge
        """
        try:
            segment = parse_strict(bytes(data), _SEGMENT, limits)
        except SchemaError as error:
            raise CodeInvalid(str(error).partition(". ")[0]) from error
        _check(segment)
        return segment

    @property
    def digest(self) -> bytes:
        """SHA-256 of the document."""
        return hashlib.sha256(self.to_bytes()).digest()


_SEGMENT: Final = Record(
    CodeSegment,
    {"modules": Array(_MODULE, most=_MOST_MODULES), "main_package": Text(least=0)},
    constants={"version": 1},
)


def _check(segment: CodeSegment) -> None:
    names = [module.name for module in segment.modules]
    if len(set(names)) != len(names):
        raise CodeInvalid("one of its modules is there twice")
    packages = {module.name for module in segment.modules if module.package}
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")) or unicodedata.normalize("NFKC", name) != name:
            raise CodeInvalid(f"{name!r} is no name of a module")
        parent = name.rpartition(".")[0]
        if parent and parent not in packages:
            raise CodeInvalid(f"the package {parent!r} of {name!r} is missing")
    if segment.main_package and segment.main_package not in packages:
        raise CodeInvalid(f"the package {segment.main_package!r} of __main__ is missing")
