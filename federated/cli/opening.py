"""What APP names on a command line: a folder, a Flower App Bundle, or a signed bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from agents.cli.home import HomeFolder, existing_file

if TYPE_CHECKING:
    from federated.app import AppBundle

__all__ = ["AppArgument", "app_at", "trusted_app"]

AppArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="APP", help="A Flower app: its folder, a .fab file, or a signed bundle.", show_default=False
    ),
]
_SIGNED: Final = b"SJA1"


def app_at(path: Path) -> AppBundle:
    """The app there, to be looked at; a signature is not checked.

    Raises
    ------
    FileMissing, FileUnusable, ExtraMissing, AppInvalid, AppAltered
    """
    from federated.app import AppBundle
    from federated.extras import require_extra

    if path.is_dir():
        require_extra("an app in a folder", "flwr", "federated")
        return AppBundle.from_dir(path)
    data = _content(path)
    return AppBundle.from_bytes(data) if data.startswith(_SIGNED) else AppBundle.from_fab(data)


def trusted_app(path: Path, home: HomeFolder) -> AppBundle:
    """The app there, to be run: its server part runs on this machine, so who has signed it must be trusted here.

    What is not signed is your own.

    Raises
    ------
    FileMissing, FileUnusable, ExtraMissing, AppInvalid, AppAltered, mobility.trust.TrustError
    """
    from federated.app import verify_app

    if path.is_dir():
        return app_at(path)
    data = _content(path)
    if not data.startswith(_SIGNED):
        return app_at(path)
    return verify_app(data, home.store()).bundle


def _content(path: Path) -> bytes:
    from agents.cli.errors import FileUnusable
    from federated.fab import AppLimits

    # More than a bundle of the most that is allowed has; what it is, is seen by whoever reads it.
    limits = AppLimits()
    most = max(limits.fab_bytes, 2 * limits.total_bytes)
    try:
        with open(existing_file(path), "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise FileUnusable(path, error.strerror or str(error)) from None
    if len(data) > most:
        raise FileUnusable(path, f"it has more than {most} bytes, and is no app")
    return data
