"""What is installed of that which only some need."""

from __future__ import annotations

from importlib.util import find_spec

from federated.apperrors import ExtraMissing

__all__ = ["require_extra"]


def require_extra(what: str, package: str, extra: str) -> None:
    """Refuse to begin what would fail later for want of a package.

    Parameters
    ----------
    what
        Needs it, for people.
    package, extra
        The package that is imported, and the extra of ours that brings it.

    Raises
    ------
    ExtraMissing
    """
    if find_spec(package) is None:
        raise ExtraMissing(what, package, extra)
