"""A simulated world: places, their directory, agents, senders, and all that can go wrong, from one seed.

What it does not have: a disk that is lost, and clocks that differ by more than the margin of a lease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from agents.handoff import NEVER, Holder, Row, State, Status, is_rubbish
from agents.handoff import table as protocol
from agents.mailbox import Message
from agents.testing._kernel import Crash, Kernel
from agents.testing._luggage import Action, Bundle, Copy, Disk, Slot
from agents.testing._luggage import State as AtRest
from agents.testing._outside import Client, Sender
from agents.testing._process import Process
from agents.testing._registry import Registry
from agents.testing._rules import RULES

__all__ = ["Size", "World"]

_SETTLED: Final = frozenset({State.ABSENT, State.GONE, State.ENDED, State.RUNNING})
_FAULTS: Final = (
    "fault_crash",
    "fault_crash",
    "fault_directory",
    "fault_cut",
    "fault_cut",
    "fault_pause",
    "fault_doubt",
    "fault_stutter",
    "fault_supersede",
    "fault_adopt",
    "fault_replay",
    "fault_careless",
    "fault_flapping",
    "fault_relic",
    "fault_relic",
    "fault_remove",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens in a world.

    Attributes
    ----------
    ticks
        For how long there are faults.
    faults
        About how many crashes, partitions, pauses, adoptions and the like happen in that time; and from 0 to 1 how bad
        the network can be.
    """

    places: int = 3
    agents: int = 1
    senders: int = 2
    messages: int = 2
    actions: int = 5
    ticks: float = 420.0
    faults: int = 5
    badness: float = 0.25


class World(Kernel):
    """The world.

    Attributes
    ----------
    table
        The protocol's, or one without some rule.
    signed
        Whether bundles carry, signed, the epoch under which they were sent. Without that, the world offers again only
        bundles whose move was settled.
    horizon
        Until when there are faults.
    claims
        Which agents have ended in which state, as those say that asked.
    acknowledged
        By agent and sender: how many messages were acknowledged.
    """

    def __init__(self, seed: int, size: Size | None = None, *, quiet: bool = False) -> None:
        super().__init__(seed)
        self.size = size or Size()
        self.table = protocol.TABLE
        self.registry = Registry(self)
        self.places = [f"p{n}" for n in range(self.size.places)]
        self.disks = {place: Disk() for place in self.places}
        self.processes: dict[str, list[Process]] = {place: [] for place in self.places}
        self.senders: list[Sender] = []
        self.clients: list[Client] = []
        self.files: dict[str, list[Bundle]] = {}
        self.shipped: list[Bundle] = []
        self.claims: dict[tuple[str, int, Holder], AtRest] = {}
        self.acknowledged: dict[str, dict[str, int]] = {}
        self.signed = self.random.random() < 0.5
        self.moves = 0
        self.horizon = self.size.ticks
        self.removed: set[str] = set()
        self._relic = ""
        self._links = 0
        self._writers = 0
        self._outsiders = 0
        self.faults = not quiet
        self.troubles: list[str] = []
        self._populate(quiet)

    def _populate(self, quiet: bool) -> None:
        random, size = self.random, self.size
        self.registry.rate = 1.0 + 0.02 * (2.0 * random.random() - 1.0)
        if not quiet:
            badness = size.badness * random.random()
            self.loss, self.doubling = badness * random.random(), badness * random.random()
            self.slowness = random.choice((4.0, 8.0, 16.0))
            self._plan_faults()
        for place in self.places:
            self.start(place, gone=True)
        if not quiet:
            for number in range(size.agents):
                self.launch(f"a{number}", self._script(), random.choice(self.places))
            for number in range(size.senders):
                agent = f"a{number % max(1, size.agents)}"
                self.add_sender(agent, 1 + random.randrange(size.messages), random.choice((0.0, 0.0, 60.0)))

    def _script(self) -> tuple[Action, ...]:
        random = self.random
        verbs = ("hop", "hop", "hop", "hop", "hop", "work", "checkpoint", "clone", "freeze")
        script: list[Action] = [
            (random.choice(verbs), random.choice(self.places)) for _ in range(1 + random.randrange(self.size.actions))
        ]
        if random.random() < 0.5:
            script += [("work", ""), ("work", ""), ("finish", "")]
        return tuple(script)

    def child_script(self, child: str) -> tuple[Action, ...]:
        """What a clone is to do: the same, whenever it is made anew after a crash."""
        places = self.places
        return (("work", ""), ("hop", places[len(child) % len(places)]), ("finish", ""))

    # -- who there is

    def start(self, place: str, *, gone: bool) -> Process:
        """A new process of a place; `gone`: the one before is dead, and this one can show it."""
        self._writers += 1
        process = Process(self, place, f"{place}/{self._writers}", self.disks[place], gone=gone)
        self.processes[place].append(process)
        self.dirty = True
        return process

    def living(self) -> list[Process]:
        """All processes that are not dead, superseded ones included."""
        return [process for processes in self.processes.values() for process in processes if process.alive]

    def launch(self, agent: str, script: tuple[Action, ...], to: str) -> Client:
        """Let a client launch an agent."""
        client = self.add_client()
        client.launch(Bundle(agent, self.link(), None, AtRest(script), NEVER), to)
        return client

    def add_client(self) -> Client:
        """Somebody outside."""
        self._outsiders += 1
        client = Client(self, f"c{self._outsiders}")
        self.clients.append(client)
        return client

    def add_sender(self, agent: str, count: int, patience: float = 0.0) -> Sender:
        """Somebody who sends messages to an agent."""
        self._outsiders += 1
        sender = Sender(self, f"s{self._outsiders}", agent, count, patience)
        self.senders.append(sender)
        self.after(sender, 60.0 * self.random.random(), sender.begin)
        return sender

    # -- how they reach each other

    def link(self) -> bytes:
        """The digest of a new link of some passport."""
        self._links += 1
        return b"%d" % self._links

    def ask_directory(self, party: Any, action: Callable[..., None], *about: Any, then: Callable[..., None]) -> None:
        """A request and its answer are two messages."""

        def answer(outcome: Any) -> None:
            self.send("directory", party.node, party, then, outcome)

        self.send(party.node, "directory", self.registry, action, *about, answer)

    def to_place(self, source: str, place: str, what: str, *about: Any) -> None:
        """A request to whichever process is taken for that place: now and then a superseded one."""
        self.send(source, place, None, self._arrive, place, what, about)

    def _arrive(self, place: str, what: str, about: tuple[Any, ...]) -> None:
        living = [process for process in self.processes[place] if process.alive]
        if not living:
            return
        process = living[-1] if len(living) == 1 or self.random.random() < 0.7 else self.random.choice(living)
        if process.paused > self.now:
            self.after(process, process.paused - self.now, getattr(process, what), *about)
            return
        process.wakes()
        getattr(process, what)(*about)

    def checkpoint_for(self, row: Row, process: Process) -> Slot | None:
        """The checkpoint from which another place may adopt an agent: the one on its holder's own disk."""
        assert row.holder is not None
        places = [row.holder.place]
        if not RULES.holders_disk:
            places = [place for place in self.random.sample(self.places, len(self.places)) if place != process.place]
        for place in places:
            slot = self.disks[place].slots.get(row.agent)
            if slot is not None and (not slot.adopted or place == row.holder.place):
                return slot
        return None

    # -- what they do, for the record

    def write_file(self, bundle: Bundle) -> None:
        """A bundle for a file lies on disk; before long somebody will thaw it."""
        self.files.setdefault(bundle.agent, []).append(bundle)
        self.dirty = True
        self.after(None, 20.0 + 60.0 * self.random.random(), self._thaw, bundle.agent)

    def _thaw(self, agent: str) -> None:
        row = self.registry.rows.get(agent)
        if row is not None and row.status is Status.FROZEN:
            for _ in range(1 + (self.random.random() < 0.4)):
                self.add_client().thaw(agent, self.random.choice(self.places))
        if row is None or row.status is not Status.ENDED:
            self.after(None, 90.0, self._thaw, agent)

    def acknowledge(self, agent: str, message: Message) -> None:
        """A place says that a message was taken."""
        counts = self.acknowledged.setdefault(agent, {})
        counts[message.sender] = max(counts.get(message.sender, 0), message.number + 1)
        self.dirty = True

    def read(self, agent: str, copy: Copy, message: Message) -> None:
        """An agent reads a message."""
        expected = copy.read.get(message.sender, 0)
        if message.number != expected:
            order = "twice" if message.number < expected else "before an earlier one"
            self.troubles.append(f"(3) {agent} has read message {message.number} of {message.sender} {order}")
            self.dirty = True
        copy.read[message.sender] = message.number + 1

    def crashed(self, process: Process) -> None:
        """A process has ended; a new one starts sooner or later, which can mostly show that."""
        self.dirty = True
        if process is self.processes[process.place][-1]:
            delay = self.random.choice((4.0, 30.0, 220.0)) * (0.5 + self.random.random())
            self.after(None, delay, self._restart, process, self.random.random() < 0.8)

    def _restart(self, process: Process, gone: bool) -> None:
        if process is self.processes[process.place][-1] and process.place not in self.removed:
            alone = not any(other.alive for other in self.processes[process.place])
            self.start(process.place, gone=gone and alone)

    # -- what goes wrong

    def _plan_faults(self) -> None:
        random, size = self.random, self.size
        for _ in range(random.randrange(size.faults + 1)):
            self.crashes_at.add(1 + int(130 * random.random()))
        for _ in range(random.randrange(size.faults + 1)):
            fault = random.choice(_FAULTS)
            self.after(None, size.ticks * random.random(), getattr(self, fault))
        if random.random() < 0.15:
            self.after(None, 90.0 * random.random(), self.fault_relic)

    def _any(self) -> Process | None:
        living = self.living()
        return self.random.choice(living) if living else None

    def fault_crash(self) -> None:
        """A place's process is killed."""
        process = self._any()
        if process is not None:
            process.crash()
            self.crashes += 1

    def fault_directory(self) -> None:
        """The directory is killed."""
        if self.registry.alive:
            self.registry.crash()
            self.crashes += 1

    def fault_cut(self) -> None:
        """A place and the directory, or another place, do not hear of each other for a while."""
        one = self.random.choice(self.places)
        other = self.random.choice(["directory", "directory", *(place for place in self.places if place != one)])
        pair = frozenset((one, other))
        self.cut.add(pair)
        self.after(None, self.random.choice((40.0, 200.0, 420.0)), self.cut.discard, pair)
        for delay in (170.0, 240.0, 330.0):
            self.after(None, delay * (0.9 + 0.2 * self.random.random()), self.fault_adopt)

    def fault_pause(self) -> None:
        """A process stands still, and does not notice."""
        process = self._any()
        if process is not None:
            process.paused = self.now + self.random.choice((30.0, 200.0))
            self.after(None, 180.0, self.fault_adopt)

    def fault_doubt(self, left: int = 40) -> None:
        """A process stands still just when the directory owes it an answer."""
        doubtful = (State.STAGED, State.RECLAIMING)
        for process in self.living():
            if process.leased and any(visit.state in doubtful for visit in process.visits.values()):
                process.paused = self.now + 165.0 + 60.0 * self.random.random()
                self.horizon = max(self.horizon, self.now + 320.0)
                for delay in (150.0, 158.0, 166.0, 174.0):
                    self.after(None, delay, self.fault_adopt)
                return
        if left and self.faults:
            self.after(None, 3.0, self.fault_doubt, left - 1)

    def fault_stutter(self) -> None:
        """A place's process dies, the next one dies as soon as it has said who it is, and a third one lives."""
        place = self.random.choice(self.places)
        for process in self.processes[place]:
            self._end(process)
        self._end(self.start(place, gone=True))
        self.start(place, gone=True)
        for delay in (20.0, 40.0, 60.0):
            self.after(None, delay, self.fault_adopt)

    def fault_supersede(self) -> None:
        """Somebody believes that a process is dead, and starts another one."""
        place = self.random.choice(self.places)
        before = self.processes[place][-1]
        self.start(place, gone=not any(other.alive for other in self.processes[place]))
        self.after(None, 300.0 * self.random.random(), self._end, before)

    def _end(self, process: Process) -> None:
        if process.alive:
            process.alive = False
            self.dirty = True

    def fault_adopt(self) -> None:
        """A place looks for agents of places that have gone silent."""
        process = self._any()
        if process is not None and process.paused <= self.now:
            process.adopt()

    def fault_flapping(self) -> None:
        """A place loses its lease, gets it back and loses it again, while another one is just adopting its agents."""
        held = [row for row in self.registry.rows.values() if row.status is Status.HELD]
        if len(self.places) < 2 or not held:
            return
        row = self.random.choice(held)
        assert row.holder is not None
        place = row.holder.place
        others = [process for process in self.living() if process.place != place]
        if not others:
            return
        adopter, wobble = self.random.choice(others), self.random.random
        pair = frozenset((place, "directory"))
        self.cut.add(pair)
        away = 168.0 + 40.0 * wobble()
        self.after(None, away - 4.0 * wobble(), adopter.adopt)
        self.after(None, away + 4.0, self.cut.discard, pair)
        self.after(None, away + 6.0 + 12.0 * wobble(), self._pause, adopter, 230.0 + 60.0 * wobble())
        self.after(None, away + 60.0 * wobble(), self._write, row.agent)
        self.after(None, away + 60.0 + 20.0 * wobble(), self.cut.add, pair)
        self.after(None, away + 500.0, self.cut.discard, pair)
        self.horizon = max(self.horizon, self.now + away + 400.0)

    def _write(self, agent: str) -> None:
        self.add_sender(agent, 2)

    def _pause(self, process: Process, ticks: float) -> None:
        process.paused = max(process.paused, self.now + ticks)

    def fault_relic(self) -> None:
        """Before long a place dies between having let go of an agent, or let one in, and having said so to its disk."""
        self._relic = self.random.choice(("discard", "admit"))

    def relic_point(self, process: Process, agent: str, where: str) -> None:
        """Such a moment: then the place stays away for long, and whoever has the agent is cut off meanwhile.

        Raises
        ------
        Crash
        """
        if self._relic != where or not self.faults or agent not in self.disks[process.place].slots:
            return
        self._relic = ""
        process.alive = False
        self.dirty = True
        self.horizon = max(self.horizon, self.now + 500.0)
        self.after(None, 480.0, self._restart, process, True)
        self.after(None, 60.0 + 60.0 * self.random.random(), self._strand, agent, process.place)
        if where == "admit" and self.random.random() < 0.5:
            sources = [other for other in self.living() if (agent, False) in other.sent]
            for source in sources:
                self.after(None, 10.0 * self.random.random(), source.crash)
        raise Crash

    def _strand(self, agent: str, relic: str) -> None:
        row = self.registry.rows.get(agent)
        if row is None or row.holder is None or row.holder.place == relic:
            return
        pair = frozenset((row.holder.place, "directory"))
        self.cut.add(pair)
        self.add_sender(agent, 1)
        self.after(None, 380.0, self.cut.discard, pair)
        for delay in (170.0, 190.0, 210.0, 240.0, 280.0):
            self.after(None, delay, self.fault_adopt)

    def fault_remove(self) -> None:
        """A place that holds nothing is taken away for good, with its disk."""
        for place in self.random.sample(self.places, len(self.places)):
            rows = self.registry.rows.values()
            held = any(row.status is Status.HELD and row.holder and row.holder.place == place for row in rows)
            if not held and len(self.places) > 2:
                self.places.remove(place)
                self.removed.add(place)
                self.registry.leave(place)
                for process in self.processes[place]:
                    self._end(process)
                self.disks[place].slots.clear()
                self.dirty = True
                return

    def fault_replay(self) -> None:
        """A bundle of earlier is offered again, under the epoch that is due now."""
        if self.shipped:
            bundle = self.random.choice(self.shipped)
            row = self.registry.rows.get(bundle.agent)
            if row is not None and (self.signed or self._settled(bundle, row)):
                self.to_place("outside", self.random.choice(self.places), "offer", bundle, row.epoch, lambda _: None)
        self.after(None, 40.0 * self.random.random() + 1.0, self.fault_replay_again)

    def fault_replay_again(self) -> None:
        """Once more, while there are faults."""
        if self.faults:
            self.fault_replay()

    def _settled(self, bundle: Bundle, row: Row) -> bool:
        """Whether the directory has decided about it: it was fenced, or is in the chain."""
        if bundle.record in row.burned:
            return True
        return bundle.record == row.record or int(bundle.record) < int(row.record)

    def fault_careless(self) -> None:
        """Somebody thaws a file of an agent that may have been thawed long ago."""
        for agent in list(self.files):
            self.add_client().thaw(agent, self.random.choice(self.places), careless=True)
        if self.faults:
            self.after(None, 60.0, self.fault_careless)

    # -- quiet

    def calm(self) -> None:
        """No more faults: what is dead starts again, what was cut is joined."""
        self.faults = False
        self.cut.clear()
        self.registry.restart()
        for place, processes in self.processes.items():
            for process in processes:
                process.paused = 0.0
            for process in processes[:-1]:
                self._end(process)
            if not processes[-1].alive and place not in self.removed:
                self.start(place, gone=True)
        self.dirty = True

    def unsettled(self) -> str | None:
        """What is not settled yet; None if all is quiet."""
        for sender in self.senders:
            if len(sender.answered) < sender.count and self._has_been_born(sender.agent):
                return f"{sender.node} has no answer for each of its messages to {sender.agent}"
        for client in self.clients:
            if not client.settled:
                return f"{client.node} does not know what became of {client.visit}"
        for process in self.living():
            for (agent, apart), visit in process.visits.items():
                if visit.state not in _SETTLED:
                    return f"{agent} is {visit.state} at {process.holder.writer}{' (only sent)' if apart else ''}"
        for agent, row in self.registry.rows.items():
            if row.status is Status.FROZEN:
                return f"{agent} is in a file"
            if row.status is Status.HELD and row.holder is not None:
                process = self.processes[row.holder.place][-1]
                copy = process.copies.get(agent)
                if copy is None or process.holder != row.holder:
                    return f"{agent} is at {row.holder} and does not run"
                if copy.position < len(copy.script) or copy.mailbox.waiting:
                    return f"{agent} has not done all yet"
        for place, disk in self.disks.items():
            for agent, slot in disk.slots.items():
                if is_rubbish(self.registry.rows.get(agent), place, slot.stay):
                    return f"something of {agent} is left on the disk of {place}"
        return None

    def _has_been_born(self, agent: str) -> bool:
        return agent in self.registry.rows
