"""The table of commands, and the frame in which each runs: every end of a command becomes an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, NoReturn, cast

import typer
import typer.core
from typer.core import TyperGroup

from agents.cli.call import call_command
from agents.cli.clone import clone_agent
from agents.cli.demo import demo
from agents.cli.doctor import doctor
from agents.cli.down import down
from agents.cli.drain import drain
from agents.cli.freeze import freeze
from agents.cli.inspect import inspect_file
from agents.cli.key_list import key_list
from agents.cli.key_new import key_new
from agents.cli.key_revoke import key_revoke
from agents.cli.key_trust import key_trust
from agents.cli.launch import launch
from agents.cli.logs import logs
from agents.cli.move import move
from agents.cli.options import wanted_format
from agents.cli.places import places
from agents.cli.ps import ps
from agents.cli.publish import publish_unit
from agents.cli.pull import pull_unit
from agents.cli.reopen import reopen
from agents.cli.report import write_report
from agents.cli.result import result
from agents.cli.run import run_file
from agents.cli.stop import stop
from agents.cli.thaw import thaw
from agents.cli.top import top
from agents.cli.trail import trail
from agents.cli.up import up
from agents.cli.verdict import ask_verdict
from agents.cli.verify import verify_file

__all__ = ["app", "run_command_line"]

#: The base of typer's errors about the command line itself; releases of typer differ in where it is defined.
_UsageError: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])
_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}


class Frame(TyperGroup):
    """The root command: no exception of a command passes it, and other packages may add to its commands."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of ours; else one that another package offers."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        from agents.cli.extending import offered_command

        return offered_command(cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Ours, then those of other packages."""
        from agents.cli.extending import offered_names

        own = super().list_commands(ctx)
        return [*own, *(name for name in offered_names() if name not in own)]

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it raises is reported, and becomes an exit code."""
        from agents.cli.failures import close_quietly, report

        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a pipe that nobody reads any more shows here, and not when the interpreter ends
            return result
        except (typer.Exit, typer.Abort, _UsageError):
            raise
        except BrokenPipeError:
            close_quietly()
            raise typer.Exit(1) from None
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(report(error, ctx.meta["sojourn.format"])) from None

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *rest: Any, **extra: Any
    ) -> NoReturn:
        """Parse the arguments, run the command, end the process."""
        from agents.cli.failures import report_usage

        given = list(sys.argv[1:] if args is None else args)
        chosen = wanted_format(given)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter gets its number
        extra["standalone_mode"] = False
        try:
            code = super().main(given, prog_name or "sojourn", *rest, **extra)
        except _UsageError as error:
            code = report_usage(error, chosen)
        except typer.Abort:
            code = 1
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """As ever, and note which form errors are to have: the option itself belongs to the commands."""
        chosen = wanted_format(args)
        context = super().make_context(info_name, args, parent, **extra)
        context.meta["sojourn.format"] = chosen
        return context


# Some releases of typer import rich for help that is plain, and escape brackets for it: a tenth of a second for worse.
typer.core.HAS_RICH = False

app = typer.Typer(
    name="sojourn",
    cls=Frame,
    help="Running Python computations that move between machines, in signed bundles.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 not found, 5 timed out.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)
_keys = typer.Typer(
    help="Make keys, and decide whom to trust.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
)

#: In the order in which one meets them.
_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "up": up,
    "down": down,
    "places": places,
    "launch": launch,
    "result": result,
    "ps": ps,
    "top": top,
    "logs": logs,
    "trail": trail,
    "report": write_report,
    "move": move,
    "verdict": ask_verdict,
    "clone": clone_agent,
    "freeze": freeze,
    "thaw": thaw,
    "stop": stop,
    "drain": drain,
    "reopen": reopen,
    "call": call_command,
    "publish": publish_unit,
    "pull": pull_unit,
    "demo": demo,
    "doctor": doctor,
    "inspect": inspect_file,
    "verify": verify_file,
    "run": run_file,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(_keys, name="key")
_keys.command("new")(key_new)
_keys.command("list")(key_list)
_keys.command("trust")(key_trust)
_keys.command("revoke")(key_revoke)


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        typer.echo(f"sojourn {version('sojourn')}")
    except PackageNotFoundError:
        typer.echo("sojourn, not installed as a distribution")
    raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    # The options that come before the command.
    return


def run_command_line(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    if arguments is None and os.name == "nt":
        arguments = sys.argv[1:]
    app(args=arguments, prog_name="sojourn")
    raise AssertionError("the frame always exits")
