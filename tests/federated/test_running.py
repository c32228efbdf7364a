"""A run from end to end, on real processes: as Flower runs it, interrupted and taken up again, and with bad apps."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy
import pytest

from federated.app import AppBundle
from federated.apperrors import AppUnsigned, RunConfigInvalid, ServerAppFailed, TooFewNodes
from federated.dataset import AppAdmission, Dataset
from federated.local import LocalNodes
from federated.results import Progress, RunResult
from federated.running import run_app
from mobility.trust import Identity
from tests.federated.probes import PROJECT, probe, write
from tests.federated.test_grid import Memory

NODES = ["amal", "bela", "cara"]
GOOD = "return answer(msg, numpy.ones(4))"


@pytest.fixture
def nodes(ada: Identity) -> Any:
    with LocalNodes.admitting(ada, NODES) as link:
        yield link


def same(one: RunResult, other: RunResult) -> bool:
    """Bit for bit."""
    return list(one.arrays) == list(other.arrays) and all(
        one.arrays[name].tobytes() == other.arrays[name].tobytes() for name in one.arrays
    )


# -- as Flower does it


def flowers_own(app: AppBundle, folder: Path, nodes: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The same app in Flower's own engine: its in-memory link state and its workers, less the actors of Ray."""
    import subprocess
    import sys

    for path, data in app.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    program = """
import json, sys, types
from flwr.server.superlink.fleet.vce.backend import Backend

class InThisProcess(Backend):
    def __init__(self, backend_config, *args, **options): self.load = None
    def build(self, app_fn): self.load = app_fn
    @property
    def num_workers(self): return 1
    def is_worker_idle(self): return True
    def terminate(self): pass
    def process_message(self, message, context): return self.load()(message, context), context

instead = types.ModuleType("flwr.server.superlink.fleet.vce.backend.raybackend")
instead.RayBackend = InThisProcess
sys.modules[instead.__name__] = instead

from flwr.simulation.run_simulation import _run_simulation
from flwr.supercore.telemetry import EventType
from flwr.supercore.run import Run
from flwr.supercore.constant import NOOP_FEDERATION_ID
from flwr.supercore.task_identity import TaskIdentity
from flwr.app import Context, RecordDict

folder, nodes, settings = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 5, 1, 1
run = Run.create_empty(5)
run.primary_task_id = 1
run.federation_id = NOOP_FEDERATION_ID
run.override_config = settings
_run_simulation(num_supernodes=nodes, exit_event=EventType.PYTHON_API_RUN_SIMULATION_LEAVE,
    client_app_attr="digits.client_app:app", server_app_attr="digits.server_app:app", app_dir=folder, is_app=True,
    run=run, server_app_context=Context(run_id=5, node_id=1, node_config={}, state=RecordDict(), run_config=settings))
"""
    environment = {**os.environ, "FLWR_TELEMETRY_ENABLED": "0", "FLWR_HOME": str(folder / "home")}
    run = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(nodes), json.dumps(settings)],
        capture_output=True,
        text=True,
        timeout=200,
        env=environment,
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    with numpy.load(settings["save"]) as saved:
        return {name: saved[name] for name in saved.files}


@pytest.mark.parametrize("strategy", ["FedAvg", "FedAdam"])
def test_the_weights_are_those_of_flowers_own_engine(
    strategy: str, ada: Identity, digits: AppBundle, nodes: LocalNodes, tmp_path: Path
) -> None:
    """Same app, partitions and rounds; the engine adds up in the order of arrival, so the last bits may differ."""
    config = {"num-server-rounds": 3, "strategy": strategy, "min-nodes": 3}
    ours = run_app(digits, nodes=nodes, author=ada, run_config=config, seed=1)
    settings = {**digits.config.with_overrides(config), "local-epochs": 5, "save": str(tmp_path / "theirs.npz")}
    theirs = flowers_own(digits, tmp_path / "app", 3, settings)
    assert len(ours.arrays) == len(theirs) == 2
    for mine, other in zip(ours.arrays.values(), theirs.values(), strict=True):
        assert numpy.allclose(mine, other, rtol=1e-9, atol=1e-11)
        assert numpy.abs(mine).max() > 0.01


# -- one run


def test_a_run(ada: Identity, digits: AppBundle, nodes: LocalNodes, tmp_path: Path) -> None:
    """Progress by round, metrics, arrays, counts; the file that the app writes is where it should be."""
    told: list[Progress] = []
    saved = tmp_path / "final.npz"
    result = run_app(
        digits, nodes=nodes, author=ada, run_config={"save": str(saved)}, seed=1, progress=told.append, least=3
    )
    assert [(one.round, one.phase) for one in told] == [
        (0, "server"),
        *((number, phase) for number in (1, 2, 3) for phase in ("train", "evaluate", "server")),
    ]
    assert all((one.answered, one.failed) == ((0, 0) if one.phase == "server" else (3, 0)) for one in told)
    assert sum(one.phase_received for one in told) == told[-1].received
    assert told[-1].nodes == 3 and told[-1].received > told[0].received > 0
    assert told[1].metrics["train_loss"] == result.metrics["train"][1]["train_loss"]
    assert set(result.metrics["server"]) == {0, 1, 2, 3}
    assert result.nodes == tuple(NODES) and not result.refused and not result.failures
    assert result.app == digits.digest and result.tally.asked == 18
    content = json.loads(result.to_json())
    assert content["arrays"]["coef"].items() >= {"shape": [64, 10], "dtype": "float64"}.items()
    assert content["metrics"]["train"]["3"]["rounds-trained"] == 3.0
    with numpy.load(saved) as file:
        assert all((file[f"arr_{n}"] == one).all() for n, one in enumerate(result.arrays.values()))


def test_two_runs_at_once_in_one_process(ada: Identity, digits: AppBundle, nodes: LocalNodes, tmp_path: Path) -> None:
    """Flower keeps who it is in globals, and apps have modules of the same names: each run has its processes."""
    others = {"one": 1.0, "two": 2.0}
    apps = {name: probe(tmp_path / name, f"return answer(msg, numpy.full(4, {v}))") for name, v in others.items()}
    results: dict[str, RunResult] = {}

    def run(name: str) -> None:
        results[name] = run_app(apps[name], nodes=nodes, author=ada)

    threads = [threading.Thread(target=run, args=(name,)) for name in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {name: float(result.arrays["0"][0]) for name, result in results.items()} == others


def test_who_does_not_admit_it_does_not_take_part(ada: Identity, tmp_path: Path) -> None:
    """The app sees the others, and goes on with them."""
    admitted = Dataset(admission=AppAdmission(signers=frozenset({ada.key_id})))
    with LocalNodes.admitting(ada, NODES) as link:
        link["bela"].set_dataset("data", Dataset(admission=AppAdmission()))
        result = run_app(probe(tmp_path / "a", GOOD), nodes=link, author=ada)
        assert result.nodes == ("amal", "cara")
        assert result.refused["bela"].startswith("app-not-admitted")
        assert result.tally.asked == 2
        with pytest.raises(TooFewNodes, match="needs 3"):
            run_app(probe(tmp_path / "b", GOOD), nodes=link, author=ada, least=3)
        link["bela"].set_dataset("data", admitted)
        assert run_app(probe(tmp_path / "c", GOOD), nodes=link, author=ada, least=3).tally.asked == 3


def test_a_strategy_that_waits_for_more_nodes_is_ended(ada: Identity, digits: AppBundle, nodes: LocalNodes) -> None:
    """Flower would say "Waiting for nodes to connect" for ever."""
    with pytest.raises(TooFewNodes, match="more than 3 nodes") as told:
        run_app(digits, nodes=nodes, author=ada, run_config={"min-nodes": 5}, patience=2.0)
    # From the server part's process and back: the reason is told once.
    assert str(told.value).count("taking part: ") == 1 and str(told.value).count("too-few-nodes") == 1


def test_a_node_is_killed_in_the_middle(ada: Identity, digits: AppBundle, nodes: LocalNodes) -> None:
    """Its replies are missing, the run goes on with the others, and with it again when it is back."""

    def watch(progress: Progress) -> None:
        if (progress.round, progress.phase) == (1, "evaluate"):
            nodes.kill("bela")
        if (progress.round, progress.phase) == (3, "evaluate"):
            time.sleep(1.1)
            nodes.start("bela")

    result = run_app(digits, nodes=nodes, author=ada, run_config={"num-server-rounds": 5}, seed=1, progress=watch)
    assert set(result.metrics["train"]) == {1, 2, 3, 4, 5}
    assert result.nodes == tuple(NODES)
    assert {node for node, *_ in result.failures} == {"bela"}


def test_a_straggler(ada: Identity, nodes: LocalNodes, tmp_path: Path) -> None:
    """One node hangs in the first round: its reply is an error, its process is ended; in the second it is back."""
    app = probe(
        tmp_path / "a",
        """
        if context.node_config["partition-id"] == 1 and msg.content["config"]["server-round"] == 1:
            time.sleep(60)
        return answer(msg, numpy.ones(4), part=context.node_config["partition-id"])
        """,
    )
    began = time.monotonic()
    result = run_app(app, nodes=nodes, author=ada, run_config={"rounds": 2, "timeout": 8.0})
    assert time.monotonic() - began < 40
    assert [node for node, *_ in result.failures] == ["bela"]
    assert result.metrics["train"][1]["part"] == 1.0 and result.metrics["train"][2]["part"] == 1.0


# -- interrupted


class Lost(Exception):
    """The driver is gone."""


def test_a_driver_that_is_lost_goes_on_with_its_journal(ada: Identity, digits: AppBundle, nodes: LocalNodes) -> None:
    """It ends with the same bits as an undisturbed run, and trains nothing twice that was answered."""
    config = {"num-server-rounds": 4, "fraction-train": 0.7, "wrapper": "DifferentialPrivacyServerSideFixedClipping"}

    def run(journal: Memory | None, lost_at: int) -> RunResult:
        def watch(progress: Progress) -> None:
            if progress.round == lost_at and progress.phase == "train":
                raise Lost

        return run_app(
            digits,
            nodes=nodes,
            author=ada,
            run_config=config,
            seed=3,
            journal=journal and journal.again(),
            progress=watch,
        )

    undisturbed = run(Memory(), 0)
    journal = Memory()
    for lost_at in (1, 3):
        with pytest.raises(Lost):
            run(journal, lost_at)
    answered = journal.answered
    resumed = run(journal, 0)
    assert same(undisturbed, resumed)
    assert resumed.metrics == undisturbed.metrics
    assert resumed.tally.recalled == answered > 0
    assert resumed.tally.recalled + resumed.tally.asked == undisturbed.tally.asked
    assert not same(undisturbed, run_app(digits, nodes=nodes, author=ada, run_config=config, seed=4))


# -- bad apps, bad wishes


def test_before_anything_is_sent(ada: Identity, tmp_path: Path) -> None:
    """Unsigned, or with settings that it does not have."""
    app = probe(tmp_path / "a", GOOD)
    with LocalNodes({}, LocalNodes.admitting(ada, [])._trust) as link:
        with pytest.raises(AppUnsigned):
            run_app(app, nodes=link)
        with pytest.raises(RunConfigInvalid, match="epochs"):
            run_app(app, nodes=link, author=ada, run_config={"epochs": 3})
        with pytest.raises(TooFewNodes):
            run_app(app, nodes=link, author=ada, patience=0.1)


@pytest.mark.parametrize(
    ("main", "words"),
    [
        ("raise ValueError('no model')", "raised ValueError: no model"),
        ("import sys; sys.exit(2)", "raised SystemExit"),
        ("import os; os._exit(4)", "has ended with code 4"),
        ("grid.push_messages([Message(RecordDict(), 12345, 'train')])", "no node 12345"),
    ],
)
def test_the_server_part_fails(ada: Identity, tmp_path: Path, main: str, words: str) -> None:
    """What it raises is in the error, with its traceback."""
    server = (
        "from flwr.app import Message, RecordDict\nfrom flwr.serverapp import ServerApp\napp = ServerApp()\n"
        f"@app.main()\ndef main(grid, context):\n    {main}\n"
    )
    with LocalNodes.admitting(ada, ["amal"]) as link, pytest.raises(ServerAppFailed, match=words) as told:
        run_app(probe(tmp_path / "a", GOOD, server=server), nodes=link, author=ada)
    if told.value.kind:
        assert "line 6" in told.value.details or "server.py" in told.value.details


def test_a_server_part_that_does_not_end(ada: Identity, tmp_path: Path) -> None:
    """It is ended with its run."""
    server = (
        "import time\nfrom flwr.serverapp import ServerApp\napp = ServerApp()\n"
        "@app.main()\ndef main(grid, context):\n    time.sleep(600)\n"
    )
    with LocalNodes.admitting(ada, ["amal"]) as link, pytest.raises(ServerAppFailed, match="within 3 s"):
        run_app(probe(tmp_path / "a", GOOD, server=server), nodes=link, author=ada, timeout=3.0)


def test_all_nodes_fail(ada: Identity, nodes: LocalNodes, tmp_path: Path) -> None:
    """As Flower has it, the strategy goes on without a result, and the failures say why."""
    result = run_app(probe(tmp_path / "a", "raise ValueError('no data')"), nodes=nodes, author=ada)
    assert result.metrics["train"] == {}
    assert sorted(node for node, *_ in result.failures) == NODES
    assert all("no data" in reason for *_, reason in result.failures)


# -- other forms of apps

OLDER_CLIENT = """
from flwr.client import NumPyClient

class Client(NumPyClient):
    def __init__(self, part): self.part = part
    def fit(self, parameters, config): return [parameters[0] + self.part], 10, {"part": self.part}
    def evaluate(self, parameters, config): return 0.25, 10, {"accuracy": 0.75}
    def get_parameters(self, config): return [numpy.zeros(3)]

app = ClientApp(client_fn=lambda context: Client(context.node_config["partition-id"]).to_client())
"""
OLDER_SERVER = """
from flwr.server import ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.serverapp import ServerApp

def mean(metrics):
    return {"accuracy": sum(one["accuracy"] for _, one in metrics) / len(metrics)}

def server_fn(context):
    strategy = FedAvg(min_available_clients=3, evaluate_metrics_aggregation_fn=mean)
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=2))

app = ServerApp(server_fn=server_fn)
"""


def test_an_app_of_the_older_form(ada: Identity, nodes: LocalNodes, tmp_path: Path) -> None:
    """client_fn and server_fn, with the first parameters asked of a client."""
    result = run_app(probe(tmp_path / "a", OLDER_CLIENT, server=OLDER_SERVER), nodes=nodes, author=ada, seed=1)
    assert result.strategy == "FedAvg" and not result.failures
    assert numpy.allclose(result.arrays["0"], [2.0, 2.0, 2.0])
    assert result.metrics["evaluate"][2] == {"loss": 0.25, "accuracy": 0.75}


ASKING_SERVER = """
import time
import numpy
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()

@app.main()
def main(grid, context):
    ids = list(grid.get_node_ids())
    assert len(ids) == 3 and len(list(grid.get_nodes())) == 3 and grid.run.fab_hash
    sent = [Message(RecordDict({"config": ConfigRecord({"n": n})}), node, "query.count") for n, node in enumerate(ids)]
    waiting = list(grid.push_messages(sent))
    got = []
    until = time.time() + 30
    while len(got) < 3 and time.time() < until:
        got += grid.pull_messages(waiting)
        time.sleep(0.05)
    counts = sorted(reply.content["metrics"]["count"] for reply in got)
    assert counts == [0, 10, 20], counts
    one = grid.create_message(RecordDict({"config": ConfigRecord({"n": 7})}), "query.count", ids[0], "1")
    (reply,) = grid.send_and_receive([one])
    assert reply.content["metrics"]["count"] == 70
    (other,) = grid.send_and_receive([Message(RecordDict(), ids[1], "query.unknown")])
    assert other.has_error() and other.metadata.reply_to_message_id, other
    with open(context.run_config["deep.value"], "w") as file:
        file.write("done")
"""
ASKED_CLIENT = """
@app.query("count")
def count(msg, context):
    number = msg.content["config"]["n"] * 10
    return Message(RecordDict({"metrics": MetricRecord({"count": number})}), reply_to=msg)
"""


def test_an_app_without_a_strategy(ada: Identity, nodes: LocalNodes, tmp_path: Path) -> None:
    """Messages of its own making, pushed and pulled; actions of a query; an action that nobody has."""
    app = probe(tmp_path / "a", ASKED_CLIENT, server=ASKING_SERVER)
    result = run_app(app, nodes=nodes, author=ada, run_config={"deep.value": str(tmp_path / "done")})
    assert (tmp_path / "done").read_text() == "done"
    assert result.strategy == "" and result.tally.asked == 5


def test_lifespan_and_dependencies_are_flowers(ada: Identity, nodes: LocalNodes, tmp_path: Path) -> None:
    """What an app does around its messages happens in its process."""
    client = f"""
@app.lifespan()
def lifespan(context):
    with open({str(tmp_path / "log")!r}, "a") as file: file.write("in ")
    yield
    with open({str(tmp_path / "log")!r}, "a") as file: file.write("out ")

@app.train()
def train(msg, context):
    return answer(msg, numpy.ones(4))
"""
    with LocalNodes.admitting(ada, ["amal"]) as link:
        run_app(probe(tmp_path / "a", client, project=PROJECT), nodes=link, author=ada)
    assert (tmp_path / "log").read_text() == "in out "


def test_no_process_is_left(ada: Identity, tmp_path: Path) -> None:
    """Neither after a run nor after the nodes are closed."""
    import psutil

    me = psutil.Process()
    before = {one.pid for one in me.children(recursive=True)}
    with LocalNodes.admitting(ada, NODES) as link:
        run_app(probe(tmp_path / "a", GOOD), nodes=link, author=ada)
        until = time.monotonic() + 5
        while {one.pid for one in me.children(recursive=True)} - before and time.monotonic() < until:
            time.sleep(0.05)
        assert {one.pid for one in me.children(recursive=True)} == before


def test_all_processes_end_with_their_driver(ada: Identity, tmp_path: Path) -> None:
    """After `kill -9` nobody could use what they do, and a second server must not run beside the first."""
    import subprocess
    import sys

    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from pathlib import Path
from federated.local import LocalNodes
from federated.running import run_app
from mobility.trust import Identity
from tests.federated.probes import probe
ada = Identity.generate("ada", "owner")
mark = {str(tmp_path / "pid")!r}
app = probe(Path({str(tmp_path / "a")!r}), "open(" + repr(mark) + ", 'a').write('x'); [None for _ in iter(int, 1)]")
with LocalNodes.admitting(ada, ["amal"]) as link:
    run_app(app, nodes=link, author=ada, log=Path({str(tmp_path / "server.log")!r}))
"""
    import psutil

    driver = subprocess.Popen([sys.executable, "-c", program])
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "pid").exists() and time.monotonic() < until:
            time.sleep(0.05)
        children = psutil.Process(driver.pid).children(recursive=True)
        server = [one for one in children if "federated._flower.serverapp" in one.cmdline()]
        assert len(server) == 1
        os.kill(driver.pid, signal.SIGKILL)
        psutil.wait_procs(children, timeout=10)
        assert not [one for one in children if one.is_running()]
    finally:
        driver.kill()
        driver.wait()
        for one in children:
            if one.is_running():
                one.kill()


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy
from federated import AppAdmission, AppBundle, Dataset, LocalNodes, run_app
from federated.journal import RoundJournal, run_digest
from mobility.trust import Identity, TrustEntry, TrustList

folder, app, mark, killed_at = Path(sys.argv[1]), AppBundle.from_dir(sys.argv[2]), sys.argv[3], int(sys.argv[4])
key = folder / "ada.key"  # runs belong to who asks: whoever goes on with one has his key
if not key.exists():
    Identity.generate("ada", "owner").save(key)
ada = Identity.load(key)
trust = TrustList().trusting(TrustEntry(ada.public, "ada", (ada.public.role,)))
dataset = Dataset(
    admission=AppAdmission(signers=frozenset({ada.key_id})), environment={"MARK": mark}
)

journal = RoundJournal(folder / "journal", run_digest(app.digest, b"", 1))
with LocalNodes({name: {"data": dataset} for name in ("amal", "bela", "cara")}, trust, folder=folder) as nodes:
    ask = nodes.ask
    count = [0]

    def counted(node, request, timeout):
        answer = ask(node, request, timeout)
        count[0] += 1
        if count[0] == killed_at:  # in the middle of a round: some have answered, others have not
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    nodes.ask = counted
    result = run_app(app, nodes=nodes, author=ada, run_config={"rounds": 4}, seed=1, journal=journal)
numpy.save(folder / "final.npy", result.arrays["0"])
print(result.tally.asked, result.tally.recalled, len(result.failures))
"""
TRAINED = """
values = msg.content["arrays"]["0"].numpy()
part = context.node_config["partition-id"]
seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
with open(os.environ["MARK"], "a") as file: file.write("x")
return answer(msg, values * 0.7 + numpy.arange(4) * 0.1 / (part + 1) + seen["n"] / 3)
"""


def test_kill_9_of_server_and_nodes_in_the_middle_of_a_round(tmp_path: Path) -> None:
    """Everything is killed at once, twice; started again it ends with the same bits, having trained little twice."""
    import subprocess
    import sys

    write(tmp_path / "app", TRAINED)
    (tmp_path / "kill.py").write_text(KILLED, encoding="utf-8")

    def run(name: str, killed_at: int) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        arguments = [str(folder), str(tmp_path / "app"), str(tmp_path / f"{name}.mark"), str(killed_at)]
        return subprocess.run(
            [sys.executable, str(tmp_path / "kill.py"), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )

    assert run("undisturbed", 0).stdout == "12 0 0\n"
    for killed_at in (8, 7):  # three answers to an admission come first
        assert run("killed", killed_at).returncode == -signal.SIGKILL
    last = run("killed", 0)
    assert last.returncode == 0, last.stderr
    asked, recalled, failures = map(int, last.stdout.split())
    assert asked + recalled == 12 and recalled >= 6 and failures == 0
    ends = [(tmp_path / name / "final.npy").read_bytes() for name in ("undisturbed", "killed")]
    assert ends[0] == ends[1]
    # A message whose training was cut off is trained again; what a node had answered is not.
    trained = len((tmp_path / "killed.mark").read_text())
    assert 12 <= trained <= 12 + 2 * 3
