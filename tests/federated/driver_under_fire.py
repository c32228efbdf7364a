"""A driver of a run that is killed: ``python -m tests.federated.driver_under_fire FOLDER STRATEGY WRAPPER EVERY``.

Three nodes live in a process that stays. The driver of a seeded run, a fork of this process, ends by ``kill -9`` after
so many writes to its journal, and at every second start in the middle of one; it is started again until it ends. Then
it has the bytes of an undisturbed run, and each node has trained for each message once. Prints how many were killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import numpy

from federated import frames as frames_module
from federated.app import AppBundle
from federated.local import LocalNodes
from federated.running import run_app
from mobility.trust import Identity
from tests.federated.probes import CONFIG, probe

NODES = ["amal", "bela", "cara", "dora"]
ROUNDS = 3
THROUGH = 42

SERVER = """
import numpy
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp, strategy as strategies

app = ServerApp()

@app.main()
def main(grid, context):
    config = context.run_config
    extra = {"eta": 0.1} if config["strategy"] == "FedAdam" else {}
    strategy = getattr(strategies, config["strategy"])(
        fraction_train=0.7, min_train_nodes=2, fraction_evaluate=0.5, min_evaluate_nodes=2, min_available_nodes=4,
        **extra)
    if config["wrapper"]:
        strategy = getattr(strategies, config["wrapper"])(
            strategy, noise_multiplier=0.1, clipping_norm=1.0, num_sampled_clients=2)
    strategy.start(grid=grid, initial_arrays=ArrayRecord([numpy.arange(50) / 7]), num_rounds=config["rounds"],
                   timeout=120.0)
"""
CLIENT = """
@app.train()
def train(msg, context):
    values, part = msg.content["arrays"]["0"].numpy(), context.node_config["partition-id"]
    seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
    context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
    with open(os.environ["MARK"], "a") as file:
        file.write(f"{context.run_id} {part} train {msg.content['config']['server-round']}\\n")
    time.sleep(0.02 * part)
    return answer(msg, values * 0.7 + numpy.sin(numpy.arange(50)) / (part + 3) + seen["n"] / 3, part=part)

@app.evaluate()
def evaluate(msg, context):
    part = context.node_config["partition-id"]
    with open(os.environ["MARK"], "a") as file:
        file.write(f"{context.run_id} {part} evaluate {msg.content['config']['server-round']}\\n")
    loss = float(msg.content["arrays"]["0"].numpy().sum())
    content = RecordDict({"metrics": MetricRecord({"num-examples": 1, "loss": loss})})
    return Message(content, reply_to=msg)
"""


class Distant:
    """The link to nodes in another process; what they are is Flower's names and bytes."""

    def __init__(self, address: str) -> None:
        self.address = address

    def nodes(self) -> list[str]:
        return NODES

    def ask(self, node: str, request: bytes, timeout: float) -> bytes:
        with Client(self.address, "AF_UNIX") as connection:
            connection.send((node, request))
            answer: bytes = connection.recv()
        return answer


def serve(address: str, nodes: LocalNodes) -> None:
    """Answer drivers until this process is killed."""

    def one(connection: Connection) -> None:
        try:
            node, request = connection.recv()
            connection.send(nodes.ask(node, request, 120.0))
        except (EOFError, OSError):
            pass  # the driver was killed
        finally:
            connection.close()

    with Listener(address, "AF_UNIX", backlog=64) as listener:
        while True:
            threading.Thread(target=one, args=(listener.accept(),), daemon=True).start()


def forked(work: Callable[[], object]) -> int:
    """Another process, in which this is called."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(THROUGH)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def killed(child: int) -> bool:
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == THROUGH, "it failed otherwise"
    return False


def fire(writes: int, *, torn: bool) -> None:
    """Kill this process after so many writes to the journal, or in the middle of the last one."""
    pwrite, left = os.pwrite, [writes]

    def counted(file: int, data: memoryview, offset: int) -> int:
        left[0] -= 1
        if left[0] == 0:
            pwrite(file, data[: len(data) // 2] if torn else data, offset)
            os.kill(os.getpid(), signal.SIGKILL)
        return pwrite(file, data, offset)

    frames_module.os.pwrite = counted  # type: ignore[assignment]  # to end it there


def main(folder: Path, strategy: str, wrapper: str, every: int) -> None:
    ada = Identity.generate("ada", "owner")
    project = CONFIG.format(f'strategy = "{strategy}"\nwrapper = "{wrapper}"\nrounds = {ROUNDS}\ntimeout = 20.0')
    app = probe(folder / "app", CLIENT, server=SERVER, project=project)
    address, mark = str(folder / "nodes"), folder / "mark"
    os.environ["MARK"] = str(mark)

    def host() -> None:
        from federated.dataset import Dataset

        make = lambda admission: Dataset(admission=admission, tell=True, environment={"MARK": str(mark)})
        serve(address, LocalNodes.admitting(ada, NODES, dataset=make))

    hosting = forked(host)
    try:
        while not Path(address).exists():
            assert os.waitpid(hosting, os.WNOHANG) == (0, 0)
            threading.Event().wait(0.05)
        print(*under_fire(folder, app, ada, Distant(address), mark, every))
    finally:
        os.kill(hosting, signal.SIGKILL)
        os.waitpid(hosting, 0)


def under_fire(
    folder: Path, app: AppBundle, ada: Identity, link: Distant, mark: Path, every: int
) -> tuple[int, int, int]:
    """How many drivers were killed, how many messages were asked in all, and how many a last driver recalled."""

    def drive(name: str, writes: int = 0, *, torn: bool = False) -> None:
        if writes:
            fire(writes, torn=torn)
        result = run_app(app, nodes=link, author=ada, seed=5, journal=folder / f"{name}.journal")
        assert not result.failures, result.failures
        numpy.savez(folder / f"{name}.npz", **result.arrays)
        (folder / f"{name}.tally").write_text(f"{result.tally.asked} {result.tally.recalled}")

    def stories() -> list[Counter[str]]:
        """For each run, in the order of their beginning: who trained for what, how often."""
        found: dict[str, Counter[str]] = {}
        for line in mark.read_text().splitlines():
            run, _, what = line.partition(" ")
            found.setdefault(run, Counter())[what] += 1
        return list(found.values())

    assert not killed(forked(lambda: drive("undisturbed")))
    kills = 0
    while killed(forked(lambda: drive("killed", every + 1 if kills % 2 else every, torn=bool(kills % 2)))):
        kills += 1
    ends = [numpy.load(folder / f"{name}.npz") for name in ("undisturbed", "killed")]
    assert [one.files for one in ends] == [["0"], ["0"]]
    assert ends[0]["0"].tobytes() == ends[1]["0"].tobytes(), "other parameters"
    first, second = stories()
    assert first == second and max(second.values()) == 1, (first, second)
    asked = int((folder / "undisturbed.tally").read_text().split()[0])
    last, recalled = map(int, (folder / "killed.tally").read_text().split())
    assert last + recalled == asked == sum(first.values())
    return kills, asked, recalled


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
