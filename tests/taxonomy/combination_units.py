"""The units of `test_weak_combinations`: a class agent, which is stand-alone code, and a function as a fragment."""

from __future__ import annotations

from agents import agent, done

__all__ = ["Measures", "measure"]


@agent
class Measures:
    """Tells what it found, where, when, and in which process."""

    def __init__(self, column, seconds=0.0):
        self.column = column
        self.seconds = seconds

    def arrive(self, here):
        import os
        import time

        began = time.time()
        time.sleep(self.seconds)
        values = here.resource(self.column)
        return done({"sum": sum(values), "place": here.name, "pid": os.getpid(), "began": began, "agent": here.agent})


def measure(here, column):
    """The same as a service of the place."""
    import os

    return {"sum": sum(here.resource(column)), "place": here.name, "pid": os.getpid()}
