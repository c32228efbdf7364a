"""An environment: of this process, and as data that travels."""

from __future__ import annotations

import copy
import pickle
import platform
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.environment import Accelerator, Environment, Needs, needs_of_modules, offered, verdict


def test_this_process() -> None:
    """What a place says of itself."""
    here = Environment.here()
    assert here.python == ".".join(map(str, sys.version_info[:3])) + platform.python_version().lstrip("0123456789.")
    assert (here.implementation, here.processor) == (platform.python_implementation(), platform.machine())
    assert here.operating_system == platform.system()
    assert here.distribution("NumPy") == here.distribution("numpy") is not None
    assert here.distribution("no-such-distribution") is None
    assert here.has_module("json") and not here.has_module("nowhere")


def test_what_is_used_here_fits_here() -> None:
    """A unit that was packed here can be unpacked here."""
    needs = Needs(
        python_minor="{}.{}".format(*sys.version_info),
        distributions=needs_of_modules(["numpy", "dill", "pytest"]),
        modules=("tests.mobility", "json"),
        processors=(platform.machine(),),
        operating_systems=(platform.system(),),
    )
    found = verdict(needs, Environment.here(), state=True)
    assert (found.kind, found.reasons) == ("strong", ())


@pytest.mark.parametrize("names", [["Num_Py", "numpy", "nowhere"], ["pytest", "numpy"], []])
def test_written_down_for_some(names: list[str]) -> None:
    """Only what was asked for is offered, and the answer no longer depends on this process."""
    plain = Environment.here().offered(names, modules=["json", "nowhere"])
    here = {"numpy", "pytest"} & {*names}
    assert plain.distributions is not None and plain.modules == ("json",)
    assert {name for name, _ in plain.distributions} == here
    assert (plain.distribution("pytest") is not None) is ("pytest" in here)
    assert plain.distribution("dill") is None and not plain.has_module("sys")


def test_written_down_for_all() -> None:
    """As a place announces itself."""
    plain = Environment.here(memory=False).offered()
    assert plain.distributions == tuple(sorted(plain.distributions or ()))
    assert plain.distribution("numpy") == Environment.here().distribution("numpy")
    assert (plain.memory_total, plain.memory_available) == (None, None)


def test_of_what_is_written_down_already() -> None:
    """A selection of a selection, elsewhere, looks nothing up there."""
    there = Environment("3.12.0", distributions=(("numpy", "9.9"), ("Odd_Name", "1")), modules=("local",))
    assert there.offered(["NUMPY", "dill"]).distributions == (("numpy", "9.9"),)
    assert there.offered(modules=["local", "json"]).modules == ("local",)
    twice = Environment("3.12.0", distributions=(("a", "1"), ("A", "2")))
    assert twice.distribution("a") == twice.offered().distribution("a") == twice.offered(["A"]).distribution("a") == "1"
    assert there.distribution("odd.name") == there.offered().distribution("ODD-name") == "1"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_it_answers_for_the_host_it_came_from(protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked up where it arrives, it would offer the destination's distributions in the sender's name."""
    here = Environment.here(accelerators=[Accelerator("tpu", 2)])
    version = here.distribution("numpy")
    data = pickle.dumps(here, protocol)
    monkeypatch.setattr(sys, "path", [])
    there = pickle.loads(data)
    assert here.distribution("numpy") is None
    assert there.distribution("numpy") == version
    assert there.modules == () and there.accelerators == here.accelerators
    assert pickle.loads(pickle.dumps(there, protocol)) == there == copy.deepcopy(there)


def test_offered_of_this_host() -> None:
    """What an arriving bundle is judged by: named versions, and modules as they are found here."""
    found = offered(["numpy", "nowhere"])
    assert [name for name, _ in found.distributions or ()] == ["numpy"]
    assert found.has_module("json") and found.memory_total == Environment.here().memory_total
    assert offered(["numpy"], modules=["json"], memory=False).modules == ("json",)
    assert offered(["numpy"], memory=False).memory_total is None
    assert len(offered().distributions or ()) > 10


@given(st.text(max_size=30))
def test_any_name_may_be_asked_for(name: str) -> None:
    """By anybody."""
    here, plain = Environment.here(memory=False), Environment("3.11.0", distributions=((name, "1"),))
    assert here.distribution(name) is None or isinstance(here.distribution(name), str)
    assert plain.distribution(name) == "1" and plain.offered([name]).distribution(name) == "1"
    assert here.has_module(name) in (True, False)


def test_nothing_said_is_nothing_offered(tmp_path: Path) -> None:
    """An environment that somebody made up by hand must not look anything up."""
    assert Environment("3.11.0").distribution("numpy") is None
    assert not Environment("3.11.0").has_module("json")
