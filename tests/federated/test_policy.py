"""A policy is read strictly, and says before anything runs what it forbids and why."""

from __future__ import annotations

import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from federated import policyfile
from federated.accounting import Allowance, Cost, Spent, mu_for
from federated.errors import NotReleased, PolicyInvalid
from federated.policy import AppRequest, CountRule, Neighbours, NoiseRule, ReleasePolicy
from federated.policyfile import datasets_from_table, policy_from_dict, read_policies
from federated.verdicts import Rule

SIGNER, OTHER, APP = "a" * 64, "b" * 64, "c" * 64
FULL = f"""
[place.datasets.ward]
npy = "ward.npy"

[place.datasets.ward.policy]
signers = ["{SIGNER}"]
digests = ["{APP}"]
messages = ["train", "evaluate.*"]
keys = ["arrays.*", "metrics.loss", "metrics.cases"]
exact = ["metrics.loss"]
dtypes = ["float32"]
most_bytes = 10_000
like_sent = true
clip_norm = 1
noise = {{ epsilon = 0.5, delta = 1e-6 }}
neighbours = "zero"
counts = [{{ key = "metrics.cases", epsilon = 0.1, sensitivity = 2 }},
          {{ key = "metrics.by_age", epsilon = 1, length = 4 }}]
allowance = {{ rounds = 3, rounds_in_all = 9, epsilon = 4.0, delta = 1e-5, counting_epsilon = 1.0 }}

[place.datasets.closed]
npy = "closed.npy"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "place.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_and_python_say_the_same(tmp_path: Path) -> None:
    """Every field of the file arrives; a data set without a policy has none."""
    expected = ReleasePolicy(
        dataset="ward",
        signers=(SIGNER,),
        digests=(APP,),
        messages=("train", "evaluate.*"),
        keys=("arrays.*", "metrics.loss", "metrics.cases"),
        exact=("metrics.loss",),
        dtypes=("float32",),
        most_bytes=10_000,
        like_sent=True,
        clip_norm=1.0,
        noise=NoiseRule(epsilon=0.5, delta=1e-6),
        neighbours=Neighbours.ZERO,
        counts=(CountRule("metrics.cases", 0.1, 2), CountRule("metrics.by_age", 1.0, length=4)),
        allowance=Allowance(3, 9, 4.0, 1e-5, 1.0),
    )
    found = read_policies(written(tmp_path, FULL))
    assert found == {"ward": expected}
    assert found["ward"].digest == expected.digest
    assert pickle.loads(pickle.dumps(expected)) == expected


def test_every_field_can_be_written_in_the_file() -> None:
    """One that cannot would silently have its default."""
    assert policyfile._FIELDS.keys() == {field.name for field in fields(ReleasePolicy)} - {"dataset"}
    assert policyfile._ALLOWANCE.keys() == {field.name for field in fields(Allowance)}
    assert policyfile._COUNT.keys() == {field.name for field in fields(CountRule)}


def test_the_digest_changes_with_the_policy() -> None:
    """The audit names the policy that was in force by it."""
    one = ReleasePolicy(dataset="ward", keys=("a",))
    assert one.digest != ReleasePolicy(dataset="ward", keys=("a", "b")).digest
    assert one.digest == ReleasePolicy(dataset="ward", keys=("a",)).digest


@pytest.mark.parametrize(
    ("table", "where", "problem"),
    [
        ({"clipnorm": 1.0}, "ward.policy.clipnorm", "is not known"),
        ({"clip_norm": "1"}, "ward.policy.clip_norm", "no finite number"),
        ({"clip_norm": True}, "ward.policy.clip_norm", "no finite number"),
        ({"clip_norm": float("nan")}, "ward.policy.clip_norm", "no finite number"),
        ({"clip_norm": 0.0}, "ward.policy", "clip_norm is between"),
        ({"signers": "a" * 64}, "ward.policy.signers", "no list of texts"),
        ({"signers": ["abc"]}, "ward.policy", "64 lower-case"),
        ({"digests": ["C" * 64]}, "ward.policy", "64 lower-case"),
        ({"keys": [1]}, "ward.policy.keys", "no list of texts"),
        ({"dtypes": ["object"]}, "ward.policy", "dtypes has 'object'"),
        ({"most_bytes": -1}, "ward.policy.most_bytes", "no whole number"),
        ({"most_bytes": 1.5}, "ward.policy.most_bytes", "no whole number"),
        ({"like_sent": 1}, "ward.policy.like_sent", "neither true nor false"),
        ({"neighbours": "add"}, "ward.policy.neighbours", "none of replace, zero"),
        ({"noise": {"multiplier": 1.0}}, "ward.policy", "noise needs clip_norm"),
        ({"noise": 1.0}, "ward.policy.noise", "is no table"),
        ({"clip_norm": 1.0, "noise": {}}, "ward.policy.noise", "either epsilon and delta, or multiplier"),
        ({"clip_norm": 1.0, "noise": {"epsilon": 1.0}}, "ward.policy.noise", "either epsilon and delta"),
        (
            {"clip_norm": 1.0, "noise": {"epsilon": 1.0, "delta": 0.1, "multiplier": 1.0}},
            "ward.policy.noise",
            "either epsilon and delta",
        ),
        ({"clip_norm": 1.0, "noise": {"epsilon": 1.0, "delta": 2.0}}, "ward.policy.noise", "delta between 0 and 1"),
        ({"clip_norm": 1.0, "noise": {"multiplier": 0.0}}, "ward.policy.noise", "multiplier is between"),
        ({"clip_norm": 1.0, "noise": {"sigma": 1.0}}, "ward.policy.noise.sigma", "is not known"),
        ({"counts": {"key": "a"}}, "ward.policy.counts", "no list of tables"),
        ({"counts": [{"epsilon": 1.0}]}, "ward.policy.counts[0].key", "is missing"),
        ({"counts": [{"key": "a", "epsilon": 0}]}, "ward.policy.counts[0]", "epsilon is a number above 0"),
        ({"counts": [{"key": "a", "epsilon": 1, "sensitivity": 0}]}, "ward.policy.counts[0]", "sensitivity"),
        ({"counts": [{"key": "a", "epsilon": 1}, {"key": "a", "epsilon": 2}]}, "ward.policy", "a key twice"),
        ({"allowance": {"epsilon": 1.0}}, "ward.policy.allowance", "given together"),
        ({"allowance": {"epsilon": 1.0, "delta": 1e-5}}, "ward.policy", "no noise that could keep it"),
        ({"allowance": {"counting_epsilon": 1.0}}, "ward.policy", "there are no counts"),
        ({"allowance": {"round": 1}}, "ward.policy.allowance.round", "is not known"),
        ({"exact": ["metrics.*"]}, "ward.policy", "nothing here is clipped or noised"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_its_place(table: dict[str, Any], where: str, problem: str) -> None:
    """An owner who mistypes a limit must not believe that it holds."""
    with pytest.raises(PolicyInvalid) as caught:
        policy_from_dict("ward", table)
    assert caught.value.where == f"place.datasets.{where}"
    assert problem in caught.value.problem
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[place", "is no TOML"),
        ("place = 1", "is no table"),
        ("[place]\ndatasets = 1", "is no table"),
        ("[place.datasets]\nward = 1", "is no table"),
        ("[place.datasets.ward]\npolicy = 1", "is no table"),
        ("[place.datasets.ward.policy]\nrounds = 3", "is not known"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """With the file's name, and without any of its policies."""
    path = written(tmp_path, text)
    with pytest.raises(PolicyInvalid, match=problem) as caught:
        read_policies(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """No file is no policy, and not an empty one."""
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        read_policies(tmp_path / "none.toml")


# -- before anything runs ----------------------------------------------------------------------------------------------

NOISED = ReleasePolicy(
    dataset="ward",
    signers=(SIGNER,),
    messages=("train", "train.*", "evaluate"),
    keys=("arrays.*",),
    clip_norm=1.0,
    noise=NoiseRule(epsilon=1.0, delta=1e-5),
    allowance=Allowance(rounds=3, rounds_in_all=5, epsilon=1.0, delta=1e-5),
)


def rules(policy: ReleasePolicy, request: AppRequest, spent: Spent = Spent()) -> list[str]:
    return [one.rule.value for one in policy.judge(request, spent).objections]


def test_an_empty_policy_allows_nothing() -> None:
    """Who forgets a line has forbidden, not allowed."""
    found = rules(ReleasePolicy(dataset="ward"), AppRequest(APP, (SIGNER,), "train"))
    assert found == ["admission", "message"]


@pytest.mark.parametrize(
    ("digests", "signers", "digest", "signed", "admitted"),
    [
        ((APP,), (), APP, (), True),
        ((APP,), (), OTHER, (SIGNER,), False),
        ((), (SIGNER,), APP, (SIGNER,), True),
        ((), (SIGNER,), APP, (OTHER, SIGNER), True),
        ((), (SIGNER,), SIGNER, (), False),  # a digest is no key
        ((SIGNER,), (), APP, (SIGNER,), False),  # and a key no digest
        ((), (), APP, (SIGNER,), False),
    ],
)
def test_apps_are_admitted_by_digest_or_signer(
    digests: tuple[str, ...], signers: tuple[str, ...], digest: str, signed: tuple[str, ...], admitted: bool
) -> None:
    """Either is enough, and one is not taken for the other."""
    policy = ReleasePolicy(dataset="ward", digests=digests, signers=signers)
    ruling = policy.admits(digest, signed)
    assert ruling.allowed is admitted
    if not admitted:
        with pytest.raises(NotReleased) as caught:
            ruling.require()
        assert caught.value.rules == (Rule.ADMISSION,) and caught.value.dataset == "ward"
    else:
        ruling.require()


@pytest.mark.parametrize(
    ("message", "allowed"),
    [
        ("train", True),
        ("train.warm", True),
        ("evaluate", True),
        ("evaluate.x", False),
        ("query", False),
        ("TRAIN", False),
    ],
)
def test_messages_are_answered_by_type(message: str, allowed: bool) -> None:
    """A pattern has to fit the whole type, letter by letter."""
    assert rules(NOISED, AppRequest(APP, (SIGNER,), message)) == ([] if allowed else ["message"])


def test_what_is_spent_is_refused_before_the_app_runs() -> None:
    """Training needs epsilon before it begins; an evaluation has its own rounds, and its cost is known later."""
    train, evaluate = AppRequest(APP, (SIGNER,), "train"), AppRequest(APP, (SIGNER,), "evaluate")
    once = Spent(1, 1, NOISED.update_cost)
    assert rules(NOISED, train) == []
    assert rules(NOISED, train, once) == ["epsilon"]
    assert rules(NOISED, evaluate, once) == []
    assert rules(NOISED, evaluate, Spent(3, 3)) == ["rounds"]
    assert rules(NOISED, evaluate, Spent(0, 5)) == ["rounds_in_all"]


def test_the_cost_follows_from_the_noise() -> None:
    """By epsilon it is the analytic mechanism's; by multiplier, sensitivity over sigma for its neighbours."""
    assert NOISED.update_cost == Cost(rho=mu_for(1.0, 1e-5) ** 2 / 2)
    for neighbours, factor in ((Neighbours.REPLACE, 2), (Neighbours.ZERO, 1)):
        policy = ReleasePolicy(dataset="ward", clip_norm=5.0, noise=NoiseRule(multiplier=4.0), neighbours=neighbours)
        assert policy.sensitivity == 5.0 * factor
        assert policy.update_mu == factor / 4.0
        assert policy.update_cost == Cost(rho=(factor / 4.0) ** 2 / 2)
    assert ReleasePolicy(dataset="ward", clip_norm=5.0).update_cost == Cost()


def test_who_else_must_take_part_is_read_as_strictly() -> None:
    """A number below 1 demands nothing, and a name is no key id."""
    (ward,) = datasets_from_table({"ward": {"least": 3, "fellows": [SIGNER, OTHER]}}).values()
    assert (ward.least, ward.fellows) == (3, frozenset({SIGNER, OTHER}))
    for wrong in ({"least": 0}, {"least": 2.0}, {"fellows": ["oslo"]}, {"fellows": SIGNER}):
        with pytest.raises(PolicyInvalid, match=r"place\.datasets\.ward\.(least|fellows) "):
            datasets_from_table({"ward": wrong})
