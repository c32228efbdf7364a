"""Who takes part, at the nodes: a server that lies about it gets no answer, whatever it does in whatever order."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from federated.dataset import AppAdmission, Dataset
from federated.errors import MaskingRefused, RosterRefused
from federated.masking import VouchedKeys, keys_digest
from federated.messages import node_number
from federated.roster import CheckedRoster, Roster
from federated.seating import Seating
from federated.vouching import sign_consent, sign_voucher
from mobility.plain import decode
from mobility.trust import Identity, TrustEntry, TrustList
from mobility.trust.envelope import Envelope

APP = hashlib.sha256(b"app").hexdigest()
NAMES = ("oslo", "lima", "baku", "cairo")
IDENTITIES = {name: Identity.generate(name, "place") for name in NAMES}
STRANGERS = [Identity.generate(f"stranger-{n}", "place") for n in range(3)]
THREE = Dataset(admission=AppAdmission(), least=3)


class Trust:
    """Whom all nodes trust; it changes."""

    def __init__(self, *identities: Identity) -> None:
        self.list = TrustList.of(1, [TrustEntry(one.public, one.name, (one.public.role,)) for one in identities])

    def current(self) -> TrustList:
        return self.list


class Server:
    """It carries what nodes sign, honestly where it is not told otherwise."""

    def __init__(self, folder: Path | None = None, *names: str, dataset: Dataset = THREE) -> None:
        self.trust = Trust(*IDENTITIES.values())
        self.dataset = dataset
        self.folder = folder
        self.nodes = {name: self.made(name) for name in names or NAMES[:3]}

    def made(self, name: str) -> Seating:
        path = None if self.folder is None else self.folder / f"{name}.sqlite"
        return Seating(name, IDENTITIES[name], self.trust, path)

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()

    def ask(self, name: str, do: str, *, run: int = 7, dataset: Dataset | None = None, **parts: Any) -> dict[str, Any]:
        request = {"do": do, "run": run, "dataset": "data", "app": APP, **parts}
        visit = (run, "data", APP, "ada")
        answer: dict[str, Any] = decode(self.nodes[name].answer(visit, dataset or self.dataset, request))
        return answer

    def seat(self, name: str, *, run: int = 7) -> Envelope:
        return Envelope.from_bytes(self.nodes[name].offer((run, "data", APP, "ada"), self.dataset)["seat"])

    def roster(self, *names: str, run: int = 7) -> bytes:
        return Roster(tuple(self.seat(name, run=run) for name in names or self.nodes)).to_bytes()

    def endorsed(self, *names: str, run: int = 7, roster: bytes | None = None) -> list[bytes]:
        given = roster or self.roster(run=run)
        return [self.ask(name, "roster", run=run, roster=given)["endorsement"] for name in names or self.nodes]

    def settled(self, *, run: int = 7) -> None:
        endorsements = self.endorsed(run=run)
        for name in self.nodes:
            self.ask(name, "endorsements", run=run, endorsements=endorsements)

    def message(self, name: str, *, run: int = 7) -> object:
        message = {"type": "train", "group": "1", "id": "m", "to": node_number(name), "content": []}
        return self.nodes[name].before((run, "data", APP, "ada"), self.dataset, message)

    def refusal(self, act: Callable[[], object]) -> str:
        with pytest.raises((RosterRefused, MaskingRefused)) as told:
            act()
        why: str = told.value.why
        assert f"({why})" in str(told.value)
        return why

    def unanswered(self, *names: str, run: int = 7) -> None:
        for name in names or self.nodes:
            assert self.refusal(lambda name=name: self.message(name, run=run)) in {"no-roster", "no-seat"}  # type: ignore[misc] # the loop's name


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_nothing_is_answered_before_the_roster_is_endorsed(server: Server) -> None:
    """No seat, a seat, a roster, its endorsements: only then."""
    server.unanswered()
    roster = server.roster()
    server.unanswered()
    endorsements = server.endorsed(roster=roster)
    server.unanswered()
    for name in server.nodes:
        server.ask(name, "endorsements", endorsements=endorsements)
        assert server.message(name) is None
    server.unanswered(run=8)


def test_a_dataset_without_a_demand_answers_as_ever() -> None:
    """It takes part in no roster, and says so."""
    server = Server(dataset=replace(THREE, least=None))
    assert server.nodes["oslo"].offer((7, "data", APP, "ada"), server.dataset) == {}
    assert server.message("oslo") is None
    assert server.refusal(lambda: server.ask("oslo", "roster", roster=b"")) == "no-seat"
    server.close()


def test_too_few(server: Server) -> None:
    """Two of the three that each demands; and none of them has a roster by that."""
    assert server.refusal(lambda: server.endorsed("oslo", roster=server.roster("oslo", "lima"))) == "too-few"
    server.unanswered()
    server.settled()
    assert server.message("oslo") is None


def test_nodes_that_the_server_made_up(server: Server) -> None:
    """Their keys are nobody's whom the node trusts, whatever they call themselves; also one beside enough others."""
    visit = (7, "data", APP, "ada")
    made_up = [Seating(one.name, one, Trust(one), None) for one in STRANGERS]
    seats = [Envelope.from_bytes(one.offer(visit, THREE)["seat"]) for one in made_up]
    for others in ([server.seat("oslo"), *seats[:2]], [*map(server.seat, server.nodes), seats[0]]):
        roster = Roster(tuple(others)).to_bytes()
        assert server.refusal(lambda roster=roster: server.endorsed("oslo", roster=roster)) == "untrusted-signer"  # type: ignore[misc] # the loop's
    server.unanswered("oslo")
    for one in made_up:
        one.close()


def test_the_same_key_twice(server: Server) -> None:
    """A node is one participant, however often it stands there."""
    seats = (server.seat("oslo"), server.seat("lima"), server.seat("lima"))
    assert server.refusal(lambda: server.endorsed("oslo", roster=Roster(seats).to_bytes())) == "same-key-twice"


def test_the_roster_of_another_run(server: Server) -> None:
    """Its seats name that run."""
    old = server.roster(run=6)
    server.roster(run=7)
    assert server.refusal(lambda: server.endorsed("oslo", roster=old, run=7)) == "another-run"


def test_a_roster_from_before_the_node_lost_its_memory(server: Server) -> None:
    """It has taken another seat since, with another number."""
    old = server.roster()
    server.nodes["oslo"].close()
    server.nodes["oslo"] = server.made("oslo")
    server.seat("oslo")
    assert server.refusal(lambda: server.endorsed("oslo", roster=old)) == "stale"


def test_two_rosters_for_two_nodes() -> None:
    """Each would pass alone; but none finds three who have endorsed the same one."""
    server = Server(None, *NAMES)
    first, second = server.roster("oslo", "lima", "baku"), server.roster("cairo", "lima", "baku")
    endorsements = [*server.endorsed("oslo", "lima", roster=first), *server.endorsed("cairo", "baku", roster=second)]
    for name in server.nodes:
        given = {"endorsements": endorsements}
        assert server.refusal(lambda n=name, g=given: server.ask(n, "endorsements", **g)) == "not-endorsed"  # type: ignore[misc] # the loop's
    server.unanswered()
    server.close()


@pytest.mark.parametrize("settled", [True, False])
def test_a_second_roster_for_the_same_run(settled: bool) -> None:
    """Endorsed or only shown, and after the end of the run: from two sums the server could subtract."""
    server = Server(None, *NAMES)
    server.dataset = replace(THREE, least=2)
    first, second = server.roster("oslo", "lima"), server.roster("oslo", "lima", "baku")
    endorsements = server.endorsed("oslo", "lima", roster=first)
    if settled:
        server.ask("oslo", "endorsements", endorsements=endorsements)
    assert server.refusal(lambda: server.endorsed("oslo", roster=second)) == "another-roster"
    server.nodes["oslo"].forget((7, "data", APP, "ada"))
    assert server.refusal(lambda: server.endorsed("oslo", roster=second)) == "another-roster"
    assert server.endorsed("oslo", roster=first) == endorsements[:1]
    server.close()


def test_one_on_the_roster_has_not_endorsed_it(server: Server) -> None:
    """Two have, and it counts once what comes twice, and not what a stranger or another roster's node has signed."""
    endorsements = server.endorsed("oslo", "lima")
    for more in ([], endorsements, [b"", b"junk", 7], server.endorsed("baku", run=8)):
        given = {"endorsements": [*endorsements, *more]}
        assert server.refusal(lambda g=given: server.ask("oslo", "endorsements", **g)) == "not-endorsed"  # type: ignore[misc] # the loop's
    server.unanswered("oslo")
    assert server.refusal(lambda: server.ask("baku", "endorsements", endorsements=endorsements)) == "no-roster"


def test_what_was_settled_survives_a_kill(tmp_path: Path) -> None:
    """Seat, roster and endorsements; and so does the refusal of another roster."""
    server = Server(tmp_path)
    server.settled()
    seat, roster = server.seat("oslo"), server.roster()
    visit = (7, "data", APP, "ada")
    server.nodes["oslo"] = server.made("oslo")  # the former one was never closed
    assert server.message("oslo") is None
    assert server.seat("oslo") == seat
    assert server.nodes["oslo"].offer(visit, THREE)["roster"] == roster
    other = Roster(tuple(Roster.from_bytes(roster).seats[::-1])).to_bytes()
    assert server.refusal(lambda: server.endorsed("oslo", roster=other)) == "another-roster"
    server.close()


def test_a_key_that_is_revoked_ends_it(server: Server) -> None:
    """In the middle of a run, at the next message; and one that expires, too."""
    server.settled()
    before = server.trust.list
    server.trust.list = before.revoking(IDENTITIES["lima"].key_id)
    assert server.refusal(lambda: server.message("oslo")) == "revoked"
    server.trust.list = before
    assert server.message("oslo") is None
    entries = [replace(one, not_after=1) if one.name == "lima" else one for one in before.listed]
    server.trust.list = TrustList.of(before.version + 1, entries)
    assert server.refusal(lambda: server.message("oslo")) == "expired"


def test_a_key_that_expires_ends_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By time alone, with no change of the list."""
    listed = server.trust.list.listed
    soon = int(time.time()) + 3600
    entries = [replace(one, not_after=soon) if one.name == "lima" else one for one in listed]
    server.trust.list = TrustList.of(2, entries)
    server.settled()
    assert server.message("oslo") is None
    monkeypatch.setattr("federated.seating.time.time", lambda: soon + 86_400.0)
    assert server.refusal(lambda: server.message("oslo")) == "expired"


def test_a_demand_that_was_taken_back_ends_the_nodes_part(server: Server) -> None:
    """It signs nothing more for a run in which it has a seat."""
    server.settled()
    server.dataset = replace(THREE, least=None)
    assert server.refusal(lambda: server.ask("oslo", "roster", roster=b"")) == "no-seat"


def test_an_owner_who_demands_more_is_heard_at_once(server: Server) -> None:
    """The roster that stands has too few then; and fellows narrow whom it may have."""
    server.settled()
    assert server.message("oslo") is None
    server.dataset = replace(THREE, least=4)
    assert server.refusal(lambda: server.message("oslo")) == "too-few"
    known = frozenset(IDENTITIES[name].key_id for name in ("lima", "cairo"))
    server.dataset = replace(THREE, fellows=known)
    assert server.refusal(lambda: server.message("oslo")) == "untrusted-signer"
    server.dataset = replace(THREE, fellows=known | {IDENTITIES["baku"].key_id})
    assert server.message("oslo") is None


def test_a_demand_that_cannot_be_met_is_the_owners_mistake() -> None:
    """Told when the dataset is given to the node, not in the middle of a run."""
    alone = Seating("oslo", None, Trust(), None)
    alone.require("data", replace(THREE, least=None))
    with pytest.raises(ValueError, match="no identity"):
        alone.require("data", THREE)
    node = Seating("oslo", IDENTITIES["oslo"], Trust(), None)
    for least in (0, -1, True, 2.0):
        with pytest.raises(ValueError, match="from 1 on"):
            node.require("data", replace(THREE, least=least))  # type: ignore[arg-type] # what an owner may write
    with pytest.raises(ValueError, match="too few fellows"):
        node.require("data", replace(THREE, fellows=frozenset({IDENTITIES["lima"].key_id})))
    alone.close()
    node.close()


# -- secure aggregation: what nodes sign for each other


def masked(name: str, stage: str, *, group: str = "1", **items: Any) -> dict[str, Any]:
    content = [["configs", "secaggplus_configs", {**items, "stage": stage}]]
    number = node_number(name)
    return {"type": "train", "group": group, "id": f"{group}-{stage}", "to": number, "content": content}


SETUP = {
    "sample_num": 3,
    "share_num": 3,
    "threshold": 2,
    "clipping_range": 8.0,
    "target_range": 1 << 22,
    "mod_range": 1 << 32,
    "max_weight": 1000.0,
}


class Rounds(Server):
    """A server that leads the nodes through a round; what their apps would answer is made up here."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.settled()

    def pair(self, name: str, group: str = "1") -> list[bytes]:
        return [f"{name} {group} {n}".encode() for n in range(2)]

    def step(self, name: str, message: dict[str, Any], **answer: Any) -> None:
        visit = (7, "data", APP, "ada")
        after = self.nodes[name].before(visit, self.dataset, message)
        reply = [["configs", "secaggplus_configs", answer]]
        self.nodes[name].answered(visit, message, after, reply)

    def set_up(self, group: str = "1", **changes: Any) -> None:
        for name in self.nodes:
            first, second = self.pair(name, group)
            self.step(name, masked(name, "setup", group=group, **{**SETUP, **changes}), pk1=first, pk2=second)

    def vouchers(self, group: str = "1") -> list[bytes]:
        return [self.ask(name, "vouch", round=group, active=[], dead=[])["statement"] for name in self.nodes]

    def evidence(self, name: str, statements: list[Any], group: str = "1") -> None:
        self.ask(name, "evidence", round=group, statements=statements)

    def keys(self, group: str = "1") -> dict[str, list[bytes]]:
        return {str(node_number(name)): self.pair(name, group) for name in self.nodes}

    def share(self, name: str, *, group: str = "1", keys: dict[str, list[bytes]] | None = None) -> None:
        self.step(name, masked(name, "share_keys", group=group, **(keys or self.keys(group))))

    def collect(self, *misled: str) -> None:
        vouchers = self.vouchers()
        for name in self.nodes:
            self.evidence(name, vouchers)
            self.share(name)
        for name in self.nodes:
            others = [node_number(other) for other in self.nodes if other != name]
            asked = masked(name, "collect_masked_vectors", srcs=others, ctxts=[b""] * len(others))
            asked["content"].append(["arrays", "model", {"0": 1.0 if name in misled else 0.0}])
            self.step(name, asked)

    def checked(self, name: str) -> CheckedRoster:
        return self.nodes[name]._roster((7, "data", APP, "ada"), self.dataset)

    def numbers(self, *names: str) -> list[int]:
        return [node_number(name) for name in names]

    def consent(self, name: str, active: list[int], dead: list[int]) -> bytes:
        statement: bytes = self.ask(name, "vouch", round="1", active=active, dead=dead)["statement"]
        return statement

    def unmask(self, name: str, active: list[int], dead: list[int]) -> None:
        self.step(name, masked(name, "unmask", active_nids=active, dead_nids=dead))


@pytest.fixture
def rounds() -> Iterator[Rounds]:
    made = Rounds()
    yield made
    made.close()


def test_a_round_of_secure_aggregation_goes_through(rounds: Rounds) -> None:
    """And the statements of one are no hindrance to the next."""
    rounds.set_up()
    rounds.collect()
    living = rounds.numbers(*rounds.nodes)
    consents = [rounds.consent(name, living, []) for name in rounds.nodes]
    for name in rounds.nodes:
        rounds.evidence(name, consents)
        rounds.unmask(name, living, [])
    rounds.set_up("2")
    vouchers = rounds.vouchers("2")
    rounds.evidence("oslo", vouchers, "2")
    rounds.share("oslo", group="2")


def test_keys_of_another_round_are_not_vouched_for(rounds: Rounds) -> None:
    """They were, in theirs: the statement names the round."""
    rounds.set_up("1")
    old = rounds.vouchers("1")
    rounds.set_up("2")
    rounds.evidence("oslo", old, "2")
    mixed = {**rounds.keys("1"), str(node_number("oslo")): rounds.pair("oslo", "2")}
    assert rounds.refusal(lambda: rounds.share("oslo", group="2", keys=mixed)) == "forged-key"
    assert rounds.refusal(lambda: rounds.vouchers("1")) == "stage"


@pytest.mark.parametrize("signer", [STRANGERS[0], IDENTITIES["cairo"]])
def test_a_key_for_which_nobody_on_the_roster_has_signed(rounds: Rounds, signer: Identity) -> None:
    """But the server itself, or a place that the node trusts and that is not on it; nor counts another kind of text."""
    rounds.set_up()
    forged = {**rounds.keys(), str(node_number("lima")): [b"of", b"mine"]}
    digest = keys_digest({"pk1": b"of", "pk2": b"mine"})
    current = rounds.nodes["oslo"]._book.round((7, "data", APP, "ada"))
    assert digest is not None and current is not None
    claim = VouchedKeys(node_number("lima"), signer.key_id, digest, current.parameters)
    signed = sign_voucher(signer, rounds.checked("oslo"), "1", claim).to_bytes()
    rounds.evidence("oslo", [*rounds.vouchers(), signed, *rounds.endorsed(), b"junk", 3])
    assert rounds.refusal(lambda: rounds.share("oslo", keys=forged)) == "forged-key"
    rounds.share("oslo")


def test_keys_of_another_run_are_not_vouched_for(rounds: Rounds) -> None:
    """Although round and app are the same."""
    rounds.set_up()
    roster = rounds.checked("oslo")
    rounds.settled(run=8)
    rounds.message("lima", run=8)
    other = rounds.nodes["lima"]._roster((8, "data", APP, "ada"), rounds.dataset)
    current = rounds.nodes["lima"]._book.round((7, "data", APP, "ada"))
    assert current is not None and roster.run != other.run
    claim = VouchedKeys(node_number("lima"), IDENTITIES["lima"].key_id, current.keys, current.parameters)
    rounds.evidence("oslo", [sign_voucher(IDENTITIES["lima"], other, "1", claim).to_bytes()])
    keys = {name: pair for name, pair in rounds.keys().items() if name != str(node_number("baku"))}
    assert rounds.refusal(lambda: rounds.share("oslo", keys=keys)) == "forged-key"


def test_a_round_is_set_up_once(rounds: Rounds) -> None:
    """A message that is repeated is the same setup; another one under the same round's name is none."""
    rounds.set_up()
    rounds.set_up()
    message = {**masked("oslo", "setup", **SETUP), "id": "another"}
    assert rounds.refusal(lambda: rounds.step("oslo", message, pk1=b"", pk2=b"")) == "set-up-twice"


def test_an_app_that_answers_no_keys_does_not_get_on(rounds: Rounds) -> None:
    """Or its node would vouch for nothing."""
    message = masked("oslo", "setup", **SETUP)
    assert rounds.refusal(lambda: rounds.step("oslo", message, pk1=b"only one")) == "form"
    assert rounds.refusal(lambda: rounds.ask("oslo", "vouch", round="1", active=[], dead=[])) == "stage"


def test_no_shares_without_the_consent_of_enough(rounds: Rounds) -> None:
    """Of those in the sum, to the same round; the node's own counts once, by being asked for it."""
    rounds.set_up()
    rounds.collect()
    living = rounds.numbers(*rounds.nodes)
    assert rounds.refusal(lambda: rounds.unmask("oslo", living, [])) == "not-agreed"
    rounds.evidence("oslo", [rounds.consent("oslo", living, []), rounds.consent("lima", living, [])])
    assert rounds.refusal(lambda: rounds.unmask("oslo", living, [])) == "not-agreed"
    rounds.evidence("oslo", [rounds.consent("baku", living, [])])
    rounds.unmask("oslo", living, [])


def test_a_node_that_was_given_another_model_has_seen_another_round(rounds: Rounds) -> None:
    """Its consent does not count for the others, nor theirs for it."""
    rounds.set_up()
    rounds.collect("lima")
    living = rounds.numbers(*rounds.nodes)
    consents = [rounds.consent(name, living, []) for name in rounds.nodes]
    for name in rounds.nodes:
        rounds.evidence(name, consents)
        assert rounds.refusal(lambda name=name: rounds.unmask(name, living, [])) == "not-agreed"  # type: ignore[misc] # the loop's


def test_who_is_not_in_the_sum_has_no_say() -> None:
    """A node that the server has in its hand could sign anything."""
    server = Rounds()
    server.dataset = replace(THREE, least=2)
    server.set_up()
    server.collect()
    oslo, lima, baku = server.numbers("oslo", "lima", "baku")
    statement = decode_statement(server.consent("oslo", [oslo, lima], [baku]))
    bought = sign_consent(IDENTITIES["baku"], server.checked("oslo"), "1", statement).to_bytes()
    server.evidence("oslo", [bought])
    assert server.refusal(lambda: server.unmask("oslo", [oslo, lima], [baku])) == "not-agreed"
    server.evidence("oslo", [server.consent("lima", [oslo, lima], [baku])])
    server.unmask("oslo", [oslo, lima], [baku])
    server.close()


def decode_statement(consent: bytes) -> bytes:
    return bytes.fromhex(json.loads(Envelope.from_bytes(consent).body)["statement"])


def test_a_node_signs_one_statement_a_round() -> None:
    """Else two sets of lists could both find enough, and the server had both shares of a node."""
    server = Rounds()
    server.dataset = replace(THREE, least=2)
    server.set_up()
    server.collect()
    living = server.numbers(*server.nodes)
    server.consent("oslo", living, [])
    assert server.refusal(lambda: server.consent("oslo", living[:2], living[2:])) == "another-statement"
    server.consent("oslo", living[::-1], [])  # the same, in another order
    server.close()


def test_no_statement_before_the_round_is_complete(rounds: Rounds) -> None:
    """Nor of lists that no node would answer: the one signature of the round is not spent on them."""
    rounds.set_up()
    living = rounds.numbers(*rounds.nodes)
    assert rounds.refusal(lambda: rounds.consent("oslo", living, [])) == "stage"
    rounds.collect()
    assert rounds.refusal(lambda: rounds.consent("oslo", living, living[:1])) == "both-shares"
    assert rounds.refusal(lambda: rounds.consent("oslo", living[1:], living[:1])) == "not-active"
    rounds.consent("oslo", living, [])


def test_a_round_survives_a_kill(tmp_path: Path) -> None:
    """Its state, the vouchers, the consents, and that the node has signed once."""
    server = Rounds(tmp_path)
    server.set_up()
    server.collect()
    living = server.numbers(*server.nodes)
    server.evidence("oslo", [server.consent(name, living, []) for name in server.nodes])
    server.nodes["oslo"] = server.made("oslo")
    server.unmask("oslo", living, [])
    server.unmask("oslo", living, [])  # the same message again, whose reply the kill had kept from leaving
    server.close()
