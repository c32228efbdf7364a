"""The key with which this user launches agents, and the folder where it is.

``$SOJOURN_HOME``, else the platform's usual folder for configuration; the command line uses the same.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobility.trust import Identity

__all__ = ["OWNER", "own_identity", "usual_home"]  # start-up of the command line: nothing heavy is imported here

#: Name of the key that is made when there is none.
OWNER = "owner"


def usual_home() -> Path:
    """``$SOJOURN_HOME``, else the platform's folder for configuration (on Linux: XDG Base Directory Specification)."""
    given = os.environ.get("SOJOURN_HOME")
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "sojourn"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "sojourn"
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "")
    # A relative one is to be ignored, says the specification.
    return (base if base.is_absolute() else Path.home() / ".config") / "sojourn"


def own_identity(home: Path) -> Identity:
    """The key ``owner`` of a home folder; made, without a passphrase, if it is not there.

    A folder that cannot be written to gives a key for this process alone.

    Raises
    ------
    mobility.trust.TrustError
        If there is one and it cannot be used.
    """
    from mobility.errors import MobilityError
    from mobility.trust import Identity

    file = home / "keys" / f"{OWNER}.key"
    if file.exists():
        return Identity.load(file)
    identity = Identity.generate(OWNER, "owner")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        identity.save(file)
        file.with_suffix(".pub").write_bytes(identity.public.to_bytes())
    except OSError:
        return identity
    except MobilityError:  # somebody else has made it at the same moment
        return Identity.load(file)
    return identity
