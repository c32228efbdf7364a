"""Who signed what, and whether it may come in: keys, envelopes, trust lists, the chain of hops, sealing.

===================  ==================================================================================
`Identity`           an owner or a place: signs, and can be sealed to; `PublicIdentity` is its public part
`TrustStore`         whom a place trusts, as what, and how long; in a folder (`TrustList`: without files)
`Envelope`           a signed body; `verify` makes the `VerifiedEnvelope` from which alone a body is read
`BirthCertificate`   what the owner signs, once
`Passport`           birth certificate and hops (`HopRecord`); `verify` makes a `VerifiedPassport`
`itinerary`          the module of what an owner may sign about an agent's way; `walk`: what is left of it
`seal`, `unseal`     a stream for one recipient
`Limits`             how much is accepted
===================  ==================================================================================

What is claimed: altered, stale, misdirected and untrusted messages are refused before anything in them is decoded. Not
claimed: that what a trusted party signed is harmless, or that a host which misbehaves is prevented from it.
"""

from mobility.trust.certificate import BirthCertificate, VerifiedCertificate, verify_certificate
from mobility.trust.envelope import Envelope, Signature, VerifiedEnvelope
from mobility.trust.errors import TrustError
from mobility.trust.keys import Identity, PublicIdentity, Role
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.passport import Passport, VerifiedPassport
from mobility.trust.records import HopRecord
from mobility.trust.sealing import seal, unseal
from mobility.trust.store import TrustStore
from mobility.trust.trustlist import TrustedKey, TrustEntry, TrustList, TrustSource

__all__ = [
    "DEFAULT_LIMITS",
    "BirthCertificate",
    "Envelope",
    "HopRecord",
    "Identity",
    "Limits",
    "Passport",
    "PublicIdentity",
    "Role",
    "Signature",
    "TrustEntry",
    "TrustError",
    "TrustList",
    "TrustSource",
    "TrustStore",
    "TrustedKey",
    "VerifiedCertificate",
    "VerifiedEnvelope",
    "VerifiedPassport",
    "seal",
    "unseal",
    "verify_certificate",
]
