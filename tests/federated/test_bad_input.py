"""What is bad, by its name: what the person who runs the app reads, what the owner of the data finds, who goes on.

One run has a round for each thing that an app can do at a node. The node ``bela`` does it; ``amal`` answers as it
should, and ``cara`` too, until its epsilon is spent. Elsewhere stand: a wrong structure, an unsigned and an altered app
(`test_app`, `test_node`), too few nodes (`test_running`, `test_grid`), a node that answers twice (`test_journal`,
`test_node`), a ledger and a log that are not what was written (`test_ledger`, `test_audit`, `test_custody`).
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents.extensions import Premises
from federated.accounting import Allowance
from federated.apperrors import RecordsRefused, ServerAppFailed
from federated.audit import verify_audit
from federated.auditrecords import AuditEntry
from federated.children import AppChild
from federated.dataset import AppAdmission, Dataset
from federated.errors import JournalCorrupt, JournalDiverged, JournalMismatch, JournalUnusable
from federated.journal import RoundJournal
from federated.links import RunTally
from federated.local import LocalNodes
from federated.messages import read_answer
from federated.node import DataNode
from federated.placed import PlacedDatasets
from federated.policy import NoiseRule, ReleasePolicy
from federated.printing import PrintedLog
from federated.running import RunResult, run_app
from mobility.plain import PlainLimits
from mobility.trust import Identity, TrustEntry, TrustList
from tests.federated.probes import PROJECT, probe

CLIENT = r"""
import io, pickle, signal, struct, subprocess, threading

if os.environ.get("LACKS"):
    import a_module_that_is_missing

def raises(msg): raise ValueError("patient 17")
def hangs(msg): time.sleep(600)
def exits(msg): sys.exit(3)
def kills_its_group(msg): os.killpg(0, signal.SIGKILL)
def returns_nan(msg): return answer(msg, numpy.array([1.0, numpy.nan, 0.0, 0.0]))
def returns_infinity(msg): return answer(msg, numpy.zeros(4), loss=float("inf"))
def returns_too_much(msg): return answer(msg, numpy.zeros(1_000_000))
def runs_out_of_memory(msg): return answer(msg, numpy.ones(1_250_000_000))

def returns_objects(msg):
    data = io.BytesIO()
    numpy.save(data, numpy.array([print, "patient 17"], dtype=object), allow_pickle=True)
    return _arrays(msg, Array("object", (2,), "numpy.ndarray", data.getvalue()))

def returns_a_pickle(msg): return _arrays(msg, Array("object", (2,), "pickle", pickle.dumps(print)))

def _arrays(msg, array):
    content = RecordDict({"arrays": ArrayRecord({"0": array}), "metrics": MetricRecord({"num-examples": 1})})
    return Message(content, reply_to=msg)

def _write(data):
    with os.fdopen(int(sys.argv[1]), "wb", closefd=False) as out:
        out.write(data)

def _frame(value):
    from mobility.plain import encode_buffers
    message, buffers = encode_buffers(value)
    parts = [bytes(message), *map(bytes, buffers)]
    return struct.pack(f">I{len(parts)}Q", len(parts), *map(len, parts)) + b"".join(parts)

def _header(msg, **changes):
    return {"type": "train", "group": "1", "ttl": 60.0, "id": "", "reply_to": msg.metadata.message_id,
            "run": msg.metadata.run_id, "from": msg.metadata.dst_node_id, "to": 1, **changes}

def writes_ten_gigabytes(msg): _write(struct.pack(">IQ", 1, 10 << 30) + bytes(1 << 20)); time.sleep(600)
def writes_a_pickle(msg): _write(struct.pack(">IQ", 1, 30) + pickle.dumps([1] * 50)[:30]); time.sleep(600)
def writes_an_error_that_is_none(msg):
    _write(_frame({"reply": _header(msg, error=[[1], {"patient": 17}]), "state": []})); time.sleep(600)
def says_what_it_was_not_asked(msg):
    _write(_frame({"reply": _header(msg, error=[2, "patient 17"]), "state": []}))
    return answer(msg, numpy.zeros(4))
def closes_its_socket(msg): os.close(int(sys.argv[1])); time.sleep(600)

def answers_for_another(msg):
    reply = answer(msg, numpy.full(4, 0.5))
    reply.metadata.__dict__.update(_run_id=99, _src_node_id=5, _reply_to_message_id="other", _dst_node_id=8)
    return reply

def leaves_things(msg):
    where = os.environ["LEFT"]
    for apart in (False, True):
        subprocess.Popen(["sh", "-c", f"echo $$ >> {where}; sleep 600"], start_new_session=apart)
    for _ in range(20):
        if os.fork() == 0:
            os.setsid()
            with open(where, "a") as file: file.write(f"{os.getpid()}\n")
            time.sleep(600)
    with open("left behind", "w") as file: file.write(os.getcwd())
    with open(where + ".folder", "w") as file: file.write(os.getcwd())
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    time.sleep(600)

def answers(msg): return answer(msg, numpy.full(4, 0.5))

@app.train()
def train(msg, context):
    number = msg.content["config"]["server-round"]
    if "BAD" in os.environ:
        return globals()[context.run_config["story"].split(",")[number - 1]](msg)
    return answer(msg, numpy.full(4, 0.5))
"""

#: What bela does in which round, with the code and words that the server part gets, and what the log has of it.
STORY = {
    "raises": ("raised ValueError; its text stays at bela", ("raised", None)),
    "hangs": ("gave no answer within", ("child-too-slow", "child-too-slow")),
    "exits": ("raised SystemExit", ("raised", None)),
    "kills_its_group": ("was ended by SIGKILL", ("child-failed", "child-failed")),
    "returns_nan": ("withheld (records-refused, finite)", ("answered", "records-refused")),
    "returns_infinity": ("withheld (records-refused, finite)", ("answered", "records-refused")),
    "returns_too_much": ("withheld (records-refused, bytes)", ("answered", "records-refused")),
    "runs_out_of_memory": ("raised MemoryError", ("raised", None)),
    "returns_objects": ("withheld (records-refused, dtype)", ("refused", "records-refused")),
    "returns_a_pickle": ("withheld (records-refused, kind)", ("refused", "records-refused")),
    "writes_ten_gigabytes": ("withheld (records-refused, bytes)", ("records-refused", "records-refused")),
    "writes_a_pickle": ("withheld (records-refused, kind)", ("records-refused", "records-refused")),
    "writes_an_error_that_is_none": ("withheld (records-refused, kind)", ("answered", "records-refused")),
    "closes_its_socket": ("gave no answer within", ("child-too-slow", "child-too-slow")),
    "says_what_it_was_not_asked": ("answered with an error; its text stays at bela", ("answered", None)),
    "answers": ("has said something unasked", ("child-failed", "child-failed")),
    "answers_for_another": ("", ("answered", None)),
    "leaves_things": ("gave no answer within", ("child-too-slow", "child-too-slow")),
}
ORDER = list(STORY)


class Place:
    """A place of its own: key, folder, data node with ledger and log."""

    def __init__(self, name: str, folder: Path, ada: Identity, allowance: Allowance, **dataset: Any) -> None:
        self.key, self.folder = Identity.generate(name, "place"), folder
        folder.mkdir()
        policy = ReleasePolicy(
            dataset="data",
            signers=(ada.key_id,),
            messages=("train",),
            keys=("arrays.arrays.*", "metrics.metrics.*"),
            exact=("metrics.metrics.*",),
            clip_norm=1.0,
            noise=NoiseRule(multiplier=1.0) if allowance.epsilon is not None else None,
            allowance=allowance,
        )
        trust = TrustList().trusting(TrustEntry(ada.public, "ada", (ada.public.role,)))
        given = {"data": Dataset(**{"policy": policy, **dataset})}
        self.open = PlacedDatasets(Premises(name, self.key, trust, folder, given=(given,)))

    def entries(self) -> list[AuditEntry]:
        report = verify_audit(self.folder / "audit.log", place=self.key.public)
        assert report.sound
        return list(report.entries[1:])


class Places:
    """The link to them, which keeps what bela has answered to messages."""

    def __init__(self, places: dict[str, Place]) -> None:
        self.places = places
        self.answers: list[str] = []

    def nodes(self) -> list[str]:
        return list(self.places)

    def ask(self, node: str, request: bytes, timeout: float) -> bytes:
        answer = self.places[node].open.node.handle(request)
        read = read_answer(answer, node, PlainLimits())
        if node == "bela" and "message" in read:
            self.answers.append(str(read["message"].get("error", [0, ""])[1]))
        return answer


@dataclass
class Told:
    """The run, and what it has left."""

    result: RunResult
    answers: list[str]
    places: dict[str, Place]
    folder: Path
    grown: int

    def of(self, name: str) -> str:
        """What the server was told of bela's deed; empty, if it answered."""
        assert len(self.answers) == len(ORDER)
        return self.answers[ORDER.index(name)]

    def log(self, name: str) -> tuple[str | None, str | None]:
        """The outcome of the execution, and why nothing was released."""
        entries = self.places["bela"].entries()
        executed = [one for one in entries if one.kind.value == "executed"][ORDER.index(name)]
        about = [one for one in entries if one.facts.get("message") == executed.facts["message"]]
        withheld = [str(one.facts["why"]) for one in about if one.kind.value == "withheld"]
        assert len(withheld) <= 1
        return str(executed.facts["outcome"]), (withheld or [None])[0]  # type: ignore[list-item]  # or none at all


@pytest.fixture(scope="module")
def told(ada: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("bad")
    left = {"BAD": "1", "LEFT": str(folder / "left")}
    few = Allowance(epsilon=25.0, delta=1e-5)
    places = {
        "amal": Place("amal", folder / "amal", ada, Allowance()),
        "bela": Place(
            "bela",
            folder / "bela",
            ada,
            Allowance(),
            environment=left,
            reply_bytes=1 << 20,
            memory_bytes=4 << 30,
            seconds=6.0,
        ),
        "cara": Place("cara", folder / "cara", ada, few),
        "dora": Place("dora", folder / "dora", ada, Allowance(), environment={"LACKS": "1"}),
        "emil": Place("emil", folder / "emil", ada, Allowance(), admission=AppAdmission()),
    }
    app = probe(
        folder / "app",
        CLIENT,
        project=PROJECT.replace("[tool.flwr.app.config.deep]", "story = ''\n[tool.flwr.app.config.deep]"),
    )
    config = {"rounds": len(ORDER), "timeout": 120.0, "story": ",".join(ORDER)}
    link = Places(places)
    me = psutil.Process()
    before = me.memory_info().rss
    try:
        result = run_app(app, nodes=link, author=ada, run_config=config, seed=1)
        grown = me.memory_info().rss - before
    finally:
        for place in places.values():
            place.open.close()
    yield Told(result, link.answers, places, folder, grown)


@pytest.mark.parametrize("name", ORDER)
def test_what_an_app_does_is_told_to_who_runs_it_and_to_the_owner(told: Told, name: str) -> None:
    """The server learns by which rule, in our words; the log has that it ran, how it ended and that nothing left."""
    words, log = STORY[name]
    reason = told.of(name)
    assert words in reason and bool(words) == bool(reason)
    assert "17" not in reason and "patient" not in reason
    assert told.log(name) == log


def test_the_run_goes_on_with_the_others(told: Told) -> None:
    """Every round has a result, of those who answered."""
    assert set(told.result.metrics["train"]) == set(range(1, len(ORDER) + 1))
    assert {node for node, *_ in told.result.failures} == {"bela", "cara"}
    assert told.result.nodes == ("amal", "bela", "cara")
    assert not [one for one in told.places["amal"].entries() if one.kind.value in ("refused", "withheld")]


def test_a_node_that_lacks_a_module_or_does_not_admit_the_app_takes_no_part(told: Told) -> None:
    """Each is named with its cause before the first round."""
    refused = told.result.refused
    assert refused.keys() == {"dora", "emil"}
    assert refused["dora"].startswith("cannot-load:") and "a module that it needs is missing" in refused["dora"]
    assert refused["emil"].startswith("app-not-admitted:")


def test_epsilon_that_is_used_up_ends_that_nodes_part(told: Told) -> None:
    """From then on each message is refused before the app sees it; what was spent is what was allowed, at most."""
    reasons = [reason for node, *_, reason in told.result.failures if node == "cara"]
    answered = len(ORDER) - len(reasons)
    assert 1 < answered < 6
    assert all("not-released" in reason and "epsilon are spent" in reason for reason in reasons)
    assert all("Ask the owner" in reason for reason in reasons)
    kinds = [entry.kind.value for entry in told.places["cara"].entries()]
    assert kinds == ["admitted", *("executed", "released") * answered, *["refused"] * len(reasons)]


def test_ten_gigabytes_take_no_memory_at_the_node(told: Told) -> None:
    """What is too large is not read, so the process that holds the nodes has not grown by it."""
    assert told.grown < 200 << 20


def test_nothing_that_an_app_has_started_or_written_outlives_it(told: Told) -> None:
    """Daemons with sessions of their own, forks, threads, files in its folder."""
    started = [int(line) for line in (told.folder / "left").read_text().split()]
    assert len(started) == 22
    assert not [pid for pid in started if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
    assert not Path((told.folder / "left.folder").read_text()).exists()


# -- what apps print


def test_what_is_printed_without_end_is_bounded(tmp_path: Path) -> None:
    """The log and the one before, each of its size; the printing process waits, and the last words are kept."""
    log = PrintedLog(tmp_path / "log", 10_000)
    writer = os.dup(log.writer)
    log.begin()
    for turn in range(60):
        os.write(writer, b"%04d" % turn * 125)
    os.close(writer)
    deadline = time.monotonic() + 20
    while not (tmp_path / "log").read_bytes().endswith(b"0059") and time.monotonic() < deadline:
        time.sleep(0.05)
    log.end()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(one.stat().st_size <= 10_000 for one in tmp_path.iterdir())
    assert (tmp_path / "log").read_bytes().endswith(b"0059")


def test_a_child_that_prints_without_end_is_ended_and_its_log_is_small(tmp_path: Path) -> None:
    """It is slowed down, and does not keep `kill` waiting."""
    (tmp_path / "chatter.py").write_text("while True: print('x' * 1000)\n")
    log = tmp_path / "log"
    child = AppChild("chatter", log=log, log_bytes=100_000, environment={"PYTHONPATH": str(tmp_path)})
    deadline = time.monotonic() + 30
    while not Path(f"{log}.1").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    began = time.monotonic()
    child.kill()
    assert time.monotonic() - began < 5 and not child.alive
    assert max(log.stat().st_size, Path(f"{log}.1").stat().st_size) <= 100_000


# -- server parts

SERVER = """
import os, pickle, struct, sys, time
import numpy
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.serverapp import ServerApp
app = ServerApp()

def _write(data):
    os.write(int(sys.argv[1]), data)
    time.sleep(600)

@app.main()
def main(grid, context):
    (node,) = grid.get_node_ids()
    def sent(array): return Message(RecordDict({"arrays": ArrayRecord({"0": array})}), node, "train")
    def good(): return sent(Array(numpy.zeros(4)))
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("_write(struct.pack('>IQ', 1, 1 << 60))", "has written to the socket of its run"),
        ("_write(struct.pack('>IQ', 1, 4) + b'junk')", "has written to the socket of its run"),
        ("grid.send_and_receive([sent(Array('object', (1,), 'pickle', pickle.dumps(print)))])", "'pickle'"),
    ],
    ids=["ten gigabytes", "junk", "a pickle"],
)
def test_a_server_part_that_misbehaves(ada: Identity, tmp_path: Path, body: str, words: str) -> None:
    """Its run ends with what it did; the node's process of the app ends too."""
    app = probe(tmp_path / "a", "return answer(msg, numpy.ones(4))", server=SERVER + f"    {body}\n")
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    with LocalNodes.admitting(ada, ["amal"]) as nodes:
        with pytest.raises(ServerAppFailed) as caught:
            run_app(app, nodes=nodes, author=ada, timeout=60.0)
        assert words in str(caught.value) and "server-app-failed" in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        assert {one.pid for one in psutil.Process().children(recursive=True)} <= before


def test_a_flood_of_messages_is_answered_one_by_one(ada: Identity, tmp_path: Path) -> None:
    """Each once, in their order."""
    body = "    replies = grid.send_and_receive([good() for _ in range(100)], timeout=100)\n"
    body += "    assert len(replies) == 100 and all(one.has_content() for one in replies)\n"
    body += "    assert sorted(one.content['metrics']['n'] for one in replies) == list(range(100))\n"
    client = """
    seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
    context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
    return answer(msg, numpy.ones(4), n=seen["n"])
    """
    with LocalNodes.admitting(ada, ["amal"]) as nodes:
        result = run_app(probe(tmp_path / "a", client, server=SERVER + body), nodes=nodes, author=ada, timeout=120.0)
    assert result.tally.asked == 100 and not result.failures


# -- journals


class Down:
    """A journal whose disk is full after so many writes."""

    def __init__(self, journal: RoundJournal, good: int) -> None:
        self.journal, self.good = journal, good

    def remember(self, name: str, make: Any) -> bytes:
        return self.journal.remember(name, make)

    def exchange(self, requests: Any) -> Any:
        entry = self.journal.exchange(requests)
        write = entry.answer

        def answer(index: int, reply: bytes) -> bool:
            self.good -= 1
            if self.good < 0:
                raise JournalUnusable(self.journal.path, "cannot be written: no space is left")
            return write(index, reply)

        entry.answer = answer  # type: ignore[method-assign] # a full disk, without filling one
        return entry


TWO = """
    with open(os.environ["SERVER_MARK"], "a") as file: file.write("x")
    for _ in range(2):
        grid.send_and_receive([good()], timeout=60)
    if os.environ.get("ELSE"):
        grid.send_and_receive([sent(Array(numpy.ones(3)))], timeout=60)
    else:
        grid.send_and_receive([good()], timeout=60)
"""


def test_a_journal_that_is_bad_is_refused_and_left_as_it_is(
    ada: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another app, setting or seed; damaged; full: each is said by name, and nothing is asked of any node."""
    monkeypatch.setenv("SERVER_MARK", str(tmp_path / "mark"))
    app = probe(tmp_path / "a", "return answer(msg, numpy.ones(4))", server=SERVER + TWO)
    other = probe(tmp_path / "b", "return answer(msg, numpy.zeros(4))", server=SERVER + TWO)
    path = tmp_path / "journal"
    with LocalNodes.admitting(ada, ["amal"]) as nodes:

        def run(app: Any = app, seed: int | None = None, journal: Any = path, **config: Any) -> RunTally:
            return run_app(app, nodes=nodes, author=ada, run_config=config, seed=seed, journal=journal).tally

        full = Down(RoundJournal(path, bytes(32)), 1)
        with full.journal, pytest.raises(JournalUnusable, match="no space is left"):
            run(journal=full)
        path.unlink()
        assert run().asked == 3
        whole = path.read_bytes()
        assert (run().asked, run().recalled) == (0, 3)
        monkeypatch.setenv("ELSE", "1")
        with pytest.raises(JournalDiverged) as diverged:
            run()
        assert "Seed whatever is random" in str(diverged.value)
        monkeypatch.delenv("ELSE")
        begun = (tmp_path / "mark").read_text()
        for refused in ({"app": other}, {"rounds": 2}, {"seed": 1}):
            with pytest.raises(JournalMismatch, match="The file is untouched"):
                run(**refused)
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(JournalCorrupt, match="Restore it from a copy"):
            run()
        assert path.read_bytes() == damaged and (tmp_path / "mark").read_text() == begun
        path.write_bytes(whole[:-5])  # the last write was not finished: it is asked for again
        assert (run().asked, path.read_bytes()[: len(whole) - 5]) == (1, whole[:-5])


# -- files of the node


@pytest.mark.parametrize("file", ["runs.sqlite", "requests.sqlite"])
def test_a_damaged_file_of_a_node_is_refused_and_left_as_it_is(ada: Identity, tmp_path: Path, file: str) -> None:
    """Begun anew it would train again what was answered, or take a request twice."""
    import sqlite3

    (tmp_path / file).write_bytes(b"garbage" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        DataNode("oslo", {}, TrustList().trusting(TrustEntry(ada.public, "ada", (ada.public.role,))), folder=tmp_path)
    assert (tmp_path / file).read_bytes() == b"garbage" * 1000


def test_a_refusal_names_its_rules_and_survives_pickling() -> None:
    """The server reads them where the text stays at the node."""
    error = pickle.loads(pickle.dumps(RecordsRefused("it holds NaN", rules=["finite"])))
    assert error.rules == ("finite",) and "it holds NaN (records-refused)" in str(error)
