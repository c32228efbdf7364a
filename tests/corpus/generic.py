"""The syntax that Python 3.12 brought: type parameters, type aliases, f-strings without limits.

Its source is beside it as text, because tools that read `.py` files for Python 3.11 would refuse it.
"""

import sys
from pathlib import Path

if sys.version_info < (3, 12):
    raise ImportError("type-parameter syntax needs Python 3.12")

_SOURCE = Path(__file__).with_name("generic_312.txt")
exec(compile(_SOURCE.read_text(encoding="utf-8"), str(_SOURCE), "exec", dont_inherit=True))
