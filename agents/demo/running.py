"""Three nodes, one agent, and the check of what it brings back: the course of the demonstration."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agents.cli.failures import report
from agents.cli.options import Format
from agents.demo.hospitals import RESOURCE, SITES, everybody, maker, patients, place_file
from agents.demo.telling import Report, Teller
from agents.errors import AgentsError

if TYPE_CHECKING:
    from agents.platform import Platform

__all__ = ["HospitalsMissing", "run"]

_PLACES: Final = ("baku", "oslo", "lima")
_PENALTY: Final = 1.0
_PATIENCE: Final = 60.0  # seconds
_MOST_ROUNDS: Final = 80  # three hops each: a birth certificate allows 256


class HospitalsMissing(AgentsError):
    """The cluster that was named has no places that are hospitals."""

    slug = "hospitals-missing"

    def __init__(self, address: str, found: Sequence[str]) -> None:
        offering = f"only {', '.join(found)} offers" if found else "no place offers"
        super().__init__(
            f"the demonstration needs {SITES} places that offer {RESOURCE!r}, and on the cluster at {address} "
            f"{offering} it",
            state="No agent was launched, and nothing was changed there.",
            remedy="Start its places with one resource file each, made by  python -m agents.demo --place-file 0  "
            "(1, 2); or leave --address out: the demonstration then starts nodes of its own.",
        )


def run(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, run the demonstration, report what goes wrong; the exit code."""
    given = _parser().parse_args(argv)
    if given.place_file is not None:
        print(place_file(given.place_file), end="")
        return 0
    chosen = Format(given.format)
    try:
        return 0 if _shown(given.address, given.rounds, Teller(chosen)) else 1
    except (Exception, KeyboardInterrupt) as error:
        return report(error, chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sojourn demo",
        description="A surveyor travels between three hospitals, each on a Ray node of its own, computes mean, "
        "variance and correlation of all their patients, and trains a logistic regression as it goes round. No "
        "patient's row leaves its node. The result is compared with the one computed at one place.",
        epilog="Exit codes: 0 the result is the central one and the passport holds, 1 not so; errors as for every "
        "command of sojourn.",
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="use this cluster, whose places offer the patients; by default three "
        "local nodes are started, and ended again"
    )  # fmt: skip
    parser.add_argument(
        "--rounds", metavar="N", type=_rounds, default=20, help="steps of training at most (20; it converges after 10)"
    )
    parser.add_argument("--format", choices=[one.value for one in Format], default=Format.TEXT.value)
    parser.add_argument(
        "--place-file", metavar="SITE", type=int, choices=range(SITES), help="only print the resource file by which a "
        "place of a cluster becomes hospital 0, 1 or 2"
    )  # fmt: skip
    return parser


def _rounds(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"from 1 to {_MOST_ROUNDS}")
    return number


def _shown(address: str | None, rounds: int, teller: Teller) -> bool:
    """Whether the surveyor's result is the central one, and its passport holds."""
    from agents.demo.central import compared
    from agents.demo.surveyor import surveyor
    from agents.demo.watching import Move, watch
    from mobility.bundle import Birth

    everyone = everybody()  # before anything is started: the data may be missing
    sites = {place: patients(site) for site, place in enumerate(_PLACES)} if address is None else {}
    teller.title(sites)
    with _platform(address) as platform:
        hospitals = tuple(sites) or _hospitals(platform)
        began = time.perf_counter()
        agent = platform.launch(
            surveyor,
            hospitals,
            len(everyone.names),
            rounds,
            _PENALTY,
            at=hospitals[0],
            name="surveyor" if sites else None,  # on somebody's cluster the name may be taken
            birth=Birth(places=hospitals, hop_limit=256),
        )
        teller.launched(agent.agent, hospitals)
        moves = []
        for event in watch(agent, _PATIENCE):
            teller.event(event)
            if isinstance(event, Move):
                moves.append(event)
        found = agent.result(timeout=_PATIENCE)
        seconds = time.perf_counter() - began
        told = Report(moves, found, compared(found, everyone, _PENALTY), agent.trail(), everyone.nbytes, seconds)
        teller.report(told)
    teller.end(told)
    return told.holds


@contextmanager
def _platform(address: str | None) -> Iterator[Platform]:
    """The cluster that is there, with the user's own key; or three nodes of our own, with a key made for them."""
    from agents.resources import Made
    from agents.starting import connect
    from mobility.trust import Identity

    if address is not None:
        with connect(address) as platform:
            yield platform
        return
    offered: dict[str, dict[str, Any]] = {place: {RESOURCE: Made(maker(site))} for site, place in enumerate(_PLACES)}
    with tempfile.TemporaryDirectory(prefix="sojourn-demo-") as folder:
        owner = Identity.generate("survey-lab", "owner")
        with connect("local", places=offered, owner=owner, home=Path(folder)) as platform:
            yield platform
            print("sojourn: ending the nodes", file=sys.stderr, flush=True)


def _hospitals(platform: Platform) -> tuple[str, ...]:
    offering = tuple(
        place.name for place in platform.places(details=True) if RESOURCE in place.about.get("resources", ())
    )
    if len(offering) != SITES:
        raise HospitalsMissing(platform.address or "", offering)
    return offering
