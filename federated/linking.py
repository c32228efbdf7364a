"""The link to data nodes at the places of a platform: each request is a call of the place's service ``federated``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.errors import ExtensionUnusable, PlaceUnreachable, ResourceFileInvalid, UnknownService
from agents.platform import Platform
from federated.apperrors import NodeUnreachable
from federated.messages import pack_message
from federated.placed import SERVICE
from mobility.trust import Identity

__all__ = ["PlatformNodes"]

#: What a place answers that has no data node, or none that could be opened: it is there, and refuses.
_REFUSALS = (UnknownService, ExtensionUnusable, ResourceFileInvalid)


class PlatformNodes:
    """Data nodes at places.

    Parameters
    ----------
    platform
        As `agents.connect` gives it.
    places
        Those that might take part; by default all that there are now.

    Examples
    --------
    ::

        with connect(address) as platform:
            result = run_app(app, nodes=PlatformNodes(platform, ["oslo", "lima"]), author=ada)
    """

    def __init__(self, platform: Platform, places: Iterable[str] | None = None) -> None:
        self._platform = platform
        self._places = tuple(places) if places is not None else tuple(sorted(one.name for one in platform.places()))
        if isinstance(places, str):
            raise TypeError("places are a list of names, not one text")

    @property
    def asker(self) -> Identity | None:
        """Who has connected to the platform, and is trusted by its places."""
        return self._platform.client.owner

    def nodes(self) -> Sequence[str]:
        """The places, in the order in which they were given."""
        return self._places

    def ask(self, node: str, request: bytes, timeout: float) -> bytes:
        """What the place's data node answers.

        Raises
        ------
        NodeUnreachable
        """
        if timeout <= 0:
            raise NodeUnreachable(node, "no time is left for it")
        try:
            answer = self._platform.call(node, SERVICE, request, timeout=timeout)
        except _REFUSALS as error:
            why = "no-data-node" if isinstance(error, UnknownService) else error.slug
            return pack_message("refused", why=why, reason=str(error))
        except PlaceUnreachable as error:
            raise NodeUnreachable(node, error.problem) from error
        except Exception as error:  # also whatever the service has raised there
            raise NodeUnreachable(node, f"{type(error).__name__}: {error}") from error
        if type(answer) is not bytes:
            raise NodeUnreachable(node, f"it answers a {type(answer).__qualname__}")
        return answer
