"""A birth certificate says what the owner meant, or is not signed at all."""

from __future__ import annotations

from typing import Any

import pytest

from mobility.trust.certificate import verify_certificate
from mobility.trust.errors import Rollback, SchemaError
from mobility.trust.trustlist import TrustList
from tests.mobility.trust.people import BAKU, CODE, NOW, OSLO, OWNER, born, certificate, entry, refused, trusted


def test_round_trip() -> None:
    """Every field comes back as it was signed."""
    made = certificate(
        code=(CODE, bytes(32)), places=("oslo", "lima"), in_order=True, capabilities=("net:read", "disk"), home=None
    )
    verified = verify_certificate(made.sign(OWNER), trusted(), now=NOW)
    assert verified.certificate == made
    assert (verified.owner.name, verified.digest) == ("survey-lab", made.sign(OWNER).digest)


def test_signed_only_by_the_owner_it_names() -> None:
    """Nobody would accept it; so nobody makes it."""
    with pytest.raises(ValueError):
        certificate().sign(BAKU)


@pytest.mark.parametrize(
    "changes",
    [{"in_order": True}, {"not_before": NOW + 2, "not_after": NOW + 1}, {"not_before": -1}, {"not_after": 10**12}],
)
def test_what_makes_no_sense_is_not_made(changes: dict[str, Any]) -> None:
    """An order without places, a period without a moment."""
    with pytest.raises(ValueError):
        certificate(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": (CODE, CODE)},
        {"code": (b"short",)},
        {"arguments": bytes(31)},
        {"manifest": bytes(31)},
        {"manifest": b""},
        {"hop_limit": -1},
        {"hop_limit": 2.0},
        {"hop_limit": True},
        {"agent": "a/b"},
        {"entry_point": "x\ny"},
        {"entry_point": ""},
        {"capabilities": ("a", "a")},
        {"capabilities": ("Root please",)},
        {"places": ("oslo", "")},
    ],
)
def test_what_cannot_travel_is_not_signed(changes: dict[str, Any]) -> None:
    """Found by the owner, not by the first place on the way."""
    refused(SchemaError, lambda: born(**changes))


def test_where_it_may_go() -> None:
    """Anywhere, to some places, or stop by stop."""
    assert certificate().allows("anywhere", 7)
    some = certificate(places=("oslo", "lima"))
    assert some.allows("lima", 1) and some.allows("oslo", 9) and not some.allows("baku", 1)
    stops = certificate(places=("oslo", "lima", "oslo"), in_order=True)
    assert [stops.allowed(hop) for hop in (1, 2, 3, 4)] == [("oslo",), ("lima",), ("oslo",), ()]
    assert not stops.allows("lima", 1) and not stops.allows("oslo", 4)
    assert certificate().allows(None, 1) and not some.allows(None, 1) and not stops.allows(None, 4)


def test_a_newer_list_cannot_move_a_revocation_forward() -> None:
    """From an epoch on, or from an earlier one; not from a later one."""
    revoked = trusted(entry(OSLO, revoked_from=3))
    for epoch in (4, None):
        later = TrustList.of(9, trusted(entry(OSLO, revoked_from=epoch)).listed)
        refused(Rollback, lambda: revoked.succeeded_by(later))
    for epoch in (3, 0):
        assert revoked.succeeded_by(TrustList.of(9, trusted(entry(OSLO, revoked_from=epoch)).listed)).version == 9
