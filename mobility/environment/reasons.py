"""The verdict as data: its three kinds, and the reasons for it.

What each reason does is one literal table, `EFFECTS`::

    code                   when                                                       with a state   without
    ---------------------  ---------------------------------------------------------  -------------  -------
    python-too-old         the host's Python is older than 3.11                       refuse         refuse
    python-syntax          the code is written for a newer Python                     refuse         refuse
    python-minor           bytecode by value is bound to another minor version        weak           weak
    implementation         the host's interpreter is not CPython                      weak           strong
    distribution-missing   not installed                                              refuse         refuse
    distribution-other     another version of the same series                         strong         strong
    distribution-far       another major version, or another minor one of 0.x         weak           strong
    distribution-unclear   versions that cannot be compared                           weak           strong
    module-missing         cannot be imported                                         refuse         refuse
    processor              not one of those that are named                            refuse         refuse
    operating-system       not one of those that are named                            refuse         refuse
    memory-too-small       more is needed than the host has                           refuse         refuse
    memory-taken           more is needed than is free now                            refuse         refuse
    memory-unknown         the host does not know how much it has                     strong         strong
    accelerator-missing    too few, or too small                                      refuse         refuse
    accelerator-unknown    enough, if those of unknown memory are large enough        strong         strong

An effect of `strong` is a note: it hinders nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

__all__ = ["EFFECTS", "Mobility", "Reason", "ReasonCode", "Verdict"]


class Mobility(StrEnum):
    """How a unit can move to a host.

    For a unit that only ever starts at its entry, `WEAK` is the best there is, and is no loss.
    """

    #: It goes on where it was suspended.
    STRONG = "strong"
    #: Its code can start at the entry; its execution state, if it has one, cannot be taken over.
    WEAK = "weak"
    #: It must not run here.
    REFUSE = "refuse"

    @classmethod
    def worst(cls, kinds: Iterable[Mobility]) -> Mobility:
        """The one that allows the least; `STRONG` if there are none."""
        order = list(cls)
        return max(kinds, key=order.index, default=cls.STRONG)


class ReasonCode(StrEnum):
    """What a reason is about; stable, for programs."""

    PYTHON_TOO_OLD = "python-too-old"
    PYTHON_SYNTAX = "python-syntax"
    PYTHON_MINOR = "python-minor"
    IMPLEMENTATION = "implementation"
    DISTRIBUTION_MISSING = "distribution-missing"
    DISTRIBUTION_OTHER = "distribution-other"
    DISTRIBUTION_FAR = "distribution-far"
    DISTRIBUTION_UNCLEAR = "distribution-unclear"
    MODULE_MISSING = "module-missing"
    PROCESSOR = "processor"
    OPERATING_SYSTEM = "operating-system"
    MEMORY_TOO_SMALL = "memory-too-small"
    MEMORY_TAKEN = "memory-taken"
    MEMORY_UNKNOWN = "memory-unknown"
    ACCELERATOR_MISSING = "accelerator-missing"
    ACCELERATOR_UNKNOWN = "accelerator-unknown"


_REFUSE: Final = (Mobility.REFUSE, Mobility.REFUSE)
_NOTE: Final = (Mobility.STRONG, Mobility.STRONG)
_HARMS_STATE: Final = (Mobility.WEAK, Mobility.STRONG)

#: The effect of each reason, with a state and without.
EFFECTS: Final[Mapping[ReasonCode, tuple[Mobility, Mobility]]] = {
    ReasonCode.PYTHON_TOO_OLD: _REFUSE,
    ReasonCode.PYTHON_SYNTAX: _REFUSE,
    ReasonCode.PYTHON_MINOR: (Mobility.WEAK, Mobility.WEAK),
    ReasonCode.IMPLEMENTATION: _HARMS_STATE,
    ReasonCode.DISTRIBUTION_MISSING: _REFUSE,
    ReasonCode.DISTRIBUTION_OTHER: _NOTE,
    ReasonCode.DISTRIBUTION_FAR: _HARMS_STATE,
    ReasonCode.DISTRIBUTION_UNCLEAR: _HARMS_STATE,
    ReasonCode.MODULE_MISSING: _REFUSE,
    ReasonCode.PROCESSOR: _REFUSE,
    ReasonCode.OPERATING_SYSTEM: _REFUSE,
    ReasonCode.MEMORY_TOO_SMALL: _REFUSE,
    ReasonCode.MEMORY_TAKEN: _REFUSE,
    ReasonCode.MEMORY_UNKNOWN: _NOTE,
    ReasonCode.ACCELERATOR_MISSING: _REFUSE,
    ReasonCode.ACCELERATOR_UNKNOWN: _NOTE,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is not simply the best one, or what should be noted beside it.

    Attributes
    ----------
    code
        What it is about.
    needed, found
        What the unit needs and what the host offers; `found` is None if it offers nothing of the kind. Both are fit for
        a terminal: control characters are escaped, and long text is cut.
    effect
        The most that this reason leaves possible; `Mobility.STRONG` is a note.
    sentence
        What, why, and what to do.
    """

    code: ReasonCode
    needed: str
    found: str | None
    effect: Mobility
    sentence: str

    def as_data(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "code": self.code.value,
            "needed": self.needed,
            "found": self.found,
            "effect": self.effect.value,
            "sentence": self.sentence,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Reason:
        """From what `as_data` gave.

        Raises
        ------
        ValueError, KeyError
        """
        code, effect = ReasonCode(data["code"]), Mobility(data["effect"])
        return cls(code, data["needed"], data["found"], effect, data["sentence"])


_SUMMARY: Final = {
    Mobility.STRONG: "strong: the unit can go on here with its state",
    Mobility.WEAK: "weak: the unit's code can start here at its entry",
    Mobility.REFUSE: "refuse: the unit cannot run here",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a host can do for a unit.

    Attributes
    ----------
    kind
        For a unit without an execution state, `Mobility.WEAK` is the best there is.
    reasons
        The gravest first; none if everything fits.
    """

    kind: Mobility
    reasons: tuple[Reason, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether nothing stands in the way: with a state or without, the unit can do here what it can do anywhere."""
        return all(reason.effect is Mobility.STRONG for reason in self.reasons)

    def __str__(self) -> str:
        return "\n".join([_SUMMARY[self.kind], *(f"- {reason.sentence}" for reason in self.reasons)])

    def as_data(self) -> dict[str, Any]:
        """Plain data, for ``--format json``."""
        return {"kind": self.kind.value, "reasons": [reason.as_data() for reason in self.reasons]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Verdict:
        """From what `as_data` gave.

        Raises
        ------
        ValueError, KeyError
        """
        return cls(Mobility(data["kind"]), tuple(map(Reason.from_data, data["reasons"])))
