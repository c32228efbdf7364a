"""Attacks on the door of a data node, each by its name: nothing is done for a request that is not the asker's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from federated import requests
from federated.apperrors import AppUnsigned, RequestRefused
from federated.dataset import AppAdmission, Dataset
from federated.local import LocalNodes
from federated.messages import node_number, pack_message, read_answer
from federated.node import DataNode
from federated.requests import NonceBook, SignedLink, sign_request, verify_request
from federated.running import run_app
from mobility.plain import PlainLimits
from mobility.trust import Identity, TrustEntry, TrustList
from tests.federated.probes import probe

NOW = 1_900_000_000.0
BODY = b"the request"
HUGO, EVE = Identity.generate("hugo", "owner"), Identity.generate("eve", "owner")
OSLO = Identity.generate("lima", "place")


class Keys:
    """A trust list that changes."""

    def __init__(self, *identities: Identity) -> None:
        self.list = TrustList()
        for one in identities:
            self.list = self.list.trusting(TrustEntry(one.public, one.name, (one.public.role,)))

    def current(self) -> TrustList:
        return self.list


TRUST = Keys(HUGO, OSLO)


@pytest.fixture
def nonces(tmp_path: Path) -> Iterator[NonceBook]:
    book = NonceBook(tmp_path / "requests.sqlite")
    yield book
    book.close()


def refused(data: bytes, nonces: NonceBook, *, trust: Keys = TRUST, now: float = NOW, node: str = "oslo") -> str:
    with pytest.raises(RequestRefused) as caught:
        verify_request(data, node, trust, nonces, now=now)
    assert caught.value.node == node and caught.value.why in str(caught.value)
    return caught.value.why


def signed(asker: Identity = HUGO, *, node: str = "oslo", now: float = NOW) -> bytes:
    return sign_request(BODY, node, asker, now=now)


def test_a_good_request_is_taken_and_its_asker_known(nonces: NonceBook) -> None:
    found = verify_request(signed(), "oslo", TRUST, nonces, now=NOW)
    assert (found.asker, found.body) == (HUGO.public, BODY)
    assert verify_request(sign_request(b"", "oslo", HUGO, now=NOW), "oslo", TRUST, nonces, now=NOW).body == b""


@pytest.mark.parametrize("data", [b"", b"\0", BODY, b"\xff\xff\xff\xff" + BODY, b"\0\0\0\0" + BODY, os.urandom(5000)])
def test_unsigned(nonces: NonceBook, data: bytes) -> None:
    assert refused(data, nonces) == "unsigned"


def test_altered_anywhere(nonces: NonceBook) -> None:
    """Whichever byte is changed, it is not taken; and it has not used up the good one."""
    data = signed()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            verify_request(changed, "oslo", TRUST, nonces, now=NOW)
        except RequestRefused as error:
            assert at < len(data) - len(BODY) or error.why == "altered"
        else:
            raise AssertionError(f"taken with another byte {at}")
    for changed in (data + b"x", data[:-1]):
        assert refused(changed, nonces) == "altered"
    verify_request(data, "oslo", TRUST, nonces, now=NOW)


def test_for_another_node(nonces: NonceBook) -> None:
    assert refused(signed(node="lima"), nonces) == "another-audience"


def test_replayed(nonces: NonceBook) -> None:
    data = signed()
    verify_request(data, "oslo", TRUST, nonces, now=NOW)
    assert refused(data, nonces) == "replayed"
    verify_request(signed(), "oslo", TRUST, nonces, now=NOW)


def test_replayed_after_a_restart(tmp_path: Path) -> None:
    data = signed()
    before = NonceBook(tmp_path / "requests.sqlite")
    verify_request(data, "oslo", TRUST, before, now=NOW)
    before.close()
    after = NonceBook(tmp_path / "requests.sqlite")
    assert refused(data, after) == "replayed"
    after.close()


def test_replayed_once_its_number_was_dropped(nonces: NonceBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pruned is too old; and if the clock is then set back, it is still not taken."""
    data = signed()
    verify_request(data, "oslo", TRUST, nonces, now=NOW)
    monkeypatch.setattr(requests, "_PRUNING", -1.0)
    verify_request(signed(now=NOW + 700), "oslo", TRUST, nonces, now=NOW + 700)
    assert nonces._database.execute("SELECT count(*) FROM nonces").fetchone() == (1,)
    assert refused(data, nonces, now=NOW + 700) == "too-old"
    assert refused(data, nonces, now=NOW) == "replayed"


def test_too_old_and_from_the_future(nonces: NonceBook) -> None:
    assert refused(signed(now=NOW - 601), nonces) == "too-old"
    assert refused(signed(now=NOW + 61), nonces) == "from-the-future"
    for now in (NOW - 599, NOW + 59):
        verify_request(signed(now=now), "oslo", TRUST, nonces, now=NOW)


def test_signer_not_trusted(nonces: NonceBook) -> None:
    assert refused(signed(EVE), nonces) == "untrusted-signer"


@pytest.mark.parametrize("epoch", [0, 5])
def test_signer_revoked(nonces: NonceBook, epoch: int) -> None:
    """From whichever epoch of an agent on: a request has none."""
    trust = Keys(HUGO)
    trust.list = trust.list.revoking(HUGO.key_id, epoch)
    assert refused(signed(), nonces, trust=trust) == "revoked"


def test_signer_expired(nonces: NonceBook) -> None:
    trust = Keys()
    trust.list = TrustList().trusting(TrustEntry(HUGO.public, "hugo", (HUGO.public.role,), not_after=int(NOW) - 100))
    assert refused(signed(), nonces, trust=trust) == "expired"


def test_signer_of_role_place(nonces: NonceBook) -> None:
    """Another place of the platform is trusted, and asks for nothing."""
    assert refused(signed(OSLO), nonces) == "wrong-role"


def test_an_envelope_of_another_kind(nonces: NonceBook) -> None:
    """What a trusted owner has signed for something else is no request."""
    from mobility.trust.envelope import Envelope

    envelope = Envelope.sign("application/vnd.sojourn.roster-seat.v1+json", b"{}", HUGO).to_bytes()
    assert refused(len(envelope).to_bytes(4) + envelope + BODY, nonces) == "wrong-payload-type"


def test_a_damaged_book_of_numbers_is_not_begun_anew(tmp_path: Path) -> None:
    """Empty, it would take what was taken."""
    import sqlite3

    (tmp_path / "requests.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        NonceBook(tmp_path / "requests.sqlite")
    assert (tmp_path / "requests.sqlite").read_bytes() == b"garbage" * 1000


# -- at a node


def message(run: int, name: str) -> dict[str, Any]:
    content = [["arrays", "arrays", {"0": numpy.zeros(4)}], ["configs", "config", {"server-round": 1}]]
    header = {"type": "train", "group": "1", "ttl": 60.0, "id": name, "reply_to": "", "run": run}
    return {**header, "from": 1, "to": node_number("oslo"), "content": content}


def test_a_reply_to_one_asker_is_not_obtained_by_another(ada: Identity, tmp_path: Path) -> None:
    """Eve has read Hugo's request. She cannot send it again, and under her own name she gets a run of her own."""
    app = probe(
        tmp_path / "app",
        """
        seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
        context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
        return answer(msg, numpy.full(4, float(seen["n"])))
        """,
    ).signed_by(ada)
    dataset = Dataset(admission=AppAdmission(signers=frozenset({ada.key_id})))
    admit = pack_message("admit", run=7, dataset=None, bundle=app.to_bytes(), settings={}, number=0, of=1)
    parts = {"run": 7, "dataset": None, "app": app.digest, "seconds": 20.0}
    first = pack_message("message", message=message(7, "m-1"), **parts)
    second = pack_message("message", message=message(7, "m-2"), **parts)
    end = pack_message("end", run=7, dataset=None, app=app.digest)

    node = DataNode("oslo", {"data": dataset}, Keys(ada, HUGO, EVE), folder=tmp_path / "oslo")

    def ask(data: bytes, asker: Identity) -> dict[str, Any]:
        return read_answer(node.handle(sign_request(data, "oslo", asker)), "oslo", PlainLimits())

    def value(answer: dict[str, Any]) -> float:
        return float(answer["message"]["content"][0][2]["0"][0])

    try:
        assert ask(admit, HUGO)["do"] == "admitted"
        overheard = sign_request(first, "oslo", HUGO)
        assert value(read_answer(node.handle(overheard), "oslo", PlainLimits())) == 0.0
        assert value(ask(second, HUGO)) == 1.0
        assert read_answer(node.handle(overheard), "oslo", PlainLimits())["why"] == "replayed"
        assert ask(first, EVE)["do"] == "unknown"
        # Admitted by herself she has a state of her own: the answer to m-2 is 0 for her, and not Hugo's 1.
        assert ask(admit, EVE)["do"] == "admitted"
        assert value(ask(second, EVE)) == 0.0
        # What she ends is hers.
        assert ask(end, EVE)["do"] == "ended"
        assert value(ask(second, HUGO)) == 1.0
    finally:
        node.close()
    node = DataNode("oslo", {"data": dataset}, Keys(ada, HUGO, EVE), folder=tmp_path / "oslo")
    try:
        assert read_answer(node.handle(overheard), "oslo", PlainLimits())["why"] == "replayed"
        assert ask(admit, EVE)["do"] == "admitted"
        assert value(ask(second, EVE)) == 0.0
    finally:
        node.close()
    assert read_answer(node.handle(sign_request(first, "oslo", HUGO)), "oslo", PlainLimits())["why"] == "closed"


def test_who_asks_in_a_run(ada: Identity, tmp_path: Path) -> None:
    """The one who is named, else the author, else the link's own; the gate learns who."""
    app = probe(tmp_path / "app", "return answer(msg, numpy.ones(4))")
    seen: list[str] = []

    class Notes:
        def note(self, event: str, facts: dict[str, str | int]) -> None:
            seen.append(str(facts["asker"]))

    dataset = Dataset(admission=AppAdmission(signers=frozenset({ada.key_id})), witness=Notes())
    with LocalNodes({"oslo": {"data": dataset}}, Keys(ada, HUGO)) as nodes:
        for given, expected in (
            ({"author": ada, "asker": HUGO}, HUGO),
            ({"author": ada}, ada),
        ):
            run_app(app, nodes=nodes, **given)
            assert set(seen) == {expected.key_id}
            seen.clear()
        run_app(app.signed_by(ada), nodes=nodes)
        assert set(seen) == {nodes.asker.key_id}
        with pytest.raises(AppUnsigned):
            run_app(app, nodes=nodes)


def test_a_link_signs_each_request_anew() -> None:
    """Also one that is sent again: else it would be taken for a replay."""

    class Wire:
        def __init__(self) -> None:
            self.sent: list[bytes] = []

        def nodes(self) -> list[str]:
            return ["oslo"]

        def ask(self, node: str, request: bytes, timeout: float) -> bytes:
            self.sent.append(request)
            return b""

    wire, nonces = Wire(), NonceBook(None)
    link = SignedLink(wire, HUGO)
    for _ in range(2):
        link.ask("oslo", BODY, 1.0)
    assert [verify_request(one, "oslo", TRUST, nonces, now=time.time()).body for one in wire.sent] == [BODY, BODY]
    nonces.close()
