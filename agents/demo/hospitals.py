"""The data: the Wisconsin breast cancer set that scikit-learn ships, divided among hospitals.

569 patients, 30 measurements of cell nuclei each, benign or malignant (Street, Wolberg, Mangasarian 1993,
doi:10.1117/12.148698). The hospitals are unlike on purpose: in how many patients they have, and in how many of these
are ill. The first is the one to which the others send their patients.

::

    [place.resources.patients]           # a place of a cluster that runs already offers them by its resource file
    factory = "agents.demo.hospitals:patients"
    arguments = { site = 1 }             # 0, 1 or 2: each at one place
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from agents.errors import AgentsError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    #: Numbers, of whatever shape is said.
    Floats: TypeAlias = NDArray[numpy.float64]

__all__ = ["RESOURCE", "SITES", "DataMissing", "Patients", "everybody", "maker", "patients", "place_file"]

#: By which name a place offers its patients.
RESOURCE: Final = "patients"
#: How many hospitals there are.
SITES: Final = 3
#: Of each class, the share that each hospital has, in hundredths: malignant, then benign.
_SHARES: Final = ((58, 30, 12), (17, 31, 52))


class DataMissing(AgentsError):
    """scikit-learn, which brings the data, is not installed."""

    slug = "data-missing"

    def __init__(self) -> None:
        super().__init__(
            "the demonstration uses data that scikit-learn ships, and it is not installed here",
            state="No agent was launched.",
            remedy='Install it with:  pip install "sojourn[demo]"',
        )


@dataclass(frozen=True, slots=True)
class Patients:
    """Of one hospital.

    Attributes
    ----------
    measured
        Shape (patients, 30).
    benign
        Shape (patients,): 1 for benign, 0 for malignant, as in the source.
    names
        Of the 30 measurements.
    """

    measured: Floats
    benign: Floats
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.measured)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return int(self.measured.nbytes + self.benign.nbytes)


def everybody() -> Patients:
    """The patients of all hospitals together, as nobody in this story ever has them.

    Raises
    ------
    DataMissing
    """
    try:
        datasets: Any = import_module("sklearn.datasets")
    except ImportError:
        raise DataMissing from None
    data = datasets.load_breast_cancer()
    return Patients(data.data.astype(float), data.target.astype(float), tuple(map(str, data.feature_names)))


def patients(site: int) -> Patients:
    """One hospital's part, the same on every machine: of each class a run of rows, in the order of the source.

    Parameters
    ----------
    site
        From 0 on.

    Raises
    ------
    ValueError
        If there is no such hospital.
    DataMissing
    """
    import numpy

    if not 0 <= site < SITES:
        raise ValueError(f"hospitals are numbered from 0 to {SITES - 1}, not {site}")
    everyone = everybody()
    chosen = []
    for kind, shares in enumerate(_SHARES):
        rows = numpy.flatnonzero(everyone.benign == kind)
        edges = [len(rows) * sum(shares[:end]) // 100 for end in range(SITES + 1)]
        begin, end = list(pairwise(edges))[site]
        chosen.append(rows[begin:end])
    mine = numpy.sort(numpy.concatenate(chosen))
    return Patients(everyone.measured[mine], everyone.benign[mine], everyone.names)


def maker(site: int) -> Callable[[], Patients]:
    """Makes a hospital's part when it is first asked for, at its place: no row crosses from here to there."""
    return partial(patients, site)


def place_file(site: int) -> str:
    """The resource file of a place that is to be that hospital."""
    head = f"[place.resources.{RESOURCE}]"
    return f'{head}\nfactory = "{__name__}:{patients.__name__}"\narguments = {{ site = {site} }}\n'
