"""Places: they admit agents, host and step them, offer resources.

==================  ================================================================
`Place`             one place, whatever engine it runs on                 `place`
`PlaceOptions`      how it works                                          `core`
==================  ================================================================
"""

from agents.place.core import PlaceOptions
from agents.place.place import Place

__all__ = ["Place", "PlaceOptions"]
