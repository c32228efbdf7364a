"""The state diagrams of the documentation, drawn from the tables.

``python -m agents.handoff.diagram`` prints them; ``python -m agents.handoff.diagram docs/handoff.md`` puts them where
the document has their marks, and ``--check`` only says whether they are current.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from agents.handoff.courier import COURIER_TABLE, CourierState
from agents.handoff.ledger import (
    NEVER,
    Fence,
    Finish,
    Granted,
    Holder,
    Release,
    Request,
    Restore,
    Row,
    Status,
    Take,
    decide,
)
from agents.handoff.table import TABLE
from agents.handoff.visit import State

__all__ = ["DIAGRAMS", "courier_diagram", "directory_diagram", "inserted", "visit_diagram"]

_State = TypeVar("_State", State, CourierState)


def _mermaid(edges: Iterable[tuple[str, str, str]], first: str, last: Sequence[str]) -> str:
    """One arrow for each pair of states, with all the events that lead from one to the other."""
    labels: dict[tuple[str, str], list[str]] = {}
    for source, target, label in edges:
        known = labels.setdefault((source, target), [])
        if label not in known:
            known.append(label)
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {source} --> {target}: {', '.join(known)}" for (source, target), known in labels.items()]
    lines += [f"    {state} --> [*]" for state in last]
    return "\n".join(lines)


def visit_diagram() -> str:
    """Of an agent at a place; events that change no state are left out."""
    edges = (
        (state.value, target.value, event.__name__)
        for (state, event), transition in TABLE.items()
        for target in _ordered(transition.targets, State)
        if target is not state
    )
    return _mermaid(edges, State.ABSENT.value, [State.ENDED.value])


def courier_diagram() -> str:
    """Of a message on its way; events that change no state are left out."""
    edges = (
        (state.value, target.value, event.__name__)
        for (state, event), (_, targets) in COURIER_TABLE.items()
        for target in _ordered(targets, CourierState)
        if target is not state
    )
    return _mermaid(edges, CourierState.NEW.value, [CourierState.DELIVERED.value, CourierState.FAILED.value])


def directory_diagram() -> str:
    """Of an agent's row: what `decide` makes of each kind of request, tried on a row of each status."""
    return _mermaid(_decisions(), "unknown", [Status.ENDED.value])


def _decisions() -> Iterator[tuple[str, str, str]]:
    here, there = Holder("here", "1"), Holder("there", "1")
    rows = [
        None,
        Row("a", 0, Status.HELD, here, 0, b"1"),
        Row("a", 0, Status.FROZEN, None, 0, b"1"),
        Row("a", 0, Status.ENDED, here, 0, b"1"),
    ]
    for row in rows:
        epoch = row.epoch if row is not None else NEVER
        requests: list[Request] = [
            Take("a", epoch, there, b"1" if row is not None and row.status is Status.FROZEN else b"2", b"1"),
            Restore("a", epoch, there, 0, b"1"),
            Fence("a", epoch, here, b"2"),
            Release("a", epoch, here, b"2"),
            Finish("a", epoch, here),
        ]
        for request in requests:
            after, answer = decide(row, request, _all_lease if not isinstance(request, Restore) else here.__ne__)
            if isinstance(answer, Granted) and after is not None:
                yield row.status.value if row is not None else "unknown", after.status.value, type(request).__name__


def _all_lease(holder: Holder) -> bool:
    return True


def _ordered(targets: frozenset[_State], states: type[_State]) -> list[_State]:
    return [state for state in states if state in targets]


#: By the name in the document's marks.
DIAGRAMS: Final[dict[str, Callable[[], str]]] = {
    "visit": visit_diagram,
    "directory": directory_diagram,
    "courier": courier_diagram,
}


def inserted(document: str) -> str:
    """The document with each diagram between its marks, ``<!-- diagram: NAME -->`` and ``<!-- end -->``.

    Raises
    ------
    ValueError
        If the marks of one are missing.
    """
    for name, draw in DIAGRAMS.items():
        pattern = re.compile(rf"(<!-- diagram: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        block = f"```mermaid\n{draw()}\n```\n"
        places = list(pattern.finditer(document))
        if len(places) != 1:
            raise ValueError(f"the document has {len(places)} places for the diagram {name}, and not one")
        (place,) = places
        document = document[: place.start()] + place[1] + block + place[2] + document[place.end() :]
    return document


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the diagrams, or put them into a document; 1 if ``--check`` finds it out of date."""
    parser = argparse.ArgumentParser(prog="python -m agents.handoff.diagram", description=__doc__)
    parser.add_argument("document", nargs="?", type=Path)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    if options.document is None:
        for name, draw in DIAGRAMS.items():
            print(f"%% {name}\n{draw()}\n")
        return 0
    before = options.document.read_text(encoding="utf-8")
    after = inserted(before)
    if options.check:
        return int(before != after)
    options.document.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
