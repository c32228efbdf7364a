"""Whose keys count at a place: by key, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import agent, hop, receive
from agents.errors import MoveRefused
from agents.place.trusting import MemberTrust
from agents.testing import LocalPlatform
from mobility.trust import Identity, Role, TrustStore
from mobility.trust.errors import Revoked


@agent
def waits(here):
    yield receive()
    return here.name


@agent
def goes(here, places):
    seen = []
    for place in places:
        here = yield hop(place)
        seen.append(here.name)
    return seen


def test_two_keys_of_one_name_are_two(tmp_path: Path) -> None:
    """To trust a colleague's key that is called like one's own locks out neither; nor does another cluster's place."""
    mine, colleague = Identity.generate("owner", "owner"), Identity.generate("owner", "owner")
    here, there = Identity.generate("oslo", "place"), Identity.generate("oslo", "place")
    store = TrustStore(tmp_path)
    store.trust(colleague.public)
    store.trust(there.public)
    trust = MemberTrust("oslo", store, (mine.public,))
    trust.meet([here.public])
    for identity, role in ((mine, Role.OWNER), (colleague, Role.OWNER), (here, Role.PLACE), (there, Role.PLACE)):
        assert trust.current().lookup(identity.key_id, role, 0.0, 0).public == identity.public
    store.trust(mine.public, name="mine")
    store.revoke(mine.key_id)
    with pytest.raises(Revoked):  # what the place's own list says comes first
        trust.current().lookup(mine.key_id, Role.OWNER, 0.0, 0)


def test_a_place_that_joined_later_is_known_when_a_trail_is_read() -> None:
    """The program that reads it has connected before, and the key of the place was none of the platform's then."""
    with LocalPlatform(["oslo"]) as platform:
        assert platform.launch(goes, [], at="oslo").trail().verified
        platform.start("lima")
        handle = platform.launch(goes, ["lima", "oslo"], at="oslo")
        assert handle.result(timeout=20) == ["lima", "oslo"]
        trail = handle.trail()
        assert trail.verified and [link.destination for link in trail] == ["lima", "oslo"]


def test_an_older_file_is_refused_and_keeps_nobody_out(tmp_path: Path) -> None:
    """Frozen twice: the first file is of no use any more, and the second one is, at the very place that refused."""
    with LocalPlatform(["baku", "oslo"]) as platform:
        handle = platform.launch(waits, at="oslo")
        handle.freeze(tmp_path / "old")
        platform.thaw(tmp_path / "old", at="baku")
        handle.freeze(tmp_path / "new")
        with pytest.raises(MoveRefused, match="use the newest file"):
            platform.thaw(tmp_path / "old", at="oslo")
        platform.thaw(tmp_path / "new", at="oslo")
        handle.send("end")
        assert handle.result(timeout=10) == "oslo"
