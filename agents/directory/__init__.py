"""Who owns which agent at which epoch: the ledger on disk, by one process for all places.

======================================  ============================================================================
`Directory`                             the ledger, the places and their leases, names, outcomes     `directory`
`Member`, `Registration`, `Renewed`       what it says of places                                       `records`
`Entry`, `Info`                         what it says of agents                                       `records`
`Ending`, `EndingKind`                  what it says of those whose ends are waited for              `_endings`
`DirectoryError`                        what it raises; a tree                                       `errors`
======================================  ============================================================================
"""

from agents.directory._endings import Ending, EndingKind
from agents.directory.directory import Directory
from agents.directory.errors import (
    AgentNameTaken,
    DirectoryDiskFull,
    DirectoryError,
    DirectoryInUse,
    DirectoryNewer,
    DirectoryUnusable,
    NotRegistered,
    PlaceKeyChanged,
    WriterOver,
)
from agents.directory.records import Entry, Info, Member, Registration, Renewed

__all__ = [
    "Directory",
    "DirectoryDiskFull",
    "DirectoryError",
    "DirectoryInUse",
    "DirectoryNewer",
    "DirectoryUnusable",
    "Ending",
    "EndingKind",
    "Entry",
    "Info",
    "Member",
    "AgentNameTaken",
    "NotRegistered",
    "PlaceKeyChanged",
    "Registration",
    "Renewed",
    "WriterOver",
]
