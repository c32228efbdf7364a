"""Keys are what they say, secret ones stay secret, and their files are whole and private."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mobility.trust import _files
from mobility.trust._curve import ORDER, decode_point, has_small_order
from mobility.trust.errors import (
    ExposedKey,
    KeyFileExists,
    KeyFileInvalid,
    KeyRefused,
    SchemaError,
    TooLarge,
    WrongPassphrase,
)
from mobility.trust.keys import Identity, PublicIdentity, Role
from tests.mobility.trust.people import BAKU, OSLO, OWNER, refused

# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS, ids=["empty", "1 byte", "2 bytes"])
def test_rfc_8032_vectors(secret: str, public: str, message: str, signature: str) -> None:
    """The signatures are those of everybody else's Ed25519."""
    signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    identity = Identity("vector", Role.OWNER, signing, X25519PrivateKey.generate())
    assert identity.public.key.hex() == public
    assert identity.sign(bytes.fromhex(message)).hex() == signature
    assert identity.public.verifies(bytes.fromhex(message), bytes.fromhex(signature))
    assert not identity.public.verifies(bytes.fromhex(message) + b"\0", bytes.fromhex(signature))
    assert identity.key_id == hashlib.sha256(bytes.fromhex(public)).hexdigest()


def test_a_remembered_signature_is_one_for_that_key_and_message_only() -> None:
    """The memory of good signatures is no way around the check."""
    message, other = b"message", b"massage"
    signature = OSLO.sign(message)
    assert OSLO.public.verifies(message, signature) and OSLO.public.verifies(message, signature)
    assert not OSLO.public.verifies(other, signature)
    assert not BAKU.public.verifies(message, signature)
    assert not OSLO.public.verifies(signature[-1:] + message, signature[:-1])


def test_points_are_decoded_as_the_library_does() -> None:
    """Of honest keys none is refused, and x is the one with the sign that is encoded."""
    for _ in range(50):
        key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        x, y = decode_point(key)
        assert (y | (x & 1) << 255).to_bytes(32, "little") == key
        assert not has_small_order(x, y)
    assert ORDER.bit_length() == 253


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_keys_of_another_size(size: int) -> None:
    """32 bytes, no more and no fewer."""
    for key, sealing_key in ((bytes(size), OSLO.public.sealing_key), (OSLO.public.key, bytes(size))):
        refused(KeyRefused, lambda: PublicIdentity("x", Role.PLACE, key, sealing_key, bytes(64)))


@pytest.mark.parametrize("name", ["", ".hidden", "-flag", "a b", "a/b", "..", "é", "a\n", "x" * 65])
def test_names_that_no_message_could_carry(name: str) -> None:
    """Refused where the identity is made, not where it first signs."""
    with pytest.raises(ValueError):
        Identity.generate(name, "place")


def test_unknown_role() -> None:
    """There are two."""
    with pytest.raises(ValueError):
        Identity.generate("x", "admin")


# -- the public part --------------------------------------------------------------------------------------------------


def test_public_round_trip() -> None:
    """A ``.pub`` file gives the same identity, and is text that a person can read."""
    data = OWNER.public.to_bytes()
    assert PublicIdentity.from_bytes(data) == OWNER.public
    assert json.loads(data)["name"] == "survey-lab"
    assert pickle.loads(pickle.dumps(OWNER.public)) == OWNER.public


def test_public_file_cut_at_every_byte() -> None:
    """A part of it is no key."""
    data = OWNER.public.to_bytes().rstrip(b"\n")
    for end in range(len(data)):
        refused(SchemaError, lambda: PublicIdentity.from_bytes(data[:end]))


def test_public_file_changed() -> None:
    """Each value is bound: none can be exchanged for another's."""
    fields, other = json.loads(OWNER.public.to_bytes()), json.loads(BAKU.public.to_bytes())
    for name in ("name", "role", "key", "sealing_key", "binding"):
        refused(KeyRefused, lambda: PublicIdentity.from_bytes(json.dumps({**fields, name: other[name]}).encode()))
    for name, value in (("key", fields["key"].upper()), ("format", "x"), ("version", 2), ("role", "root"), ("x", 1)):
        refused(SchemaError, lambda: PublicIdentity.from_bytes(json.dumps({**fields, name: value}).encode()))
    refused(TooLarge, lambda: PublicIdentity.from_bytes(b" " * 70_000))


# -- the secret part --------------------------------------------------------------------------------------------------


def test_secrets_do_not_leak() -> None:
    """Not into logs, pickles or copies."""
    secret = OWNER._signing.private_bytes_raw()
    for shown in (repr(OWNER), str(OWNER)):
        assert secret.hex() not in shown and repr(secret) not in shown
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(OWNER)


@pytest.mark.parametrize("passphrase", [None, "correct horse", "пароль 🔑"])
def test_save_and_load(tmp_path: Path, passphrase: str | None) -> None:
    """The same keys come back, and the secret is on disk only if there is no passphrase."""
    path = tmp_path / "owner.key"
    OWNER.save(path, passphrase)
    loaded = Identity.load(path, passphrase)
    assert loaded.public == OWNER.public
    assert loaded.sign(b"x") == OWNER.sign(b"x")
    assert loaded.sealing_private.private_bytes_raw() == OWNER.sealing_private.private_bytes_raw()
    assert (OWNER._signing.private_bytes_raw().hex() in path.read_text()) == (passphrase is None)
    assert os.listdir(tmp_path) == ["owner.key"]


def test_wrong_passphrase(tmp_path: Path) -> None:
    """Missing, empty, or another one."""
    path = tmp_path / "owner.key"
    OWNER.save(path, "right")
    for wrong in (None, "", "wrong", "right "):
        refused(WrongPassphrase, lambda: Identity.load(path, wrong))
    with pytest.raises(ValueError):
        OWNER.save(tmp_path / "other.key", "")
    assert not (tmp_path / "other.key").exists()


def test_passphrase_typed_on_another_system(tmp_path: Path) -> None:
    """Some compose é as one character, some as two."""
    OWNER.save(tmp_path / "owner.key", "caf\u00e9")
    assert Identity.load(tmp_path / "owner.key", "cafe\u0301").public == OWNER.public


def test_protected_file_altered(tmp_path: Path) -> None:
    """The public part is authenticated with the secret one, and the file cannot ask for a weaker protection."""
    path = tmp_path / "owner.key"
    OWNER.save(path, "right")
    good = json.loads(path.read_text())

    def altered(**changes: object) -> None:
        path.write_text(json.dumps({**good, **changes}))

    altered(public=json.loads(BAKU.public.to_bytes()))
    refused(WrongPassphrase, lambda: Identity.load(path, "right"))
    altered(secret=good["secret"][:-2] + ("00" if good["secret"][-2:] != "00" else "01"))
    refused(WrongPassphrase, lambda: Identity.load(path, "right"))
    for changes in ({"protection": "none"}, {"protection": "rot13"}, {"n": 2}, {"salt": ""}, {"secret": "00"}):
        altered(**changes)
        refused(KeyFileInvalid, lambda: Identity.load(path, "right"))


def test_plain_file_altered(tmp_path: Path) -> None:
    """Public and secret part must belong together."""
    path = tmp_path / "owner.key"
    OWNER.save(path)
    good = json.loads(path.read_text())
    path.write_text(json.dumps({**good, "public": json.loads(BAKU.public.to_bytes())}))
    refused(KeyFileInvalid, lambda: Identity.load(path))
    for text in ("", "{}", "[]", "null", "x", json.dumps(good)[:-5], " " * 70_000):
        path.write_text(text)
        refused(KeyFileInvalid, lambda: Identity.load(path))


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277])
def test_mode_0600_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """Nobody else may read it, and its owner can."""
    before = os.umask(mask)
    try:
        OWNER.save(tmp_path / "owner.key")
    finally:
        os.umask(before)
    assert (tmp_path / "owner.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666, 0o777])
def test_exposed_file(tmp_path: Path, mode: int) -> None:
    """A key that others could read or replace is used no more."""
    path = tmp_path / "owner.key"
    OWNER.save(path)
    path.chmod(mode)
    assert f"{mode:03o}" in str(refused(ExposedKey, lambda: Identity.load(path)))


def test_a_key_is_not_overwritten(tmp_path: Path) -> None:
    """Unless that is asked for."""
    path = tmp_path / "owner.key"
    OWNER.save(path)
    refused(KeyFileExists, lambda: BAKU.save(path))
    assert Identity.load(path).public == OWNER.public
    BAKU.save(path, replace=True)
    assert Identity.load(path).public == BAKU.public
    assert os.listdir(tmp_path) == ["owner.key"]


def test_save_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stays whole, and nothing secret is left beside it."""
    path = tmp_path / "owner.key"
    OWNER.save(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(OSError):
        BAKU.save(path, replace=True)
    assert Identity.load(path).public == OWNER.public
    assert os.listdir(tmp_path) == ["owner.key"]


def test_no_file(tmp_path: Path) -> None:
    """The system's own error says it best."""
    with pytest.raises(FileNotFoundError):
        Identity.load(tmp_path / "none.key")
