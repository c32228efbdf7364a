"""All that knows Ray: how one is found and watched, and what runs on it. Nothing else in this distribution imports it.

Nobody outside imports this package when a program starts: importing Ray takes a third of a second.
"""

import logging

__all__: list[str] = []

# In a notebook Ray's import advises to install ipywidgets, for a picture of its own connection that nobody here shows.
# Whoever has set a level keeps it, and what Ray warns of is told as before.
_advising = logging.getLogger("ray.widgets.util")
if _advising.level == logging.NOTSET:
    _advising.setLevel(logging.WARNING)
