# %% [markdown]
# # Federated learning: code to the data
#
# Some data must not leave the place where it lies: patients' records, for example. Then the computation goes there.
# In *federated learning* (McMahan et al. 2017) a server sends a model to each place, the place trains it on its own
# rows, and only the trained weights come back. The server averages them and sends the mean out again: one *round*.
#
# In the terms of code mobility (Fuggetta, Picco and Vigna 1998) this is *remote evaluation*: the know-how travels,
# the resources stay. Here an unmodified [Flower](https://flower.ai) app is the code, and places of the platform
# hold the data. You will see what an owner of data decides, what is refused, and how that can be checked
# afterwards.
#
# This notebook needs `pip install 'sojourn[notebook,federated,demo]'`; `demo` brings scikit-learn, and with it the
# data.

# %% [markdown]
# ## Three hospitals
#
# 569 patients, 30 measurements of cell nuclei each, malignant or benign (Street, Wolberg and Mangasarian 1993).
# They are dealt to three hospitals, unevenly on purpose: oslo treats mostly the ill, lima and baku see mostly the
# healthy. This is *label skew*: what one place sees is not what the world is like.

# %%
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

measured, benign = load_breast_cancer(return_X_y=True)
scaled = (measured - measured.mean(0)) / measured.std(0) / 5  # mostly between -1 and 1
shares = {
    "baku": (0.10, 0.30),
    "oslo": (0.85, 0.05),
    "lima": (0.05, 0.65),
}  # of the malignant, of the benign
chance = np.random.default_rng(7)
parts = {hospital: [] for hospital in shares}
for kind in (0, 1):
    rows = chance.permutation(np.flatnonzero(benign == kind))
    cuts = np.cumsum([int(share[kind] * len(rows)) for share in shares.values()])[:-1]
    for hospital, mine in zip(shares, np.split(rows, cuts), strict=True):
        parts[hospital].extend(mine)
for hospital, mine in parts.items():
    mine = np.sort(mine)
    np.savez(
        f"{hospital}.npz", x=scaled[mine], y=1 - benign[mine], radius=measured[mine, 0]
    )  # y: 1 is malignant

# %%
from matplotlib import pyplot as plt

BLUE, ORANGE, GREEN = "#3987e5", "#d95926", "#199e70"
malignant = [sum(1 - benign[mine]) for mine in parts.values()]
figure, axes = plt.subplots(figsize=(6, 1.8), dpi=80, facecolor="white", layout="constrained")
axes.barh(list(parts), malignant, color=ORANGE, label="malignant")
axes.barh(
    list(parts),
    [sum(benign[mine]) for mine in parts.values()],
    left=malignant,
    color=BLUE,
    label="benign",
)
axes.set_xlabel("patients")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The app
#
# An app for Flower has a client part, which runs beside the data, and a server part, which averages. Both are plain
# Flower: nothing in them knows where they will run. The client finds the file of its hospital in
# `context.node_config`, which is the data owner's word and not the app's. Every fifth patient is kept for the test.

# %%
app_folder = Path("tumours")
app_folder.mkdir(exist_ok=True)
(app_folder / "client.py").write_text("""
import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from sklearn.linear_model import SGDClassifier

app = ClientApp()

def rows(context, test):
    with np.load(context.node_config["data"]) as ward:
        x, y = ward["x"], ward["y"]
    held = np.arange(len(y)) % 5 == 0
    return (x[held], y[held]) if test else (x[~held], y[~held])

def model(arrays):
    made = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.02, random_state=1)
    made.classes_ = np.array([0, 1])
    made.coef_, made.intercept_ = (array.copy() for array in arrays.to_numpy_ndarrays())
    return made

@app.train()
def train(message, context):
    x, y = rows(context, test=False)
    made = model(message.content["arrays"]).partial_fit(x, y)
    metrics = {"num-examples": len(y)}
    if context.run_config["leak"]:
        metrics["first-patient"] = x[0].tolist()      # what the owner will not let out
    content = {"arrays": ArrayRecord([made.coef_, made.intercept_]), "metrics": MetricRecord(metrics)}
    return Message(RecordDict(content), reply_to=message)

@app.evaluate()
def evaluate(message, context):
    x, y = rows(context, test=True)
    metrics = {"accuracy": float(model(message.content["arrays"]).score(x, y)), "num-examples": len(y)}
    return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
""")
(app_folder / "server.py").write_text("""
import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()

@app.main()
def main(grid, context):
    start = ArrayRecord([np.zeros((1, 30)), np.zeros(1)])
    FedAvg(min_available_nodes=3).start(grid, start, num_rounds=context.run_config["rounds"])
""")
(app_folder / "pyproject.toml").write_text("""
[project]
name = "tumours"
version = "1.0.0"
dependencies = ["flwr>=1.40", "scikit-learn"]
[tool.flwr.app]
publisher = "ada"
[tool.flwr.app.components]
serverapp = "server:app"
clientapp = "client:app"
[tool.flwr.app.config]
rounds = 8
leak = false
""")
sorted(file.name for file in app_folder.iterdir())

# %% [markdown]
# Its author, ada, makes a bundle of the folder and signs it. What travels is this bundle: whoever changes a letter
# of it on the way breaks the signature.

# %%
from federated import AppBundle
from mobility import Identity

ada = Identity.generate("ada", "owner")
app = AppBundle.from_dir(app_folder).signed_by(ada)
print(app)

# %% [markdown]
# ## What the owner of the data decides
#
# Each hospital has a file for its place. Its *policy* says whose apps run on a data set, which messages they get,
# and what may leave. What it does not name is forbidden. There are two data sets over the same patients: `biopsies`
# trusts the author, and lets out weights and two numbers; `guarded` lets out nothing that is not clipped and
# noised, and keeps an account of it (*differential privacy*, Dwork et al. 2006).

# %%
for hospital in shares:
    Path(f"{hospital}.toml").write_text(f"""
[place.datasets.biopsies]
config = {{ data = "{Path(hospital).resolve()}.npz" }}
[place.datasets.biopsies.policy]
signers = ["{ada.key_id}"]
messages = ["train", "evaluate"]
keys = ["arrays.arrays.*", "metrics.metrics.accuracy", "metrics.metrics.num-examples"]
allowance = {{ rounds = 10 }}

[place.datasets.guarded]
config = {{ data = "{Path(hospital).resolve()}.npz" }}
loader = "wards:columns"
[place.datasets.guarded.policy]
signers = ["{ada.key_id}"]
messages = ["train", "evaluate"]
keys = ["arrays.arrays.*", "metrics.metrics.accuracy", "metrics.metrics.num-examples"]
exact = ["metrics.metrics.accuracy", "metrics.metrics.num-examples"]
clip_norm = 0.5
noise = {{ epsilon = 8.0, delta = 1e-5 }}
neighbours = "zero"
allowance = {{ epsilon = 15.0, delta = 1e-5, counting_epsilon = 2.0 }}
[[place.datasets.guarded.policy.queries]]
kinds = ["mean", "count"]
columns = ["radius"]
askers = ["{ada.key_id}"]
epsilon = 1.0
least = 10
""")
Path("wards.py").write_text("""
import numpy as np

def columns(config):
    with np.load(config["data"]) as ward:
        return {"radius": ward["radius"]}
""")
# !sojourn fl check oslo.toml

# %% [markdown]
# In words: what it lets in, what it lets out, and a warning where that is a matter of trust. Now the places open,
# each with its file. Only owners whom a place trusts may ask it anything: ada, who connects, and eve.

# %%
from agents import connect

eve = Identity.generate("eve", "owner")
platform = connect(
    places=list(shares),
    place_files={hospital: f"{hospital}.toml" for hospital in shares},
    owner=ada,
    owners=[eve.public],
    state="state",  # ledger and log of each place stay here
    timeout=120,  # seconds until all places serve
)
platform

# %% [markdown]
# ## Eight rounds
#
# The app travels to the three places. Each admits it by its own policy, starts it in a process of its own, and
# looks at each reply before it leaves.

# %%
from federated import PlatformNodes, run_app


def tell(progress):
    if progress.phase == "evaluate":
        print(f"round {progress.round}: accuracy {progress.metrics['accuracy']:.3f}")


hospitals = PlatformNodes(platform)
result = run_app(app, nodes=hospitals, dataset="biopsies", progress=tell)
result

# %% [markdown]
# How much was gained? For comparison, the same model is trained for as long on one hospital alone, and tested on
# the held-out patients of all three. Only this notebook can do that, as it has dealt the data.

# %%
from sklearn.linear_model import SGDClassifier

wards = {hospital: np.load(f"{hospital}.npz") for hospital in shares}


def split(names, test):
    keep = {name: (np.arange(len(wards[name]["y"])) % 5 == 0) == test for name in names}
    return tuple(np.concatenate([wards[name][key][keep[name]] for name in names]) for key in "xy")


alone = {}
for hospital in shares:
    single = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.02, random_state=1)
    for _ in range(8):
        single.partial_fit(*split([hospital], test=False), classes=[0, 1])
    alone[hospital] = single.score(*split(shares, test=True))

by_round = {number: one["accuracy"] for number, one in result.metrics["evaluate"].items()}
figure, axes = plt.subplots(figsize=(6, 2.8), dpi=80, facecolor="white", layout="constrained")
axes.plot(by_round.keys(), by_round.values(), "o-", color=BLUE, label="federated")
for (hospital, accuracy), dashes in zip(alone.items(), ("--", "-.", ":"), strict=True):
    axes.axhline(accuracy, color=ORANGE, linestyle=dashes, linewidth=1.2, label=f"{hospital} alone")
axes.set(xlabel="round", ylabel="accuracy, all test patients", ylim=(0.3, 1))
axes.spines[["top", "right"]].set_visible(False)
figure.legend(frameon=False, loc="outside right upper", fontsize=8)
plt.show()
assert by_round[8] > max(alone.values())

# %% [markdown]
# `result.plot("run.svg")` draws all metrics of a run, and `sojourn fl run` does the same from the command line.
#
# ## What is refused
#
# **Somebody else's app.** Eve is an owner whom the places trust to ask; but no policy here lets her apps run. An
# app without any signature does not even set out.

# %%
from federated.errors import FederatedError

for author in (None, eve):
    try:
        run_app(
            AppBundle.from_dir(app_folder),
            nodes=hospitals,
            author=author,
            dataset="biopsies",
            patience=1,
        )
    except FederatedError as error:
        print(error, "\n")
    else:
        raise AssertionError("it ran")

# %% [markdown]
# **A reply with something else in it.** Ada's app is trusted. With `leak` it also sends the first patient home. The
# app runs, and its reply stays at the place: the policy names three keys, and this is not one of them.

# %%
leaking = run_app(app, nodes=hospitals, dataset="biopsies", run_config={"leak": True, "rounds": 1})
for node, kind, _, why in sorted(leaking.failures):
    print(f"{node}, {kind}: {why}")
assert {node for node, kind, *_ in leaking.failures if kind == "train"} == set(shares)

# %% [markdown]
# **More than the account has.** On `guarded` each update is clipped and gets Gaussian noise, and each release is
# paid: epsilon 8 the first time, less than that for each further one, as they are counted together. 15 is what the
# owner has allowed.

# %%
private = run_app(app, nodes=hospitals, dataset="guarded", run_config={"rounds": 5}, progress=tell)
oslo_failures = sorted({why for node, _, _, why in private.failures if node == "oslo"})
print(*oslo_failures, sep="\n")
assert any("epsilon" in why for why in oslo_failures)

# %% [markdown]
# The noise costs accuracy: with three places it hardly averages out, with hundreds it does. And when epsilon is
# used up no further update leaves, in this run or in any other, however the app is written. The accuracies of the
# later rounds came all the same, of a model that stays as it is: the policy lets them out `exact`, outside the account.
#
# ## What was written down
#
# Each place keeps a *ledger* of what has left and an *audit log* that it signs, entry by entry, each with the
# digest of the one before. Anybody can verify the log; the newest entries of oslo:

# %%
from federated.audit import verify_audit

kept = Path("state/places/oslo/extensions/datasets")
log = verify_audit(kept / "audit.log")
assert log.sound
for row in log.rows()[-6:]:
    print(row["number"], row["kind"], row.get("dataset"), row.get("type", ""), row.get("rules", ""))
# !sojourn fl ledger state/places/oslo/extensions/datasets/ledger.sqlite --policies oslo.toml | cat

# %% [markdown]
# Suppose somebody at oslo would like to hide that the app with the leak was ever there, and changes one word in a
# copy of the log.

# %%
import shutil

shutil.copy(kept / "audit.log", "altered.log")
lines = Path("altered.log").read_bytes().splitlines(keepends=True)
number = next(number for number, line in enumerate(lines) if b'"withheld"' in line)
lines[number] = lines[number].replace(b'"withheld"', b'"released"')
Path("altered.log").write_bytes(b"".join(lines))
altered = verify_audit("altered.log")
print(altered.problems[0])
assert not altered.sound and len(altered.entries) == number

# %% [markdown]
# ## A statistic, by a travelling agent
#
# For a mean no app is needed. An agent goes from place to place, asks the data node of each, and adds up the
# answers. Each place clips the values to the bounds, adds noise from the Laplace distribution, and pays for it from
# `counting_epsilon`.

# %%
from federated.queries import Query, QueryNoise
from federated.tour import tour

mean_radius = Query.mean("radius", bounds=(5, 30))
found = tour(platform, list(shares), mean_radius, dataset="guarded", noise=QueryNoise(epsilon=1.0))
true = np.concatenate([ward["radius"] for ward in wards.values()]).mean()
print(
    f"mean radius {found.value:.2f}, give or take {found.error:.2f} from noise; in truth {true:.2f}"
)
for site in found.sites:
    print(f"  {site.place}: paid epsilon {site.epsilon:g}")
assert abs(found.value - true) < 12 * found.error
found.trail

# %% [markdown]
# What travelled were signed questions and sums. A second one at this price is possible; a third is not:

# %%
for _ in range(2):
    again = tour(
        platform, list(shares), mean_radius, dataset="guarded", noise=QueryNoise(epsilon=1.0)
    )
    print(
        [(site.place, site.epsilon) for site in again.sites],
        *(one.reason for one in again.refused[:1]),
    )
assert {one.place for one in again.refused} == set(shares)
platform.close()

# %% [markdown]
# ## What you have seen
#
# - An unmodified Flower app went to three places; its model is better than that of any hospital alone, and no row
#   has left.
# - The owner of the data decides: who signs, which messages, which keys, how much noise, how often.
# - What was refused was refused by the place, whatever the app or its author wanted.
# - The account of what was spent and the log of what happened are kept by the place; a log that was altered shows it.
#
# Next: [your own cluster](06_your_cluster.ipynb). More: `docs/guide-federated.md`, `docs/howto-learn.md`,
# `docs/reference-policy.md`.
