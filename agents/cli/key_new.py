"""``sojourn key new``: make a key of your own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import Format, FormatOption, HomeOption, KeyRole, PassphraseFileOption, StoreOption
from agents.cli.screen import Screen, write_json

__all__ = ["KeyRole", "key_new"]


def key_new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What to call it: letters, digits and ._@+-", show_default=False)
    ],
    role: Annotated[KeyRole, typer.Option("--role", help="Whether it signs agents, or moves.")] = KeyRole.OWNER,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Protect it; asks twice.")] = False,
    passphrase_file: PassphraseFileOption = None,
    trust: Annotated[bool, typer.Option("--trust/--no-trust", help="Put it into your own trust store too.")] = True,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Make a key: a secret file for you alone, and a public one to hand out. Nothing is overwritten."""
    from agents.cli.passphrase import new_passphrase
    from mobility.trust import Identity, TrustEntry
    from mobility.trust.errors import KeyFileExists

    place = HomeFolder.of(home, store)
    try:
        identity = Identity.generate(name, role.value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    secret, public = place.key_file(name), place.public_file(name)
    for path in (secret, public):
        if path.exists():
            raise KeyFileExists(path, "is there already")
    trusted = place.store()
    if trust:  # found out before there is a key, not after
        trusted.current().trusting(TrustEntry(identity.public, name, (identity.public.role,)))
    phrase = new_passphrase(passphrase, passphrase_file)
    place.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity.save(secret, phrase)
    _write_new(public, identity.public.to_bytes())
    version = None
    if trust:
        trusted.trust(identity.public)
        version = trusted.version
    if output is Format.JSON:
        write_json(
            {
                "name": name,
                "role": role.value,
                "key_id": identity.key_id,
                "key_file": str(secret),
                "public_file": str(public),
                "protected": phrase is not None,
                "trusted": trust,
                "store": str(place.trust_folder) if trust else None,
                "store_version": version,
            }
        )
        return
    screen = Screen()
    screen.line(f"{role}:{name}  {identity.key_id}")
    screen.pairs(
        [
            ("secret key", f"{secret} ({'under a passphrase' if phrase else 'without a passphrase'})"),
            ("public key", f"{public} (hand this one out)"),
            ("trusted here", f"yes, in {place.trust_folder}, version {version}" if trust else "no (--no-trust)"),
        ]
    )


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that must not be there yet; half a file is taken away again."""
    with open(path, "xb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
