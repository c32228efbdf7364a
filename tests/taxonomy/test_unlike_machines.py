"""Heterogeneous systems: the verdict strong, weak or refuse, taken before anything moves, on real nodes of Ray.

The nodes of one cluster run one Python on one machine, so what makes them unlike is declared of their places.
"""

from __future__ import annotations

import json
import platform as machine
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import Platform, connect
from agents._ray.environment import accelerators_of
from agents.errors import EnvironmentInvalid, MoveRefused
from agents.eventlog import EventKind
from mobility.environment import Accelerator, Distribution, Mobility, Needs, Verdict
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import unlike_agents as agents_here

pytestmark = pytest.mark.timeout(180)
PLACES = ("baku", "oslo", "lima")
GIB = 1 << 30
NEXT = f"3.{sys.version_info[1] + 1}.0"
OTHER = "sparc64" if machine.machine() != "sparc64" else "alpha"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """On oslo another processor and little memory, on lima another Python; baku is as it is."""
    file = tmp_path_factory.mktemp("places") / "lima.toml"
    file.write_text(f'[place.environment]\npython = "{NEXT}"\nlabels = {{ rack = "b3" }}\n')
    with platform_here(
        environments={
            "oslo": {"memory": "1 GiB", "processor": OTHER, "distributions": {"sojourn-no-such": False}},
            "*": {"accelerators": {"cuda": 1}, "distributions": {"sojourn-no-such": "1.2.0"}},
        },
        place_files={"lima": file},
        home=tmp_path_factory.mktemp("home"),
    ) as made:
        yield made


def refused_at(platform: Platform, agent: str) -> list[str | None]:
    """The places to which the agent's bundle has come, and that have refused it."""
    return [event.place for event in platform.get(agent).logs() if event.kind is EventKind.REFUSED]


def test_strong_if_it_fits(platform: Platform) -> None:
    """State that nothing binds goes on at its line everywhere, also on the other processor and the other Python."""
    handle = platform.launch(agents_here.counts, ["oslo", "lima", "baku"], at="baku")
    assert handle.result(timeout=60) == ["oslo", "lima", "baku"]
    assert platform.verdict(agents_here.counts, "baku") == Verdict(Mobility.WEAK)  # it has no state yet


def test_weak_if_only_a_restart_fits(platform: Platform) -> None:
    """The bytecode in its state is bound to this Python, so on lima it starts at its entry, with its arguments."""
    handle = platform.launch(agents_here.starts_anew, "kept", at="baku", mobility="either")
    assert eventually(lambda: handle.status().steps == 1)
    decided = platform.verdict(handle, "lima")
    assert decided.kind is Mobility.WEAK and [reason.code for reason in decided.reasons] == ["python-minor"]
    handle.send("lima")
    assert eventually(lambda: handle.place() == "lima")
    handle.send("end")
    assert handle.result(timeout=60) == ("lima", "lima", "kept", 2)
    assert handle.trail().verified and len(handle.trail()) == 1


def test_weak_is_refused_by_an_agent_that_accepts_strong_alone(platform: Platform) -> None:
    handle = platform.launch(agents_here.starts_anew, "kept", at="baku")
    assert eventually(lambda: handle.status().steps == 1)
    with pytest.raises(MoveRefused, match="lima can only start it anew") as raised:
        handle.move("lima")
    assert raised.value.verdict == "weak" and raised.value.reasons[0]["code"] == "python-minor"
    handle.send("end")
    assert handle.result(timeout=60) == ("baku", "baku", "kept", 2)
    assert refused_at(platform, handle.agent) == []


def test_weak_where_it_accepts_nothing_else(platform: Platform) -> None:
    """Weak mobility of a function: it starts anew also where its state would fit."""
    handle = platform.launch(agents_here.starts_anew, {"n": 1}, at="lima", mobility="weak")
    for place in ("baku", "oslo"):
        assert handle.move(place)["mobility"] == "weak"
    handle.send("end")
    assert handle.result(timeout=60) == ("oslo", "oslo", {"n": 1}, 2)


CAUSES = {
    "package missing": (Needs(distributions=(Distribution("sojourn-no-such", "1.2.0"),)), "distribution-missing"),
    "too little memory": (Needs(memory=4 * GIB), "memory-too-small"),
    "another processor": (Needs(processors=(machine.machine(),)), "processor"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_refused_with_reasons_before_anything_moves(platform: Platform, cause: str) -> None:
    """The reasons are data; the agent goes on where it is, and elsewhere by its list of places."""
    needs, code = CAUSES[cause]
    handle = platform.launch(agents_here.goes_elsewhere, ["oslo", "lima"], at="baku", needs=needs)
    assert handle.result(timeout=60) == ("lima", [("oslo", "refuse", [code], "baku")])
    assert refused_at(platform, handle.agent) == []
    assert [(link.origin, link.destination) for link in handle.trail()] == [("baku", "lima")]
    with pytest.raises(MoveRefused) as raised:
        platform.launch(agents_here.counts, [], at="oslo", needs=needs)
    assert json.loads(json.dumps(raised.value.reasons))[0]["code"] == code and raised.value.verdict == "refuse"


def test_another_processor_refuses_a_state_with_bytecode_by_value(platform: Platform) -> None:
    handle = platform.launch(agents_here.carries_bytecode, ["oslo", "lima", "baku"], at="baku")
    told = [("oslo", "refuse", ["processor"]), ("lima", "weak", ["python-minor"])]
    assert handle.result(timeout=60) == ("baku", 2, told)
    assert refused_at(platform, handle.agent) == []


def test_too_few_accelerators(platform: Platform) -> None:
    needs = Needs(accelerators=(Accelerator("cuda", 2),))
    decided = platform.verdict(agents_here.counts, "baku", needs=needs)
    assert decided.kind is Mobility.REFUSE and decided.reasons[0].found == "1 x cuda"
    assert platform.verdict(agents_here.counts, "baku", needs=Needs(accelerators=(Accelerator("cuda"),))).fits


def test_places_tell_what_they_offer(platform: Platform) -> None:
    about = {place.name: place.about for place in platform.places(details=True)}
    assert about["oslo"]["memory"] == GIB and about["oslo"]["processor"] == OTHER
    assert about["lima"]["python"] == NEXT and about["lima"]["rack"] == "b3"
    assert about["baku"]["processor"] == machine.machine() and about["baku"]["python"] == machine.python_version()
    assert all(row["accelerators"] == [{"kind": "cuda", "count": 1, "memory": None}] for row in about.values())


def test_what_ray_knows_of_devices() -> None:
    """A part of a device, and what Ray counts beside devices, is none."""
    known = {"CPU": 8.0, "GPU": 2.0, "TPU": 4.0, "accelerator_type:A100": 1.0, "node:10.0.0.1": 1.0}
    assert accelerators_of(known) == (Accelerator("cuda", 2), Accelerator("tpu", 4))
    assert accelerators_of({"CPU": 8.0, "GPU": 0.5}) == accelerators_of({}) == ()


def test_a_declaration_that_cannot_be_used_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentInvalid, match="memory"):
        connect("local", places=["kyiv"], environments={"kyiv": {"memory": "much"}}, home=tmp_path)
