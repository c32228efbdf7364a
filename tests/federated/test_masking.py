"""What a server may ask for in a round of SecAgg+: each rule stops a lie, and an honest round breaks none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federated.errors import MaskingRefused
from federated.masking import Round, VouchedKeys, keys_digest, masking_of, next_round, statement_of, with_lists

PARAMETERS = {
    "sample_num": 5,
    "share_num": 5,
    "threshold": 3,
    "clipping_range": 8.0,
    "target_range": 1 << 22,
    "mod_range": 1 << 32,
    "max_weight": 1000.0,
}
OWN = 10
NODES = (10, 11, 12, 13, 14)
KEYS = {number: {"pk1": f"{number} a".encode(), "pk2": f"{number} b".encode()} for number in NODES}


def message(stage: str, *, to: int = OWN, kind: str = "train", name: str = "", **items: Any) -> dict[str, Any]:
    content = [["arrays", "w", {"0": 1}], ["configs", "secaggplus_configs", {**items, "stage": stage}]]
    return {"type": kind, "group": "1", "id": name or stage, "to": to, "content": content}


def digest(number: int) -> bytes:
    found = keys_digest(KEYS[number])
    assert found is not None
    return found


def step(asked: dict[str, Any], before: Round | None, *, k: int = 3, vouched: Any = None) -> Round:
    parameters = b"" if before is None else before.parameters
    signed = {n: VouchedKeys(n, f"key-{n}", digest(n), parameters) for n in NODES} if vouched is None else vouched
    after = next_round(asked, before, own=OWN, k=k, most=6, vouched=signed)
    assert after is not None
    return after


def refusal(asked: dict[str, Any], before: Round | None, **others: Any) -> str:
    with pytest.raises(MaskingRefused) as told:
        step(asked, before, **others)
    return told.value.why


def set_up(**changes: Any) -> Round:
    return replace(step(message("setup", **{**PARAMETERS, **changes}), None), keys=digest(OWN))


def shown(*numbers: int, **changes: Any) -> dict[str, Any]:
    pairs = {str(number): [KEYS[number]["pk1"], KEYS[number]["pk2"]] for number in numbers or NODES}
    return message("share_keys", **{**pairs, **changes})


def shared() -> Round:
    return step(shown(), set_up())


def collected(*others: int) -> Round:
    return step(message("collect_masked_vectors", srcs=list(others or NODES[1:])), shared())


@given(st.sampled_from([1 << 32, 1 << 30, 1 << 26]), st.integers(3, 6), st.data())
def test_an_honest_round_breaks_no_rule(modulus: int, samples: int, data: st.DataObject) -> None:
    """With any threshold above half, whoever dies while the vectors are collected."""
    nodes = tuple(range(OWN, OWN + samples))
    threshold = data.draw(st.integers(samples // 2 + 1, samples))
    pairs = {n: [f"{n} a".encode(), f"{n} b".encode()] for n in nodes}
    digests = {n: keys_digest({"pk1": pair[0], "pk2": pair[1]}) or b"" for n, pair in pairs.items()}
    parameters = {**PARAMETERS, "sample_num": samples, "share_num": samples, "threshold": threshold}
    parameters |= {"mod_range": modulus, "target_range": modulus // 8}
    after = replace(step(message("setup", **parameters), None), keys=digests[OWN])
    signed = {n: VouchedKeys(n, f"key-{n}", digests[n], after.parameters) for n in nodes}
    after = step(message("share_keys", **{str(n): pair for n, pair in pairs.items()}), after, vouched=signed)
    after = step(message("collect_masked_vectors", srcs=list(nodes[1:])), after, vouched=signed)
    living = data.draw(st.integers(max(3, threshold), samples))
    lists = {"active_nids": list(nodes[:living]), "dead_nids": list(nodes[living:])}
    after = step(message("unmask", **lists), after, vouched=signed)
    assert (after.active, after.dead) == (nodes[:living], nodes[living:])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"threshold": 1}, "threshold"),
        ({"threshold": 2}, "threshold"),
        ({"share_num": 6, "threshold": 3}, "threshold"),
        ({"threshold": 6}, "threshold"),
        ({"threshold": 0}, "threshold"),
        ({"sample_num": 2, "share_num": 3, "threshold": 2}, "too-few"),
        ({"sample_num": 7, "share_num": 7, "threshold": 4}, "parameters"),
        ({"share_num": 3, "threshold": 2}, "shares"),
        ({"share_num": 5000, "threshold": 5}, "shares"),
        ({"mod_range": 2, "target_range": 1}, "modulus"),
        ({"mod_range": 1}, "modulus"),
        ({"mod_range": 0}, "modulus"),
        ({"mod_range": -(1 << 32)}, "modulus"),
        ({"mod_range": (1 << 32) - 1}, "modulus"),
        ({"mod_range": 1 << 33}, "modulus"),
        ({"mod_range": 1 << 24}, "modulus"),
        ({"target_range": 0}, "modulus"),
        ({"clipping_range": float("nan")}, "parameters"),
        ({"clipping_range": 0.0}, "parameters"),
        ({"max_weight": float("inf")}, "parameters"),
        ({"max_weight": -1.0}, "parameters"),
        ({"threshold": True}, "parameters"),
        ({"threshold": 3.0}, "parameters"),
        ({"more": 1}, "parameters"),
    ],
)
def test_numbers_that_hide_nothing(changes: dict[str, Any], why: str) -> None:
    """Chosen by the server in the setup."""
    assert refusal(message("setup", **{**PARAMETERS, **changes}), None) == why


def test_keys_that_are_not_the_nodes_own() -> None:
    """Somebody's, for whom nobody has signed; signed for another setup; twice by one; and not this node's."""
    before = set_up()
    signed = {n: VouchedKeys(n, f"key-{n}", digest(n), before.parameters) for n in NODES}
    forged = [b"the server's", b"own"]
    assert refusal(shown(**{"12": forged}), before) == "forged-key"
    assert refusal(shown(), before, vouched={n: one for n, one in signed.items() if n != 12}) == "forged-key"
    swapped = {**signed, 12: replace(signed[12], parameters=b"other")}
    assert refusal(shown(), before, vouched=swapped) == "another-setup"
    twice = {**signed, 12: replace(signed[12], key="key-11")}
    assert refusal(shown(), before, vouched=twice) == "same-key-twice"
    assert refusal(shown(**{"10": forged}), before) == "own-key"
    assert refusal(shown(11, 12, 13), before) == "own-key"


def test_too_few_or_too_many_keys() -> None:
    """As the node demands, and as many as the threshold."""
    assert refusal(shown(10, 11), set_up()) == "too-few-keys"
    assert refusal(shown(10, 11, 12), set_up(), k=4) == "too-few-keys"
    assert refusal(shown(10, 11, 12), set_up(threshold=4)) == "too-few-keys"
    assert refusal(shown(), set_up(sample_num=4, share_num=4)) == "too-few-keys"


@pytest.mark.parametrize("name", ["011", " 11", "1_1", "+11", "-1", "x", "", "11\n", "١١"])
def test_numbers_are_spelt_one_way(name: str) -> None:
    """Python's int takes more: the app would see other nodes than were checked."""
    assert refusal(shown(**{name: [b"a", b"b"]}), set_up()) == "form"


@pytest.mark.parametrize("pair", [[b"a"], [b"a", "b"], (b"a", b"b"), b"ab", [b"a", b"b", b"c"], None])
def test_keys_of_another_form(pair: Any) -> None:
    """They are two, as bytes."""
    assert refusal(shown(**{"12": pair}), set_up()) == "form"


def test_shares_from_too_few_or_from_nobody() -> None:
    """Or from one as often as are needed."""
    for sources, why in (
        ([11], "too-few"),
        ([11, 11, 11], "same-node-twice"),
        ([11, 12, 99], "sources"),
        ([10, 11, 12], "sources"),
        (["11", 12], "form"),
        (None, "form"),
        ([True, 11, 12], "form"),
    ):
        assert refusal(message("collect_masked_vectors", srcs=sources), shared()) == why
    assert refusal(message("collect_masked_vectors", srcs=[11, 12]), shared(), k=4) == "too-few"


def test_both_shares_of_a_node() -> None:
    """The mod would give them: one secret opens its own mask, the other those of its pairs."""
    for active, dead, why in (
        (list(NODES), [11], "both-shares"),
        ([*NODES, 11], [], "same-node-twice"),
        ([11, 12, 13], [10, 14], "not-active"),
        ([10, 11], [12, 13, 14], "too-few"),
        ([10, 11, 12], [13], "sources"),
        ([10, 11, 12, 99], [13, 14], "sources"),
        (None, [], "form"),
    ):
        assert refusal(message("unmask", active_nids=active, dead_nids=dead), collected()) == why


def test_stages_come_in_their_order() -> None:
    """The same message may come again; nothing is skipped, done twice or done of a round that was left."""
    assert refusal(shown(), None) == "stage"
    assert refusal(message("unmask", active_nids=list(NODES), dead_nids=[]), shared()) == "stage"
    assert refusal(message("collect_masked_vectors", srcs=[11, 12]), set_up()) == "stage"
    assert step(shown(), shared()) == shared()
    assert refusal({**shown(), "id": "another"}, shared()) == "stage"
    assert refusal({**shown(), "group": "2"}, set_up()) == "stage"
    assert refusal(message("dance"), set_up()) == "form"


def test_a_message_for_another_node() -> None:
    """The app would take the other's number for its own."""
    assert refusal(message("setup", to=11, **PARAMETERS), None) == "another-node"


def test_what_the_mod_passes_on_is_no_stage() -> None:
    """Other kinds of messages, and those without its record; two records could be read in two ways."""
    assert masking_of(message("setup", kind="evaluate")) is None
    assert masking_of({**message("setup"), "content": []}) is None
    double = message("setup", **PARAMETERS)
    double["content"] *= 2
    with pytest.raises(MaskingRefused, match="two records"):
        masking_of(double)


def test_a_statement_names_all_that_happened() -> None:
    """Each thing that a server could show one node otherwise than another changes it."""
    after = with_lists(collected(), list(NODES), [], own=OWN, k=3)
    same = statement_of("7", b"app", after)
    others = [
        statement_of("8", b"app", after),
        statement_of("7", b"other", after),
        *(
            statement_of("7", b"app", replace(after, **{name: value}))
            for name, value in {
                "name": "2",
                "parameters": b"",
                "shown": after.shown[1:],
                "sources": after.sources[1:],
                "model": b"",
                "active": NODES[:4],
                "dead": NODES[4:],
            }.items()
        ),
    ]
    assert len({same, *others}) == len(others) + 1
    assert statement_of("7", b"app", with_lists(collected(*NODES[:0:-1]), list(NODES[::-1]), [], own=OWN, k=3)) == same


def test_the_model_is_in_the_statement() -> None:
    """And the record of the stage itself, which differs by node, is not."""
    asked = message("collect_masked_vectors", srcs=[11, 12, 13, 14])
    assert step({**asked, "content": asked["content"][1:]}, shared()).model != step(asked, shared()).model
    assert step(message("collect_masked_vectors", srcs=[11, 12, 13]), shared()).model == step(asked, shared()).model
