"""What a `Cell` promises: it begins, steps, captures, leaves and ends one agent."""

from __future__ import annotations

import pytest

from agents import agent
from agents.cell import Landed, Raised, Returned, Yielded
from agents.here import Here
from agents.luggage import write_start
from agents.terms import LaunchTerms
from mobility.bundle import Birth, Bundle, pack
from mobility.environment import EnvironmentRefused, Mobility, Reason, ReasonCode, Verdict
from mobility.trust import Identity, TrustEntry, TrustList

__all__ = ["CellSuite"]


@agent
def counts(here, story, most):
    try:
        for number in range(most):
            got = yield (number, here.name)
            story.append(got)
    finally:
        story.append("finally")
    return story


@agent
def raises(here):
    try:
        yield 1
    finally:
        raise LookupError("at the end")


@agent
def handles(here):
    while True:
        try:
            yield "ready"
        except ValueError as error:
            yield str(error)


def plain(here, number):
    return here.name, number


def joins(here, first, *rest, **named):
    if named.pop("fail", False):
        raise LookupError("as told")
    return [here.name, first, *rest, named]


@agent
class Joined:
    """A class agent."""

    def __init__(self, story, most):
        self.story = story

    def arrive(self, here):
        yield here.name


class Place:
    """Surroundings of a test."""

    def __init__(self, name):
        self.name = name

    def resource(self, agent, name):
        return name.upper()

    def resource_names(self):
        return ()

    def said(self, agent, text):
        return None

    def labels(self):
        return {}


OWNER, BAKU, OSLO = (
    Identity.generate(name, role) for name, role in (("owner", "owner"), ("baku", "place"), ("oslo", "place"))
)
TRUST = TrustList.of(0, [TrustEntry(one.public, one.name, (one.public.role,)) for one in (OWNER, BAKU, OSLO)])


class CellSuite:
    """Derive from it, and give the fixture `kind`: makes a cell from what was verified and a `Here`."""

    def verified(self, bundle, place="baku"):
        return Bundle.from_bytes(bundle.to_bytes()).verify(TRUST, audience=place)

    def born(self, kind, function, *args):
        verified = self.verified(pack(function, by=OWNER, args=args, birth=Birth(hop_limit=9), luggage=b""))
        return verified, kind(verified, Here(Place("baku"), verified.passport.agent), LaunchTerms())

    def moved(self, kind, verified, cell):
        bundle = cell.pack(by=BAKU, passport=verified.passport, origin="baku", to="oslo", luggage=b"")
        again = self.verified(bundle, "oslo")
        return kind(again, Here(Place("oslo"), again.passport.agent), LaunchTerms())

    def test_begins_steps_and_ends(self, kind):
        _, cell = self.born(kind, counts, [], 2)
        assert cell.advance() == Yielded((0, "baku"))
        assert cell.advance("a") == Yielded((1, "baku"))
        assert cell.advance("b") == Returned(["a", "b", "finally"])

    def test_goes_on_elsewhere(self, kind):
        verified, cell = self.born(kind, counts, [], 3)
        cell.advance()
        other = self.moved(kind, verified, cell)
        assert other.advance("there") == Yielded((1, "oslo"))
        assert cell.advance("here") == Yielded((1, "baku")), "what was captured stays as it was"
        cell.leave()
        assert other.advance(None) == Yielded((2, "oslo"))
        assert other.advance("x") == Returned(["there", None, "x", "finally"])

    def test_moves_before_it_has_begun(self, kind):
        verified, cell = self.born(kind, counts, [], 1)
        assert self.moved(kind, verified, cell).advance() == Yielded((0, "oslo"))

    def test_functions_without_yield(self, kind):
        assert self.born(kind, plain, 3)[1].advance() == Returned(("baku", 3))

    def test_errors_at_the_yield_and_out_of_it(self, kind):
        _, cell = self.born(kind, handles)
        cell.advance()
        assert cell.advance(error=ValueError("mine")) == Yielded("mine")
        outcome = cell.advance(error=KeyError("not mine"))
        assert isinstance(outcome, Raised) and isinstance(outcome.error, KeyError)

    def test_a_trace_shows_the_agents_own_lines_alone(self, kind):
        _, cell = self.born(kind, raises)
        cell.advance()
        outcome = cell.advance()
        assert isinstance(outcome, Raised) and 'raise LookupError("at the end")' in outcome.trace
        assert "agents/cell.py" not in outcome.trace

    def test_leaving_runs_nothing_and_closing_runs_the_finally_blocks(self, kind):
        story: list = []
        _, left = self.born(kind, counts, story, 3)
        left.advance()
        left.leave()
        _, closed = self.born(kind, raises)
        closed.advance()
        outcome = closed.close()
        assert isinstance(outcome, Raised) and isinstance(outcome.error, LookupError)
        _, fresh = self.born(kind, counts, [], 3)
        assert fresh.close() is None

    def test_looking_shows_line_and_variables_and_runs_nothing(self, kind):
        _, cell = self.born(kind, counts, [], 3)
        assert cell.look().function == "counts"
        cell.advance()
        look = cell.look()
        assert look.text == "got = yield (number, here.name)" and ("number", "int", "0") in look.variables
        assert cell.advance("a") == Yielded((1, "baku"))

    def test_packed_anew_it_starts_at_its_entry_with_these_arguments(self, kind):
        verified, cell = self.born(kind, counts, [], 9)
        assert cell.advance() == Yielded((0, "baku"))
        cell.advance("lost")
        start = write_start("counts", [["given"]], {"most": 1})
        bundle = cell.pack(by=BAKU, passport=verified.passport, origin="baku", to="oslo", luggage=b"x", anew=start)
        assert bundle.claims().unit == "function" and bundle.claims().suspension is None
        there = self.verified(bundle, "oslo")
        cell_there = kind(there, Here(Place("oslo"), there.passport.agent), LaunchTerms())
        assert cell_there.advance() == Yielded((0, "oslo"))
        outcome = cell_there.advance("a")
        assert isinstance(outcome, Returned) and outcome.value == ["given", "a", "finally"]
        assert cell.advance("b") == Yielded((2, "baku"))  # it is as it was

    def test_landed_anew_its_state_is_not_looked_at(self, kind):
        verified, cell = self.born(kind, counts, [], 9)
        cell.advance()
        bundle = cell.pack(by=BAKU, passport=verified.passport, origin="baku", to="oslo", luggage=b"x")
        there = self.verified(bundle, "oslo")
        landed = Landed(Verdict(Mobility.WEAK), write_start("counts", [["given"], 2], {}))
        cell_there = kind(there, Here(Place("oslo"), there.passport.agent), LaunchTerms(), landed)
        assert cell_there.advance() == Yielded((0, "oslo"))

    def test_the_verdict_of_the_place_counts(self, kind):
        verified, _ = self.born(kind, plain, 1)
        reason = Reason(ReasonCode.MEMORY_TOO_SMALL, "2", "1", Mobility.REFUSE, "too small")
        refused = Landed(Verdict(Mobility.REFUSE, (reason,)))
        with pytest.raises(EnvironmentRefused, match="too small"):
            kind(verified, Here(Place("baku"), verified.passport.agent), LaunchTerms(), refused)

    def test_a_function_can_be_used_as_a_fragment(self, kind):
        """Again and again, with the arguments with which it came first; it has not begun for that."""
        _, cell = self.born(kind, joins, "a")
        assert cell.not_a_fragment() is None
        assert cell.use(["b"], {"more": 1}) == Returned(["baku", "a", "b", {"more": 1}])
        assert cell.use([], {}) == Returned(["baku", "a", {}])
        outcome = cell.use([], {"fail": True})
        assert isinstance(outcome, Raised) and outcome.error.args == ("as told",) and "in joins" in outcome.trace
        assert cell.advance() == Returned(["baku", "a", {}])

    def test_what_yields_or_is_no_function_is_no_fragment(self, kind):
        for unit, says in ((counts, "counts yields, as agents do"), (Joined, "it is a type, not a function")):
            _, cell = self.born(kind, unit, [], 2)
            assert cell.not_a_fragment() == says

    def test_where_its_code_is(self, kind):
        """In this process under a package of its own, or apart."""
        for unit in (counts, Joined):
            verified, cell = self.born(kind, unit, [], 2)
            digest = verified.manifest.code[0].hex()
            for _ in range(2):
                if cell.apart:
                    assert cell.package is None
                else:
                    assert cell.package.startswith(f"sojourn_{digest[:16]}")
                cell.advance()
