"""The agent of a tour: it goes to where the data is, asks the data node there, and adds up what it answers.

It brings no code to the data, and no key along: what it hands over was signed before it left, several times for each
place, since a data node takes a signed request once, and a place may be killed in the middle of an answer. The query
has one id, so the node answers it once, however often it comes.

Not handled: what the places that it visits can see of it. Each of them sees the sums of those before, and could make
the requests that the agent still has to make: of single answers it may see more than whoever sent the agent.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from agents import Here, agent, hop, request, sleep
from agents.errors import AgentsError, MoveFailed, UnknownPlace
from federated.pooling import add_answer, new_pool
from mobility.errors import MobilityError
from mobility.plain import PlainInvalid, decode

__all__ = ["touring"]


def answered(data: Any) -> tuple[dict[str, Any] | None, tuple[str, str] | None]:
    """What a data node has answered: its answer, or why not."""
    try:
        answer = decode(data) if type(data) is bytes else None
    except PlainInvalid:
        answer = None
    if type(answer) is dict and answer.get("do") == "answered" and type(answer.get("result")) is dict:
        return answer, None
    if type(answer) is dict and answer.get("do") == "refused":
        return None, (str(answer.get("why", "refused")), str(answer.get("reason", "")))
    return None, ("no-data-node", "what answers there is no data node")


def cause(error: MobilityError) -> tuple[str, str]:
    """The slug of an error, and its text."""
    return getattr(error, "why", None) or error.slug, getattr(error, "reason", str(error))


@agent
def touring(here: Here, terms: dict[str, Any]) -> Generator[Any, Any, dict[str, Any]]:
    """Visit the places of `terms`, and give plain data: the pool, and how each place fared."""
    pool = new_pool(terms["cells"], terms["parts"])
    sites, refused, single = [], [], {}
    left, later, ended = list(terms["places"]), [], False
    tries_until = None
    while left and not ended:
        place = left.pop(0)
        why: tuple[str, ...] | None = None
        if here.name != place:
            try:
                here = yield hop(place)
            except (MoveFailed, UnknownPlace) as error:
                why = cause(error)
                if why[0] == "place-unreachable" and (tries_until is None or time.time() < tries_until):
                    later.append(place)  # it may be back when the others have been visited
                    why = ()
        if why is None:
            why = ("not-answered", "no signed request is left for it")
            for signed in terms["requests"][place]:
                try:
                    data = yield request(place, terms["service"], signed, timeout=terms["seconds"])
                    answer, why = answered(data)
                except (AgentsError, MobilityError) as error:
                    answer, why = None, cause(error)
                if answer is not None:
                    try:
                        add_answer(pool, answer["result"])
                    except ValueError as error:
                        why = ("no-answer", str(error))
                    else:
                        told = {key: value for key, value in answer["result"].items() if key != "cells"}
                        sites.append([place, answer["dataset"], told])
                        if terms["by_site"]:
                            single[place] = answer["result"]
                    break
                if why is not None and why[0] not in ("replayed", "closed"):
                    break  # those alone are about this request, and not about the query
        if why:
            refused.append([place, why[0], why[1]])
            ended = terms["refusal"] == "end"
        if not left and later and not ended:
            if tries_until is None:
                tries_until = time.time() + terms["patience"]
            else:
                yield sleep(0.5)
            left, later = later, []
    if here.name != terms["home"]:
        try:
            here = yield hop(terms["home"])
        except (MoveFailed, UnknownPlace) as error:
            here.log(f"the way home is closed: {error}")  # what it has found is kept wherever it ends
    return {"pool": pool, "sites": sites, "refused": refused, "single": single}
