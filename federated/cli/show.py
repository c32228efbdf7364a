"""``sojourn fl show``: what is in an app, before an owner lets it in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from agents.cli.home import HomeFolder
from agents.cli.options import Format, FormatOption, HomeOption, StoreOption
from agents.cli.screen import Screen, amount, write_json
from federated.cli.opening import AppArgument

if TYPE_CHECKING:
    from federated.app import AppBundle

__all__ = ["show_app"]


def show_app(
    app: AppArgument,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Show what an app is made of: its digest, which a policy lists, its author, files and settings. Nothing is run."""
    from federated.cli.opening import app_at

    bundle = app_at(app)
    signature = _signature(bundle, HomeFolder.of(home, store))
    config = bundle.config
    files = [
        {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in bundle.files.items()
    ]
    if output is Format.JSON:
        write_json(
            {
                "app": f"{config.publisher}/{config.name}",
                "version": config.version,
                "digest": bundle.digest,
                **signature,
                "serverapp": config.serverapp,
                "clientapp": config.clientapp,
                "dependencies": list(config.dependencies),
                "settings": {name: _settable(value) for name, value in config.settings.items()},
                "files": files,
            }
        )
        return
    screen = Screen()
    screen.line(f"{config.publisher}/{config.name} {config.version}", "bold")
    screen.pairs(
        [
            ("digest", bundle.digest),
            ("author", _told(signature)),
            ("server", config.serverapp),
            ("client", config.clientapp),
            ("needs", ", ".join(config.dependencies) or "nothing"),
        ]
    )
    screen.heading("settings")
    screen.pairs([(name, repr(value)) for name, value in config.settings.items()] or [("none", "")])
    screen.heading("files")
    screen.table(("path", "size", "SHA-256"), [(one["path"], amount(len(bundle.files[str(one["path"])])), one["sha256"])
                                               for one in files])  # fmt: skip
    screen.line()
    screen.line(f'In a policy:  digests = ["{bundle.digest}"]')
    if bundle.author is not None:
        screen.line(f'or all apps of this author:  signers = ["{bundle.author}"]')


def _settable(value: Any) -> Any:
    """A setting may be infinite, which JSON cannot be."""
    return str(value) if value in (float("inf"), float("-inf")) else value


def _signature(bundle: AppBundle, home: HomeFolder) -> dict[str, Any]:
    """Who has signed it, as far as it can be told here."""
    from federated.app import verify_app
    from mobility.trust.errors import TrustError

    if bundle.author is None:
        return {"signed": False, "author": None, "verified": None, "name": None, "problem": None}
    try:
        verified = verify_app(bundle.to_bytes(), home.store())
    except TrustError as error:
        problem = f"{error.slug}: {error.reason}"
        return {"signed": True, "author": bundle.author, "verified": False, "name": None, "problem": problem}
    named = verified.author.name
    return {"signed": True, "author": bundle.author, "verified": True, "name": named, "problem": None}


def _told(signature: dict[str, Any]) -> str:
    if not signature["signed"]:
        return "nobody has signed it"
    if signature["verified"]:
        return f"{signature['name']} (key {signature['author']}), and the signature holds"
    return f"says it is the key {signature['author']}, which is not verified here ({signature['problem']})"
