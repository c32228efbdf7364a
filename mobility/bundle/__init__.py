"""Code, data and execution state in one signed file.

=====================  ================================================================================
`Bundle`               as it travels; `verify` makes the `VerifiedBundle` from which alone it is unpacked
`receive`              the same from a stream, checked as it comes in
`pack`, `unpack`       from a unit to a bundle, and from a verified bundle to the unit
`Manifest`             what is in it: `SegmentEntry`, `SealedPart`, `Suspension`, needs
=====================  ================================================================================

What is claimed: what was altered, cut, swapped or left out, is stale or meant for somebody else is refused before
anything is decoded. Not claimed: that what a trusted party signed is harmless.
"""

from mobility.bundle.bundle import Bundle
from mobility.bundle.collecting import entry_of
from mobility.bundle.errors import BundleError
from mobility.bundle.manifest import Encoding, Manifest, SealedPart, SegmentEntry, SegmentKind, Suspension, UnitKind
from mobility.bundle.packing import Birth, Branch, needs_of, pack
from mobility.bundle.payload import Payload
from mobility.bundle.sealed import seal_context, sealed_payload
from mobility.bundle.streaming import receive
from mobility.bundle.unpacking import is_let_in, oldest_python_of, unpack, verdict_on
from mobility.bundle.verified import VerifiedBundle

__all__ = [
    "Birth",
    "Branch",
    "Bundle",
    "BundleError",
    "Encoding",
    "Manifest",
    "Payload",
    "SealedPart",
    "SegmentEntry",
    "SegmentKind",
    "Suspension",
    "UnitKind",
    "VerifiedBundle",
    "entry_of",
    "is_let_in",
    "needs_of",
    "oldest_python_of",
    "pack",
    "receive",
    "seal_context",
    "sealed_payload",
    "unpack",
    "verdict_on",
]
