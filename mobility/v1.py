"""The functions that a snapshot of format 1 names.

A snapshot refers to these by ``mobility.v1`` and their name, wherever in the package they are defined; so rooms can be
moved without breaking a stored snapshot, and a later format gets a module of its own. Not meant to be called.
"""

from mobility.reducers.functions import bear_class, bear_function, cell, dress_class, dress_function, fill_cell, found
from mobility.reducers.generators import thaw

__all__ = [
    "bear_class",
    "bear_function",
    "cell",
    "dress_class",
    "dress_function",
    "fill_cell",
    "found",
    "thaw",
]
