"""Stepping an agent, and doing what it yields.

Between two steps an agent *stands* somewhere (`agents.standing`): it is to be given a value, or waits for something.
A thread of the pool takes it from there to its next `yield`, does what that asks for, and goes on as long as nothing is
to be waited for; after a while it lets others have their turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from agents import effects as does
from agents import standing as at
from agents.breaking import Broken
from agents.cell import Outcome, Raised, Returned, Yielded
from agents.errors import NotAnEffect, WaitedTooLong
from agents.eventlog import EventKind
from agents.luggage import Luggage
from agents.mailbox import Message
from agents.paradigms import Evaluation, Publication, ServiceCall, UnitFetch, UnitPull
from agents.patience import ask_patiently
from agents.place.controlling import Controlling
from agents.place.core import PlaceCore
from agents.place.deferring import Deferring
from agents.place.expiring import Expiring
from agents.place.fragments import Fragments
from agents.place.gathering import Gathering
from agents.place.keeping import Keeping
from agents.place.moving import Moving
from agents.place.outcomes import failed, returned, stopped
from agents.place.posting import Post, encoded
from agents.place.requesting import ErrandEffect, Requesting
from agents.place.resident import BrokenOff, Ended, Resident
from agents.place.travelling import Travelling
from agents.units import FetchedUnit
from mobility.errors import MobilityError
from mobility.plain import PlainInvalid, decode

__all__ = ["Performing"]

#: Seconds for what says nothing of its own.
_USUAL: Final = 60.0
#: Seconds after which an agent that never waits lets others have their turn.
_TURN: Final = 0.02


@dataclass(slots=True, eq=False)
class Performing:
    """Of one place."""

    core: PlaceCore
    moving: Moving
    controlling: Controlling
    post: Post
    gathering: Gathering
    deferring: Deferring
    keeping: Keeping
    handle_of: Callable[[str], Any]
    requesting: Requesting
    fragments: Fragments
    travelling: Travelling
    expiring: Expiring

    def run(self, resident: Resident) -> None:
        """Step a resident, on a thread of the pool, until it waits, leaves, ends, or its turn is over."""
        until = time.monotonic() + _TURN
        while True:
            with resident.lock:
                if not resident.machine.visit.runs or resident.calling or self.core.closed:
                    resident.scheduled = False
                    return
                if time.monotonic() > until:
                    self.core.pool.submit(lambda: self.run(resident))
                    return
            try:
                if not self._turn(resident):
                    return
            except BrokenOff:  # there is nothing left to do; unless it has come back meanwhile
                with resident.lock:
                    resident.scheduled = False
                self.core.schedule(resident, self.run)
                return
            except BaseException as error:
                self._broke(resident, error)
                return

    def _broke(self, resident: Resident, error: BaseException) -> None:
        """A defect of the platform: the agent is told, and is not to hang because of it."""
        self.core.failed(error)
        with resident.lock:
            resident.scheduled = False
            if resident.luggage is not None:
                resident.luggage.standing = at.Raises(error)
        self.core.soon(lambda: self.core.schedule(resident, self.run), after=0.1)

    def _turn(self, resident: Resident) -> bool:
        """One step, or one wish of somebody outside; whether it can go on at once."""
        if resident.cut is not None and self.expiring.forcing.ends_cut(resident):
            return True
        with resident.lock:
            ended, luggage = resident.ended, resident.luggage
            unperformed: tuple[Any] | None = resident.unperformed
            control = None
            if luggage is None:  # it left just now
                return True
            over = ended is None and self.expiring.is_over(resident)
            if ended is None and unperformed is None and not over:
                control = resident.next_control()
                if control is not None and not self.controlling.can(resident, control):
                    resident.wants(control)  # after the next step
                    control = None
            resident.unperformed = None
            if unperformed is None and isinstance(luggage.standing, at.Branches):  # its place died within a clone
                unperformed = (luggage.standing,)
        if ended is not None:
            self.moving.finish(resident)
        elif over:
            self.expiring.end(resident)
        elif control is not None:
            self.controlling.carry_out(resident, control)
        elif unperformed is not None:
            self._perform(resident, luggage, unperformed[0])
        else:
            if resident.held_back:
                with resident.lock:
                    resident.scheduled = False
                return False
            ready, value, error = self._ready(resident)
            if not ready:
                return False
            if luggage.terms.fragment is not None:
                self.fragments.install(resident)
                return True
            if isinstance(luggage.standing, at.Travels):
                self.travelling.attempt(resident, luggage)
                return True
            self._step(resident, value, error)
        return True

    # -- what its yield gives

    def _ready(self, resident: Resident) -> tuple[bool, Any, BaseException | None]:
        """Whether it can be stepped now, and with what."""
        with resident.lock:
            luggage = resident.luggage
            if luggage is None:  # it was given away just now, and `_step` finds nothing to step
                return True, None, None
            match luggage.standing:
                case at.Fresh():
                    return self.deferring.look(resident, luggage, lambda at: self._waits(resident, at)), None, None
                case at.Arrives():
                    return True, resident.here, None
                case at.Gives() as gives:
                    return True, gives.value, None
                case at.Raises() as raises:
                    return True, None, raises.error
                case at.Cloned() as cloned:
                    return True, does.Clone(cloned.is_clone, self.handle_of(cloned.other)), None
                case at.Spawned() as spawned:
                    return True, self.handle_of(spawned.agent), None
                case at.Sleeps() as sleeps:
                    return self._waits(resident, sleeps.until), None, None
                case at.Travels() as travels:
                    moved = travels.place != self.core.name
                    return moved or self._waits(resident, travels.again), None, None
                case at.Receives() as receives:
                    return self._received(resident, luggage, receives)
                case at.Asks() as asks:
                    return self._answered(resident, luggage, asks)
                case at.Gathers() as gathers:
                    return self.gathering.look(resident, gathers)
                case at.Evaluates():
                    pass  # the directory is asked below, without the lock
                case at.GetsUnit() as gets:
                    unit = FetchedUnit(gets.name, gets.version, gets.digest, gets.source, resident.here)
                    return True, unit, None
        if isinstance(luggage.standing, at.Evaluates):
            package = None if resident.cell is None else resident.cell.package
            return self.requesting.ended(luggage.standing, lambda until: self._looks_again(resident, until), package)
        raise AssertionError("an agent stands somewhere")

    def _waits(self, resident: Resident, until: float | None) -> bool:
        """Whether a time has come; if not, the resident is stepped again then."""
        left = None if until is None else until - time.time()
        if left is not None and left <= 0:
            return True
        resident.scheduled = False
        if left is not None and until is not None and (resident.wakes is None or resident.wakes > until):
            resident.wakes = until  # one that is set already will do, however often messages wake it
            self.core.timers.after(left, lambda: self._wake(resident, until))
        return False

    def _looks_again(self, resident: Resident, until: float) -> None:
        """Have a resident stepped at a time; at once if somebody has come to want something of it."""
        with resident.lock:
            over = self._waits(resident, until)  # by now
            resident.scheduled = False
        if over or resident.controls:
            self.core.schedule(resident, self.run)

    def _wake(self, resident: Resident, until: float) -> None:
        with resident.lock:
            if resident.wakes == until:
                resident.wakes = None
        self.core.schedule(resident, self.run)

    def _received(
        self, resident: Resident, luggage: Luggage, receives: at.Receives
    ) -> tuple[bool, Any, BaseException | None]:
        mailbox = luggage.mailbox
        while (message := mailbox.take()) is not None:
            value, readable = self._decoded(resident, message)
            if readable:
                return True, does.Received(message.sender, value, message.question), None
        return self._waits(resident, receives.until), None, None

    def _answered(self, resident: Resident, luggage: Luggage, asks: at.Asks) -> tuple[bool, Any, BaseException | None]:
        message = luggage.mailbox.take_answer(asks.question)
        if message is not None:
            value, readable = self._decoded(resident, message)
            if readable:
                return True, value, None
        if self._waits(resident, asks.until):
            state = "The question was delivered; an answer that comes later is dropped."
            return True, None, WaitedTooLong(f"the answer of {asks.asked}", asks.seconds, state=state)
        return False, None, None

    def _decoded(self, resident: Resident, message: Message) -> tuple[Any, bool]:
        try:
            return decode(message.value), True
        except PlainInvalid as error:
            self.core.event(
                EventKind.SAID, resident.agent, text=f"a message from {message.sender} cannot be read: {error}"
            )
            return None, False

    # -- stepping

    def _step(self, resident: Resident, value: Any, error: BaseException | None) -> None:
        with resident.lock:
            cell, luggage = resident.cell, resident.luggage
            if cell is None or luggage is None or resident.ended is not None:
                return
            resident.in_step = True
            resident.steps += 1
        outcome: Outcome | None = None
        try:
            with self.core.store.step(resident.agent):
                outcome = cell.advance(value, error)
        finally:
            with resident.lock:
                resident.in_step = False
                resident.breaking = None
                here = resident.cell is cell
                if here and outcome is not None and resident.ended is None:  # else it was ended by force
                    self._note(resident, luggage, outcome)
        if not here:  # somebody else has it since the lease was lost, or nobody: what it has yielded is nobody's
            cell.leave()

    def _note(self, resident: Resident, luggage: Luggage, outcome: Outcome) -> None:
        match outcome:
            case Yielded():
                luggage.standing = at.Gives()
                resident.unperformed = (outcome.effect,)  # done at once, unless the lease was lost meanwhile
            case Returned():
                data, plain = returned(resident.agent, outcome.value, luggage.visited)
                resident.ended = Ended(data, EventKind.ENDED if plain else EventKind.FAILED)
            case Raised(error=Broken()):  # somebody ends it by force, and was quicker than this thread
                resident.ended = Ended(stopped(self.core.name, luggage.visited), EventKind.ENDED, stopped=True)
            case Raised():
                resident.ended = Ended(failed(outcome, luggage.visited), EventKind.FAILED)

    # -- doing what it yields

    def _perform(self, resident: Resident, luggage: Luggage, effect: Any) -> None:
        standing: at.Standing | None
        try:
            standing = self._done(resident, luggage, effect)
        except (MobilityError, TypeError, ValueError) as error:
            standing = at.Raises(error)
        if standing is not None:
            with resident.lock:
                luggage.standing = standing

    def _done(self, resident: Resident, luggage: Luggage, effect: Any) -> at.Standing | None:
        """How it stands afterwards; None if that was seen to."""
        agent = resident.agent
        match effect:
            case None:
                return at.Gives()
            case does.Hop():
                self._check_place(effect.place)
                if effect.place == self.core.name:
                    self.travelling.met(resident, luggage)
                    return at.Arrives()
                if not self.moving.depart(resident, effect.place, at.Arrives()):
                    self._later(resident, luggage, effect)
                return None
            case does.Onward():
                return self.travelling.begin(resident, luggage, effect)
            case does.Send():
                body = encoded(effect.value, f"what {agent} sends")
                self.post.write(agent, luggage, effect.to, body, timeout=effect.timeout)
                return at.Gives()
            case does.Ask():
                return self._asked(agent, luggage, effect)
            case does.Reply():
                body = encoded(effect.value, f"what {agent} answers")
                self._replied(agent, luggage, effect, body)
                return at.Gives()
            case does.Gather():
                return self.gathering.begin(resident, luggage, effect)
            case does.Receive():
                return at.Receives(None if effect.timeout is None else time.time() + effect.timeout)
            case does.Sleep():
                return at.Sleeps(time.time() + effect.seconds)
            case does.TakeCheckpoint():
                self._checkpoint(resident)
                return at.Gives()
            case does.CloneTo():
                self._check_place(effect.place)
                return self.keeping.clone(resident, luggage, effect.place or self.core.name, effect.name)
            case at.Branches():
                return self.keeping.settled(resident, luggage, effect)
            case does.Spawn():
                self._check_place(effect.at)
                return self.keeping.spawn(resident, luggage, effect, effect.at or self.core.name)
            case does.Call():
                self._call(resident, luggage, effect)
                return None
            case Evaluation():
                return self.requesting.begin(resident, effect)
            case ServiceCall() | UnitFetch() | Publication() | UnitPull():
                self._request(resident, luggage, effect)
                return None
            case _:
                kind = type(effect)
                raise NotAnEffect(f"a {kind.__module__}.{kind.__qualname__}")

    def _later(self, resident: Resident, luggage: Luggage, effect: Any) -> None:
        """The lease was lost just now: do it when it is back."""
        with resident.lock:
            if resident.luggage is luggage:
                resident.unperformed = (effect,)

    def _check_place(self, place: str | None) -> None:
        if place is not None:
            self.core.check_place(place)

    def _asked(self, agent: str, luggage: Luggage, effect: does.Ask) -> at.Standing:
        until = time.time() + effect.timeout
        luggage.questions += 1
        question = f"{agent}?{luggage.questions}"
        body = encoded(effect.value, f"what {agent} asks")
        self.post.write(agent, luggage, effect.to, body, timeout=effect.timeout, question=question)
        return at.Asks(question, effect.to, effect.timeout, until)

    def _replied(self, agent: str, luggage: Luggage, effect: does.Reply, body: bytes) -> None:
        if effect.to.startswith("client-"):
            deadline = time.monotonic() + effect.timeout
            ask_patiently(self.core.transport, "put_reply", effect.question, body, deadline=deadline)
        else:
            self.post.write(agent, luggage, effect.to, body, timeout=effect.timeout, answers=effect.question)

    def _checkpoint(self, resident: Resident) -> None:
        self.moving.binding.keep_changes(resident)
        with resident.lock:
            outbound = self.moving.capture(resident, self.core.name, at.Gives())
            self.core.store.save(resident.agent, resident.machine.visit.stay, outbound.bundle)
        self.core.event(
            EventKind.CHECKPOINTED, resident.agent, resident.machine.visit.epoch, bytes=len(outbound.bundle)
        )

    def _call(self, resident: Resident, luggage: Luggage, effect: does.Call) -> None:
        with resident.lock:
            cell, _, _ = resident.parts()

        def called() -> at.Standing:
            outcome = cell.call(effect.function, effect.args, effect.kwargs)
            if isinstance(outcome, Raised):
                return at.Raises(outcome.error)
            value = outcome.value if isinstance(outcome, Returned) else None
            return at.Gives(value, travels=_is_plain(value))

        self._beside(resident, luggage, called, self.core.call)

    def _request(self, resident: Resident, luggage: Luggage, effect: ErrandEffect) -> None:
        def late() -> at.Standing:
            what = f"the turn of {resident.agent} to ask other places"
            return at.Raises(WaitedTooLong(what, seconds, state="Nothing was asked; the agent goes on."))

        began = time.monotonic()
        seconds = _USUAL if isinstance(effect, Publication) else effect.timeout

        def done() -> at.Standing:
            left = max(0.05, seconds - (time.monotonic() - began))
            asked = effect if isinstance(effect, Publication) else replace(effect, timeout=left)
            return self.requesting.done(resident, asked)

        submit = partial(self.requesting.beside, seconds=seconds)
        self._beside(resident, luggage, done, submit, late)

    def _beside(
        self,
        resident: Resident,
        luggage: Luggage,
        do: Callable[[], at.Standing],
        submit: Callable[..., None],
        late: Callable[[], at.Standing] | None = None,
    ) -> None:
        """Do what takes its time on another thread; then the agent stands as that says.

        Parameters
        ----------
        late
            How it stands if it had to wait for its turn for too long.
        """
        with resident.lock:
            cell, _, _ = resident.parts()
            resident.calling = True

        def work(how: Callable[[], at.Standing] = do) -> None:
            standing: at.Standing
            try:
                standing = how()
            except BaseException as error:
                standing = at.Raises(error)
            with resident.lock:
                if resident.breaking is cell:
                    resident.breaking = None
                luggage.standing = standing
                if resident.luggage is not luggage:
                    return
                resident.calling = False
            self.core.schedule(resident, self.run)

        if late is None:
            submit(work)
        else:
            submit(work, partial(work, late))


def _is_plain(value: Any) -> bool:
    from mobility.plain import NotPlain, encode

    try:
        encode(value)
    except NotPlain:
        return False
    return True
