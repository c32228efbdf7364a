"""Attacks on a roster, by name: a server cannot make participants up, nor count one twice, nor use old ones again."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated import roster as roster_module
from federated.errors import RosterRefused
from federated.roster import CheckedRoster, Roster, Seat, check_endorsements, check_roster, endorse, take_seat
from mobility.trust.envelope import Envelope, Signature
from mobility.trust.errors import SchemaError
from mobility.trust.keys import Identity, Role
from mobility.trust.strict import canonical_bytes
from mobility.trust.trustlist import TrustEntry, TrustList

NOW = 1_900_000_000.0
APP = hashlib.sha256(b"app").digest()
NODES = [Identity.generate(f"node-{n}", Role.PLACE) for n in range(4)]
STRANGER = Identity.generate("stranger", Role.PLACE)
OWNER = Identity.generate("lab", Role.OWNER)


def trusting(*identities: Identity, **changes: Any) -> TrustList:
    entries = [TrustEntry(one.public, one.name, (one.public.role,), **changes) for one in identities]
    return TrustList.of(1, entries, place="node-0")


TRUST = trusting(*NODES, OWNER)


def seats(
    *nodes: Identity, run: str = "run-7", app: bytes = APP, now: float = NOW
) -> tuple[list[Envelope], list[Seat]]:
    both = [take_seat(node, run, app, now=now) for node in nodes]
    return [envelope for envelope, _ in both], [seat for _, seat in both]


def refusal(envelopes: list[Envelope], own: Seat, k: int = 3, trust: TrustList = TRUST, now: float = NOW) -> str:
    with pytest.raises(RosterRefused) as caught:
        check_roster(Roster(tuple(envelopes)), own, k, trust, now=now)
    error = caught.value
    assert f"({error.why})" in str(error) and "has not answered" in str(error)
    assert pickle.loads(pickle.dumps(error)).why == error.why
    return error.why


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(4)), st.integers(1, 4))
def test_participants_whom_the_node_trusts_are_accepted_in_any_order(order: list[int], k: int) -> None:
    """Also after a journey as bytes; the digest is that of the set."""
    envelopes, taken = seats(*NODES)
    shuffled = Roster(tuple(envelopes[n] for n in order))
    checked = check_roster(Roster.from_bytes(shuffled.to_bytes()), taken[0], k, TRUST, now=NOW)
    assert {key.name for key in checked.participants} == {node.name for node in NODES}
    assert (checked.run, checked.app, checked.k) == ("run-7", APP, k)
    assert checked.digest == Roster(tuple(envelopes)).digest


def test_too_few() -> None:
    """Three are demanded, and two have signed."""
    envelopes, taken = seats(*NODES[:2])
    assert refusal(envelopes, taken[0]) == "too-few"
    assert refusal([], taken[0]) == "not-mine"


def test_one_node_twice_under_two_names() -> None:
    """The same key with two seats is one participant: an identity of another name with the same key, too."""
    envelopes, taken = seats(*NODES[:2])
    second, _ = take_seat(NODES[1], "run-7", APP, now=NOW)
    assert refusal([*envelopes, second], taken[0]) == "same-key-twice"
    alias = Identity("another-name", Role.PLACE, NODES[1]._signing, NODES[1]._sealing)
    seat, _ = take_seat(alias, "run-7", APP, now=NOW)
    assert refusal([*envelopes, seat], taken[0]) == "same-key-twice"
    assert refusal([*envelopes, envelopes[1]], taken[0]) == "same-key-twice"


def test_replayed_from_another_run() -> None:
    """Seats that were signed for the run before."""
    old, _ = seats(*NODES[1:], run="run-6")
    mine, taken = seats(NODES[0])
    assert refusal([*mine, *old], taken[0]) == "another-run"


def test_replayed_from_another_app() -> None:
    """Who agreed to one app has not agreed to the next one."""
    other, _ = seats(*NODES[1:], app=hashlib.sha256(b"other").digest())
    mine, taken = seats(NODES[0])
    assert refusal([*mine, *other], taken[0]) == "another-app"


def test_a_whole_roster_replayed_in_the_same_run() -> None:
    """The node has taken its seat anew since, with another number."""
    old, _ = seats(*NODES)
    _, taken = seats(NODES[0])
    assert refusal(old, taken[0]) == "stale"


def test_seats_that_are_too_old_or_of_the_future() -> None:
    """A run's name may come again years later."""
    mine, taken = seats(NODES[0])
    for then in (NOW - 8 * 86_400, NOW + 3600):
        others, _ = seats(*NODES[1:], now=then)
        assert refusal([*mine, *others], taken[0]) == "stale"


def test_unsigned() -> None:
    """The server fills in what no node has signed."""
    envelopes, taken = seats(*NODES)
    assert refusal([*envelopes[:3], replace(envelopes[3], signatures=())], taken[0]) == "untrusted-signer"
    nobody = replace(envelopes[3], signatures=(Signature("", bytes(64)),))
    assert refusal([*envelopes[:3], nobody], taken[0]) == "untrusted-signer"


def test_signed_by_somebody_else_under_a_trusted_key_id() -> None:
    """The key id is a hint, and proves nothing."""
    envelopes, taken = seats(*NODES[:3])
    made_up = Seat("run-7", APP, NODES[3].key_id, bytes(16), int(NOW))
    body = canonical_bytes(roster_module._SEAT.write(made_up))
    signed = Envelope.sign(roster_module._SEAT_TYPE, body, STRANGER)
    renamed = replace(signed, signatures=(Signature(NODES[3].key_id, signed.signatures[0].value),))
    assert refusal([*envelopes, renamed], taken[0]) == "bad-signature"
    by_another_node = Envelope.sign(roster_module._SEAT_TYPE, body, NODES[2])
    assert refusal([envelopes[0], by_another_node], taken[0]) == "bad-signature"


def test_untrusted_signer() -> None:
    """Good signatures by keys that the server has made: not one of them is let in."""
    envelopes, taken = seats(*NODES[:3], STRANGER)
    assert refusal(envelopes, taken[0]) == "untrusted-signer"


def test_a_key_that_is_trusted_for_something_else() -> None:
    """An owner signs apps, and holds no data; a revoked or expired place does not count either."""
    envelopes, taken = seats(*NODES[:3], OWNER)
    assert refusal(envelopes, taken[0]) == "wrong-role"
    envelopes, taken = seats(*NODES[:3])
    others = [TrustEntry(one.public, one.name, (Role.PLACE,)) for one in NODES[:2]]
    last = TrustEntry(NODES[2].public, "node-2", (Role.PLACE,))
    for entry, why in (
        (replace(last, revoked_from=0), "revoked"),
        (replace(last, revoked_from=9), "revoked"),  # a roster belongs to no agent, and has no epoch
        (replace(last, not_after=int(NOW) - 999), "expired"),
    ):
        assert refusal(envelopes, taken[0], trust=TrustList.of(1, [*others, entry])) == why


@pytest.mark.parametrize("field", ["run", "app", "key", "nonce", "time", "version"])
def test_altered(field: str) -> None:
    """Any field of a signed seat."""
    envelopes, taken = seats(*NODES)
    body = json.loads(envelopes[2].body)
    body[field] = {"run": "run-8", "app": "0" * 64, "key": "0" * 64, "nonce": "0" * 32, "time": 5, "version": 2}[field]
    altered = replace(envelopes[2], body=canonical_bytes(body))
    assert refusal([*envelopes[:2], altered, envelopes[3]], taken[0]) == "bad-signature"


def test_something_else_that_the_node_has_signed() -> None:
    """An endorsement, or another message, is no seat."""
    envelopes, taken = seats(*NODES)
    checked = check_roster(Roster(tuple(envelopes)), taken[0], 3, TRUST, now=NOW)
    assert refusal([*envelopes[:3], endorse(NODES[3], checked)], taken[0]) == "wrong-payload-type"
    wrong_form = Envelope.sign(roster_module._SEAT_TYPE, b'{"version":1}', NODES[3])
    assert refusal([*envelopes[:3], wrong_form], taken[0]) == "schema"


def test_a_roster_without_the_node_itself() -> None:
    """It would answer among others who do not know of it."""
    envelopes, taken = seats(*NODES)
    assert refusal(envelopes[1:], taken[0]) == "not-mine"


def test_what_is_no_roster() -> None:
    """Bytes from a server."""
    envelopes, _ = seats(*NODES[:1])
    good = Roster(tuple(envelopes)).to_bytes()
    listed = json.loads(good)
    cases = [
        (b"", "schema"),
        (b"{}", "schema"),
        (good[:-1], "schema"),
        (canonical_bytes({**listed, "seats": ["00"]}), "bad-envelope"),
        (canonical_bytes({**listed, "seats": ["zz"]}), "schema"),
        (canonical_bytes({**listed, "seats": ["00"] * 5000}), "schema"),
        (canonical_bytes({**listed, "more": 1}), "schema"),
    ]
    for data, why in cases:
        with pytest.raises(RosterRefused) as caught:
            Roster.from_bytes(data)
        assert caught.value.why == why
    with pytest.raises(ValueError):
        check_roster(Roster(()), take_seat(NODES[0], "r", APP, now=NOW)[1], 0, TRUST, now=NOW)
    with pytest.raises(SchemaError):
        take_seat(NODES[0], "", APP, now=NOW)


def test_a_checked_roster_is_made_by_checking() -> None:
    """It cannot be written down by hand, nor come in a pickle."""
    envelopes, taken = seats(*NODES)
    checked = check_roster(Roster(tuple(envelopes)), taken[0], 3, TRUST, now=NOW)
    with pytest.raises(TypeError):
        CheckedRoster("run-7", APP, checked.participants, checked.digest, 3, object())
    with pytest.raises(TypeError):
        pickle.dumps(checked)


# -- everybody has seen the same one -----------------------------------------------------------------------------------


def test_endorsed_by_enough() -> None:
    """Those who have, by name; each counts once."""
    envelopes, taken = seats(*NODES)
    checked = check_roster(Roster(tuple(envelopes)), taken[0], 3, TRUST, now=NOW)
    signed = [endorse(node, checked) for node in NODES]
    assert len(check_endorsements(checked, signed, TRUST, now=NOW)) == 4
    assert len(check_endorsements(checked, signed[1:], TRUST, now=NOW)) == 3


def test_different_rosters_for_different_nodes() -> None:
    """A server that shows each node other partners gets no k endorsements for any of them."""
    envelopes, taken = seats(*NODES)
    mine = check_roster(Roster(tuple(envelopes[:3])), taken[0], 3, TRUST, now=NOW)
    theirs = check_roster(Roster(tuple(envelopes[1:])), taken[1], 3, TRUST, now=NOW)
    signed = [endorse(NODES[0], mine), endorse(NODES[1], theirs), endorse(NODES[2], theirs), endorse(NODES[3], theirs)]
    with pytest.raises(RosterRefused) as caught:
        check_endorsements(mine, signed, TRUST, now=NOW)
    assert caught.value.why == "not-endorsed"
    assert len(check_endorsements(theirs, signed, TRUST, now=NOW)) == 3


def test_endorsements_that_do_not_count() -> None:
    """Twice, by a stranger, by somebody not on it, in another's name, altered, or another message: no harm, no use."""
    envelopes, taken = seats(*NODES[:3])
    checked = check_roster(Roster(tuple(envelopes)), taken[0], 3, TRUST, now=NOW)
    good = [endorse(node, checked) for node in NODES[:2]]
    in_anothers_name = Envelope.sign(good[0].payload_type, endorse(NODES[2], checked).body, NODES[3])
    bad = [
        good[0],
        endorse(STRANGER, checked),
        endorse(NODES[3], checked),
        in_anothers_name,
        replace(endorse(NODES[2], checked), body=good[0].body),
        replace(good[0], signatures=()),
        envelopes[2],
    ]
    with pytest.raises(RosterRefused):
        check_endorsements(checked, [*good, *bad], TRUST, now=NOW)
    assert len(check_endorsements(checked, [*bad, *good, endorse(NODES[2], checked)], TRUST, now=NOW)) == 3
