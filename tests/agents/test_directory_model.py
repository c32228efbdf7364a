"""The directory against a dictionary of rows, `decide`, and a few lines on leases: whatever happens, over restarts."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agents.directory import Directory, NotRegistered, WriterOver
from agents.handoff.ledger import (
    NEVER,
    Fence,
    Finish,
    Granted,
    Holder,
    Release,
    RequestKind,
    Restore,
    Row,
    Status,
    Take,
    decide,
)

LEASE = 10.0
AGENTS = [f"a{n}" for n in range(8)]
HOLDERS = [Holder(place, writer) for place in ("baku", "oslo") for writer in ("w0", "w1", "w2")]
LINKS = [bytes([n]) * 32 for n in range(4)]


@dataclass
class Model:
    """What must be so."""

    rows: dict[str, Row] = field(default_factory=dict)
    until: dict[Holder, float] = field(default_factory=dict)
    over: set[Holder] = field(default_factory=set)
    current: dict[str, str] = field(default_factory=dict)
    unchecked: set[Holder] = field(default_factory=set)
    robbed: set[Holder] = field(default_factory=set)
    outcomes: dict[str, bytes] = field(default_factory=dict)
    passports: dict[str, bytes] = field(default_factory=dict)

    def has_lease(self, holder: Holder, now: float) -> bool:
        return now < self.until.get(holder, now)


@dataclass(frozen=True)
class Wish:
    """A request to be, whatever the rows are then."""

    kind: type[Any]
    agent: str
    #: The row's holder, somebody who has a lease, or anybody.
    by: str
    anybody: Holder
    #: From the row's epoch and stay on; whether its link is continued.
    epoch: int
    stay: int
    link: bytes
    continued: bool


def wishes(agents: list[str], kinds: list[type[Any]]) -> st.SearchStrategy[Wish]:
    often = [0] * 8
    return st.builds(
        Wish,
        st.sampled_from(kinds),
        st.sampled_from(agents),
        st.sampled_from(["holder", "holder", "leased", "leased", "any"]),
        st.sampled_from(HOLDERS),
        st.sampled_from([*often, -1, 1]),
        st.sampled_from([*often, -1]),
        st.sampled_from(LINKS),
        st.sampled_from([True, True, True, False]),
    )


class Ledger(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="ledger-")
        self.moment = 100.0
        self.model = Model()
        self.paper = 0
        self.directory = self.open()

    def open(self) -> Directory:
        return Directory(self.folder, lease_seconds=LEASE, clock=lambda: self.moment, now=lambda: self.moment)

    def teardown(self) -> None:
        self.directory.close()
        shutil.rmtree(self.folder)

    @initialize(holder=st.sampled_from(HOLDERS))
    def first(self, holder: Holder) -> None:
        self.register(holder, False)

    @rule(holder=st.sampled_from(HOLDERS), gone=st.booleans())
    def register(self, holder: Holder, gone: bool) -> None:
        model = self.model
        known = holder in model.until
        if holder in model.over or (known and model.current[holder.place] != holder.writer):
            with pytest.raises(WriterOver):
                self.directory.register(holder.place, holder.writer, b"key", gone, {})
            return
        self.directory.register(holder.place, holder.writer, b"key", gone, {})
        if known and not model.has_lease(holder, self.moment):
            model.unchecked.add(holder)
        model.current[holder.place] = holder.writer
        model.until[holder] = self.moment + LEASE
        for other in model.until:
            if gone and other.place == holder.place and other != holder:
                model.over.add(other)
                model.until[other] = min(model.until[other], self.moment)

    @rule(holder=st.sampled_from(HOLDERS))
    def renew(self, holder: Holder) -> None:
        model = self.model
        if holder not in model.until:
            with pytest.raises(NotRegistered):
                self.directory.renew(holder.place, holder.writer)
            return
        renewed = self.directory.renew(holder.place, holder.writer)
        assert renewed.stop == (holder in model.over or model.current[holder.place] != holder.writer)
        if renewed.stop:
            return
        if not model.has_lease(holder, self.moment):
            model.unchecked.add(holder)
        model.until[holder] = self.moment + LEASE
        assert renewed.expired == (holder in model.unchecked)
        orphans = self.directory.orphans(holder.place, holder.writer)
        assert renewed.orphans == bool(orphans)

    @rule(holder=st.sampled_from(HOLDERS))
    def look(self, holder: Holder) -> None:
        if holder in self.model.until:
            self.directory.holdings(holder.place, holder.writer)
            self.model.unchecked.discard(holder)
            self.model.robbed.discard(holder)

    @rule(holder=st.sampled_from(HOLDERS))
    def leave(self, holder: Holder) -> None:
        if holder in self.model.until:
            self.directory.leave(holder.place, holder.writer)
            self.model.over.add(holder)
            self.model.until[holder] = min(self.model.until[holder], self.moment)

    @rule(seconds=st.sampled_from([1.0, 5.0, LEASE, LEASE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.moment += seconds

    @rule()
    def restart(self) -> None:
        self.directory.close()
        self.directory = self.open()
        for holder in self.model.until:
            ended = holder in self.model.over
            self.model.until[holder] = self.moment if ended else self.moment + LEASE
        self.model.unchecked = set(self.model.robbed)

    @rule(wish=wishes(AGENTS, [Take, Take, Restore, Fence, Release, Finish]))
    def submit_any(self, wish: Wish) -> None:
        self.submit(wish)

    @rule(wish=wishes(AGENTS[:2], [Take, Take, Restore, Release]), more=st.lists(wishes(AGENTS[:2], [Take, Restore])))
    def submit_lively(self, wish: Wish, more: list[Wish]) -> None:
        """Requests by which nothing ends, so that something is there to be asked about."""
        for each in (wish, *more):
            self.submit(each)

    def request(self, wish: Wish) -> Any:
        row = self.model.rows.get(wish.agent)
        leased = [holder for holder in self.model.until if self.model.has_lease(holder, self.moment)]
        by = wish.anybody
        if wish.by == "holder" and row is not None and row.holder is not None:
            by = row.holder
        elif wish.by != "any" and leased:
            by = leased[HOLDERS.index(wish.anybody) % len(leased)]
        fields = {"agent": wish.agent, "epoch": wish.epoch + (NEVER if row is None else row.epoch), "by": by}
        link = wish.link
        if row is not None and row.status is Status.FROZEN and (wish.continued or wish.kind is Fence):
            link = row.record  # a thaw sends what lies in the file, so its fence burns that and nothing else
        previous = row.record if row is not None and wish.continued else wish.link
        more = {"record": link, "previous": previous, "stay": wish.stay + (0 if row is None else row.since)}
        more["burned"] = link
        names = wish.kind.__match_args__
        return wish.kind(**{name: value for name, value in {**fields, **more}.items() if name in names})

    def submit(self, wish: Wish) -> None:
        model = self.model
        request = self.request(wish)
        row = model.rows.get(request.agent)
        self.paper += 1
        papers: dict[str, bytes] = {}
        if isinstance(request, Take | Restore | Release):
            papers["passport"] = b"passport %d" % self.paper
        if isinstance(request, Finish):
            papers["outcome"] = b"outcome %d" % self.paper

        expected_row, expected = decide(row, request, lambda holder: model.has_lease(holder, self.moment))
        assert self.directory.submit(request, **papers) == expected
        # Once more, as after an answer that was lost, and with other papers, which must not replace the first.
        if isinstance(expected, Granted):
            again = self.directory.submit(request, **{name: b"again" for name in papers})
            assert again == expected

        if expected_row is None or expected_row is row:
            return
        model.rows[request.agent] = expected_row
        if "passport" in papers:
            model.passports[request.agent] = papers["passport"]
        if "outcome" in papers:
            model.outcomes[request.agent] = papers["outcome"]
        if isinstance(request, Restore) and row is not None and row.holder not in (None, request.by):
            assert row.holder is not None
            model.unchecked.add(row.holder)
            model.robbed.add(row.holder)

    @invariant()
    def rows_are_the_same(self) -> None:
        for agent in AGENTS:
            expected = self.model.rows.get(agent)
            place, row = self.directory.locate(agent)
            assert row == expected
            held = expected is not None and expected.status is Status.HELD
            assert place == (expected.holder.place if held and expected is not None and expected.holder else None)
            assert self.directory.outcome(agent) == self.model.outcomes.get(agent)
            found = self.directory.find(agent)
            assert (found.passport if found is not None else None) == self.model.passports.get(agent)

    @invariant()
    def holders_are_the_same(self) -> None:
        rows = [row for row in self.model.rows.values() if row.status is Status.HELD]
        for holder in HOLDERS:
            orphans = self.directory.orphans(holder.place, holder.writer)
            expected = [row for row in rows if row.holder is not None and row.holder != holder]
            expected = [row for row in expected if row.holder is not None and row.holder.place == holder.place]
            assert _by_agent(orphans) == _by_agent(expected)
        for grace in (0.0, 4.0):
            gone = [row for row in rows if row.holder and self.moment - self.model.until[row.holder] > grace]
            assert _by_agent(self.directory.abandoned(grace)) == _by_agent(gone)


def _by_agent(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.agent)


def test_the_model_sees_everything() -> None:
    """The machine above must reach each kind of request both granted and denied, over restarts and lost leases."""
    chance, reached = random.Random(5), set()
    for _ in range(12):
        machine = Ledger()
        machine.first(chance.choice(HOLDERS))
        for _ in range(150):
            row_of = dict(machine.model.rows)
            draw = chance.random()
            if draw < 0.1:
                machine.register(chance.choice(HOLDERS), chance.random() < 0.3)
            elif draw < 0.25:
                machine.renew(chance.choice(HOLDERS))
            elif draw < 0.27:
                machine.leave(chance.choice(HOLDERS))
            elif draw < 0.33:
                machine.time_passes(chance.choice([1.0, LEASE, LEASE + 1]))
            elif draw < 0.36:
                machine.restart()
            elif draw < 0.4:
                machine.look(chance.choice(HOLDERS))
            else:
                wish = Wish(
                    chance.choice([Take, Take, Take, Restore, Restore, Fence, Release, Finish]),
                    chance.choice(AGENTS),
                    chance.choice(["holder", "holder", "leased", "leased", "any"]),
                    chance.choice(HOLDERS),
                    chance.choice([0] * 8 + [-1, 1]),
                    chance.choice([0] * 8 + [-1]),
                    chance.choice(LINKS),
                    chance.random() < 0.8,
                )
                machine.submit(wish)
                reached.add((wish.kind.kind, machine.model.rows.get(wish.agent) != row_of.get(wish.agent)))
            machine.rows_are_the_same()
            machine.holders_are_the_same()
        reached |= {"robbed"} if machine.model.robbed else set()
        machine.teardown()
    assert reached >= {(kind, granted) for kind in RequestKind for granted in (True, False)} | {"robbed"}


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
