"""An owner with a home folder, places, and bundles of all kinds on the way between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mobility.bundle import Birth, Bundle, pack, unpack
from mobility.trust import Identity, Role, TrustStore

OWNER = Identity.generate("survey-lab", Role.OWNER)
BAKU, OSLO, LIMA = (Identity.generate(name, Role.PLACE) for name in ("baku", "oslo", "lima"))
STRANGER = Identity.generate("stranger", Role.OWNER)


@dataclass(frozen=True)
class World:
    """A home folder that trusts `OWNER` and the places, one that trusts nobody, and a folder for bundles."""

    home: Path
    nobody: Path
    folder: Path

    def file(self, bundle: Bundle, name: str = "a.sojourn") -> Path:
        path = self.folder / name
        bundle.write(path, replace=True)
        return path

    def pack(self, unit: Any, name: str = "a.sojourn", **options: Any) -> Path:
        return self.file(pack(unit, **{"by": OWNER, **options}), name)

    def suspended(self, make: Callable[..., Any], *args: Any, steps: int = 1, **options: Any) -> Path:
        """A generator that has made some steps."""
        generator = make(*args)
        for _ in range(steps):
            next(generator)
        return self.pack(generator, **options)

    def travelled(self, make: Callable[..., Any], *args: Any, **birth: Any) -> Path:
        """Born at baku, there a step, sent to oslo, there a step, sent to lima."""
        store = TrustStore(self.home / "trust")
        unit: Any = make(*args)
        bundle = pack(unit, by=OWNER, birth=Birth(home="baku", **birth))
        for here, there in ((BAKU, "oslo"), (OSLO, "lima")):
            verified = bundle.verify(store, audience=here.name)
            unit = unpack(verified)
            next(unit)
            bundle = pack(unit, by=here, passport=verified.passport, to=there)
        return self.file(bundle)


@pytest.fixture
def world(tmp_path: Path) -> World:
    home, nobody, folder = (tmp_path / name for name in ("home", "nobody", "bundles"))
    folder.mkdir()
    (home / "keys").mkdir(parents=True)
    store = TrustStore(home / "trust")
    for identity in (OWNER, BAKU, OSLO, LIMA):
        store.trust(identity.public)
    for identity in (OWNER, LIMA):
        identity.save(home / "keys" / f"{identity.name}.key")
        (home / "keys" / f"{identity.name}.pub").write_bytes(identity.public.to_bytes())
    return World(home, nobody, folder)


def altered(path: Path, **changes: Any) -> Path:
    """The same file with other parts of the bundle, and the old signatures."""
    replace(Bundle.read(path), **changes).write(path, replace=True)
    return path


def flipped(path: Path, offset_from_end: int) -> Path:
    """The same file with one bit turned over."""
    content = bytearray(path.read_bytes())
    content[-offset_from_end] ^= 1
    path.write_bytes(content)
    return path
