"""``sojourn fl tour``: what is typed becomes a query, and what is found is told to people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from agents.cli import reaching
from agents.testing import LocalPlatform
from federated.accounting import Allowance
from federated.cli.tour import tour_command
from federated.dataset import Dataset
from federated.policy import ReleasePolicy
from federated.queryrules import QueryRule

app = typer.Typer()
app.command()(tour_command)
AGES = np.arange(20.0, 60.0)


@pytest.fixture(scope="module")
def platform() -> Iterator[LocalPlatform]:
    rule = QueryRule(
        kinds=("count", "sum", "mean", "variance", "histogram", "quantiles", "counts"),
        askers=("*",),
        columns=("age", "sex"),
        by=("age", "sex"),
        exact=True,
        least=3,
    )
    policy = ReleasePolicy(dataset="ward", queries=(rule,), allowance=Allowance(counting_epsilon=100.0))
    table = {"age": AGES, "sex": ["f", "m"] * 20}
    given = {"datasets": {"ward": Dataset(loader=lambda config: table, policy=policy)}}
    with LocalPlatform(["oslo", "lima", "baku"], extensions={"oslo": given, "lima": given}) as made:
        yield made


@pytest.fixture
def run(platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch) -> Any:
    @contextmanager
    def connected(*args: Any, **kwargs: Any) -> Iterator[LocalPlatform]:
        yield platform

    monkeypatch.setattr(reaching, "connected", connected)

    def typed(*args: str) -> Any:
        return CliRunner().invoke(app, ["--on", "oslo,lima", *args])

    return typed


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        (["--count"], [80]),
        (["--count", "--where", "age>=40", "--where", "sex==f"], [20]),
        (["--count", "--where", "sex in f,x"], [40]),
        (["--sum", "age", "--bounds", "0,30"], [2 * np.clip(AGES, 0, 30).sum()]),
        (["--mean", "age"], [39.5]),
        (["--variance", "age"], [AGES.var()]),
        (["--histogram", "age", "--edges", "20,30,60"], [20, 60]),
        (["--counts", "sex", "--categories", "m,f,x"], [40, 40, None]),
        (["--quantiles", "age", "--bounds", "20,60", "--bins", "4", "--probabilities", "0.5"], [40]),
    ],
)
def test_what_is_typed_is_asked(run, typed, values):
    """All kinds, as JSON."""
    answer = run(*typed, "--format", "json")
    assert answer.exit_code == 0, answer.output
    (estimate,) = json.loads(answer.stdout)["estimates"]
    assert estimate["values"] == pytest.approx(values)


def test_for_people(run):
    """Values with their errors, who answered at what cost, who did not, and the id to ask again."""
    answer = run("--on", "oslo,baku", "--mean", "age", "--bounds", "0,90", "--epsilon", "2", "--by-site")
    assert answer.exit_code == 0, answer.output
    text = answer.stdout
    assert "mean of age: " in text and " +- " in text and "answered: oslo (epsilon 2)" in text
    assert "not answered: baku: " in text and "(unknown-service)" in text and "its way verified" in text
    small = run("--mean", "age", "--group", "age=20", "--where", "sex==f")
    assert "20: mean of age: held back" in small.stdout and "2 small cells were held back" in small.stdout


def test_the_same_again_by_its_id(run):
    """At no cost."""
    first = json.loads(run("--mean", "age", "--bounds", "0,90", "--epsilon", "1", "--format", "json").stdout)
    typed = ["--mean", "age", "--bounds", "0,90", "--epsilon", "1", "--format", "json", "--id", first["id"]]
    assert json.loads(run(*typed).stdout)["estimates"] == first["estimates"]


@pytest.mark.parametrize(
    "typed",
    [
        [],
        ["--count", "--mean", "age"],
        ["--count", "--bounds", "0,1"],
        ["--mean", "age", "--bounds", "low,high"],
        ["--mean", "age", "--edges", "0,1"],
        ["--histogram", "age"],
        ["--quantiles", "age"],
        ["--count", "--where", "age"],
        ["--count", "--group", "sex"],
        ["--count", "--delta", "1e-6"],
        ["--count", "--timeout", "3600"],
    ],
)
def test_what_cannot_be_meant_is_a_mistake_of_usage(run, typed):
    """Exit code 2, before anything is connected."""
    assert run(*typed).exit_code == 2


def test_strictly_a_place_that_does_not_answer_is_an_error(run):
    """As the library has it."""
    answer = run("--on", "oslo,baku", "--mean", "age", "--strict")
    assert answer.exit_code == 1 and "baku" in str(answer.exception)
