"""How the values of a suspended generator are written into a snapshot.

================  ==================================================================
``pickler``       pickle's own, with the reducers below
``generators``    a suspended generator is read, and made again
``functions``     functions and classes defined inside one, and shared cells
``iterators``     of dicts, sets, ``itertools``
``files``         opened for reading
``exceptions``    with cause, context and notes
``tensors``       of PyTorch: memory as buffers, once; gradients
``values``        modules, paths, bound methods; what is refused, and why
``blame``         the variable that holds what cannot move
``view``          looks into a snapshot without resuming
================  ==================================================================
"""

from __future__ import annotations

import io
from typing import Any

__all__ = ["movable_iterator"]


def movable_iterator(iterator: Any) -> Any:
    """What a ``for`` should hold instead of an iterator whose position cannot be read from outside.

    A text file tells its position only while it is read by ``readline``, not by ``next``.
    """
    if type(iterator) is io.TextIOWrapper and iterator.readable():
        return iter(iterator.readline, "")
    return iterator
