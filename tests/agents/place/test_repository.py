"""Code on demand: what is published in the repository of a place, and fetched where it is wanted."""

from __future__ import annotations

import functools
import pickle
import random
import threading
import time

import pytest

from agents import agent, hop, receive
from agents.errors import (
    MoveFailed,
    NotPublishable,
    PlaceUnreachable,
    UnitAmbiguous,
    UnitMismatch,
    UnitOwned,
    UnknownPlace,
    UnknownUnit,
    VersionTaken,
)
from agents.paradigms import fetch, publish
from agents.place import PlaceOptions
from agents.place.trusting import MemberTrust
from agents.protocol import Failure, FetchUnit, PublishUnit, UnitReply
from agents.testing.local import LocalPlatform
from agents.units import FetchedUnit, publication, verified_unit
from mobility.bundle import Birth, Bundle, pack
from mobility.environment.versions import parse_version
from mobility.errors import MobilityError
from mobility.plain import encode
from mobility.trust import Identity
from mobility.trust.errors import Expired
from tests.agents.place.conftest import until

FACTOR = 3


def score(x):
    return x * FACTOR


def better_score(x):
    return x * FACTOR + 1


class Scorer:
    """Keeps what it has seen."""

    def __init__(self, factor):
        self.factor = factor
        self.seen = []

    def __call__(self, x):
        self.seen.append(x)
        return x * self.factor


def scorer(factor):
    """Two of these have the same code, and are not the same unit."""

    def scores(x):
        return x * factor

    return scores


COUNT = 0


def counts():
    global COUNT
    COUNT += 1
    return COUNT


@pytest.fixture
def platform():
    with LocalPlatform(options=PlaceOptions(transfer_seconds=4.0, retry_seconds=0.05)) as platform:
        yield platform
        assert not sum(place._defects for place in platform.running.values())


class Watch:
    """Counts what is fetched."""

    def __init__(self, platform, slow=0.0):
        self.slow = slow
        self.asked: list[tuple[str, FetchUnit, bool]] = []
        platform.net.tamper = self

    def __call__(self, whom, request, deliver):
        answer = deliver()
        if isinstance(request, FetchUnit):
            time.sleep(self.slow)
            self.asked.append((whom, request, isinstance(answer, UnitReply) and answer.bundle is not None))
        return answer

    @property
    def sent(self):
        return sum(bundle for _, _, bundle in self.asked)


# -- from outside


def test_published_at_one_place_and_used_here(platform):
    """A function and a class; from a place that is named, and from whichever has it."""
    told = platform.publish(score, "score", at="lima")
    assert (told.name, told.version, told.place) == ("score", "1.0", "lima") and len(told.digest) == 64
    unit = platform.fetch("score", from_="lima")
    assert (unit.name, unit.version, unit.digest, unit.place) == ("score", "1.0", told.digest, "lima")
    assert unit(5) == 15 and unit.unit is not score and "lima" in repr(unit)
    platform.publish(Scorer, "scorer", version="2.1", at="oslo")
    made = platform.fetch("scorer")(7)
    assert made(3) == 21 and made.seen == [3] and type(made) is not Scorer
    assert platform.fetch(digest=told.digest)(2) == 6
    assert platform.places(details=True)[1].about["units"] == ["score 1.0"]


def test_two_versions_at_once_in_one_process(platform):
    """The newest by PEP 440, whatever was published last; and the one that is asked for."""
    for version, function in (("1.9", score), ("1.10", better_score), ("1.10rc1", scorer(5))):
        platform.publish(function, "score", version=version, at="lima")
    old, new, candidate = (platform.fetch("score", version=version) for version in ("1.9", None, "1.10rc1"))
    assert (old(2), new(2), candidate(2), old(3)) == (6, 7, 10, 9)
    assert new.version == "1.10" and platform.fetch("score", version="1.10.0") == new


def test_the_same_code_with_another_value_is_another_unit(platform):
    """The digest is not that of the code alone: a closure counts, and so does a variable of the module."""
    one = platform.publish(scorer(2), "two", at="lima")
    other = platform.publish(scorer(3), "three", at="lima")
    assert one.digest != other.digest
    assert platform.fetch(digest=one.digest)(1) == 2 and platform.fetch(digest=other.digest)(1) == 3
    with pytest.raises(VersionTaken):
        platform.publish(scorer(3), "two", at="lima")


def test_the_same_again_changes_nothing(platform):
    """Under the same version, and another spelling of it."""
    first = platform.publish(score, "score", version="1.0", at="lima")
    assert platform.publish(score, "score", version="1.0", at="lima") == first
    assert platform.publish(score, "score", version="v1.0.0", at="lima").digest == first.digest
    with pytest.raises(VersionTaken, match="Publish under a new version") as caught:
        platform.publish(better_score, "score", version="1", at="lima")
    assert caught.value.digest == first.digest
    assert platform.fetch("score")(1) == 3
    platform.publish(better_score, "score", version="1", at="oslo")  # another repository


def test_uses_share_nothing(platform):
    """Each is loaded under a name of its own: what one changes in its module, another does not see."""
    platform.publish(counts, "counts", at="lima")
    one, other = platform.fetch("counts"), platform.fetch("counts")
    assert [one(), one(), other()] == [1, 2, 1]


@pytest.mark.parametrize(
    "unit",
    [3, "score", None, object(), functools.partial(score, 1), len, Scorer(3).__call__, (n for n in ()), pytest],
    ids=lambda unit: type(unit).__name__,
)
def test_what_is_no_function_or_class(platform, unit):
    """Refused before anything is sent."""
    with pytest.raises(NotPublishable, match="Publish a function or a class"):
        platform.publish(unit, "score", at="lima")


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 101, "-x", "é", None, 3])
def test_names_that_no_unit_has(platform, name):
    """As above."""
    with pytest.raises(NotPublishable, match="cannot be called"):
        platform.publish(score, name, at="lima")


@pytest.mark.parametrize("version", ["", "one", "1.0.", "1 0", None, 1.0, "1" * 200])
def test_versions_that_are_none(platform, version):
    """As above; asked for, there is no such thing."""
    with pytest.raises(NotPublishable, match="is no version"):
        platform.publish(score, "score", version=version, at="lima")
    if isinstance(version, str):
        platform.publish(score, "score", at="lima")
        with pytest.raises(UnknownUnit):
            platform.fetch("score", version=version, from_="lima")


def test_what_cannot_travel(platform):
    """A value that is bound to this process, in what is to be published."""
    lock = threading.Lock()

    def locked(x):
        with lock:
            return x

    with pytest.raises(MobilityError, match="lock"):
        platform.publish(locked, "locked", at="lima")
    with pytest.raises(UnknownUnit):
        platform.fetch("locked")


def test_what_is_not_there_lists_what_is(platform):
    """Names; of a name that is known, its versions; and the places."""
    with pytest.raises(UnknownUnit, match="It has: none"):
        platform.fetch("score", from_="lima")
    platform.publish(score, "score", version="1.0", at="lima")
    platform.publish(score, "score", version="2.0", at="lima")
    platform.publish(Scorer, "scorer", at="lima")
    for wanted, known in [
        ({"name": "store", "from_": "lima"}, ("score 2.0", "score 1.0", "scorer 1.0")),
        ({"name": "score", "version": "3", "from_": "lima"}, ("version 2.0", "version 1.0")),
        ({"digest": "00" * 32, "from_": "lima"}, ("score 2.0", "score 1.0", "scorer 1.0")),
        ({"name": "score", "version": "3"}, ("version 1.0", "version 2.0")),
    ]:
        with pytest.raises(UnknownUnit) as caught:
            platform.fetch(**wanted)
        assert all(any(part in one for one in caught.value.known) for part in known), caught.value
        again = pickle.loads(pickle.dumps(caught.value))
        assert str(again) == str(caught.value) and again.known == caught.value.known
    with pytest.raises(UnknownPlace):
        platform.fetch("score", from_="nowhere")
    with pytest.raises(TypeError):
        platform.fetch()
    with pytest.raises(TypeError):
        platform.fetch("score", digest="00")


def test_a_model_of_the_repository(platform):
    """Random publications and restarts: what is published is what a dictionary says."""
    dice = random.Random(5)
    functions = [score, better_score, scorer(4), scorer(5)]
    kept: dict[str, dict] = {}
    for _ in range(60):
        name, version = dice.choice(["a", "b"]), dice.choice(["0.9", "1.0", "1.0.0", "1.1rc1", "1.1", "2.0.dev3"])
        function = dice.choice(functions)
        key = parse_version(version)
        there = kept.setdefault(name, {}).get(key)
        try:
            told = platform.publish(function, name, version=version, at="oslo")
            assert there in (None, function) and platform.fetch(digest=told.digest)(7) == function(7)
            kept[name].setdefault(key, function)
        except VersionTaken:
            assert there not in (None, function)
        if dice.random() < 0.1:
            platform.kill("oslo")
            platform.start("oslo")
        for one, versions in kept.items():
            if versions:
                assert platform.fetch(one, from_="oslo")(7) == versions[max(versions)](7)


# -- nothing is fetched twice


def test_nothing_is_fetched_twice(platform):
    """A version that is named is not even asked for; for the newest, only its digest is."""
    platform.publish(score, "score", version="1.0", at="lima")
    watch = Watch(platform)
    first = platform.fetch("score", version="1.0", from_="lima")
    assert (len(watch.asked), watch.sent) == (1, 1)
    platform.fetch("score", version="1", from_="lima")
    platform.fetch(digest=first.digest)
    assert len(watch.asked) == 1
    platform.fetch("score", from_="lima")
    assert (len(watch.asked), watch.sent) == (2, 1)
    platform.net.tamper = None
    platform.publish(better_score, "score", version="1.1", at="lima")
    watch = Watch(platform)
    assert platform.fetch("score", from_="lima")(1) == 4 and watch.sent == 1


def test_concurrent_fetches_share_one(platform):
    """Of many threads, and of many agents at one place."""
    platform.publish(score, "score", at="lima")
    watch = Watch(platform, slow=0.3)
    units: list[FetchedUnit] = []
    threads = [
        threading.Thread(target=lambda: units.append(platform.fetch("score", version="1.0", from_="lima")))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [unit(1) for unit in units] == [3] * 12 and watch.sent == 1
    handles = [platform.launch(fetches_once, "lima", at="baku") for _ in range(12)]
    assert [handle.result(timeout=20) for handle in handles] == [3] * 12
    assert watch.sent == 2


# -- within an agent


@agent
def fetches_once(here, place):
    unit = yield fetch("score", version="1.0", from_=place)
    return unit(1)


@agent
def keeps_it(here, place, way):
    """Fetches, and uses it at every place of a way."""
    unit = yield fetch("score", from_=place)
    used = []
    for stop in way:
        here = yield hop(stop)
        used.append((here.name, unit(2), unit.version))
    return used, unit.digest


@agent
def keeps_it_unused(here, place, way):
    """Carries a unit through places without using it there."""
    unit = yield fetch("score", from_=place)
    for stop in way:
        here = yield hop(stop)
    yield receive()
    return unit(2)


@agent
def fetches_two(here):
    old = yield fetch("score", version="1.0")
    new = yield fetch("score")
    here = yield hop("oslo")
    return old(1), new(1), old.version, new.version


@agent
def tries_to_fetch(here, name, version, place):
    try:
        yield fetch(name, version=version, from_=place)
    except Exception as error:
        return type(error).__name__, str(error), here.name
    return None


def helper(x):
    return x + 100


def published_helper(x):
    return helper(x) * 2


@agent
def publishes(here, place):
    """Publishes code of its own at another place, and more than once."""
    here = yield hop(place)
    first = yield publish(published_helper, "helped", "1.0")
    again = yield publish(published_helper, "helped", "1.0")
    try:
        yield publish(helper, "helped", "1.0")
    except Exception as error:
        return first.digest == again.digest, first.place, type(error).__name__
    return None


def test_an_agent_keeps_a_unit_across_hops(platform):
    """It travels by its name: the bundle of the agent does not contain it, and each place fetches it once."""
    told = platform.publish(score, "score", at="lima")
    watch = Watch(platform)
    used, digest = platform.launch(keeps_it, "lima", ["oslo", "baku", "oslo", "lima"], at="baku").result(timeout=20)
    assert used == [(place, 6, "1.0") for place in ("oslo", "baku", "oslo", "lima")] and digest == told.digest
    assert watch.sent == 3, "baku at first, then oslo, then lima itself"


def test_it_is_fetched_where_it_is_used(platform):
    """And not where the agent only passes."""
    platform.publish(score, "score", at="lima")
    watch = Watch(platform)
    handle = platform.launch(keeps_it_unused, "lima", ["oslo", "baku", "oslo"], at="baku")
    assert until(lambda: handle.status().state == "waiting" and handle.place() == "oslo")
    assert watch.sent == 1
    handle.send("go")
    assert handle.result(timeout=10) == 6 and watch.sent == 2


def test_frozen_and_thawed_with_a_unit(platform):
    """As it stands, in a file too; and with the repository dead, a place that had it has it."""
    platform.publish(score, "score", at="lima")
    handle = platform.launch(keeps_it_unused, "lima", ["baku"], at="baku")
    assert until(lambda: handle.status().state == "waiting")
    bundle = handle.freeze()
    platform.kill("lima")
    platform.kill("baku")
    platform.start("baku")  # what it has fetched is on its disk
    handle = platform.thaw(bundle, at="baku")
    handle.send("go")
    assert handle.result(timeout=10) == 6


def test_two_versions_within_an_agent(platform):
    """Both go with it."""
    platform.publish(score, "score", version="1.0", at="lima")
    platform.publish(better_score, "score", version="1.1", at="baku")
    assert platform.launch(fetches_two, at="lima").result(timeout=10) == (3, 4, "1.0", "1.1")


@agent
def keeps_what_it_made(here, way):
    """An object of a fetched class belongs to that code, and not to the agent's."""
    made = (yield fetch("scorer"))(3)
    try:
        here = yield hop(way)
    except MoveFailed as error:
        return here.name, made(2), error.why, str(error)
    return here.name, made(2)


def test_what_a_fetched_class_made_stays(platform):
    """It cannot travel within the agent, which is told so where it is, and goes on."""
    platform.publish(Scorer, "scorer", at="lima")
    where, value, why, text = platform.launch(keeps_what_it_made, "oslo", at="baku").result(timeout=10)
    assert (where, value, why) == ("baku", 6, "foreign-code") and "Scorer" in text


@pytest.mark.parametrize(
    ("name", "version", "place", "kind"),
    [
        ("store", None, "lima", "UnknownUnit"),
        ("score", "7", "lima", "UnknownUnit"),
        ("score", "7", None, "UnknownUnit"),
        ("score", None, "nowhere", "UnknownPlace"),
        ("score", None, "oslo", "PlaceUnreachable"),
    ],
)
def test_a_refusal_reaches_the_agent_at_its_yield(platform, name, version, place, kind):
    """And it goes on."""
    platform.publish(score, "score", at="lima")
    platform.kill("oslo")
    if place is None:
        platform.start("oslo")
    told = platform.launch(tries_to_fetch, name, version, place, at="baku").result(timeout=20)
    assert told[0] == kind and told[2] == "baku"
    if kind == "UnknownUnit":
        assert "score" in told[1] or "version 1.0" in told[1]


def test_an_agent_publishes_code_of_its_own(platform):
    """Signed by the place for the owner who signed the code; anybody fetches it, with what it calls."""
    handle = platform.launch(publishes, "oslo", at="baku")
    assert handle.result(timeout=20) == (True, "oslo", "VersionTaken")
    unit = platform.fetch("helped", from_="oslo")
    assert unit(1) == 202
    verified, _ = platform.client.units.get("oslo", "helped", None, None, timeout=5)
    assert verified.verified.passport.owner.key_id == platform.owner.key_id
    assert [str(sender) for sender in verified.verified.passport.senders] == ["place:baku", "place:oslo"]


# -- crashes


def test_a_repository_outlives_its_process(platform):
    """Killed right after the answer: what it has said that it has, it has."""
    told = platform.publish(score, "score", at="lima")
    platform.kill("lima")
    with pytest.raises(PlaceUnreachable):
        platform.fetch("score", from_="lima")
    with pytest.raises(PlaceUnreachable):
        platform.publish(score, "score", at="lima")
    platform.start("lima")
    assert platform.fetch("score", from_="lima").digest == told.digest
    with pytest.raises(VersionTaken):
        platform.publish(better_score, "score", at="lima")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_repository_killed_while_it_publishes(platform, when):
    """Nothing or all of it is there; publishing again is right in both cases."""
    killed = threading.Event()

    def kills(whom, request, deliver):
        if not isinstance(request, PublishUnit):
            return deliver()
        platform.net.tamper = None
        answer = deliver() if when == "after" else None
        platform.kill(whom)
        killed.set()
        return answer if when == "after" else deliver()

    platform.net.tamper = kills
    with pytest.raises(PlaceUnreachable):
        platform.publish(score, "score", at="lima")
    assert killed.wait(10)
    platform.start("lima")
    told = platform.publish(score, "score", at="lima")
    assert platform.fetch("score", from_="lima").digest == told.digest
    assert platform.running["lima"].repository.names == ["score 1.0"]


def test_a_damaged_entry_keeps_the_others(platform, capsys):
    """On disk, by whatever; the place says so, and serves what it can read."""
    platform.publish(score, "a", at="lima")
    platform.publish(score, "b", at="lima")
    platform.running["lima"].core.store.keep("published", "a 1.0", b"rubbish")
    platform.kill("lima")
    platform.start("lima")
    assert platform.fetch("b", from_="lima")(1) == 3
    with pytest.raises(UnknownUnit):
        platform.fetch("a", from_="lima")
    assert "PlainInvalid" in capsys.readouterr().err
    platform.running["lima"]._defects = 0


# -- trust


def reply_of(platform, data, place="lima"):
    return platform.client.transport.ask_place(place, PublishUnit(data), timeout=5)


def refused(platform, data):
    reply = reply_of(platform, data)
    assert isinstance(reply, Failure), reply
    assert platform.running["lima"].repository.names == []
    return reply.error.slug


def test_what_a_place_does_not_publish(platform):
    """Not signed by an owner whom it trusts, altered, expired, addressed to somebody, or something else."""
    owner = platform.owner
    stranger = Identity.generate("stranger", "owner")
    good = publication(score, "score", "1.0", by=owner).to_bytes()
    assert refused(platform, publication(score, "score", "1.0", by=stranger).to_bytes()) == "untrusted-signer"
    assert refused(platform, b"rubbish") == "bundle-invalid"
    for position in range(0, len(good), max(1, len(good) // 97)):
        data = bytearray(good)
        data[position] ^= 0x10
        assert isinstance(reply_of(platform, bytes(data)), Failure), position
    old = pack(score, by=owner, birth=Birth(lifetime=10), now=time.time() - 1e6)
    assert refused(platform, old.to_bytes()) == "expired"
    assert refused(platform, pack(score, by=owner, birth=Birth(home="lima")).to_bytes()) == "wrong-audience"
    assert refused(platform, pack(score, by=owner).to_bytes()) == "not-publishable"
    told = {"is": "sojourn.published-unit", "name": "score", "version": "1.0"}
    assert refused(platform, pack(Scorer(3), by=owner, luggage=encode(told)).to_bytes()) == "not-publishable"
    for wrong in ({"is": "another"}, {"name": "a b"}, {"version": "x"}, {"name": None}):
        bundle = pack(score, by=owner, luggage=encode({**told, **wrong}))
        assert refused(platform, bundle.to_bytes()) == "not-publishable", wrong
    assert not isinstance(reply_of(platform, good), Failure)
    assert platform.running["lima"].repository.names == ["score 1.0"]


def test_a_published_bundle_is_no_agent(platform):
    """Whoever has it cannot send it to a place to be run."""
    from agents.protocol import Transfer, TransferRefused

    bundle = publication(score, "score", "1.0", by=platform.owner)
    request = Transfer(bundle.claims().agent, -1, bundle.to_bytes(), None, time.time())
    for epoch in (-1, 0):
        reply = platform.client.transport.ask_place(
            "lima", Transfer(request.agent, epoch, request.bundle, None, request.started), timeout=5
        )
        assert isinstance(reply, TransferRefused), reply
    assert platform.agents() == []


class Lying:
    """A repository that answers with another bundle."""

    def __init__(self, platform, data, **told):
        self.data, self.told = data, told
        platform.net.tamper = self

    def __call__(self, whom, request, deliver):
        answer = deliver()
        if isinstance(request, FetchUnit) and isinstance(answer, UnitReply):
            told = {"name": answer.name, "version": answer.version, "digest": answer.digest, **self.told}
            told["owner"] = answer.owner
            return UnitReply(bundle=self.data, **told)
        return answer


def test_a_repository_is_not_believed(platform):
    """Another name, another version, another digest than asked for; nothing at all; a stranger's code."""
    digest = platform.publish(score, "score", at="lima").digest
    owner = platform.owner
    other = publication(better_score, "other", "1.0", by=owner).to_bytes()
    newer = publication(better_score, "score", "2.0", by=owner).to_bytes()
    same = publication(better_score, "score", "1.0", by=owner).to_bytes()
    for data, wanted in [
        (other, {"name": "score"}),
        (newer, {"name": "score", "version": "1.0"}),
        (same, {"digest": digest}),
        (None, {"name": "score"}),
    ]:
        Lying(platform, data)
        with pytest.raises(UnitMismatch):
            platform.fetch(**wanted, from_="lima")
    stranger = publication(score, "score", "1.0", by=Identity.generate("stranger", "owner")).to_bytes()
    Lying(platform, stranger)
    with pytest.raises(MobilityError) as caught:
        platform.fetch("score", from_="lima")
    assert caught.value.slug == "untrusted-signer"
    told = platform.launch(tries_to_fetch, "score", None, "lima", at="baku").result(timeout=10)
    assert told[0] == "UntrustedSigner"
    platform.net.tamper = None
    assert platform.fetch("score", from_="lima")(1) == 3, "nothing of that was kept"


def test_what_was_fetched_is_verified_at_each_use(platform):
    """A signer who is trusted no more: what was kept is not used either."""
    platform.publish(score, "score", at="lima")
    assert platform.fetch("score", version="1.0", from_="lima")(1) == 3
    platform.client.trust = MemberTrust("this program", None, ())
    with pytest.raises(MobilityError) as caught:
        platform.fetch("score", version="1.0", from_="lima")
    assert caught.value.slug == "untrusted-signer"


@agent
def uses_each(here, wanted):
    units = []
    for name, version in wanted:
        units.append((yield fetch(name, version=version, from_="lima")))
    here = yield hop("oslo")
    return [(unit.name, unit.version, unit(1)) for unit in units]


def test_one_code_under_several_names(platform):
    """And versions: each is what it was published as, wherever it is used."""
    for name, version in (("score", "1.0"), ("score", "2.0"), ("mark", "1.0")):
        platform.publish(score, name, version=version, at="lima")
    wanted = [("score", "1.0"), ("score", "2.0"), ("mark", "1.0"), ("mark", None)]
    for _ in range(2):  # also of what is kept
        assert [platform.fetch(name, version=version, from_="lima").name for name, version in wanted] == [
            name for name, _ in wanted
        ]
        told = platform.launch(uses_each, wanted, at="baku").result(timeout=20)
        assert told == [("score", "1.0", 3), ("score", "2.0", 3), ("mark", "1.0", 3), ("mark", "1.0", 3)]


def test_a_name_belongs_to_its_owner(platform, tmp_path):
    """Who fetches the newest of a name is not to get another owner's code, though the place trusts both."""
    other = Identity.generate("other", "owner")
    platform.publish(score, "score", at="lima")
    platform.running["lima"].trust.owners = (platform.owner.public, other.public)
    platform.running["lima"].trust._seen = None
    with pytest.raises(UnitOwned, match="owner:tester"):
        platform.publish(better_score, "score", version="2.0", at="lima", owner=other)
    assert platform.publish(better_score, "others_score", at="lima", owner=other).version == "1.0"


def test_what_has_expired_can_be_published_anew(platform, monkeypatch):
    """Under its version, which stays what it was; whoever has fetched it before gets the new certificate."""
    first = platform.publish(score, "score", at="lima", lifetime=100)
    assert platform.fetch("score", from_="lima").version == "1.0"
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 100_000)
    with pytest.raises(Expired):
        platform.fetch("score", from_="lima")
    again = platform.publish(score, "score", at="lima", lifetime=1_000_000)
    assert again.digest == first.digest
    assert platform.fetch("score", from_="lima")([1, 2]) == score([1, 2])
    platform.publish(score, "score", at="lima", lifetime=10)
    assert platform.fetch("score", version="1.0", from_="lima").digest == first.digest, "a shorter one changes nothing"


def test_a_name_that_means_two_units_is_not_guessed(platform):
    """Each repository has its own names: where no place is named, the same name and version must be the same unit
    everywhere, and the name one owner's."""
    first = platform.publish(score, "score", at="lima")
    assert platform.fetch("score").digest == first.digest
    second = platform.publish(better_score, "score", at="baku")
    with pytest.raises(UnitAmbiguous, match="baku.*lima"):
        platform.fetch("score", version="1.0")
    with pytest.raises(UnitAmbiguous):
        platform.pull("oslo", "score")
    assert platform.fetch("score", from_="lima").digest == first.digest
    assert platform.fetch(digest=second.digest).digest == second.digest
    platform.publish(score, "score", version="3.0", at="lima")
    assert platform.fetch("score").version == "3.0", "of one owner, the newest is the newest"


def test_a_name_of_two_owners_is_not_guessed(platform):
    other = Identity.generate("other", "owner")
    for place in platform.running.values():
        place.trust.owners = (platform.owner.public, other.public)
        place.trust._seen = None
    platform.publish(score, "score", at="lima")
    platform.publish(better_score, "score", version="99.0", at="baku", owner=other)
    with pytest.raises(UnitAmbiguous, match="99.0"):
        platform.fetch("score")
    assert platform.fetch("score", from_="lima").version == "1.0"


def test_the_digest_is_of_all_that_counts():
    """Published at another time or by another owner it is the same unit; with other code or another name it is not."""
    owner, other = (Identity.generate(name, "owner") for name in ("a", "b"))
    trust = MemberTrust("here", None, (owner.public, other.public))

    def digest(unit, by=owner, name="score", version="1.0"):
        data = publication(unit, name, version, by=by).to_bytes()
        assert Bundle.from_bytes(data).claims().agent
        return verified_unit(data, trust).digest

    assert digest(score) == digest(score) == digest(score, by=other) == digest(score, version="1.0.0")
    assert len({digest(score), digest(score, name="other"), digest(score, version="1.1")}) == 3
    assert len({digest(unit) for unit in (score, better_score, Scorer, scorer(1), scorer(2))}) == 5
