"""What a unit needs: plain data that a manifest carries and `mobility.environment.verdict` judges."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Accelerator", "Distribution", "Needs"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution that the unit uses.

    Attributes
    ----------
    name
        Such as ``"scikit-learn"``; `needs_of_modules` gives the normal form of PEP 503, by which names are compared.
    version
        The version where the unit was packed (PEP 440).
    modules
        Its modules that the unit uses: top-level ones, or dotted ones where several distributions share the top.
    """

    name: str
    version: str
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Devices of one kind.

    Attributes
    ----------
    kind
        A word such as ``"cuda"``; compared without regard to case.
    count
        How many devices.
    memory
        Bytes of each device; None when it does not matter (needed) or is not known (offered).
    """

    kind: str
    count: int = 1
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a unit needs of the host that runs it; the default needs nothing.

    Attributes
    ----------
    python_minor
        Such as ``"3.11"``, when the state holds bytecode by value, which only that Python reads; else None.
    distributions
        What has to be installed.
    modules
        Importable modules outside any distribution, for example a module of the host's own ``PYTHONPATH``.
    memory
        Bytes.
    processors
        Names as `platform.machine` gives them, any of which will do; empty: any.
    operating_systems
        Names as `platform.system` gives them, any of which will do; empty: any.
    accelerators
        All of them together.
    """

    python_minor: str | None = None
    distributions: tuple[Distribution, ...] = ()
    modules: tuple[str, ...] = ()
    memory: int | None = None
    processors: tuple[str, ...] = ()
    operating_systems: tuple[str, ...] = ()
    accelerators: tuple[Accelerator, ...] = ()
