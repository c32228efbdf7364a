"""Every interleaving of a small world: two places and the directory, one agent with one hop, one message, one sender.

What happens next is any of: a message on its way arrives, or is lost, or arrives and comes again; the agent reads, or
hops; a wait is over; a place has admitted or refuses; a place or the directory dies, between any two effects, and
starts again; a lease runs out and is renewed; a place recovers or adopts. Faults have a budget, all else is unbounded.
The network is a set, so that reordering is free. States are visited breadth first, each once; safety is checked in
each. At the end it is checked that from each state, without any further fault, a state at rest can be reached.

Simplified against `agents.testing.world`: a registration and a renewal are one step, not two messages; a process that
is superseded is dead; mail that is held back stays on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from agents.handoff import Holder, IllegalEvent, Row, State, Status, Visit, is_rubbish, ledger, machine
from agents.handoff import courier as post
from agents.handoff import events as on
from agents.handoff import table as protocol
from agents.handoff.ledger import Fence, Request, RequestKind, Restore, Take

__all__ = ["BOUNDS", "Budget", "Explored", "explore"]

_AGENT: Final = "a"
_AWAY: Final = frozenset({State.ABSENT, State.GONE, State.ENDED})
_OTHER: Final = {"p": "q", "q": "p"}


@dataclass(frozen=True, slots=True)
class Budget:
    """How many faults there may be in one run of the world."""

    crashes: int = 0
    losses: int = 0
    doublings: int = 0
    refusals: int = 0
    lapses: int = 0
    most_states: int = 5_000_000


@dataclass(frozen=True, slots=True)
class Explored:
    """What was visited, and what is wrong, if anything is."""

    states: int
    transitions: int
    depth: int
    at_rest: int
    problem: str | None

    def __str__(self) -> str:
        told = f"{self.states:,} states, {self.transitions:,} transitions, depth {self.depth}, {self.at_rest:,} at rest"
        return told if self.problem is None else f"{told}; {self.problem}"


class Copy(NamedTuple):
    """The agent: whether it has hopped, got its message, read it; and the last link of its passport."""

    hopped: bool
    got: bool
    read: bool
    link: int


class Slot(NamedTuple):
    """On disk; `got`: by the copy or by the journal."""

    stay: int
    copy: Copy
    got: bool


class Place(NamedTuple):
    """A place with its disk; `writer` is its process."""

    writer: int
    alive: bool
    leased: bool
    visit: Visit
    copy: Copy | None
    staged: Copy | None
    stay: int
    number: int
    sent: Copy | None
    moving: bool
    slot: Slot | None


class World(NamedTuple):
    """A state. `until`: which place has a lease, as the directory sees it; `numbers`: which one it is."""

    row: Row
    until: tuple[bool, bool]
    numbers: tuple[int, int]
    p: Place
    q: Place
    courier: post.Courier
    acknowledged: bool
    network: frozenset[tuple[Any, ...]]
    budget: tuple[int, int, int, int, int]


_Move: TypeAlias = tuple[str, bool, World]
_CRASH, _LOSS, _DOUBLE, _REFUSE, _LAPSE = range(5)


def _place(world: World, name: str) -> Place:
    return world.p if name == "p" else world.q


def _with(world: World, name: str, place: Place) -> World:
    return world._replace(p=place) if name == "p" else world._replace(q=place)


def _spend(world: World, fault: int) -> World:
    left = list(world.budget)
    left[fault] -= 1
    return world._replace(budget=(left[0], left[1], left[2], left[3], left[4]))


def _send(world: World, *message: Any) -> World:
    return world._replace(network=world.network | {message})


def _index(name: str) -> int:
    return 0 if name == "p" else 1


def _set(pair: tuple[Any, Any], name: str, value: Any) -> tuple[Any, Any]:
    return (value, pair[1]) if name == "p" else (pair[0], value)


def _holder(name: str, place: Place) -> Holder:
    return Holder(name, str(place.writer))


# -- a place


def _handle(world: World, name: str, event: on.Event) -> Iterator[tuple[bool, World]]:
    """What can come of an event: all of it, or (True) a death between two effects."""
    place = _place(world, name)
    after, effects = machine.step(place.visit, event, protocol.TABLE)
    world = _with(world, name, place._replace(visit=after))
    for effect in effects:
        if world.budget[_CRASH]:
            yield True, _die(_spend(world, _CRASH), name)
        world = _carry_out(world, name, effect)
    yield False, world


def _carry_out(world: World, name: str, effect: on.HandoffEffect) -> World:
    place = _place(world, name)
    match effect:
        case on.AskDirectory(kind, epoch):
            return _send(world, "request", name, place.writer, _request(name, place, kind, epoch))
        case on.Ship(to, epoch):
            return _send(world, "offer", to, epoch, place.sent, name, place.writer)
        case on.Activate() | on.Await():
            return _with(world, name, place._replace(copy=place.staged, staged=None))
        case on.Drop(row):
            slot = place.slot
            if slot is not None and is_rubbish(row, name, slot.stay):
                slot = None
            return _with(world, name, place._replace(staged=None, slot=slot))
        case on.ReplyAccepted(epoch):
            return _send(world, "reply", _OTHER[name], on.Accepted(epoch))
        case on.ReplyRefused(epoch, reason):
            return _send(world, "reply", _OTHER[name], on.Rejected(epoch, reason))
        case on.Resume():
            return _with(world, name, place._replace(moving=False))
        case on.Discard():
            return _with(world, name, place._replace(copy=None, sent=None, moving=False, slot=None))
        case _:
            return world


def _request(name: str, place: Place, kind: RequestKind, epoch: int) -> Request:
    by = _holder(name, place)
    if kind is RequestKind.FENCE:
        assert place.sent is not None
        return Fence(_AGENT, epoch, by, b"%d" % place.sent.link)
    assert place.staged is not None
    link = place.staged.link
    if kind is RequestKind.TAKE:
        return Take(_AGENT, epoch, by, b"%d" % link, b"%d" % (link // 100))
    return Restore(_AGENT, epoch, by, place.stay, b"%d" % link, None, place.number)


def _die(world: World, name: str) -> World:
    place = _place(world, name)
    dead = Place(place.writer, False, False, Visit(_AGENT), None, None, -1, 0, None, False, place.slot)
    lost = {message for message in world.network if message[0] == "answer" and message[1] == name}
    return _with(world, name, dead)._replace(network=world.network - lost)


def _place_moves(world: World, name: str) -> Iterator[_Move]:
    place = _place(world, name)
    if not place.alive:
        started = place._replace(writer=place.writer + 1, alive=True, leased=True, visit=Visit(_AGENT))
        fresh = world._replace(
            until=_set(world.until, name, True),
            numbers=_set(world.numbers, name, world.numbers[_index(name)] + 1),
        )
        yield f"{name} starts again", False, _with(fresh, name, started)
        return
    visit = place.visit
    if world.budget[_CRASH]:
        yield f"{name} dies", True, _die(_spend(world, _CRASH), name)

    def told(event: on.Event, changed: World) -> Iterator[_Move]:
        for died, after in _handle(changed, name, event):
            yield f"{name}: {event}{', and dies' if died else ''}", died, after

    yield from _lease_moves(world, name, place, told)
    match visit.state:
        case State.RUNNING:
            copy = place.copy
            assert copy is not None
            if copy.got and not copy.read:
                yield f"{name}: reads", False, _with(world, name, place._replace(copy=copy._replace(read=True)))
            if not copy.hopped:
                sent = copy._replace(hopped=True, link=copy.link * 100 + visit.epoch + 1)
                leaves = place._replace(sent=sent, moving=True, copy=copy._replace(hopped=True))
                yield from told(on.Departs(_OTHER[name]), _with(world, name, leaves))
        case State.ADMITTING:
            arrived = place.sent
            assert arrived is not None
            if place.slot is None:
                slot = Slot(visit.epoch + 1, arrived, arrived.got)
                written = _with(world, name, place._replace(slot=slot, staged=arrived, stay=slot.stay, sent=None))
                if world.budget[_CRASH]:
                    yield f"{name} dies after writing", True, _die(_spend(written, _CRASH), name)
                yield from told(on.Admitted(), written)
            if place.slot is not None or world.budget[_REFUSE]:
                refuses = world if place.slot is not None else _spend(world, _REFUSE)
                for died, after in _handle(refuses, name, on.Declined("no")):
                    yield f"{name} refuses", died or place.slot is None, after
        case State.FROZEN:
            yield from told(on.Silence(visit.epoch, "no-answer"), world)
        case State.STAGED | State.RECLAIMING:
            under_way = any(m[0] in ("request", "answer") and m[1] == name for m in world.network)
            if not under_way and visit.asking is not None:
                yield from told(on.Undecided(visit.asking, visit.epoch), world)
        case _:
            pass
    if visit.state in _AWAY and place.slot is not None:
        yield from _tidying(world, name, place, told)


_Told: TypeAlias = Callable[[on.Event, World], Iterator[_Move]]


def _lease_moves(world: World, name: str, place: Place, told: _Told) -> Iterator[_Move]:
    """A lease runs out at the place, later at the directory; it is renewed; what others have lost is adopted."""
    row, other = world.row, _OTHER[name]
    has = world.until[_index(name)]
    state = place.visit.state
    if place.leased and not place.visit.leased and state in (State.SUSPENDED, State.ADMITTING, State.FROZEN, *_AWAY):
        held = row.holder == _holder(name, place) and row.epoch == place.visit.epoch
        yield from told(on.LeaseHeld(held), world)
    if place.leased:
        if world.budget[_LAPSE]:
            lapsed = _with(_spend(world, _LAPSE), name, place._replace(leased=False))
            for _, faulty, after in told(on.LeaseLost(), lapsed):
                yield f"{name} has no lease", faulty or True, after
    else:
        number = world.numbers[_index(name)] + (not has)
        renewed = world._replace(until=_set(world.until, name, True), numbers=_set(world.numbers, name, number))
        held = row.holder == _holder(name, place) and row.epoch == place.visit.epoch
        yield from told(on.LeaseHeld(held), _with(renewed, name, place._replace(leased=True)))
        if has:
            yield f"{name}'s lease ends at the directory", True, world._replace(until=_set(world.until, name, False))
    theirs = _place(world, other).slot
    if (
        row.status is Status.HELD
        and row.holder is not None
        and row.holder.place == other
        and not world.until[_index(other)]
        and place.visit.state in (State.ABSENT, State.GONE)
        and theirs is not None
        and (place.slot is None or place.slot.stay == row.epoch + 1)
    ):
        copy = theirs.copy._replace(got=theirs.got)
        number = world.numbers[_index(other)]
        mine = Slot(row.epoch + 1, copy, copy.got)
        adopts = place._replace(slot=mine, staged=copy, stay=theirs.stay, number=number)
        yield from told(on.Recovered(row.epoch), _with(world, name, adopts))


def _tidying(world: World, name: str, place: Place, told: _Told) -> Iterator[_Move]:
    row, slot = world.row, place.slot
    assert slot is not None
    if is_rubbish(row, name, slot.stay):
        yield f"{name} tidies", False, _with(world, name, place._replace(slot=None))
    elif row.status is Status.HELD and row.holder is not None and row.holder.place == name:
        if place.visit.state is not State.ENDED and place.leased:
            restored = place._replace(staged=slot.copy._replace(got=slot.got), stay=slot.stay, number=0)
            yield from told(on.Recovered(row.epoch), _with(world, name, restored))


# -- messages


def _arrivals(world: World) -> Iterator[_Move]:
    for message in world.network:
        without = world._replace(network=world.network - {message})
        if world.budget[_LOSS]:
            yield f"lost: {message}", True, _spend(without, _LOSS)
        for faulty, after in _arrive(without, message):
            yield f"{message}", faulty, after
        if world.budget[_DOUBLE]:
            for _, after in _arrive(without, message):
                yield f"twice: {message}", True, _spend(_send(after, *message), _DOUBLE)


def _arrive(world: World, message: tuple[Any, ...]) -> Iterator[tuple[bool, World]]:
    match message:
        case ("request", name, writer, request):
            yield from _decide(world, name, writer, request)
        case ("answer", name, writer, answer):
            if _place(world, name).alive and _place(world, name).writer == writer:
                yield from _handle(world, name, on.Told(answer))
            else:
                yield False, world  # who has asked is dead
        case ("offer", name, epoch, copy, _, _):
            place = _place(world, name)
            if place.alive:
                if place.visit.state in _AWAY:
                    world = _with(world, name, place._replace(sent=copy))
                yield from _handle(world, name, on.Offered(epoch))
            else:
                yield False, world
        case ("reply", name, event):
            if _place(world, name).alive:
                yield from _handle(world, name, event)
            else:
                yield False, world
        case ("mail", name, marks):
            yield from _mail(world, name, marks)
        case ("look",):
            row = world.row
            yield False, _send(world, "located", row.holder.place if row.holder is not None else None)
        case ("located", place):
            yield False, _post(world, post.Located(place))
        case ("taken",):
            yield False, _post(world, post.Delivered())
        case ("away", hint):
            yield False, _post(world, post.NotThere(hint))


def _decide(world: World, name: str, writer: int, request: Request) -> Iterator[tuple[bool, World]]:
    def has_lease(holder: Holder) -> bool:
        return world.until[_index(holder.place)] and holder.writer == str(_place(world, holder.place).writer)

    def number(holder: Holder) -> int:
        return world.numbers[_index(holder.place)]

    row, answer = ledger.decide(world.row, request, has_lease, number)
    assert row is not None
    decided = world._replace(row=row)
    answered = _send(decided, "answer", name, writer, answer)
    if not (_place(world, name).alive and _place(world, name).writer == writer):
        answered = decided
    if world.budget[_CRASH]:  # the directory dies after it has decided
        yield True, _restarted(_spend(decided, _CRASH))
    yield False, answered


def _restarted(world: World) -> World:
    """The directory starts again: all leases are as if just given."""
    return world._replace(until=(True, True), numbers=(world.numbers[0] + 1, world.numbers[1] + 1))


def _mail(world: World, name: str, marks: int) -> Iterator[tuple[bool, World]]:
    place = _place(world, name)
    visit = place.visit
    if not place.alive:
        yield False, world
    elif visit.runs and place.leased and place.copy is not None:
        if not place.copy.got:
            slot = place.slot
            written = slot._replace(got=True) if slot is not None else None
            noted = _with(world, name, place._replace(slot=written))
            if world.budget[_CRASH]:
                yield True, _die(_spend(noted, _CRASH), name)
            taken = place._replace(slot=written, copy=place.copy._replace(got=True))
            world = _with(noted, name, taken)
        yield False, _send(world._replace(acknowledged=True), "taken")
    elif visit.holds_mail:
        return  # it waits, and is still on its way
    elif visit.to is not None and visit.to != name and marks < post.MOST_MARKS:
        yield False, _send(world, "mail", visit.to, marks + 1)
    else:
        yield False, _send(world, "away", visit.to)


def _post(world: World, event: post.CourierEvent) -> World:
    courier, effects = post.carry(world.courier, event)
    world = world._replace(courier=courier)
    for effect in effects:
        match effect:
            case post.Locate():
                world = _send(world, "look")
            case post.Dispatch(place):
                world = _send(world, "mail", place, 0)
            case _:
                pass
    return world


_POSTAL: Final = frozenset({"mail", "look", "located", "taken", "away"})


def _moves(world: World) -> Iterator[_Move]:
    yield from _place_moves(world, "p")
    yield from _place_moves(world, "q")
    yield from _arrivals(world)
    if world.courier.state is post.CourierState.NEW:
        yield "posted", False, _post(world, post.Posted("p"))
    elif world.courier.state in (post.CourierState.SENDING, post.CourierState.LOOKING):
        if not any(message[0] in _POSTAL for message in world.network):
            yield "no reply", False, _post(world, post.NoReply())
    if world.budget[_CRASH]:
        yield "the directory dies", True, _restarted(_spend(world, _CRASH))


# -- what must hold


def _unsafe(world: World) -> str | None:
    row, running = world.row, 0
    assert row.holder is not None
    for name in ("p", "q"):
        place = _place(world, name)
        if place.visit.runs:
            if place.copy is None or place.moving:
                return f"(4) it goes on at {name} without a copy, or was not told why"
            running += place.leased
            if place.leased and (row.holder != _holder(name, place) or row.epoch != place.visit.epoch):
                return f"(1) it runs at {name} against {row}"
        elif place.visit.state in _AWAY and place.copy is not None:
            return f"(4) {name} has kept a copy"
    if running > 1:
        return "(1) it runs twice"
    slot = _place(world, row.holder.place).slot
    if slot is None or slot.stay < row.since or b"%d" % slot.copy.link != row.record:
        return f"(2) it cannot be restored at {row.holder.place}"
    if world.acknowledged and not slot.got:
        return "(3) the message was acknowledged, and is not on disk"
    return None


def _rests(world: World) -> bool:
    if world.network or world.courier.state is not post.CourierState.DELIVERED or world.row.holder is None:
        return False
    if not (world.p.alive and world.q.alive):
        return False
    holder = _place(world, world.row.holder.place)
    other = _place(world, _OTHER[world.row.holder.place])
    done = holder.visit.runs and holder.copy is not None and holder.copy.hopped and holder.copy.read
    return bool(done and other.visit.state in _AWAY)


# -- the search


def _begin(limits: Budget) -> World:
    copy = Copy(False, False, False, 1)
    row = Row(_AGENT, 0, Status.HELD, Holder("p", "1"), 0, b"1")
    visit = Visit(_AGENT, State.RUNNING, 0, 0)
    p = Place(1, True, True, visit, copy, None, -1, 0, None, False, Slot(0, copy, False))
    q = Place(1, True, True, Visit(_AGENT), None, None, -1, 0, None, False, None)
    budget = (limits.crashes, limits.losses, limits.doublings, limits.refusals, limits.lapses)
    return World(row, (True, True), (1, 1), p, q, post.Courier(_AGENT), False, frozenset(), budget)


def explore(limits: Budget, progress: Callable[[str], None] = lambda told: None) -> Explored:
    """Visit all states that can be reached within these limits."""
    first = _begin(limits)
    numbers: dict[World, int] = {first: 0}
    came: list[tuple[int, str]] = [(-1, "begin")]
    before: list[list[int]] = [[]]  # by which states each is reached without a fault
    rest: list[int] = []
    layer, depth, transitions = [first], 0, 0

    def report(problem: str | None) -> Explored:
        return Explored(len(numbers), transitions, depth, len(rest), problem)

    while layer:
        following: list[World] = []
        for world in layer:
            here = numbers[world]
            if _rests(world):
                rest.append(here)
            try:
                for what, faulty, after in _moves(world):
                    transitions += 1
                    there = numbers.get(after)
                    if there is None:
                        there = numbers[after] = len(numbers)
                        came.append((here, what))
                        before.append([])
                        following.append(after)
                        problem = _unsafe(after)
                        if problem is not None:
                            return report(f"{problem}\n{_path(came, there)}")
                    if not faulty:
                        before[there].append(here)
            except IllegalEvent as error:
                return report(f"{error}\n{_path(came, here)}")
        if len(numbers) > limits.most_states:
            return report(f"more than {limits.most_states:,} states")
        layer = following
        depth += bool(layer)
        if depth % 10 == 0:
            progress(f"depth {depth}: {len(numbers):,} states")
    reached = set(rest)
    queue = list(rest)
    while queue:
        for earlier in before[queue.pop()]:
            if earlier not in reached:
                reached.add(earlier)
                queue.append(earlier)
    if len(reached) < len(numbers):
        stuck = next(number for number in range(len(numbers)) if number not in reached)
        missed = len(numbers) - len(reached)
        return report(f"(5) from {missed:,} states no rest can be reached, as from this one:\n{_path(came, stuck)}")
    return report(None)


def _path(came: list[tuple[int, str]], number: int) -> str:
    told = []
    while number >= 0:
        number, what = came[number]
        told.append(f"  {what}")
    return "\n".join(reversed(told))


#: By the name of a bound: worlds to explore, each with its limits.
BOUNDS: Final[dict[str, tuple[tuple[str, Budget], ...]]] = {
    "small": (
        ("one crash", Budget(crashes=1, refusals=1)),
        ("a message lost and one doubled", Budget(losses=1, doublings=1)),
        ("a lease lost", Budget(lapses=1)),
    ),
    "full": (
        ("one crash, a message lost, a refusal", Budget(crashes=1, losses=1, refusals=1)),
        ("one crash, a message doubled", Budget(crashes=1, doublings=1)),
        ("two crashes", Budget(crashes=2)),
        ("two messages lost", Budget(losses=2)),
        ("two messages doubled", Budget(doublings=2)),
        ("a lease lost", Budget(lapses=1)),
        ("a lease lost, a message doubled", Budget(lapses=1, doublings=1)),
    ),
}
