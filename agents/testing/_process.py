"""One process of a simulated place: it carries out what the machines say, by the rules by which every driver goes.

Rules
-----
1. On disk first: what comes in is written before `Admitted`, a message before it is acknowledged.
2. What comes in is declined while anything of the agent lies on disk, or if it was sent under another epoch.
3. A message is taken only while the visit runs and the lease is held; while `holds_mail`, it is held back.
4. A visit that is gone forwards, at most `MOST_MARKS` deep and never to the same place, else it says where it went.
5. A new process is a new writer. At each renewal it recovers what the directory says its place holds, under whatever
   writer, and what it has no visit of: also a request that was given up can be granted, late. It deletes from disk what
   is rubbish.
6. The place counts a lease from when it asked for it, minus a margin.
7. A suspended visit hears what the directory holds only if it was suspended before the question was sent.
8. Who adopts an agent reads the checkpoint on its holder's own disk, after the directory said that the holder's lease
   has run out; and has it on its own disk before it asks.
9. A registration says which start of the place it is, by a count on its disk. A process that hears that another one is
   the place ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from agents.handoff import Event, HandoffEffect, Holder, Row, State, Status, Visit, is_rubbish, machine
from agents.handoff import events as on
from agents.handoff.courier import MOST_MARKS
from agents.handoff.ledger import NEVER, Answer, Fence, Finish, Release, Request, RequestKind, Restore, Take
from agents.mailbox import Delivery, Message
from agents.testing._kernel import BACKOFF, LEASE, RENEWAL, TIMEOUT, Crash
from agents.testing._luggage import Bundle, Copy, Disk, Slot
from agents.testing._luggage import State as AtRest
from agents.testing._rules import RULES

if TYPE_CHECKING:
    from agents.testing.world import World

__all__ = ["Process"]

_AWAY = frozenset({State.ABSENT, State.GONE, State.ENDED})
#: An agent at this place, or (True) one that is only sent from here.
Key = tuple[str, bool]


class Process:
    """A process of a place.

    Attributes
    ----------
    visits, copies, staged, sent
        Of each agent: the machine's state; the copy in memory; what lies dormant; what was captured and sent.
    """

    def __init__(self, world: World, place: str, writer: str, disk: Disk, *, gone: bool) -> None:
        self.world = world
        self.node = self.place = place
        self.holder = Holder(place, writer)
        self.disk = disk
        self.alive = True
        self.paused = 0.0
        self.rate = 1.0 + 0.02 * (2.0 * world.random.random() - 1.0)
        self.leased = False
        self.until = -1.0
        self.visits: dict[Key, Visit] = {}
        self.stories: dict[Key, deque[tuple[float, Event, State]]] = {}
        self.copies: dict[str, Copy] = {}
        self.staged: dict[str, tuple[Copy, bytes | None, int, int]] = {}
        self.incoming: dict[str, Bundle] = {}
        self.sent: dict[Key, Bundle] = {}
        self.replies: dict[tuple[str, int], list[Callable[..., None]]] = {}
        self.held: dict[str, list[tuple[Message, int, Callable[..., None]]]] = {}
        self.questions: dict[Key, int] = {}
        self._registered = False
        disk.owner = writer
        disk.starts += 1
        self.start = disk.starts
        self._register(gone)

    # -- life and lease

    @property
    def owns_disk(self) -> bool:
        return self.disk.owner == self.holder.writer

    @property
    def has_lease(self) -> bool:
        """By its own clock."""
        return self.leased and (self.world.now * self.rate < self.until or not RULES.lease_runs_out)

    def crash(self) -> None:
        """All that is in memory is gone."""
        self.alive = False
        self.world.dirty = True
        self.world.crashed(self)

    def wakes(self) -> None:
        """Before anything else: has the lease run out meanwhile?"""
        if self.leased and not self.has_lease:
            self.leased = False
            for agent, apart in list(self.visits):
                if not apart:
                    self.handle(agent, on.LeaseLost())

    def _register(self, gone: bool) -> None:
        if self._registered:
            return
        world = self.world
        asked = world.now * self.rate

        def registered(rows: dict[str, Row] | None) -> None:
            if rows is None:
                self.crash()
                raise Crash
            if not self._registered:
                self._registered = True
                self._leased(asked, {}, rows)
                world.after(self, RENEWAL, self._renew)

        gone = gone or not RULES.death_is_shown
        world.ask_directory(self, world.registry.register, self.holder, self.start, gone, then=registered)
        world.after(self, 2 * TIMEOUT, self._register, gone)

    def _renew(self) -> None:
        world = self.world
        asked = world.now * self.rate
        suspended = {
            agent: visit.epoch
            for (agent, apart), visit in self.visits.items()
            if not apart and (visit.state is State.SUSPENDED or RULES.late_holdings)
        }

        def renewed(rows: dict[str, Row] | None) -> None:
            if rows is None:  # another one is the place: end, and be started anew if that is wrong
                self.crash()
                raise Crash
            self._leased(asked, suspended, rows)

        world.ask_directory(self, world.registry.renew, self.holder, then=renewed)
        world.after(self, RENEWAL, self._renew)

    def _leased(self, asked: float, suspended: dict[str, int], rows: dict[str, Row]) -> None:
        until = (asked if RULES.lease_from_asking else self.world.now * self.rate) + LEASE * 0.88
        if until <= self.world.now * self.rate:
            return
        self.until = max(self.until, until)
        self.leased = True
        for (agent, apart), visit in list(self.visits.items()):
            if apart:
                continue
            row = rows.get(agent)
            if visit.state is State.SUSPENDED:
                if suspended.get(agent) == visit.epoch or RULES.late_holdings:
                    held = row is not None and row.holder == self.holder and row.epoch == visit.epoch
                    self.handle(agent, on.LeaseHeld(held))
            elif not visit.leased:
                self.handle(agent, on.LeaseHeld(True))
        if self.owns_disk:
            self._tidy(rows)

    def _tidy(self, rows: dict[str, Row]) -> None:
        """Recover what is ours and not here, delete what is nobody's."""
        for agent, slot in list(self.disk.slots.items()):
            visit = self.visits.get((agent, False))
            if visit is not None and visit.state not in _AWAY:
                continue
            row = rows.get(agent)
            if is_rubbish(row, self.place, slot.stay):
                del self.disk.slots[agent]
            elif (
                row is not None
                and row.status is Status.HELD
                and row.holder is not None
                and row.holder.place == self.place
                and (row.holder != self.holder or RULES.late_grants_recovered)
                and (visit is None or visit.state is not State.ENDED)
            ):
                self._recover(agent, slot, slot.stay, row.epoch, 0)

    def _recover(self, agent: str, slot: Slot, stay: int, epoch: int, lease: int) -> None:
        copy = Copy.of(slot.state, slot.record, slot.journal)
        self.staged[agent] = (copy, slot.previous if slot.own else None, stay, lease)
        self.handle(agent, on.Recovered(epoch))

    def adopt(self) -> None:
        """Look for agents of places that have no lease any more, and take one over from its checkpoint."""
        self.world.ask_directory(self, self.world.registry.abandoned, self.place, then=self._adopt)

    def _adopt(self, found: list[tuple[Row, int]]) -> None:
        for row, lease in found:
            assert row.holder is not None
            slot = self.world.checkpoint_for(row, self)
            visit = self.visits.get((row.agent, False))
            mine = self.disk.slots.get(row.agent)
            if (
                slot is None
                or not self.owns_disk
                or (visit is not None and visit.state not in (State.ABSENT, State.GONE))
                or (mine is not None and not (mine.adopted and mine.stay == row.epoch + 1))
            ):
                continue
            copied = replace(slot, stay=row.epoch + 1, adopted=True)
            self.disk.save(row.agent, copied)
            self.world.dirty = True
            self.world.point(self)
            self._recover(row.agent, copied, slot.stay, row.epoch, lease)

    # -- the machines

    def handle(self, agent: str, event: Event, apart: bool = False) -> None:
        """Tell a machine, and do what it says."""
        world = self.world
        key = (agent, apart)
        before = self.visits.get(key)
        if before is None:
            before = Visit(agent, leased=self.leased)
        after, effects = machine.step(before, event, world.table)
        if after is not before:
            self.visits[key] = after
            world.dirty = True
        story = self.stories.get(key)
        if story is None:
            story = self.stories[key] = deque(maxlen=16)
        story.append((world.now, event, after.state))
        for effect in effects:
            if world.crashes_at:
                world.point(self)
            self._carry_out(agent, apart, effect)
        if agent in self.held and not apart and not self.visits[key].holds_mail:
            for message, marks, answer in self.held.pop(agent):
                self.deliver(agent, message, marks, answer)

    def _carry_out(self, agent: str, apart: bool, effect: HandoffEffect) -> None:
        world = self.world
        match effect:
            case on.AskDirectory(kind, epoch, again):
                world.after(self, BACKOFF if again else 0.0, self._ask, agent, apart, kind, epoch)
            case on.Ship(to, epoch):
                self._transfer(agent, apart, to, epoch)
            case on.Admit(epoch):
                world.after(self, 3.0 * world.random.random(), self._admit, agent, epoch, self.incoming[agent])
            case on.Activate() | on.Await():
                self.copies[agent] = self.staged.pop(agent)[0]
                self._schedule(agent)
            case on.Drop(row):
                self.staged.pop(agent, None)
                slot = self.disk.slots.get(agent)
                if slot is not None and self.owns_disk and is_rubbish(row, self.place, slot.stay):
                    del self.disk.slots[agent]
            case on.ReplyAccepted(epoch):
                for reply in self.replies.pop((agent, epoch), ()):
                    reply(on.Accepted(epoch))
            case on.ReplyRefused(epoch, reason):
                for reply in self.replies.pop((agent, epoch), ()):
                    reply(on.Rejected(epoch, reason))
            case on.Resume(reason):
                if not apart:
                    copy = self.copies[agent]
                    copy.moving = None
                    copy.failures = (*copy.failures, reason)
                    self._schedule(agent)
            case on.Proceed():
                self._schedule(agent)
            case on.Discard():
                self.sent.pop((agent, apart), None)
                if not apart:
                    self.copies.pop(agent, None)
                    world.relic_point(self, agent, "discard")
                    if self.owns_disk:
                        self.disk.slots.pop(agent, None)
            case _:  # Halt: `runs` says so already. PassOn: see `handle`.
                pass

    # -- the directory

    def _ask(self, agent: str, apart: bool, kind: RequestKind, epoch: int) -> None:
        world = self.world
        key = (agent, apart)
        visit = self.visits[key]
        if (visit.asking, visit.epoch) != (kind, epoch):
            return
        question = self.questions[key] = self.questions.get(key, 0) + 1

        def told(answer: Answer) -> None:
            if self.questions[key] == question:
                self.questions[key] += 1  # no time-out for what was answered
            self.handle(agent, on.Told(answer), apart)

        def waited() -> None:
            if self.questions[key] == question:
                self.handle(agent, on.Undecided(kind, epoch), apart)

        world.ask_directory(self, world.registry.submit, self._request(agent, apart, kind, epoch), then=told)
        world.after(self, TIMEOUT, waited)

    def _request(self, agent: str, apart: bool, kind: RequestKind, epoch: int) -> Request:
        match kind:
            case RequestKind.TAKE:
                copy, previous, _, _ = self.staged[agent]
                return Take(agent, epoch, self.holder, copy.record, previous)
            case RequestKind.RESTORE:
                copy, previous, stay, lease = self.staged[agent]
                return Restore(agent, epoch, self.holder, stay, copy.record, previous, lease)
            case RequestKind.FENCE:
                return Fence(agent, epoch, self.holder, self.sent[agent, apart].record)
            case RequestKind.RELEASE:
                return Release(agent, epoch, self.holder, self.sent[agent, apart].record)
            case RequestKind.FINISH:
                return Finish(agent, epoch, self.holder)

    # -- arriving and leaving

    def _transfer(self, agent: str, apart: bool, to: str, epoch: int) -> None:
        world = self.world
        bundle = self.sent[agent, apart]
        world.shipped.append(bundle)

        def answered(event: Event) -> None:
            self.handle(agent, event, apart)

        def reply(event: Event) -> None:
            world.send(to, self.place, self, answered, event)

        def waited(again: bool) -> None:
            visit = self.visits[agent, apart]
            if visit.state is not State.FROZEN or visit.epoch != epoch:
                return
            if again:
                world.to_place(self.place, to, "offer", bundle, epoch, reply)
                world.after(self, TIMEOUT, waited, False)
            else:
                self.handle(agent, on.Silence(epoch, "no-answer"), apart)

        world.to_place(self.place, to, "offer", bundle, epoch, reply)
        world.after(self, TIMEOUT, waited, world.random.random() < 0.4)

    def offer(self, bundle: Bundle, epoch: int, reply: Callable[..., None]) -> None:
        """A bundle comes in."""
        agent = bundle.agent
        visit = self.visits.get((agent, False))
        if visit is None or visit.state in _AWAY:
            self.incoming[agent] = bundle
        self.replies.setdefault((agent, epoch), []).append(reply)
        self.handle(agent, on.Offered(epoch))

    def _admit(self, agent: str, epoch: int, bundle: Bundle) -> None:
        visit = self.visits[agent, False]
        if visit.state is not State.ADMITTING or visit.epoch != epoch:
            return
        reason = self._objection(agent, epoch, bundle)
        if reason is not None:
            self.handle(agent, on.Declined(reason))
            return
        if RULES.disk_before_admitted:
            self.disk.save(agent, Slot(epoch + 1, bundle.record, bundle.previous, bundle.state))
            self.world.dirty = True
            self.world.relic_point(self, agent, "admit")
            self.world.point(self)
        self.staged[agent] = (Copy.of(bundle.state, bundle.record), bundle.previous, epoch + 1, 0)
        self.handle(agent, on.Admitted())

    def _objection(self, agent: str, epoch: int, bundle: Bundle) -> str | None:
        if not self.owns_disk:
            return "not-the-place"
        if agent in self.disk.slots and RULES.occupied_is_declined:
            return "recovering"
        if self.world.signed and bundle.sent != epoch and RULES.epoch_is_signed:
            return "stale-bundle"
        if self.world.faults and self.world.random.random() < 0.08:
            return "not-admitted"
        return None

    # -- mail

    def deliver(self, agent: str, message: Message, marks: int, answer: Callable[..., None]) -> None:
        """A message comes in."""
        visit = self.visits.get((agent, False))
        if visit is None:
            answer("away", None)
        elif visit.holds_mail and RULES.mail_is_held(visit):
            self.held.setdefault(agent, []).append((message, marks, answer))
        elif agent in self.copies and (visit.runs or not RULES.mail_is_held(visit)):
            if self.has_lease:
                self._take(agent, message, answer)
        elif visit.to is not None and visit.to != self.place and marks < MOST_MARKS:
            self.world.to_place(self.place, visit.to, "deliver", agent, message, marks + 1, answer)
        else:
            answer("away", visit.to)

    def _take(self, agent: str, message: Message, answer: Callable[..., None]) -> None:
        copy = self.copies[agent]
        match copy.mailbox.judge(message):
            case Delivery.AHEAD:
                answer("ahead", None)
            case Delivery.REPEATED:
                answer("taken", None)
            case Delivery.TAKEN:
                if not self.owns_disk:
                    return
                slot = self.disk.slots.get(agent)
                if RULES.journal_before_answer and slot is not None:
                    slot.note(message)
                    self.world.dirty = True
                if self.world.crashes_at:
                    self.world.point(self)
                copy.mailbox.deliver(message)
                self.world.acknowledge(agent, message)
                answer("taken", None)
                self._schedule(agent)

    # -- the agent's own steps

    def _schedule(self, agent: str) -> None:
        copy = self.copies.get(agent)
        if copy is not None and not copy.scheduled:
            copy.scheduled = True
            self.world.after(self, 1.0 + 5.0 * self.world.random.random(), self._step, agent, copy)

    def _step(self, agent: str, copy: Copy) -> None:
        copy.scheduled = False
        if self.copies.get(agent) is not copy or not self.has_lease:
            return
        visit = self.visits[agent, False]
        if not visit.runs:
            return
        world = self.world
        message = copy.mailbox.take()
        if message is not None:
            world.read(agent, copy, message)
        if copy.position < len(copy.script):
            verb, to = copy.script[copy.position]
            if verb == "finish" and copy.mailbox.waiting:
                self._schedule(agent)
                return
            copy.position += 1
            self._act(agent, copy, visit, verb, to)
        if agent in self.copies and (copy.position < len(copy.script) or copy.mailbox.waiting):
            self._schedule(agent)

    def _act(self, agent: str, copy: Copy, visit: Visit, verb: str, to: str) -> None:
        world = self.world
        match verb:
            case "hop" if to != self.place:
                self.sent[agent, False] = Bundle(agent, world.link(), copy.record, copy.state(), visit.epoch)
                copy.moving = to
                world.moves += 1
                self.handle(agent, on.Departs(to))
            case "clone":
                copy.children += 1
                child = f"{agent}.{copy.children}"
                self.visits.pop((child, True), None)
                bundle = Bundle(child, world.link(), None, AtRest(world.child_script(child)), NEVER)
                self.sent[child, True] = bundle
                self.handle(child, on.Sends(to, NEVER), apart=True)
            case "checkpoint":
                slot = self.disk.slots.get(agent)
                if self.owns_disk and slot is not None:
                    self.disk.save(agent, Slot(visit.stay, world.link(), copy.record, copy.state(), own=True))
                    world.dirty = True
                    world.point(self)
            case "freeze":
                bundle = Bundle(agent, world.link(), None, copy.state(), visit.epoch)
                self.sent[agent, False] = bundle
                world.write_file(bundle)
                world.point(self)
                self.handle(agent, on.Releases())
            case "finish":
                world.claims[agent, visit.epoch, self.holder] = copy.state()
                self.handle(agent, on.Finishes())
