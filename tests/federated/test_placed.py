"""Data nodes at places, in one process: from TOML and from Python, with ledger and audit log, and what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from agents.placefile import check_place_file
from agents.testing import LocalPlatform
from federated.accounting import Allowance
from federated.app import AppBundle
from federated.apperrors import NodeUnreachable, TooFewNodes
from federated.audit import verify_audit
from federated.dataset import AppAdmission, Dataset
from federated.errors import PolicyInvalid
from federated.linking import PlatformNodes
from federated.local import LocalNodes
from federated.messages import read_answer
from federated.node import DataNode
from federated.policy import NoiseRule, ReleasePolicy
from federated.policyfile import datasets_from_table
from federated.requests import sign_request
from federated.running import run_app
from mobility.plain import PlainLimits, encode
from mobility.trust import Identity
from tests.federated.probes import probe


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> AppBundle:
    """It says how often it was asked in a run, and where the data is."""
    return probe(
        tmp_path_factory.mktemp("apps") / "app",
        """
        seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
        context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
        print("trained on", context.node_config.get("data"))
        ray = sum(name.startswith("RAY_") for name in os.environ)
        return answer(msg, msg.content["arrays"]["0"].numpy() + 1.0, ray=ray, seen=seen["n"])
        """,
    )


def policy(ada: Identity, **changes: Any) -> ReleasePolicy:
    rules: dict[str, Any] = {
        "dataset": "ward",
        "signers": (ada.key_id,),
        "messages": ("train",),
        "keys": ("arrays.arrays.*", "metrics.metrics.*"),
        **changes,
    }
    return ReleasePolicy(**rules)


def toml(ada: Identity, folder: Path, name: str, more: str = "") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(
        f"""
        [place.datasets.ward]
        config = {{ data = "{name}.csv" }}
        seconds = 20
        memory = "8 GiB"
        reply_bytes = "1 MiB"
        tell = true
        [place.datasets.ward.policy]
        signers = ["{ada.key_id}"]
        messages = ["train"]
        keys = ["arrays.arrays.*", "metrics.metrics.*"]
        {more}
        """,
        encoding="utf-8",
    )
    return file


def folder_of(platform: LocalPlatform, place: str) -> Path:
    return platform.folder / "places" / place / "extensions" / "datasets"


def test_an_app_at_places_from_toml_and_python(ada: Identity, app: AppBundle, tmp_path: Path) -> None:
    """Each place decides for itself; one without data is not there; all is written down, with who asked."""
    files = {"oslo": toml(ada, tmp_path, "oslo"), "lima": toml(ada, tmp_path, "lima", "allowance = { rounds = 1 }")}
    given = {"baku": {"datasets": {"ward": Dataset(policy=policy(ada, messages=("evaluate",)), tell=True)}}}
    with LocalPlatform(
        ["oslo", "lima", "baku", "quito"], owner=ada, place_files=files, extensions=given, folder=tmp_path / "state"
    ) as platform:
        nodes = PlatformNodes(platform)
        assert list(nodes.nodes()) == ["baku", "lima", "oslo", "quito"] and nodes.asker is ada
        result = run_app(app, nodes=nodes, author=ada, run_config={"rounds": 2})
        assert result.nodes == ("baku", "lima", "oslo")
        assert result.refused.keys() == {"quito"} and "no-data-node" in result.refused["quito"]
        failed = [node for node, *_ in result.failures]
        assert sorted(failed) == ["baku", "baku", "lima"]
        # The one place that answered twice was answered to in the second round.
        assert result.arrays["0"].tolist() == [2.0] * 4
        assert result.metrics["train"][2] == {"ray": 0.0, "seen": 1.0}
        printed = folder_of(platform, "oslo") / f"{app.digest[:16]}.log"
        assert printed.read_text().count("trained on oslo.csv") == 2
        key = platform.running["oslo"].core.identity.public
    report = verify_audit(tmp_path / "state/places/oslo/extensions/datasets/audit.log", place=key)
    assert report.sound
    kinds = [entry.kind.value for entry in report.entries]
    assert kinds == ["opened", "admitted", *("executed", "released") * 2]
    assert all(entry.facts["asker"] == ada.key_id for entry in report.entries[1:])
    story = verify_audit(tmp_path / "state/places/lima/extensions/datasets/audit.log").entries
    assert [one.kind.value for one in story] == ["opened", "admitted", "executed", "released", "refused"]


def test_what_is_refused_is_written_down_once(ada: Identity, app: AppBundle, tmp_path: Path) -> None:
    """By the list of apps, by a closed dataset, or by the policy: one entry each."""
    eve = Identity.generate("eve", "owner")
    table = "[place.datasets.closed]\n"
    (tmp_path / "closed.toml").write_text(table)
    given = {
        "oslo": {"datasets": {"ward": Dataset(policy=policy(ada))}},
        "baku": {"datasets": {"ward": Dataset(policy=policy(ada, keys=("arrays.arrays.*",)), tell=False)}},
    }
    with LocalPlatform(
        ["oslo", "lima", "baku"],
        owner=ada,
        extensions=given,
        place_files={"lima": tmp_path / "closed.toml"},
        folder=tmp_path / "state",
    ) as platform:
        with pytest.raises(TooFewNodes) as caught:
            run_app(app.signed_by(eve), nodes=PlatformNodes(platform, ["oslo", "lima"]), patience=0.0)
        assert "untrusted-signer" in caught.value.refused["oslo"]
        with pytest.raises(TooFewNodes) as caught:
            run_app(app, nodes=PlatformNodes(platform, ["lima"]), author=ada, patience=0.0)
        assert "app-not-admitted" in caught.value.refused["lima"]
        result = run_app(app, nodes=PlatformNodes(platform, ["baku"]), author=ada)
        assert [node for node, *_ in result.failures] == ["baku"]
    told = {
        place: [
            (entry.kind.value, entry.facts.get("why"))
            for entry in verify_audit(tmp_path / f"state/places/{place}/extensions/datasets/audit.log").entries[1:]
        ]
        for place in ("oslo", "lima", "baku")
    }
    assert told["oslo"] == [("refused", "untrusted-signer")]
    assert told["lima"] == [("refused", "untrusted-signer"), ("refused", "app-not-admitted")]
    assert told["baku"] == [("admitted", None), ("executed", None), ("withheld", None)]


def test_a_place_that_was_killed_goes_on_with_its_runs(ada: Identity, app: AppBundle, tmp_path: Path) -> None:
    """State, budget and audit log are as they were, and the log goes on."""
    given = {"oslo": {"datasets": {"ward": Dataset(policy=policy(ada, allowance=Allowance(rounds_in_all=3)))}}}
    with LocalPlatform(["oslo"], owner=ada, extensions=given, folder=tmp_path / "state") as platform:

        class Killing(PlatformNodes):
            asked = 0

            def ask(self, node: str, request: bytes, timeout: float) -> bytes:
                answer = super().ask(node, request, timeout)
                self.asked += 1
                if self.asked == 2:  # admitted, and the first round answered
                    platform.kill("oslo")
                    platform.start("oslo")
                return answer

        result = run_app(app, nodes=Killing(platform, ["oslo"]), author=ada, run_config={"rounds": 2})
        assert not result.failures and result.metrics["train"][2]["seen"] == 1.0
        # One release is left, also for other runs.
        result = run_app(app, nodes=PlatformNodes(platform), author=ada, run_config={"rounds": 2})
        assert ["rounds_in_all" in reason for *_, reason in result.failures] == [True]
        key = platform.running["oslo"].core.identity.public
    report = verify_audit(tmp_path / "state/places/oslo/extensions/datasets/audit.log", place=key)
    assert report.sound
    assert [entry.kind.value for entry in report.entries].count("released") == 3


@pytest.mark.parametrize("file", ["ledger.sqlite", "audit.log", "runs.sqlite", "requests.sqlite"])
def test_a_damaged_file_closes_the_data_node_and_not_its_place(
    ada: Identity, app: AppBundle, tmp_path: Path, file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks is told why; nothing is begun anew."""
    given = {"oslo": {"datasets": {"ward": Dataset(policy=policy(ada))}}}
    services = {"oslo": {"hello": lambda here: "hello"}}
    with LocalPlatform(["oslo"], owner=ada, extensions=given, services=services, folder=tmp_path) as platform:
        run_app(app, nodes=PlatformNodes(platform), author=ada)
        platform.kill("oslo")
        damaged = folder_of(platform, "oslo") / file
        data = damaged.read_bytes()
        for beside in damaged.parent.glob(f"{file}-*"):
            beside.unlink()
        damaged.write_bytes(b"garbage" + data[7:])
        before = damaged.read_bytes()
        platform.start("oslo")
        with pytest.raises(TooFewNodes, match="extension-unusable"):
            run_app(app, nodes=PlatformNodes(platform), author=ada, patience=0.0)
        assert platform.call("oslo", "hello") == "hello"
        assert damaged.read_bytes() == before
    assert "could not be opened" in capfd.readouterr().err


def test_what_a_link_says_of_places_that_are_not_there(ada: Identity) -> None:
    """Down, unknown, out of time, or answering something else."""
    services = {"lima": {"federated": lambda here, request: 5}, "baku": {"federated": lambda here, request: 1 / 0}}
    with LocalPlatform(["oslo", "lima", "baku"], owner=ada, services=services) as platform:
        nodes = PlatformNodes(platform, ["oslo"])
        platform.kill("oslo")
        for place, told in (("oslo", "killed"), ("nowhere", "no place"), ("lima", "int"), ("baku", "division")):
            with pytest.raises(NodeUnreachable, match=told) as caught:
                nodes.ask(place, b"x", 5.0)
            assert caught.value.node == place
        with pytest.raises(NodeUnreachable, match="no time"):
            nodes.ask("lima", b"x", 0.0)
        with pytest.raises(TypeError):
            PlatformNodes(platform, "oslo")


def test_large_messages_pass() -> None:
    """Both ways, byte for byte."""
    with LocalPlatform(["oslo"], services={"oslo": {"federated": lambda here, request: request[::-1]}}) as platform:
        request = numpy.random.default_rng(1).bytes(8 << 20)
        assert PlatformNodes(platform, ["oslo"]).ask("oslo", request, 60.0) == request[::-1]


# -- what is written in a file


WRONG: list[tuple[str, str]] = [
    ("[place.datasets.ward]\npolcy = {}", "polcy"),
    ("[place.datasets.ward.policy]\nclipnorm = 1.0", "clipnorm"),
    ("[place.datasets.ward]\nseconds = 0", "above 0"),
    ("[place.datasets.ward]\nseconds = true", "finite"),
    ('[place.datasets.ward]\nmemory = "much"', "size"),
    ("[place.datasets.ward]\nreply_bytes = 0", "above 0"),
    ('[place.datasets.ward]\ntell = "no"', "neither"),
    ("[place.datasets.ward]\nconfig = { data = [1] }", "data"),
    ("[place.datasets.ward]\nenvironment = { A = 1 }", "A"),
    ('[place.datasets.ward]\nenvironment = { "A=B" = "1" }', "A=B"),
    ("[place.datasets.ward]\nadmission = {}", "admission"),
    ("[place.datasets.ward]\npolicy = 5", "no table"),
    ("[place.datasets]\nward = 5", "no table"),
    ("[place.datset.ward]\n", "datset"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[told for _, told in WRONG])
def test_no_key_of_a_file_is_ignored(tmp_path: Path, text: str, told: str) -> None:
    """It is told before anything is started."""
    file = tmp_path / "place.toml"
    file.write_text(text)
    with pytest.raises(Exception, match=told) as caught:
        check_place_file(file)
    assert str(file) in str(caught.value)


def test_a_dataset_of_a_file(ada: Identity) -> None:
    """All its keys; its app admission is that of its policy, and without one it is closed."""
    table = {
        "ward": {
            "config": {"data": "x.csv", "rows": 3, "share": 0.5, "all": True},
            "seconds": 30,
            "memory": "2 GiB",
            "reply_bytes": "1 MiB",
            "tell": True,
            "environment": {"OMP_NUM_THREADS": "2"},
            "policy": {"signers": [ada.key_id], "clip_norm": 1.0, "noise": {"multiplier": 1.0}},
        },
        "closed": {},
    }
    found = datasets_from_table(table)
    ward = found["ward"]
    assert (ward.seconds, ward.memory_bytes, ward.reply_bytes, ward.tell) == (30.0, 2 << 30, 1 << 20, True)
    assert ward.config == table["ward"]["config"] and ward.environment == {"OMP_NUM_THREADS": "2"}
    assert ward.policy is not None and ward.policy.noise == NoiseRule(multiplier=1.0)
    assert ward.admission == AppAdmission(signers=frozenset({ada.key_id}))
    assert found["closed"] == Dataset() and not found["closed"].admission.signers


def test_what_python_gives_is_datasets_under_names(ada: Identity) -> None:
    for given in (5, {"ward": 5}, {"": Dataset()}, {"other": Dataset(policy=policy(ada))}):
        with pytest.raises(PolicyInvalid):
            LocalPlatform(["oslo"], extensions={"oslo": {"datasets": given}})


def test_a_policy_without_its_gate_is_no_dataset(ada: Identity) -> None:
    """A node by itself has no ledger: it would release what the policy forbids."""
    refused = DataNode("oslo", {}, LocalNodes.admitting(ada, [])._trust)
    for make in (
        lambda: LocalNodes({"oslo": {"ward": Dataset(policy=policy(ada))}}, LocalNodes.admitting(ada, [])._trust),
        lambda: refused.set_dataset("ward", Dataset(policy=policy(ada))),
    ):
        with pytest.raises(ValueError, match="no gate"):
            make()
    refused.close()


def test_an_open_dataset_is_written_down_too(ada: Identity, app: AppBundle, tmp_path: Path) -> None:
    """Admitted to by Python and without a policy: all leaves as it is, and each release has its entry."""
    admission = AppAdmission(digests=frozenset({app.digest}))
    given = {"oslo": {"datasets": {"open": Dataset(admission=admission)}}}
    with LocalPlatform(["oslo"], owner=ada, extensions=given, folder=tmp_path) as platform:
        run_app(app, nodes=PlatformNodes(platform), author=ada)
    entries = verify_audit(tmp_path / "places/oslo/extensions/datasets/audit.log").entries
    assert [one.kind.value for one in entries] == ["opened", "admitted", "executed", "released"]
    assert {one.facts["asker"] for one in entries[1:]} == {ada.key_id}


def test_nobody_asks_without_a_signature(ada: Identity) -> None:
    """The platform lets any of its programs call a service; the data node does not."""
    given = {"oslo": {"datasets": {"ward": Dataset(policy=policy(ada))}}}
    with LocalPlatform(["oslo", "lima"], owner=ada, extensions=given) as platform:
        nodes = PlatformNodes(platform)
        place = platform.running["lima"].core.identity
        for request, why in ((b"junk", "unsigned"), (sign_request(encode({}), "oslo", place), "wrong-role")):
            assert read_answer(nodes.ask("oslo", request, 5.0), "oslo", PlainLimits())["why"] == why
