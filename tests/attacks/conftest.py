"""While attacks are tried, nothing is decoded: whoever loads a pickle fails the test that was running."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

#: The modules whose attacks end before there is anything to decode; the others watch for themselves.
_WATCHED = ("test_branches", "test_chain", "test_envelope")


@pytest.fixture(scope="module", autouse=True)
def nothing_is_decoded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Forbid it, and be sure at the end that nobody tried and hid it."""
    if request.module.__name__.rpartition(".")[2] not in _WATCHED:
        yield
        return
    tried: list[Any] = []

    def forbidden(*arguments: Any, **options: Any) -> Any:
        tried.append(arguments)
        raise AssertionError("something was decoded")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("loads", "load", "Unpickler"):
            patch.setattr(pickle, name, forbidden)
        yield
    assert tried == []
