"""What came of a run shows itself, and what nodes say stays text."""

from __future__ import annotations

from xml.etree import ElementTree

from federated.links import RunTally
from federated.results import RunResult


def test_a_phase_without_metrics_is_no_table_of_numbers_of_rounds() -> None:
    metrics = {"train": {1: {}, 2: {}}, "evaluate": {1: {"accuracy": 0.75}}, "server": {}}
    result = RunResult(7, "app", "FedAvg", ("oslo",), {}, metrics, {}, 1.5, RunTally(), ())
    told = "".join(ElementTree.fromstring(result._repr_html_()).itertext())
    assert "evaluate" in told and "0.75" in told and "train" not in told


def test_a_result_shows_its_rounds_and_what_nodes_say_as_text() -> None:
    bad = "<script>\x1b</script>"
    tally = RunTally(sent=10, received=2000, asked=1, recalled=0, failed=1, late=0)
    metrics = {"train": {2: {"loss": 0.25, bad: float("nan")}, 1: {"loss": 0.5}}}
    result = RunResult(7, bad, bad, (bad,), {bad: bad}, metrics, {}, 1.5, tally, ((bad, bad, bad, bad),))
    text = result._repr_html_()
    told = "".join(ElementTree.fromstring(text).itertext())
    assert "<script" not in text and "\\x1b" in told and "2 refusals and failures" in told
    assert told.index("0.5") < told.index("0.25") and "2.0 kB received" in told


def test_very_many_metrics_are_counted_and_not_all_shown() -> None:
    """What nodes call them is theirs to say, and a page is finite."""
    metrics = {"train": {number: {f"metric-{name:04}": 0.5 for name in range(2000)} for number in range(30)}}
    result = RunResult(7, "app", "FedAvg", ("oslo",), {}, metrics, {}, 1.5, RunTally(), ())
    text = result._repr_html_()
    assert len(text) < 300_000 and "and 1984 more metrics" in "".join(ElementTree.fromstring(text).itertext())
