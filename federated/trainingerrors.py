"""What local training raises on purpose; the rest of the tree is in `federated.errors`.

::

    FederatedError
    ├── DataDiffers       data-differs       the data at this place is not that with which training began
    ├── DataUnusable      data-unusable      a resource that is no arrays of one length
    └── RandomnessHeld    randomness-held    the generators of a process cannot be had, or not be given back
"""

from __future__ import annotations

from collections.abc import Sequence

from federated.errors import FederatedError

__all__ = ["DataDiffers", "DataUnusable", "RandomnessHeld"]


class DataDiffers(FederatedError):
    """The data at this place is not that with which training began.

    Attributes
    ----------
    place, dataset
        Where, and the name of the resource.
    differences
        What differs, one sentence for each array.
    """

    slug = "data-differs"
    usual_state = "Nothing was trained on it."
    usual_remedy = "Move the training to a place that holds the same data, or begin anew."

    def __init__(self, place: str, dataset: str, differences: Sequence[str]) -> None:
        super().__init__(f"{dataset} at {place} is not the data with which training began: {'; '.join(differences)}")
        self.place = place
        self.dataset = dataset
        self.differences = tuple(differences)


class DataUnusable(FederatedError):
    """A resource that is no arrays of one length."""

    slug = "data-unusable"
    usual_state = "Nothing was trained on it."
    usual_remedy = "Offer arrays of numbers, of one length: one, a sequence of them, or a mapping from names."


class RandomnessHeld(FederatedError):
    """The generators of a process cannot be had, or not be given back."""

    slug = "randomness-held"
    usual_state = "The step was not made."
    usual_remedy = "Yield after the `with` block, not in it."
