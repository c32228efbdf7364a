"""Attacks on a signed message: each is refused with its own error, and nothing of the body is decoded."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.trust import keys as keys_module
from mobility.trust._curve import FIELD, ORDER, decode_point
from mobility.trust.certificate import BIRTH_CERTIFICATE_TYPE, verify_certificate
from mobility.trust.envelope import Envelope, Signature, VerifiedEnvelope
from mobility.trust.errors import (
    BadSignature,
    EnvelopeInvalid,
    Expired,
    KeyRefused,
    NonCanonicalKey,
    NotYetValid,
    Revoked,
    Rollback,
    SchemaError,
    SkippedEpoch,
    SmallOrderKey,
    StaleEpoch,
    ThresholdNotMet,
    TooLarge,
    TrustError,
    UntrustedSigner,
    WrongAudience,
    WrongPayloadType,
    WrongRole,
)
from mobility.trust.keys import PublicIdentity, Role
from mobility.trust.limits import Limits
from mobility.trust.passport import Passport
from mobility.trust.records import HOP_RECORD_TYPE
from mobility.trust.trustlist import TrustList
from tests.mobility.trust.people import (
    BAKU,
    DAY,
    LIMA,
    NOW,
    OSLO,
    OWNER,
    STRANGER,
    born,
    certificate,
    entry,
    hopped,
    refused,
    travelled,
    trusted,
)

TYPE = "application/vnd.sojourn.test.v1+json"
BODY = b'{"canary":"alive"}'


class Canary:
    """A schema that notices when a body reaches it."""

    def __init__(self) -> None:
        self.decoded = False

    def read(self, value: Any) -> Any:
        self.decoded = True
        return value

    def write(self, value: Any) -> Any:
        return value


@pytest.fixture
def canary() -> Iterator[Canary]:
    """Of an attack, nothing is decoded."""
    one = Canary()
    yield one
    assert not one.decoded


def received(data: bytes, canary: Canary, *keys: PublicIdentity, **options: Any) -> Any:
    """What a receiver does with bytes."""
    envelope = Envelope.from_bytes(data, options.get("limits", Limits()))
    return envelope.verify(keys or [OWNER.public], payload_type=TYPE, **options).parse(canary)


def test_the_canary_sings_when_the_message_is_good() -> None:
    """Without this, every other test here could pass because nothing is ever decoded."""
    canary = Canary()
    assert received(Envelope.sign(TYPE, BODY, OWNER).to_bytes(), canary) == {"canary": "alive"}
    assert canary.decoded


# -- bytes ------------------------------------------------------------------------------------------------------------


def test_flip_every_bit(canary: Canary) -> None:
    """Framing, type, body and signature: no bit can change. The key id is a hint, and changes nothing."""
    data = Envelope.sign(TYPE, BODY, OWNER).to_bytes()
    header, signed = 14, 14 + len(TYPE) + len(BODY)
    for bit in range(8 * len(data)):
        place, flipped = bit // 8, bytearray(data)
        flipped[place] ^= 1 << bit % 8
        if signed <= place < signed + 32:
            assert received(bytes(flipped), Canary()) == {"canary": "alive"}
            continue
        with pytest.raises(TrustError) as caught:
            received(bytes(flipped), canary)
        if place < header:
            expected: tuple[type, ...] = (EnvelopeInvalid, TooLarge)
        elif place < header + len(TYPE) and flipped[place] > 127:
            expected = (EnvelopeInvalid,)
        else:
            expected = (BadSignature,)
        assert type(caught.value) in expected, (place, caught.value)


def test_cut_at_every_byte(canary: Canary) -> None:
    """A part of a message is no message."""
    data = Envelope.sign(TYPE, BODY, OWNER, LIMA).to_bytes()
    for end in range(len(data)):
        refused(EnvelopeInvalid, lambda: received(data[:end], canary))


def test_trailing_bytes(canary: Canary) -> None:
    """Nor is a message with something after it."""
    data = Envelope.sign(TYPE, BODY, OWNER).to_bytes()
    for more in (b"\0", b"\n", b"x" * 96, data):
        refused(EnvelopeInvalid, lambda: received(data + more, canary))


def test_declared_sizes_allocate_nothing(canary: Canary) -> None:
    """A header may declare what it likes: it is compared with the limits, then with the bytes that are there."""
    for kind, body, count in ((65535, 0, 0), (0, 2**32 - 1, 0), (0, 0, 2**32 - 1)):
        data = struct.pack(">4sHII", b"SJE1", kind, body, count) + bytes(86)
        refused(TooLarge, lambda: received(data, canary))
    data = struct.pack(">4sHII", b"SJE1", 10, 1000, 1) + bytes(86)
    refused(EnvelopeInvalid, lambda: received(data, canary))


def test_larger_than_the_limits(canary: Canary) -> None:
    """Each limit by its name."""
    data = Envelope.sign(TYPE, BODY, OWNER, LIMA).to_bytes()
    for name in ("envelope_bytes", "body_bytes", "payload_type_bytes", "signatures"):
        error = refused(TooLarge, lambda: received(data, canary, limits=Limits(**{name: 1})))
        assert error.field == name and error.limit == 1
    error = refused(TooLarge, lambda: received(data, canary, OWNER.public, LIMA.public, limits=Limits(verifications=3)))
    assert error.field == "verifications" and error.size == 4


# -- keys and signatures ----------------------------------------------------------------------------------------------


def test_wrong_key(canary: Canary) -> None:
    """Somebody else has signed, and says so."""
    data = Envelope.sign(TYPE, BODY, STRANGER).to_bytes()
    error = refused(UntrustedSigner, lambda: received(data, canary, place="lima"))
    assert error.key_ids == (STRANGER.key_id,)
    assert "On lima run: sojourn key trust" in str(error)


def test_right_key_id_with_wrong_key(canary: Canary) -> None:
    """Somebody else has signed, and names a trusted key."""
    signature = Envelope.sign(TYPE, BODY, STRANGER).signatures[0]
    forged = Envelope(TYPE, BODY, (Signature(OWNER.key_id, signature.value),))
    error = refused(BadSignature, lambda: received(forged.to_bytes(), canary))
    assert error.key_ids == (OWNER.key_id,)


def test_no_signature(canary: Canary) -> None:
    """Unsigned is untrusted."""
    refused(UntrustedSigner, lambda: received(Envelope(TYPE, BODY).to_bytes(), canary))


def test_no_trusted_key(canary: Canary) -> None:
    """Whoever trusts nobody accepts nothing."""
    envelope = Envelope.sign(TYPE, BODY, OWNER)
    refused(UntrustedSigner, lambda: envelope.verify([], payload_type=TYPE))


def test_duplicate_and_unknown_key_ids() -> None:
    """Key ids are hints: wrong ones, repeated ones and none neither help nor hinder a good signature."""
    good = Envelope.sign(TYPE, BODY, OWNER).signatures[0].value
    bad = Envelope.sign(TYPE, BODY, STRANGER).signatures[0].value
    for hints in (
        [(STRANGER.key_id, good)],
        [("", good)],
        [(LIMA.key_id, good)],
        [(OWNER.key_id, bad), (OWNER.key_id, good)],
        [(OWNER.key_id, bad), (OWNER.key_id, bad), ("", good)],
        [("ff" * 32, bad), ("ff" * 32, bad), (OWNER.key_id, good)],
    ):
        envelope = Envelope(TYPE, BODY, tuple(Signature(*one) for one in hints))
        for form in (envelope, Envelope.from_bytes(envelope.to_bytes()), Envelope.from_json(envelope.to_json())):
            verified = form.verify([LIMA.public, OWNER.public], payload_type=TYPE)
            assert verified.signers == (OWNER.public,)


def test_one_key_twice_toward_a_threshold(canary: Canary) -> None:
    """Two signatures of one key are one signer, under whatever key ids, and listed however often as trusted."""
    twice = Envelope.sign(TYPE, BODY, OWNER, OWNER)
    disguised = Envelope(TYPE, BODY, (twice.signatures[0], replace(twice.signatures[1], key_id=LIMA.key_id)))
    for envelope in (twice, disguised):
        error = refused(
            ThresholdNotMet,
            lambda: received(envelope.to_bytes(), canary, OWNER.public, LIMA.public, OWNER.public, threshold=2),
        )
        assert (error.found, error.needed) == (1, 2)
    both = Envelope.sign(TYPE, BODY, OWNER, LIMA).verify([OWNER.public, LIMA.public], payload_type=TYPE, threshold=2)
    assert {*both.signers} == {OWNER.public, LIMA.public}


def test_a_threshold_of_nobody() -> None:
    """Zero signatures are never enough, also if a program asks for so few."""
    for threshold in (0, -1):
        with pytest.raises(ValueError):
            Envelope.sign(TYPE, BODY, OWNER).verify([OWNER.public], payload_type=TYPE, threshold=threshold)


def test_a_million_signatures(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted, not checked."""

    def verifies(*_: object) -> bool:
        raise AssertionError("a signature was checked")

    monkeypatch.setattr(PublicIdentity, "verifies", verifies)
    junk = Signature(OWNER.key_id, bytes(64))
    many = Envelope(TYPE, BODY, (junk,) * 1_000_000)
    error = refused(TooLarge, lambda: many.verify([OWNER.public], payload_type=TYPE))
    assert (error.field, error.size) == ("signatures", 1_000_000)
    data = struct.pack(">4sHII", b"SJE1", len(TYPE), len(BODY), 1_000_000) + TYPE.encode() + BODY + bytes(96_000_000)
    assert refused(TooLarge, lambda: received(data, canary, limits=Limits(envelope_bytes=10**9))).field == "signatures"
    entries = b",".join([b'{"sig":""}'] * 1_000_000)
    listed = b'{"payload":"","payloadType":"x","signatures":[%b]}' % entries
    assert refused(TooLarge, lambda: Envelope.from_json(listed)).field == "signatures"
    # Not even the keys that they name are looked up.
    monkeypatch.setattr(Envelope, "verify", verifies)
    assert refused(TooLarge, lambda: Passport(many).verify(trusted(), now=NOW, audience=None)).field == "signatures"


def test_payload_type_swapped(canary: Canary) -> None:
    """The type is signed: a hop cannot be replayed as a certificate, not even if both are of the same form."""
    envelope = Envelope.sign(TYPE, BODY, OWNER)
    refused(BadSignature, lambda: received(replace(envelope, payload_type=TYPE + "x").to_bytes(), canary))
    other = Envelope.sign("application/vnd.sojourn.test.v2+json", BODY, OWNER)
    error = refused(WrongPayloadType, lambda: received(other.to_bytes(), canary))
    assert (error.expected, error.found) == (TYPE, "application/vnd.sojourn.test.v2+json")
    # The lengths are signed too: bytes cannot move from the body to the type.
    moved = Envelope(TYPE + " 18", b"", envelope.signatures)
    refused(BadSignature, lambda: moved.verify([OWNER.public], payload_type=TYPE + " 18"))
    disguised = Envelope.sign(HOP_RECORD_TYPE, born().birth.body, OWNER)
    refused(WrongPayloadType, lambda: verify_certificate(disguised, trusted(), now=NOW))


def test_algorithm_substituted(canary: Canary) -> None:
    """The trusted key is an Ed25519 key; that a message names or uses another algorithm changes nothing."""
    envelope = Envelope.sign(TYPE, BODY, OWNER)
    mac = hmac.new(OWNER.public.key, envelope._signed(), hashlib.sha512).digest()
    refused(
        BadSignature, lambda: received(replace(envelope, signatures=(Signature(OWNER.key_id, mac),)).to_bytes(), canary)
    )
    for algorithm in ("none", "HS512", "ES256"):
        fields = json.loads(replace(envelope, signatures=(Signature(OWNER.key_id, mac),)).to_json())
        fields["signatures"][0]["alg"] = fields["alg"] = algorithm
        read = Envelope.from_json(json.dumps(fields).encode())
        refused(BadSignature, lambda: read.verify([OWNER.public], payload_type=TYPE))
    for size in (0, 32, 63, 65, 70, 256):
        fields["signatures"][0]["sig"] = base64.b64encode(bytes(size)).decode()
        refused(EnvelopeInvalid, lambda: Envelope.from_json(json.dumps(fields).encode()))
        short = Envelope(TYPE, BODY, (Signature(OWNER.key_id, bytes(size)),))
        refused(BadSignature, lambda: short.verify([OWNER.public], payload_type=TYPE))


def test_s_plus_l(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """s + L satisfies the same equation; accepting it would give one message many signatures."""
    envelope = Envelope.sign(TYPE, BODY, OWNER)
    value = envelope.signatures[0].value
    scalar = int.from_bytes(value[32:], "little")
    assert scalar < ORDER

    def with_scalar(number: int) -> bytes:
        signature = Signature(OWNER.key_id, value[:32] + number.to_bytes(32, "little"))
        return Envelope(TYPE, BODY, (signature,)).to_bytes()

    multiples = [scalar + n * ORDER for n in range(1, 16) if scalar + n * ORDER < 2**256]
    for number in multiples:
        refused(BadSignature, lambda: received(with_scalar(number), canary))

    class Lenient:
        def __init__(self, raw: bytes) -> None: ...

        def verify(self, signature: bytes, message: bytes) -> None: ...

    monkeypatch.setattr(keys_module, "_loaded", Lenient)  # not left to the library alone
    for number in multiples:
        refused(BadSignature, lambda: received(with_scalar(number), canary))


# -- small order and non-canonical keys -------------------------------------------------------------------------------

Point = tuple[int, int]
D = -121665 * pow(121666, -1, FIELD) % FIELD


def added(p: Point, q: Point) -> Point:
    """The law of the curve as RFC 8032, section 5.1.4 states it, in affine coordinates."""
    (x1, y1), (x2, y2) = p, q
    product = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, FIELD) % FIELD
    return x, (y1 * y2 + x1 * x2) * pow(1 - product, -1, FIELD) % FIELD


def times(number: int, point: Point) -> Point:
    result = (0, 1)
    while number:
        if number & 1:
            result = added(result, point)
        point, number = added(point, point), number >> 1
    return result


def encoded(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def torsion() -> list[bytes]:
    """The eight points of small order, found by computing: L times any point is one of them."""
    for y in range(2, 100):
        try:
            point = times(ORDER, decode_point(y.to_bytes(32, "little")))
        except KeyRefused:
            continue
        if times(4, point) != (0, 1):
            return sorted({encoded(times(n, point)) for n in range(8)})
    raise AssertionError("no point of order 8 was found")


def enrolled(key: bytes, binding: bytes = bytes(64)) -> PublicIdentity:
    return PublicIdentity("mallory", Role.OWNER, key, STRANGER.public.sealing_key, binding)


def test_small_order_key() -> None:
    """Under such a key one constant signature fits any message: `cryptography` says so, and enrolment refuses it."""
    points = torsion()
    assert len(points) == 8
    identity = encoded((0, 1))
    constant = identity + bytes(32)
    for message in (b"pay mallory", b"anything", os.urandom(40)):
        Ed25519PublicKey.from_public_bytes(identity).verify(constant, message)
    for key in points:
        refused(SmallOrderKey, lambda: enrolled(key, constant))


def test_non_canonical_key() -> None:
    """Each point has one encoding: y below p, and no sign on x = 0."""
    for k in range(19):
        for sign in (0, 1 << 255):
            refused(NonCanonicalKey, lambda: enrolled((FIELD + k | sign).to_bytes(32, "little")))
    for y in (1, FIELD - 1):
        refused(NonCanonicalKey, lambda: enrolled((y | 1 << 255).to_bytes(32, "little")))


def test_key_off_the_curve() -> None:
    """Half of all y have no x."""
    off = [y for y in range(2, 40) if pow((y * y - 1) * pow(D * y * y + 1, -1, FIELD), (FIELD - 1) // 2, FIELD) != 1]
    assert len(off) > 10
    for y in off:
        refused(KeyRefused, lambda: enrolled(y.to_bytes(32, "little")))


def test_small_order_sealing_key() -> None:
    """What is sealed to such a key can be opened by anybody."""
    for u in (0, 1, FIELD - 1):
        raw = u.to_bytes(32, "little")
        refused(SmallOrderKey, lambda: replace_sealing_key(raw))
    for u in (FIELD, FIELD + 9, 2**255 + 9):
        refused(NonCanonicalKey, lambda: replace_sealing_key(u.to_bytes(32, "little")))


def replace_sealing_key(raw: bytes) -> PublicIdentity:
    public = STRANGER.public
    return PublicIdentity(public.name, public.role, public.key, raw, public.binding)


def test_swapped_sealing_key() -> None:
    """The sealing key, the name and the role are bound by the signing key."""
    public = OSLO.public
    for name, role, sealing_key in (
        (public.name, public.role, STRANGER.public.sealing_key),
        ("lima", public.role, public.sealing_key),
        (public.name, Role.OWNER, public.sealing_key),
    ):
        refused(KeyRefused, lambda: PublicIdentity(name, role, public.key, sealing_key, public.binding))


# -- the body ---------------------------------------------------------------------------------------------------------

GOOD = certificate()
TEXT = born().birth.body.decode()


def certified(body: bytes | str) -> Any:
    """A body that the owner has signed, as a birth certificate."""
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return verify_certificate(Envelope.sign(BIRTH_CERTIFICATE_TYPE, data, OWNER), trusted(), now=NOW)


def test_the_unchanged_body_is_accepted() -> None:
    """Else the attacks below would be refused for another reason."""
    assert certified(TEXT).certificate == GOOD


def swapped(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


@pytest.mark.parametrize("name", json.loads(TEXT))
def test_duplicate_json_keys(name: str) -> None:
    """Two readers could take one the first, the other the last."""
    value = json.dumps(json.loads(TEXT)[name])
    for second in (value, "1", "null"):
        refused(SchemaError, lambda: certified(TEXT[:-1] + f',"{name}":{second}' + "}"))
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
    refused(SchemaError, lambda: certified(TEXT[:-1] + f',"{escaped}":{value}' + "}"))


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "nan", "1e3", "8.0", "8.", "1E400", "-0", "08", "+8"]
)
def test_nan_and_fractions(number: str) -> None:
    """Whole numbers only, spelled in the one way."""
    refused(SchemaError, lambda: certified(swapped('"hop_limit":8', f'"hop_limit":{number}')))


@pytest.mark.parametrize(
    "number", ["9007199254740992", "-9007199254740992", str(2**63), str(2**64 + 8), "1" + "0" * 5000, "-1"], ids=len
)
def test_huge_integers(number: str) -> None:
    """What a double cannot hold is read differently elsewhere; and what is negative is no limit."""
    refused(SchemaError, lambda: certified(swapped('"hop_limit":8', f'"hop_limit":{number}')))


@pytest.mark.parametrize("value", ["true", '"8"', "null", "[8]", '{"a":8}'])
def test_other_types(value: str) -> None:
    """True is no number in JSON, though it is one in Python."""
    refused(SchemaError, lambda: certified(swapped('"hop_limit":8', f'"hop_limit":{value}')))
    refused(SchemaError, lambda: certified(swapped('"version":1', f'"version":{value.replace("8", "1")}')))


@pytest.mark.parametrize("spelling", [r"\ud800", r"\uDFFF", "\ud800", r"\udc00\ud800"])
def test_lone_surrogates(spelling: str) -> None:
    """They are no characters: they cannot be written again, and are compared differently."""
    refused(SchemaError, lambda: certified(swapped("survey:survey", "survey:" + spelling)))


def test_surrogate_pairs_are_fine() -> None:
    """An escaped pair is one character."""
    assert certified(swapped("survey:survey", r"survey:\ud83d\ude00")).certificate.entry_point == "survey:\U0001f600"


def test_byte_order_mark() -> None:
    """Nothing stands before the body."""
    refused(SchemaError, lambda: certified("\ufeff" + TEXT))
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-32-be"):
        refused(SchemaError, lambda: certified(TEXT.encode(encoding)))


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_no_utf8(bad: bytes) -> None:
    """Overlong forms and encoded surrogates are no UTF-8."""
    refused(SchemaError, lambda: certified(TEXT.encode().replace(b"survey:survey", b"survey:" + bad)))


@pytest.mark.parametrize("more", ["x", "{}", ",", "}", "\0", "\ufeff", "//"])
def test_trailing_bytes_in_the_body(more: str) -> None:
    """One value, and nothing after it."""
    refused(SchemaError, lambda: certified(TEXT + more))


@pytest.mark.parametrize("opening", ["[", '{"a":', "[[", '[{"a":['])
def test_100k_nesting(opening: str) -> None:
    """Found by counting, before a parser could run out of stack."""
    error = refused(TooLarge, lambda: certified(opening * 100_000))
    assert error.field == "depth"
    inner = opening * 100_000 + "1"
    assert refused(TooLarge, lambda: certified(swapped('"hop_limit":8', f'"hop_limit":{inner}'))).field == "depth"


def test_brackets_in_strings_are_no_nesting() -> None:
    """The count is of structure: quotes and escapes do not deceive it."""
    for text in ("[" * 400, r"\"" + "[" * 400, r"\\", r"\\\"" + "{" * 300):
        assert certified(swapped("survey:survey", text)).certificate.entry_point
    refused(TooLarge, lambda: certified(swapped('"hop_limit":8', '"hop_limit":' + r'["\\",' + "[" * 40)))


def test_unterminated_strings_cost_linear_time() -> None:
    """A body of quotes without an end: looking for the end from each of them would take hours."""
    refused(SchemaError, lambda: certified('"' + '\\"' * 2_000_000))


@pytest.mark.parametrize("name", json.loads(TEXT))
def test_missing_fields(name: str) -> None:
    """None has a default that an attacker could rely on."""
    fields = json.loads(TEXT)
    del fields[name]
    refused(SchemaError, lambda: certified(json.dumps(fields)))


@pytest.mark.parametrize("name", ["", "extra", "Version", "agent ", "__class__", "hop-limit", "x" * 5000])
def test_unknown_fields(name: str) -> None:
    """What is not understood cannot be heeded, so it is refused."""
    refused(SchemaError, lambda: certified(json.dumps({**json.loads(TEXT), name: 1})))


@pytest.mark.parametrize("version", ["0", "2", "-1", '"1"', "1.0", "true", "null", "[1]"])
def test_schema_downgrade(version: str) -> None:
    """The version is in the signed type and in the signed body, and both must be this one."""
    refused(SchemaError, lambda: certified(swapped('"version":1', f'"version":{version}')))
    for kind in (
        BIRTH_CERTIFICATE_TYPE.replace("v1", "v0"),
        BIRTH_CERTIFICATE_TYPE.replace(".v1", ""),
        "application/json",
    ):
        old = Envelope.sign(kind, TEXT.encode(), OWNER)
        refused(WrongPayloadType, lambda: verify_certificate(old, trusted(), now=NOW))


@pytest.mark.parametrize(
    "agent", ["", "..", "../x", "a/b", "a\\b", "a\0", "a b", "x" * 65, "\u0430gent", "-x", "a\x1b[31m"]
)
def test_names_that_are_no_names(agent: str) -> None:
    """A name ends in paths, command lines and terminals."""
    refused(SchemaError, lambda: certified(json.dumps({**json.loads(TEXT), "agent": agent})))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_hypothesis_mutates_structured_bodies(data: st.DataObject) -> None:
    """Signed by the owner, and still: either it reads as a certificate or it is refused by the tree of errors."""
    fields = json.loads(TEXT)
    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=3)):
        fields[name] = data.draw(junk)
    try:
        verified = certified(json.dumps(fields, ensure_ascii=data.draw(st.booleans())))
    except TrustError:
        return
    assert json.loads(born(**_changes(verified.certificate)).birth.body) == fields


def _changes(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 50))
def test_hypothesis_splices_junk_into_the_framing(junk: bytes, at: int, dropped: int) -> None:
    """No bytes make the reader fail in another way than by its own errors."""
    data = Envelope.sign(TYPE, BODY, OWNER).to_bytes()
    for attacked in (junk, b"SJE1" + junk, data[:at] + junk + data[at + dropped :]):
        try:
            Envelope.from_bytes(attacked).verify([OWNER.public], payload_type=TYPE)
        except TrustError:
            pass
    for text in (junk, Envelope.sign(TYPE, BODY, OWNER).to_json()[:at] + junk):
        try:
            Envelope.from_json(text).verify([OWNER.public], payload_type=TYPE)
        except TrustError:
            pass


# -- signer, audience, time -------------------------------------------------------------------------------------------


def test_expired() -> None:
    """The certificate, and the owner's key."""
    passport = travelled("oslo")
    late = NOW + DAY + 61
    assert "birth certificate" in str(refused(Expired, lambda: passport.verify(trusted(), now=late, audience="oslo")))
    for identity in (OWNER, BAKU):
        old = trusted(entry(identity, not_after=NOW - 61))
        assert identity.name in str(refused(Expired, lambda: passport.verify(old, now=NOW, audience="oslo")))


def test_not_yet_valid() -> None:
    """The certificate, the owner's key, and a hop from the future."""
    early = NOW - DAY - 61
    refused(NotYetValid, lambda: born().verify(trusted(), now=early, audience="baku"))
    future = trusted(entry(OWNER, not_before=NOW + 61))
    refused(NotYetValid, lambda: born().verify(future, now=NOW, audience="baku"))
    tomorrow = hopped(born(), time=NOW + 61)
    refused(NotYetValid, lambda: tomorrow.verify(trusted(), now=NOW, audience="oslo"))


def test_skewed_clock() -> None:
    """Clocks may differ by as much as `Limits.clock_skew` says, and not by a second more."""
    ahead = hopped(born(), time=NOW + 60)
    assert ahead.verify(trusted(), now=NOW, audience="oslo").epoch == 1
    refused(NotYetValid, lambda: ahead.verify(trusted(), now=NOW, audience="oslo", limits=Limits(clock_skew=59)))
    assert born().verify(trusted(), now=NOW + DAY + 60, audience="baku").epoch == 0
    assert born().verify(trusted(), now=NOW - DAY - 60, audience="baku").epoch == 0


def test_wrong_audience() -> None:
    """A bundle for one place is none for another, even if that place is trusted and on the itinerary."""
    error = refused(WrongAudience, lambda: travelled("oslo").verify(trusted(), now=NOW, audience="lima"))
    assert (error.addressed, error.audience) == ("oslo", "lima")
    refused(WrongAudience, lambda: born().verify(trusted(), now=NOW, audience="lima"))


def test_wrong_role() -> None:
    """An owner's key sends nothing from a place, and a place's key gives birth to nothing."""
    passport = hopped(born(), by=OWNER)
    refused(WrongRole, lambda: passport.verify(trusted(entry(OWNER, name="baku")), now=NOW, audience="oslo"))
    place_signs = Passport(certificate(owner=BAKU.key_id).sign(BAKU))
    refused(WrongRole, lambda: place_signs.verify(trusted(), now=NOW, audience="baku"))


def test_certificate_signed_for_another_owner() -> None:
    """A trusted owner cannot present another's certificate as signed: the body names who must sign."""
    rival = Envelope.sign(BIRTH_CERTIFICATE_TYPE, TEXT.encode(), OSLO)
    both = trusted(entry(OSLO, roles=(Role.OWNER, Role.PLACE)))
    refused(BadSignature, lambda: Passport(rival).verify(both, now=NOW, audience="baku"))


# -- epochs -----------------------------------------------------------------------------------------------------------


def test_replayed_epoch() -> None:
    """The same bundle a second time."""
    passport = travelled("oslo", "lima")
    refused(StaleEpoch, lambda: passport.verify(trusted(), now=NOW, audience="lima", last_epoch=2))
    refused(StaleEpoch, lambda: born().verify(trusted(), now=NOW, audience="baku", last_epoch=0))
    assert passport.verify(trusted(), now=NOW, audience="lima", last_epoch=1).epoch == 2


def test_lower_epoch() -> None:
    """An older bundle of an agent that has moved on."""
    error = refused(StaleEpoch, lambda: travelled("oslo").verify(trusted(), now=NOW, audience="oslo", last_epoch=5))
    assert (error.epoch, error.last) == (1, 5)


def test_skipped_epoch() -> None:
    """Within the chain, and, if what is known is the newest, from there on."""
    skipping = hopped(travelled("oslo"), epoch=3, destination="lima")
    error = refused(SkippedEpoch, lambda: skipping.verify(trusted(), now=NOW, audience="lima"))
    assert (error.epoch, error.expected) == (3, 2)
    whole = travelled("oslo", "lima")
    assert whole.verify(trusted(), now=NOW, audience="lima", last_epoch=0).epoch == 2
    refused(SkippedEpoch, lambda: whole.verify(trusted(), now=NOW, audience="lima", last_epoch=0, next_only=True))


# -- revocation and old lists -----------------------------------------------------------------------------------------


def test_revoked_key() -> None:
    """From an epoch on, not before it; the owner's for the whole agent."""
    passport = travelled("oslo", "lima", "oslo")
    for epoch, place in ((3, LIMA), (2, OSLO), (1, BAKU)):
        refused(
            Revoked,
            lambda: passport.verify(trusted(entry(place, revoked_from=epoch)), now=NOW, audience="oslo"),
        )
        assert passport.verify(trusted(entry(place, revoked_from=epoch + 1)), now=NOW, audience="oslo").epoch == 3
    refused(Revoked, lambda: passport.verify(trusted(entry(OWNER, revoked_from=3)), now=NOW, audience="oslo"))
    assert passport.verify(trusted(entry(OWNER, revoked_from=4)), now=NOW, audience="oslo").epoch == 3


def test_old_trust_list() -> None:
    """A list from before a revocation, with its old number, its number raised, or the number of the new list."""
    before = trusted()
    after = before.revoking(OSLO.key_id)
    assert after.version == before.version + 1
    for version in (before.version, after.version, after.version + 5):
        older = TrustList.of(version, before.listed)
        refused(Rollback, lambda: after.succeeded_by(older))
    without = TrustList.of(9, [one for one in after.listed if one.key_id != OSLO.key_id])
    refused(Rollback, lambda: after.succeeded_by(without))


# -- types ------------------------------------------------------------------------------------------------------------


def test_verified_types_cannot_be_made_by_hand() -> None:
    """Only `verify` makes them: not the constructor, `replace`, `copy` or `pickle`."""
    import copy
    import pickle

    envelope = Envelope.sign(TYPE, BODY, OWNER)
    with pytest.raises(TypeError):
        VerifiedEnvelope(TYPE, BODY, (OWNER.public,), envelope.digest, object())
    passport = travelled("oslo").verify(trusted(), now=NOW, audience="oslo")
    for verified in (envelope.verify([OWNER.public], payload_type=TYPE), passport, passport.birth, passport.owner):
        for way in (copy.copy, copy.deepcopy, pickle.dumps, replace):
            with pytest.raises((TypeError, ValueError)):
                way(verified)
        changed = next(iter(verified.__dataclass_fields__))
        with pytest.raises((TypeError, ValueError)):
            replace(verified, **{changed: None})
        with pytest.raises((TypeError, AttributeError)):
            setattr(verified, changed, None)
