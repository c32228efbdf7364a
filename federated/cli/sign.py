"""``sojourn fl sign``: sign an app, to be run by others or later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import Format, FormatOption, HomeOption, PassphraseFileOption
from agents.cli.screen import Screen, amount, count, write_json
from federated.cli.opening import AppArgument

__all__ = ["sign_app"]


def sign_app(
    app: AppArgument,
    file: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the bundle.", show_default=False)
    ],
    author: Annotated[
        str | None,
        typer.Option("--author", metavar="KEY", help="Your key that signs it; else the key owner.", show_default=False),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Sign a Flower app: the bundle has its files, and nodes see by its digest that nothing was changed."""
    from agents.cli.errors import FileUnusable
    from federated.cli.opening import app_at

    bundle = app_at(app)
    if file.exists():
        raise FileUnusable(file, "it is there already")
    signed = bundle.signed_by(HomeFolder.of(home).launching_key(author, passphrase_file))
    data = signed.to_bytes()
    with open(file, "xb") as opened:
        opened.write(data)
    if output is Format.JSON:
        write_json({"file": str(file), "digest": signed.digest, "author": signed.author, "bytes": len(data)})
        return
    screen = Screen()
    screen.line(f"Signed: {bundle.config.publisher}/{bundle.config.name} {bundle.config.version}")
    screen.pairs(
        [
            ("file", f"{file}, {amount(len(data))}, {count(len(signed.files), 'file')}"),
            ("digest", signed.digest),
            ("author", signed.author),
        ]
    )
