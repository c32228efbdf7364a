"""Training that is suspended after any batch, and ends with the same weights, bit for bit, wherever it went on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from agents import Platform
from agents.errors import MoveRefused
from agents.here import arriving
from agents.testing import LocalPlatform
from federated.training import train_locally
from mobility import discard, dumps, loads
from mobility.errors import MobilityError
from tests.federated import trainees
from tests.federated.test_training_pieces import place

pytest.importorskip("sklearn", reason="the data is scikit-learn's")
BATCHES = 14  # 200 examples, 32 at a time, two epochs


@pytest.fixture(params=["numpy", "sklearn", "torch"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "torch":
        pytest.importorskip("torch", reason="PyTorch is an extra")
    return str(request.param)


def begun(kind: str) -> Any:
    step, weights = trainees.FIT[kind]
    here = place("oslo", digits=trainees.digits())
    model = trainees.MODELS[kind]()
    return train_locally(here, "digits", model, step, size=32, epochs=2, seed=11, weights=weights)


def ended(training: Any) -> Any:
    while True:
        try:
            next(training)
        except StopIteration as end:
            return end.value


_undisturbed: dict[str, Any] = {}


def undisturbed(kind: str) -> Any:
    if kind not in _undisturbed:
        _undisturbed[kind] = ended(begun(kind))
    return _undisturbed[kind]


# -- the state itself


@pytest.mark.parametrize("after", range(BATCHES + 1))
def test_the_same_weights_after_a_snapshot_at_any_batch(kind: str, after: int) -> None:
    training = begun(kind)
    for _ in range(after):
        next(training)
    data = dumps(training)
    discard(training)
    numpy.random.seed(after), numpy.random.random(7)  # what another agent of the process does meanwhile
    with arriving(place("lima", digits=trainees.digits())):
        again = loads(data)
    assert ended(again) == Same(undisturbed(kind))


class Same:
    """Equal to results of the same bits."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __eq__(self, other: Any) -> bool:
        mine, others = self.result["weights"], other["weights"]
        return (
            {**self.result, "weights": None} == {**other, "weights": None}
            and mine.keys() == others.keys()
            and all(numpy.array_equal(mine[name], others[name]) for name in mine)
        )


def test_what_undisturbed_means(kind: str) -> None:
    """It is the same twice, has learnt something, and knows of what; another seed gives others."""
    result = undisturbed(kind)
    assert ended(begun(kind)) == Same(result) and result["batches"] == BATCHES
    data = trainees.digits()
    if kind != "torch":
        name = {"numpy": "w", "sklearn": "coef_"}[kind]
        coefficients = result["weights"][name]
        scores = data["data"] @ (coefficients if kind == "numpy" else coefficients.T)
        assert (scores.argmax(1) == data["labels"]).mean() > 0.6
    step, weights = trainees.FIT[kind]
    here = place("oslo", digits=data)
    other = train_locally(here, "digits", trainees.MODELS[kind](), step, size=32, epochs=2, seed=12, weights=weights)
    assert ended(other)["digest"] != result["digest"]


def test_a_snapshot_has_no_data_in_it() -> None:
    training = begun("sklearn")
    next(training)
    assert len(dumps(training)) < 20_000 < trainees.digits()["data"].nbytes


def test_other_data_is_refused_before_a_step_is_made() -> None:
    training = begun("sklearn")
    next(training)
    other = trainees.digits()
    other["data"][7, 7] += 1.0
    data = dumps(training)
    with pytest.raises(MobilityError, match="array data has other content"):
        with arriving(place("lima", digits=other)):
            loads(data)
    assert ended(training) == Same(undisturbed("sklearn"))


# -- on a platform in one process


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    data = trainees.digits()
    other = {**data, "labels": data["labels"] + 1}
    resources = {"baku": {"digits": data}, "oslo": {"digits": data}, "lima": {"digits": other}}
    with LocalPlatform(["baku", "oslo", "lima", "rome"], resources=resources) as made:
        yield made


def test_a_move_after_every_batch_and_every_example_once_in_each_epoch(platform: Platform, kind: str) -> None:
    step, weights = trainees.FIT[kind]
    handle = platform.launch(trainees.wanderer, trainees.MODELS[kind](), step, weights, ["baku", "oslo"], at="oslo")
    digest, counts = handle.result(timeout=60)
    assert digest == undisturbed(kind)["digest"]
    assert counts.shape == (2, 200) and (counts == 1).all()
    assert len(handle.trail()) >= BATCHES - 1


@pytest.mark.parametrize("process", [False, True])
def test_where_the_data_is_another_or_none_it_is_refused_and_goes_on(platform: Platform, process: bool) -> None:
    step, weights = trainees.slowly, trainees.as_it_is
    handle = platform.launch(
        trainees.trainee, trainees.sklearn_model(), step, weights, 8, 8, at="oslo", process=process
    )
    with pytest.raises(MoveRefused, match="array labels has other content"):
        handle.move("lima")
    with pytest.raises(MoveRefused, match="rome has no resource 'digits'"):
        handle.move("rome")
    assert handle.move("baku")["to"] == "baku"
    result = handle.result(timeout=60)
    alone = platform.launch(trainees.trainee, trainees.sklearn_model(), trainees.sklearn_step, weights, 8, 8, at="oslo")
    assert alone.result(timeout=60) == Same(result)


def test_a_place_that_comes_back_with_other_data_keeps_it_until_the_data_is_back() -> None:
    data = trainees.digits()
    resources = {"oslo": {"digits": data}}
    with LocalPlatform(["oslo"], resources=resources) as platform:
        handle = platform.launch(
            trainees.trainee, trainees.sklearn_model(), trainees.slowly, trainees.as_it_is, 2, 8, 3, at="oslo"
        )
        while "checkpointed" not in [event.kind for event in handle.logs()]:
            time.sleep(0.02)
        platform.kill("oslo")
        resources["oslo"]["digits"] = {**data, "labels": data["labels"] + 1}
        platform.start("oslo")
        time.sleep(0.3)
        assert not handle.status().ended
        platform.kill("oslo")
        resources["oslo"]["digits"] = data
        platform.start("oslo")
        result = handle.result(timeout=60)
        alone = platform.launch(
            trainees.trainee, trainees.sklearn_model(), trainees.sklearn_step, trainees.as_it_is, 2, 8, at="oslo"
        )
        assert alone.result(timeout=60) == Same(result)
