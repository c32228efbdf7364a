"""Which of the four paradigms is the cheapest for a task: a cost model, and the measuring of what it needs to know.

The task: a client works off some interactions with data that lie at one or several places. Each interaction selects a
part of the data there, and the last selection is the result. The paradigms differ in what crosses the network:

==================  ================================================================================================
client-server       each request, and each selection
remote evaluation   the code to each place, and the last selection back
code on demand      the code once, and all data to the client, which then asks itself
mobile agent        the agent to the first place and on from place to place with what it has, and all that to the client
==================  ================================================================================================

The form of the model, traffic and time linear in the number of interactions, the size of the data and the selectivity,
is that of Fuggetta, Picco and Vigna (1998), "Understanding Code Mobility", IEEE TSE 24(5), section 5, and of Baldi and
Picco (1998), "Evaluating the Tradeoffs of Mobile Code Design Paradigms in Network Management Applications", ICSE. The
constants are measured at the places themselves, so that an answer holds for the network that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Advice", "Costs", "Network", "Paradigm", "Price", "Workload", "advise"]


class Paradigm(StrEnum):
    """Where code, data and execution are; the names of Fuggetta, Picco and Vigna."""

    CLIENT_SERVER = "client-server"
    REMOTE_EVALUATION = "remote evaluation"
    CODE_ON_DEMAND = "code on demand"
    MOBILE_AGENT = "mobile agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is to be done.

    Attributes
    ----------
    interactions
        With the data of each place.
    data_bytes
        Of the data at each place.
    selectivity
        The part of the data that one interaction selects, from 0 to 1.
    places
        How many hold such data.
    known
        Whether the client has the code already: it was fetched before.

    Raises
    ------
    ValueError
    """

    interactions: int
    data_bytes: int
    selectivity: float
    places: int = 1
    known: bool = False

    def __post_init__(self) -> None:
        if self.interactions < 1 or self.places < 1:
            raise ValueError("a workload has at least one interaction with at least one place")
        if self.data_bytes < 0:
            raise ValueError(f"data have 0 bytes or more, not {self.data_bytes}")
        if not 0.0 <= self.selectivity <= 1.0:
            raise ValueError(f"the selectivity is a part of the data, from 0 to 1, not {self.selectivity}")

    @property
    def selected(self) -> float:
        """Bytes that one interaction selects."""
        return self.data_bytes * self.selectivity


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs once, and for each byte beside.

    Attributes
    ----------
    seconds, bytes
        Once.
    per_byte
        Seconds for each byte of data that goes along.
    trips
        How often something is asked over the network and its answer waited for.
    """

    seconds: float
    bytes: float
    per_byte: float = 0.0
    trips: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that is not there: what it would add to what was measured.

    Attributes
    ----------
    round_trip
        Seconds until an answer could be back.
    bandwidth
        Bytes a second.
    """

    round_trip: float = 0.0
    bandwidth: float = float("inf")

    def adds(self, price: Price, size: float) -> float:
        """Seconds, for one operation with so many bytes beside."""
        return price.trips * self.round_trip + (price.bytes + size) / self.bandwidth


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a platform's operations cost.

    Attributes
    ----------
    call
        A call of a service, and a byte of its answer.
    evaluate
        A function evaluated at a place, and a byte of its result.
    fetch
        Code fetched, and used for the first time.
    agent
        An agent launched, and its result: and a byte of that.
    hop
        A hop, and a byte of what the agent carries.
    scan
        Seconds for which one interaction looks at one byte of data, wherever it does.
    """

    call: Price
    evaluate: Price
    fetch: Price
    agent: Price
    hop: Price
    scan: float = 0.0


@dataclass(frozen=True, slots=True)
class Advice:
    """What the model says.

    Attributes
    ----------
    seconds, bytes
        By paradigm.
    """

    workload: Workload
    seconds: Mapping[Paradigm, float]
    bytes: Mapping[Paradigm, float]

    @property
    def best(self) -> Paradigm:
        """The one that takes the least time."""
        return min(self.seconds, key=self.seconds.__getitem__)

    @property
    def leanest(self) -> Paradigm:
        """The one that moves the fewest bytes."""
        return min(self.bytes, key=self.bytes.__getitem__)

    def __str__(self) -> str:
        rows = [f"{'':20}{'time':>12}{'moved':>12}"]
        for paradigm in sorted(self.seconds, key=self.seconds.__getitem__):
            mark = "  <- fastest" if paradigm is self.best else "  <- leanest" if paradigm is self.leanest else ""
            time, moved = f"{self.seconds[paradigm] * 1e3:.1f} ms", _size(self.bytes[paradigm])
            rows.append(f"{paradigm.value:20}{time:>12}{moved:>12}{mark}")
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        from agents.views.cards import advice_card
        from mobility.display.sheet import safe_html

        return safe_html("advice", "", lambda: advice_card(self))


def advise(workload: Workload, costs: Costs, network: Network | None = None) -> Advice:
    """What each paradigm would cost.

    Parameters
    ----------
    network
        One that would lie between client and places and between the places, beside what was measured.
    """
    network = network or Network()
    seconds: dict[Paradigm, float] = {}
    moved: dict[Paradigm, float] = {}
    scanning = costs.scan * workload.interactions * workload.data_bytes * workload.places
    for paradigm, parts in _parts(workload, costs).items():
        seconds[paradigm] = scanning + sum(
            times * (price.seconds + price.per_byte * size + network.adds(price, size)) for times, price, size in parts
        )
        moved[paradigm] = sum(times * (price.bytes + size) for times, price, size in parts)
    return Advice(workload, seconds, moved)


def _parts(workload: Workload, costs: Costs) -> dict[Paradigm, list[tuple[int, Price, float]]]:
    """By paradigm: how often what is done, and how many bytes go along each time."""
    places, selected = workload.places, workload.selected
    return {
        Paradigm.CLIENT_SERVER: [(places * workload.interactions, costs.call, selected)],
        Paradigm.REMOTE_EVALUATION: [(places, costs.evaluate, selected)],
        Paradigm.CODE_ON_DEMAND: [
            (0 if workload.known else 1, costs.fetch, 0),
            (places, costs.call, workload.data_bytes),
        ],
        Paradigm.MOBILE_AGENT: [
            *((1, costs.hop, selected * visited) for visited in range(1, places)),
            (1, costs.agent, selected * places),
        ],
    }


def _size(count: float) -> str:
    for unit, size in (("MB", 1e6), ("KB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"
