"""``sojourn fl tour``: ask a statistic of the data at several places, by one agent that goes there."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, PassphraseFileOption
from agents.cli.screen import Screen, escaped, write_json

if TYPE_CHECKING:
    from federated.pooling import Estimate
    from federated.queries import Query
    from federated.tour import TourResult

__all__ = ["tour_command"]

_REFUSED: Final = 3
_CONDITION: Final = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>|\bin\b)\s*(.+?)\s*")


def _column(name: str, what: str) -> Any:
    return typer.Option(f"--{name}", metavar="COLUMN", help=what, show_default=False)


def tour_command(
    on: Annotated[str, typer.Option("--on", metavar="PLACES", help="Where to go: oslo,lima", show_default=False)],
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="Else the one of each place.", show_default=False)
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="How many records.")] = False,
    sum_: Annotated[str | None, _column("sum", "Its sum.")] = None,
    mean: Annotated[str | None, _column("mean", "Its mean.")] = None,
    variance: Annotated[str | None, _column("variance", "Its variance.")] = None,
    histogram: Annotated[str | None, _column("histogram", "Counts between --edges.")] = None,
    quantiles: Annotated[str | None, _column("quantiles", "Its quantiles, at --probabilities.")] = None,
    counts: Annotated[str | None, _column("counts", "Counts of --categories.")] = None,
    bounds: Annotated[
        str | None,
        typer.Option("--bounds", metavar="LOW,HIGH", help="To which numbers are clipped.", show_default=False),
    ] = None,
    edges: Annotated[str | None, typer.Option("--edges", metavar="NUMBERS", help="0,10,20", show_default=False)] = None,
    categories: Annotated[
        str | None, typer.Option("--categories", metavar="VALUES", help="f,m", show_default=False)
    ] = None,
    probabilities: Annotated[
        str, typer.Option("--probabilities", metavar="NUMBERS", help="Of quantiles.")
    ] = "0.25,0.5,0.75",
    bins: Annotated[int, typer.Option("--bins", min=2, help="Of the histogram from which quantiles are read.")] = 128,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Of these records alone: 'age>=18', 'sex in f,m'. Several times: all.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", metavar="COLUMN=VALUES", help="Once for each of these values: sex=f,m", show_default=False
        ),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option("--epsilon", metavar="NUMBER", help="With noise, of each place.", show_default=False),
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option("--delta", metavar="NUMBER", help="With that of Gauss, else Laplace's.", show_default=False),
    ] = None,
    by_site: Annotated[bool, typer.Option("--by-site", help="Bring what each place has answered, too.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first place that does not answer.")] = False,
    query_id: Annotated[
        str | None,
        typer.Option("--id", help="Of a query of before: its answers again, at no cost.", show_default=False),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="KEY", help="Your key that signs it; else the key owner.", show_default=False),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    address: AddressOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=6, max=570, help="Give up after this time.")
    ] = 300.0,
    home: HomeOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Ask a statistic of the data at several places: one agent goes there, and comes home with the sum."""
    from agents.cli.reaching import Deadline, connected
    from federated.queries import QueryNoise
    from federated.tour import tour

    kinds = {"sum": sum_, "mean": mean, "variance": variance, "histogram": histogram}
    kinds |= {"quantiles": quantiles, "counts": counts}
    chosen = {name: column for name, column in kinds.items() if column is not None}
    if len(chosen) + count != 1:
        raise typer.BadParameter(f"one of --count, {', '.join(f'--{name}' for name in kinds)} is asked")
    more: dict[str, Any] = {"where": [_condition(one) for one in where or ()], "group": _group(group)}
    parsed = {"bounds": _numbers("--bounds", bounds), "edges": _numbers("--edges", edges), "categories": categories}
    query = _query(chosen, parsed, _numbers("--probabilities", probabilities) or [], bins, more)
    if delta is not None and epsilon is None:
        raise typer.BadParameter("--delta goes with --epsilon")
    noise = None if epsilon is None else QueryNoise(epsilon, delta)
    folder = HomeFolder.of(home)
    deadline = Deadline(timeout)
    with connected(
        folder, address, deadline, output, owner=lambda: folder.launching_key(owner, passphrase_file)
    ) as platform:
        result = tour(
            platform,
            [place for place in on.split(",") if place],
            query,
            dataset=dataset,
            noise=noise,
            by_site=by_site,
            refusal="end" if strict else "skip",
            timeout=deadline.left(),
            patience=min(5.0, deadline.left() / 2),
            id=query_id,
        )
    if output is Format.JSON:
        write_json(result.to_json())
    else:
        show_tour(result, Screen())
    if not result.sites:
        raise typer.Exit(_REFUSED)  # nobody has answered; why stands beside each place


def _query(
    chosen: dict[str, str], parsed: dict[str, Any], probabilities: list[float], bins: int, more: dict[str, Any]
) -> Query:
    from federated.queries import Query

    (kind, column), *_ = [*chosen.items(), ("count", "")]
    takes = {"sum": "bounds", "mean": "bounds", "variance": "bounds", "quantiles": "bounds"}
    taken = {**takes, "histogram": "edges", "counts": "categories"}.get(kind)
    for name, value in parsed.items():
        if value is not None and name != taken:
            raise typer.BadParameter(f"--{name} does not go with --{kind}")
        if value is None and name == taken and kind in ("quantiles", "histogram", "counts"):
            raise typer.BadParameter(f"--{kind} needs --{name}")
    if kind == "count":
        return Query.count(**more)
    if kind == "histogram":
        return Query.histogram(column, parsed["edges"], **more)
    if kind == "counts":
        return Query.counts(column, _values(parsed["categories"]), **more)
    if kind == "quantiles":
        return Query.quantiles(column, probabilities, bounds=parsed["bounds"], bins=bins, **more)
    make = {"sum": Query.sum, "mean": Query.mean, "variance": Query.variance}[kind]
    return make(column, bounds=parsed["bounds"], **more)


def _numbers(option: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise typer.BadParameter("numbers with commas between them", param_hint=option) from None


def _value(text: str) -> Any:
    """JSON where it is JSON, else text: a number, true, a quoted text that looks like one."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if type(value) in (str, int, float, bool) else text


def _values(text: str) -> list[Any]:
    return [_value(one) for one in text.split(",")]


def _condition(text: str) -> tuple[str, str, Any]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no condition such as age>=18", param_hint="--where")
    column, operator, value = match.groups()
    return column, operator, _values(value) if operator == "in" else _value(value)


def _group(text: str | None) -> tuple[str, list[Any]] | None:
    if text is None:
        return None
    column, equals, values = text.partition("=")
    if not (column and equals and values):
        raise typer.BadParameter("a column and its values: sex=f,m", param_hint="--group")
    return column, _values(values)


# -- for people


def show_tour(result: TourResult, screen: Screen) -> None:
    """Write what a tour has found."""
    labels = _labels(result.query)
    for estimate in result.estimates:
        _show_estimate(estimate, labels, screen)
    spent = [f"{one.place} (epsilon {one.epsilon:g})" if one.epsilon else one.place for one in result.sites]
    screen.line(f"answered: {escaped(', '.join(spent) or 'none')}")
    for site in result.sites:
        for estimate in site.estimates:
            screen.line(f"  {escaped(site.place)}:")
            _show_estimate(estimate, labels, screen, indent="    ")
    for refusal in result.refused:
        screen.line(f"not answered: {escaped(refusal.place)}: {escaped(refusal.reason)} ({escaped(refusal.why)})")
    way = "verified" if result.trail.verified else f"NOT VERIFIED: {result.trail.problem}"
    screen.line(f"query {escaped(result.id)}, agent {escaped(result.agent)}, its way {escaped(way)}")


def _labels(query: Query) -> list[str]:
    what = query.kind.value if query.column is None else f"{query.kind} of {query.column}"
    if query.edges:
        return [f"{low:g} to {high:g}" for low, high in zip(query.edges, query.edges[1:], strict=False)]
    if query.categories:
        return [str(one) for one in query.categories]
    return [f"{what} at {one:g}" for one in query.probabilities] or [what]


def _show_estimate(estimate: Estimate, labels: list[str], screen: Screen, indent: str = "") -> None:
    head = "" if estimate.group is None else f"{estimate.group}: "
    for label, value, error in zip(labels, estimate.values, estimate.errors, strict=True):
        told = "held back" if value is None else f"{value:.6g}"
        told += f" +- {error:.2g}" if error else ""
        screen.line(f"{indent}{escaped(head + label)}: {told}")
    if estimate.hidden:
        screen.line(f"{indent}{escaped(head)}{estimate.hidden} small cells were held back")
