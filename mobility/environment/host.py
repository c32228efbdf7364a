"""What a host offers: itself as it is now, or plain data about it that travels."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mobility.environment.accelerators import read_accelerators
from mobility.environment.installed import all_versions, can_import, installed_versions
from mobility.environment.memory import HostMemory, read_memory
from mobility.environment.needs import Accelerator
from mobility.environment.versions import normal_name

__all__ = ["Environment", "offered"]


@dataclass(frozen=True, slots=True)
class Environment:
    """What a host offers.

    `Environment.here` describes this process; it looks distributions and modules up when it is asked for them.
    `offered` turns it into plain data with the answers written down, and so do ``pickle`` and ``copy``: elsewhere, a
    look-up would answer for another host.

    Attributes
    ----------
    python, implementation
        Such as ``"3.11.7"`` and ``"CPython"``.
    processor, operating_system
        As `platform.machine` and `platform.system` name them; empty if they cannot tell.
    memory_total, memory_available
        Bytes, within what a container allows; None if not known.
    accelerators
        Devices by kind.
    distributions
        Pairs of a normal name (PEP 503) and a version, sorted; nothing else is offered. None: look it up here.
    modules
        Importable modules, sorted; no others are offered. None: look it up here.
    """

    python: str
    implementation: str = "CPython"
    processor: str = ""
    operating_system: str = ""
    memory_total: int | None = None
    memory_available: int | None = None
    accelerators: tuple[Accelerator, ...] = ()
    distributions: tuple[tuple[str, str], ...] | None = ()
    modules: tuple[str, ...] | None = ()

    @classmethod
    def here(
        cls,
        *,
        accelerators: Iterable[Accelerator] | None = None,
        memory: bool = True,
        root: str | os.PathLike[str] = "/",
        variables: Mapping[str, str] | None = None,
    ) -> Environment:
        """This process and its host, now.

        Parameters
        ----------
        accelerators
            What the host declares; None looks for NVIDIA's devices (see `mobility.environment.accelerators`).
        memory
            Whether to read how much there is, which takes most of the time of this call.
        root
            Where ``proc`` and the control groups are found.
        variables
            Environment variables; this process's own if None.
        """
        amount = read_memory(root) if memory else HostMemory()
        return cls(
            python=platform.python_version(),
            implementation=platform.python_implementation(),
            processor=platform.machine(),
            operating_system=platform.system(),
            memory_total=amount.total,
            memory_available=amount.available,
            accelerators=read_accelerators(root, variables) if accelerators is None else tuple(accelerators),
            distributions=None,
            modules=None,
        )

    def distribution(self, name: str) -> str | None:
        """The version of a distribution, however its name is spelled; None if it is not offered."""
        if self.distributions is None:
            return next(iter(installed_versions((name,)).values()), None)
        wanted = normal_name(name)
        return next((version for offered, version in self.distributions if normal_name(offered) == wanted), None)

    def has_module(self, name: str) -> bool:
        """Whether a module, top-level or dotted, can be imported; nothing is imported to find out."""
        return can_import(name) if self.modules is None else name in self.modules

    def offered(self, names: Iterable[str] | None = None, *, modules: Iterable[str] = ()) -> Environment:
        """The same as plain data, which answers elsewhere as this does here.

        Parameters
        ----------
        names
            The distributions to write down, as far as they are offered; None: all of them.
        modules
            Likewise modules. There is no "all": what is importable cannot be listed without end.
        """
        if self.distributions is None:
            pairs = (all_versions() if names is None else installed_versions(names)).items()
        else:
            wanted = None if names is None else {normal_name(name) for name in names}
            written = ((normal_name(name), version) for name, version in reversed(self.distributions))
            pairs = {name: version for name, version in written if wanted is None or name in wanted}.items()
        importable = sorted({name for name in modules if self.has_module(name)})
        return replace(self, distributions=tuple(sorted(pairs)), modules=tuple(importable))

    def __reduce__(self) -> tuple[Any, ...]:
        plain = self if self.distributions is not None and self.modules is not None else self.offered()
        return Environment, tuple(getattr(plain, name) for name in plain.__slots__)


def offered(
    names: Iterable[str] | None = None, *, modules: Iterable[str] | None = None, memory: bool = True
) -> Environment:
    """What this host offers now, with the versions of distributions written down.

    Parameters
    ----------
    names
        The distributions; None: all that are installed.
    modules
        Modules to write down as well; None leaves it open, so that they are looked up as long as it stays here.
    memory
        Whether to read how much there is, as for `Environment.here`.
    """
    here = Environment.here(memory=memory)
    written = here.offered(names, modules=modules or ())
    return written if modules is not None else replace(written, modules=None)
