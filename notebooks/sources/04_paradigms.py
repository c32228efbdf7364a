# %% [markdown]
# # Four paradigms, measured
#
# Somebody, A at site SA, wants something done that needs a resource at site SB. Who has the code, and where is it
# executed? Fuggetta, Picco and Vigna (*Understanding Code Mobility*, IEEE Transactions on Software Engineering 24(5),
# 1998) tell four answers apart:
#
# | paradigm | before: SA | before: SB | after: SA | after: SB |
# |---|---|---|---|---|
# | client-server | A | code, resource, B | A | code, resource, B *executes* |
# | remote evaluation | code, A | resource, B | A | code, resource, B *executes* |
# | code on demand | resource, A | code, B | resource, code, A *executes* | B |
# | mobile agent | code, A | resource | - | code, resource, A *executes* |
#
# Here all four do the same job on real places, and you see what each costs, in seconds and in bytes, and where one
# overtakes another. You need `pip install 'sojourn[notebook]'`.
#
# ## The job
#
# Two places, oslo and lima, have readings. We go through them from the largest down, page by page: the next page
# begins below the smallest value of the one before, so each **interaction** needs the answer of the last one. What is
# wanted is the last page of each place.

# %%
import statistics
import time
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import numpy
from IPython.display import Markdown

from agents import agent, connect, hop
from agents.advising import Network, Paradigm, Workload, advise
from agents.probing import measured_costs, sent_by_all
from agents.resources import Made


def page_below(readings, bound, count):
    """One interaction: the `count` largest readings below the bound."""
    below = readings[readings < bound]
    return numpy.sort(numpy.partition(below, -count)[-count:])


def last_page(readings, count, interactions):
    """The whole job, where the readings are."""
    bound = float("inf")
    for _ in range(interactions):
        page = page_below(readings, bound, count)
        bound = float(page[0])
    return page


# %% [markdown]
# Three local Ray nodes are started, with a place on each. The readings come in tables of several sizes, so that the
# job can be done on little and on much. `page` and `table` are services: code that the places have already.

# %%
HOLDERS = ["oslo", "lima"]
SIZES = [20_000, 60_000, 200_000, 600_000, 2_000_000]  # bytes


def tables_of(place):
    """The same each time, and other ones at each place."""
    seed = HOLDERS.index(place)
    return {size: numpy.random.default_rng([size, seed]).random(size // 8) for size in SIZES}


def page(here, size, bound, count):
    return page_below(here.resource("tables")[size], bound, count)


def table(here, size):
    return here.resource("tables")[size]


platform = connect(
    places={"baku": {}} | {place: {"tables": Made(partial(tables_of, place))} for place in HOLDERS},
    services={place: {"page": page, "table": table} for place in HOLDERS},
)
platform

# %% [markdown]
# ## Client-server
#
# The place has the code. We ask it for each page, and each answer crosses the line.


# %%
def client_server(size, count, interactions):
    found = []
    for place in HOLDERS:
        bound = float("inf")
        for _ in range(interactions):
            answer = platform.call(place, "page", size, bound, count)
            bound = float(answer[0])
        found.append(answer)
    return found


client_server(20_000, 3, 5)

# %% [markdown]
# ## Remote evaluation
#
# We have the code, and ship it to each place, where it is executed beside the readings. Only the last page comes back.


# %%
def evaluated(here, size, count, interactions):
    return last_page(here.resource("tables")[size], count, interactions)


def remote_evaluation(size, count, interactions):
    return [platform.evaluate(place, evaluated, size, count, interactions) for place in HOLDERS]


remote_evaluation(20_000, 3, 5)

# %% [markdown]
# ## Code on demand
#
# Somebody has published the code in the repository of a place. We fetch it, once, verify who has signed it, and
# execute it here. But then the data have to be here, too: all of them.

# %%
platform.publish(last_page, "last-page", at="baku")


def code_on_demand(size, count, interactions):
    fetched = platform.fetch("last-page", from_="baku")
    tables = [platform.call(place, "table", size) for place in HOLDERS]
    return [fetched(table, count, interactions) for table in tables]


code_on_demand(20_000, 3, 5)

# %% [markdown]
# ## Mobile agent
#
# The agent takes its code and what it has found from one place to the next, and comes back with all of it.


# %%
@agent
def reader(here, places, size, count, interactions):
    found = []
    for place in places:
        if here.name != place:
            here = yield hop(place)
        found.append(last_page(here.resource("tables")[size], count, interactions))
    return found


def mobile_agent(size, count, interactions):
    handle = platform.launch(reader, HOLDERS, size, count, interactions, at=HOLDERS[0])
    return handle.result(timeout=60)


mobile_agent(20_000, 3, 5)

# %% [markdown]
# ## Measuring
#
# The four take turns, five times, each first in turn; seconds are the median. Bytes are what all processes of the
# platform have sent to one another meanwhile, so with all that belongs to it: for an agent its birth, its passport and
# the directory, too. Every result is checked.

# %%
WAYS = {
    Paradigm.CLIENT_SERVER: client_server,
    Paradigm.REMOTE_EVALUATION: remote_evaluation,
    Paradigm.CODE_ON_DEMAND: code_on_demand,
    Paradigm.MOBILE_AGENT: mobile_agent,
}
PART = 0.01  # of the readings are on one page
OURS = {place: tables_of(place) for place in HOLDERS}  # to check the results by


def measured(size, interactions, turns=5):
    """Median seconds and bytes of each paradigm."""
    count = round(size // 8 * PART)
    expected = [last_page(OURS[place][size], count, interactions) for place in HOLDERS]
    seconds, moved = {way: [] for way in WAYS}, {way: [] for way in WAYS}
    order = list(WAYS)
    for _ in range(turns):
        for way in order:
            before, start = sent_by_all(platform), time.perf_counter()
            found = WAYS[way](size, count, interactions)
            seconds[way].append(time.perf_counter() - start)
            moved[way].append(sent_by_all(platform) - before)
            assert all(map(numpy.array_equal, found, expected)), way
        order.append(order.pop(0))
    return {way: (statistics.median(seconds[way]), statistics.median(moved[way])) for way in WAYS}


def shown(title, rows):
    """A table of what was measured."""
    print(f"{title:>12}" + "".join(f"{way:>22}" for way in WAYS))
    for key, row in rows.items():
        cells = (f"{seconds * 1e3:.1f} ms {moved / 1e3:7.1f} kB" for seconds, moved in row.values())
        print(f"{key:12,}" + "".join(f"{cell:>22}" for cell in cells))


SIZE, INTERACTIONS = 200_000, 10
by_interactions = {number: measured(SIZE, number) for number in (1, 3, 10, 30, 100)}
shown("interactions", by_interactions)

# %%
by_size = {size: measured(size, INTERACTIONS) for size in SIZES}
shown("bytes", by_size)

# %% [markdown]
# ## What the cost model says
#
# `platform.advise` measures once what the single operations of this platform cost: a call, an evaluation, a fetch, an
# agent, a hop, and a byte more of each. From that it says what each paradigm would take for a task. The model is that
# of the paper above, linear in the number of interactions, in the data and in the part that is selected; see also
# Baldi and Picco (*Evaluating the Tradeoffs of Mobile Code Design Paradigms in Network Management Applications*, ICSE
# 1998).


# %%
def workload(size, interactions):
    places = len(HOLDERS)
    return Workload(interactions=interactions, data_bytes=size, selectivity=PART, places=places, known=True)


platform.advise(workload(SIZE, INTERACTIONS))

# %% [markdown]
# That counts what crosses the line. To look through the readings takes a while, too, and the same wherever it is done;
# how long for one byte is measured here, so that the model can be held against the points above.

# %%
largest = OURS["oslo"][SIZES[-1]]
start = time.perf_counter()
last_page(largest, 100, 20)
scan = (time.perf_counter() - start) / 20 / largest.nbytes
costs = replace(measured_costs(platform), scan=scan)

# %%
COLOURS = dict(zip(WAYS, ["#0072B2", "#D55E00", "#009E73", "#CC79A7"], strict=True))
MARKS = dict(zip(WAYS, "osD^", strict=True))


def plotted(axes, rows, advice, which, label):
    """Measured as points, the model as lines; both axes are logarithmic."""
    for way in WAYS:
        style = {"color": COLOURS[way], "label": way.value}
        axes.plot(list(rows), [row[way][which] for row in rows.values()], MARKS[way], **style)
        told = [one.bytes[way] if which else one.seconds[way] for one in advice]
        axes.plot(list(rows), told, "-", color=COLOURS[way], alpha=0.6, linewidth=1.2)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="bytes sent" if which else "seconds")
    axes.grid(alpha=0.3)


figure, axes = plt.subplots(2, 2, figsize=(9, 6.6), dpi=80, facecolor="white", layout="constrained")
numbers = [advise(workload(SIZE, number), costs) for number in by_interactions]
sizes = [advise(workload(size, INTERACTIONS), costs) for size in by_size]
left = f"interactions (with {SIZE:,} bytes at each place)"
right = f"bytes at each place ({INTERACTIONS} interactions)"
for which in (0, 1):
    plotted(axes[which][0], by_interactions, numbers, which, left)
    plotted(axes[which][1], by_size, sizes, which, right)
handles, labels = axes[0][0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncol=4, frameon=False)
figure.suptitle("points: measured; lines: the model", fontsize=10)
plt.show()

# %% [markdown]
# Above seconds, below bytes; on the left the number of interactions grows, on the right the size of the data. The
# bytes go as their lines do, whatever else this machine is busy with; what is evaluated here is half as long again as
# what the model was measured with, and so are its points above their line. The seconds depend on the moment.
#
# - **Client-server** pays for each interaction, and is the cheapest for a few.
# - **Remote evaluation** and the **mobile agent** pay once for each place, however many interactions there are. They
#   cost the same kind of thing here, since an evaluation is an agent that goes nowhere.
# - **Code on demand** pays for all data, and for nothing else.
#
# ## Where they cross


# %%
def crossings(rows, which):
    """Where one way overtakes another, by logarithmic interpolation between points where one is clearly ahead."""
    ways = list(WAYS)
    for number, one in enumerate(ways):
        for other in ways[number + 1 :]:
            ratios = [(numpy.log(key), numpy.log(row[one][which] / row[other][which])) for key, row in rows.items()]
            clear = [(at, ratio) for at, ratio in ratios if abs(ratio) > 0.1]  # else the two are as good as the same
            for (before, was), (after, now) in zip(clear, clear[1:], strict=False):
                if was * now < 0:
                    point = numpy.exp(before + (after - before) * was / (was - now))
                    slower, faster = (one, other) if was < 0 else (other, one)
                    yield f"{faster.value} overtakes {slower.value} at {float(f'{point:.2g}'):,.0f}"


for label, rows in (("interactions", by_interactions), ("bytes at each place", by_size)):
    for which, what in enumerate(("seconds", "bytes")):
        found = list(crossings(rows, which)) or ["none overtakes another here"]
        print(f"{what}, by {label}:", *found, sep="\n    ")

# %% [markdown]
# The bytes can be asserted, as they are the same each time but for a little that the places say to one another anyway.


# %%
def sent(rows, way):
    return [row[way][1] for row in rows.values()]


few, many = by_interactions[1], by_interactions[100]
assert min(WAYS, key=lambda way: few[way][1]) is Paradigm.CLIENT_SERVER
assert many[Paradigm.CLIENT_SERVER][1] > 20 * few[Paradigm.CLIENT_SERVER][1]
for way in (Paradigm.REMOTE_EVALUATION, Paradigm.MOBILE_AGENT):
    assert max(sent(by_interactions, way)) < 2 * min(sent(by_interactions, way))
    assert many[way][1] < many[Paradigm.CLIENT_SERVER][1]
for size, row in by_size.items():
    assert row[Paradigm.CODE_ON_DEMAND][1] > size * len(HOLDERS)
largest = by_size[SIZES[-1]]
assert max(WAYS, key=lambda way: largest[way][1]) is Paradigm.CODE_ON_DEMAND

# %% [markdown]
# ## On another network
#
# Three nodes of one machine are an odd network: a byte costs nothing, and a question is answered in a fraction of a
# millisecond. So *code on demand* looks good here though it moves the most. `advise` also says what a network in
# between would add. That part is not measured; it is the model.

# %%
networks = {
    "this machine": Network(),
    "data centre": Network(round_trip=0.0005, bandwidth=125e6),
    "between cities": Network(round_trip=0.03, bandwidth=12.5e6),
    "mobile phone": Network(round_trip=0.06, bandwidth=1.25e6),
}
tasks = {
    "1 interaction, 20 kB": workload(20_000, 1),
    "10 interactions, 200 kB": workload(200_000, 10),
    "100 interactions, 200 kB": workload(200_000, 100),
    "100 interactions, 20 MB": workload(20_000_000, 100),
}
lines = ["| |" + "|".join(networks) + "|", "|---|" + "---|" * len(networks)]
for task, work in tasks.items():
    told = [advise(work, costs, network) for network in networks.values()]
    cells = [f"{one.best}, {one.seconds[one.best]:.3g} s" for one in told]
    lines.append(f"| {task} |" + "|".join(cells) + "|")
Markdown("\n".join(lines))

# %% [markdown]
# ## What you have seen
#
# - The same job by each of the four paradigms gives the same result; what differs is who has the code, where it is
#   executed, and what crosses the line.
# - Few interactions: ask (client-server). Many interactions with large data: send the code to it (remote evaluation,
#   mobile agent). Small data, often used: get it and compute here (code on demand).
# - A mobile agent differs from remote evaluation when there are several places and each step needs what was found
#   before: it goes on by itself, and nobody has to wait for it.
# - The model names the cheapest from what one operation costs on the network that is there.
#
# Next: [federated learning](05_federated.ipynb), where the data *may* not move. More: [the four paradigms, concept by
# concept](../docs/guide-mobility.md#four-paradigms), and [how they were
# measured](../benchmarks/README.md#the-four-paradigms) with more care than in a notebook.

# %%
platform.close()
