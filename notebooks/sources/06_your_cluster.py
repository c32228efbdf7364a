# %% [markdown]
# # Your own cluster
#
# A *place* is where agents run: one on each node of a [Ray](https://www.ray.io) cluster, named by the node's label
# `place`. The other notebooks started three nodes for themselves. This one joins a cluster that runs already,
# watches a node come, has one emptied while agents are in the middle of their loops, and one taken away.
#
# This notebook needs `pip install 'sojourn[notebook]'`.

# %% [markdown]
# ## A cluster that runs
#
# On machines of your own, the same versions of Python, Ray and Sojourn are installed on each, and Ray is started
# with a label:
#
#     ray start --head --labels=place=baku               # on the first machine
#     ray start --address=HEAD:6379 --labels=place=oslo  # on each further one
#
# **If you have that**, say `address = "HEAD:6379"` instead of the next two cells, on a machine that is part of it.
# Where `start_node`, `ray` and `end` come further down, type the command on your machines instead. For everybody else
# the two cells start two such nodes on this machine, with the same commands, as a stand-in.

# %%
import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a cluster of its own; a short path, as sockets lie below
os.environ["RAY_AUTH_MODE"] = "disabled"  # "token", on a network that is not yours alone
settings = os.environ | {
    "RAY_TMPDIR": folder,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
}
nodes = {}


def processes():
    """All processes of this cluster that run now."""
    found = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get("RAY_TMPDIR") == folder:
                found.add(process)
        except psutil.Error:
            continue  # somebody else's, or gone meanwhile
    return found


def end(some):
    """End processes by their ids. `ray stop` would end every Ray on this machine."""
    for process in some:
        if process.is_running():
            process.terminate()
    _, left = psutil.wait_procs(some, timeout=5)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)


def ray(*command):
    """Say a command of Ray, as on a machine of its own."""
    print("$ ray", *command)
    program = str(Path(sys.executable).with_name("ray"))
    done = subprocess.run([program, *command], env=settings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def start_node(place, *options):
    """Start a node with little, since it shares this machine with others."""
    before = processes()
    little = ["--num-cpus=1", "--object-store-memory=100000000", "--include-log-monitor=false"]
    for left in (2, 1, 0):
        try:
            said = ray("start", *options, f"--labels=place={place}", *little)
            break
        except AssertionError:  # Ray waits for half a minute, which is too little on a very busy machine
            end(processes() - before)
            if not left:
                raise
    nodes[place] = processes() - before
    return said


# %%
atexit.register(lambda: end(processes()))  # also if the notebook ends before its last cell
said = start_node("baku", "--head", "--port=0", "--include-dashboard=false")  # 0: any free port
address = re.search(r"--address='([^']+)'", said)[1]
_ = start_node("oslo", f"--address={address}")

# %% [markdown]
# ## Join it
#
# `connect` takes the address of the head. It puts a place on each node that has none yet, and leaves the cluster
# running when it is closed. On a cluster of your own, give it a `state` folder that lasts: agents are kept in it,
# on each machine.

# %%
from agents import connect

platform = connect(address, timeout=120)
platform

# %% [markdown]
# The command line speaks to the same platform. `sojourn doctor` looks at each node and says what to do.

# %%
# !sojourn places --address {address}

# %%
# !sojourn doctor --address {address}

# %% [markdown]
# ## A node joins
#
# Nobody has to tell the platform. It looks who is there, and opens a place on a node that it has not seen yet.

# %%
import time


def until(holds, seconds=60):
    """Look until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)


def names():
    return [place.name for place in platform.places()]


start_node("lima", f"--address={address}")  # or `ray start ...` on a machine of yours
until(lambda: "lima" in names())
names()

# %% [markdown]
# ## Agents in the middle of their loops
#
# Each estimates pi from random points, batch by batch, and asks for mail after each batch, until a letter says that
# it is enough. `receive` is a point where it is suspended for a moment, and where the platform may move it. Its
# state is a generator of random numbers, two sums, and a list of the places where it noticed to be.

# %%
import random

from agents import agent, receive


@agent
def estimate(here, seed):
    chance, inside, batches, seen = random.Random(seed), 0, 0, [here.name]
    while True:
        for _ in range(1000):
            inside += chance.random() ** 2 + chance.random() ** 2 < 1
        batches += 1
        letter = yield receive(timeout=0.05)
        if here.name != seen[-1]:
            seen.append(here.name)
        if letter is not None:
            return batches, inside, seen


workers = [platform.launch(estimate, seed, at="lima", name=f"estimate-{seed}") for seed in range(4)]
until(lambda: all(worker.state()["variables"] for worker in workers))
workers[0]

# %%
platform.map()

# %% [markdown]
# ## Empty a place by hand
#
# The machine of lima needs a new disk. `drain` closes the place, and each agent goes on elsewhere, at the line
# where it is.

# %%
drained = platform.drain("lima", timeout=60)
assert len(drained.moved) == 4 and not drained.stayed
drained

# %%
from agents.errors import MoveRefused

try:
    workers[0].move("lima")
except MoveRefused as refused:
    print(refused)
else:
    raise AssertionError("lima has let it in")
platform.map()

# %% [markdown]
# The disk is in. `reopen` lets agents in again; those that have left do not come back by themselves, so they are
# moved.

# %%
platform.reopen("lima")
for worker in workers:
    print(worker.move("lima"))
print({worker.name: worker.place() for worker in workers})

# %% [markdown]
# ## Ray takes a node away
#
# An autoscaler that removes a node, or a cloud that reclaims a spot instance, gives notice of it. With Ray the
# notice is `ray drain-node`; here we give it ourselves, with 60 seconds to go. Nobody calls `platform.drain`.

# %%
lima = next(place for place in platform.places(details=True) if place.name == "lima")
why = ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=reclaimed"]
node = f"--node-id={lima.about['node']}"
ray("drain-node", f"--address={address}", node, *why, "--deadline-remaining-seconds=60")
until(lambda: all(worker.place() in ("baku", "oslo") for worker in workers))
print({worker.name: worker.place() for worker in workers})

# %% [markdown]
# Then the node is gone, and with it its place:

# %%
end(nodes["lima"])
until(lambda: "lima" not in names())
platform

# %% [markdown]
# ## What came of it
#
# The agents never noticed more than that `here` is another place. Each has done every batch once: the same
# computation, done again in this notebook without any move, gives the same number.

# %%
for worker in workers:
    worker.send("enough")
for seed, worker in enumerate(workers):
    batches, inside, seen = worker.result(timeout=60)
    chance = random.Random(seed)
    again = sum(chance.random() ** 2 + chance.random() ** 2 < 1 for _ in range(1000 * batches))
    pi = 4 * inside / (1000 * batches)
    print(f"{worker.name}: {batches} batches, pi is about {pi:.4f}, {' -> '.join(seen)}")
    assert inside == again and worker.trail().verified and len(worker.trail()) == 3
workers[0].trail()

# %%
workers[0].logs()

# %% [markdown]
# `close` lets go of the platform; places and agents on a cluster that was there before go on. The stand-in is ended
# by its processes: with a cluster of your own, leave the last two lines out.

# %%
platform.close()
end(processes())
shutil.rmtree(folder)

# %% [markdown]
# ## What you have seen
#
# - A node with the label `place=oslo` is the place oslo. A node that joins gets its place by itself.
# - A place is emptied by hand (`drain`), or by itself when Ray has notice that its node goes; agents go on in the
#   middle of their loops.
# - Nothing that was not started by the platform is shut down by it.
#
# More: `docs/howto-cluster.md` has ports, tokens and folders, `docs/howto-drain.md` what to do when nobody has
# room, and `deploy/` the files for `ray up` and Kubernetes.
