"""What a node does with apps that are not let in, that misbehave, and with nodes that die."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from federated.app import AppBundle
from federated.appconfig import Setting
from federated.apperrors import RecordsRefused
from federated.dataset import AppAdmission, Dataset, Execution, Records
from federated.errors import FederatedError
from federated.local import LocalNodes
from federated.messages import FailureCode, node_number, pack_message, read_answer
from federated.node import DataNode
from federated.requests import sign_request
from mobility.plain import PlainLimits
from mobility.trust import Identity, TrustEntry, TrustList
from tests.federated.probes import probe

LIMITS = PlainLimits()
GOOD = "return answer(msg, numpy.ones(4))"


class Owner:
    """A trust list that changes."""

    def __init__(self, *identities: Identity) -> None:
        self.list = TrustList()
        for one in identities:
            self.list = self.list.trusting(TrustEntry(one.public, one.name, (one.public.role,)))

    def current(self) -> TrustList:
        return self.list


#: Who runs apps here, whatever becomes of their author.
ASKER = Identity.generate("hugo", "owner")


class Besides:
    """A trust list, and whoever asks."""

    def __init__(self, trust: Owner) -> None:
        self.trust = trust

    def current(self) -> TrustList:
        return self.trust.current().trusting(TrustEntry(ASKER.public, "hugo", (ASKER.public.role,)))


class Asking:
    """A node, and an app that is asked through bytes, as a server would."""

    def __init__(
        self, ada: Identity, app: AppBundle, *, folder: Path | None = None, trust: Owner | None = None, **dataset: Any
    ) -> None:
        self.trust = trust or Owner(ada)
        self.dataset = Dataset(
            **{"admission": AppAdmission(signers=frozenset({ada.key_id})), "tell": True, "seconds": 20.0, **dataset}
        )
        self.folder = folder
        self.app = app.signed_by(ada)
        self.asker = ASKER
        self.node = DataNode("oslo", {"data": self.dataset}, Besides(self.trust), folder=folder)
        self.count = 0

    def change(self, **dataset: Any) -> None:
        self.dataset = replace(self.dataset, **dataset)
        self.node.set_dataset("data", self.dataset)

    def restart(self) -> None:
        self.node.close()
        self.node = DataNode("oslo", {"data": self.dataset}, Besides(self.trust), folder=self.folder)

    def say(self, do: str, **parts: Any) -> dict[str, Any]:
        request = sign_request(pack_message(do, **parts), "oslo", self.asker)
        return read_answer(self.node.handle(request), "oslo", LIMITS)

    def admit(self, *, run: int = 7, settings: Mapping[str, Setting] | None = None) -> dict[str, Any]:
        known = self.app.config.with_overrides({})
        return self.say(
            "admit",
            run=run,
            dataset=None,
            bundle=self.app.to_bytes(),
            settings={**known, **(settings or {})},
            number=0,
            of=3,
        )

    def message(
        self, *, run: int = 7, kind: str = "train", name: str | None = None, value: float = 0.0
    ) -> dict[str, Any]:
        self.count += 1
        content = [
            ["arrays", "arrays", {"0": numpy.full(4, value)}],
            ["configs", "config", {"server-round": 1}],
        ]
        return {
            "type": kind,
            "group": "1",
            "ttl": 60.0,
            "id": name or f"m-{self.count}",
            "reply_to": "",
            "run": run,
            "from": 1,
            "to": node_number("oslo"),
            "content": content,
        }

    def ask(
        self, message: dict[str, Any] | None = None, *, seconds: float = 20.0, **message_parts: Any
    ) -> dict[str, Any]:
        sent = message or self.message(**message_parts)
        answer = self.say("message", run=sent["run"], dataset=None, app=self.app.digest, message=sent, seconds=seconds)
        assert answer["do"] == "reply", answer
        reply: dict[str, Any] = answer["message"]
        assert reply["reply_to"] == sent["id"]
        return reply

    def error(self, **parts: Any) -> tuple[FailureCode, str]:
        code, reason = self.ask(**parts)["error"]
        return FailureCode(code), reason


@pytest.fixture
def asking(ada: Identity, tmp_path: Path) -> Any:
    """Makes nodes with an app of a few lines, and closes them."""
    made: list[Asking] = []

    def make(client: str, **others: Any) -> Asking:
        app = probe(tmp_path / f"app{len(made)}", client)
        made.append(Asking(ada, app, **others))
        return made[-1]

    yield make
    for one in made:
        one.node.close()


Make = Callable[..., Asking]


# -- admission


def test_not_admitted(asking: Make, ada: Identity) -> None:
    """Neither the author nor the digest is on the owner's list."""
    one = asking(GOOD, admission=AppAdmission())
    answer = one.admit()
    assert answer["do"] == "refused" and answer["why"] == "app-not-admitted"
    assert one.say("message", run=7, dataset=None, app=one.app.digest, message=one.message(), seconds=5.0) == {
        "do": "unknown"
    }


def test_admitted_by_digest_alone(asking: Make, tmp_path: Path) -> None:
    """The owner has read this app; another of the same author is another matter."""
    one = asking(GOOD, admission=AppAdmission())
    one.change(admission=AppAdmission(digests=frozenset({one.app.digest})))
    assert one.admit()["do"] == "admitted"
    assert "content" in one.ask()
    one.app = probe(tmp_path / "other", "return answer(msg, numpy.zeros(4))").signed_by(Identity.generate("x", "owner"))
    assert one.admit()["why"] == "untrusted-signer"


def test_each_dataset_has_its_own_list(asking: Make, ada: Identity) -> None:
    """An app that may see one dataset may not see the next one."""
    one = asking(GOOD)
    one.node.set_dataset("secret", Dataset(admission=AppAdmission()))
    request = {
        "run": 7,
        "bundle": one.app.to_bytes(),
        "settings": {},
        "number": 0,
        "of": 1,
    }
    assert one.say("admit", dataset="secret", **request)["why"] == "app-not-admitted"
    assert one.say("admit", dataset=None, **request)["why"] == "dataset-unknown"
    assert one.say("admit", dataset="none", **request)["why"] == "dataset-unknown"
    assert one.say("admit", dataset="data", **request)["do"] == "admitted"
    message = one.message()
    answer = one.say("message", run=7, dataset="secret", app=one.app.digest, message=message, seconds=5.0)
    assert answer == {"do": "unknown"}


def test_it_is_asked_again_at_every_message(asking: Make, ada: Identity) -> None:
    """Owners change their minds, keys are revoked: the next message is refused, and is let in again afterwards."""
    one = asking(GOOD)
    one.admit()
    assert "content" in one.ask()
    admitted = one.dataset.admission
    one.change(admission=AppAdmission())
    code, reason = one.error()
    assert code is FailureCode.INVALID_APP and "app-not-admitted" in reason
    one.change(admission=admitted)
    assert "content" in one.ask()
    one.trust.list = one.trust.list.revoking(ada.key_id)
    code, reason = one.error()
    assert code is FailureCode.INVALID_APP and "revoked" in reason
    assert one.admit()["why"] == "revoked"


def test_an_answered_message_is_not_repeated_to_who_is_no_longer_let_in(asking: Make) -> None:
    """The memory of replies is no way around the list."""
    one = asking(GOOD)
    one.admit()
    message = one.message()
    assert "content" in one.ask(message)
    one.change(admission=AppAdmission())
    assert "error" in one.ask(message)


def test_withdrawn_data(asking: Make) -> None:
    """A dataset that is taken away during a run."""
    one = asking(GOOD)
    one.admit()
    one.node.withdraw("data")
    answer = one.say("message", run=7, dataset=None, app=one.app.digest, message=one.message(), seconds=5.0)
    assert answer["why"] == "dataset-unknown"


def test_altered(asking: Make) -> None:
    """A bundle that changed on the way."""
    one = asking(GOOD)
    data = bytearray(one.app.to_bytes())
    data[-1] ^= 1
    answer = one.say("admit", run=7, dataset=None, bundle=bytes(data), settings={}, number=0, of=1)
    assert answer["why"] == "app-altered"


def test_a_missing_dependency_is_told_at_admission(asking: Make) -> None:
    """Before the first round, and by its kind: the text of an import error is the app's."""
    one = asking("import missing_module_of_nobody\n\ndef train(): pass", tell=False)
    answer = one.admit()
    assert answer["do"] == "refused" and answer["why"] == "cannot-load"
    assert "a module that it needs is missing" in answer["reason"] and "nobody" not in answer["reason"]


def test_no_client_app(asking: Make) -> None:
    """What the project names is something else, or not there."""
    assert "no ClientApp" in asking("app = 5\n\ndef train(): pass").admit()["reason"]
    assert "attribute" in asking("del app\n\ndef train(): pass").admit()["reason"]


# -- apps that misbehave


def test_it_raises(asking: Make) -> None:
    """The text may hold data, so it stays here unless the owner says otherwise; the next message goes on."""
    one = asking("if float(msg.content['arrays']['0'].numpy()[0]): raise ValueError('patient 17')\n" + GOOD)
    one.admit()
    assert one.error(value=1.0) == (FailureCode.RAISED, "the ClientApp raised ValueError: patient 17")
    one.change(tell=False)
    code, reason = one.error(value=1.0)
    assert code is FailureCode.RAISED and "ValueError" in reason and "17" not in reason
    assert "content" in one.ask()


def test_a_name_of_its_own_does_not_tell(asking: Make) -> None:
    """The name of an exception's class is the app's choice, too."""
    one = asking("raise type('patient_17', (Exception,), {})('x')", tell=False)
    one.admit()
    assert "17" not in one.error()[1]


@pytest.mark.parametrize(
    ("body", "words"),
    [("sys.exit(3)", "SystemExit"), ("raise KeyboardInterrupt", "KeyboardInterrupt"), ("return 5", "no Message")],
)
def test_it_does_something_else_than_to_answer(asking: Make, body: str, words: str) -> None:
    """Exits and wrong types are answers to this message, not the end of the node."""
    one = asking(body)
    one.admit()
    assert words in one.error()[1]


def test_it_dies(asking: Make) -> None:
    """A crash fails this message; the next one gets a fresh process, with the state as it was before."""
    one = asking(
        """
        seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
        context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
        if msg.content["arrays"]["0"].numpy()[0] == 1: os._exit(5)
        if msg.content["arrays"]["0"].numpy()[0] == 2: os.kill(os.getpid(), 11)
        return answer(msg, numpy.ones(4), seen=seen["n"])
        """
    )
    one.admit()
    assert one.ask()["content"][1][2]["seen"] == 0
    assert one.error(value=1.0) == (FailureCode.CRASHED, "oslo: the app's process has ended with code 5")
    assert one.error(value=2.0)[1] == "oslo: the app's process was ended by SIGSEGV"
    assert one.ask()["content"][1][2]["seen"] == 1


def test_it_hangs(asking: Make, tmp_path: Path) -> None:
    """It is ended at its deadline, with what it has started; the next message is answered."""
    mark = tmp_path / "mark"
    one = asking(
        f"""
        import subprocess
        if msg.content["arrays"]["0"].numpy()[0]:
            subprocess.Popen(["sh", "-c", "sleep 3; touch {mark}"])
            time.sleep(60)
        return answer(msg, numpy.ones(4))
        """
    )
    one.admit()
    began = time.monotonic()
    code, reason = one.error(value=1.0, seconds=1.5)
    assert code is FailureCode.NO_REPLY and "1.5 s" in reason
    assert time.monotonic() - began < 10
    assert "content" in one.ask()
    one.change(seconds=1.0)
    assert one.error(value=1.0, seconds=500.0)[0] is FailureCode.NO_REPLY  # the owner's bound, not the server's
    time.sleep(3.5)
    assert not mark.exists()


@pytest.mark.parametrize("value", ["numpy.nan", "numpy.inf", "-numpy.inf"])
def test_it_returns_no_number(asking: Make, value: str) -> None:
    """NaN and infinity poison an average; they are refused in arrays and in metrics."""
    one = asking(f"return answer(msg, numpy.array([1.0, {value}]))")
    one.admit()
    code, reason = one.error()
    assert code is FailureCode.PRECONDITION and "NaN or infinity" in reason and "arrays.0" in reason
    one = asking(f"return answer(msg, numpy.ones(4), loss=float({value}))")
    one.admit()
    assert "metrics.loss" in one.error()[1]


def test_what_is_wrong_with_a_reply_is_not_told_in_the_words_of_the_app(asking: Make) -> None:
    """Names of records and arrays are the app's choice, and would be a way out."""
    one = asking(
        "record = ArrayRecord({'patient_17': Array(numpy.array([numpy.nan]))})\n"
        "return Message(RecordDict({'arrays': record}), reply_to=msg)",
        tell=False,
    )
    one.admit()
    code, reason = one.error()
    assert code is FailureCode.PRECONDITION and "records-refused" in reason and "17" not in reason


def test_the_code_of_an_error_of_the_app_is_not_told_either(asking: Make) -> None:
    """It is a number of the app's choice, which no ledger counts; nor does an app say that its node is down."""
    one = asking(
        "from flwr.app import Error\n"
        "return Message(Error(int(msg.content['arrays']['0'].numpy()[0]), 'patient 17'), reply_to=msg)",
        tell=False,
    )
    one.admit()
    assert {one.error(value=float(code))[0] for code in FailureCode} == {FailureCode.UNKNOWN}
    one.change(tell=True)
    assert one.error(value=6.0) == (FailureCode.PRECONDITION, "patient 17")
    assert one.error(value=5.0) == (FailureCode.UNKNOWN, "patient 17")


def test_it_returns_too_much(asking: Make) -> None:
    """More than the owner allows is refused, by what it is and before it is taken in."""
    one = asking("return answer(msg, numpy.ones(300_000))", reply_bytes=1_000_000)
    one.admit()
    assert "more than the 1000000 bytes" in one.error()[1]
    one = asking("return answer(msg, numpy.ones(20_000_000))", reply_bytes=1_000_000)
    one.admit()
    assert "bytes, and" in one.error()[1]


def test_it_returns_ten_gigabytes(asking: Make) -> None:
    """Its process runs out of the memory that the owner gives it, and nothing else does."""
    one = asking("return answer(msg, numpy.ones(1_250_000_000))", memory_bytes=4 << 30)
    one.admit()
    code, reason = one.error()
    assert code is FailureCode.RAISED and "MemoryError" in reason
    assert "MemoryError" in one.error()[1]


def test_it_returns_a_pickle(asking: Make) -> None:
    """An array of objects is a pickle; so is what an array in a form of its own may be."""
    one = asking(
        """
        import io, pickle
        data = io.BytesIO()
        numpy.save(data, numpy.array([print, "x"], dtype=object), allow_pickle=True)
        record = ArrayRecord({"0": Array("object", (2,), "numpy.ndarray", data.getvalue())})
        return Message(RecordDict({"arrays": record, "metrics": MetricRecord({"num-examples": 1})}), reply_to=msg)
        """
    )
    one.admit()
    assert "pickle" in one.error()[1]
    one = asking(
        """
        import pickle
        record = ArrayRecord({"0": Array("object", (2,), "pickle", pickle.dumps(print))})
        return Message(RecordDict({"arrays": record, "metrics": MetricRecord({"num-examples": 1})}), reply_to=msg)
        """
    )
    one.admit()
    assert "'pickle'" in one.error()[1]


@pytest.mark.parametrize("dtype", ["'U3'", "'datetime64[s]'", "'longdouble'", "'S2'"])
def test_arrays_of_other_things_than_numbers(asking: Make, dtype: str) -> None:
    """Text and dates in arrays are a way out for data."""
    one = asking(f"return answer(msg, numpy.zeros(3, dtype={dtype}))")
    one.admit()
    assert one.error()[0] is FailureCode.PRECONDITION


def test_it_writes_to_the_socket_itself(asking: Make) -> None:
    """An app has the run of its process: what it sends past us is held to the same, and cannot be more than data."""
    one = asking(
        """
        import struct
        value = float(msg.content["arrays"]["0"].numpy()[0])
        with os.fdopen(int(sys.argv[1]), "wb", closefd=False) as out:
            if value == 1: out.write(struct.pack(">IQ", 1, 1 << 50))
            if value == 2: out.write(struct.pack(">IQ", 1, 20) + b"\\x80\\x04" * 10)
            if value == 3: out.write(b"\\xff" * 4)
        return answer(msg, numpy.ones(4))
        """
    )
    one.admit()
    assert "bytes, and" in one.error(value=1.0)[1]
    assert "no plain data" in one.error(value=2.0)[1]
    assert one.error(value=3.0)[0] is FailureCode.CRASHED
    assert "content" in one.ask()


def test_the_header_is_the_nodes(asking: Make) -> None:
    """An app cannot answer for another node, run or message."""
    one = asking(
        """
        reply = answer(msg, numpy.ones(4))
        reply.metadata.__dict__.update(_run_id=99, _src_node_id=5, _reply_to_message_id="other", _dst_node_id=8)
        return reply
        """
    )
    one.admit()
    message = one.message()
    reply = one.ask(message)
    assert (reply["run"], reply["from"], reply["to"]) == (7, message["to"], 1)


def test_an_app_may_have_modules_of_our_names(asking: Make, ada: Identity, tmp_path: Path) -> None:
    """`federated` is a likely name for a package of a federated app."""
    from tests.federated.probes import write

    folder = write(tmp_path / "named", GOOD)
    (folder / "federated").mkdir()
    (folder / "federated" / "__init__.py").write_text("VALUE = 42\n")
    (folder / "mobility.py").write_text("VALUE = 43\n")
    client = (folder / "client.py").read_text()
    (folder / "client.py").write_text(
        client.replace("numpy.ones(4)", "numpy.array([federated.VALUE, mobility.VALUE])").replace(
            "import numpy", "import numpy, federated, mobility", 1
        )
    )
    one = Asking(ada, AppBundle.from_dir(folder))
    try:
        assert one.admit()["do"] == "admitted"
        for _ in range(2):
            assert one.ask()["content"][0][2]["0"].tolist() == [42, 43]
    finally:
        one.node.close()


def test_the_process_is_kept_clean(asking: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of the node's process do not reach the app; what the owner gives it does."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    one = asking(
        "return answer(msg, numpy.ones(4), secrets=sum('secret' in v for v in os.environ.values()),"
        " given=int(os.environ['WHERE']))",
        environment={"WHERE": "5"},
    )
    one.admit()
    metrics = one.ask()["content"][1][2]
    assert metrics["secrets"] == 0 and metrics["given"] == 5


# -- state, repetition, restart

COUNTING = """
seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
context.state["kept"] = ArrayRecord([numpy.arange(3)])
with open(MARK, "a") as file: file.write("x")
return answer(msg, numpy.ones(4), seen=seen["n"], part=context.node_config["partition-id"],
              of=context.node_config["num-partitions"], rounds=context.run_config["rounds"])
"""


def seen(reply: dict[str, Any]) -> Any:
    return reply["content"][1][2]["seen"]


def test_context(asking: Make, tmp_path: Path) -> None:
    """State belongs to a run; node config and run config are there."""
    one = asking(COUNTING.replace("MARK", repr(str(tmp_path / "mark"))))
    one.admit(settings={"rounds": 9})
    one.admit(run=8)
    assert [seen(one.ask()) for _ in range(3)] == [0, 1, 2]
    assert seen(one.ask(run=8)) == 0
    metrics = one.ask()["content"][1][2]
    assert (metrics["part"], metrics["of"], metrics["rounds"]) == (0, 3, 9)
    one.say("end", run=7, dataset=None, app=one.app.digest)
    assert one.say("message", run=7, dataset=None, app=one.app.digest, message=one.message(), seconds=5.0) == {
        "do": "unknown"
    }
    one.admit()
    assert seen(one.ask()) == 0
    assert seen(one.ask(run=8)) == 1


def test_a_repeated_message_is_answered_and_not_run(asking: Make, tmp_path: Path) -> None:
    """The network may repeat; training twice would spend twice, and change the state."""
    mark = tmp_path / "mark"
    one = asking(COUNTING.replace("MARK", repr(str(mark))))
    one.admit()
    message = one.message()
    first = one.ask(message)
    again = one.ask(message)
    assert seen(first) == seen(again) == 0
    assert mark.read_text() == "x"
    other = {**message, "content": [["arrays", "arrays", {"0": numpy.ones(4)}]]}
    assert "another message came under the id" in one.ask(other)["error"][1]
    assert mark.read_text() == "x"


def test_repeated_at_the_same_time(asking: Make, tmp_path: Path) -> None:
    """Two copies of one message race, and one is run."""
    from concurrent.futures import ThreadPoolExecutor

    mark = tmp_path / "mark"
    one = asking(COUNTING.replace("MARK", repr(str(mark))))
    one.admit()
    message = one.message()
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(one.ask, [message] * 6))
    assert {seen(reply) for reply in replies} == {0}
    assert mark.read_text() == "x"


def test_a_node_that_was_killed_goes_on(asking: Make, tmp_path: Path) -> None:
    """State and last replies are on its disk; the app it has to be given, and verify, again."""
    mark = tmp_path / "mark"
    one = asking(COUNTING.replace("MARK", repr(str(mark))), folder=tmp_path / "node")
    one.admit()
    one.ask()
    message = one.message()
    assert seen(one.ask(message)) == 1
    one.restart()
    assert one.say("message", run=7, dataset=None, app=one.app.digest, message=message, seconds=5.0) == {
        "do": "unknown"
    }
    one.admit()
    assert seen(one.ask(message)) == 1
    assert mark.read_text() == "xx"
    assert seen(one.ask()) == 2


# -- the owner's gate, and the witness


class Strict:
    """A gate that lets two rounds through, and halves what leaves."""

    def __init__(self) -> None:
        self.begun = 0
        self.outcomes: list[str] = []
        self.unwanted: list[str] = []

    def admit(self, dataset: str, app: str, author: str, asker: str) -> None:
        if author in self.unwanted:
            raise RecordsRefused("not this author")

    def ended(self, execution: Execution, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)

    def before(self, execution: Execution) -> None:
        if self.begun == 2:
            raise RecordsRefused("the rounds are used up")
        self.begun += 1
        assert execution.message_type == "train" and execution.dataset == "data"

    def after(self, execution: Execution, content: Records) -> Records:
        assert execution.content[0][2]["0"].tolist() == [0.0] * 4
        return [[kind, name, {k: v / 2 for k, v in items.items()}] for kind, name, items in content if kind == "arrays"]


class Notes:
    """A witness that can be out of order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, str | int]]] = []
        self.broken = ""

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        if event == self.broken:
            raise FederatedError("the disk is full")
        self.events.append((event, dict(facts)))


def test_the_gate_has_the_last_word(asking: Make) -> None:
    """It sees what came and what goes, changes it, and ends it; it is not the app's to skip."""
    notes = Notes()
    gate = Strict()
    one = asking(GOOD, gate=gate, witness=notes)
    gate.unwanted = [one.app.author]
    assert "not this author" in one.admit()["reason"]
    gate.unwanted = []
    one.admit()
    for _ in range(2):
        assert [(entry[0], entry[2]["0"].tolist()) for entry in one.ask()["content"]] == [("arrays", [0.5] * 4)]
    code, reason = one.error()
    assert code is FailureCode.PRECONDITION and "used up" in reason
    assert gate.outcomes == ["answered", "answered"]
    assert [event for event, _ in notes.events] == [
        "refused",
        "admitted",
        *("executed", "released") * 2,
        "withheld",
    ]
    assert notes.events[3][1]["app"] == one.app.digest


@pytest.mark.parametrize("event", ["executed", "released"])
def test_what_cannot_be_written_down_does_not_happen(asking: Make, event: str, tmp_path: Path) -> None:
    """Without its entry nothing is run, and nothing leaves."""
    notes = Notes()
    mark = tmp_path / "mark"
    one = asking(COUNTING.replace("MARK", repr(str(mark))), witness=notes)
    one.admit()
    notes.broken = event
    assert "disk is full" in one.error()[1]
    assert mark.exists() == (event == "released")
    notes.broken = ""
    assert seen(one.ask()) == 0


@pytest.mark.parametrize("junk", [b"", b"x", b"\x80\x04]", pack_message("what"), pack_message("end", run=True)])
def test_junk_is_answered(asking: Make, junk: bytes) -> None:
    """Whatever comes through the door, the node answers and goes on."""
    one = asking(GOOD)
    for data in (junk, sign_request(junk, "oslo", ASKER)):
        assert read_answer(one.node.handle(data), "oslo", LIMITS)["do"] == "refused"


def test_local_nodes_say_who_is_down(ada: Identity) -> None:
    """The link for tests has the errors of a real one."""
    from federated.apperrors import NodeUnreachable

    with LocalNodes.admitting(ada, ["amal"]) as link:
        link.kill("amal")
        with pytest.raises(NodeUnreachable, match="amal"):
            link.ask("amal", b"", 1.0)


def test_a_damaged_memory_is_refused_and_left_as_it_is(ada: Identity, tmp_path: Path) -> None:
    """Begun anew, it would train again what was answered."""
    import sqlite3

    (tmp_path / "runs.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        DataNode("oslo", {}, Owner(ada), folder=tmp_path)
    assert (tmp_path / "runs.sqlite").read_bytes() == b"garbage" * 1000
