"""What must hold in a simulated world after every event; and once faults have stopped and it has come to rest.

1. At most one copy of an agent runs, over all places and their processes; and the directory's row names its process
   and its epoch.
2. An agent that was born and has not ended lies, whenever the directory says that a place holds it, on that place's
   disk, as a checkpoint from which the directory would let it be restored: of the present stay, with the passport that
   the row knows. An agent that is frozen lies in a file with that passport.
3. What lies there contains each message that was acknowledged, read or not read yet; and an agent that has ended has
   read all of them. No copy reads a message twice, or before an earlier one of its sender.
4. A copy that runs does not stand at a ``yield hop``: a move has either led away, or its failure was told there. A
   process that has nothing of an agent keeps no copy of it.
5. After the faults everything comes to rest: no visit is under way, every sender is answered, all is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from agents.handoff import Row, State, Status

if TYPE_CHECKING:
    from agents.testing._luggage import State as AtRest
    from agents.testing._process import Process
    from agents.testing.world import World

__all__ = ["Violation", "check", "check_rest", "told"]

_AWAY: Final = frozenset({State.ABSENT, State.GONE, State.ENDED})


class Violation(AssertionError):
    """An invariant does not hold.

    Attributes
    ----------
    seed, time
        Which world, and when.
    problem
        Which invariant, in brackets, and how it was broken.
    story
        The last events of the world, and what each machine of that agent has seen.
    """

    def __init__(self, seed: int, time: float, problem: str, story: tuple[str, ...]) -> None:
        super().__init__(seed, time, problem, story)
        self.seed = seed
        self.time = time
        self.problem = problem
        self.story = story

    def __str__(self) -> str:
        told = "\n  ".join(self.story)
        return f"seed {self.seed}, tick {self.time:.1f}: {self.problem}\n  {told}"


def told(time: float, node: str, what: str, about: tuple[Any, ...]) -> str:
    """An entry of a world's story, the same in each run."""
    return f"{time:8.1f} {node:10} {what:16} {re.sub(r' at 0x[0-9a-f]+', '', str(about))}"[:260]


def _broken(world: World, problem: str) -> Violation:
    story = [told(*entry) for entry in list(world.story)[-25:]]
    for processes in world.processes.values():
        for process in processes:
            for (agent, apart), seen in process.stories.items():
                name = f"{agent} at {process.holder.writer}{' (only sent)' if apart else ''}"
                story.append(f"{name}{'' if process.alive else ' (dead)'}:")
                story += [f"    {time:8.1f} {event} -> {state}" for time, event, state in seen]
    story += [f"directory: {row}" for row in world.registry.rows.values()]
    return Violation(world.seed, world.now, problem, tuple(story))


def check(world: World) -> None:
    """Check (1) to (4).

    Raises
    ------
    Violation
    """
    if world.troubles:
        raise _broken(world, world.troubles[0])
    rows = world.registry.rows
    running: set[str] = set()
    for processes in world.processes.values():
        for process in processes:
            if process.alive:
                _check_process(world, process, running)
    for agent, row in rows.items():
        if row.status is Status.HELD:
            _check_checkpoint(world, row)
        elif row.status is Status.FROZEN:
            _check_file(world, row)
        elif row.holder is not None:
            _check_end(world, agent)


def _check_process(world: World, process: Process, running: set[str]) -> None:
    leased = process.has_lease
    for (agent, apart), visit in process.visits.items():
        if apart:
            continue
        if visit.state is State.RUNNING:
            copy = process.copies.get(agent)
            if copy is None:
                raise _broken(world, f"(2) {agent} runs at {process.holder.writer} without a copy")
            if copy.moving is not None:
                raise _broken(world, f"(4) {agent} goes on at {process.holder.writer} and was not told why")
            if not leased:
                continue
            row = world.registry.rows.get(agent)
            if agent in running:
                raise _broken(world, f"(1) {agent} runs twice")
            running.add(agent)
            if row is None or row.holder != process.holder or row.epoch != visit.epoch or row.status is not Status.HELD:
                raise _broken(world, f"(1) {agent} runs at {process.holder.writer}, epoch {visit.epoch}, against {row}")
        elif visit.state in _AWAY and agent in process.copies:
            raise _broken(world, f"(4) {process.holder.writer} has kept a copy of {agent}, which is {visit.state}")


def _check_checkpoint(world: World, row: Row) -> None:
    assert row.holder is not None
    slot = world.disks[row.holder.place].slots.get(row.agent)
    if slot is None:
        raise _broken(world, f"(2) nothing of {row.agent} is on the disk of {row.holder.place}, which holds it")
    if not slot.restores(row):
        raise _broken(world, f"(2) {row.agent} cannot be restored at {row.holder.place}: {slot} against {row}")
    _check_reached(world, row.agent, slot.reached, f"on the disk of {row.holder.place}")


def _check_file(world: World, row: Row) -> None:
    for file in world.files.get(row.agent, ()):
        if file.record == row.record:
            _check_reached(world, row.agent, file.state.reached(), "in its file")
            return
    raise _broken(world, f"(2) {row.agent} is in no file with link {row.record!r}")


def _check_end(world: World, agent: str) -> None:
    final: AtRest | None = world.registry.finals.get(agent)
    if final is None:
        raise _broken(world, f"(2) {agent} has ended, and nobody knows in what state")
    _check_reached(world, agent, dict(final.read), "in its end")


def _check_reached(world: World, agent: str, reached: dict[str, int], where: str) -> None:
    counts = world.acknowledged.get(agent)
    if counts is not None:
        for sender, count in counts.items():
            if reached.get(sender, 0) < count:
                raise _broken(world, f"(3) message {count - 1} of {sender} to {agent} was acknowledged, not {where}")


def check_rest(world: World) -> None:
    """Check (5).

    Raises
    ------
    Violation
    """
    check(world)
    problem = world.unsettled()
    if problem is not None:
        raise _broken(world, f"(5) no rest: {problem}")
