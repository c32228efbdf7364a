"""A simulated world in which the handoff protocol is tried, from one seed: for our tests, and for those of others.

=========================  =========================================================================================
`World`, `Size`            places, directory, agents, senders and faults in simulated time               `world`
`check`, `check_rest`      what must hold after every event, and when all has come to rest               `invariants`
`run`, `run_history`       one seed after another, or one                                                `histories`
`GUARDS`, `hunt`           each guard of the protocol, and what goes wrong without it                    `guards`
`explore`, `Limits`        every interleaving of a small world                                           `explorer`
=========================  =========================================================================================

``python -m agents.testing --help`` tells how to run them.
"""

from agents.testing.explorer import Limits, Report, explore
from agents.testing.guards import GUARDS, Found, Guard, hunt
from agents.testing.histories import Summary, run, run_history
from agents.testing.invariants import Violation, check, check_rest
from agents.testing.world import Size, World

__all__ = [
    "GUARDS",
    "Found",
    "Guard",
    "Limits",
    "Report",
    "Size",
    "Summary",
    "Violation",
    "World",
    "check",
    "check_rest",
    "explore",
    "hunt",
    "run",
    "run_history",
]
