"""Chains of hops and branches in any order: accepted as honest places make them, and with nothing in them altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.trust.envelope import Envelope
from mobility.trust.errors import BrokenChain, SchemaError, TrustError
from mobility.trust.passport import Passport
from mobility.trust.records import BRANCH_RECORD_TYPE, HOP_RECORD_TYPE, HopRecord
from tests.mobility.trust.people import (
    BAKU,
    LIMA,
    NOW,
    OSLO,
    PLACES,
    born,
    branched,
    hopped,
    refused,
    travelled,
    trusted,
)

_NAMES = sorted(PLACES)
#: Where to, and as whose branch: None for a hop.
steps = st.lists(st.tuples(st.sampled_from([*_NAMES, None]), st.none() | st.sampled_from("abcdefgh")), max_size=6)


def honest(way: list[tuple[str | None, str | None]]) -> tuple[Passport, list[str], str]:
    """The passport of whoever went this way, stamped by each place in turn; its ids, and its entry point."""
    passport, line, entry_point, here = born(), ["surveyor-1"], "survey:survey", "baku"
    for number, (destination, child) in enumerate(way, 1):
        verified = passport.verify(trusted(), now=NOW, audience=here, last_epoch=number - 2 if number > 1 else None)
        more: dict[str, Any] = {}
        if child is not None and child not in line:
            entry_point = f"survey:{child}"
            more = {"child": child, "entry_point": entry_point}
            line.append(child)
        passport = verified.stamped(
            PLACES[here],
            origin=here,
            destination=destination,
            manifest=bytes([number]) * 32,
            time=NOW - 100 + number,
            **more,
        )
        here = destination or _NAMES[number % len(_NAMES)]
    return passport, line, entry_point


@settings(max_examples=80, deadline=None)
@given(steps)
def test_any_order_through_bytes(way: list[tuple[str | None, str | None]]) -> None:
    """The line is told as it was, also after the passport has been bytes."""
    passport, line, entry_point = honest(way)
    read = Passport.from_bytes(passport.to_bytes())
    assert read == passport and read.to_bytes() == passport.to_bytes()
    verified = read.verify(trusted(), now=NOW, audience=None)
    assert verified.lineage == tuple(line) and verified.agent == line[-1] and verified.entry_point == entry_point
    assert verified.parent == (line[-2] if len(line) > 1 else None)
    assert (verified.epoch, len(verified.senders)) == (len(way), len(way))
    assert [hop.child for hop in verified.hops if hop.child] == line[1:]


Change = Callable[[Passport, int], Passport]


def _with(passport: Passport, at: int, *records: Envelope) -> Passport:
    return replace(passport, hops=(*passport.hops[:at], *records, *passport.hops[at + 1 :]))


def _dropped(passport: Passport, at: int) -> Passport:
    return _with(passport, at)


def _doubled(passport: Passport, at: int) -> Passport:
    return _with(passport, at, passport.hops[at], passport.hops[at])


def _exchanged(passport: Passport, at: int) -> Passport:
    hops = list(passport.hops)
    hops[at], hops[at - 1] = hops[at - 1], hops[at]
    return replace(passport, hops=tuple(hops))


def _by_another_place(passport: Passport, at: int) -> Passport:
    record = passport.hops[at]
    other = next(one for one in (BAKU, OSLO, LIMA) if one.key_id != record.signatures[0].key_id)
    return _with(passport, at, Envelope.sign(record.payload_type, record.body, other))


def _of_the_other_type(passport: Passport, at: int) -> Passport:
    """Signed anew, by the same place."""
    record = passport.hops[at]
    kind = HOP_RECORD_TYPE if record.payload_type == BRANCH_RECORD_TYPE else BRANCH_RECORD_TYPE
    return _with(passport, at, Envelope.sign(kind, record.body, _signer(record)))


def _signer(record: Envelope) -> Any:
    return next(one for one in PLACES.values() if one.key_id == record.signatures[0].key_id)


def _edited(field: str, value: Any) -> Change:
    """One field changed under the old signature."""

    def change(passport: Passport, at: int) -> Passport:
        record = passport.hops[at]
        return _with(passport, at, replace(record, body=_body(record, field, value)))

    return change


def _rewritten(field: str, value: Any) -> Change:
    """One field changed, and signed anew by the same place, under the record that follows."""

    def change(passport: Passport, at: int) -> Passport:
        record = passport.hops[at]
        changed = Envelope.sign(record.payload_type, _body(record, field, value), _signer(record))
        return _with(passport, at, changed)

    return change


def _body(record: Envelope, field: str, value: Any) -> bytes:
    body = json.loads(record.body)
    body[field] = value
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


_VALUES = {
    "agent": "nobody",
    "child": "nobody",
    "entry_point": "survey:nothing",
    "epoch": 77,
    "previous": "ab" * 32,
    "manifest": "cd" * 32,
    "from": "elsewhere",
    "to": "elsewhere",
    "time": 5,
    "version": 2,
}
#: Each is wrong at every record, also at the last one.
ALTERATIONS: dict[str, Change] = {
    "dropped": _dropped,
    "doubled": _doubled,
    "by another place": _by_another_place,
    "of the other type": _of_the_other_type,
    **{f"{field} edited": _edited(field, value) for field, value in _VALUES.items()},
}
#: A place may say the last one otherwise; of a record that is continued it may not.
REWRITTEN = {f"{field} rewritten": _rewritten(field, value) for field, value in _VALUES.items()}


@settings(max_examples=25, deadline=None)
@given(steps.filter(bool))
def test_every_alteration_of_one_record_is_refused(way: list[tuple[str | None, str | None]]) -> None:
    """By whoever has seen the agent up to the epoch before."""
    passport, _, _ = honest(way)
    last = len(way) - 1
    assert passport.verify(trusted(), now=NOW, audience=None, last_epoch=last)
    for at in range(len(way)):
        changes = {**ALTERATIONS, **({"exchanged": _exchanged} if at else {}), **(REWRITTEN if at < last else {})}
        for name, change in changes.items():
            altered = change(passport, at)
            assert altered != passport, name
            with pytest.raises(TrustError):
                altered.verify(trusted(), now=NOW, audience=None, last_epoch=last)
                raise AssertionError(f"{name} at record {at + 1} was let in")


def test_a_plain_hop_is_as_it_was() -> None:
    """Its type and its bytes: chains that were signed before there were branches stay good."""
    record = travelled("oslo").hops[0]
    assert record.payload_type == "application/vnd.sojourn.hop-record.v1+json"
    names = {"agent", "epoch", "previous", "manifest", "from", "to", "time", "version"}
    assert json.loads(record.body).keys() == names
    branch = branched(born(), "child").hops[0]
    assert branch.payload_type == "application/vnd.sojourn.branch-record.v1+json"
    assert json.loads(branch.body).keys() == names | {"child", "entry_point"}


def test_half_a_branch_is_none() -> None:
    """A child without an entry point could be anything; an entry point without a child would change the agent's own."""
    verified = travelled("oslo").verify(trusted(), now=NOW, audience="oslo")
    common: dict[str, Any] = {"origin": "oslo", "destination": "oslo", "manifest": bytes(32), "time": NOW}
    for half in ({"child": "child"}, {"entry_point": "survey:count"}):
        with pytest.raises(ValueError, match="both"):
            verified.stamped(OSLO, **common, **half)
    refused(SchemaError, lambda: verified.stamped(OSLO, **common, child="../child", entry_point="a:b"))
    error = refused(BrokenChain, lambda: verified.stamped(OSLO, **common, child="surveyor-1", entry_point="a:b"))
    assert "surveyor-1 branches into surveyor-1" in str(error) and error.hop == 2


def test_what_stays_at_its_place() -> None:
    """A branch on the spot, and the checkpoint that a place writes for itself: neither uses up a stop."""
    fields: dict[str, Any] = {"agent": "a", "epoch": 1, "previous": bytes(32), "manifest": bytes(32), "time": 0}
    branch = {"child": "b", "entry_point": "a:b"}
    assert HopRecord(**fields, origin="oslo", destination="oslo", **branch).stays
    assert not HopRecord(**fields, origin="oslo", destination="lima", **branch).stays
    assert not HopRecord(**fields, origin="oslo", destination=None, **branch).stays
    assert HopRecord(**fields, origin="oslo", destination="oslo").stays
    assert not HopRecord(**fields, origin="oslo", destination="lima").stays


def test_a_child_in_the_middle_of_a_long_chain() -> None:
    """As many as the receiver's limit allows."""
    passport = born(hop_limit=300)
    for number in range(1, 41):
        passport = (branched if number % 2 else hopped)(passport, *((f"c{number}",) if number % 2 else ()))
    verified = passport.verify(trusted(), now=NOW, audience="oslo")
    assert len(verified.lineage) == 21 and verified.parent == "c37"
