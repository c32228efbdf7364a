"""A large agent is decoded while it is written down: whichever of the two fails, nothing of it stays."""

from __future__ import annotations

import pytest

from agents import agent, hop
from agents.errors import MoveRefused, StoreFailed
from agents.testing.local import LocalPlatform

LARGE = 2_000_000


class Fragile:
    """Cannot be made where it arrives."""

    def __reduce__(self):
        return _broken, ()


def _broken():
    raise RuntimeError("not here")


@agent
def carrier(here, places, payload, fragile):
    reasons = []
    for place in places:
        held = Fragile() if fragile else None
        try:
            here = yield hop(place)
        except MoveRefused as error:
            reasons.append(error.why)
        del held
    return here.name, reasons, len(payload)


def kept(platform: LocalPlatform, place: str) -> set[str]:
    return set(platform.running[place].core.store.agents())


def test_a_large_agent_is_on_disk_before_it_is_let_in() -> None:
    """What the store has at the moment of each `Take` is this very stay."""
    stays = []
    with LocalPlatform(["baku", "oslo"]) as platform:

        def tamper(whom, request, deliver):
            if whom == "directory" and request[0] == "submit" and type(request[1][0]).__name__ == "Take":
                take = request[1][0]
                stays.append(platform.running[take.by.place].core.store.stay(take.agent) == take.epoch + 1)
            return deliver()

        platform.net.tamper = tamper
        travels = platform.launch(carrier, ["oslo", "baku"], bytes(LARGE), False, at="baku")
        assert travels.result(timeout=20) == ("baku", [], LARGE)
    assert stays == [True, True, True]


def test_what_cannot_be_made_leaves_nothing_on_disk() -> None:
    with LocalPlatform(["baku", "oslo"]) as platform:
        travels = platform.launch(carrier, ["oslo"], bytes(LARGE), True, at="baku")
        assert travels.result(timeout=20) == ("baku", ["state-invalid"], LARGE)
        assert kept(platform, "oslo") == set()


def test_what_cannot_be_written_is_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalPlatform(["baku", "oslo"]) as platform:

        def full(*_: object) -> None:
            raise StoreFailed("oslo", "no space left on device")

        monkeypatch.setattr(platform.running["oslo"].core.store, "save", full)
        travels = platform.launch(carrier, ["oslo"], bytes(LARGE), False, at="baku")
        assert travels.result(timeout=20) == ("baku", ["store-failed"], LARGE)
        assert kept(platform, "oslo") == set()
