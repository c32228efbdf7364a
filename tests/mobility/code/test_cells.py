"""What is written in the cells of a notebook, packed and unpacked in that notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

#: A program without a file whose cells are kept as IPython keeps them.
PROGRAM = """
import linecache

globals().pop("__file__", None)

def cell(number, text):
    name = f"/nowhere/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), globals())

cell(1, '''
from mobility import Identity, pack, unpack
from mobility.trust import TrustEntry, TrustList

lab = Identity.generate("lab", "owner")
trust = TrustList.of(1, [TrustEntry(lab.public, "lab", (lab.public.role,))])

def half(number):
    return number / 2
''')
cell(2, '''


def both(first, second):
    return half(first) + half(second)
''')
cell(3, "came = unpack(pack(both, by=lab, args=(3, 4)).verify(trust))\\nassert came() == 3.5")
cell(4, "again = unpack(pack(both, by=lab, args=(1, 2)).verify(trust))\\nassert again() == 1.5")
cell(5, '''
def quarter(number):
    return half(half(number))
assert unpack(pack(quarter, by=lab, args=(8,)).verify(trust))() == 2.0
''')
cell(6, '''
def half(number):  # written anew, below what came in a bundle before
    return number * 0.25
assert unpack(pack(quarter, by=lab, args=(16,)).verify(trust))() == 1.0
''')
print("done")
"""


def test_what_was_unpacked_is_no_cell_of_the_notebook() -> None:
    """It holds the same functions at other lines; what is packed next is what the cells say."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-"], input=PROGRAM, capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert ran.returncode == 0 and ran.stdout == "done\n", ran.stderr
