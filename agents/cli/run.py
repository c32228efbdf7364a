"""``sojourn run``: verify a bundle file, unpack it, and finish it in this process."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from agents.cli.home import HomeFolder, open_bundle
from agents.cli.options import (
    AsOption,
    BundleArgument,
    Format,
    FormatOption,
    HomeOption,
    IdentityOption,
    PassphraseFileOption,
    StoreOption,
)

__all__ = ["run_file"]


def run_file(
    file: BundleArgument,
    audience: AsOption = None,
    identity: IdentityOption = None,
    passphrase_file: PassphraseFileOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0,
            help="Give up after this time. Looked at between the steps of a generator; a step is never broken off.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Verify a bundle, then finish its agent here, in this process and with your rights: run only whom you trust.

    A generator goes on where it is suspended: each value that it yields is written, then what it returns. A function is
    called, and so is an object that can be called or has a method run().
    """
    from agents.cli.finishing import finish
    from mobility.bundle import receive, unpack

    if timeout is not None and not math.isfinite(timeout):
        raise typer.BadParameter("a number of seconds is wanted", param_hint="--timeout")
    place = HomeFolder.of(home, store)
    key = place.identity(identity, passphrase_file) if identity is not None else None
    trusted = place.store(place=audience)
    # Signatures are checked before the segments are read, and a sealed bundle is opened while it is.
    with open_bundle(file) as stream:
        verified = receive(stream, trusted, audience=audience, identity=key)
    finish(unpack(verified), output, timeout)
