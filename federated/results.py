"""What a run tells while it goes on, and what came of it: as an object, as JSON, as a file of arrays, as a picture.

The JSON of a result, all keys always there::

    {"format": "sojourn-run-result", "version": 1,
     "run": "46116860184",                                   # as text: larger than some readers' numbers
     "app": "<sha256>", "strategy": "FedAvg", "config": {"rounds": 3}, "seed": 7,
     "nodes": ["oslo"], "refused": {"lima": "app-not-admitted: ..."},
     "metrics": {"train": {"1": {"loss": 0.5}}, "evaluate": {}, "server": {}},
     "arrays": {"0": {"shape": [2, 3], "dtype": "float32", "sha256": "..."}},
     "seconds": 1.25, "bytes": {"sent": 10, "received": 10},
     "messages": {"asked": 1, "recalled": 0, "failed": 0, "late": 0},
     "failures": [{"node": "oslo", "type": "train", "group": "", "reason": "..."}]}

Numbers that are not finite, which JSON does not have, are the texts ``"nan"``, ``"inf"`` and ``"-inf"``. The digest of
an array is that of its elements in the order of C, little-endian.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from federated.appconfig import Setting
from federated.links import RunTally

__all__ = ["ArrayNote", "Progress", "RunFailure", "RunResult"]

_FORMAT: Final = "sojourn-run-result"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """What a round has come to.

    Attributes
    ----------
    round, phase
        From 1 (a server may evaluate a round 0 of its own); ``train``, ``evaluate``, or ``server`` for what the server
        has evaluated itself.
    metrics
        Aggregated, by name.
    seconds
        Since the run began.
    nodes
        That take part.
    sent, received
        Bytes until now.
    answered, failed
        Replies in this phase of this round, and those of them that were errors.
    phase_seconds, phase_sent, phase_received
        Seconds and bytes since what was told before.
    """

    round: int
    phase: str
    metrics: Mapping[str, Any]
    seconds: float
    nodes: int
    sent: int
    received: int
    answered: int
    failed: int
    phase_seconds: float
    phase_sent: int
    phase_received: int


@dataclass(frozen=True, slots=True)
class ArrayNote:
    """An array without its elements.

    Attributes
    ----------
    shape, dtype
        Numpy's.
    sha256
        Of the elements, as hexadecimal digits.
    """

    shape: tuple[int, ...]
    dtype: str
    sha256: str

    @classmethod
    def of(cls, array: Any) -> ArrayNote:
        """What there is to say of an array of numpy."""
        import numpy

        plain = numpy.asarray(array)
        ordered = numpy.ascontiguousarray(plain, plain.dtype.newbyteorder("<"))
        return cls(tuple(plain.shape), str(plain.dtype), hashlib.sha256(ordered.tobytes()).hexdigest())


#: What a node answered by an error: node, type of message, group (as the server part has named it), reason.
RunFailure = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run.

    Attributes
    ----------
    run, app
        Its number, and the digest of the app.
    strategy
        The name of the strategy's class; empty, if the app has none.
    nodes, refused
        Who took part at the end, and who did not and why.
    metrics
        ``train``, ``evaluate`` (both of the nodes, aggregated) and ``server``: metrics by name, by round.
    arrays
        The final ones, by name; numpy's. None of them after `from_json`.
    seconds
        From the first admission to the end.
    tally
        Bytes and messages.
    failures
        What nodes answered by errors: node, type of message, group, reason.
    config, seed
        The run config, and the seed; None if none was given.
    notes
        What is known of the final arrays, if they are not here.
    """

    run: int
    app: str
    strategy: str
    nodes: tuple[str, ...]
    refused: Mapping[str, str]
    metrics: Mapping[str, Mapping[int, Mapping[str, Any]]]
    arrays: Mapping[str, Any] = field(repr=False)
    seconds: float
    tally: RunTally
    failures: tuple[RunFailure, ...]
    config: Mapping[str, Setting] = field(default_factory=dict)
    seed: int | None = None
    notes: Mapping[str, ArrayNote] = field(default_factory=dict, repr=False)

    def as_data(self) -> dict[str, Any]:
        """Everything but the elements of arrays, as JSON has it; the module's text describes it."""
        notes = {**self.notes, **{name: ArrayNote.of(one) for name, one in self.arrays.items()}}
        tally = self.tally
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "run": str(self.run),
            "app": self.app,
            "strategy": self.strategy,
            "config": _written(dict(self.config)),
            "seed": self.seed,
            "nodes": list(self.nodes),
            "refused": dict(self.refused),
            "metrics": {
                phase: {str(number): _written(dict(one)) for number, one in by_round.items()}
                for phase, by_round in self.metrics.items()
            },
            "arrays": {
                name: {"shape": list(one.shape), "dtype": one.dtype, "sha256": one.sha256}
                for name, one in notes.items()
            },
            "seconds": self.seconds,
            "bytes": {"sent": tally.sent, "received": tally.received},
            "messages": {name: getattr(tally, name) for name in ("asked", "recalled", "failed", "late")},
            "failures": [dict(zip(("node", "type", "group", "reason"), one, strict=True)) for one in self.failures],
        }

    def to_json(self) -> str:
        """`as_data` as text."""
        return json.dumps(self.as_data(), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> RunResult:
        """What `to_json` has written; the arrays themselves are not in it.

        Raises
        ------
        ValueError
            If it is anything else.
        """
        try:
            data = json.loads(text)
            if data["format"] != _FORMAT or data["version"] != _VERSION:
                raise ValueError(f"it is of the form {data['format']!r}, version {data['version']!r}")
            return cls(
                int(data["run"]),
                data["app"],
                data["strategy"],
                tuple(data["nodes"]),
                data["refused"],
                {
                    phase: {int(number): _read(one) for number, one in by_round.items()}
                    for phase, by_round in data["metrics"].items()
                },
                {},
                data["seconds"],
                RunTally(**data["bytes"], **data["messages"]),
                tuple((one["node"], one["type"], one["group"], one["reason"]) for one in data["failures"]),
                data["config"],
                data["seed"],
                {
                    name: ArrayNote(tuple(one["shape"]), one["dtype"], one["sha256"])
                    for name, one in data["arrays"].items()
                },
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"this is no result of a run: {type(error).__name__}: {error}") from None

    def save_arrays(self, path: str | os.PathLike[str]) -> None:
        """Write the final arrays as ``numpy.load(path)`` reads them, by name; a file that is there is replaced.

        Raises
        ------
        ValueError
            If they are not here, or one is of objects.
        OSError
        """
        import numpy

        if not self.arrays and self.notes:
            raise ValueError("the arrays of this result are not here: it was read from JSON")
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            # Not by numpy.savez, to which some names of arrays are names of its own parameters.
            with zipfile.ZipFile(partial, "x", zipfile.ZIP_STORED) as archive:
                for name, array in self.arrays.items():
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                        numpy.lib.format.write_array(entry, numpy.asarray(array), allow_pickle=False)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)

    def _repr_html_(self) -> str:
        from federated.result_card import result_card
        from mobility.display.sheet import safe_html

        return safe_html("federated run", self.strategy, lambda: result_card(self))

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the metrics by round into an ``.svg``, ``.png`` or ``.pdf`` file; see `federated.plotting`.

        Raises
        ------
        ExtraMissing, ValueError, OSError
        """
        from federated.plotting import plot_metrics

        plot_metrics(self.metrics, path, title=self.strategy)


def _written(value: Any) -> Any:
    """As JSON has it."""
    if type(value) is float and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _written(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_written(one) for one in value]
    return value


def _read(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics are numbers and lists of them, so that a text among them is one that JSON could not have."""

    def number(value: Any) -> Any:
        return float(value) if type(value) is str else value

    return {
        name: [number(one) for one in value] if type(value) is list else number(value)
        for name, value in metrics.items()
    }
