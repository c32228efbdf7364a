"""What nodes sign for each other in a round of secure aggregation, since the server that carries it is not believed.

A *voucher* says which public keys a node's app has made, for which setup; a *consent*, what the node has seen of the
round when shares are asked for. Both name run, app and round, so that none counts in another one.
"""

from __future__ import annotations

import hashlib
import re
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
_KEY_ID: Final = Text(re.compile("[0-9a-f]{64}"), least=64, most=64)


@dataclass(frozen=True, slots=True)
class _Voucher:
    run: str
    app: bytes
    round: bytes
    key: str
    number: bytes
    keys: bytes
    parameters: bytes


@dataclass(frozen=True, slots=True)
class _Consent:
    run: str
    app: bytes
    round: bytes
    key: str
    statement: bytes


_OF_ROUND: Final[dict[str, Schema[Any]]] = {
    "run": Text(most=128),
    "app": Hexadecimal(32),
    "round": Hexadecimal(32),
    "key": _KEY_ID,
}
_VOUCHER: Final = Record(
    _Voucher,
    {**_OF_ROUND, "number": Hexadecimal(8), "keys": Hexadecimal(32), "parameters": Hexadecimal(32)},
    constants={"version": 1},
)
_CONSENT: Final = Record(_Consent, {**_OF_ROUND, "statement": Hexadecimal(32)}, constants={"version": 1})


def _named(round_name: str) -> bytes:
    return hashlib.sha256(round_name.encode()).digest()


def sign_voucher(node: Identity, roster: CheckedRoster, round_name: str, vouched: VouchedKeys) -> Envelope:
    """Say which public keys are this node's in a round."""
    number = vouched.number.to_bytes(8)
    body = _Voucher(roster.run, roster.app, _named(round_name), node.key_id, number, vouched.keys, vouched.parameters)
    return Envelope.sign(_VOUCHER_TYPE, write_canonical(body, _VOUCHER), node)


def sign_consent(node: Identity, roster: CheckedRoster, round_name: str, statement: bytes) -> Envelope:
    """Say what this node has seen of a round."""
    body = _Consent(roster.run, roster.app, _named(round_name), node.key_id, statement)
    return Envelope.sign(_CONSENT_TYPE, write_canonical(body, _CONSENT), node)


def read_voucher(
    data: bytes, roster: CheckedRoster, round_name: str, trust: TrustSource, now: float
) -> VouchedKeys | None:
    """What a node on the roster has said; None for what is no such statement of one, which counts for nothing."""
    try:
        key, body = _signed(data, _VOUCHER_TYPE, roster, trust, now)
        voucher = parse_strict(body, _VOUCHER)
    except TrustError:
        return None
    if (voucher.run, voucher.app, voucher.round, voucher.key) != (roster.run, roster.app, _named(round_name), key):
        return None
    return VouchedKeys(int.from_bytes(voucher.number), key, voucher.keys, voucher.parameters)


def read_consent(
    data: bytes, roster: CheckedRoster, round_name: str, trust: TrustSource, now: float
) -> tuple[str, bytes] | None:
    """Whose consent it is, and the statement; None for what counts for nothing."""
    try:
        key, body = _signed(data, _CONSENT_TYPE, roster, trust, now)
        consent = parse_strict(body, _CONSENT)
    except TrustError:
        return None
    if (consent.run, consent.app, consent.round, consent.key) != (roster.run, roster.app, _named(round_name), key):
        return None
    return key, consent.statement


def _signed(data: bytes, kind: str, roster: CheckedRoster, trust: TrustSource, now: float) -> tuple[str, bytes]:
    trusted = trust.current()
    verified = verify_by_known(Envelope.from_bytes(data), trusted, kind, DEFAULT_LIMITS)
    key = trusted.lookup(verified.signers[0].key_id, Role.PLACE, now, None)
    if key.key_id not in {one.key_id for one in roster.participants}:
        return "", verified.body
    return key.key_id, verified.body
