"""What the steward does about nodes that are to be taken away; of Ray as much as it asks."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any, cast

import pytest
import ray

from agents._ray import steward as room
from agents._ray.actors import PlatformSettings
from agents._ray.membership import Node
from agents._ray.steward import Steward
from agents.directory_service import DirectoryService
from agents.protocol import Drain


def test_a_place_that_was_just_being_started_again_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it has heard of it, or its node has gone; and no more often than once in a while."""
    asked: list[Drain] = []
    answers = iter([ray.exceptions.ActorUnavailableError("it is being started", None), b"done"])
    clock = [100.0]

    def control(request: bytes) -> Any:
        asked.append(pickle.loads(request))
        return next(answers)

    def get(answer: Any, timeout: float) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(ray, "wait", lambda answers, timeout: (answers, []))
    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(room.time, "monotonic", lambda: clock[0])
    told: list[Any] = []
    service = SimpleNamespace(call=lambda *call: told.append(call))
    steward = Steward(cast(DirectoryService, service), PlatformSettings())
    node = Node("4f19", "oslo", "192.0.2.7", draining_until=room.time.time() + 30)
    steward._actors["4f19"] = SimpleNamespace(control=SimpleNamespace(remote=control))
    steward._drained["4f19"] = node
    for _ in range(4):
        for _ in range(3):
            steward._ask_again()
            for one in list(steward._drained.values()):
                steward._evacuate(one)
        clock[0] += 2
    assert [drain.node for drain in asked] == ["4f19", "4f19"] and all(20 < drain.seconds < 30 for drain in asked)
    assert told and not steward._leaving and not steward._drained
