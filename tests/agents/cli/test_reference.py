"""``docs/reference-cli.md`` has every command, every option, an example and the exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from agents.cli.app import app
from tests.agents.cli.running import ROOT

PAGE = (ROOT / "docs" / "reference-cli.md").read_text(encoding="utf-8")
#: Described once, for all.
COMMON = {"--format", "--home", "--store", "--address", "--timeout", "--help", "-h"}


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    command = typer.main.get_command(app) if command is None else command
    if not hasattr(command, "list_commands"):
        yield " ".join(path), command
        return
    context = typer.Context(command)
    for name in command.list_commands(context):  # with those of other packages
        yield from commands(command.get_command(context, name), (*path, name))


ALL = dict(commands())


def section(name: str) -> str:
    """The text under a command's heading."""
    heading = rf"^## `sojourn {re.escape(name)}(?: [^`a-z]+)?`\n"
    found = re.search(rf"{heading}(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/reference-cli.md has no section for sojourn {name}"
    return found[1]


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_documented(name: str) -> None:
    """With each of its options, an example of it, and its exit codes."""
    text = section(name)
    for parameter in ALL[name].params:
        for option in {*parameter.opts, *parameter.secondary_opts} - COMMON:
            if option.startswith("-"):
                assert f"`{option}" in text, option
    assert f"$ sojourn {name}" in text
    assert "Exit codes: 0;" in text


@pytest.mark.parametrize("name", ALL)
def test_arguments_are_in_the_heading(name: str) -> None:
    """As the command's own help shows them."""
    arguments = [one.metavar for one in ALL[name].params if not one.opts[0].startswith("-")]
    assert f"## `sojourn {' '.join([name, *arguments])}`\n" in PAGE


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_documented_that_is_not_there(name: str) -> None:
    """An option that was renamed must not live on in the text."""
    known = {option for parameter in ALL[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    named = set(re.findall(r"^\| `(--[a-z-]+)", section(name), re.MULTILINE))
    assert named <= known


def test_the_common_options_and_the_root() -> None:
    """Described once; no section is of a command that does not exist."""
    for option in COMMON - {"-h"} | {"--version", "--install-completion", "--show-completion"}:
        assert f"`{option}" in PAGE or f" {option}`" in PAGE, option
    assert {name for name in re.findall(r"^## `sojourn ([a-z ]+?)(?: [^a-z`]+)?`$", PAGE, re.MULTILINE)} == set(ALL)


def test_the_exit_codes_of_the_page_are_those_of_the_program() -> None:
    """One table each, and they say the same."""
    import agents.cli
    from agents.cli import failures

    assert [int(code) for code in re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)] == [
        failures.DONE, failures.FAILED, failures.USAGE, failures.REFUSED, failures.NOT_FOUND, failures.TIMED_OUT,
    ]  # fmt: skip
    for code, meaning in re.findall(r"^\| (\d) \| (.*) \|$", PAGE, re.MULTILINE):
        assert f"{code}           {meaning}" in str(agents.cli.__doc__)
