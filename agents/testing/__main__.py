"""``python -m agents.testing``: run histories, take guards away, or visit every interleaving of a small world."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from agents.testing import guards
from agents.testing.explorer import BOUNDS, explore
from agents.testing.histories import Summary, run_histories, run_history
from agents.testing.invariants import Violation
from agents.testing.invariants import told as story_line
from agents.testing.world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if nothing was violated (with ``--guards`` or ``--guard``: if each absence was found), else 1."""
    options = _parser().parse_args(arguments)
    if options.explore:
        return _explore(options.bound)
    if options.guards:
        return _all_guards(options.first, options.most)
    if options.seed is not None:
        options.first, options.histories, options.verbose = options.seed, 1, True
    if options.guard is not None:
        return _one_guard(options.guard, options.first, options.histories, verbose=options.verbose)
    if options.verbose and options.histories == 1:
        return _replay(options.first)
    return _histories(options.first, options.histories, options.jobs, options.most_violations)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agents.testing", description=__doc__)
    parser.add_argument("--histories", type=int, default=3000, help="how many, each with a seed of its own")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first one's seed")
    parser.add_argument("--seed", type=int, help="only this one, told as it happens")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes share the work")
    parser.add_argument("--verbose", action="store_true", help="of a single history, tell every event")
    parser.add_argument("--most-violations", type=int, default=1, help="stop after so many")
    parser.add_argument("--guards", action="store_true", help="take each guard away in turn; print what is found")
    parser.add_argument("--guard", metavar="NAME", help="take this one away")
    parser.add_argument("--most", type=int, default=40_000, help="so many histories without a guard are enough")
    parser.add_argument("--explore", action="store_true", help="visit every interleaving of a small world")
    parser.add_argument("--bound", choices=("small", "full"), default="full", help="how much the explorer visits")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _histories(first: int, count: int, jobs: int, most: int) -> int:
    told = [time.monotonic()]

    def progress(done: Summary) -> None:
        if time.monotonic() - told[0] > 5:
            told[0] = time.monotonic()
            rate = done.histories / max(done.seconds, 1e-9)
            _say(f"{done.histories:,} of {count:,} histories, {rate:,.0f} a second, {len(done.violations)} violations")

    summary = run_histories(first, count, jobs=jobs, most=most, progress=progress)
    rate = summary.histories / max(summary.seconds, 1e-9)
    print(f"histories   {summary.histories:,} (seeds from {first} on)")
    print(f"events      {summary.events:,}")
    print(f"crashes     {summary.crashes:,}")
    print(f"moves       {summary.moves:,}")
    print(f"messages    {summary.messages:,}")
    print(f"seconds     {summary.seconds:.1f} ({rate:,.0f} histories a second)")
    print(f"violations  {len(summary.violations)}")
    for violation in summary.violations:
        again = f"python -m agents.testing --first {violation.seed} --histories 1 --verbose"
        print(f"\n{violation}\nTo see it again:\n  {again}")
    return 1 if summary.violations else 0


def _replay(seed: int) -> int:
    told: set[tuple[int, int]] = set()

    def watch(world: World) -> None:
        print(story_line(*world.story[-1]))
        for process in world.living():
            for (agent, apart), seen in process.stories.items():
                for moment, event, state in seen:
                    if moment == world.now and (id(seen), id(event)) not in told:
                        told.add((id(seen), id(event)))
                        sent = " (only sent)" if apart else ""
                        print(f"{'':11}{agent} at {process.holder.writer}{sent}: {event} -> {state}")

    try:
        world = run_history(seed, watch)
    except Violation as violation:
        print(f"\n{violation}")
        return 1
    print(f"at rest at tick {world.now:.1f}, after {world.events} events")
    for row in world.registry.rows.values():
        print(f"  {row}")
    return 0


def _row(found: guards.Found) -> str:
    if found.violation is None:
        return f"{found.guard.name:18} {found.guard.where:10} {found.histories:>9,}  -        not found"
    problem = found.violation.problem.split(":")[0][:70]
    return f"{found.guard.name:18} {found.guard.where:10} {found.histories:>9,}  {found.violation.seed:<8} {problem}"


def _all_guards(first: int, most: int) -> int:
    print(f"{'guard':18} {'of':10} {'histories':>9}  {'seed':8} what broke")
    missed = 0
    for guard in guards.GUARDS:
        found = guards.hunt(guard, first=first, most=most)
        missed += found.violation is None
        print(_row(found), flush=True)
    print(f"{len(guards.GUARDS) - missed} of {len(guards.GUARDS)} found")
    return 1 if missed else 0


def _one_guard(name: str, first: int, most: int, *, verbose: bool) -> int:
    known = {guard.name: guard for guard in guards.GUARDS}
    if name not in known:
        _say(f"There is no guard {name}. There are: {', '.join(known)}")
        return 2
    if verbose and most == 1:
        with known[name].without():
            return _replay(first)
    found = guards.hunt(known[name], first=first, most=most)
    print(_row(found))
    if found.violation is not None:
        print(f"\n{found.violation}")
    return 0 if found.violation is not None else 1


def _explore(bound: str) -> int:
    failed = False
    for name, limits in BOUNDS[bound]:
        report = explore(limits, progress=_say)
        print(f"{name}: {report}", flush=True)
        failed = failed or report.problem is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
