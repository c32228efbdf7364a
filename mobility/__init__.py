"""The abstract machine: computations that can be captured, moved and resumed.

==================  =====================================================================================
execution state     `ExecutionState`: the label at which a generator is suspended, and its named values
strong mobility     `resumable`, `capture`, `restore`, `discard`: the execution state travels
serialisation       `dumps`, `loads`
==================  =====================================================================================

>>> import mobility
>>> @mobility.resumable
... def count(n):
...     for i in range(n):
...         yield i
>>> counting = count(3)
>>> next(counting)
0
>>> snapshot = mobility.dumps(counting)     # send these bytes to another process or machine
>>> mobility.discard(counting)              # it goes on there, not here
>>> list(mobility.loads(snapshot))
[1, 2]
"""

import mobility.v1  # noqa: F401  # snapshots refer to it by name
from mobility.resumable import resumable
from mobility.state import ExecutionState, capture, discard, dumps, loads, restore

__all__ = ["ExecutionState", "capture", "discard", "dumps", "loads", "restore", "resumable"]
