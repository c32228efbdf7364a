"""Itineraries: what a term allows is what an enumeration of all its walks says, and nothing else is let in."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.trust.certificate import BIRTH_CERTIFICATE_TYPE, verify_certificate
from mobility.trust.envelope import Envelope
from mobility.trust.errors import (
    BadSignature,
    HopLimitReached,
    ItineraryInvalid,
    OffItinerary,
    SchemaError,
    TrustError,
    WrongPayloadType,
)
from mobility.trust.itinerary import (
    Alternatives,
    AnyOrder,
    Itinerary,
    Loop,
    OnFailure,
    Ordered,
    Stop,
    alternatives,
    any_order,
    as_itinerary,
    loop,
    ordered,
    spelled_out,
    stops_of,
    visit,
)
from mobility.trust.keys import Identity
from mobility.trust.passport import Passport
from mobility.trust.walk import FINISHED, Walk, choices, fewest_hops
from tests.mobility.trust.people import (
    MANIFEST,
    NOW,
    OWNER,
    PLACES,
    STRANGER,
    born,
    branched,
    certificate,
    hopped,
    refused,
    travelled,
    trusted,
)

NAMES = ("baku", "oslo", "lima")
HOME = "baku"

# -- the law: a brute-force enumeration


def walks(term: Itinerary) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every walk of a term whose stops say what they do, and whether it has ended by going home."""
    match term:
        case Stop(place, failure):
            yield (place,), False
            if failure is OnFailure.SKIP:
                yield (), False
            if failure is OnFailure.HOME:
                yield (HOME,), True
        case Ordered(parts):
            yield from _one_after_the_other(parts)
        case AnyOrder(parts):
            for order in itertools.permutations(parts):
                yield from _one_after_the_other(order)
        case Alternatives(parts):
            for part in parts:
                yield from walks(part)
        case Loop(part, times):
            yield from _one_after_the_other((part,) * times)


def _one_after_the_other(parts: tuple[Itinerary, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    if not parts:
        yield (), False
        return
    for way, over in walks(parts[0]):
        if over:
            yield way, True
            continue
        for rest, ended in _one_after_the_other(parts[1:]):
            yield (*way, *rest), ended


def moves(way: tuple[str, ...]) -> tuple[str, ...]:
    """The hops of somebody who walks it from home: none to where he is."""
    places = [place for place, _ in itertools.groupby((HOME, *way))]
    return tuple(places[1:])


def allowed_ways(term: Itinerary) -> set[tuple[str, ...]]:
    """Every beginning of every walk, as hops."""
    found = {moves(way) for way, _ in walks(spelled_out(term))}
    return {way[:end] for way in found for end in range(len(way) + 1)}


failures = st.sampled_from([None, None, "fail", "skip", "wait", "home"])
stops = st.builds(lambda place, failure: visit(place, on_failure=failure), st.sampled_from(NAMES), failures)


def _composite(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda parts, failure: ordered(*parts, on_failure=failure), several, failures),
        st.builds(lambda parts, failure: any_order(*parts, on_failure=failure), several, failures),
        st.builds(lambda parts, failure: alternatives(*parts, on_failure=failure), several, failures),
        st.builds(lambda part, n, failure: loop(part, n, on_failure=failure), inner, st.integers(1, 3), failures),
    )


terms = st.recursive(stops, _composite, max_leaves=4)


def size(term: Itinerary) -> int:
    """How many walks the enumeration would go through, about."""
    match term:
        case Stop():
            return 2
        case Loop(part, times):
            return int(size(part) ** times)
        case Alternatives(parts):
            return sum(map(size, parts))
        case _:
            product = 1
            for number, part in enumerate(term.parts, 1):
                product *= size(part) * (number if isinstance(term, AnyOrder) else 1)
            return product


small = terms.filter(lambda term: size(term) <= 3000)


def after(term: Itinerary, way: tuple[str, ...]) -> Walk:
    walk = Walk.begun(term, HOME)
    for place in way:
        walk = walk.to(place)
    return walk


@settings(max_examples=400, deadline=None)
@given(small)
def test_what_may_come_next_is_what_the_walks_say(term: Itinerary) -> None:
    """At every beginning of every walk: exactly the places with which some walk goes on."""
    ways = allowed_ways(term)
    for way in ways:
        here = way[-1] if way else HOME
        walk = after(term, way)
        expected = {place for place in NAMES if (*way, place) in ways and place != here}
        assert set(walk.leads_to()) == expected, way
        for place in NAMES:
            if place != here:
                assert bool(walk.to(place).left) == (place in expected)


@settings(max_examples=150, deadline=None)
@given(small, st.data())
def test_a_chain_is_let_in_exactly_if_it_is_the_beginning_of_a_walk(term: Itinerary, data: st.DataObject) -> None:
    """Hops, stays and branches that honest places have signed, in whatever order."""
    ways = allowed_ways(term)
    passport, way, here, line = born(itinerary=term, hop_limit=99), (), HOME, 0
    for _ in range(data.draw(st.integers(0, 5))):
        leads = after(term, way).leads_to() if way in ways else ()
        place = data.draw(st.sampled_from([*leads, *leads, *NAMES]))
        if data.draw(st.booleans()):
            line += 1
            passport = branched(passport, f"child-{line}", destination=place)
        else:
            passport = hopped(passport, destination=place)
        way, here = (*way, place) if place != here else way, place
        if way in ways:
            assert passport.verify(trusted(), now=NOW, audience=here).place == here
        else:
            error = refused(OffItinerary, lambda passport=passport: passport.verify(trusted(), now=NOW, audience=None))
            assert error.hop == len(passport.hops) and error.place == place
            return


@settings(max_examples=200, deadline=None)
@given(small)
def test_the_fewest_hops_are_never_too_many(term: Itinerary) -> None:
    """Who could still walk it is not refused."""
    whole = [moves(way) for way, over in walks(spelled_out(term)) if not over]
    assert fewest_hops(term, HOME) <= min(map(len, whole))


def test_the_fewest_hops_of_plain_terms_are_exact() -> None:
    """A bound of 0 would never be too many either."""
    assert fewest_hops(ordered("oslo", "lima", "oslo"), HOME) == 3
    assert fewest_hops(ordered("baku", "lima"), HOME) == 1
    assert fewest_hops(any_order("oslo", "lima", "baku"), HOME) == 2
    assert fewest_hops(loop(ordered("oslo", "lima"), 5), HOME) == 10
    assert fewest_hops(loop("oslo", 5), HOME) == 1
    assert fewest_hops(alternatives(ordered("oslo", "lima"), "lima"), HOME) == 1
    assert fewest_hops(ordered("oslo", visit("lima", on_failure="skip"), "baku"), HOME) == 2


@settings(max_examples=200, deadline=None)
@given(small)
def test_following_the_choices_is_a_walk(term: Itinerary) -> None:
    """What the places offer an agent, one stop after the other, is let in everywhere."""
    ways, walk, left = allowed_ways(term), Walk.begun(term, HOME), spelled_out(term)
    taken: tuple[str, ...] = ()
    while left != FINISHED:
        stop, left = next(choices(left))
        taken = (*taken, stop.place)
        assert moves(taken) in ways
        if stop.place != walk.here:
            walk = walk.to(stop.place)
            assert walk.left
    assert taken in {way for way, _ in walks(spelled_out(term))}


# -- signed


@settings(max_examples=100, deadline=None)
@given(terms)
def test_round_trip_in_a_certificate(term: Itinerary) -> None:
    """It comes back as it was signed, under a type of its own."""
    made = certificate(itinerary=term)
    envelope = made.sign(OWNER)
    assert verify_certificate(envelope, trusted(), now=NOW).certificate == made
    assert envelope.payload_type != BIRTH_CERTIFICATE_TYPE and b'"version":2' in envelope.body


def test_without_an_itinerary_the_certificate_is_what_it_was() -> None:
    """Byte for byte, so that places of an earlier version read it."""
    envelope = certificate().sign(OWNER)
    assert envelope.payload_type == BIRTH_CERTIFICATE_TYPE
    assert b"itinerary" not in envelope.body and b'"version":1' in envelope.body


def check(passport: Passport, audience: str | None = None) -> Any:
    return passport.verify(trusted(), now=NOW, audience=audience)


WAY = ordered("oslo", alternatives("lima", "baku"), "oslo")


def signed(term_json: Any, by: Identity = OWNER, kind: str | None = None, **more: Any) -> Passport:
    """A certificate with whatever stands in the place of its itinerary."""
    honest = born(itinerary=WAY).birth
    body = {**json.loads(honest.body), "itinerary": term_json, **more}
    written = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return Passport(Envelope.sign(kind or honest.payload_type, written, by))


def plain(term: Itinerary) -> Any:
    return json.loads(born(itinerary=term).birth.body)["itinerary"]


def test_attack_a_place_rewrites_the_itinerary() -> None:
    """The owner has signed it: one letter more is another one."""
    passport = travelled("oslo", itinerary=WAY)
    assert check(passport, "oslo")
    edited = replace(passport.birth, body=passport.birth.body.replace(b'"place":"lima"', b'"place":"rome"'))
    assert edited != passport.birth
    refused(BadSignature, lambda: check(replace(passport, birth=edited)))


def test_attack_a_stranger_signs_another_itinerary() -> None:
    """The certificate names its owner, and nobody else may sign it."""
    forged = signed(plain(ordered("lima")), by=STRANGER)
    with pytest.raises(TrustError) as caught:
        check(forged)
    assert caught.value.slug in ("untrusted-signer", "bad-signature")


def test_attack_the_itinerary_is_dropped() -> None:
    """As a certificate of the first version the signature does not hold, and a second one without a way has no form."""
    honest = born(itinerary=WAY).birth
    without = {key: value for key, value in json.loads(honest.body).items() if key != "itinerary"}
    body = json.dumps({**without, "version": 1}, sort_keys=True, separators=(",", ":")).encode()
    refused(BadSignature, lambda: check(Passport(replace(honest, payload_type=BIRTH_CERTIFICATE_TYPE, body=body))))
    refused(BadSignature, lambda: check(Passport(replace(honest, payload_type=BIRTH_CERTIFICATE_TYPE))))
    odd = Envelope.sign(honest.payload_type, body, OWNER)
    refused(SchemaError, lambda: check(Passport(odd)))
    refused(SchemaError, lambda: check(signed(None)))
    refused(SchemaError, lambda: check(signed(plain(WAY), kind=BIRTH_CERTIFICATE_TYPE)))


def test_attack_a_hop_record_as_a_certificate() -> None:
    """The type of a certificate is one of two, whatever the envelope says."""
    hop = travelled("oslo", itinerary=WAY).hops[0]
    refused(WrongPayloadType, lambda: check(Passport(hop)))


def test_attack_places_that_lead_an_agent_astray() -> None:
    """Trusted places have signed each hop; where the owner did not allow it, the next place refuses."""
    for way, wrong, allowed in (
        (("lima",), 1, ("oslo",)),
        (("oslo", "lima", "baku"), 3, ("oslo",)),
        (("oslo", "lima", "oslo", "lima"), 4, ()),
    ):
        error = refused(OffItinerary, lambda way=way: check(travelled(*way, itinerary=WAY)))
        assert (error.hop, tuple(error.allowed)) == (wrong, allowed)
        assert way[-1] in str(error)
    assert check(travelled("oslo", "baku", "oslo", itinerary=WAY), "oslo")


def test_attack_a_place_that_skips_what_may_not_be_skipped() -> None:
    """Only where the owner says so."""
    for failure in (None, "fail", "wait", "home"):
        way = ordered(visit("oslo", on_failure=failure), "lima")
        refused(OffItinerary, lambda way=way: check(travelled("lima", itinerary=way)))
    assert check(travelled("lima", itinerary=ordered(visit("oslo", on_failure="skip"), "lima")), "lima")


def test_attack_a_place_that_sends_home_what_may_not_go_home() -> None:
    """And after it went home, nothing follows."""
    homeward = ordered("oslo", visit("lima", on_failure="home"), "oslo")
    assert check(travelled("oslo", "baku", itinerary=homeward), "baku")
    refused(OffItinerary, lambda: check(travelled("oslo", "baku", "lima", itinerary=homeward)))
    refused(OffItinerary, lambda: check(travelled("oslo", "baku", itinerary=ordered("oslo", "lima", "oslo"))))


def test_attack_a_bundle_for_whoever_has_it() -> None:
    """It may go on where it was, or at a next stop; another place refuses it, and so do all after that."""
    filed = hopped(travelled("oslo", itinerary=WAY), destination=None)
    for place in ("oslo", "lima", "baku", None):
        assert check(filed, place)
    onward = hopped(filed, by=PLACES["lima"], origin="lima", destination="oslo")
    assert check(onward, "oslo")
    assert check(hopped(filed, by=PLACES["oslo"], origin="oslo", destination="lima"), "lima")
    error = refused(OffItinerary, lambda: check(hopped(born(itinerary=WAY), destination=None), "lima"))
    assert (error.place, tuple(error.allowed)) == ("lima", ("oslo",))
    astray = hopped(born(itinerary=WAY), destination=None)
    refused(OffItinerary, lambda: check(hopped(astray, by=PLACES["lima"], origin="lima", destination="oslo"), "oslo"))
    refused(OffItinerary, lambda: check(hopped(filed, by=PLACES["lima"], origin="lima", destination="baku")))
    twice = hopped(hopped(filed, by=PLACES["lima"], origin="lima", destination=None), by=PLACES["oslo"], origin="oslo")
    refused(OffItinerary, lambda: check(hopped(twice, by=PLACES["oslo"], origin="oslo", destination="lima")))


def test_attack_a_child_that_walks_its_own_way() -> None:
    """The chain as a whole is one walk; the parent goes on with its own."""
    parent = travelled("oslo", itinerary=WAY)
    child = branched(parent, "kid", destination="lima")
    assert check(child, "lima") and check(hopped(child, destination="oslo"), "oslo")
    refused(OffItinerary, lambda: check(hopped(child, destination="baku")))
    refused(OffItinerary, lambda: check(branched(travelled(itinerary=WAY), "kid", destination="lima")))
    at_home = branched(parent, "kid", destination="oslo")  # born where its parent is
    assert check(hopped(at_home, destination="baku"), "baku")
    assert check(hopped(parent, destination="baku"), "baku")


def test_a_place_does_not_stamp_a_deviation() -> None:
    """Known before the agent is packed, so that it can stay where it is."""
    verified = check(travelled("oslo", itinerary=WAY), "oslo")
    common = {"origin": "oslo", "manifest": MANIFEST, "time": NOW}
    assert verified.stamped(PLACES["oslo"], destination=None, **common)  # where it is taken in is seen there
    with pytest.raises(OffItinerary):
        check(travelled("oslo", "lima", itinerary=WAY), "lima").stamped(
            PLACES["lima"], origin="lima", destination="baku", manifest=MANIFEST, time=NOW
        )
    assert verified.stamped(PLACES["oslo"], destination="oslo", **common)  # a checkpoint


def test_hop_limit_beside_an_itinerary() -> None:
    """Both hold."""
    way = loop(ordered("oslo", "lima"), 9)
    refused(HopLimitReached, lambda: check(travelled("oslo", "lima", "oslo", itinerary=way, hop_limit=2)))


def test_born_anywhere() -> None:
    """Without a home the first hop says where it was."""
    passport = hopped(born(itinerary=ordered("lima", "oslo"), home=None), by=PLACES["lima"], origin="lima")
    assert check(passport, "oslo")
    passport = hopped(born(itinerary=ordered("lima", "oslo"), home=None), by=PLACES["baku"], origin="baku")
    refused(OffItinerary, lambda: check(passport))


# -- bad terms


@pytest.mark.parametrize(
    "make",
    [
        lambda: ordered(),
        lambda: any_order(),
        lambda: alternatives(),
        lambda: loop("oslo", 0),
        lambda: loop("oslo", -1),
        lambda: loop("oslo", 1.5),
        lambda: loop("oslo", True),
        lambda: loop([], 2),
        lambda: visit(""),
        lambda: visit("a/b"),
        lambda: visit(None),
        lambda: visit(["oslo", "lima"]),
        lambda: visit("oslo", on_failure="explode"),
        lambda: visit("oslo", on_failure="wait", patience=-1),
        lambda: visit("oslo", on_failure="wait", patience=1.5),
        lambda: ordered("oslo", 7),
        lambda: any_order(*["oslo"] * 129),
        lambda: loop(loop("oslo", 100), 100),
        lambda: as_itinerary([[[[[[[[["oslo"]]]]]]]]]),
        lambda: Ordered((7,)),
        lambda: Ordered(["oslo"]),
        lambda: Stop("oslo", "skip"),
    ],
)
def test_what_nobody_could_walk_is_refused_when_it_is_made(make: Any) -> None:
    """By an error that says what to do; which is a ValueError, too."""
    error = refused(ItineraryInvalid, make)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    "term",
    [
        7,
        "oslo",
        [],
        {},
        {"is": "nothing"},
        {"is": ["stop"], "place": "oslo", "on_failure": None, "patience": None},
        {"is": "stop", "place": "oslo"},
        {"is": "stop", "place": "oslo", "on_failure": "later", "patience": None},
        {"is": "stop", "place": "", "on_failure": None, "patience": None},
        {"is": "stop", "place": "oslo", "on_failure": None, "patience": -1},
        {"is": "stop", "place": "oslo", "on_failure": None, "patience": None, "more": 1},
        {"is": "ordered", "parts": [], "on_failure": None, "patience": None},
        {"is": "loop", "part": plain(Stop("oslo")), "times": 0, "on_failure": None, "patience": None},
        {"is": "loop", "part": plain(Stop("oslo")), "times": 10**9, "on_failure": None, "patience": None},
        {"is": "loop", "part": None, "times": 2, "on_failure": None, "patience": None},
    ],
)
def test_attack_an_itinerary_of_another_form(term: Any) -> None:
    """Signed by the owner, and no itinerary."""
    refused(SchemaError, lambda: check(signed(term)))


def test_attack_an_itinerary_that_is_too_large_or_too_deep() -> None:
    """Its form is right; the bounds are looked at before anybody walks."""
    deep: Any = plain(Stop("oslo"))
    for _ in range(9):
        deep = {"is": "ordered", "parts": [deep], "on_failure": None, "patience": None}
    refused(SchemaError, lambda: check(signed(deep)))
    wide = {"is": "ordered", "parts": [plain(Stop("oslo"))] * 128, "on_failure": None, "patience": None}
    refused(SchemaError, lambda: check(signed(wide)))
    assert check(signed({**wide, "parts": wide["parts"][:127]}), "baku")
    long = plain(Stop("oslo"))
    for _ in range(2):
        long = {"is": "loop", "part": long, "times": 4096, "on_failure": None, "patience": None}
    refused(SchemaError, lambda: check(signed(long)))


def test_an_itinerary_excludes_places_and_needs_a_home_to_lead_there() -> None:
    """Found by the owner."""
    with pytest.raises(ValueError, match="either an itinerary or places"):
        certificate(itinerary=WAY, places=("oslo",))
    with pytest.raises(ValueError, match="no home"):
        certificate(itinerary=ordered("oslo", on_failure="home"), home=None)


# -- what it costs


def test_many_places_in_any_order_are_cheap() -> None:
    """Twenty places have 20! walks, and one residual after each."""
    places = [f"p{number}" for number in range(20)]
    walk = Walk.begun(any_order(*places), HOME)
    began = time.thread_time()
    for place in reversed(places):
        walk = walk.to(place)
        assert len(walk.left) == 1
    assert walk.left == (FINISHED,) and time.thread_time() - began < 1.0


def test_attack_a_term_with_exponentially_many_residuals() -> None:
    """Each order of these parts could have led here: the way is refused, and soon."""
    rounds = [loop(ordered("oslo", "lima"), number) for number in range(3, 23)]
    walk = Walk.begun(ordered(any_order(*rounds), "oslo"), HOME)
    began = time.thread_time()
    with pytest.raises(ItineraryInvalid, match="residuals|rests"):
        for _ in range(2000):
            walk = walk.to("oslo").to("lima")
            assert walk.left
    assert time.thread_time() - began < 20.0


@pytest.mark.parametrize("times", [300, 1000])
def test_a_loop_with_an_optional_stop_stays_small(times: int) -> None:
    """To stay may be a visit in any of the rounds; of these only the one with the most rounds left is kept."""
    walk = Walk.begun(loop(ordered("oslo", visit("lima", on_failure="skip")), times), HOME)
    for place in ("oslo", "lima", "oslo", "lima"):
        walk = walk.to(place)
        assert 0 < len(walk.left) < 6


@pytest.mark.parametrize("mixed", [False, True])
def test_a_long_chain_is_verified_again_in_no_time(mixed: bool) -> None:
    """Each of 256 hops comes with the whole chain: what is known of its beginning is not walked again."""
    way = loop(any_order("oslo", "lima", on_failure="skip" if mixed else None), 200)
    passport = born(itinerary=way, hop_limit=256, home="lima")
    keys, here = trusted(), "lima"
    for number in range(200):
        there = "oslo" if here == "lima" else "lima"
        passport = hopped(passport, by=PLACES[here], origin=here, destination=there, epoch=number + 1)
        here = there
    verified = passport.verify(keys, now=NOW + 500, audience=here)
    began = time.thread_time()
    for _ in range(10):
        passport.verify(keys, now=NOW + 500, audience=here)
    again = (time.thread_time() - began) / 10
    from mobility.trust import _chain

    _chain._walks.clear()
    _chain.check_way(verified.birth.certificate, verified.hops)
    began = time.thread_time()
    _chain.check_way(verified.birth.certificate, verified.hops)
    assert time.thread_time() - began < 0.02
    assert again < 0.5


def test_the_text_of_a_term() -> None:
    """As people read it in inspect and in errors."""
    term = ordered("baku", any_order("oslo", visit("lima", on_failure="skip")), loop(alternatives("oslo", "lima"), 3))
    assert str(term) == "(baku, {oslo, lima or skip}, (oslo | lima) x 3)"
    assert str(visit("oslo", on_failure="wait", patience=60)) == "oslo or wait 60 s"
    assert [stop.place for stop in stops_of(term)] == ["baku", "oslo", "lima", "oslo", "lima"]
