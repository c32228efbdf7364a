"""What `mobility.bundle` raises on purpose, beside what `mobility.trust` does: one tree.

::

    BundleError
    ├── BundleInvalid        bundle-invalid       bytes that are no bundle, or not all of one
    ├── ManifestMismatch     manifest-mismatch    not the manifest that the passport names, or not in accord with it
    ├── SegmentMismatch      segment-mismatch     a segment, or a chunk of it, is not what the manifest says
    ├── CodeAltered          code-altered         code that the owner did not sign
    ├── CodeMissing          code-missing         the code was left out, and is not known here
    ├── SealedBundle         sealed-bundle        sealed, and no identity was given that could open it
    ├── BundleSpent          bundle-spent         its memory was handed out already
    ├── NoMemory             no-memory            it does not fit into the memory of this machine
    └── BundleFileError      bundle-file          the system refused to read or write

Too much of anything is `mobility.trust.TooLarge`, a manifest of another form `SchemaError`, a seal for somebody else
`WrongRecipient`, a broken one `SealBroken`. Every error carries its ``slug``, says what happened and why, how things
stand now and what to do next, and survives ``pickle``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mobility.errors import MobilityError

__all__ = [
    "BundleError",
    "BundleFileError",
    "BundleInvalid",
    "BundleSpent",
    "CodeAltered",
    "CodeMissing",
    "ManifestMismatch",
    "NoMemory",
    "SealedBundle",
    "SegmentMismatch",
]


class BundleError(MobilityError):
    """Base of the tree.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "bundle"
    usual_state: ClassVar[str] = "Nothing of it was decoded, and what the sender holds is unharmed."
    usual_remedy: ClassVar[str] = "Ask the sender for the bundle anew."

    def __init__(self, reason: str, *, state: str | None = None, remedy: str | None = None) -> None:
        self.reason = reason
        self.state = self.usual_state if state is None else state
        self.remedy = self.usual_remedy if remedy is None else remedy
        super().__init__(f"{reason} ({self.slug}). {self.state} {self.remedy}")


def _named(digests: Sequence[bytes]) -> str:
    shown = ", ".join(digest.hex()[:16] for digest in list(digests)[:4])
    return f"{shown} and {len(digests) - 4} more" if len(digests) > 4 else shown or "none"


class BundleInvalid(BundleError):
    """Bytes that are no bundle of this version, or too few or too many of them."""

    slug = "bundle-invalid"


class ManifestMismatch(BundleError):
    """The manifest is not the one that the last link of the passport names, or says something else than the passport.

    Attributes
    ----------
    field
        What disagrees: ``"digest"``, or the name of a field.
    """

    slug = "manifest-mismatch"

    def __init__(self, problem: str, *, field: str) -> None:
        super().__init__(f"the manifest does not belong to the passport: {problem}")
        self.field = field


class SegmentMismatch(BundleError):
    """A segment is not what the manifest says.

    Attributes
    ----------
    kind
        ``"code"``, ``"state"``, ``"buffer"``, ``"preview"``; ``"sealed"`` for the ciphertext; ``"payload"`` for all.
    index
        Which of its kind, from 0.
    chunk
        Which chunk of it has another digest; None if the size is another.
    """

    slug = "segment-mismatch"

    def __init__(self, problem: str, *, kind: str, index: int = 0, chunk: int | None = None) -> None:
        where = "" if chunk is None else f", chunk {chunk}"
        which = {"payload": "the segments are", "sealed": f"the ciphertext{where} is"}
        what = which.get(kind, f"segment {kind} {index}{where} is")
        super().__init__(f"{what} not what was signed: {problem}")
        self.kind = kind
        self.index = index
        self.chunk = chunk


class CodeAltered(BundleError):
    """Code that the owner did not sign; or what is kept here under its digest is something else.

    Attributes
    ----------
    agent
        The agent's id.
    signed, found
        SHA-256, as hexadecimal digits, of the code that the owner signed, and of what is there.
    """

    slug = "code-altered"

    usual_remedy = "Send the agent with the code with which it was launched, or launch it anew."

    def __init__(
        self, *, agent: str, signed: Sequence[bytes], found: Sequence[bytes], remedy: str | None = None
    ) -> None:
        super().__init__(
            f"the code of agent {agent} is {_named(found)}, and its owner signed {_named(signed)}", remedy=remedy
        )
        self.agent = agent
        self.signed = tuple(digest.hex() for digest in signed)
        self.found = tuple(digest.hex() for digest in found)


class CodeMissing(BundleError):
    """The code was left out of the bundle, and is not known here.

    Attributes
    ----------
    digests
        SHA-256, as hexadecimal digits, of each code segment that is needed.
    """

    slug = "code-missing"
    usual_remedy = "Ask the sender for the bundle with its code."

    def __init__(self, digests: Sequence[bytes]) -> None:
        super().__init__(f"the bundle comes without its code, and {_named(digests)} is not known here")
        self.digests = tuple(digest.hex() for digest in digests)


class SealedBundle(BundleError):
    """Sealed: what is asked for needs the recipient's identity, or the bytes before they were sealed.

    Attributes
    ----------
    recipient
        Key id to which it is sealed.
    """

    slug = "sealed-bundle"

    def __init__(self, recipient: str, *, problem: str = "no identity was given to open it", remedy: str = "") -> None:
        super().__init__(
            f"the bundle is sealed to key {recipient[:16]}, and {problem}",
            remedy=remedy or f"Open it where key {recipient[:16]} is, and pass that identity.",
        )
        self.recipient = recipient


class BundleSpent(BundleError):
    """The memory of its buffers belongs to an agent already: a second one would share it."""

    slug = "bundle-spent"
    usual_state = "The agent that was made from it is unharmed."
    usual_remedy = "Verify the bytes again from where they came, and unpack that."

    def __init__(self) -> None:
        super().__init__("the bundle's buffers were handed out before, and may have been changed since")


class NoMemory(BundleError):
    """A segment does not fit into the memory of this machine.

    Attributes
    ----------
    size
        In bytes.
    """

    slug = "no-memory"
    usual_remedy = "Send the agent to a machine with more memory."

    def __init__(self, size: int) -> None:
        super().__init__(f"there is no memory for a segment of {size} bytes")
        self.size = size


class BundleFileError(BundleError):
    """The system refused to read or write.

    Attributes
    ----------
    path
        Of the file, or what else was read.
    """

    slug = "bundle-file"

    def __init__(
        self, path: object, problem: str, *, state: str | None = None, remedy: str = "Choose another path or file."
    ) -> None:
        super().__init__(f"the bundle file {path} {problem}", state=state, remedy=remedy)
        self.path = str(path)
        self.problem = problem
