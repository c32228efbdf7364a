"""A Flower app as the code segment of a signed bundle.

Rules
-----
1. The files are those that `flwr build` would take; pyproject.toml is as it writes it.
2. The digest is SHA-256 of the list of paths, sizes and digests, in the order of the paths. File times, the order in
   a FAB, its compression and whoever signed it do not change it.
3. What is signed is that list. A signature is checked, and each file against the list, before anything is unpacked;
   only `verify_app` makes a `VerifiedApp`, and only that can be unpacked.
4. A path is relative, has no dots or drives, and no two differ in case alone. There are no links.

Bytes: ``SJA1``, the length of the envelope (4 bytes, big-endian), the envelope, then the files, one after the other.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Final

from federated.appconfig import AppConfig
from federated.apperrors import AppAltered, AppInvalid, AppUnsigned
from federated.fab import AppLimits, require_paths, unzipped, walked
from mobility.trust import DEFAULT_LIMITS, Envelope, Identity, Limits, Role, TrustedKey, TrustSource
from mobility.trust.certificate import verify_by_known
from mobility.trust.strict import (
    Array,
    Hexadecimal,
    Integer,
    Record,
    Text,
    canonical_bytes,
    parse_strict,
    write_canonical,
)

__all__ = ["APP_BUNDLE_TYPE", "AppBundle", "VerifiedApp", "verify_app"]

#: Names form and version, and is signed with the body: one version cannot pass for another.
APP_BUNDLE_TYPE: Final = "application/vnd.sojourn.app-bundle.v1+json"
_MAGIC: Final = b"SJA1"
_HEAD: Final = struct.Struct(">4sI")
_PROOF: Final = object()
_PROJECT: Final = "pyproject.toml"


_LIMITS: Final = AppLimits()


@dataclass(frozen=True, slots=True)
class _Listed:
    path: str
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class _Contents:
    """What the author signs."""

    author: str
    files: tuple[_Listed, ...]


_LISTED: Final = Record(_Listed, {"path": Text(most=255), "size": Integer(0, 1 << 40), "sha256": Hexadecimal(32)})
_CONTENTS: Final = Record(
    _Contents,
    {"author": Text(re.compile("[0-9a-f]{64}"), least=64, most=64), "files": Array(_LISTED, most=65_536)},
    constants={"format": "sojourn-app-bundle", "version": 1},
)


def _digest(listed: Iterable[_Listed]) -> str:
    return hashlib.sha256(canonical_bytes([_LISTED.write(one) for one in listed])).hexdigest()


@dataclass(frozen=True, slots=True)
class AppBundle:
    """A Flower app, whole and checked for its structure; nothing of it has been run.

    Attributes
    ----------
    files
        Their content by path, in order.
    config
        What its pyproject.toml says.
    envelope
        The signed list of files; None before `signed_by`.
    """

    files: Mapping[str, bytes] = field(repr=False)
    config: AppConfig
    envelope: Envelope | None = field(default=None, repr=False)

    @classmethod
    def from_dir(cls, folder: str | os.PathLike[str], *, limits: AppLimits = _LIMITS) -> AppBundle:
        """The app in a folder: what `flwr build` would put into a FAB.

        Raises
        ------
        AppInvalid, AppTooLarge
            Also for a link among its files, which `flwr build` would leave out without a word.
        """
        from federated._flower.building import built, chosen  # Flower is slow to import

        root = Path(folder)
        if not root.is_dir():
            raise AppInvalid(f"there is no folder {root}")
        project = root / _PROJECT
        if not project.is_file():
            raise AppInvalid(f"{root} has no pyproject.toml, so it is no Flower app")
        settings = AppConfig.parse(project.read_bytes())
        found, links = walked(root)
        ignored = root / ".gitignore"
        rules = ignored.read_bytes() if ignored.is_file() and not ignored.is_symlink() else b""
        try:
            linked = set(chosen(links, settings, rules))
            if linked:
                raise AppInvalid(f"{min(linked).removesuffix('/__init__.py')} is a link, and links do not travel")
            taken = sorted({_PROJECT, *chosen(found, settings, rules)})
            limits.check("files", len(taken), "the number of files")
            limits.check("total_bytes", sum((root / path).lstat().st_size for path in taken), "the app in bytes")
            files = {path: (root / path).read_bytes() for path in taken}
            AppConfig.read(files[_PROJECT], files)  # in our words, before Flower's
            if rules:
                files[".gitignore"] = rules
            fab = built(files)
        except ValueError as error:
            raise AppInvalid(f"{root} is no Flower app: {error}") from None
        return cls.from_fab(fab, limits=limits)

    @classmethod
    def from_fab(cls, fab: bytes | str | os.PathLike[str], *, limits: AppLimits = _LIMITS) -> AppBundle:
        """The app in a Flower App Bundle, as bytes or as a file.

        Raises
        ------
        AppInvalid, AppTooLarge
        OSError
            If the file cannot be read.
        """
        if not isinstance(fab, bytes):
            with open(fab, "rb") as file:
                fab = file.read(limits.fab_bytes + 1)
        limits.check("fab_bytes", len(fab), "the FAB in bytes")
        return cls._of(unzipped(fab, limits), limits)

    @classmethod
    def _of(cls, files: Mapping[str, bytes], limits: AppLimits, envelope: Envelope | None = None) -> AppBundle:
        limits.check("files", len(files), "the number of files")
        limits.check("total_bytes", sum(map(len, files.values())), "the app in bytes")
        require_paths(files, limits)
        if _PROJECT not in files:
            raise AppInvalid("it has no pyproject.toml, so it is no Flower app")
        return cls(dict(sorted(files.items())), AppConfig.read(files[_PROJECT], files), envelope)

    @property
    def digest(self) -> str:
        """SHA-256 of what it is made of, as 64 hexadecimal digits."""
        return _digest(self._listed())

    @property
    def author(self) -> str | None:
        """The key id that the signature claims; only `verify_app` knows whether it is true."""
        return None if self.envelope is None else self.envelope.signatures[0].key_id

    def _listed(self) -> tuple[_Listed, ...]:
        return tuple(_Listed(path, len(data), hashlib.sha256(data).digest()) for path, data in self.files.items())

    def signed_by(self, author: Identity) -> AppBundle:
        """The same, signed.

        Raises
        ------
        ValueError
            If the identity is not an owner's.
        """
        if author.public.role is not Role.OWNER:
            raise ValueError(f"an app is signed by an owner, and {author.public} is none")
        body = write_canonical(_Contents(author.key_id, self._listed()), _CONTENTS)
        return AppBundle(self.files, self.config, Envelope.sign(APP_BUNDLE_TYPE, body, author))

    @classmethod
    def from_bytes(
        cls, data: bytes, *, limits: AppLimits = _LIMITS, trust_limits: Limits = DEFAULT_LIMITS
    ) -> AppBundle:
        """Read what `to_bytes` has made, to look at it: nothing is known of who made it.

        Raises
        ------
        AppAltered, AppInvalid, AppTooLarge, TrustError
        """
        envelope = _envelope(data, limits, trust_limits)
        if envelope.payload_type != APP_BUNDLE_TYPE or len(envelope.signatures) != 1:
            raise AppAltered("it is no app that one author has signed")
        contents = parse_strict(envelope.body, _CONTENTS, trust_limits)
        return cls._of(_files(contents, data, _HEAD.size + _HEAD.unpack_from(data)[1]), limits, envelope)

    def to_bytes(self) -> bytes:
        """As it travels.

        Raises
        ------
        AppUnsigned
        """
        if self.envelope is None:
            raise AppUnsigned(f"the app {self.config.name} is not signed")
        envelope = self.envelope.to_bytes()
        return b"".join((_HEAD.pack(_MAGIC, len(envelope)), envelope, *self.files.values()))

    def __str__(self) -> str:
        return f"{self.config.publisher}/{self.config.name} {self.config.version} ({self.digest[:16]})"


@dataclass(frozen=True, slots=True)
class VerifiedApp:
    """An app that a trusted author has signed, file for file.

    Attributes
    ----------
    bundle
        The app.
    author
        Who signed it, as the list of trusted keys calls them.
    """

    bundle: AppBundle
    author: TrustedKey
    digest: str
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        if proof is not _PROOF:
            raise TypeError("only verify_app makes a VerifiedApp")

    def unpack(self, folder: Path) -> None:
        """Write its files into a new folder.

        Raises
        ------
        OSError
        """
        folder.mkdir(mode=0o700, parents=True)
        for path, data in self.bundle.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "xb") as file:
                file.write(data)


def verify_app(
    data: bytes,
    trust: TrustSource,
    *,
    now: float | None = None,
    limits: AppLimits = _LIMITS,
    trust_limits: Limits = DEFAULT_LIMITS,
) -> VerifiedApp:
    """Check what came in: the signature, then its form, then each file, then the structure of the app.

    Parameters
    ----------
    trust
        Whose signatures count; the author must be in it as an owner.
    now
        Unix time; the present if it is not given.

    Raises
    ------
    AppAltered, AppInvalid, AppTooLarge, TrustError
    """
    envelope = _envelope(data, limits, trust_limits)
    trusted = trust.current()
    verified = verify_by_known(envelope, trusted, APP_BUNDLE_TYPE, trust_limits)
    contents = verified.parse(_CONTENTS, trust_limits)
    (signer,) = verified.signers
    if signer.key_id != contents.author:
        raise AppAltered("it names another author than the one who signed it")
    moment = time.time() if now is None else now
    author = trusted.lookup(signer.key_id, Role.OWNER, moment, None, limits=trust_limits)
    files = _files(contents, data, _HEAD.size + _HEAD.unpack_from(data)[1])
    bundle = AppBundle._of(files, limits, envelope)
    return VerifiedApp(bundle, author, bundle.digest, _PROOF)


def _envelope(data: bytes, limits: AppLimits, trust_limits: Limits) -> Envelope:
    """The envelope of what came in, as it stands."""
    size = len(data)
    magic, length = _HEAD.unpack_from(data) if size >= _HEAD.size else (b"", 0)
    if magic != _MAGIC or _HEAD.size + length > size:
        raise AppAltered("these bytes are no app bundle, or they were cut off")
    trust_limits.check("envelope_bytes", length, "the envelope of the app")
    limits.check("total_bytes", size - length, "the app in bytes")
    return Envelope.from_bytes(data[_HEAD.size : _HEAD.size + length], trust_limits)


def _files(contents: _Contents, data: bytes, position: int) -> dict[str, bytes]:
    """The files, each as it is listed."""
    files: dict[str, bytes] = {}
    for one in contents.files:
        piece = data[position : position + one.size]
        if hashlib.sha256(piece).digest() != one.sha256:
            raise AppAltered(f"the file {one.path} is not the one that was signed")
        if one.path in files:
            raise AppInvalid(f"{one.path} is listed twice")
        files[one.path] = piece
        position += one.size
    if position != len(data):
        raise AppAltered(f"{len(data) - position} bytes follow the last file")
    return files
