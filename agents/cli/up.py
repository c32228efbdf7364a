"""``sojourn up``: start a local cluster with places, which goes on when the command has ended."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.home import HomeFolder, existing_file
from agents.cli.options import Format, FormatOption, HomeOption, PassphraseFileOption, TimeoutOption
from agents.cli.screen import Screen, write_json

if TYPE_CHECKING:
    from agents._ray._own import DetachedCluster
    from agents.cli.reaching import Deadline
    from agents.cli.run_folder import RunFolder
    from mobility.trust import Identity

__all__ = ["up"]


def up(
    places: Annotated[
        str, typer.Option("--places", metavar="NAMES", help="The places, with commas between; a node for each.")
    ] = "baku,oslo,lima",
    resources: Annotated[
        list[str] | None,
        typer.Option(
            "--resources",
            metavar="[PLACE=]FILE",
            help="A TOML file that says what every place offers, or that one. May be given several times.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            help="Where to keep agents and the log, so that they are there again after the next up.",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    timeout: TimeoutOption = 180.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Start Ray nodes on this machine with a place on each. They go on until `sojourn down`."""
    from agents._ray.cluster import place_names
    from agents.cli.reaching import Deadline, bounded_by, progress
    from agents.cli.run_folder import RunFolder

    begun, deadline = time.monotonic(), Deadline(timeout)
    folder = HomeFolder.of(home)
    names = place_names([name.strip() for name in places.split(",")])
    files = _resource_files(resources or [], names)
    owner = folder.launching_key(None, passphrase_file)
    run = RunFolder(folder.folder)
    with run.turn():
        held = run.held()
        if held is not None:
            from agents.cli.platform_errors import AlreadyUp

            raise AlreadyUp(held.address, held.places)
        if run.left() is not None:
            progress("an earlier cluster did not end by sojourn down; what it left is removed")
            run.clear()
        with bounded_by(Deadline(deadline.left() + 30.0), output):
            started = _start(run, names, files, deadline)
            try:
                _open_places(started, folder, owner, files, state, deadline)
                run.decide({"owner": owner.key_id, "state": str(state.absolute()) if state is not None else None})
            except BaseException:
                _end(run, started)
                raise
    _tell(started, run, folder, owner, state, time.monotonic() - begun, output)


def _resource_files(given: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """By place, or ``*``: the file. All are read now, so that a mistake shows before anything is started."""
    from agents.placefile import check_place_file

    files: dict[str, Path] = {}
    for text in given:
        place, equals, path = text.partition("=")
        key, file = (place, path) if equals else ("*", text)
        if equals and place not in names:
            raise typer.BadParameter(f"{place} is none of the places {', '.join(names)}", param_hint="--resources")
        if key in files:
            raise typer.BadParameter(
                f"there are two files for {'every place' if key == '*' else key}", param_hint="--resources"
            )
        files[key] = existing_file(Path(file)).absolute()
        check_place_file(files[key])
    return files


def _start(run: RunFolder, names: tuple[str, ...], files: dict[str, Path], deadline: Deadline) -> DetachedCluster:
    from agents._ray._cluster_errors import ClusterStartFailed
    from agents._ray._own import start_detached
    from agents.cli.reaching import progress

    progress(f"starting {len(names)} Ray node{'s' if len(names) > 1 else ''}: {', '.join(names)}; a few seconds each")
    # Modules that a resource file names are looked for beside it, too.
    beside = dict.fromkeys(str(file.parent) for file in files.values())
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*beside, *filter(None, [before])])
    try:
        return start_detached(names, run.cluster_file, run.log_file, timeout=deadline.left())
    except ClusterStartFailed as error:
        if not deadline.is_over:
            raise
        from agents.cli.platform_errors import CommandTimedOut

        raise CommandTimedOut(deadline.seconds, state="What had been started was ended again.") from error
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _open_places(
    started: DetachedCluster,
    home: HomeFolder,
    owner: Identity,
    files: dict[str, Path],
    state: Path | None,
    deadline: Deadline,
) -> None:
    from agents.cli.reaching import progress, quiet
    from agents.starting import connect

    with quiet():
        os.environ["RAY_AUTH_MODE"] = started.auth  # before Ray is imported
        connect(
            started.address,
            place_files=files,
            owner=owner,
            state=state.absolute() if state is not None else None,
            home=home.folder,
            progress=progress,
            timeout=deadline.left(),
        ).close()


def _end(run: RunFolder, started: DetachedCluster) -> None:
    from agents.cli.down import end

    end(run, started, 20.0)


def _tell(
    started: DetachedCluster,
    run: RunFolder,
    home: HomeFolder,
    owner: Identity,
    state: Path | None,
    seconds: float,
    output: Format,
) -> None:
    if output is Format.JSON:
        write_json(
            {
                "address": started.address,
                "places": list(started.places),
                "pid": started.pid,
                "owner": owner.key_id,
                "state": str(state.absolute()) if state is not None else None,
                "log": str(run.log_file),
                "seconds": round(seconds, 3),
            }
        )
        return
    screen = Screen()
    screen.line(f"Up after {seconds:.1f} s: {', '.join(started.places)}")
    screen.pairs(
        [
            ("address", started.address),
            ("owner", f"{owner.public}, trusted by every place"),
            ("state", state.absolute() if state is not None else "ends with it; --state FOLDER would keep it"),
            ("log", run.log_file),
        ]
    )
    screen.line("Next: sojourn launch FILE:FUNCTION ARGS... --name NAME; at the end: sojourn down")
