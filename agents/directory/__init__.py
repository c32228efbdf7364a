"""Who owns which agent at which epoch: the ledger on disk, by one process for all places.

======================================  ============================================================================
`Directory`                             the ledger, the places and their leases, names, outcomes     `directory`
`Member`, `Registered`, `Renewed`       what it says of places                                       `records`
`Entry`, `Info`                         what it says of agents                                       `records`
`DirectoryError`                        what it raises; a tree                                       `errors`
======================================  ============================================================================
"""

from agents.directory.directory import Directory
from agents.directory.errors import (
    DirectoryDiskFull,
    DirectoryError,
    DirectoryInUse,
    DirectoryNewer,
    DirectoryUnusable,
    NameTaken,
    NotRegistered,
    PlaceKeyChanged,
    WriterOver,
)
from agents.directory.records import Entry, Info, Member, Registered, Renewed

__all__ = [
    "Directory",
    "DirectoryDiskFull",
    "DirectoryError",
    "DirectoryInUse",
    "DirectoryNewer",
    "DirectoryUnusable",
    "Entry",
    "Info",
    "Member",
    "NameTaken",
    "NotRegistered",
    "PlaceKeyChanged",
    "Registered",
    "Renewed",
    "WriterOver",
]
