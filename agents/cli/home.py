"""The home folder: your own keys, and the store of those whom you trust.

::

    keys/NAME.key     a secret key, readable by you alone
    keys/NAME.pub     its public part, to hand out
    trust/            a `mobility.trust.TrustStore`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from agents.owning import usual_home

if TYPE_CHECKING:
    from mobility.trust import Identity, PublicIdentity, TrustStore

__all__ = ["HomeFolder", "OwnKey", "existing_file", "open_bundle", "public_key_at"]


@dataclass(frozen=True, slots=True)
class OwnKey:
    """One of your keys; `public` is None if its ``.pub`` file is missing or unreadable, and `problem` says why."""

    name: str
    path: Path
    public: PublicIdentity | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HomeFolder:
    """Where a command finds keys and trust.

    Attributes
    ----------
    folder
        The home folder; need not exist.
    trust_folder
        The trust store's.
    """

    folder: Path
    trust_folder: Path

    @classmethod
    def of(cls, home: Path | None, store: Path | None = None) -> HomeFolder:
        """From the options of a command."""
        folder = usual_home() if home is None else home
        return cls(folder, folder / "trust" if store is None else store)

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def key_file(self, name: str) -> Path:
        return self.keys / f"{name}.key"

    def public_file(self, name: str) -> Path:
        return self.keys / f"{name}.pub"

    def store(self, *, place: str | None = None) -> TrustStore:
        """The trust store; `place` is for the sentences of its errors."""
        from mobility.trust import TrustStore

        if self.trust_folder.exists() and not self.trust_folder.is_dir():
            from agents.cli.errors import FileUnusable

            raise FileUnusable(self.trust_folder, "a trust store is a folder")
        return TrustStore(self.trust_folder, place=place)

    def own_keys(self) -> Iterator[OwnKey]:
        """Your keys, by name."""
        from mobility.trust import PublicIdentity, TrustError

        if not self.keys.is_dir():
            return
        for path in sorted(self.keys.glob("*.key")):
            try:
                with open(path.with_suffix(".pub"), "rb") as file:
                    public = PublicIdentity.from_bytes(file.read(1 << 17))
            except FileNotFoundError:
                yield OwnKey(path.stem, path, None, "its .pub file is missing")
            except OSError as error:
                yield OwnKey(path.stem, path, None, f"its .pub file cannot be read: {error.strerror}")
            except TrustError as error:
                yield OwnKey(path.stem, path, None, f"its .pub file is not readable as a key: {error.slug}")
            else:
                yield OwnKey(path.stem, path, public)

    def launching_key(self, name: str | None, passphrase_file: Path | None) -> Identity:
        """The key with which to sign agents: that of a name; else `owner`, made and trusted here if there is none.

        Raises
        ------
        KeyMissing, KeyFileError, mobility.trust.TrustError
        """
        from agents.owning import OWNER, own_identity

        if name is not None or self.key_file(OWNER).is_file():
            return self.identity(OWNER if name is None else name, passphrase_file)
        made = own_identity(self.folder)
        trusted = self.store()
        if all(entry.name != made.name for entry in trusted.current().listed):
            trusted.trust(made.public)
        return made

    def identity(self, name: str, passphrase_file: Path | None) -> Identity:
        """Your key of that name, opened; asks for a passphrase if it needs one.

        Raises
        ------
        KeyMissing, KeyFileError
        """
        from mobility.trust import Identity
        from mobility.trust.errors import WrongPassphrase

        path = self.key_file(name)
        if Path(name).name != name or not path.is_file():
            from agents.cli.errors import KeyMissing

            raise KeyMissing(name, self.keys)
        try:
            return Identity.load(path)
        except WrongPassphrase:
            from agents.cli.passphrase import known_passphrase

            passphrase = known_passphrase(passphrase_file, path)
        return Identity.load(path, passphrase)


def existing_file(path: Path) -> Path:
    """A file that is there.

    Raises
    ------
    FileMissing, FileUnusable
    """
    from agents.cli.errors import FileMissing, FileUnusable

    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(path) from None
    except (OSError, ValueError) as error:
        raise FileUnusable(path, getattr(error, "strerror", None) or str(error)) from None
    if not path.is_file():
        raise FileUnusable(path, "it is no regular file")
    return path


def open_bundle(path: Path) -> BinaryIO:
    """A bundle's file, to be read from its beginning.

    Raises
    ------
    FileMissing, FileUnusable
    """
    from agents.cli.errors import FileUnusable

    try:
        return existing_file(path).open("rb")
    except OSError as error:
        raise FileUnusable(path, error.strerror or str(error)) from None


def public_key_at(path: Path) -> PublicIdentity:
    """The public key in a file.

    Raises
    ------
    FileMissing, FileUnusable, SecretKeyGiven, mobility.trust.TrustError
    """
    from mobility.trust import DEFAULT_LIMITS, PublicIdentity
    from mobility.trust.errors import SchemaError

    with open(existing_file(path), "rb") as file:
        data = file.read(DEFAULT_LIMITS.key_file_bytes + 1)
    try:
        return PublicIdentity.from_bytes(data)
    except SchemaError:
        if b'"sojourn-secret-key"' in data:
            from agents.cli.errors import SecretKeyGiven

            raise SecretKeyGiven(path) from None
        raise
