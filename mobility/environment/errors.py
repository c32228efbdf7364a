"""What is raised when a unit is not taken here.

::

    MobilityError
    └── EnvironmentRefused      environment-refused      this host does not offer what the unit needs
"""

from __future__ import annotations

from typing import Final

from mobility.environment.reasons import Mobility, Verdict
from mobility.errors import MobilityError

__all__ = ["EnvironmentRefused"]

_SHOWN: Final = 5


class EnvironmentRefused(MobilityError):
    """This host does not offer what the unit needs.

    Attributes
    ----------
    verdict
        With its reasons, as data and as sentences.
    """

    slug = "environment-refused"

    def __init__(self, verdict: Verdict) -> None:
        worst = Mobility.worst(reason.effect for reason in verdict.reasons)
        grave = [reason for reason in verdict.reasons if reason.effect is worst]
        causes = [reason.sentence for reason in grave[:_SHOWN]]
        if len(grave) > _SHOWN:
            causes.append(f"There are {len(grave) - _SHOWN} more reasons of this weight.")
        what = (
            "this host cannot run the unit"
            if verdict.kind is Mobility.REFUSE
            else "this host cannot take over the unit's values"
        )
        super().__init__(
            f"{what} ({self.slug}). {' '.join(causes)} Nothing was decoded; the bundle is intact. "
            "When that is settled, open it again; `sojourn inspect` shows the whole verdict beforehand."
        )
        self.verdict = verdict
