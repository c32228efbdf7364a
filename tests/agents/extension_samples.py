"""Extensions of places, for tests: one that works, one that cannot be opened, one that cannot even be imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agents.errors import AgentsError
from agents.extensions import Premises


class Echo:
    """Answers with what it found; `closed` has the names of places whose extension was closed."""

    closed: list[str] = []

    def __init__(self, premises: Premises) -> None:
        self.premises = premises

    @property
    def services(self) -> Mapping[str, Callable[..., Any]]:
        return {"echo": self._echo, "key": lambda here: self.premises.identity.key_id}

    def _echo(self, here: Any, value: Any) -> Any:
        tables = [dict(table) for table, _ in self.premises.tables]
        return [here.name, self.premises.place, list(self.premises.given), tables, value]

    def close(self) -> None:
        self.closed.append(self.premises.place)
        if "rude" in self.premises.given:
            raise OSError("will not close")


class Opening:
    def __call__(self, premises: Premises) -> Echo:
        (premises.folder / "mark").write_text(premises.place)
        return Echo(premises)

    def check(self, value: Any, file: Path | None) -> None:
        if value == "wrong" or (file is not None and "wrong" in value):
            raise AgentsError("this is wrong", state="Nothing was started.", remedy="Mend it.")


class Broken(Opening):
    def __call__(self, premises: Premises) -> Echo:
        raise LookupError("no ledger here")


class Exiting(Opening):
    def __call__(self, premises: Premises) -> Echo:
        raise SystemExit(3)


echo, broken, exiting = Opening(), Broken(), Exiting()
