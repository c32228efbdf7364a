"""A simulated world in which the handoff protocol is tried, from one seed: for our tests, and for those of others.

=========================  =========================================================================================
`World`, `Size`            places, directory, agents, senders and faults in simulated time               `world`
`check`, `check_rest`      what must hold after every event, and when all has come to rest               `invariants`
`run_histories`            one seed after another, or `run_history`: one                                 `histories`
`GUARDS`, `hunt`           each guard of the protocol, and what goes wrong without it                    `guards`
`explore`, `Budget`        every interleaving of a small world                                           `explorer`
`LocalPlatform`            real places and a real directory in one process, which can be killed          `local`
=========================  =========================================================================================

``python -m agents.testing --help`` tells how to run them.
"""

from agents.testing.explorer import Budget, Explored, explore
from agents.testing.guards import GUARDS, Found, Guard, hunt
from agents.testing.histories import Summary, run_histories, run_history
from agents.testing.invariants import Violation, check, check_rest
from agents.testing.local import LocalPlatform
from agents.testing.world import Size, World

__all__ = [
    "GUARDS",
    "Found",
    "Guard",
    "Budget",
    "Explored",
    "LocalPlatform",
    "Size",
    "Summary",
    "Violation",
    "World",
    "check",
    "check_rest",
    "explore",
    "hunt",
    "run_histories",
    "run_history",
]
