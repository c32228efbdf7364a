"""The migration protocol, as pure machines: events in, effects out, no clock, no I/O.

====================  ==============================================================================================
`decide`, `Row`       the directory: who owns which agent at which epoch                          `ledger`
`Machine`, `Visit`    an agent at a place, from its arrival to its departure                      `visit`, `table`
`carry`, `Courier`    one message on its way to an agent that may move meanwhile                  `courier`
====================  ==============================================================================================

What they guarantee together, as long as leases are kept: (1) at most one copy of an agent runs, ever; (2) an agent is
not lost while a place that has it, or the checkpoint that this place has written, survives; (3) a message is processed
exactly once, in order per sender; (4) a move that fails leaves the agent running where it was. `agents.testing` tries
to break them.
"""

from agents.handoff.courier import Courier, CourierState, carry
from agents.handoff.events import Event, HandoffEffect
from agents.handoff.ledger import (
    NEVER,
    Answer,
    Denial,
    Denied,
    Fence,
    Finish,
    Granted,
    Holder,
    Release,
    Request,
    RequestKind,
    Restore,
    Row,
    Status,
    Take,
    decide,
    is_rubbish,
)
from agents.handoff.machine import IllegalEvent, Machine, step
from agents.handoff.table import TABLE, Transition
from agents.handoff.visit import State, Visit

__all__ = [
    "NEVER",
    "TABLE",
    "Answer",
    "Courier",
    "CourierState",
    "Denial",
    "Denied",
    "HandoffEffect",
    "Event",
    "Fence",
    "Finish",
    "Granted",
    "Holder",
    "IllegalEvent",
    "RequestKind",
    "Machine",
    "Release",
    "Request",
    "Restore",
    "Row",
    "State",
    "Status",
    "Take",
    "Transition",
    "Visit",
    "carry",
    "decide",
    "is_rubbish",
    "step",
]
