"""What nodes sign for each other in a round of secure aggregation, since the server that carries it is not believed.

A *voucher* says which public keys a node's app has made, for which setup; a *consent*, what the node has seen of the
round when shares are asked for. Both name run, app and round, so that none counts in another one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from federated.masking import VouchedKeys
from federated.roster import CheckedRoster
from mobility.trust.certificate import verify_by_known
from mobility.trust.envelope import Envelope
from mobility.trust.errors import TrustError
from mobility.trust.keys import Identity, Role
from mobility.trust.limits import DEFAULT_LIMITS
from mobility.trust.strict import Hexadecimal, Record, Schema, Text, parse_strict, write_canonical
from mobility.trust.trustlist import TrustSource

__all__ = ["read_consent", "read_voucher", "sign_consent", "sign_voucher"]

_VOUCHER_TYPE: Final = "application/vnd.sojourn.masking-keys.v1+json"
_CONSENT_TYPE: Final = "application/vnd.sojourn.masking-consent.v1+json"


@dataclass(frozen=True, slots=True)
class _Voucher:
    run: str
    app: bytes
    round: bytes
    number: bytes
    keys: bytes
    parameters: bytes


@dataclass(frozen=True, slots=True)
class _Consent:
    run: str
    app: bytes
    round: bytes
    statement: bytes


_OF_ROUND: Final[dict[str, Schema[Any]]] = {"run": Text(most=128), "app": Hexadecimal(32), "round": Hexadecimal(32)}
_VOUCHER: Final = Record(
    _Voucher,
    {**_OF_ROUND, "number": Hexadecimal(8), "keys": Hexadecimal(32), "parameters": Hexadecimal(32)},
    constants={"version": 1},
)
_CONSENT: Final = Record(_Consent, {**_OF_ROUND, "statement": Hexadecimal(32)}, constants={"version": 1})


def _of_round(roster: CheckedRoster, name: str) -> tuple[str, bytes, bytes]:
    return roster.run, roster.app, hashlib.sha256(name.encode()).digest()


def sign_voucher(node: Identity, roster: CheckedRoster, round_name: str, vouched: VouchedKeys) -> Envelope:
    """Say which public keys are this node's in a round."""
    of_round = _of_round(roster, round_name)
    body = _Voucher(*of_round, vouched.number.to_bytes(8), vouched.keys, vouched.parameters)
    return Envelope.sign(_VOUCHER_TYPE, write_canonical(body, _VOUCHER), node)


def sign_consent(node: Identity, roster: CheckedRoster, round_name: str, statement: bytes) -> Envelope:
    """Say what this node has seen of a round."""
    body = _Consent(*_of_round(roster, round_name), statement)
    return Envelope.sign(_CONSENT_TYPE, write_canonical(body, _CONSENT), node)


def read_voucher(
    data: bytes, roster: CheckedRoster, round_name: str, trust: TrustSource, now: float
) -> VouchedKeys | None:
    """What a node on the roster has said; None for what is no such statement of one, which counts for nothing."""
    try:
        key, body = _signed(data, _VOUCHER_TYPE, trust, now)
        voucher = parse_strict(body, _VOUCHER)
    except TrustError:
        return None
    if not _counts(roster, round_name, key, voucher):
        return None
    return VouchedKeys(int.from_bytes(voucher.number), key, voucher.keys, voucher.parameters)


def read_consent(
    data: bytes, roster: CheckedRoster, round_name: str, trust: TrustSource, now: float
) -> tuple[str, bytes] | None:
    """Whose consent it is, and the statement; None for what counts for nothing."""
    try:
        key, body = _signed(data, _CONSENT_TYPE, trust, now)
        consent = parse_strict(body, _CONSENT)
    except TrustError:
        return None
    return (key, consent.statement) if _counts(roster, round_name, key, consent) else None


def _signed(data: bytes, kind: str, trust: TrustSource, now: float) -> tuple[str, bytes]:
    trusted = trust.current()
    verified = verify_by_known(Envelope.from_bytes(data), trusted, kind, DEFAULT_LIMITS)
    return trusted.lookup(verified.signers[0].key_id, Role.PLACE, now, None).key_id, verified.body


def _counts(roster: CheckedRoster, round_name: str, key: str, said: _Voucher | _Consent) -> bool:
    listed = any(one.key_id == key for one in roster.participants)
    return listed and (said.run, said.app, said.round) == _of_round(roster, round_name)
