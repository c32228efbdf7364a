"""What a place does on SIGTERM: its agents go elsewhere, if there is an elsewhere; else they stay on its disk.

A node that is given up gets this signal in two ways. ``ray start --block``, as the first process of a container does,
hears it alone, tells Ray that its node goes, and waits for ``RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S`` seconds: the
steward sees that, and has the place emptied (`agents._ray.steward`). Whoever ends all processes of a machine, as a
service manager or ``ray stop`` does, sends it to the place, too: that is what this module is for.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import Final

from agents.place import Place
from mobility.errors import MobilityError

__all__ = ["GRACE", "grace", "heed_sigterm", "leave"]

#: Names the variable with the seconds that agents have to go elsewhere.
GRACE: Final = "SOJOURN_GRACE"
#: Kubernetes kills after 30 s, and ``ray stop`` after 16; agents that yield need less than a second.
_USUAL: Final = 12.0
_CLOSING: Final = 3.0  # seconds


def grace() -> float:
    """Seconds that agents have after SIGTERM; 0: none is moved."""
    with suppress(ValueError):
        return max(0.0, float(os.environ[GRACE])) if GRACE in os.environ else _USUAL
    print(f"sojourn: {GRACE}={os.environ[GRACE]!r} is no number of seconds", file=sys.stderr, flush=True)
    return _USUAL


def heed_sigterm(place: Place) -> bool:
    """Have this process leave in good order on SIGTERM; False if this thread may not decide that."""
    if threading.current_thread() is not threading.main_thread():
        return False
    leaving = threading.Event()

    def end() -> None:
        try:
            leave(place, grace())
        finally:
            os._exit(1)  # to Ray, a process that was killed: if the node lives, the place is started again

    def heed(number: int, frame: object) -> None:
        if not leaving.is_set():  # a second one must not begin anew
            leaving.set()
            threading.Thread(target=end, name="sojourn-leave").start()

    signal.signal(signal.SIGTERM, heed)
    return True


def leave(place: Place, seconds: float) -> None:
    """Move the agents of a place elsewhere, as far as that can be done in time, and close it; the others stay on disk.

    Nobody is let in from then on. Started again, the place is open, unless it was closed before: only its process was
    ended, as far as anybody here knows.
    """
    began = time.monotonic()
    try:
        if seconds > 0:
            place.draining.leave(seconds)
            took = time.monotonic() - began
            print(f"sojourn: place {place.name} leaves on SIGTERM, {took:.1f} s after it", file=sys.stderr, flush=True)
    except MobilityError as error:  # nobody else is there, or the directory is not: they stay on disk
        print(f"sojourn: place {place.name}: its agents stay on its disk: {error}", file=sys.stderr, flush=True)
    except Exception:  # whatever it is, the place is closed all the same
        traceback.print_exc(file=sys.stderr)
    place.close(timeout=_CLOSING)
