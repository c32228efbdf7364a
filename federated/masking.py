"""What a node checks of Flower's SecAgg+ before its app sees a message: the server is not to be believed there.

In SecAgg+ (`flwr.client.mod.secaggplus_mod`) each node masks its update by a number of its own and by one for each pair
of nodes, and shares the secrets behind them among all; the masks of a pair cancel in the sum. The mod believes what the
server tells it. A server that lies can hand a node keys that it made itself, ask for both kinds of shares of one node,
or choose numbers that hide nothing. So each stage is held against what the nodes themselves have signed.

==================  ================================================================================================
setup               once a round; at least k nodes in the group, all of whom share with all; more than half of the
                    shares are needed; the modulus is a power of two with room for the sum (`_require_parameters`)
share keys          every key in it was signed for this run, round and setup by the node to which it is said to belong,
                    which is on the endorsed roster; at least k of them, and this node's own
collect             shares from at least k nodes, itself among them, each once
unmask              this node is among the active, of whom there are k; nobody is both active and dead; and enough
                    nodes, by their signatures, had the same setup, keys, sources, model and lists (`statement_of`)
==================  ================================================================================================

The last is the consistency check of Bonawitz et al. 2017 (figure 4, rounds 3 and 4). With t of n shares and 2t > n two
statements cannot both find t nodes that have signed them, if each signs one: so the server gets either the one secret
of a node or the other, never both. That holds if all on the roster are honest; against c that are in the server's hand
it takes 2t > n + c (there, section 6), which whoever writes the app chooses. The statement names the model too, since a
server that sends each node another model gets one update out of a sum (Pasquini et al. 2022), and the setup, since
weights chosen for each node do the same.

Not shown: that the masks hold against a search. Flower draws each from a generator with a seed of 32 bits
(`pseudo_rand_gen`); whoever can try all of them, for k - 1 masks at once, sees through. Nor that what the app sends
beside its arrays, or in other messages, says nothing: that is the policy's part. Nor anything of SecAgg+ with fewer
shares than nodes, where the server draws the graph of neighbours: it is refused.

References
----------
Bonawitz et al.: Practical Secure Aggregation for Privacy-Preserving Machine Learning. CCS 2017.
Pasquini, Francati, Ateniese: Eluding Secure Aggregation in Federated Learning via Model Inconsistency. CCS 2022.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from federated.errors import MaskingRefused
from mobility.plain import encode

__all__ = [
    "Round",
    "Stage",
    "VouchedKeys",
    "keys_digest",
    "masking_of",
    "next_round",
    "statement_of",
    "with_lists",
]

_RECORD: Final = "secaggplus_configs"
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,19}")
_LEAST_MODULUS: Final = 1 << 16  # a mask is drawn from one value less than the modulus has, which shows if it is small
_MOST_MODULUS: Final = 1 << 32  # above, Flower's generator gives no such numbers
_MOST_SHARES: Final = 4096
_PARAMETERS: Final[Mapping[str, type]] = {
    "sample_num": int,
    "share_num": int,
    "threshold": int,
    "clipping_range": float,
    "target_range": int,
    "mod_range": int,
    "max_weight": float,
}


class Stage(StrEnum):
    """Flower's names of the stages of a round."""

    SETUP = "setup"
    SHARE_KEYS = "share_keys"
    COLLECT = "collect_masked_vectors"
    UNMASK = "unmask"


@dataclass(frozen=True, slots=True)
class VouchedKeys:
    """What a node on the roster has signed about its public keys of a round.

    Attributes
    ----------
    number
        By which Flower knows the node.
    key
        Key id of the node.
    keys
        Digest of its two public keys.
    parameters
        Digest of the setup for which they were made.
    """

    number: int
    key: str
    keys: bytes
    parameters: bytes


@dataclass(frozen=True, slots=True)
class Round:
    """How far a node is in a round.

    Attributes
    ----------
    name
        Flower's group of the messages, as a rule the number of the round.
    stage, message
        The last stage that was answered, and the id of the message.
    parameters, threshold, samples
        Digest of the setup; of it, the shares that unmask, and the nodes in the group.
    keys
        Digest of the node's own public keys.
    shown
        Whose keys it was shown: number, and digest of the keys.
    sources
        From whom it has shares, itself included.
    model
        Digest of what the app was given to train on.
    active, dead
        Whom the unmask stage named.
    """

    name: str
    stage: str
    message: str
    parameters: bytes = b""
    threshold: int = 0
    samples: int = 0
    keys: bytes = b""
    shown: tuple[tuple[int, bytes], ...] = ()
    sources: tuple[int, ...] = ()
    model: bytes = b""
    active: tuple[int, ...] = ()
    dead: tuple[int, ...] = ()


def masking_of(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record of SecAgg+ in a message, or None if its mod would pass the message on as it is."""
    if message["type"] != "train":
        return None
    found = [items for kind, name, items in message.get("content", ()) if kind == "configs" and name == _RECORD]
    if len(found) > 1:
        raise MaskingRefused("form", "a message has two records of secure aggregation")
    return dict(found[0]) if found else None


def keys_digest(items: Mapping[str, Any]) -> bytes | None:
    """Of the public keys that an app answers in the setup stage; None, if there are none."""
    return _digest_of_pair([items.get("pk1"), items.get("pk2")])


def _digest_of_pair(pair: Any) -> bytes | None:
    if type(pair) is not list or len(pair) != 2 or any(type(one) is not bytes for one in pair):
        return None
    return hashlib.sha256(encode(pair)).digest()


def next_round(
    message: Mapping[str, Any],
    before: Round | None,
    *,
    own: int,
    k: int,
    most: int,
    vouched: Mapping[int, VouchedKeys],
) -> Round | None:
    """Whether the app may see a message, and the round as it is after that; None for what is not of SecAgg+.

    Parameters
    ----------
    before
        The round in which the node is.
    own
        The node's number.
    k, most
        Participants that it demands, and that the roster has.
    vouched
        By number: what nodes on the roster have signed for this round.

    Raises
    ------
    MaskingRefused
        `why` says which rule.
    """
    items = masking_of(message)
    if items is None:
        return None
    if message["to"] != own:
        raise MaskingRefused("another-node", f"a message for the node {message['to']} came to {own}")
    stage = items.get("stage")
    if stage == Stage.SETUP:
        return _setup(message, items, k, most)
    expected = {Stage.SHARE_KEYS: Stage.SETUP, Stage.COLLECT: Stage.SHARE_KEYS, Stage.UNMASK: Stage.COLLECT}
    if stage not in expected:
        raise MaskingRefused("form", f"there is no stage {str(stage)[:40]!r}")
    if before is None or before.name != message["group"]:
        raise MaskingRefused("stage", f"the round {message['group']!r} was not set up here, or is over")
    again = before.stage == stage and before.message == message["id"]
    if before.stage != expected[Stage(stage)] and not again:
        raise MaskingRefused("stage", f"{stage} was asked for after {before.stage}")
    after = replace(before, stage=str(stage), message=message["id"])
    if stage == Stage.SHARE_KEYS:
        return replace(after, shown=_shown(items, before, own, k, vouched))
    if stage == Stage.COLLECT:
        rest = [record for record in message["content"] if record[1] != _RECORD]
        return replace(after, sources=_sources(items, before, own, k), model=hashlib.sha256(encode(rest)).digest())
    return with_lists(after, items.get("active_nids"), items.get("dead_nids"), own=own, k=k)


def _setup(message: Mapping[str, Any], items: Mapping[str, Any], k: int, most: int) -> Round:
    parameters = {name: value for name, value in items.items() if name != "stage"}
    _require_parameters(parameters, k, most)
    digest = hashlib.sha256(encode([[name, parameters[name]] for name in _PARAMETERS])).digest()
    return Round(
        message["group"],
        Stage.SETUP.value,
        message["id"],
        parameters=digest,
        threshold=parameters["threshold"],
        samples=parameters["sample_num"],
    )


def _require_parameters(given: Mapping[str, Any], k: int, most: int) -> None:
    """Of n = `sample_num` nodes each gives `share_num` shares, of which `threshold` give its secret away."""
    if given.keys() != _PARAMETERS.keys() or any(type(given[name]) is not kind for name, kind in _PARAMETERS.items()):
        raise MaskingRefused("parameters", "the setup has other parameters than those of SecAgg+")
    samples, shares, threshold = given["sample_num"], given["share_num"], given["threshold"]
    if samples < k:
        raise MaskingRefused("too-few", f"the group has {samples} nodes, and this node demands {k}")
    if samples > most:
        raise MaskingRefused("parameters", f"the group has {samples} nodes, and the roster {most}")
    if not samples <= shares <= _MOST_SHARES:
        raise MaskingRefused("shares", f"{shares} shares of {samples} nodes: all have to share with all")
    if not shares < 2 * threshold or threshold > samples:
        raise MaskingRefused(
            "threshold",
            f"{threshold} of {shares} shares give a secret away; it has to be more than half, and at most {samples}",
        )
    modulus, levels = given["mod_range"], given["target_range"]
    if modulus & (modulus - 1) or not _LEAST_MODULUS <= modulus <= _MOST_MODULUS:
        raise MaskingRefused("modulus", f"{modulus} is no power of two from {_LEAST_MODULUS} to {_MOST_MODULUS}")
    if levels < 2 or levels * samples > modulus:
        raise MaskingRefused("modulus", f"the sum of {samples} numbers below {levels} has no room in {modulus}")
    for name in ("clipping_range", "max_weight"):
        if not (math.isfinite(given[name]) and given[name] > 0):
            raise MaskingRefused("parameters", f"{name} is {given[name]}")


def _shown(
    items: Mapping[str, Any], before: Round, own: int, k: int, vouched: Mapping[int, VouchedKeys]
) -> tuple[tuple[int, bytes], ...]:
    shown: dict[int, bytes] = {}
    signers: set[str] = set()
    for name, pair in items.items():
        if name == "stage":
            continue
        digest = _digest_of_pair(pair)
        if not _NUMBER.fullmatch(name) or digest is None:
            raise MaskingRefused("form", "what stands for a node's keys is none")
        number = int(name)
        if number == own:
            if digest != before.keys:
                raise MaskingRefused("own-key", "the keys that are said to be this node's are not")
        else:
            signed = vouched.get(number)
            if signed is None or signed.keys != digest:
                raise MaskingRefused(
                    "forged-key", f"the keys of the node {number} are not signed by it for the round {before.name!r}"
                )
            if signed.parameters != before.parameters:
                raise MaskingRefused("another-setup", f"the node {number} was given another setup than this one")
            if signed.key in signers:
                raise MaskingRefused("same-key-twice", f"the node {number} is signed for by the key of another one")
            signers.add(signed.key)
        shown[number] = digest
    if own not in shown:
        raise MaskingRefused("own-key", "this node's own keys are not there")
    needed = max(k, before.threshold)
    if not needed <= len(shown) <= before.samples:
        problem = f"there are the keys of {len(shown)} nodes; {needed} are needed, and the group has {before.samples}"
        raise MaskingRefused("too-few-keys", problem)
    return tuple(sorted(shown.items()))


def _numbers(value: Any) -> tuple[int, ...]:
    if type(value) is not list or any(type(one) is not int for one in value):
        raise MaskingRefused("form", "a list of nodes is none")
    if len(set(value)) != len(value):
        raise MaskingRefused("same-node-twice", "a node is named twice")
    return tuple(sorted(value))


def _sources(items: Mapping[str, Any], before: Round, own: int, k: int) -> tuple[int, ...]:
    others = _numbers(items.get("srcs"))
    known = {number for number, _ in before.shown}
    if own in others or not known >= set(others):
        raise MaskingRefused("sources", "there are shares from somebody whose keys were not shown")
    needed = max(k, before.threshold)
    if len(others) + 1 < needed:
        raise MaskingRefused("too-few", f"{len(others) + 1} nodes have shared their secrets, and {needed} must")
    return tuple(sorted((*others, own)))


def with_lists(after: Round, active: Any, dead: Any, *, own: int, k: int) -> Round:
    """The round with those of whom the one share is asked for, and those of whom the other is.

    Raises
    ------
    MaskingRefused
    """
    living, gone = _numbers(active), _numbers(dead)
    both = set(living) & set(gone)
    if both:
        raise MaskingRefused("both-shares", f"both kinds of shares are asked for of the nodes {sorted(both)}")
    if own not in living:
        raise MaskingRefused("not-active", "this node has answered, and is not named among those that have")
    if set(living) | set(gone) != set(after.sources):
        raise MaskingRefused("sources", "those named are not those who have shared their secrets")
    needed = max(k, after.threshold)
    if len(living) < needed:
        raise MaskingRefused("too-few", f"the sum would be of {len(living)} nodes, and {needed} must be in it")
    return replace(after, active=living, dead=gone)


def statement_of(run: str, app: bytes, after: Round) -> bytes:
    """What nodes have to agree on before one of them gives shares away: SHA-256 over all that happened in the round."""
    listed = [
        run,
        app,
        after.name,
        after.parameters,
        [list(one) for one in after.shown],
        list(after.sources),
        after.model,
        list(after.active),
        list(after.dead),
    ]
    return hashlib.sha256(encode(listed)).digest()
