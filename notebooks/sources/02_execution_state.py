# %% [markdown]
# # 2. Execution state
#
# [Notebook 1](01_code_mobility.ipynb) moved agents. This one looks at what is moved: the *execution state*, that is
# the line at which a computation is suspended and the variables that it has there. It can be captured, looked into,
# put into a file, resumed in another version of Python, and resumed twice.
#
# ## In one process
#
# What moves is a Python generator. `@resumable` makes one that can be captured (`@agent` does the same, and more). It
# stays an ordinary generator that runs at about its usual speed.

# %%
from mobility import capture, restore, resumable


@resumable
def primes():
    known = []
    number = 2
    while True:
        if all(number % prime for prime in known):
            known.append(number)
            yield number
        number += 1


generator = primes()
[next(generator) for _ in range(6)]

# %% [markdown]
# The generator is suspended in a loop, at its `yield`. `capture` takes its state without disturbing it; `restore`
# makes another generator of it, which goes on from there.

# %%
state = capture(generator)
print(f"{state.function.qualname}, line {state.line}: {state.source_line}")
print(state.locals, f"{len(state.payload)} bytes")

twin = restore(state)
assert [next(twin) for _ in range(3)] == [next(generator) for _ in range(3)] == [17, 19, 23]

# %% [markdown]
# So the state is small: the name of the function, a number for the line, and the named values. There is no bytecode
# and no frame of the interpreter in it, which is why another version of Python can read it.
#
# ## An agent is frozen in the middle of a loop
#
# The agent below computes mean and standard deviation in one pass (Welford 1962,
# [doi:10.1080/00401706.1962.10490022](https://doi.org/10.1080/00401706.1962.10490022)), one reading for each message,
# and notes on which Python it did each step.

# %%
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from agents import agent, connect, hop, receive, reply

folder = Path(tempfile.mkdtemp(prefix="sojourn-notebook-"))
platform = connect(places=["baku", "oslo", "lima"])


# %%
@agent
def measure(here, readings):
    mean = squares = 0.0
    pythons = []
    for number, reading in enumerate(readings, start=1):
        message = yield receive()
        deviation = reading - mean
        mean += deviation / number
        squares += deviation * (reading - mean)
        pythons.append(f"{sys.version_info[0]}.{sys.version_info[1]}")
        yield reply(message, mean)
    return [mean, math.sqrt(squares / number), pythons]


def wait_for_it_to_wait(handle):
    deadline = time.monotonic() + 60
    while handle.status().state != "waiting" and time.monotonic() < deadline:
        time.sleep(0.02)


readings = [20.5, 21.0, 20.8, 21.4, 21.2, 20.9, 20.1, 19.8]
measuring = platform.launch(measure, readings, at="oslo", name="measuring")
print([round(measuring.ask("next"), 3) for _ in range(5)])
wait_for_it_to_wait(measuring)  # for the sixth message

bundle = measuring.freeze(folder / "measuring.sojourn")
measuring

# %% [markdown]
# Five of eight readings are done, and the agent runs nowhere any more: it is in the file.
#
# ## Looking inside
#
# A **bundle** is the signed form in which an agent travels, on the wire and in files. It can be looked at without
# decoding the state, so nothing of the agent's can do anything meanwhile. The line and short texts of the variables
# were written beside the state when it was frozen.

# %%
bundle

# %% [markdown]
# What you see, from the top:
#
# - the line in the loop, and the variables. Five steps are done, and the sixth waits for its message. `number`, `mean`
#   and `squares` are what a weakly mobile program would have had to keep by hand. How far `enumerate` has come is in
#   the state, too;
# - the **segments**, each with its digest: the *code*, which is the source of the function and of what it uses (the
#   line counts in that, not in the cell); the *state*, which is the line and the variables with all that they hold; the
#   *preview*, from which the table above was made; the *luggage*, which travels beside an agent, such as its mail;
# - the **passport**: who has signed.
#
# All of it is marked as *claimed*, as nobody has verified it here. Whoever trusts the keys of the owner and of the
# place can:

# %%
from mobility import TrustStore

trust = TrustStore(folder / "keys")
for key in [platform.client.owner.public, *platform.keys().values()]:
    trust.trust(key)

verified = bundle.verify(trust)
verified

# %% [markdown]
# ## Thawed in another version of Python
#
# All nodes of one Ray cluster have the same Python. So another version is another platform, here one with a single
# place, kyiv, that a program in that version starts. (It is one without Ray, in the program's own process, as
# `agents.testing` has for tests; with `connect` it would be on Ray.) It has nothing of this notebook but the file,
# and the keys to trust.

# %%
THERE = """
import json, sys
from agents.testing.local import LocalPlatform
from mobility import TrustStore

file, keys = sys.argv[1:]
with LocalPlatform(["kyiv"], trusts={"kyiv": TrustStore(keys)}) as platform:
    agent = platform.thaw(file, at="kyiv")
    means = [agent.ask("next") for _ in range(3)]
    told = {"python": sys.version.split()[0], "means": means, "result": agent.result(timeout=60)}
    print(json.dumps(told))
"""

# %%
from mobility.testing.companions import companions

others = companions()
if others:
    python = others[-1].path
else:
    python = sys.executable
    print("No other version of Python was prepared here: it goes on in the same one, elsewhere.")

program = folder / "thaw_there.py"
program.write_text(THERE)
environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
arguments = [python, program, folder / "measuring.sojourn", folder / "keys"]
there = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)
assert there.returncode == 0, there.stderr
told = json.loads(there.stdout)
mean, deviation, pythons = told["result"]
print(f"here Python {sys.version.split()[0]}, there Python {told['python']}")
print(f"steps on Python {', '.join(pythons)}")

# %% [markdown]
# The loop was begun by one Python and ended by another, and the agent has not noticed. The result is that of a loop
# that nobody has disturbed:

# %%
expected = sum(readings) / len(readings)
spread = math.sqrt(sum((reading - expected) ** 2 for reading in readings) / len(readings))
assert len(told["means"]) == 3 and math.isclose(mean, expected) and math.isclose(deviation, spread)
if others:
    assert pythons == ["{}.{}".format(*sys.version_info)] * 5 + ["{}.{}".format(*others[-1].version)] * 3
f"mean {mean:.4f}, standard deviation {deviation:.4f}"

# %% [markdown]
# The file is still here. On a platform it can be thawed once: a directory knows who has gone on. (Two platforms do
# not know of each other, so that each of them would let it in once.)
#
# ## Two futures of one state
#
# A state that can be captured can also be resumed twice. To **clone** an agent is to set a second one into its state.
# The agent below goes to oslo, meets a reading that is far from the others, and waits for somebody to decide.


# %%
@agent
def calibrate(here, readings):
    yield hop("oslo")
    kept = []
    for reading in readings:
        if abs(reading - readings[0]) > 10:
            message = yield receive()  # a decision: keep it, or drop it
            if message.value == "drop":
                continue
        kept.append(reading)
    yield hop("baku")
    return sum(kept) / len(kept)


one = platform.launch(calibrate, [20.5, 21.0, 20.8, 55.0, 21.2, 20.9], at="baku", name="one")
wait_for_it_to_wait(one)
other = one.clone("lima")
platform.map()

# %% [markdown]
# Now there are two, at the same line, with the same four variables, on two nodes. The clone's card has a row that the
# other's has not: its *parent*.

# %%
assert one.state()["variables"] == other.state()["variables"]
other

# %% [markdown]
# They get different decisions, and their ways part.

# %%
one.send("keep")
other.send("drop")
futures = {"keep": one.result(timeout=60), "drop": other.result(timeout=60)}
assert futures["drop"] < 21 < futures["keep"]
{decision: round(mean, 2) for decision, mean in futures.items()}

# %% [markdown]
# Both come from the same beginning, and can prove it: the clone continues the passport of its original. Its first
# link is that of the other, signed by baku. The second one, signed by oslo, is the branch with which it begins.

# %%
trails = one.trail(), other.trail()
first, second = (trail[0] for trail in trails)
assert all(trail.verified for trail in trails)
assert (first.origin, first.destination, first.time) == (second.origin, second.destination, second.time)
assert trails[1][1].child == other.agent
trails[0]

# %%
trails[1]

# %% [markdown]
# ## What cannot be captured
#
# Some values are bound to the process in which they are: a lock, a connection, a thread. An agent that holds one in a
# variable cannot move at that line. It is told which variable it is, and what could be done, and it goes on where it
# was.

# %%
from agents.errors import MoveFailed


@agent
def holds_a_lock(here):
    lock = threading.Lock()
    try:
        here = yield hop("oslo")
    except MoveFailed as error:
        return here.name, str(error)
    return here.name, lock


where, why = platform.launch(holds_a_lock, at="baku").result(timeout=60)
assert where == "baku" and "lock" in why
print(why)

# %% [markdown]
# It is the same when somebody else wants to move it, or freeze it: whoever asked gets the error, and the agent has not
# noticed anything.


# %%
@agent
def holds_a_socket(here):
    line = socket.socket()
    count = 0
    while True:
        message = yield receive()
        count += 1
        yield reply(message, [here.name, count, line.fileno() > 0])


bound = platform.launch(holds_a_socket, at="baku", name="bound")
print(bound.ask("are you well?"))
try:
    bound.freeze()
except MoveFailed as error:
    print(error)
print(bound.ask("are you still well?"))

# %% [markdown]
# What is open while an agent moves need not be lost: a file that is open for reading travels as its path and its
# position, and what was opened anew after each hop never has to travel. Resources that belong to places are *bound*
# rather than held; the guide has the nine ways to do that.

# %%
bound.stop()
platform.close()
shutil.rmtree(folder)

# %% [markdown]
# ## What you have seen
#
# - The execution state of a generator: a function's name, a line, named values.
# - A frozen agent as a signed file: segments, line and variables could be seen without running any of it.
# - A loop that one version of Python began and another one ended.
# - A clone: one state, two futures, and two trails with the same beginning.
# - What cannot be captured is refused by the name of its variable, and the agent stays unharmed.
#
# Next: [3. Trust](03_trust.ipynb): what becomes of an agent that was forged, replayed or tampered with. The file's
# format and its checks are in `docs/architecture.md`, moving between versions in `docs/howto-versions.md`.
