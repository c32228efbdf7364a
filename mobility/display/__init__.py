"""To look at: HTML and SVG that need no script and no server, made so that nothing that is shown becomes markup."""

from mobility.display.elements import MOST_SHOWN, Child, Element, element, legible
from mobility.display.picture import Picture

__all__ = ["MOST_SHOWN", "Child", "Element", "Picture", "element", "legible"]
