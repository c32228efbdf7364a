"""Handles, the decorator and effects as values: they pickle, compare, and refuse what makes no sense."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from agents import agent, ask, call, clone, hop, receive, reply, send, sleep, spawn
from agents.connection import current_client
from agents.decorating import is_agent
from agents.effects import Received
from agents.errors import AgentsError, NotConnected
from agents.here import Here
from agents.ids import check_agent_name
from agents.testing.local import LocalPlatform
from mobility.errors import ResumableError


@agent
def echo(here):
    message = yield receive()
    yield reply(message, [message.value, here.name])
    return "done"


def test_a_handle_pickles_and_works_wherever_a_platform_is_connected():
    with LocalPlatform(["oslo", "lima"]) as platform:
        handle = platform.launch(echo, at="oslo", name="echo")
        again = pickle.loads(pickle.dumps(handle))
        assert again == handle and hash(again) == hash(handle) and again != "echo" and again.name == "echo"
        assert copy.copy(handle) == handle
        assert repr(again) == f"<Handle of echo ({handle.agent})>"
        assert again.client is current_client() is platform.client
        assert again.ask("hello", timeout=10) == ["hello", "oslo"]
        assert again.result(timeout=10) == "done"
    with pytest.raises(NotConnected, match="connected to no platform"):
        again.status()


@agent
def takes_a_handle(here, other):
    here = yield hop("lima")
    return (yield ask(other, "from afar", timeout=10)), other.agent


def test_an_agent_takes_a_handle_along():
    with LocalPlatform(["oslo", "lima"]) as platform:
        other = platform.launch(echo, at="oslo")
        told = platform.launch(takes_a_handle, other, at="oslo").result(timeout=10)
        assert told == (["from afar", "oslo"], other.agent)


def test_an_agent_sees_labels_and_names_of_resources():
    with LocalPlatform(["oslo"], resources={"oslo": {"b": 1, "a": 2}}) as platform:
        labels, names, text = platform.launch(looks_about, at="oslo").result(timeout=10)
        assert {"host", "pid", "python", "cells"} <= set(labels) and names == ["a", "b"]
        assert "oslo has no resource 'c'" in text and "a, b" in text


@agent
def looks_about(here):
    yield
    try:
        here.resource("c")
    except AgentsError as error:
        return dict(here.labels), list(here.resources), str(error)


def test_here_outside_of_any_place_is_nowhere():
    """As when an agent's values are looked at by a program."""
    here = pickle.loads(_pickled_here())
    assert here.name == "nowhere" and here.resources == () and dict(here.labels) == {}
    with pytest.raises(AgentsError, match="nowhere has no resource"):
        here.resource("x")


def _pickled_here():
    with LocalPlatform(["oslo"]) as platform:
        return pickle.dumps(Here(platform.running["oslo"], "a"))


@pytest.mark.parametrize("place", [None, 3, "", b"oslo", object()])
def test_a_place_is_given_by_its_name(place):
    with pytest.raises(TypeError, match="by its name"):
        hop(place)
    if place is not None:
        with pytest.raises(TypeError, match="by its name"):
            clone(place)


@pytest.mark.parametrize("to", [None, 3, "", object()])
def test_a_recipient_is_an_agent(to):
    for make in (send, ask):
        with pytest.raises(TypeError, match="a recipient is"):
            make(to, 1)


@pytest.mark.parametrize("seconds", [-1, math.nan, "1", None, True])
def test_a_time_is_a_number_of_seconds(seconds):
    with pytest.raises(ValueError, match="number of seconds"):
        sleep(seconds)
    with pytest.raises(ValueError, match="number of seconds"):
        send("a", 1, timeout=seconds)
    if seconds is not None:
        with pytest.raises(ValueError, match="number of seconds"):
            receive(seconds)


def test_what_is_no_function_is_neither_called_nor_spawned():
    for make in (spawn, call):
        with pytest.raises(TypeError, match="function"):
            make(3)
    with pytest.raises(ValueError, match="no question"):
        reply(Received("a", 1), 2)


def test_the_decorator():
    def without_a_place():
        yield

    def plain(here):
        return here

    with pytest.raises(TypeError, match="first parameter for the place"):
        agent(without_a_place)
    with pytest.raises(TypeError, match="a function can be an agent"):
        agent(3)
    assert agent(plain) is plain and not is_agent(plain)
    assert is_agent(echo) and agent(echo) is echo and agent()(echo) is echo
    with pytest.raises(ResumableError, match="cannot be made resumable"):
        agent(refuses)


def refuses(here):
    match here:
        case [first] if (yield first):
            pass


BAD_NAMES = ["", " ", "\n", "\x00", "--help", "../../etc", "x" * 101, "a\tb", 5, "0123456789abcdef"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_cannot_be_typed_or_shown(name):
    """Nor one that could be taken for an id; refused before anything is sent."""
    with pytest.raises(ValueError, match="an agent cannot be called"):
        check_agent_name(name)


@pytest.mark.parametrize("name", ["surveyor", "survey of 2026", "a.b-c_d:e@f+g", "ß", "7"])
def test_names_that_can(name):
    check_agent_name(name)
