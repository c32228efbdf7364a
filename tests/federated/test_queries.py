"""Queries at a data node: what the owner allows, paid from one ledger with apps, answered once, and written down."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federated.accounting import Allowance, Cost, epsilon_of
from federated.audit import verify_audit
from federated.auditrecords import AuditKind
from federated.custody import Custodian
from federated.dataset import AppAdmission, Dataset
from federated.errors import PolicyInvalid
from federated.guarding import CustodianGate
from federated.messages import pack_message, read_answer
from federated.node import DataNode
from federated.policy import ReleasePolicy
from federated.policyfile import datasets_from_table
from federated.queries import Query, QueryNoise
from federated.queryrules import QueryRule
from federated.requests import sign_request
from federated.statistics import cost_of
from mobility.plain import PlainLimits
from mobility.trust import Identity, TrustEntry, TrustList

ADA, BOB = Identity.generate("ada", "owner"), Identity.generate("bob", "owner")
PLACE = Identity.generate("oslo", "place")
TRUST = TrustList().trusting(TrustEntry(ADA.public, "ada", (ADA.public.role,)))
TRUST = TRUST.trusting(TrustEntry(BOB.public, "bob", (BOB.public.role,)))
AGES = np.arange(100.0)
MEAN = Query.mean("age", bounds=(0, 120))
LAPLACE, GAUSS = QueryNoise(0.5), QueryNoise(0.5, 1e-6)
RULE = QueryRule(
    kinds=("count", "mean", "quantiles"),
    askers=(ADA.key_id,),
    columns=("age",),
    by=("sex",),
    epsilon=0.8,
    least=5,
)


def load(config: Any) -> dict[str, Any]:
    """A ward, as a loader by its name."""
    return {"age": AGES, "sex": np.where(AGES < 97, "f", "m"), "config": [config["wing"]] * 100}


class Ward:
    """A node with one data set, that can be killed at each step on the way out, and started again."""

    def __init__(self, folder: Path, *rules: QueryRule, allowance: Allowance | None = None, **more: Any) -> None:
        self.folder = folder
        allowance = allowance or Allowance(counting_epsilon=2.0, epsilon=1.0, delta=1e-5)
        self.policy = ReleasePolicy(dataset="ward", queries=rules, allowance=allowance)
        self.more = {"loader": self.load, "config": {"wing": "north"}, **more}
        self.loaded = 0
        self.start()

    def load(self, config: Any) -> Any:
        self.loaded += 1
        return load(config)

    def start(self) -> None:
        self.custodian = Custodian.open(self.folder, PLACE, {"ward": self.policy})
        dataset = Dataset(admission=AppAdmission(), policy=self.policy, gate=CustodianGate(self.custodian), **self.more)
        self.node = DataNode("oslo", {"ward": dataset}, TRUST, folder=self.folder)

    def stop(self) -> None:
        self.node.close()
        self.custodian.close()

    def __enter__(self) -> Ward:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(
        self, query: Any = MEAN, noise: Any = LAPLACE, id: str = "a", asker: Identity = ADA, dataset: Any = "ward"
    ) -> dict[str, Any]:
        body = pack_message(
            "query",
            dataset=dataset,
            id=id,
            query=query.to_plain() if isinstance(query, Query) else query,
            noise=noise.to_plain() if isinstance(noise, QueryNoise) else noise,
        )
        return read_answer(self.node.handle(sign_request(body, "oslo", asker)), "oslo", PlainLimits())

    def refusal(self, *args: Any, **kwargs: Any) -> str:
        answer = self.ask(*args, **kwargs)
        return f"{answer['why']}: {answer['reason']}" if answer["do"] == "refused" else answer["do"]

    @property
    def spent(self) -> Cost:
        return self.custodian.ledger.spent("ward").cost


# -- what is allowed


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"asker": BOB}, "may not ask"),
        ({"query": Query.variance("age", bounds=(0, 120))}, "variance is not answered"),
        ({"query": Query.mean("wage", bounds=(0, 120))}, "'wage' is not measured"),
        ({"query": Query.count(where=[("age", "<", 3)])}, "not chosen by the column 'age'"),
        ({"query": Query.count(group=("age", [3]))}, "not chosen by the column 'age'"),
        ({"noise": None}, "nothing is answered without noise"),
        ({"noise": QueryNoise(0.9)}, "epsilon 0.9 is more than the 0.8"),
        ({"query": Query.mean("age")}, "needs bounds"),
    ],
)
def test_what_no_rule_allows_is_refused_before_data_is_touched(tmp_path, asked, told):
    """And it is written down."""
    with Ward(tmp_path, RULE) as ward:
        assert ward.ask()["do"] == "answered"
        refusal = ward.refusal(**{"id": "b", **asked})
        assert refusal.startswith("not-released") and told in refusal
        assert ward.loaded == 1 and ward.spent == Cost(epsilon=0.5)
    assert verify_audit(tmp_path / "audit.log").entries[-1].kind is AuditKind.REFUSED


def test_one_rule_has_to_allow_all_of_it(tmp_path):
    """The one has the column, the other the noise: neither will do, and the nearest says why."""
    exact = QueryRule(kinds=("count",), askers=("*",), exact=True)
    with Ward(tmp_path, RULE, exact) as ward:
        assert ward.ask(Query.count(), None, asker=BOB)["do"] == "answered"
        assert "without noise" in ward.refusal(MEAN, None, "b")
        assert "not chosen by" in ward.refusal(Query.count(group=("sex", ["f"])), None, "b", BOB)


def test_noise_of_a_kind_without_budget_is_not_to_be_had(tmp_path):
    """Else it would be free."""
    with Ward(tmp_path, RULE, allowance=Allowance(counting_epsilon=1.0)) as ward:
        assert "has no epsilon" in ward.refusal(noise=GAUSS)
    with Ward(tmp_path / "other", RULE, allowance=Allowance(epsilon=1.0, delta=1e-6)) as ward:
        assert "has no counting_epsilon" in ward.refusal()
        assert ward.ask(noise=GAUSS)["do"] == "answered"


def test_without_a_policy_or_rules_nothing_is_answered(tmp_path):
    """Nor of a data set that is not there."""
    with Ward(tmp_path, allowance=Allowance(rounds=9)) as ward:
        assert "answers no queries" in ward.refusal()
        assert ward.refusal(dataset="attic").startswith("dataset-unknown")
        ward.node.set_dataset("open", Dataset(admission=AppAdmission(), loader=load))
        assert "has no policy" in ward.refusal(dataset="open")


def test_bounds_of_the_owner_stand_in(tmp_path):
    """A mean without bounds is clipped to his."""
    rule = QueryRule(kinds=("mean",), askers=("*",), columns=("age",), bounds=(("age", (0.0, 10.0)),))
    with Ward(tmp_path, rule, allowance=Allowance(counting_epsilon=1e6)) as ward:
        result = ward.ask(Query.mean("age"), QueryNoise(1e5))["result"]
        assert result["centre"] == 5.0
        assert 5.0 + result["cells"][0][1] / result["cells"][0][0] == pytest.approx(np.clip(AGES, 0, 10).mean(), 1e-3)


def test_small_groups_are_held_back(tmp_path):
    """Three records are less than five."""
    rule = QueryRule(kinds=("count",), askers=("*",), by=("sex",), exact=True, least=5)
    with Ward(tmp_path, rule) as ward:
        assert ward.ask(Query.count(group=("sex", ["f", "m"])), None)["result"]["cells"] == [[97.0], None]


# -- one ledger


@pytest.mark.parametrize("noise", [LAPLACE, GAUSS], ids=["Laplace", "Gauss"])
def test_the_ledger_has_what_answers_cost_and_says_when_it_is_spent(tmp_path, noise):
    """Over all queries and restarts; the data is not touched for what cannot be paid."""
    with Ward(tmp_path, RULE) as ward:
        answers = 0
        while ward.ask(noise=noise, id=f"q{answers}")["do"] == "answered":
            answers += 1
            ward.stop()
            ward.start()
        assert ward.refusal(noise=noise, id="last").startswith("budget-spent")
        rho = cost_of(GAUSS).rho
        most = 4 if noise is LAPLACE else max(n for n in range(1, 99) if epsilon_of(n * rho, 1e-5) <= 1.0)
        assert answers == ward.loaded == most
        cost = ward.spent.epsilon if noise is LAPLACE else ward.spent.rho
        each = 0.5 if noise is LAPLACE else ward.ask(noise=noise, id="q0")["result"]["rho"]
        assert cost == pytest.approx(answers * each) and not (ward.spent.rho and ward.spent.epsilon)


def test_apps_and_queries_draw_on_one_budget(tmp_path):
    """What an app has spent is not there for a query, and the other way round."""
    with Ward(tmp_path, RULE) as ward:
        ward.custodian.ledger.reserve("ward", "7", "m", "train", Cost(epsilon=1.2), ward.policy.allowance)
        assert ward.ask()["do"] == "answered"
        assert ward.refusal(id="b").startswith("budget-spent")
        with pytest.raises(Exception, match="counting_epsilon"):
            ward.custodian.ledger.reserve("ward", "7", "n", "train", Cost(epsilon=0.5), ward.policy.allowance)


def test_exact_answers_count_as_rounds(tmp_path):
    """The one limit that there is for them."""
    rule = QueryRule(kinds=("count",), askers=("*",), exact=True)
    with Ward(tmp_path, rule, allowance=Allowance(rounds_in_all=2)) as ward:
        told = [ward.refusal(Query.count(), None, id) for id in "abc"]
        assert told[:2] == ["answered"] * 2 and told[2].startswith("budget-spent")
        assert ward.spent == Cost()


# -- once


def test_a_query_that_comes_again_gets_its_answer_and_is_paid_once(tmp_path):
    """Also after a restart; by another owner it is another query."""
    both = QueryRule(kinds=("mean",), askers=("*",), columns=("age",))
    with Ward(tmp_path, both) as ward:
        first = ward.ask()
        ward.stop()
        ward.start()
        assert ward.ask() == first and ward.loaded == 1 and ward.spent == Cost(epsilon=0.5)
        assert ward.ask(asker=BOB) != first and ward.spent == Cost(epsilon=1.0)
        assert ward.refusal(Query.mean("age", bounds=(0, 100))).startswith("query-invalid: another query came")
        ward.policy = ReleasePolicy(dataset="ward")
        ward.stop()
        ward.start()
        assert "answers no queries" in ward.refusal()  # the owner has changed his mind


@pytest.mark.parametrize("step", ["reserve", "note", "commit"])
def test_killed_on_the_way_out_it_is_paid_once_and_written_down(tmp_path, monkeypatch, step):
    """Before it is reserved, before the log has it, before it is committed."""
    with Ward(tmp_path, RULE) as ward:
        ledger, audit = ward.custodian.ledger, ward.custodian.audit
        owner = audit if step == "note" else ledger
        proper = getattr(owner, step)

        def dies(*args: Any, **facts: Any) -> Any:
            if step != "note" or args[0] is AuditKind.RELEASED:
                raise KeyboardInterrupt
            return proper(*args, **facts)

        monkeypatch.setattr(owner, step, dies)
        with pytest.raises(KeyboardInterrupt):
            ward.ask()
        ward.stop()
        ward.start()
        assert ward.spent == Cost(epsilon=0.0 if step == "reserve" else 0.5)
        assert ward.ask() == ward.ask()
        assert ward.loaded == 1 and ward.spent == Cost(epsilon=0.5)
        kinds = [entry.kind for entry in verify_audit(tmp_path / "audit.log").entries]
        assert AuditKind.RELEASED in kinds
        ward.stop()
        ward.start()  # ledger and log agree


def test_many_threads_ask_the_same(tmp_path):
    """One answer, paid once."""
    with Ward(tmp_path, RULE) as ward:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(ward.ask())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8 and all(one == found[0] for one in found)
        assert ward.loaded == 1 and ward.spent == Cost(epsilon=0.5)


def test_the_log_says_who_asked_what_and_what_it_cost(tmp_path):
    """One entry for the execution, one for the release."""
    with Ward(tmp_path, RULE) as ward:
        ward.ask(noise=GAUSS)
    report = verify_audit(tmp_path / "audit.log", place=PLACE.public)
    assert not report.problems
    _, executed, released = report.entries
    assert executed.kind is AuditKind.EXECUTED and executed.facts["outcome"] == "answered"
    assert released.kind is AuditKind.RELEASED and released.facts["asker"] == ADA.key_id
    assert float(released.facts["rho"]) > 0 and released.facts["dataset"] == "ward"
    asked = json.loads(released.facts["asked"])
    assert Query.from_plain(asked["query"]) == MEAN and asked["noise"] == GAUSS.to_plain()


# -- what is asked, and what the loader gives


@pytest.mark.parametrize(
    "asked",
    [
        {"id": ""},
        {"id": "x" * 129},
        {"id": "a\nb"},
        {"query": {}},
        {"query": {**MEAN.to_plain(), "kind": "max"}},
        {"query": {**MEAN.to_plain(), "bounds": [1, 0]}},
        {"noise": {"epsilon": -1.0, "delta": None}},
        {"noise": {"epsilon": 1.0}},
        {"noise": {"epsilon": None, "delta": None}},
    ],
)
def test_what_is_no_query_is_refused(tmp_path, asked):
    """Whatever an asker sends."""
    with Ward(tmp_path, RULE) as ward:
        assert ward.refusal(**asked).startswith("query-invalid")
        assert ward.loaded == 0


def secretly(kind: type[Exception]) -> Any:
    def loader(config: Any) -> Any:
        raise kind("patient 7 is 41")

    return loader


@pytest.mark.parametrize(
    "loader",
    [
        None,
        "tests.federated.nowhere:load",
        "tests.federated.test_queries:nothing",
        secretly(KeyError),
        secretly(type("Patient7", (Exception,), {})),
        lambda config: None,
        lambda config: {},
        lambda config: {"age": [[41]]},
        lambda config: {"age": [41], "sex": ["f", "m"]},
        lambda config: {"age": np.array([b"41"])},
        lambda config: {"age": [object()]},
        lambda config: {"wage": [1.0]},
    ],
)
def test_a_loader_that_fails_says_nothing_of_the_data(tmp_path, loader):
    """And nothing is spent; the owner finds it in his log."""
    query = Query.mean("age", bounds=(0, 120), where=[("sex", "==", "f")])
    with Ward(tmp_path, RULE, loader=loader) as ward:
        refusal = ward.refusal(query)
        assert refusal.startswith("loader-failed")
        assert "41" not in refusal and "atient" not in refusal
        assert ward.spent == Cost()
    assert verify_audit(tmp_path / "audit.log").entries[-1].facts["outcome"] == "loader-failed"


def test_an_owner_may_let_the_text_out(tmp_path):
    """As for apps, with tell."""
    with Ward(tmp_path, RULE, loader=secretly(KeyError), tell=True) as ward:
        assert "patient 7" in ward.refusal()


def test_a_loader_that_hangs_is_not_waited_for(tmp_path):
    """Nor is another one started beside it; once it is done, all is well."""
    go = threading.Event()

    def loader(config: Any) -> Any:
        go.wait(30)
        return load(config)

    with Ward(tmp_path, RULE, loader=loader, seconds=0.2) as ward:
        assert "not done after 0.2 seconds" in ward.refusal()
        assert "still busy" in ward.refusal(id="b")
        go.set()
        for _ in range(100):
            if ward.ask(id="c")["do"] == "answered":
                break
        else:
            pytest.fail("it does not come back")
        assert ward.spent == Cost(epsilon=0.5)


@pytest.mark.parametrize("loader", ["tests.federated.test_queries:load", load])
def test_a_loader_by_name_or_as_a_function_gets_the_settings(tmp_path, loader):
    """Of the data set."""
    rule = QueryRule(kinds=("counts",), askers=("*",), columns=("config",), exact=True)
    with Ward(tmp_path, rule, loader=loader) as ward:
        assert ward.ask(Query.counts("config", ["north", "south"]), None)["result"]["cells"] == [[100.0], [0.0]]


def test_columns_as_people_have_them(tmp_path):
    """Lists, whole numbers beside None, texts beside NaN, truth values; and a table of pandas."""
    columns = {"n": [1, None, 3], "t": ["a", float("nan"), "b"], "b": [True, False, True]}
    rule = QueryRule(kinds=("sum", "count", "counts"), askers=("*",), columns=("n", "t", "b"), by=("t",), exact=True)

    class Frame:
        """Has what a table of pandas has."""

        columns = ["n", "t", "b"]

        def __getitem__(self, name: str) -> Any:
            return np.array(columns[name], object)

    for number, table in enumerate((columns, Frame())):
        with Ward(tmp_path / str(number), rule, loader=lambda config: table) as ward:
            assert ward.ask(Query.sum("n"), None, "a")["result"]["cells"] == [[2.0, 4.0]]
            assert ward.ask(Query.counts("t", ["a", "nan"]), None, "b")["result"]["cells"] == [[1.0], [0.0]]
            assert ward.ask(Query.count(where=[("t", "!=", "b")]), None, "c")["result"]["cells"] == [[1.0]]
            assert ward.ask(Query.sum("b"), None, "d")["result"]["cells"] == [[3.0, 2.0]]


# -- in a file


def test_rules_and_loaders_in_a_file(tmp_path):
    """As in Python."""
    rule = {"kinds": ["mean"], "askers": ["*"], "columns": ["age"], "least": 3, "bounds": {"age": [0, 9]}}
    policy = {"queries": [rule], "allowance": {"counting_epsilon": 1.0}}
    made = datasets_from_table({"ward": {"loader": "tests.wards:load", "policy": policy}})["ward"]
    assert made.loader == "tests.wards:load" and made.policy is not None
    same = QueryRule(kinds=("mean",), askers=("*",), columns=("age",), least=3, bounds=(("age", (0.0, 9.0)),))
    assert made.policy.queries == (same,)


@pytest.mark.parametrize(
    "change",
    [
        {"kinds": ["max"]},
        {"kinds": None},
        {"askers": ["ada"]},
        {"askers": None},
        {"epsilon": 0},
        {"exact": 1},
        {"least": -1},
        {"bounds": {"age": [9, 0]}},
        {"bounds": {"age": [0]}},
        {"bounds": {"wage": [0, 9]}},
        {"colums": ["age"]},
    ],
)
def test_a_rule_that_cannot_be_is_refused(change):
    """No key is ignored, and none is guessed."""
    rule = {"kinds": ["mean"], "askers": ["*"], "columns": ["age"], **change}
    rule = {name: value for name, value in rule.items() if value is not None}
    with pytest.raises(PolicyInvalid, match=r"policy\.queries\[0\]"):
        datasets_from_table({"ward": {"policy": {"queries": [rule]}}})
