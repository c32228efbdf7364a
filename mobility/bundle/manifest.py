"""What is in a bundle: the one thing that the last link of the passport names, and so signs.

Rules
-----
1. Canonical JSON, read strictly (`mobility.trust.strict`): every field is there, none is unknown, all are bounded.
2. Segments come in the order code, state, buffers, preview, luggage: any number of code segments, which all differ;
   exactly one state; any number of buffers; at most one preview and one luggage. Code is one chunk at most.
3. A segment has a digest for each chunk. In a sealed bundle only code has: its digest is in the birth certificate
   anyway, and those of what is secret would tell who guesses it that the guess is right.
4. There are no names of files here. What has a name is shown, or asked of a directory, and is never part of a path.

Not handled: whether the manifest is the one that was signed, and whether the segments are what it says. For that see
`mobility.bundle.Bundle.verify`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from mobility.bundle.chunks import CHUNK, chunk_count, digest_of
from mobility.environment import Accelerator, Distribution, Needs
from mobility.trust._naming import DIGEST, KEY_ID, NAME
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.strict import Array, Boolean, Choice, Integer, Maybe, Record, Text, parse_strict, write_canonical

__all__ = ["Encoding", "Manifest", "SealedPart", "SegmentEntry", "SegmentKind", "Suspension", "UnitKind"]


class UnitKind(StrEnum):
    """What moves."""

    GENERATOR = "generator"
    FUNCTION = "function"
    OBJECT = "object"


class Encoding(StrEnum):
    """How the state is encoded; several may be mixed."""

    PICKLE = "pickle"
    DILL = "dill"
    PLAIN = "plain"
    BYTECODE = "bytecode"


class SegmentKind(StrEnum):
    """What a segment holds, in the order in which they lie."""

    CODE = "code"
    STATE = "state"
    BUFFER = "buffer"
    PREVIEW = "preview"
    LUGGAGE = "luggage"


def _require_count(size: int, chunks: tuple[bytes, ...]) -> None:
    if len(chunks) != chunk_count(size):
        raise ValueError(f"{size} bytes have {chunk_count(size)} chunks, and {len(chunks)} are named")


_RANK: Final = {kind: rank for rank, kind in enumerate(SegmentKind)}


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One segment.

    Attributes
    ----------
    kind
        What it holds.
    size
        In bytes, exactly.
    writable
        Whether the memory of the buffer could be written to.
    chunks
        SHA-256 of each 8 MiB; empty where a sealed bundle keeps them to itself.
    """

    kind: SegmentKind
    size: int
    writable: bool = False
    chunks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.writable and self.kind is not SegmentKind.BUFFER:
            raise ValueError("only a buffer is writable")
        if self.kind is SegmentKind.CODE and (self.size > CHUNK or not self.chunks):
            raise ValueError(f"code has one digest and at most {CHUNK} bytes")
        if self.chunks:
            _require_count(self.size, self.chunks)

    @property
    def digest(self) -> bytes | None:
        """Of the whole segment: its one chunk's, else SHA-256 over those of its chunks; None if they are not named."""
        return digest_of(self.chunks) if self.chunks else None


@dataclass(frozen=True, slots=True)
class SealedPart:
    """The ciphertext of a sealed bundle.

    Attributes
    ----------
    recipient
        Key id of the place that can open it.
    size
        In bytes, exactly.
    chunks
        SHA-256 of each 8 MiB.
    """

    recipient: str
    size: int
    chunks: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _require_count(self.size, self.chunks)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Where a generator is suspended, for people to read.

    Attributes
    ----------
    function, file, line, text
        The function's name, the file as the sender knew it, the line's number and the line itself.
    """

    function: str
    file: str
    line: int
    text: str

    @classmethod
    def shown(cls, *, function: str, file: str, line: int, text: str) -> Suspension:
        """The same from any text: cut to what the form allows, with a mark for what cannot be printed."""
        return cls(_shown(function, 512) or "?", _shown(file, 1024) or "?", line, _shown(text.strip(), 512))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is in a bundle.

    Attributes
    ----------
    agent, epoch, entry_point
        As the passport has them.
    unit
        What moves.
    python, implementation
        Version and implementation of the interpreter that packed it.
    encodings
        In which the state is encoded.
    needs
        What it needs where it is to run; `needs.python_minor` is set if bytecode binds it to one minor version.
    suspension
        Where a suspended generator is to go on; None for other units.
    segments
        In the order in which they lie.
    sealed
        The ciphertext, if the bundle is sealed.

    Raises
    ------
    ValueError
        If the parts do not fit together.
    """

    agent: str
    epoch: int
    unit: UnitKind
    entry_point: str
    python: str
    implementation: str
    encodings: tuple[Encoding, ...]
    needs: Needs = Needs()
    suspension: Suspension | None = None
    segments: tuple[SegmentEntry, ...]
    sealed: SealedPart | None = None

    def __post_init__(self) -> None:
        kinds = [entry.kind for entry in self.segments]
        if any(_RANK[kind] > _RANK[following] for kind, following in pairwise(kinds)):
            raise ValueError("the segments are not in the order code, state, buffers, preview, luggage")
        if kinds.count(SegmentKind.STATE) != 1:
            raise ValueError(f"there are {kinds.count(SegmentKind.STATE)} segments of state, and there must be one")
        for kind in (SegmentKind.PREVIEW, SegmentKind.LUGGAGE):
            if kinds.count(kind) > 1:
                raise ValueError(f"there is more than one {kind}")
        if len(set(self.code)) != len(self.code):
            raise ValueError("a code segment occurs twice")
        for entry in self.segments:
            hidden = self.sealed is not None and entry.kind is not SegmentKind.CODE
            if bool(entry.chunks) is hidden:
                raise ValueError(
                    f"a segment of {entry.kind} {'has' if hidden else 'has no'} digests, "
                    f"and the bundle is {'sealed' if self.sealed else 'open'}"
                )
        if self.suspension is not None and self.unit is not UnitKind.GENERATOR:
            raise ValueError(f"a unit of kind {self.unit} is not suspended anywhere")

    @property
    def code(self) -> tuple[bytes, ...]:
        """SHA-256 of each code segment."""
        return tuple(entry.chunks[0] for entry in self.segments if entry.kind is SegmentKind.CODE)

    def carried(self, omits_code: bool) -> tuple[SegmentEntry, ...]:
        """The segments that a bundle has with it, with its code or without."""
        if not omits_code:
            return self.segments
        return tuple(entry for entry in self.segments if entry.kind is not SegmentKind.CODE)

    def to_bytes(self) -> bytes:
        """As canonical JSON, after making sure that it will be read.

        Raises
        ------
        SchemaError
        """
        return write_canonical(self, _MANIFEST)

    @classmethod
    def from_bytes(cls, data: bytes, limits: Limits = DEFAULT_LIMITS) -> Manifest:
        """Read what `to_bytes` wrote.

        Raises
        ------
        TooLarge, SchemaError
        """
        manifest = parse_strict(data, _MANIFEST, limits)
        limits.check("segments", len(manifest.segments), "the number of segments")
        for entry in manifest.segments:
            if entry.kind is SegmentKind.CODE:
                limits.check("code_bytes", entry.size, "a code segment")
            limits.check("chunk_bytes", min(entry.size, CHUNK), "a chunk")
        if manifest.sealed is None:
            limits.check("total_bytes", sum(entry.size for entry in manifest.segments), "the segments together")
        return manifest


# -- the form ---------------------------------------------------------------------------------------------------------

# A dotted name of Python, and what `__qualname__` adds to one.
_DOTTED: Final = r"[^\W\d][\w-]*(?:\.[^\W\d][\w-]*)*"
_QUALIFIED: Final = r"[^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>|<lambda>))*|<lambda>"
_MODULE: Final = Text(re.compile(_DOTTED), most=256)
_ENTRY_POINT: Final = Text(re.compile(f"(?:{_DOTTED}):(?:{_QUALIFIED})"))
_WORD: Final = Text(re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"), most=64)
_MINOR: Final = Text(re.compile(r"[0-9]{1,3}\.[0-9]{1,3}"), most=7)
_MOST_LISTED: Final = 4096
_CHUNKS: Final = Array(DIGEST, most=1 << 20)

_NEEDS: Final = Record(
    Needs,
    {
        "python_minor": Maybe(_MINOR),
        "distributions": Array(
            Record(
                Distribution,
                {
                    "name": Text(re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"), most=128),
                    "version": Text(re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*"), most=128),
                    "modules": Array(_MODULE, most=_MOST_LISTED, unique=True),
                },
            ),
            most=_MOST_LISTED,
            unique=True,
        ),
        "modules": Array(_MODULE, most=_MOST_LISTED, unique=True),
        "memory": Maybe(Integer()),
        "processors": Array(_WORD, most=64, unique=True),
        "operating_systems": Array(_WORD, most=64, unique=True),
        "accelerators": Array(
            Record(Accelerator, {"kind": _WORD, "count": Integer(low=1), "memory": Maybe(Integer())}), most=64
        ),
    },
)
_MANIFEST: Final = Record(
    Manifest,
    {
        "agent": NAME,
        "epoch": Integer(),
        "unit": Choice(UnitKind),
        "entry_point": _ENTRY_POINT,
        "python": Text(re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6}){1,2}[0-9A-Za-z.+]*"), most=32),
        "implementation": _WORD,
        "encodings": Array(Choice(Encoding), most=len(Encoding), unique=True),
        "needs": _NEEDS,
        "suspension": Maybe(
            Record(
                Suspension,
                {
                    "function": Text(),
                    "file": Text(most=1024),
                    "line": Integer(),
                    "text": Text(least=0),
                },
            )
        ),
        "segments": Array(
            Record(
                SegmentEntry,
                {"kind": Choice(SegmentKind), "bytes": Integer(), "writable": Boolean(), "chunks": _CHUNKS},
                attributes={"bytes": "size"},
            ),
            most=1 << 20,
        ),
        "sealed": Maybe(
            Record(
                SealedPart,
                {"recipient": KEY_ID, "bytes": Integer(), "chunks": _CHUNKS},
                attributes={"bytes": "size"},
            )
        ),
    },
    constants={"format": "sojourn-manifest", "version": 1},
)


def _shown(text: Any, most: int) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text)[:most])
