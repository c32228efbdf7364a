"""A home folder, two hospitals and a closed place in this process, and commands that find them instead of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.testing import LocalPlatform
from federated.app import AppBundle
from mobility.trust import Identity
from tests.federated.probes import probe

POLICY = """
[place.datasets.ward]
config = {{ data = "{place}.csv" }}
tell = true
[place.datasets.ward.policy]
signers = ["{signer}"]
messages = ["train"]
keys = ["arrays.arrays.*", "metrics.metrics.*"]
exact = ["metrics.metrics.*"]
clip_norm = 10.0
noise = {{ multiplier = 0.5 }}
allowance = {{ rounds = 4, epsilon = 200.0, delta = 1e-5 }}
"""


@dataclass(frozen=True)
class Site:
    """What the commands of a test work on."""

    home: Path
    app: Path
    folder: Path
    ada: Identity
    platform: LocalPlatform

    def kept(self, place: str) -> Path:
        """Where a place keeps ledger and audit log."""
        return self.platform.folder / "places" / place / "extensions" / "datasets"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    home = folder / "home"
    (home / "keys").mkdir(parents=True)
    ada = Identity.generate("owner", "owner")
    ada.save(home / "keys" / "owner.key")
    (home / "keys" / "owner.pub").write_bytes(ada.public.to_bytes())
    from mobility.trust import TrustStore

    TrustStore(home / "trust").trust(ada.public)
    bundle: AppBundle = probe(
        folder / "app",
        "return answer(msg, msg.content['arrays']['0'].numpy() + 1.0, loss=0.5)",
    )
    assert bundle.envelope is None
    files = {}
    for place in ("oslo", "lima"):
        files[place] = folder / f"{place}.toml"
        files[place].write_text(POLICY.format(place=place, signer=ada.key_id))
    files["baku"] = folder / "baku.toml"
    files["baku"].write_text("[place.datasets.ward]\n")
    with LocalPlatform(["oslo", "lima", "baku"], owner=ada, place_files=files, folder=folder / "state") as platform:
        yield Site(home, folder / "app", folder, ada, platform)


@pytest.fixture(autouse=True)
def found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands speak to that platform."""
    from agents.cli import reaching

    @contextmanager
    def connected(*_: Any, **__: Any) -> Iterator[Any]:
        yield site.platform

    monkeypatch.setattr(reaching, "connected", connected)
    monkeypatch.setenv("SOJOURN_HOME", str(site.home))
