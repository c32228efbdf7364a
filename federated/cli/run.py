"""``sojourn fl run``: run a Flower app on the data nodes of places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, PassphraseFileOption
from agents.cli.screen import Screen, amount, count, write_json
from federated.cli.opening import AppArgument

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from agents.cli.reaching import Deadline
    from federated.app import AppBundle
    from federated.journal import RoundJournal
    from federated.links import NodeLink
    from federated.results import RunResult

__all__ = ["run_on_nodes"]


def run_on_nodes(
    app: AppArgument,
    on: Annotated[
        str,
        typer.Option(
            "--on", metavar="PLACES", help="The places with the data, with commas between.", show_default=False
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="Which one; else the only one of each.", show_default=False),
    ] = None,
    run_config: Annotated[
        list[str] | None,
        typer.Option(
            "--run-config",
            metavar="SETTINGS|FILE.toml",
            help="Settings of the app, 'rounds=3 name=\"x\"', or a file of them. May be given several times.",
            show_default=False,
        ),
    ] = None,
    least: Annotated[
        int, typer.Option("--least", metavar="N", min=1, help="Nodes without which it does not begin.")
    ] = 1,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="For the server's choices; else none, with --journal 0.",
            show_default=False,
        ),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            help="Keep what was answered: the same command goes on from there.",
            show_default=False,
        ),
    ] = None,
    author: Annotated[
        str | None,
        typer.Option(
            "--author", metavar="KEY", help="Your key that signs the app; else the key owner.", show_default=False
        ),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner", metavar="KEY", help="Your key in whose name nodes are asked; else owner.", show_default=False
        ),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    patience: Annotated[
        float,
        typer.Option("--patience", metavar="SECONDS", min=0, help="For which fewer nodes than needed are put up with."),
    ] = 60.0,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.5, max=31_536_000, help="End it after this time.")
    ] = 86_400.0,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Add to it what the server part prints.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw the metrics: .svg, .png or .pdf.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the result as JSON.", show_default=False),
    ] = None,
    arrays: Annotated[
        Path | None,
        typer.Option("--arrays", metavar="FILE", help="Write the final arrays: .npz.", show_default=False),
    ] = None,
    address: AddressOption = None,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Run a Flower app where the data lies: it goes there signed, and each owner decides whether it runs."""
    from agents.cli.reaching import Deadline
    from federated.apperrors import RunInterrupted
    from federated.cli.opening import trusted_app
    from federated.cli.settings import settings_of
    from federated.cli.watching import RunScreen
    from federated.extras import require_extra
    from federated.running import run_app

    require_extra("running an app", "flwr", "federated")
    places = _places(on)
    _require_writable(plot, file, arrays, log)
    folder = HomeFolder.of(home)
    bundle = trusted_app(app, folder)
    settings = settings_of(run_config or ())
    whole = bundle.config.with_overrides(settings)
    asker = folder.launching_key(owner, passphrase_file)
    if bundle.envelope is None:
        signer = asker if author is None else folder.launching_key(author, passphrase_file)
        bundle = bundle.signed_by(signer)
    elif author is not None:
        raise typer.BadParameter("this app is signed already, by whoever has made the bundle", param_hint="--author")
    if journal is not None and seed is None:
        seed = 0
    deadline = Deadline(timeout)
    title = f"{bundle.config.name} {bundle.config.version} on {', '.join(places)}"
    # The journal is opened first: what is wrong with it needs no platform to be found out.
    with _journal(journal, bundle, whole, seed, places, dataset) as kept:
        with _nodes(folder, address, deadline, output, places) as nodes, RunScreen(title, output) as screen:
            try:
                result = run_app(
                    bundle,
                    nodes=nodes,
                    asker=asker,
                    run_config=settings,
                    dataset=dataset,
                    seed=seed,
                    least=least,
                    patience=patience,
                    timeout=deadline.left(),
                    journal=kept,
                    progress=screen,
                    log=log,
                )
            except KeyboardInterrupt:
                raise RunInterrupted(journal) from None
            except Exception as error:
                raise _late(error, deadline, journal) from error
    _write(result, plot, file, arrays)
    if output is Format.JSON:
        write_json(result.as_data())
    else:
        _show(Screen(), result, [one for one in (file, plot, arrays) if one is not None])
    if result.all_failed:
        raise typer.Exit(1)  # the app has come to its end, with nothing that a node has computed


def _places(on: str) -> list[str]:
    places = [name.strip() for name in on.split(",")]
    if not all(places):
        raise typer.BadParameter(f"{on!r} has an empty name; write them as in oslo,lima", param_hint="--on")
    if len(set(places)) != len(places):
        raise typer.BadParameter(f"{on!r} names a place twice", param_hint="--on")
    return places


def _require_writable(plot: Path | None, file: Path | None, arrays: Path | None, log: Path | None) -> None:
    """Hours of training should not end with a folder that is not there."""
    import os

    from agents.cli.errors import FileUnusable
    from federated.plotting import require_picture

    if plot is not None:
        try:
            require_picture(plot)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--plot") from None
    if arrays is not None and arrays.suffix.lower() != ".npz":
        raise typer.BadParameter(f"arrays are written to a file.npz, and not to {arrays}", param_hint="--arrays")
    for path in (plot, file, arrays, log):
        if path is None:
            continue
        if path.is_dir():
            raise FileUnusable(path, "it is a folder")
        if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise FileUnusable(path, "it cannot be written there")


@contextmanager
def _nodes(
    home: HomeFolder, address: str | None, deadline: Deadline, output: Format, places: Sequence[str]
) -> Iterator[NodeLink]:
    from agents.cli.reaching import connected
    from federated.linking import PlatformNodes

    with connected(home, address, deadline, output) as platform:
        yield PlatformNodes(platform, places)


def _journal(
    path: Path | None,
    bundle: AppBundle,
    settings: Mapping[str, Any],
    seed: int | None,
    places: Sequence[str],
    dataset: str | None,
) -> AbstractContextManager[RoundJournal | None]:
    """With other nodes, too, it is another run."""
    from federated.journal import RoundJournal, run_digest

    if path is None:
        return nullcontext(None)
    of = json.dumps({"settings": dict(settings), "nodes": list(places), "dataset": dataset}, sort_keys=True)
    return RoundJournal(path, run_digest(bundle.digest, of.encode("ascii"), seed or 0))


def _late(error: Exception, deadline: Deadline, journal: Path | None) -> Exception:
    """What ended it for want of time has the exit code of that."""
    from agents.cli.platform_errors import CommandTimedOut
    from federated.apperrors import ServerAppFailed

    if not (isinstance(error, ServerAppFailed) and not error.kind and deadline.is_over):
        return error
    kept = "With --journal FILE it could go on." if journal is None else f"It goes on with --journal {journal}"
    return CommandTimedOut(deadline.seconds, state=f"The run was ended. {kept}")


def _write(result: RunResult, plot: Path | None, file: Path | None, arrays: Path | None) -> None:
    if file is not None:
        file.write_text(result.to_json() + "\n", encoding="utf-8")
    if arrays is not None:
        result.save_arrays(arrays)
    if plot is not None:
        result.plot(plot)


def _show(screen: Screen, result: RunResult, files: Sequence[Path]) -> None:
    from federated.cli.watching import metrics_line

    tally = result.tally
    recalled = f", {tally.recalled} of them from the journal" if tally.recalled else ""
    if result.all_failed:
        screen.line(f"Ended after {result.seconds:.1f} s without a single answer; nothing was learned", "bold red")
    else:
        screen.line(f"Done after {result.seconds:.1f} s: {count(len(result.nodes), 'node')}", "bold")
    screen.pairs(
        [
            ("app", result.app),
            ("strategy", result.strategy or "none of Flower's"),
            ("nodes", ", ".join(result.nodes)),
            *((f"not {node}", why) for node, why in result.refused.items()),
            ("messages", f"{tally.asked + tally.recalled}{recalled}, {tally.failed} failed"),
            ("bytes", f"{amount(tally.sent)} sent, {amount(tally.received)} received"),
            *(_last(phase, by_round, metrics_line) for phase, by_round in result.metrics.items() if by_round),
            *(("written", str(one)) for one in files),
        ]
    )
    for node, kind, group, reason in result.failures[-5:]:
        screen.line(f"  failed: {node}, {kind}{group and ' of group '}{group}: {reason}", "yellow")
    if len(result.failures) > 5:
        screen.line(f"  and {len(result.failures) - 5} failures before these")


def _last(phase: str, by_round: Mapping[int, Mapping[str, Any]], line: Any) -> tuple[str, str]:
    number = max(by_round)
    return phase, f"round {number}: {line(by_round[number])}"
