"""Commands of other packages: found when they are wanted, and no danger to ours."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import typer

from agents.cli import extending
from tests.agents.cli.running import failure, invoke

tool = typer.Typer()
number = 5


@tool.command()
def greet(name: str) -> None:
    """Say hello."""
    typer.echo(f"hello {name}")


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let these be the entry points, by name."""

    def offer(*pairs: tuple[str, str]) -> None:
        points = [EntryPoint(name, value, extending.GROUP) for name, value in pairs]
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [p for p in points if p.group == group])

    return offer


def test_a_command_of_another_package(offered: Any) -> None:
    """Called, and in the help, after ours; the frame takes care of its errors too."""
    offered(("hi", f"{__name__}:tool"))
    assert invoke("hi", "ada").stdout == "hello ada\n"
    lines = invoke("--help").stdout.splitlines()
    assert any(line.split()[:1] == ["hi"] and "Say hello" in line for line in lines)
    assert invoke("hi").exit_code == 2


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no_such_module:app", "ModuleNotFoundError"),
        (f"{__name__}:nothing", "AttributeError"),
        (f"{__name__}:number", "int"),
    ],
)
def test_one_that_cannot_be_used_says_so_and_breaks_no_other(offered: Any, value: str, told: str) -> None:
    """Whatever arguments it is given."""
    offered(("broken", value), ("hi", f"{__name__}:tool"))
    assert told in failure(invoke("broken", "any", "--thing", "--format", "json"), 1, "command-unusable")["problem"]
    assert "cannot be used" in invoke("--help").stdout
    assert invoke("hi", "ada").exit_code == 0 and invoke("key", "list", "--help").exit_code == 0


def test_ours_come_first_and_two_of_a_name_are_none(offered: Any) -> None:
    """Nobody takes the place of a command; and which of two is meant, is not guessed."""
    offered(("verify", "no_such_module:app"), ("hi", f"{__name__}:tool"), ("hi", "other:app"))
    assert "Verify a bundle" in invoke("verify", "--help").stdout
    assert "several packages" in failure(invoke("hi", "ada", "--format", "json"), 1, "command-unusable")["problem"]


def test_nobody_is_asked_for_a_command_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking through what is installed takes time."""

    def asked(**_: Any) -> Any:
        raise AssertionError("it was looked up")

    monkeypatch.setattr(importlib.metadata, "entry_points", asked)
    assert invoke("key", "list", "--help").exit_code == 0
    assert "looked up" in failure(invoke("nothing-like-it", "--format", "json"), 1, "unexpected")["message"]
