"""To look at: HTML and SVG that need no script and no server, made so that nothing that is shown becomes markup."""

from mobility.display.elements import MOST_SHOWN, Element, Piece, element, legible
from mobility.display.picture import Picture

__all__ = ["MOST_SHOWN", "Piece", "Element", "Picture", "element", "legible"]
