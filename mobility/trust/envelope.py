"""The DSSE envelope: a body, its type, and who signed them.

Rules
-----
1. What is signed is the pre-authentication encoding of the payload type and of exactly the bytes that were received;
   the body is parsed after that, from the same bytes, and never written again to check a signature.
2. Ed25519 only: the trusted key fixes the algorithm, and a message has no field to name another.
3. A key id orders the attempts and decides nothing; each trusted key is tried if need be.
4. A threshold counts different keys.
5. Sizes, the number of signatures and the number of attempts are checked before the work that they bound.
6. Only `Envelope.verify` makes a `VerifiedEnvelope`, and only from that is a body read.

Binary form: ``SJE1``, then as big-endian numbers the lengths of type (2 bytes), body (4) and the count of signatures
(4); type; body; and per signature 32 bytes of key id (zero: none) and 64 bytes of signature.

References
----------
DSSE protocol and envelope 1.0.2; RFC 8032 (Ed25519).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from typing import Any, Final, TypeVar

from mobility.trust._proof import Proof, Verified
from mobility.trust.errors import BadSignature, EnvelopeInvalid, ThresholdNotMet, UntrustedSigner, WrongPayloadType
from mobility.trust.keys import Identity, PublicIdentity
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.pae import pre_authentication_encoding
from mobility.trust.strict import Json, Schema, canonical_bytes, load_strict, parse_strict

__all__ = ["Envelope", "Signature", "VerifiedEnvelope"]

_T = TypeVar("_T")
_MAGIC: Final = b"SJE1"
_HEADER: Final = struct.Struct(">4sHII")
_SIGNATURE_BYTES: Final = 32 + 64
_NO_HINT: Final = bytes(32)
_PROOF: Final = Proof()


@dataclass(frozen=True, slots=True)
class Signature:
    """64 bytes of Ed25519, and the key id that they came with: a hint, or empty."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class VerifiedEnvelope(Verified):
    """A body that trusted keys have signed.

    Attributes
    ----------
    payload_type, body
        What was signed.
    signers
        The keys that count, in the order of their signatures.
    digest
        As `Envelope.digest`.
    """

    payload_type: str
    body: bytes = field(repr=False)
    signers: tuple[PublicIdentity, ...]
    digest: bytes
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        self._require(proof, _PROOF)

    def parse(self, schema: Schema[_T], limits: Limits = DEFAULT_LIMITS) -> _T:
        """Read the body as exactly what `schema` describes.

        Raises
        ------
        TooLarge, SchemaError
        """
        return parse_strict(self.body, schema, limits)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed message as it travels: nothing in it is to be believed before `verify`."""

    payload_type: str
    body: bytes = field(repr=False)
    signatures: tuple[Signature, ...] = ()

    # -- signing

    @classmethod
    def sign(cls, payload_type: str, body: bytes, *signers: Identity) -> Envelope:
        """Sign a body; more signatures can be added with `signed_by`."""
        envelope = cls(payload_type, bytes(body))
        for signer in signers:
            envelope = envelope.signed_by(signer)
        return envelope

    def signed_by(self, signer: Identity) -> Envelope:
        """The same with one more signature."""
        signature = Signature(signer.key_id, signer.sign(self._signed()))
        return Envelope(self.payload_type, self.body, (*self.signatures, signature))

    def _signed(self) -> bytes:
        return pre_authentication_encoding(self.payload_type, self.body)

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is signed: the same whoever signed it, so that it names the message in a chain."""
        return hashlib.sha256(self._signed()).digest()

    # -- verifying

    def verify(
        self,
        keys: Iterable[PublicIdentity],
        *,
        payload_type: str,
        threshold: int = 1,
        limits: Limits = DEFAULT_LIMITS,
        place: str | None = None,
    ) -> VerifiedEnvelope:
        """Check that `threshold` different ones of `keys` have signed this as `payload_type`.

        Parameters
        ----------
        keys
            Keys that are trusted to sign such a message.
        place
            Who asks, for the sentences of errors.

        Raises
        ------
        TooLarge
            Before any signature is looked at.
        UntrustedSigner
            If none of `keys` has signed, and none is named.
        BadSignature
            If one of `keys` is named, and none has signed.
        ThresholdNotMet
            If too few have signed.
        WrongPayloadType
            If they have signed something else.
        """
        if threshold < 1:
            raise ValueError("the threshold is at least 1")
        trusted = {key.key_id: key for key in keys}
        self._check_limits(limits)
        limits.check("verifications", len(self.signatures) * len(trusted), "checking every signature with every key")
        signed = self._signed()
        accepted: dict[str, PublicIdentity] = {}
        for signature in self.signatures:
            for key in _in_order(signature, trusted):
                if key.verifies(signed, signature.value):
                    accepted[key.key_id] = key
                    break
            if len(accepted) >= threshold:
                break
        if not accepted:
            named = [signature.key_id for signature in self.signatures]
            known = [key_id for key_id in named if key_id in trusted]
            raise BadSignature(known) if known else UntrustedSigner(named, place=place)
        if len(accepted) < threshold:
            raise ThresholdNotMet(found=len(accepted), needed=threshold)
        if self.payload_type != payload_type:
            raise WrongPayloadType(expected=payload_type, found=self.payload_type)
        digest = hashlib.sha256(signed).digest()
        return VerifiedEnvelope(self.payload_type, self.body, tuple(accepted.values()), digest, _PROOF)

    def _check_limits(self, limits: Limits) -> None:
        limits.check("signatures", len(self.signatures), "the number of signatures")
        limits.check("body_bytes", len(self.body), "the body")
        limits.check("payload_type_bytes", len(self.payload_type.encode("utf-8")), "the payload type")

    # -- the binary form

    def to_bytes(self) -> bytes:
        """The binary form."""
        kind = self.payload_type.encode("utf-8")
        parts = [_HEADER.pack(_MAGIC, len(kind), len(self.body), len(self.signatures)), kind, self.body]
        for signature in self.signatures:
            parts += [bytes.fromhex(signature.key_id) or _NO_HINT, signature.value]
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, limits: Limits = DEFAULT_LIMITS) -> Envelope:
        """Read the binary form.

        Raises
        ------
        TooLarge, EnvelopeInvalid
        """
        view = memoryview(data).cast("B")
        limits.check("envelope_bytes", len(view), "the envelope")
        if len(view) < _HEADER.size or bytes(view[:4]) != _MAGIC:
            raise EnvelopeInvalid("these bytes do not begin as an envelope of version 1")
        _, kind_bytes, body_bytes, count = _HEADER.unpack_from(view)
        limits.check("payload_type_bytes", kind_bytes, "the declared payload type")
        limits.check("body_bytes", body_bytes, "the declared body")
        limits.check("signatures", count, "the declared number of signatures")
        declared = _HEADER.size + kind_bytes + body_bytes + count * _SIGNATURE_BYTES
        if len(view) != declared:
            raise EnvelopeInvalid(f"the envelope declares {declared} bytes, and there are {len(view)}")
        body_start = _HEADER.size + kind_bytes
        kind = _text(bytes(view[_HEADER.size : body_start]))
        body = bytes(view[body_start : body_start + body_bytes])
        signatures = []
        for start in range(body_start + body_bytes, declared, _SIGNATURE_BYTES):
            hint = bytes(view[start : start + 32])
            key_id = "" if hint == _NO_HINT else hint.hex()
            signatures.append(Signature(key_id, bytes(view[start + 32 : start + _SIGNATURE_BYTES])))
        return cls(kind, body, tuple(signatures))

    # -- the standard JSON form

    def to_json(self) -> bytes:
        """The standard JSON envelope of DSSE, which other tools read."""
        return canonical_bytes(
            {
                "payload": base64.b64encode(self.body).decode("ascii"),
                "payloadType": self.payload_type,
                "signatures": [
                    {"keyid": signature.key_id, "sig": base64.b64encode(signature.value).decode("ascii")}
                    for signature in self.signatures
                ],
            }
        )

    @classmethod
    def from_json(cls, data: bytes, limits: Limits = DEFAULT_LIMITS) -> Envelope:
        """Read a standard JSON envelope of DSSE.

        Both alphabets of base64 are read, and fields that the standard does not know are ignored, as it demands: they
        are not signed, and nothing here heeds them.

        Raises
        ------
        TooLarge, SchemaError, EnvelopeInvalid
        """
        match load_strict(data, limits, size="envelope_bytes"):
            case {"payload": str(payload), "payloadType": str(kind), "signatures": list(entries)}:
                limits.check("signatures", len(entries), "the number of signatures")
                limits.check("body_bytes", len(payload) // 4 * 3 - 2, "the body")  # at least as many, before decoding
                signatures = tuple(_signature(entry) for entry in entries)
                envelope = cls(kind, _decoded(payload), signatures)
                envelope._check_limits(limits)
                return envelope
        raise EnvelopeInvalid("the JSON text has not the fields payload, payloadType and signatures of DSSE")


def _in_order(signature: Signature, trusted: dict[str, PublicIdentity]) -> Iterable[PublicIdentity]:
    """The keys to try: the named one first."""
    hinted = trusted.get(signature.key_id)
    if hinted is not None:
        yield hinted
    for key in trusted.values():
        if key is not hinted:
            yield key


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise EnvelopeInvalid("the payload type is no UTF-8 text") from None


def _signature(entry: Any) -> Signature:
    match entry:
        case {"sig": str(value)}:
            hint: Json = entry.get("keyid", "")
            decoded = _decoded(value)
            if len(decoded) != 64:
                raise EnvelopeInvalid(f"a signature has {len(decoded)} bytes, and one of Ed25519 has 64")
            # Another tool's key id has another form: it hints at nothing here.
            known = type(hint) is str and len(hint) == 64 and not hint.strip("0123456789abcdef") and hint.strip("0")
            return Signature(str(hint) if known else "", decoded)
    raise EnvelopeInvalid("an entry of signatures has no sig")


def _decoded(text: str) -> bytes:
    """Base64 of either alphabet, in its one correct spelling."""
    standard = text.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError):
        raise EnvelopeInvalid("a field of the envelope is no base64") from None
    if base64.b64encode(data).decode("ascii") != standard:
        raise EnvelopeInvalid("a field of the envelope is not spelled as base64 prescribes")
    return data
