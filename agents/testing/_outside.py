"""Who talks to the simulated places from outside: senders of messages, and clients that launch or thaw an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.handoff import NEVER, Event, Granted, Holder, Row, State, Status, Visit, machine
from agents.handoff import courier as post
from agents.handoff import events as on
from agents.handoff.ledger import Answer, Fence
from agents.mailbox import Message
from agents.testing._kernel import BACKOFF, TIMEOUT
from agents.testing._luggage import Bundle

if TYPE_CHECKING:
    from agents.testing.world import World

__all__ = ["Client", "Sender"]


class Sender:
    """Sends numbered messages to one agent, up to two at a time, each with its courier.

    Attributes
    ----------
    answered
        What became of each message, by its number: True if it was taken, else why not.
    """

    def __init__(self, world: World, name: str, agent: str, count: int, patience: float) -> None:
        self.world = world
        self.node = name
        self.alive = True
        self.paused = 0.0
        self.agent = agent
        self.count = count
        self.patience = patience
        self.hint: str | None = None
        self.couriers: dict[int, post.Courier] = {}
        self.attempts: dict[int, int] = {}
        self.answered: dict[int, bool | str] = {}
        self._begun = 0

    def wakes(self) -> None:
        return

    def begin(self) -> None:
        """Send the next one."""
        if self._begun < self.count:
            number = self._begun
            self._begun += 1
            self._post(number)
            self.world.after(self, 25.0 * self.world.random.random(), self._pipeline)

    def _pipeline(self) -> None:
        if self._begun - len(self.answered) < 2:
            self.begin()

    def _post(self, number: int) -> None:
        self.couriers[number] = post.Courier(self.agent)
        self.attempts[number] = self.attempts.get(number, 0) + 1
        self._tell(number, post.Posted(self.hint))
        if self.patience:
            self.world.after(self, self.patience, self._expire, number, self.couriers[number])

    def _expire(self, number: int, courier: post.Courier) -> None:
        if number not in self.answered:
            self._tell(number, post.Overdue())

    def _tell(self, number: int, event: post.CourierEvent) -> None:
        courier, effects = post.carry(self.couriers[number], event)
        self.couriers[number] = courier
        world = self.world
        for effect in effects:
            self.attempts[number] += 1
            attempt = self.attempts[number]
            match effect:
                case post.Locate(again):
                    world.after(self, BACKOFF if again else 0.0, self._locate, number, attempt)
                case post.Dispatch(place):
                    self._deliver(number, place, attempt)
                case post.Succeed():
                    self.hint = courier.place
                    self._settle(number, True)
                case post.Fail(reason):
                    if reason == "timed-out":  # it keeps its number, and goes before the next one
                        self.patience = 0.0
                        world.after(self, BACKOFF, self._post, number)
                    else:
                        self._settle(number, reason)

    def _settle(self, number: int, outcome: bool | str) -> None:
        if number not in self.answered:
            self.answered[number] = outcome
            self.world.dirty = True
            self.begin()

    def _locate(self, number: int, attempt: int) -> None:
        def located(row: Row | None) -> None:
            if row is not None and row.status is Status.ENDED:
                self._tell(number, post.Lost("ended"))
            else:
                held = row is not None and row.holder is not None
                self._tell(number, post.Located(row.holder.place if held and row is not None and row.holder else None))

        self.world.ask_directory(self, self.world.registry.look, self.agent, then=located)
        self.world.after(self, TIMEOUT, self._waited, number, attempt)

    def _deliver(self, number: int, place: str, attempt: int) -> None:
        world = self.world

        def replied(kind: str, hint: str | None) -> None:
            match kind:
                case "taken":
                    self._tell(number, post.Delivered())
                case "away":
                    self._tell(number, post.NotThere(hint))
                case _:  # another one has to come first
                    world.after(self, BACKOFF, self._waited, number, attempt)

        def answer(kind: str, hint: str | None) -> None:
            world.send(place, self.node, self, replied, kind, hint)

        world.to_place(self.node, place, "deliver", self.agent, Message(self.node, number), 0, answer)
        world.after(self, TIMEOUT, self._waited, number, attempt)

    def _waited(self, number: int, attempt: int) -> None:
        if self.attempts[number] == attempt:
            self._tell(number, post.NoReply())


class Client:
    """Launches an agent, or thaws one from its file, with a machine of its own."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.node = name
        self.alive = True
        self.paused = 0.0
        self.holder = Holder("outside", name)
        self.visit: Visit | None = None
        self._bundle: Bundle | None = None

    def wakes(self) -> None:
        return

    @property
    def settled(self) -> bool:
        """Whether it knows what came of it."""
        return self.visit is None or self.visit.state in (State.ABSENT, State.GONE, State.ENDED)

    def launch(self, bundle: Bundle, to: str) -> None:
        """Send what is to be born."""
        self._send(bundle, to, NEVER)

    def thaw(self, agent: str, to: str, *, careless: bool = False) -> None:
        """Send what lies in a file; `careless`: an old file, and whatever the directory says of the agent."""

        def looked(row: Row | None) -> None:
            files = self.world.files.get(agent, [])
            if row is None or not files:
                return
            if careless:
                self._send(self.world.random.choice(files), to, row.epoch)
            elif row.status is Status.FROZEN:
                self._send(next(file for file in files if file.record == row.record), to, row.epoch)

        self.world.ask_directory(self, self.world.registry.look, agent, then=looked)

    def _send(self, bundle: Bundle, to: str, epoch: int) -> None:
        if self.visit is None:
            # Who thaws signs anew under which epoch; the link stays, since the file's last one is due.
            self._bundle = Bundle(bundle.agent, bundle.record, bundle.previous, bundle.state, epoch)
            self.visit = Visit(bundle.agent)
            self._handle(on.Sends(to, epoch))

    def _handle(self, event: Event) -> None:
        world = self.world
        assert self.visit is not None and self._bundle is not None
        self.visit, effects = machine.step(self.visit, event, world.table)
        world.dirty = True
        for effect in effects:
            match effect:
                case on.Ship(to, epoch):

                    def reply(answer: Event, to: str = to) -> None:
                        world.send(to, self.node, self, self._handle, answer)

                    world.to_place(self.node, to, "offer", self._bundle, epoch, reply)
                    world.after(self, 2 * TIMEOUT, self._silence, epoch)
                case on.AskDirectory(_, epoch, again):
                    world.after(self, BACKOFF if again else 0.0, self._fence, epoch)
                case _:
                    pass

    def _silence(self, epoch: int) -> None:
        if self.visit is not None and self.visit.state is State.FROZEN:
            self._handle(on.Silence(epoch, "no-answer"))

    def _fence(self, epoch: int) -> None:
        assert self.visit is not None and self._bundle is not None
        visit = self.visit
        if visit.state is not State.RECLAIMING:
            return

        def told(answer: Answer) -> None:
            if isinstance(answer, Granted) and self.visit is visit:
                world.dirty = True
            self._handle(on.Told(answer))

        def waited() -> None:
            if self.visit is visit and visit.asking is not None:
                self._handle(on.Undecided(visit.asking, epoch))

        world = self.world
        request = Fence(visit.agent, epoch, self.holder, self._bundle.record)
        world.ask_directory(self, world.registry.submit, request, then=told)
        world.after(self, TIMEOUT, waited)
