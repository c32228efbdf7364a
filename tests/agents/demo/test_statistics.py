"""What the surveyor carries is enough: sums over parts are those over the whole, however the parts are cut."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.demo.central import NEAR, compared
from agents.demo.hospitals import SITES, everybody, patients, place_file
from agents.demo.logistic import Hits, Slopes, probability, stepped, with_intercept
from agents.demo.moments import Moments
from agents.resources import read_resource_file

pytest.importorskip("sklearn", reason="the data comes with scikit-learn: install sojourn[demo]")

rows = st.integers(2, 40).flatmap(lambda n: arrays(float, (n, 3), elements=st.floats(-1e3, 1e3, width=32)))


@given(rows, st.data())
def test_moments_of_parts_are_those_of_the_whole(table: numpy.ndarray, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(1, len(table) - 1), max_size=4, unique=True)))
    total = Moments.nothing(3)
    for part in numpy.split(table, cuts):
        total = total + Moments.of(part)
    assert total.count == len(table)
    numpy.testing.assert_allclose(total.mean, table.mean(axis=0), rtol=1e-12, atol=1e-9)
    numpy.testing.assert_allclose(total.variance, table.var(axis=0), rtol=1e-9, atol=1e-6)


def test_moments_survive_a_large_offset() -> None:
    """Sums of squares would lose every digit of the variance here."""
    table = numpy.random.default_rng(1).normal(size=(900, 2)) + 1e9
    total = Moments.nothing(2)
    for part in numpy.split(table, [10, 500]):
        total = total + Moments.of(part)
    numpy.testing.assert_allclose(total.variance, table.var(axis=0), rtol=1e-6)
    numpy.testing.assert_allclose(total.correlation, numpy.corrcoef(table.T), rtol=1e-6)


def test_what_does_not_vary_has_scale_one() -> None:
    assert (Moments.of(numpy.full((5, 2), 3.0)).scale == 1.0).all()


def test_slopes_of_parts_are_those_of_the_whole() -> None:
    everyone = everybody()
    mean, scale = everyone.measured.mean(axis=0), everyone.measured.std(axis=0)
    weights = numpy.linspace(-1, 1, 31)

    def slopes(part):
        return Slopes.of(with_intercept(part.measured, mean, scale), part.benign, weights)

    total = Slopes.nothing(30)
    for site in range(SITES):
        total = total + slopes(patients(site))
    whole = slopes(everyone)
    numpy.testing.assert_allclose(total.gradient, whole.gradient, atol=1e-10)
    numpy.testing.assert_allclose(total.hessian, whole.hessian, atol=1e-10)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    """Against differences of the loss itself: a wrong sign or factor shows."""
    rng = numpy.random.default_rng(2)
    design, benign = with_intercept(rng.normal(size=(50, 3)), 0.0, 1.0), (rng.random(50) > 0.4).astype(float)
    weights, tiny = rng.normal(size=4), 1e-5

    def loss(at):
        expected = probability(design, at)
        return -(benign * numpy.log(expected) + (1 - benign) * numpy.log(1 - expected)).sum()

    slopes = Slopes.of(design, benign, weights)
    for number, unit in enumerate(numpy.eye(4) * tiny):
        assert slopes.gradient[number] == pytest.approx(
            (loss(weights + unit) - loss(weights - unit)) / (2 * tiny), rel=1e-5
        )
        ahead, behind = (Slopes.of(design, benign, weights + sign * unit).gradient for sign in (1, -1))
        numpy.testing.assert_allclose(slopes.hessian[number], (ahead - behind) / (2 * tiny), rtol=1e-5, atol=1e-6)


def test_probabilities_do_not_overflow() -> None:
    assert probability(numpy.array([[1e5], [-1e5]]), numpy.array([1.0])).tolist() == [1.0, 0.0]


def test_the_intercept_has_no_penalty() -> None:
    slopes = Slopes(numpy.zeros(2), numpy.eye(2))
    weights, change = stepped(numpy.array([3.0, 3.0]), slopes, 1.0)
    assert weights.tolist() == [3.0, 1.5]
    assert change == 1.5


def test_hits_count_both_classes() -> None:
    hits = Hits.of(numpy.array([[1.0], [1.0], [-1.0]]), numpy.array([1.0, 0.0, 0.0]), numpy.array([2.0]))
    assert hits + Hits() == Hits(2.0, 3.0)


# -- the data


def test_every_patient_is_in_one_hospital() -> None:
    everyone, parts = everybody(), [patients(site) for site in range(SITES)]
    together = numpy.concatenate([numpy.column_stack((part.measured, part.benign)) for part in parts])
    whole = numpy.column_stack((everyone.measured, everyone.benign))
    assert sorted(map(tuple, together)) == sorted(map(tuple, whole))


def test_hospitals_are_unlike_in_size_and_in_kind() -> None:
    parts = [patients(site) for site in range(SITES)]
    assert len({len(part) for part in parts}) == SITES
    shares = sorted(part.benign.mean() for part in parts)
    assert shares[0] < 0.4 and shares[-1] > 0.8


def test_there_is_no_fourth_hospital() -> None:
    with pytest.raises(ValueError, match="from 0 to 2"):
        patients(3)


def test_the_place_file_offers_the_patients(tmp_path) -> None:
    """A place of a cluster that was started without the demonstration becomes a hospital by it."""
    file = tmp_path / "place.toml"
    file.write_text(place_file(1))
    made = read_resource_file(file)["patients"]()
    assert (made.measured == patients(1).measured).all()


# -- the comparison


def found(**changed):
    everyone = everybody()
    moments = Moments.of(everyone.measured)
    design = with_intercept(everyone.measured, moments.mean, moments.scale)
    weights, change = numpy.zeros(31), 1.0
    for _ in range(10):
        weights, change = stepped(weights, Slopes.of(design, everyone.benign, weights), 1.0)
    told = {"count": moments.count, "mean": moments.mean, "variance": moments.variance}
    told |= {"correlation": moments.correlation, "weights": weights, "steps": 10, "change": change}
    told |= {"right": Hits.of(design, everyone.benign, weights).right, **changed}
    return told, everyone


def test_the_central_result_is_equal_to_itself() -> None:
    comparisons = compared(*found(), 1.0)
    assert all(one.equal for one in comparisons)
    assert "scikit-learn" in {one.by for one in comparisons}


@pytest.mark.parametrize("quantity", ["mean", "variance", "correlation", "weights"])
def test_one_wrong_digit_is_noticed(quantity: str) -> None:
    """The comparison of the demonstration is able to fail, at the last value as at the first."""
    told, everyone = found()
    wrong = numpy.array(told[quantity])
    wrong[..., -1] += 3 * NEAR * max(1.0, abs(wrong[..., -1]).max())
    unequal = {one.quantity for one in compared({**told, quantity: wrong}, everyone, 1.0) if not one.equal}
    assert unequal == {quantity}


def test_what_is_no_number_is_not_equal() -> None:
    told, everyone = found()
    unequal = {
        one.quantity for one in compared({**told, "mean": told["mean"] * numpy.nan}, everyone, 1.0) if not one.equal
    }
    assert unequal == {"mean"}


def test_before_it_converges_it_is_not_compared_with_a_finished_fit() -> None:
    told, everyone = found(change=0.5)
    assert "scikit-learn" not in {one.by for one in compared(told, everyone, 1.0)}
