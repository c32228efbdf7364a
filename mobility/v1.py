"""The functions that a snapshot of format 1 names.

A snapshot refers to these by ``mobility.v1`` and their name, wherever in the package they are defined; so rooms can be
moved without breaking a stored snapshot, and a later format gets a module of its own. Not meant to be called.
"""

from mobility.reducers import by_dill, closures, exceptions, files, iterators, tensors, values
from mobility.reducers.classes import bear_class, bear_enum, dress_class
from mobility.reducers.functions import bear_function, cell, dress_function, fill_cell, found, reader, type_parameter
from mobility.reducers.generators import sentinel, thaw
from mobility.reducers.naming import format_1

_NAMED = (
    *(bear_class, bear_enum, bear_function, cell, dress_class, dress_function, fill_cell, found, sentinel, thaw),
    reader,
    type_parameter,
    *by_dill.LOADERS,
    *closures.LOADERS,
    *exceptions.LOADERS,
    *files.LOADERS,
    *iterators.LOADERS,
    *tensors.LOADERS,
    *values.LOADERS,
)
globals().update({loader.__name__: format_1(loader) for loader in _NAMED})

__all__ = sorted({loader.__name__ for loader in _NAMED})  # noqa: PLE0605  # the names are the loaders' own
if len(__all__) != len(_NAMED):
    raise AssertionError("two loaders of snapshots bear one name")
