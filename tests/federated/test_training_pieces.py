"""The order of examples, data that stays at its place, and the generators of a process: each by itself."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
import threading
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.errors import ResourceMissing
from agents.here import Here, arriving
from federated.batches import batches, order_of
from federated.randomness import Randomness
from federated.shard import Shard, array_digest
from federated.training import drive, weights_digest, weights_of
from federated.trainingerrors import DataDiffers, DataUnusable, RandomnessHeld
from mobility import resumable

# -- batches


@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**70), st.integers(0, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_each_epoch_has_each_example_once_wherever_it_was_taken_up(
    examples: int, size: int, seed: int, epochs: int, data: Any
) -> None:
    whole = list(batches(examples, size, seed=seed, epochs=epochs))
    for epoch in range(epochs):
        seen = numpy.concatenate([batch.examples for batch in whole if batch.epoch == epoch])
        assert sorted(seen) == list(range(examples))
    assert [batch.count for batch in whole] == list(range(1, len(whole) + 1))
    assert [batch.epoch for batch in whole if batch.is_last] == list(range(epochs))
    assert all(0 < len(batch.examples) <= size for batch in whole)

    going = batches(examples, size, seed=seed, epochs=epochs)
    cut = data.draw(st.integers(0, len(whole)))
    begun = [next(going) for _ in range(cut)]
    assert len(going) == len(whole) - cut
    rest = list(pickle.loads(pickle.dumps(going)))
    assert [batch.examples.tolist() for batch in begun + rest] == [batch.examples.tolist() for batch in whole]


def test_the_order_is_the_same_on_every_machine() -> None:
    """As it was when this was written; who shuffles otherwise breaks trainings that are under way."""
    assert order_of(10, seed=7, epoch=0).tolist() == ORDERS[0]
    assert order_of(10, seed=7, epoch=1).tolist() == ORDERS[1]
    assert order_of(10, seed=8, epoch=0).tolist() == ORDERS[2]


ORDERS = [
    [6, 3, 4, 9, 0, 2, 8, 7, 5, 1],
    [1, 3, 2, 7, 8, 4, 5, 9, 0, 6],
    [8, 2, 0, 7, 5, 6, 9, 3, 4, 1],
]


def test_the_order_does_not_travel() -> None:
    going = batches(1_000_000, 10, seed=1)
    next(going)
    assert len(pickle.dumps(going)) < 500


def test_what_is_given_out_is_the_callers() -> None:
    first, second = batches(4, 4, seed=1), batches(4, 4, seed=1, epochs=1)
    batch = next(first)
    batch.examples[:] = 0
    assert sorted(next(second).examples) == [0, 1, 2, 3]
    assert sorted(order_of(4, seed=1, epoch=0)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "wrong",
    [{"examples": 0}, {"size": 0}, {"seed": -1}, {"epochs": -1}, {"size": 2.0}, {"examples": True}, {"seed": None}],
)
def test_numbers_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        batches(**{"examples": 5, "size": 2, "seed": 0, **wrong})


# -- shards


class Surroundings:
    """A place with these resources."""

    def __init__(self, name: str, **resources: Any) -> None:
        self.name = name
        self.opened = 0
        self._resources = resources

    def resource(self, agent: str, name: str) -> Any:
        self.opened += 1
        if name not in self._resources:
            raise ResourceMissing(self.name, name, tuple(self._resources))
        return self._resources[name]


def place(name: str, **resources: Any) -> Here:
    return Here(Surroundings(name, **resources), "agent")  # type: ignore[arg-type]  # all that a shard asks of it


DATA, LABELS = numpy.arange(12.0).reshape(6, 2), numpy.arange(6)


def arrived(shard: Shard, here: Here) -> Shard:
    data = pickle.dumps(shard)
    with arriving(here):
        return pickle.loads(data)


def test_the_same_data_at_another_place_is_taken_though_it_lies_otherwise_in_memory() -> None:
    shard = Shard(place("oslo", ward=(DATA, LABELS)), "ward")
    there = arrived(shard, place("lima", ward=[numpy.asfortranarray(DATA), numpy.repeat(LABELS, 2)[::2]]))
    assert there.digest == shard.digest and len(there) == 6
    for one, other in zip(there.take([4, 1]), shard.take([4, 1]), strict=True):
        assert (one == other).all()


def test_data_does_not_travel() -> None:
    shard = Shard(place("oslo", ward=numpy.zeros((10_000, 10))), "ward")
    assert len(shard.arrays[0]) == 10_000 and len(pickle.dumps(shard)) < 1000


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ((DATA, LABELS + 1), "array 1 has other content"),
        ((DATA[:5], LABELS[:5]), r"array 0 has the shape \(5, 2\) instead of \(6, 2\)"),
        ((DATA.astype("float32"), LABELS), "array 0 has the dtype <f4 instead of <f8"),
        ((DATA,), "array 1 is missing"),
        ((DATA, LABELS, LABELS), "array 2 is new"),
        ({"1": LABELS, "0": DATA}, "another order"),
    ],
)
def test_other_data_is_refused_as_it_arrives_and_what_differs_is_said(other: Any, words: str) -> None:
    shard = Shard(place("oslo", ward=(DATA, LABELS)), "ward")
    with pytest.raises(DataDiffers, match=words) as told:
        arrived(shard, place("lima", ward=other))
    assert told.value.place == "lima" and told.value.dataset == "ward" and len(told.value.differences) >= 1


def test_a_place_without_it_is_refused_and_one_without_a_place_has_to_be_asked() -> None:
    shard = Shard(place("oslo", ward=DATA), "ward")
    with pytest.raises(ResourceMissing, match="lima has no resource 'ward'"):
        arrived(shard, place("lima"))
    nowhere = pickle.loads(pickle.dumps(shard))
    with pytest.raises(ResourceMissing):
        nowhere.take([0])


def test_examples_are_copies_and_the_whole_is_read_only() -> None:
    """Several agents share what a place offers."""
    mine = DATA.copy()
    shard = Shard(place("oslo", ward=mine), "ward")
    shard.take([0])[0][:] = 9.0
    assert (mine == DATA).all()
    with pytest.raises(ValueError, match="read-only"):
        shard.arrays[0][0] = 9.0
    mine[0] = 1.0  # the owner's own stays as it was


def test_the_resource_is_opened_once_for_each_place() -> None:
    here = place("oslo", ward=DATA)
    shard = Shard(here, "ward")
    for _ in range(3):
        shard.take([0])
    assert here._surroundings.opened == 1
    there = place("lima", ward=DATA)
    arrived(shard, there).take([1])
    assert there._surroundings.opened == 1


@pytest.mark.parametrize(
    "wrong",
    [(), {}, numpy.float64(1.0), numpy.zeros((0, 3)), (DATA, LABELS[:3]), numpy.array([object()] * 3), ["a", None]],
)
def test_what_is_no_data(wrong: Any) -> None:
    with pytest.raises(DataUnusable):
        Shard(place("oslo", ward=wrong), "ward")


def test_a_digest_tells_what_numbers_alone_would_not() -> None:
    made = [DATA, DATA.reshape(2, 6), DATA.view("int64"), DATA.astype(">f8"), DATA[:, :1], -DATA]
    assert len({array_digest(one) for one in made}) == len(made)
    wide = numpy.arange(2**22 + 3, dtype="int64").reshape(-1, 1)[::-1]  # more than one piece, not contiguous
    assert array_digest(wide) == array_digest(wide.copy())
    assert array_digest(numpy.array(3.0)) != array_digest(numpy.array([3.0]))
    assert array_digest(numpy.array(["2020-01-01"], dtype="datetime64[D]"))
    with pytest.raises(DataUnusable, match="no content of its own"):
        array_digest(numpy.array([object()]))


# -- the generators of a process


def drawn() -> tuple[float, float]:
    return random.random(), float(numpy.random.random())


def test_trainings_by_turns_draw_as_each_would_alone() -> None:
    def alone(seed: int) -> list[Any]:
        mine = Randomness(seed)
        numbers = []
        for _ in range(5):
            with mine:
                numbers.append(drawn())
        return numbers

    apart = [alone(1), alone(2)]
    both = [Randomness(1), Randomness(2)]
    random.seed(0), numpy.random.seed(0)
    before = drawn()
    random.seed(0), numpy.random.seed(0)
    found: list[list[Any]] = [[], []]
    for turn in range(5):
        for number, mine in enumerate(both):
            mine = both[number] = pickle.loads(pickle.dumps(mine))  # it moves between any two steps
            with mine:
                found[number].append(drawn())
    assert found == apart and apart[0] != apart[1]
    assert drawn() == before  # the program's own numbers are not touched


def test_states_are_taken_back_when_a_step_raises() -> None:
    mine, other = Randomness(1), Randomness(1)
    state = random.getstate()
    with pytest.raises(KeyError):
        with mine:
            random.random()
            raise KeyError
    assert random.getstate() == state
    with other:
        random.random()
        expected = random.random()
    with mine:
        assert random.random() == expected


def test_one_training_at_a_time() -> None:
    """With a deadline for those who wait."""
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with Randomness(1):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(20)
    with pytest.raises(RandomnessHeld, match=r"for 0\.05 s"):
        with Randomness(2, patience=0.05):
            pass
    leave.set()
    thread.join(20)
    with Randomness(2, patience=5.0):
        pass


def test_it_does_not_move_while_it_holds_them() -> None:
    mine = Randomness(1)
    with mine:
        with pytest.raises(RandomnessHeld, match="holds the generators of its process"):
            pickle.dumps(mine)
    pickle.dumps(mine)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 1.0}, {"seed": 1, "threads": 0}])
def test_seeds_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Randomness(**wrong)


def test_torch_draws_the_same_and_a_late_import_of_it_is_told() -> None:
    pytest.importorskip("torch")
    program = """
import pickle, random
from federated.randomness import Randomness
from federated.trainingerrors import RandomnessHeld
late = Randomness(3)
try:
    with late:
        import torch
except RandomnessHeld as error:
    assert "first imported within the block" in str(error), error
else:
    raise AssertionError("nothing was said")
torch.set_num_threads(2)
mine = Randomness(3)
numbers = []
for _ in range(3):
    with mine:
        assert torch.get_num_threads() == 1
        numbers.append(torch.rand(1).item())
    torch.manual_seed(9)
    mine = pickle.loads(pickle.dumps(mine))
assert torch.get_num_threads() == 2
with Randomness(3):
    assert torch.rand(1).item() == numbers[0]
    assert torch.rand(1).item() == numbers[1] != numbers[2]
torch.manual_seed(9)
first = torch.rand(1)
torch.manual_seed(9)
with mine:
    torch.rand(1)
assert torch.rand(1) == first
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# -- driving, and weights


@resumable
def counting(most: int) -> Any:
    for number in range(most):
        yield number
    return "end"


def test_driving_by_steps_and_by_time() -> None:
    made = counting(5)
    assert [drive(made, steps=2).steps for _ in range(2)] == [2, 2]
    last = drive(made, seconds=0.0)
    assert (last.finished, last.value, last.steps) == (False, 4, 1)
    end = drive(made, seconds=60.0)
    assert (end.finished, end.value, end.steps) == (True, "end", 0)
    for wrong in ({"seconds": -1.0}, {"seconds": float("nan")}, {"steps": 0}, {"steps": 1.5}):
        with pytest.raises(ValueError):
            drive(counting(1), **wrong)


def test_weights_of_models() -> None:
    linear = pytest.importorskip("sklearn.linear_model").SGDClassifier(random_state=0).fit(DATA, LABELS % 2)
    layers = pytest.importorskip("sklearn.neural_network").MLPClassifier((3,), max_iter=1, random_state=0)
    layers.partial_fit(DATA, LABELS % 2, classes=[0, 1])
    assert {"coef_", "intercept_"} <= set(weights_of(linear))
    assert {"coefs_.0", "coefs_.1", "intercepts_.0"} <= set(weights_of(layers))
    copied = weights_of({"w": DATA})
    copied["w"][:] = 0
    assert DATA.any()
    digests = [weights_digest(one) for one in (weights_of(linear), weights_of(layers), {"w": DATA}, {"v": DATA})]
    assert len(set(digests)) == 4
    assert weights_digest({"a": DATA, "b": LABELS}) == weights_digest({"b": LABELS, "a": DATA})
    for nothing in (object(), {}, 3):
        with pytest.raises(TypeError, match="no arrays"):
            weights_of(nothing)
