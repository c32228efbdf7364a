"""What a reducer raises for a value that cannot move."""

from __future__ import annotations


class Refused(Exception):
    """A value cannot move; the capture adds the variable's name, its line and its type.

    Parameters
    ----------
    what : str
        What was met, as a noun phrase: ``"a lock"``.
    remedy : str
        What to do instead, as a full sentence.

    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} cannot move. {self.remedy}"
