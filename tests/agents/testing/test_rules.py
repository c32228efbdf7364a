"""The world, driven by rules: Hypothesis chooses what happens, and finds the shortest way to a violation."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.testing import Size, World, check, check_rest

PLACES = ["p0", "p1", "p2"]
places = st.sampled_from(PLACES)


class Handoff(RuleBasedStateMachine):
    """Agents that are told what to do, and whatever can go wrong meanwhile."""

    @initialize(seed=st.integers(0, 7))
    def begin(self, seed: int) -> None:
        self.world = World(seed, Size(places=3, agents=0, senders=0), quiet=True)
        self.world.faults = True
        self.born = 0
        self._run(20)
        self.launch("p0")
        self._run(30)

    def _run(self, events: int) -> None:
        for _ in range(events):
            if not self.world.step():
                return
            if self.world.dirty:
                self.world.dirty = False
                check(self.world)

    def _do(self, agent: int, verb: str, to: str) -> None:
        for process in self.world.living():
            for name, copy in process.copies.items():
                if name == f"a{agent}":
                    copy.script = (*copy.script, (verb, to))
                    process._schedule(name)

    @precondition(lambda self: self.born < 2)
    @rule(to=places)
    def launch(self, to: str) -> None:
        self.world.launch(f"a{self.born}", (), to)
        self.born += 1

    @rule(agent=st.integers(0, 1), to=places)
    def move(self, agent: int, to: str) -> None:
        self._do(agent, "hop", to)

    @rule(agent=st.integers(0, 1), to=places)
    def clone(self, agent: int, to: str) -> None:
        self._do(agent, "clone", to)

    @rule(agent=st.integers(0, 1), verb=st.sampled_from(["checkpoint", "freeze", "finish"]))
    def act(self, agent: int, verb: str) -> None:
        self._do(agent, verb, "")

    @rule(agent=st.integers(0, 1), count=st.integers(1, 3))
    def send(self, agent: int, count: int) -> None:
        self.world.add_sender(f"a{agent}", count)

    @rule(agent=st.integers(0, 1), to=places, careless=st.booleans())
    def thaw(self, agent: int, to: str, careless: bool) -> None:
        self.world.add_client().thaw(f"a{agent}", to, careless=careless)

    @rule(events=st.integers(1, 60))
    def tick(self, events: int) -> None:
        self._run(events)

    @rule(loss=st.sampled_from([0.0, 0.0, 0.3, 1.0]), doubling=st.sampled_from([0.0, 0.5]), slowness=st.integers(1, 20))
    def network(self, loss: float, doubling: float, slowness: int) -> None:
        self.world.loss, self.world.doubling, self.world.slowness = loss, doubling * (1.0 - loss), float(slowness)

    @rule(place=places)
    def crash(self, place: str) -> None:
        process = self.world.processes[place][-1]
        if process.alive:
            process.crash()

    @rule(effects=st.integers(1, 6))
    def crash_between_effects(self, effects: int) -> None:
        self.world.crashes_at.add(self.world.points + effects)

    @rule()
    def crash_directory(self) -> None:
        self.world.fault_directory()

    @rule(one=places, other=st.sampled_from(["directory", *PLACES]))
    def cut(self, one: str, other: str) -> None:
        if one != other:
            self.world.cut ^= {frozenset((one, other))}

    @rule(place=places, ticks=st.sampled_from([30.0, 200.0]))
    def pause(self, place: str, ticks: float) -> None:
        process = self.world.processes[place][-1]
        process.paused = self.world.now + ticks

    @rule(what=st.sampled_from(["fault_supersede", "fault_adopt", "fault_adopt", "fault_stutter", "fault_replay"]))
    def trouble(self, what: str) -> None:
        getattr(self.world, what)()

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            check(self.world)

    def teardown(self) -> None:
        """When all faults stop, everything comes to rest."""
        if not hasattr(self, "world"):
            return
        self.world.calm()
        end = self.world.now + 4000.0
        while self.world.now < end and self.world.unsettled() is not None:
            self._run(20)
        check_rest(self.world)


TestHandoff = Handoff.TestCase
#: `make chaos` asks for the thorough form.
EXAMPLES = 1000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 200
TestHandoff.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
