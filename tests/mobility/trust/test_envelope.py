"""The envelope is DSSE: other tools make and read the same."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.trust.envelope import Envelope
from mobility.trust.errors import BadSignature, EnvelopeInvalid, SchemaError, TooLarge
from mobility.trust.limits import Limits
from mobility.trust.pae import pre_authentication_encoding
from mobility.trust.strict import Integer, Record
from tests.mobility.trust.people import BAKU, OWNER, refused

TYPE = "http://example.com/HelloWorld"


def test_published_vector() -> None:
    """DSSE protocol, "Test Vectors": the encoding that is signed."""
    assert (
        pre_authentication_encoding(TYPE, b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_published_json() -> None:
    """The envelope beside that vector is read; its signature is of an algorithm that is not heeded here."""
    published = b"""{"payload": "aGVsbG8gd29ybGQ=",
 "payloadType": "http://example.com/HelloWorld",
 "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"""
    envelope = Envelope.from_json(published)
    assert (envelope.payload_type, envelope.body, len(envelope.signatures)) == (TYPE, b"hello world", 1)
    assert envelope.signatures[0].key_id == ""
    with pytest.raises(Exception) as caught:
        envelope.verify([OWNER.public], payload_type=TYPE)
    assert caught.value.slug == "untrusted-signer"  # type: ignore[attr-defined]


def test_lengths_are_in_bytes() -> None:
    """Not in characters: else the encoding would be ambiguous."""
    assert pre_authentication_encoding("é", "ü€".encode()) == b"DSSEv1 2 \xc3\xa9 5 \xc3\xbc\xe2\x82\xac"
    assert pre_authentication_encoding("", b"") == b"DSSEv1 0  0 "


@given(st.tuples(st.text(max_size=20), st.binary(max_size=20)), st.tuples(st.text(max_size=20), st.binary(max_size=20)))
def test_the_encoding_is_injective(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    """Two messages never share a signature."""
    assert (pre_authentication_encoding(*one) == pre_authentication_encoding(*other)) == (one == other)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40), st.binary(max_size=300), st.integers(0, 3))
def test_round_trips(kind: str, body: bytes, count: int) -> None:
    """Both forms give back the same envelope."""
    envelope = Envelope.sign(kind, body, *[OWNER, BAKU, OWNER][:count])
    assert Envelope.from_bytes(envelope.to_bytes()) == envelope
    assert Envelope.from_json(envelope.to_json()) == envelope
    if count:
        verified = envelope.verify([OWNER.public], payload_type=kind)
        assert (verified.body, verified.payload_type, verified.signers) == (body, kind, (OWNER.public,))


def test_the_verified_bytes_are_the_received_ones() -> None:
    """No form is imposed on the body: what was signed is what is read, to the last space."""
    body = b' {"b" : 1,\n "a":2 } '
    data = bytearray(Envelope.sign(TYPE, body, OWNER).to_bytes())
    envelope = Envelope.from_bytes(data)
    data[:] = bytes(len(data))  # the buffer is used again
    verified = envelope.verify([OWNER.public], payload_type=TYPE)
    assert verified.body == body
    assert verified.digest == envelope.digest == hashlib.sha256(pre_authentication_encoding(TYPE, body)).digest()
    assert verified.parse(Record(dict, {"a": Integer(), "b": Integer()})) == {"a": 2, "b": 1}


def test_the_digest_does_not_depend_on_the_signers() -> None:
    """It names a message in a chain, and a further signature does not make it another one."""
    assert Envelope.sign(TYPE, b"x").digest == Envelope.sign(TYPE, b"x", OWNER, BAKU).digest
    assert Envelope.sign(TYPE, b"x").digest != Envelope.sign(TYPE + "2", b"x").digest


def test_json_is_what_the_standard_says() -> None:
    """Fields, base64, key ids."""
    fields = json.loads(Envelope.sign(TYPE, b"hello world", OWNER).to_json())
    assert fields.keys() == {"payload", "payloadType", "signatures"}
    assert fields["payload"] == "aGVsbG8gd29ybGQ="
    assert fields["signatures"][0].keys() == {"keyid", "sig"}
    assert fields["signatures"][0]["keyid"] == OWNER.key_id


def test_json_of_other_tools() -> None:
    """Both alphabets, other fields, other key ids and none: the signature decides."""
    body = bytes(range(256)) * 3
    fields = json.loads(Envelope.sign(TYPE, body, OWNER).to_json())
    fields["payload"] = base64.urlsafe_b64encode(body).decode()
    fields["comment"] = fields["signatures"][0]["cert"] = {"x": [1]}
    assert set("-_") & set(fields["payload"])
    for hint in ("", "SHA256:abc", "00" * 32, OWNER.key_id.upper(), None, 5):
        fields["signatures"][0]["keyid"] = hint
        verified = Envelope.from_json(json.dumps(fields).encode()).verify([OWNER.public], payload_type=TYPE)
        assert verified.body == body
    del fields["signatures"][0]["keyid"]
    assert Envelope.from_json(json.dumps(fields).encode()).verify([OWNER.public], payload_type=TYPE)


@pytest.mark.parametrize(
    "payload", ["aGVsbG8", "aGVsbG8==", "aGVsbG8gd29ybGR=", "aGVs bG8=", "aGVsbG8=\n", "a", "é", "===="]
)
def test_base64_has_one_spelling(payload: str) -> None:
    """Else one envelope could be written in many ways."""
    fields = {"payload": payload, "payloadType": TYPE, "signatures": []}
    refused(EnvelopeInvalid, lambda: Envelope.from_json(json.dumps(fields).encode()))


@pytest.mark.parametrize(
    "text",
    ["null", "[]", "{}", '{"payload":"","payloadType":"x"}', '{"payload":1,"payloadType":"x","signatures":[]}']
    + [
        '{"payload":"","payloadType":"x","signatures":%s}' % entries
        for entries in ("{}", "[{}]", "[[]]", '[{"sig":1}]')
    ],
)
def test_json_that_is_no_envelope(text: str) -> None:
    """Fields that are missing or of another type."""
    refused(EnvelopeInvalid, lambda: Envelope.from_json(text.encode()))


def test_json_that_is_no_json() -> None:
    """Duplicates, depth and size are checked here too, where nobody has signed yet."""
    refused(SchemaError, lambda: Envelope.from_json(b'{"payload":"","payload":"","payloadType":"","signatures":[]}'))
    refused(SchemaError, lambda: Envelope.from_json(b"{"))
    refused(TooLarge, lambda: Envelope.from_json(b"[" * 1000))
    large = Envelope.sign(TYPE, bytes(1000), OWNER).to_json()
    assert refused(TooLarge, lambda: Envelope.from_json(large, Limits(envelope_bytes=1500))).field == "envelope_bytes"
    assert refused(TooLarge, lambda: Envelope.from_json(large, Limits(body_bytes=900))).field == "body_bytes"
    assert Envelope.from_json(large, Limits(body_bytes=1000))


def test_another_signature_can_be_added() -> None:
    """Without the first signer."""
    envelope = Envelope.from_bytes(Envelope.sign(TYPE, b"x", OWNER).to_bytes()).signed_by(BAKU)
    assert envelope.verify([OWNER.public, BAKU.public], payload_type=TYPE, threshold=2)
    refused(BadSignature, lambda: Envelope(TYPE, b"y", envelope.signatures).verify([BAKU.public], payload_type=TYPE))
