# %% [markdown]
# # 1. Code mobility
#
# A running program has three parts: its **code segment**, its **data space**, and its **execution state**, which is
# the line where it is and the variables of its functions. Fuggetta, Picco and Vigna (*Understanding Code Mobility*,
# IEEE Transactions on Software Engineering 24(5), 1998) distinguish by what moves to another machine:
#
# | | code | data | execution state | at the new place it |
# |---|---|---|---|---|
# | **weak mobility** | yes | yes | no | begins again at its entry |
# | **strong mobility** | yes | yes | yes | goes on at the line where it was |
#
# This notebook does both on three Ray nodes. They are processes of this machine; on a cluster each would be a machine
# of its own, and nothing below would change.

# %%
import os
import time

from agents import agent, connect, done, hop, receive, reply, sleep

platform = connect(
    places={
        "baku": {"readings": [20.5, 21.5]},
        "oslo": {"readings": [3.5, 4.5]},
        "lima": {"readings": [19.0, 20.5]},
    }
)
platform

# %% [markdown]
# The three boxes are **places**: where agents can be. Each place is a process on its own node, and offers a resource,
# `readings`, that is nowhere else. Under *Places* you see that they are three processes.

# %% [markdown]
# ## An agent travels
#
# An agent is a generator function. `yield hop(place)` is an ordinary line of it; what is after that line runs on
# another node. The loop, the dictionary and the loop's variable come along.


# %%
@agent
def survey(here, places):
    means = {}
    for place in places:
        here = yield hop(place)  # it goes on at this line, on that node
        readings = here.resource("readings")
        means[here.name] = sum(readings) / len(readings)
        yield sleep(0.5)  # so that there is time to watch it
    return means


surveyor = platform.launch(survey, ["oslo", "lima", "baku"], at="baku", name="surveyor")
surveyor.watch()

# %% [markdown]
# `watch` draws the picture anew at each move, until the agent has ended. Above: where it was, and when. Below: what
# each move took, in four phases. It is *frozen* (its state is captured, and signed), *shipped*, *verified* by the
# place that receives it, and *thawed* there.

# %%
means = surveyor.result(timeout=60)
assert means == {"oslo": 4.0, "lima": 19.75, "baku": 21.0}
means

# %% [markdown]
# Every place that sends an agent signs what it sends. These signatures are the agent's **passport**; its trail is the
# passport, verified here and now, with what the places have logged of each move.

# %%
trail = surveyor.trail()
assert trail.verified and [link.destination for link in trail] == ["oslo", "lima", "baku"]
trail

# %% [markdown]
# ## Suspended at a line
#
# Between two steps an agent is suspended at one of its `yield` lines. That one below waits for a message, inside a
# loop. It has no thread meanwhile: it *is* its line and its variables. The handle shows both.


# %%
@agent
def count(here):
    began, counted = here.name, 0
    while True:
        message = yield receive()
        if message.value == "end":
            return {"began on": began, "ended on": here.name, "counted": counted}
        counted += 1
        yield reply(message, counted)


def wait_for_it_to_wait(handle):
    deadline = time.monotonic() + 60
    while handle.status().state != "waiting" and time.monotonic() < deadline:
        time.sleep(0.02)


counter = platform.launch(count, at="baku", name="counter")
print([counter.ask("one more") for _ in range(3)])
wait_for_it_to_wait(counter)  # it may still be at its other yield
counter

# %% [markdown]
# Now somebody else moves it; the agent has not asked for that, and its code says nothing of it. (To move by itself,
# as `survey` does, is *proactive* migration; this is *reactive*.) It is on lima afterwards, at the same line, with
# the same count.

# %%
before = counter.state()
report = counter.move("lima")
after = counter.state()
assert (after["line"], after["variables"]) == (before["line"], before["variables"])
assert counter.place() == "lima" and counter.ask("one more") == 4
print(report)
print(f"line {after['line']}: {after['text']}")
platform.map()

# %% [markdown]
# ## Weak and strong, side by side
#
# The same function again, twice: once as it is, and once launched with `mobility="weak"`. Then only code and
# arguments move, so that it begins at its entry wherever it comes to. And a third time as a **class agent**, the
# usual form of weak mobility: its attributes travel, and `arrive` is called anew at each place.


# %%
@agent
class Count:
    def __init__(self):
        self.began = None  # what is to last has to be an attribute
        self.counted = 0

    def arrive(self, here):
        self.began = self.began or here.name  # arrive has to find out whether this is the first time
        while True:
            message = yield receive()
            if message.value == "end":
                return done({"began on": self.began, "ended on": here.name, "counted": self.counted})
            self.counted += 1
            yield reply(message, self.counted)


# %%
three = {
    "function, strong": platform.launch(count, at="baku"),
    "function, weak": platform.launch(count, at="baku", mobility="weak"),
    "class agent, weak": platform.launch(Count(), at="baku"),
}
for handle in three.values():
    for _ in range(3):
        handle.ask("one more")
    handle.move("oslo")
    handle.ask("one more")
    handle.send("end")

results = {kind: handle.result(timeout=60) for kind, handle in three.items()}
for kind, result in results.items():
    print(f"{kind:18}  {result}")
assert [result["counted"] for result in results.values()] == [4, 1, 4]

# %% [markdown]
# All three were asked three times on baku and once on oslo.
#
# - **Strong**: 4. It did nothing in order to remember; `began` and `counted` are ordinary variables.
# - **Weak function**: 1. It began anew on oslo, and says so.
# - **Weak class**: 4. It remembers what its author has put into attributes, `began` among them. Where it was in
#   `arrive` is lost, which does no harm here, as one round of the loop is like another. Otherwise its author would
#   have to keep, in an attribute, how far it has come.
#
# Here is the same in a task with an order: the largest rise from one place to the next.


# %%
def mean(here):
    readings = here.resource("readings")
    return sum(readings) / len(readings)


@agent
def largest_rise(here, places):
    last, rises = mean(here), {}
    for place in places:
        here = yield hop(place)
        rises[here.name] = mean(here) - last
        last = mean(here)
    return max(rises.items(), key=lambda item: item[1])


@agent
class LargestRise:
    def __init__(self, places):
        self.left = list(places)  # the loop, kept by hand
        self.last = None  # and whether it has begun
        self.rises = {}

    def arrive(self, here):
        if self.last is not None:
            self.rises[here.name] = mean(here) - self.last
        self.last = mean(here)
        if self.left:
            return hop(self.left.pop(0))
        return done(max(self.rises.items(), key=lambda item: item[1]))


strong = platform.launch(largest_rise, ["oslo", "lima"], at="baku").result(timeout=60)
weak = platform.launch(LargestRise(["oslo", "lima"]), at="baku").result(timeout=60)
assert strong == weak == ("lima", 15.75)
strong

# %% [markdown]
# Both find it. In the function the loop is a loop. In the class it was turned inside out: `left` does what the loop
# did, and `last is not None` what the line did.

# %% [markdown]
# ## The process of its place is killed
#
# An agent is on the disk of its place before it runs there. `counter` is still on lima, and has counted to 4. We end
# the process of lima by `kill -9`, so that nothing of it can react, and ask again.

# %%
lima = {place.name: place.about["pid"] for place in platform.places(details=True)}["lima"]
os.kill(lima, 9)

began = time.monotonic()
assert counter.ask("one more", timeout=60) == 5
again = {place.name: place.about["pid"] for place in platform.places(details=True)}["lima"]
assert again != lima
print(f"counted to 5 after {time.monotonic() - began:.1f} s; lima was process {lima}, and is {again}")

# %% [markdown]
# Ray has started a new process for lima, the place has read its agents from disk, and the question has waited for
# that. What an agent does after its last checkpoint is done again in such a case; the messages that it has had are
# given to it again, each once. Its log has both: that it was restored, and from where it came.

# %%
counter.send("end")
print(counter.result(timeout=60))
counter.logs()

# %% [markdown]
# The picture that `watch` draws can also be had afterwards. The seam is where the agent was read from disk; nobody was
# there to log when the process before had died.

# %%
counter.trail().timeline()

# %%
platform.close()

# %% [markdown]
# ## What you have seen
#
# - A function defined in a cell went to three nodes and came back with its result, suspended at a line in between.
# - Its trail: who sent it, where to, with a verified signature for each hop.
# - Strong mobility keeps the line and the variables; weak mobility begins anew, and remembers what its author has put
#   into attributes.
# - An agent was moved from outside, and survived the death of the process in which it was.
#
# Next: [2. Execution state](02_execution_state.ipynb): freezing an agent, looking into it, and thawing it in another
# version of Python. All forms of mobility, with lines that run, are in the guide *Code mobility, concept by concept*
# (`docs/guide-mobility.md`).
