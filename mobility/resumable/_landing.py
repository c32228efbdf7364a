"""Where a suspended generator goes on: the rest of each block around the suspension, peeled out of the body.

A loop becomes a single turn that ends where the interrupted one would have, whose ``else`` is the loop itself: so
``break`` and ``continue`` in the rest of the turn mean what they meant. A handler is entered by raising the exception
that it was handling; a ``finally`` by the very reason for which it was entered; a ``with`` without ``__enter__``.
After that first turn the restored generator runs the same code as one that never moved.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from mobility.resumable import _build as build
from mobility.resumable._core import (
    Block,
    Branch,
    For,
    Handler,
    Landing,
    Match,
    Node,
    Once,
    Plain,
    Suspension,
    TryExcept,
    TryFinally,
    TryStar,
    While,
    With,
    labels_in,
)

__all__ = ["REASONS", "land", "live_slots"]

#: How a ``finally`` is entered: by falling through, or by what leaves the body.
REASONS = ("fall", "raise", "return", "break", "continue")


def live_slots(block: Block, label: int) -> list[tuple[str, int]]:
    """Slots, outermost first, that hold what the landing at `label` needs; ``("f", n)`` is a ``finally``'s reason."""
    for node in block:
        if label not in node.labels:
            continue
        match node:
            case For(slot=slot, body=body) if label in labels_in(body):
                return [("i", slot), *live_slots(body, label)]
            case With(slot=slot, body=body):
                return [("m", slot), *live_slots(body, label)]
            case TryFinally(slot=slot, final=final) if label in labels_in(final):
                return [("f", slot), *live_slots(final, label)]
            case TryExcept(handlers=handlers):
                for handler in handlers:
                    if label in labels_in(handler.body):
                        return [("e", handler.slot), *live_slots(handler.body, label)]
        return next((live_slots(b, label) for b in node.blocks if label in labels_in(b)), [])
    return []


def land(block: Block, label: int, reasons: dict[int, str]) -> Block:
    """What remains of `block` for a generator suspended at `label`; `reasons` by the slot of each ``finally``."""
    index, node = next((i, n) for i, n in enumerate(block) if label in n.labels)
    return (*_land_in(node, label, reasons), *block[index + 1 :])


def _land_in(node: Node, label: int, reasons: dict[int, str]) -> Block:
    def rest(block: Block) -> Block:
        return land(block, label, reasons)

    match node:
        case Suspension():
            return (Landing(node.at, node),)
        case Branch() | Match():
            return rest(next(b for b in node.blocks if label in labels_in(b)))
        case While(body=body) if label in labels_in(body):
            return (Once(node.at, rest(body), (node,)),)
        case For(body=body) if label in labels_in(body):
            return (Once(node.at, rest(body), (replace(node, started=True, given=False, release=()),)),)
        case While() | For():
            return rest(node.orelse)
        case With(body=body):
            return (replace(node, body=rest(body), entered=True, release=()),)
        case TryStar(body=body) if label in labels_in(body):
            return (replace(node, body=rest(body)),)
        case TryStar():
            return rest(node.orelse)
        case TryFinally(body=body) if label in labels_in(body):
            return (replace(node, body=rest(body)),)
        case TryFinally(slot=slot, final=final):
            return (replace(node, body=(_left_by(reasons[slot], slot, node.at),), final=rest(final)),)
        case TryExcept(body=body) if label in labels_in(body):
            return (replace(node, body=rest(body)),)
        case TryExcept(orelse=orelse) if label in labels_in(orelse):
            return rest(orelse)
        case TryExcept(handlers=handlers):
            return (_handling(node, handlers, label, reasons),)
        case _:
            raise AssertionError(f"no landing in {type(node).__name__}")


def _handling(node: TryExcept, handlers: tuple[Handler, ...], label: int, reasons: dict[int, str]) -> TryExcept:
    handler = next(h for h in handlers if label in labels_in(h.body))
    again = build.place(ast.Raise(build.load(f".e{handler.slot}"), None), handler.at)
    entered = replace(handler, type=None, body=land(handler.body, label, reasons))
    return TryExcept(node.at, (Plain(handler.at, again),), (entered,), ())


def _left_by(reason: str, slot: int, at: ast.AST) -> Plain:
    """A body that leaves a ``try`` in the recorded way."""
    leave: ast.stmt
    match reason:
        case "raise":
            leave = ast.Raise(build.load(f".f{slot}"), None)
        case "return":
            leave = ast.Return(build.load(f".r{slot}"))
        case "break":
            leave = ast.Break()
        case "continue":
            leave = ast.Continue()
        case _:
            leave = ast.Pass()
    return Plain(at, build.place(leave, at))
