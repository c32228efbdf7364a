"""What is said to a data node, and what it answers: plain data as bytes, so that any transport can carry it.

==================  ==========================================================  =====================================
request             fields                                                      answer
==================  ==========================================================  =====================================
``admit``           run, dataset, bundle, settings, number, of                  ``admitted`` or ``refused``
``roster``          run, dataset, app, roster                                   ``endorsed``
``endorsements``    run, dataset, app, endorsements                             ``seated``
``vouch``           run, dataset, app, round, active, dead                      ``vouched``
``evidence``        run, dataset, app, round, statements                        ``seated``
``message``         run, dataset, app, message, seconds                         ``reply``, or ``unknown``: admit first
``end``             run, dataset, app                                           ``ended``
``query``           dataset, id, query, noise                                   ``answered`` or ``refused``
==================  ==========================================================  =====================================

A message is one of Flower's as plain data; see `federated._flower.records`. An answer ``admitted`` has ``least``,
``seat`` and ``roster`` beside, if the dataset demands a roster; who takes part is then settled by ``roster`` and
``endorsements``, and ``vouch`` and ``evidence`` carry what nodes sign for each other in secure aggregation: see
`federated.seating`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from federated.apperrors import NodeUnreachable, RecordsRefused
from mobility.plain import PlainInvalid, PlainLimits, decode, encode

__all__ = [
    "FailureCode",
    "error_reply",
    "message_problem",
    "node_number",
    "pack_message",
    "read_answer",
    "read_request",
]

_ADMIT_BYTES: Final = 1 << 20


class FailureCode(IntEnum):
    """Flower's numbers of what can go wrong with one message."""

    UNKNOWN = 0
    CANNOT_LOAD = 1
    RAISED = 2
    UNAVAILABLE = 3
    NO_REPLY = 4
    NODE_UNAVAILABLE = 5
    PRECONDITION = 6
    INVALID_APP = 7
    CRASHED = 8


def node_number(name: str) -> int:
    """By which Flower knows a node: the same in each run, so that a run can be resumed; 0 and 1 are taken."""
    number = int.from_bytes(hashlib.sha256(f"sojourn node {name}".encode()).digest()[:8]) >> 1
    return number if number > 1 else number + 2


def error_reply(message: Mapping[str, Any], code: FailureCode, reason: str) -> dict[str, Any]:
    """The answer to a message that has no other."""
    return {
        "type": message["type"],
        "group": message["group"],
        "ttl": message["ttl"],
        "id": "",
        "reply_to": message["id"],
        "run": message["run"],
        "from": message["to"],
        "to": message["from"],
        "error": [int(code), reason],
    }


def pack_message(do: str, **parts: Any) -> bytes:
    """A request, or an answer.

    Raises
    ------
    NotPlain
    """
    return encode({"do": do, **parts}, name="message")


_VISIT: Final[dict[str, type | tuple[type, ...]]] = {"run": int, "dataset": (str, type(None)), "app": str}
_REQUESTS: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "admit": {
        "run": int,
        "dataset": (str, type(None)),
        "bundle": bytes,
        "settings": dict,
        "number": int,
        "of": int,
    },
    "message": {"run": int, "dataset": (str, type(None)), "app": str, "message": dict, "seconds": float},
    "end": {"run": int, "dataset": (str, type(None)), "app": str},
    "roster": {**_VISIT, "roster": bytes},
    "endorsements": {**_VISIT, "endorsements": list},
    "vouch": {**_VISIT, "round": str, "active": list, "dead": list},
    "evidence": {**_VISIT, "round": str, "statements": list},
    "query": {"dataset": (str, type(None)), "id": str, "query": dict, "noise": (dict, type(None))},
}
_ANSWERS: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "admitted": {"dataset": str, "least": int, "seat": bytes, "roster": bytes},
    "endorsed": {"endorsement": bytes},
    "seated": {},
    "vouched": {"statement": bytes},
    "refused": {"why": str, "reason": str},
    "reply": {"message": dict},
    "unknown": {},
    "ended": {},
    "answered": {"dataset": str, "result": dict},
}
#: Where no roster is demanded an answer has none of them.
_OPTIONAL: Final = frozenset({"least", "seat", "roster"})
_HEADER: Final[dict[str, type]] = {
    "type": str,
    "group": str,
    "ttl": float,
    "id": str,
    "reply_to": str,
    "run": int,
    "from": int,
    "to": int,
}


def read_request(data: bytes, limits: PlainLimits) -> dict[str, Any]:
    """A request as it must be.

    Raises
    ------
    RecordsRefused
        If it is of another form.
    """
    try:
        value = decode(data, limits=limits)
    except PlainInvalid as error:
        raise RecordsRefused(f"the request is no plain data: {error.reason}", remedy="") from None
    problem = _problem(value, _REQUESTS)
    if problem:
        raise RecordsRefused(f"the request is of no known form: {problem}", remedy="")
    return dict(value)


def read_answer(data: bytes, node: str, limits: PlainLimits) -> dict[str, Any]:
    """An answer as it must be.

    Raises
    ------
    NodeUnreachable
        If it is of another form: who answers so is no node.
    """
    try:
        value = decode(data, limits=limits)
    except PlainInvalid as error:
        raise NodeUnreachable(node, f"its answer is no plain data: {error.reason}") from None
    problem = _problem(value, _ANSWERS)
    if problem:
        raise NodeUnreachable(node, f"its answer is of no known form: {problem}")
    return dict(value)


def _problem(value: Any, forms: Mapping[str, Mapping[str, type | tuple[type, ...]]]) -> str:
    if type(value) is not dict or type(value.get("do")) is not str or value["do"] not in forms:
        return "it does not say what it is"
    form = forms[value["do"]]
    left_out = form.keys() - value.keys()
    if not value.keys() <= form.keys() | {"do"} or (left_out and (forms is _REQUESTS or left_out != _OPTIONAL)):
        return f"{value['do']} has other fields"
    for name, kind in form.items():
        if name in left_out:
            continue
        if not isinstance(value[name], kind) or (kind is int and isinstance(value[name], bool)):
            return f"{name} is a {type(value[name]).__name__}"
    message = value.get("message")
    return "" if message is None else message_problem(message)


def message_problem(message: Mapping[str, Any]) -> str:
    """What is wrong with the header of a message; nothing, if it is empty."""
    if not _HEADER.keys() < message.keys() or not message.keys() - _HEADER.keys() <= {"content", "error"}:
        return "a message has other fields"
    for name, kind in _HEADER.items():
        if type(message[name]) is not kind:
            return f"{name} of a message is a {type(message[name]).__name__}"
    if ("content" in message) == ("error" in message):
        return "a message has either content or an error"
    return ""
