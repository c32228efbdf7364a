"""Who signs: an owner or a place, with one key to sign and one to be sealed to.

Rules
-----
1. Ed25519 signs and X25519 is sealed to; nothing in a message chooses an algorithm.
2. A key id is the SHA-256 of the raw public signing key, and only a hint.
3. A public key is judged when a `PublicIdentity` is made: non-canonical encodings and points of small order are refused
   here, because the libraries load them.
4. The sealing key is bound to the signing key, name and role by a signature of the signing key.
5. A secret key is in a file that only its owner may read, written whole or not at all; with a passphrase, it is under
   scrypt (RFC 7914) and AES-256-GCM, and the file cannot choose weaker parameters.

Not handled: keys in hardware or agents; wiping secrets from memory, which Python cannot do; a public key with a part of
small order beside its large one, which harms nobody but its holder.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mobility.trust._curve import FIELD, ORDER, require_usable
from mobility.trust._files import read_capped, write_atomically
from mobility.trust._naming import NAME, require_name
from mobility.trust.errors import (
    ExposedKey,
    KeyFileExists,
    KeyFileInvalid,
    KeyRefused,
    NonCanonicalKey,
    SchemaError,
    SmallOrderKey,
    TooLarge,
    WrongPassphrase,
)
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.pae import pre_authentication_encoding
from mobility.trust.strict import Choice, Hexadecimal, Json, Record, canonical_bytes, parse_strict

__all__ = ["PUBLIC_IDENTITY", "Identity", "PublicIdentity", "Role"]

_BINDING_TYPE: Final = "application/vnd.sojourn.sealing-key.v1+json"
_CACHEABLE: Final = 64 * 1024


class Role(StrEnum):
    """In which capacity a key signs."""

    OWNER = "owner"
    PLACE = "place"


class _Remembered:
    """Signatures that were found good; of each key, message and signature only a digest is kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        with self._lock:
            if digest not in self._digests:
                return False
            self._digests.move_to_end(digest)
            return True

    def add(self, digest: bytes) -> None:
        with self._lock:
            self._digests[digest] = None
            if len(self._digests) > self._most:
                self._digests.popitem(last=False)


_good = _Remembered(4096)
_loaded = lru_cache(maxsize=1024)(Ed25519PublicKey.from_public_bytes)


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The public part of an `Identity`: safe to hand out, and checked in itself, but not trusted by that.

    Attributes
    ----------
    name, role
        What it calls itself; the list of trusted keys may call it otherwise.
    key
        The raw Ed25519 public key.
    sealing_key
        The raw X25519 public key.
    binding
        Signature by `key` over name, role and both keys.

    Raises
    ------
    KeyRefused
        For keys that must not be trusted (`SmallOrderKey`, `NonCanonicalKey`), and a binding that does not hold.
    """

    name: str
    role: Role
    key: bytes
    sealing_key: bytes
    binding: bytes
    key_id: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        require_name(self.name)
        require_usable(self.key)
        _require_usable_for_sealing(self.sealing_key)
        object.__setattr__(self, "key_id", hashlib.sha256(self.key).hexdigest())
        if not self.verifies(_binding_message(self.name, self.role, self.key, self.sealing_key), self.binding):
            raise KeyRefused(
                f"the name, role and sealing key of {self.name} are not bound by a signature of its signing key",
                remedy="Ask its holder for the public key file anew.",
            )

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's, over exactly `message` (RFC 8032, section 5.1.7)."""
        # Of s and s + L, which fit the same message, only s < L is a signature.
        if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= ORDER:
            return False
        seen = hashlib.sha256(self.key + signature + message).digest() if len(message) <= _CACHEABLE else None
        if seen is not None and seen in _good:
            return True
        try:
            _loaded(self.key).verify(signature, message)
        except InvalidSignature:
            return False
        if seen is not None:
            _good.add(seen)
        return True

    def to_bytes(self) -> bytes:
        """The content of a ``.pub`` file."""
        return canonical_bytes(PUBLIC_IDENTITY.write(self)) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, limits: Limits = DEFAULT_LIMITS) -> PublicIdentity:
        """Read a ``.pub`` file.

        Raises
        ------
        TooLarge, SchemaError, KeyRefused
        """
        limits.check("key_file_bytes", len(data), "the public key file")
        return parse_strict(data, PUBLIC_IDENTITY, limits)

    def __str__(self) -> str:
        return f"{self.role}:{self.name} ({self.key_id[:16]})"


#: The form of a public identity, alone in a file or within another.
PUBLIC_IDENTITY: Final = Record(
    PublicIdentity,
    {
        "name": NAME,
        "role": Choice(Role),
        "key": Hexadecimal(32),
        "sealing_key": Hexadecimal(32),
        "binding": Hexadecimal(64),
    },
    constants={"format": "sojourn-public-key", "version": 1},
)


def _binding_message(name: str, role: Role, key: bytes, sealing_key: bytes) -> bytes:
    body: Json = {"key": key.hex(), "name": name, "role": role.value, "sealing_key": sealing_key.hex()}
    return pre_authentication_encoding(_BINDING_TYPE, canonical_bytes(body))


def _require_usable_for_sealing(raw: bytes) -> None:
    if len(raw) != 32:
        raise KeyRefused(f"an X25519 public key has 32 bytes, not {len(raw)}")
    if int.from_bytes(raw, "little") >= FIELD:
        raise NonCanonicalKey("the sealing key is not below the prime of the field")
    try:
        # A private scalar is a multiple of 8, so every point of small order gives the zero that is refused here
        # (RFC 7748, section 6.1).
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError:
        raise SmallOrderKey("the sealing key is a point of small order: everybody could open what it seals") from None


class Identity:
    """A key pair to sign with, a key pair to be sealed to, and a name; secret, so it is neither shown nor pickled.

    Make one with `generate` or `load`.
    """

    __slots__ = ("_sealing", "_signing", "public")

    def __init__(self, name: str, role: Role, signing: Ed25519PrivateKey, sealing: X25519PrivateKey) -> None:
        self._signing = signing
        self._sealing = sealing
        key, sealing_key = signing.public_key().public_bytes_raw(), sealing.public_key().public_bytes_raw()
        binding = signing.sign(_binding_message(require_name(name), Role(role), key, sealing_key))
        #: The part to hand out.
        self.public = PublicIdentity(name, Role(role), key, sealing_key, binding)

    @classmethod
    def generate(cls, name: str, role: Role | str) -> Identity:
        """Make new keys.

        Raises
        ------
        ValueError
            For a name with other characters than letters, digits and ``._@+-``, or an unknown role.
        """
        return cls(name, Role(role), Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    @property
    def name(self) -> str:
        return self.public.name

    @property
    def key_id(self) -> str:
        return self.public.key_id

    @property
    def sealing_private(self) -> X25519PrivateKey:
        """For `mobility.trust.sealing`."""
        return self._sealing

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature over `message`; for envelopes use `Envelope.sign`."""
        return self._signing.sign(message)

    def save(self, path: str | os.PathLike[str], passphrase: str | None = None, *, replace: bool = False) -> None:
        """Write the secret file (mode 0600).

        Raises
        ------
        KeyFileExists
            If there is a file at `path`, unless `replace`.
        ValueError
            For an empty passphrase.
        """
        target = Path(path)
        secret = self._signing.private_bytes_raw() + self._sealing.private_bytes_raw()
        salt = b""
        if passphrase is not None:
            salt = os.urandom(16)
            # A fresh salt gives a fresh key, which encrypts this one message: the nonce may be constant.
            secret = AESGCM(_stretched(passphrase, salt)).encrypt(bytes(12), secret, self.public.to_bytes())
        data = canonical_bytes(_FILE.write(_SecretFile(self.public, salt, secret))) + b"\n"
        try:
            write_atomically(target, data, mode=0o600, replace=replace)
        except FileExistsError:
            raise KeyFileExists(target, "is there already, and its secret key would be lost") from None

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], passphrase: str | None = None, *, limits: Limits = DEFAULT_LIMITS
    ) -> Identity:
        """Read a secret file.

        Raises
        ------
        ExposedKey
            If others than its owner may read or write it.
        WrongPassphrase
            If it needs one that is missing or wrong, or if its encrypted part was altered.
        KeyFileInvalid
            If it is no key file, or its parts do not belong together.
        OSError
            If it cannot be read at all.
        """
        source = Path(path)
        data, status = read_capped(source, limits.key_file_bytes)
        if sys.platform != "win32" and status.st_mode & 0o077:
            raise ExposedKey(source, f"may be used by others than its owner (mode {status.st_mode & 0o777:03o})")
        try:
            limits.check("key_file_bytes", len(data), "the key file")
            content = parse_strict(data, _FILE, limits)
        except (TooLarge, SchemaError, KeyRefused) as error:
            raise KeyFileInvalid(source, f"is not readable as a key: {error.reason}") from error
        secret = content.opened(source, passphrase)
        signing = Ed25519PrivateKey.from_private_bytes(secret[:32])
        identity = cls(
            content.public.name, content.public.role, signing, X25519PrivateKey.from_private_bytes(secret[32:])
        )
        if identity.public != content.public:
            raise KeyFileInvalid(source, "has a secret part that does not belong to its public part")
        return identity

    def __repr__(self) -> str:
        return f"<Identity {self.public}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an Identity is not copied or pickled, because it is secret: save it, or send its .public")


def _stretched(passphrase: str, salt: bytes) -> bytes:
    if not passphrase:
        raise ValueError("the passphrase is empty; give None to save without one")
    text = unicodedata.normalize("NFC", passphrase).encode("utf-8")
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(text)  # 32 MiB, about a tenth of a second


@dataclass(frozen=True, slots=True)
class _SecretFile:
    """The content of a secret file; without a salt, `secret` is plain."""

    public: PublicIdentity
    salt: bytes
    secret: bytes = field(repr=False)

    def opened(self, path: Path, passphrase: str | None) -> bytes:
        if not self.salt:
            return self.secret
        if not passphrase:
            raise WrongPassphrase(path, "is protected by a passphrase, and none was given")
        try:
            return AESGCM(_stretched(passphrase, self.salt)).decrypt(bytes(12), self.secret, self.public.to_bytes())
        except InvalidTag:
            raise WrongPassphrase(path, "does not open with this passphrase") from None


class _SecretSchema:
    """Two forms: plain, and under a passphrase."""

    _plain = Record(
        lambda public, secret: _SecretFile(public, b"", secret),
        {"public": PUBLIC_IDENTITY, "secret": Hexadecimal(64)},
        constants={"format": "sojourn-secret-key", "version": 1, "protection": "none"},
    )
    _protected = Record(
        _SecretFile,
        {"public": PUBLIC_IDENTITY, "salt": Hexadecimal(16), "secret": Hexadecimal(80)},
        constants={"format": "sojourn-secret-key", "version": 1, "protection": "scrypt-aes256gcm"},
    )

    def read(self, value: object) -> _SecretFile:
        plain = type(value) is dict and value.get("protection") == "none"
        return (self._plain if plain else self._protected).read(value)

    def write(self, value: _SecretFile) -> Json:
        return (self._protected if value.salt else self._plain).write(value)


_FILE: Final = _SecretSchema()
