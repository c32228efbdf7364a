"""``sojourn fl check``: what the policies in a place's TOML file let in and out, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.home import HomeFolder, existing_file
from agents.cli.options import Format, FormatOption, HomeOption, StoreOption
from agents.cli.screen import Screen, amount, count, write_json

if TYPE_CHECKING:
    from federated.dataset import Dataset
    from federated.policy import ReleasePolicy
    from mobility.trust import TrustList

__all__ = ["check_policies"]


def check_policies(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The TOML file of a place, with its datasets.", show_default=False)
    ],
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Check the datasets in a place's file, and say what each lets in and what may leave it. Nothing is started."""
    from federated.policyfile import datasets_at

    datasets = datasets_at(existing_file(file))
    trusted = HomeFolder.of(home, store).store().current()
    if output is Format.JSON:
        write_json([_as_data(name, one) for name, one in datasets.items()])
        return
    screen = Screen()
    if not datasets:
        screen.line(f"{file} has no datasets.")
    for number, (name, one) in enumerate(datasets.items()):
        if number:
            screen.line()
        screen.line(name, "bold")
        screen.pairs(_said(one, trusted))
        for warning in _warnings(one.policy):
            screen.line(f"  Beware: {warning}.", "yellow")


def _as_data(name: str, dataset: Dataset) -> dict[str, Any]:
    policy = dataset.policy
    return {
        "dataset": name,
        "seconds": dataset.seconds,
        "reply_bytes": dataset.reply_bytes,
        "memory_bytes": dataset.memory_bytes,
        "tell": dataset.tell,
        "policy": None if policy is None else {**asdict(policy), "digest": policy.digest},
        "releases": None if policy is None else _releases(policy),
        "warnings": list(_warnings(policy)),
    }


def _said(dataset: Dataset, trusted: TrustList) -> Iterator[tuple[str, str]]:
    policy = dataset.policy
    if policy is None:
        yield "admits", "nobody: it has no policy"
        return
    yield "admits", "; ".join(_admitted(policy, trusted)) or "nobody"
    yield "answers", f"messages of the type {_listed(policy.messages)}" if policy.messages else "no message"
    yield "lets out", _listed(policy.keys) if policy.keys else "nothing"
    shapes = ", arrays only as they were sent" if policy.like_sent or policy.noise is not None else ""
    yield "", f"arrays of {_listed(policy.dtypes)}, {amount(policy.most_bytes)} at most{shapes}"
    if policy.clip_norm is not None:
        yield "clips", f"what is returned minus what was sent, to a norm of {policy.clip_norm:g}"
    yield from _noises(policy)
    yield from _asked(policy)
    if policy.exact:
        yield "as it is", f"{_listed(policy.exact)}: neither clipped nor noised, outside the guarantee"
    yield "allows", "; ".join(_allowed(policy)) or "as many rounds as are asked for"
    told = ", and tells the text of what it raises" if dataset.tell else ""
    yield "an app has", f"{dataset.seconds:g} s for a message{told}"
    yield "digest", f"{policy.digest}, which the audit log names"


def _admitted(policy: ReleasePolicy, trusted: TrustList) -> Iterator[str]:
    names = {entry.public.key_id: entry.name for entry in trusted.listed}
    for key in policy.signers:
        yield f"all apps of {names[key]} (key {key[:16]})" if key in names else f"all apps of the key {key[:16]}"
    for digest in policy.digests:
        yield f"the app {digest[:16]}"


def _asked(policy: ReleasePolicy) -> Iterator[tuple[str, str]]:
    for rule in policy.queries:
        who = "every owner that is trusted" if "*" in rule.askers else _listed([key[:16] for key in rule.askers])
        where = f" of {_listed(rule.columns)}" if rule.columns else ""
        chosen = f", of records chosen by {_listed(rule.by)}" if rule.by else ""
        cost = "" if rule.epsilon is None else f", for epsilon {rule.epsilon:g} at most"
        noise = ", also without noise" if rule.exact else ", with noise"
        least = f"; cells of fewer than {rule.least} are held back" if rule.least else ""
        yield "tells", f"{_listed(rule.kinds)}{where}{chosen}{noise}{cost}{least}; to {who}"


def _noises(policy: ReleasePolicy) -> Iterator[tuple[str, str]]:
    noise = policy.noise
    if noise is not None:
        if noise.multiplier is not None:
            size = f"with a sigma of {noise.multiplier:g} times the norm"
        else:
            size = f"for epsilon {noise.epsilon:g} and delta {noise.delta:g} of one release"
        who = "any record, or the whole of the data, is exchanged" if policy.neighbours.value == "replace" else (
            "this node took part"
        )  # fmt: skip
        yield "noise", f"Gaussian, {size}; it hides whether {who}"
    for rule in policy.counts:
        length = "" if rule.length is None else f", {rule.length} of them"
        yield "counts", f"{rule.key}{length}: Laplace noise for epsilon {rule.epsilon:g} of one release"


def _allowed(policy: ReleasePolicy) -> Iterator[str]:
    allowance = policy.allowance
    if allowance.rounds is not None:
        yield f"{count(allowance.rounds, 'round')} of one type in a run"
    if allowance.rounds_in_all is not None:
        yield f"{count(allowance.rounds_in_all, 'round')} of one type in all runs"
    if allowance.epsilon is not None:
        yield f"epsilon {allowance.epsilon:g} with delta {allowance.delta:g} in all: {_times(_releases(policy))}"
    if allowance.counting_epsilon is not None:
        yield f"epsilon {allowance.counting_epsilon:g} for counts"


def _times(releases: int | None) -> str:
    return "any number of releases" if releases is None else count(releases, "noised release")


def _releases(policy: ReleasePolicy) -> int | None:
    """How many noised releases the allowance has room for; None: any number."""
    rho, cost = policy.allowance.rho, policy.update_cost.rho
    return None if rho is None or cost == 0 else int(rho / cost * (1 + 1e-12))


def _warnings(policy: ReleasePolicy | None) -> Iterator[str]:
    if policy is None:
        yield "nothing runs on it, since it has no policy"
        return
    if not policy.signers and not policy.digests:
        yield "nothing runs on it: neither signers nor digests are named"
    if not policy.messages:
        yield "no message is answered: messages is empty"
    if not policy.keys:
        yield "nothing may leave it: keys is empty"
    for key in _nowhere(policy):
        yield f"{key} is the name of nothing in a reply: it lacks the record, as in metrics.metrics.loss"
    if policy.keys and policy.noise is None and _may_carry_data(policy):
        yield "without noise, an app that is admitted can send the data itself in what it returns"
    if policy.noise is not None and policy.allowance.epsilon is None:
        yield "the noise is of each release, and without an allowance of epsilon any number of them may follow"
    if policy.noise is not None and policy.allowance.epsilon is not None and _releases(policy) == 0:
        yield "not one noised release fits into the allowance of epsilon"


def _nowhere(policy: ReleasePolicy) -> list[str]:
    """Names that no reply can have, as they have too few parts: what is meant would be withheld, round for round."""
    named = dict.fromkeys((*policy.keys, *policy.exact, *(rule.key for rule in policy.counts)))
    return [key for key in named if key.count(".") < 2 and not any(sign in key for sign in "*?[")]


def _may_carry_data(policy: ReleasePolicy) -> bool:
    """Whether a key leaves that is no count with noise."""
    return any(policy.count_rule(key) is None for key in policy.keys)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
