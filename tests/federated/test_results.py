"""Results as JSON, as arrays and as pictures: what is written can be read again, whatever is in it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federated.links import RunTally
from federated.results import ArrayNote, RunResult

NUMBERS = st.one_of(st.integers(-(2**62), 2**62), st.floats())
METRICS = st.dictionaries(st.text(max_size=5), st.one_of(NUMBERS, st.lists(NUMBERS, max_size=3)), max_size=3)
ROUNDS = st.dictionaries(st.integers(0, 9), METRICS, max_size=3)


def result(**parts: Any) -> RunResult:
    given: dict[str, Any] = {
        "run": 2**61 + 1, "app": "c0ffee", "strategy": "FedAvg", "nodes": ("oslo",), "refused": {"lima": "down"},
        "metrics": {}, "arrays": {}, "seconds": 1.5, "tally": RunTally(1, 2, 3, 4, 5, 6),
        "failures": (("oslo", "train", "", "why"),), "config": {"rate": math.inf, "rounds": 2}, "seed": None,
    }  # fmt: skip
    return RunResult(**{**given, **parts})


@given(st.fixed_dictionaries({"train": ROUNDS, "evaluate": ROUNDS, "server": ROUNDS}))
def test_json_gives_back_what_was_written(metrics: Any) -> None:
    """Numbers that are not finite too, which strict JSON does not have."""
    text = result(metrics=metrics, arrays={"w": numpy.zeros((2, 3), ">f4")}).to_json()
    json.loads(text, parse_constant=pytest.fail)
    again = RunResult.from_json(text)
    assert repr(again.metrics) == repr(metrics) and again.run == 2**61 + 1 and again.tally == RunTally(1, 2, 3, 4, 5, 6)
    assert again.to_json() == text


def test_a_run_in_which_all_failed_is_told_from_one_that_asked_nobody() -> None:
    """And from one in which a single message was answered."""
    failures = (("oslo", "train", "", "why"),)
    assert result(tally=RunTally(asked=2, recalled=1, failed=3), failures=failures).all_failed
    assert not result(tally=RunTally(asked=3, recalled=1, failed=3), failures=failures).all_failed
    assert not result(tally=RunTally(), failures=()).all_failed


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "sojourn-run-result", "version": 2}', "null", "\xff"])
def test_anything_else_is_no_result(text: str) -> None:
    with pytest.raises(ValueError, match="no result"):
        RunResult.from_json(text)


def test_arrays_come_back_under_any_name(tmp_path: Path) -> None:
    """Also such as numpy's own writer could not take; digests do not depend on the order in memory."""
    values = {
        "file": numpy.arange(6.0).reshape(2, 3), "allow_pickle": numpy.array(5), "a/b.weight": numpy.array([], "int8"),
        "fortran": numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)), "big": numpy.arange(6.0, dtype=">f8"),
    }  # fmt: skip
    one = result(arrays=values)
    one.save_arrays(tmp_path / "a.npz")
    one.save_arrays(tmp_path / "a.npz")  # replaces it
    with numpy.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert {name: file[name].tolist() for name in file.files} == {k: v.tolist() for k, v in values.items()}
    assert ArrayNote.of(values["file"]) == ArrayNote.of(values["fortran"])
    assert ArrayNote.of(values["big"]).sha256 == ArrayNote.of(numpy.arange(6.0)).sha256
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    with pytest.raises(ValueError, match="not here"):
        RunResult.from_json(one.to_json()).save_arrays(tmp_path / "b.npz")
    with pytest.raises(ValueError):
        result(arrays={"o": numpy.array([object()])}).save_arrays(tmp_path / "c.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_picture_is_the_same_for_the_same_run(tmp_path: Path) -> None:
    """With names that are markup elsewhere, and gaps where numbers are not finite."""
    metrics = {"train": {1: {"$loss$": 1.0, "<b>": math.nan}, 2: {"$loss$": math.nan}}, "server": {0: {"acc": 0.1}}}
    for ending in ("svg", "png", "pdf"):
        for name in ("a", "b"):
            result(metrics=metrics).plot(tmp_path / f"{name}.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    for wrong, told in (("a.gif", "svg"), ("a", "svg")):
        with pytest.raises(ValueError, match=told):
            result(metrics=metrics).plot(tmp_path / wrong)
    with pytest.raises(ValueError, match="nothing|no metrics"):
        result(metrics={"train": {1: {"x": math.nan, "y": [1.0]}}}).plot(tmp_path / "c.svg")
    assert not (tmp_path / "c.svg").exists()
