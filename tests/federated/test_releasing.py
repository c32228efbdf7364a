"""What an app returned leaves clipped, noised and looked through, or it does not leave."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from federated.accounting import Allowance, Cost
from federated.noise import Noise
from federated.policy import CountRule, Neighbours, NoiseRule, ReleasePolicy
from federated.releasing import Released, released
from mobility.plain import decode, encode
from tests.federated.entropy import entropy

OPEN = ReleasePolicy(dataset="ward", keys=("*",), dtypes=("float32", "float64", "int64", "uint8"))
CLIPPED = replace(OPEN, clip_norm=1.0)
NOISED = replace(CLIPPED, noise=NoiseRule(multiplier=0.5), exact=("metrics.*",))
COUNTING = ReleasePolicy(
    dataset="ward",
    keys=("counts.*", "metrics.loss"),
    exact=("metrics.loss",),
    dtypes=("int64", "int32"),
    counts=(CountRule("counts.cases", 0.5), CountRule("counts.by_age", 1.0, 2, length=3)),
)


def rules(result: Released) -> list[tuple[str, str]]:
    assert result.reply is None and result.cost == Cost()
    return [(one.rule.value, one.where) for one in result.ruling.objections]


def update_of(result: Released, sent: dict[str, Any]) -> float:
    """L2 norm of all that was changed of what was sent."""
    assert result.reply is not None
    arrays, base = result.reply["arrays"], sent.get("arrays", {})
    return math.sqrt(sum(float(np.sum((arrays[key] - base.get(key, 0.0)) ** 2)) for key in arrays))


FLOATS = hn.arrays(np.float64, hn.array_shapes(max_dims=2, max_side=4), elements=st.floats(-1e6, 1e6))


# -- clipping ----------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=3), st.floats(-100, 100), st.floats(1e-3, 1e3))
def test_no_update_is_longer_than_the_clip_norm(arrays: list[np.ndarray], shift: float, clip: float) -> None:
    """All arrays together, whatever they are; what is short enough leaves bit for bit as it was returned."""
    reply = {"arrays": {str(n): array for n, array in enumerate(arrays)}}
    sent = {"arrays": {str(n): np.full_like(array, shift) for n, array in enumerate(arrays)}}
    result = released(replace(OPEN, clip_norm=clip), reply, sent)
    assert result.ruling.allowed and result.reply is not None and result.norm is not None
    rounding = 1e-15 * (abs(shift) + 1) * 10
    assert update_of(result, sent) <= clip * (1 + 1e-12) + rounding
    assert result.clipped == (result.norm > clip)
    if not result.clipped:
        assert all(np.array_equal(result.reply["arrays"][key], reply["arrays"][key]) for key in reply["arrays"])


def test_a_clipped_update_keeps_its_direction() -> None:
    """It is scaled as a whole; the parts that did not change stay as they were sent."""
    sent = {"arrays": {"a": np.array([1.0, 2.0]), "b": np.array([5.0])}}
    reply = {"arrays": {"a": np.array([1.0 + 30, 2.0]), "b": np.array([5.0 - 40])}}
    result = released(CLIPPED, reply, sent)
    assert result.norm == 50.0 and result.clipped and result.reply is not None
    np.testing.assert_allclose(result.reply["arrays"]["a"], [1.6, 2.0])
    np.testing.assert_allclose(result.reply["arrays"]["b"], [4.2])


def test_an_array_that_was_not_sent_is_an_update_from_zero() -> None:
    """An app cannot get around the norm by another name."""
    result = released(CLIPPED, {"hidden": {"data": np.array([300.0, 400.0])}}, {"arrays": {"a": np.ones(2)}})
    assert result.norm == 500.0 and result.reply is not None
    np.testing.assert_allclose(result.reply["hidden"]["data"], [0.6, 0.8])


@pytest.mark.parametrize("value", [4e307, 1e-320, 5e-324])
def test_the_norm_neither_overflows_nor_vanishes(value: float) -> None:
    """Squares of large numbers are infinite, and of small ones zero, for a double."""
    result = released(replace(OPEN, clip_norm=1e-3), {"a": np.full(4, value)})
    assert result.ruling.allowed and result.reply is not None and result.norm == pytest.approx(2 * value)
    assert np.isfinite(result.reply["a"]).all()


def test_an_update_that_overflows_does_not_leave() -> None:
    """1e308 minus -1e308 is infinite."""
    result = released(CLIPPED, {"a": np.array([1e308])}, {"a": np.array([-1e308])})
    assert rules(result) == [("finite", "")]


def test_a_server_that_sends_nan_gets_nothing() -> None:
    """What is returned is finite, and the update is not."""
    assert rules(released(CLIPPED, {"a": np.ones(1)}, {"a": np.array([math.nan])})) == [("finite", "")]


def test_what_was_given_is_not_changed() -> None:
    """Neither the app's reply nor the message: the app may hold them yet."""
    reply = {"arrays": {"a": np.array([3.0, 4.0])}, "metrics": {"n": 3}}
    sent = {"arrays": {"a": np.zeros(2)}}
    before = copy.deepcopy((reply, sent))
    result = released(NOISED, reply, sent, Noise(entropy()))
    assert result.ruling.allowed
    assert encode((reply, sent)) == encode(before)


# -- noise -------------------------------------------------------------------------------------------------------------


def test_noise_has_the_standard_deviation_and_the_cost_of_the_policy() -> None:
    """Multiplier 0.5 times clip norm 1, on each coordinate; replaced neighbours are two norms apart."""
    sent = {"arrays": {"a": np.zeros((100, 100)), "b": np.zeros(10_000, np.float32)}}
    result = released(NOISED, {"arrays": {k: v.copy() for k, v in sent["arrays"].items()}}, sent, Noise(entropy(1)))
    assert result.reply is not None and result.sigma == pytest.approx(0.5, rel=1e-6) and not result.clipped
    for array in result.reply["arrays"].values():
        assert float(np.std(array)) == pytest.approx(0.5, rel=0.03) and abs(float(np.mean(array))) < 0.03
    assert result.reply["arrays"]["b"].dtype == np.float32
    assert result.cost == Cost(rho=(2 / 0.5) ** 2 / 2)
    zero = released(replace(NOISED, neighbours=Neighbours.ZERO), sent, sent, Noise(entropy(1)))
    assert zero.cost == Cost(rho=(1 / 0.5) ** 2 / 2)


def test_noise_comes_after_clipping_and_hides_its_size() -> None:
    """Of two updates in the same direction, both too long, the same leaves."""
    sent = {"a": np.zeros(3)}
    near, far = (released(NOISED, {"a": np.array([x, 0.0, 0.0])}, sent, Noise(entropy(2))) for x in (4.0, 1024.0))
    assert near.reply is not None and far.reply is not None
    assert np.array_equal(near.reply["a"], far.reply["a"]) and (near.norm, far.norm) == (4.0, 1024.0)


@settings(max_examples=40, deadline=None)
@given(FLOATS, st.integers(0, 1000))
def test_the_same_noise_gives_the_same_release(array: np.ndarray, seed: int) -> None:
    """And another one another."""
    sent = {"a": np.zeros_like(array)}
    one, two, other = (released(NOISED, {"a": array}, sent, Noise(entropy(s))) for s in (seed, seed, seed + 1))
    assert one == two and encode(one.reply) == encode(two.reply)
    assert encode(one.reply) != encode(other.reply)


@pytest.mark.parametrize(("dtype", "clip"), [("float16", 1e4), ("float32", 1e30), ("float64", 1e30)])
def test_noise_never_makes_a_number_that_is_not_finite(dtype: str, clip: float) -> None:
    """What was sent lies at the end of the type's range: the sum is held there."""
    most = float(np.finfo(dtype).max)
    policy = replace(NOISED, dtypes=(dtype,), clip_norm=clip, noise=NoiseRule(multiplier=1e12))
    sent = {"a": np.full(1000, most, dtype)}
    result = released(policy, sent, sent, Noise(entropy(3)))
    assert result.reply is not None and np.isfinite(result.reply["a"]).all()
    assert float(np.max(result.reply["a"])) == most


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"arrays": {"a": np.ones(2)}, "loss": 0.5}, [("noise", "loss")]),
        ({"arrays": {"a": np.ones(2)}, "text": "patient 7"}, [("noise", "text")]),
        ({"arrays": {"a": np.ones(2)}, "list": [1.0]}, [("noise", "list")]),
        ({"arrays": {"a": np.ones(2)}, "none": None}, [("noise", "none")]),
        ({"arrays": {"a": np.ones(2), "n": np.ones(2, np.int64)}}, [("noise", "arrays.n")]),
        ({"arrays": {"a": np.ones(2), "patient-7": np.ones(2)}}, [("shape", "arrays.patient-7")]),
        ({"arrays": {"a": np.ones(3)}}, [("shape", "arrays.a")]),
        ({"arrays": {"a": np.ones(2, np.float32)}}, [("shape", "arrays.a")]),
        ({"arrays": {"a": np.ones(2)}, "patient-7": {}}, [("key", "patient-7")]),
    ],
)
def test_nothing_passes_beside_the_noise(reply: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Numbers without noise, and names, shapes and empty tables that could carry what the numbers may not."""
    sent = {"arrays": {"a": np.zeros(2)}}
    assert rules(released(NOISED, reply, sent)) == expected


def test_a_part_of_the_arrays_does_not_leave_alone() -> None:
    """Which of twenty layers are missing would be twenty bits; all or none."""
    sent = {"arrays": {"a": np.zeros(2), "b": np.zeros(2)}, "config": {"lr": 0.1}}
    assert rules(released(NOISED, {"arrays": {"a": np.ones(2)}}, sent)) == [("shape", "arrays.b")]
    none = released(NOISED, {"metrics": {"loss": 0.5}}, sent)
    assert none.ruling.allowed and none.cost == Cost() and none.sigma is None


def test_the_order_of_keys_says_nothing() -> None:
    """Arrays leave in the order in which they were sent, everything else by name."""
    sent = {"arrays": {"z": np.zeros(1), "a": np.zeros(1)}}
    reply = {"metrics": {"y": 1, "b": 2}, "arrays": {"a": np.ones(1), "z": np.ones(1)}}
    result = released(NOISED, reply, sent, Noise(entropy()))
    assert result.reply is not None
    assert [*result.reply] == ["arrays", "metrics"]
    assert [*result.reply["arrays"]] == ["z", "a"] and [*result.reply["metrics"]] == ["b", "y"]


def test_what_is_named_exact_leaves_as_it_is() -> None:
    """A batch counter of whole numbers, and a loss: outside the guarantee, by the owner's word."""
    policy = replace(NOISED, exact=("metrics.*", "arrays.count"))
    sent = {"arrays": {"w": np.zeros(2), "count": np.array(3)}}
    reply = {"arrays": {"w": np.ones(2), "count": np.array(7)}, "metrics": {"loss": 0.25}}
    result = released(policy, reply, sent, Noise(entropy()))
    assert result.reply is not None
    assert result.reply["arrays"]["count"] == 7 and result.reply["metrics"] == {"loss": 0.25}
    assert not np.array_equal(result.reply["arrays"]["w"], np.ones(2))


# -- counts ------------------------------------------------------------------------------------------------------------


def test_counts_get_their_own_noise_and_cost() -> None:
    """A number, a list, an array; and a value named exact beside them."""
    reply = {"counts": {"cases": 100, "by_age": [5, 0, 7]}, "metrics": {"loss": 0.5}}
    results = [released(COUNTING, reply, noise=Noise(entropy(seed))) for seed in range(400)]
    assert {result.cost for result in results} == {Cost(epsilon=1.5)}
    cases = [result.reply["counts"]["cases"] for result in results if result.reply]
    assert all(type(one) is int for one in cases) and len(set(cases)) > 5
    assert np.mean(cases) == pytest.approx(100, abs=1)
    assert np.mean(np.abs(np.array(cases) - 100)) == pytest.approx(2, rel=0.2)  # sensitivity 1 over epsilon 0.5
    array = released(COUNTING, {"counts": {"by_age": np.array([5, 0, 7], np.int32)}}, noise=Noise(entropy(1)))
    assert array.reply is not None and array.reply["counts"]["by_age"].dtype == np.int64
    assert array.cost == Cost(epsilon=1.0)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"counts": {"cases": 1.5}}, ("noise", "counts.cases")),
        ({"counts": {"cases": True}}, ("noise", "counts.cases")),
        ({"counts": {"cases": [1]}}, ("noise", "counts.cases")),
        ({"counts": {"by_age": [1, 2]}}, ("noise", "counts.by_age")),
        ({"counts": {"by_age": [1, 2, 3, 4]}}, ("noise", "counts.by_age")),
        ({"counts": {"by_age": [1, 2, True]}}, ("noise", "counts.by_age")),
        ({"counts": {"by_age": np.ones((1, 3), np.int64)}}, ("noise", "counts.by_age")),
        ({"counts": {"other": 1}}, ("noise", "counts.other")),
        ({"counts": {"cases": 1 << 2000}}, ("kind", "counts.cases")),
    ],
)
def test_what_is_no_count_is_not_taken_for_one(reply: dict[str, Any], expected: tuple[str, str]) -> None:
    """Noise for whole numbers of a known length hides nothing in anything else."""
    assert rules(released(COUNTING, reply)) == [expected]


# -- what does not leave -----------------------------------------------------------------------------------------------


class Sneaky(dict):  # type: ignore[type-arg]  # a subclass of a plain type is not plain
    pass


deep: Any = 1
for _ in range(12):
    deep = {"x": deep}
cyclic: dict[str, Any] = {}
cyclic["x"] = cyclic
record = np.zeros(2, [("a", "f8")])


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ([1, 2], "kind"),
        (Sneaky(a=1), "kind"),
        ({"a": Sneaky(b=1)}, "kind"),
        ({"a": object()}, "kind"),
        ({"a": np.float64(1)}, "kind"),
        ({"a": np.ma.masked_array([1.0])}, "kind"),
        ({"a": [[1]]}, "kind"),
        ({"a": {1: 2}}, "kind"),
        ({"a": {1, 2}}, "kind"),
        ({"a": 1 << 5000}, "kind"),
        (deep, "kind"),
        (cyclic, "kind"),
        ({"a": np.array([object()])}, "dtype"),
        ({"a": np.zeros(2, np.complex128)}, "dtype"),
        ({"a": np.zeros(2, np.float16)}, "dtype"),
        ({"a": record}, "dtype"),
        ({"a": np.array(["text"])}, "dtype"),
        ({"a": math.nan}, "finite"),
        ({"a": [1.0, -math.inf]}, "finite"),
        ({"a": np.array([1.0, math.nan])}, "finite"),
        ({"a": np.array([math.inf], np.float32)}, "finite"),
    ],
)
@pytest.mark.parametrize("policy", [OPEN, CLIPPED, NOISED], ids=["open", "clipped", "noised"])
def test_what_is_no_plain_finite_data_does_not_leave(policy: ReleasePolicy, reply: Any, rule: str) -> None:
    """Whatever else the policy says, and without an exception."""
    assert rule in [found for found, _ in rules(released(policy, reply))]


def test_only_named_keys_leave() -> None:
    """One that is not named withholds the whole reply: a part of it would be another reply than the app's."""
    policy = replace(OPEN, keys=("arrays.*", "metrics.loss"))
    assert released(policy, {"arrays": {"w": np.ones(1)}, "metrics": {"loss": 1.0}}).ruling.allowed
    found = rules(released(policy, {"arrays": {"w": np.ones(1)}, "metrics": {"loss": 1.0, "names": "x"}, "more": {}}))
    assert found == [("key", "metrics.names"), ("key", "more")]
    assert released(policy, {"arrays": {}, "metrics": {}}).ruling.allowed


@pytest.mark.parametrize(
    "reply",
    [
        {"a": np.broadcast_to(np.float64(1), (1 << 20, 1 << 10))},
        {"a": np.zeros(2000)},
        {"a": "x" * 20_000},
        {"a": b"x" * 20_000},
        {"a": [""] * 20_000},
        {"k" * 20_000: 1},
        {str(n): np.zeros(100) for n in range(20)},
        {str(n): 1 for n in range(2000)},
    ],
    ids=["10 GB that take no memory", "array", "text", "bytes", "list", "key", "many arrays", "many keys"],
)
def test_more_bytes_than_allowed_do_not_leave(reply: dict[str, Any]) -> None:
    """Counted as they would leave, and found before they are worked on."""
    result = released(replace(CLIPPED, most_bytes=10_000), reply)
    assert rules(result) == [("bytes", "")] and result.size > 10_000


def test_a_table_that_is_shared_a_billion_times_ends_at_the_limit() -> None:
    """Eight levels of dicts, each of which holds the next one twenty times."""
    table: dict[str, Any] = {"x": 1}
    for _ in range(7):
        table = {str(n): table for n in range(20)}
    assert rules(released(replace(OPEN, most_bytes=10_000), table)) == [("bytes", "")]


def test_like_sent_means_same_key_shape_and_dtype() -> None:
    """For owners who want nothing else back than what went in, also without noise."""
    policy = replace(OPEN, like_sent=True)
    sent = {"a": np.zeros((2, 3), np.float32)}
    assert released(policy, {"a": np.ones((2, 3), np.float32)}, sent).ruling.allowed
    for other in (np.ones((3, 2), np.float32), np.ones((2, 3)), np.ones((2, 3), np.int64)):
        assert rules(released(policy, {"a": other}, sent)) == [("shape", "a")]
    assert rules(released(policy, {"b": np.ones(1)}, sent)) == [("shape", "b")]
    assert rules(released(policy, {"a": np.ones(1)}, {"a": 1})) == [("shape", "a")]


def test_an_update_needs_the_shape_that_was_sent() -> None:
    """Broadcasting would make some other update of it."""
    assert rules(released(CLIPPED, {"a": np.ones((2, 2))}, {"a": np.ones(2)})) == [("shape", "a")]
    assert rules(released(CLIPPED, {"a": np.ones(2)}, {"a": np.ones(2, "U1")})) == [("dtype", "a")]


def test_a_reply_with_a_thousand_faults_has_a_short_verdict() -> None:
    """The verdict is written down, and sent."""
    result = released(replace(OPEN, keys=()), {str(n): 1 for n in range(1000)})
    assert 0 < len(result.ruling.objections) <= 32


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.one_of(st.integers(), st.floats(), st.lists(st.none(), max_size=1)), max_size=4),
    hn.arrays(hn.scalar_dtypes(), hn.array_shapes(max_dims=2, max_side=3)),
)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=8)


@settings(max_examples=200, deadline=None)
@given(TREES, TREES, st.sampled_from([OPEN, CLIPPED, NOISED, COUNTING]))
def test_any_reply_leaves_as_plain_finite_data_or_not_at_all(reply: Any, sent: Any, policy: ReleasePolicy) -> None:
    """Never an exception, and what leaves crosses the boundary."""
    result = released(policy, reply, sent if isinstance(sent, dict) else None, Noise(entropy()))
    if result.ruling.allowed:
        assert type(decode(encode(result.reply))) is dict
    else:
        assert result.reply is None and result.cost == Cost()
    assert all(one.problem for one in result.ruling.objections)


def test_a_policy_by_epsilon_costs_what_it_says() -> None:
    """Ten rounds of epsilon 0.5 fit where the square root of ten says so."""
    policy = replace(
        CLIPPED,
        noise=NoiseRule(epsilon=0.5, delta=1e-5),
        allowance=Allowance(epsilon=2.0, delta=1e-5),
    )
    sent = {"a": np.zeros(5)}
    cost = released(policy, {"a": np.ones(5)}, sent).cost
    assert cost == policy.update_cost
    limit = policy.allowance.rho
    assert limit is not None and 10 <= limit / cost.rho < 20
