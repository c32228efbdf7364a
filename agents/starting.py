"""`connect`: to the platform of the Ray that runs, or of one that is started for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.declared import declared_of
from agents.owning import own_identity, usual_home
from mobility.trust import Identity, PublicIdentity, TrustStore

if TYPE_CHECKING:
    from agents.place import PlaceOptions
    from agents.platform import Platform

__all__ = ["connect"]


def connect(
    address: str | None = None,
    *,
    places: Sequence[str] | int | Mapping[str, Mapping[str, Any]] | None = None,
    resources: Mapping[str, Mapping[str, Any]] | None = None,
    services: Mapping[str, Mapping[str, Callable[..., Any]]] | None = None,
    place_files: Mapping[str, str | Path] | None = None,
    environments: Mapping[str, Mapping[str, Any]] | None = None,
    extensions: Mapping[str, Mapping[str, Any]] | None = None,
    owner: Identity | None = None,
    owners: Sequence[PublicIdentity] = (),
    trusts: Mapping[str, str | Path] | None = None,
    state: str | Path | None = None,
    home: str | Path | None = None,
    lease_seconds: float = 10.0,
    options: PlaceOptions | None = None,
    ports: Sequence[int] = (0,),
    progress: Callable[[str], None] | None = None,
    timeout: float = 60.0,
) -> Platform:
    """Connect to a platform.

    The Ray that this process has initialised is used; else the one at `address`; else the one that ``RAY_ADDRESS``
    names; else three local nodes are started, and end with the connection. Each node has one place, named by its label
    ``place``. Nothing that was not started here is ever shut down.

    Parameters
    ----------
    address
        ``host:port`` of a cluster's head; ``"auto"`` for the one on this machine.
    places
        Names of the local nodes, if they have to be started, or how many; or their resources by name.
    resources
        By place (``"*"``: every place): what it offers, by name. A `agents.resources.Made` is made there.
    services
        By place (``"*"``: every place): functions that others call there, by name; each gets the place first, and
        travels there with its code.
    place_files
        By place (``"*"``: every place): a TOML file there that describes resources, services, environment, and what
        extensions are to offer.
    environments
        By place (``"*"``: every place): what it is declared to offer in the stead of what its host tells, such as
        ``{"memory": "8 GiB", "accelerators": {"cuda": 2}}``; see `agents.declared`.
    extensions
        By place (``"*"``: every place): what is given to what other packages offer at places, by the name of the
        extension; see `agents.extensions`.
    owner
        With whose key agents are launched; by default the key ``owner`` of the home folder, made if it is not there.
    owners
        Further owners whom every place is to trust.
    trusts
        By place: the folder of a list of trusted keys that counts there alone, instead of everything else.
    state
        Where the platform keeps what has to outlive its processes, on each host; by default below Ray's session.
    home
        Folder of keys and of trust; by default ``$SOJOURN_HOME``, else the usual one.
    lease_seconds
        How long a place that cannot reach the directory goes on.
    ports
        Ports at which the directory and the places listen, each at one that is free; 0: any. Empty: everything goes by
        Ray, as it does to whoever does not reach these ports.
    progress
        Gets a line for each step that takes long; by default they go to stderr. For a platform that runs already,
        everything from `resources` on but `owner` and `home` is as it was started with.
    timeout
        Seconds until all places serve.

    Raises
    ------
    mobility.errors.MobilityError
        If there is no such cluster, or it does not answer, or is of another version.
    """
    from agents._ray.cluster import reach

    def to_stderr(line: str) -> None:
        print(f"sojourn: {line}", file=sys.stderr, flush=True)

    told = progress if progress is not None else to_stderr
    offered: dict[str, Mapping[str, Any]] = dict(resources or {})
    names: Sequence[str] | int | None
    if isinstance(places, Mapping):
        offered |= places
        names = tuple(places)
    else:
        names = places
    folder = Path(home) if home is not None else usual_home()
    identity = owner if owner is not None else own_identity(folder)
    from agents._ray.actors import PlatformSettings
    from agents._ray.bootstrap import open_platform, pickled_extensions, pickled_resources
    from agents.extensions import check_extensions
    from agents.place import PlaceOptions
    from agents.placefile import check_place_file
    from agents.services import packed_services

    for place in environments or {}:
        declared_of(place, environments or {})  # before anything is started
    check_extensions(extensions or {})
    pickled = pickled_resources(offered)
    extending = pickled_extensions(extensions or {})
    packed = packed_services(services or {}, identity)
    reached = reach(address, places=names, progress=told)
    try:
        for path in (place_files or {}).values() if reached.started else ():
            check_place_file(Path(path))  # the places are on this machine: say at once what is wrong

        trust = folder / "trust"
        settings = PlatformSettings(
            state=str(state) if state is not None else None,
            lease_seconds=lease_seconds,
            owners=tuple(public.to_bytes() for public in (identity.public, *owners)),
            trust=str(trust),
            trusts={place: str(path) for place, path in (trusts or {}).items()},
            place_files={place: str(path) for place, path in (place_files or {}).items()},
            resources=pickled,
            services=packed,
            extensions=extending,
            environments={place: dict(declared) for place, declared in (environments or {}).items()},
            options=options if options is not None else PlaceOptions(),
            ports=tuple(ports),
        )
        return open_platform(
            reached,
            owner=identity,
            trust=TrustStore(trust),
            settings=settings,
            progress=told,
            timeout=timeout,
        )
    except BaseException:
        reached.close()
        raise
