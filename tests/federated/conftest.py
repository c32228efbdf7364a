"""Nodes in this process, and apps to run on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from federated.app import AppBundle
from mobility.trust import Identity

APPS = Path(__file__).resolve().parent / "apps"

pytest.importorskip("flwr", reason="Flower is an extra: pip install sojourn[federated]")


@pytest.fixture(scope="session")
def ada() -> Identity:
    """The author of apps."""
    return Identity.generate("ada", "owner")


@pytest.fixture(scope="session")
def digits() -> AppBundle:
    """Logistic regression on the digits data."""
    return AppBundle.from_dir(APPS / "digits")
