"""The TOML file of a place as a whole: each of its tables is read where its form is known."""

from __future__ import annotations

from pathlib import Path

from agents.declared import read_environment_file
from agents.extensions import check_extension_tables
from agents.resources import read_resource_file
from agents.services import read_service_file

__all__ = ["check_place_file"]


def check_place_file(path: Path) -> None:
    """Read all of it, so that a mistake shows before anything is started.

    Raises
    ------
    ResourceFileInvalid, ExtensionUnusable
    mobility.errors.MobilityError
        What an extension says of its table.
    """
    read_resource_file(path)
    read_service_file(path, "this machine")
    read_environment_file(path)
    check_extension_tables(path)
