"""Further commands, which other packages offer through the entry point group ``sojourn.commands``.

They are looked up only when a command is not one of ours, and for help and completion. One that cannot be imported is
still a command: it says so when it is called, and no other one is the worse for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "offered_command", "offered_names"]

#: Each entry point in it names a `typer.Typer`, or a command of click.
GROUP: Final = "sojourn.commands"


def offered_names() -> list[str]:
    """The names of the commands that other packages offer."""
    return sorted(_offers())


def offered_command(name: str) -> Any:
    """The command of that name; None if nobody offers it."""
    offers = _offers().get(name)
    if offers is None:
        return None
    if len(offers) > 1:
        return _unusable(name, f"several packages offer it: {', '.join(one.value for one in offers)}")
    try:
        found = offers[0].load()
    except Exception as error:  # somebody else's code, and whatever it raises is its own matter
        return _unusable(name, f"{offers[0].value} cannot be imported: {type(error).__name__}: {error}")
    return _as_command(name, found, offers[0].value)


def _offers() -> dict[str, list[EntryPoint]]:
    from importlib.metadata import entry_points

    offers: dict[str, dict[str, EntryPoint]] = {}
    for one in entry_points(group=GROUP):
        offers.setdefault(one.name, {})[one.value] = one
    return {name: list(by_value.values()) for name, by_value in offers.items()}


def _as_command(name: str, found: Any, value: str) -> Any:
    import typer
    import typer.main

    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_command(found)
    elif callable(getattr(found, "make_context", None)) and callable(getattr(found, "invoke", None)):
        command = found
    else:
        return _unusable(name, f"{value} is a {type(found).__name__}, and no typer.Typer")
    command.name = name
    return command


def _unusable(name: str, problem: str) -> Any:
    from typer.core import TyperCommand

    def tell(**_: Any) -> None:
        from agents.cli.errors import CommandUnusable

        raise CommandUnusable(name, problem)

    return TyperCommand(
        name,
        callback=tell,
        short_help=f"(cannot be used) {problem}",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
