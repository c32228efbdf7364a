"""What the pyproject.toml of a Flower app says, read strictly."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from federated.apperrors import AppInvalid, RunConfigInvalid

__all__ = ["AppConfig", "Setting", "flattened"]

#: What a run config and a node config may hold.
Setting = bool | int | float | str
_REFERENCE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@dataclass(frozen=True, slots=True)
class AppConfig:
    """Names, components and settings of an app.

    Attributes
    ----------
    publisher, name, version
        What the app is called.
    serverapp, clientapp
        ``module:attribute`` of its two parts.
    dependencies
        What it says it needs, as requirements.
    settings
        Its run config, with the names of nested tables joined by dots.
    """

    publisher: str
    name: str
    version: str
    serverapp: str
    clientapp: str
    dependencies: tuple[str, ...]
    settings: Mapping[str, Setting]

    @staticmethod
    def parse(data: bytes) -> dict[str, Any]:
        """The TOML as it is.

        Raises
        ------
        AppInvalid
        """
        try:
            return tomllib.loads(data.decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise AppInvalid(f"its pyproject.toml cannot be read: {error}") from None

    @classmethod
    def read(cls, data: bytes, files: Collection[str]) -> AppConfig:
        """Read it, and see that the modules which it names are among `files`.

        Raises
        ------
        AppInvalid
        """
        whole = cls.parse(data)
        project = _table(whole, "project")
        app = _table(whole, "tool", "flwr", "app")
        components = _table(whole, "tool", "flwr", "app", "components")
        references = {}
        for part in ("serverapp", "clientapp"):
            reference = _text(components, part, "tool.flwr.app.components")
            if not _REFERENCE.fullmatch(reference):
                raise AppInvalid(f"{part} = {reference!r} in its pyproject.toml is not of the form module:attribute")
            module = reference.partition(":")[0].replace(".", "/")
            if f"{module}.py" not in files and f"{module}/__init__.py" not in files:
                raise AppInvalid(f"its {part} is {reference!r}, and there is no {module}.py among its files")
            references[part] = reference
        needs = project.get("dependencies", [])
        if type(needs) is not list or not all(type(need) is str for need in needs):
            raise AppInvalid("project.dependencies in its pyproject.toml is no list of texts")
        return cls(
            _text(app, "publisher", "tool.flwr.app"),
            _text(project, "name", "project"),
            _text(project, "version", "project"),
            references["serverapp"],
            references["clientapp"],
            tuple(needs),
            flattened(_table(app, "config") if "config" in app else {}),
        )

    def with_overrides(self, overrides: Mapping[str, Any]) -> dict[str, Setting]:
        """Its settings, with others in their place, as ``flwr run --run-config`` has it.

        Raises
        ------
        RunConfigInvalid
            For one that the app does not have.
        """
        try:
            given = flattened(overrides)
        except AppInvalid as error:
            raise RunConfigInvalid(error.reason) from None
        unknown = sorted(given.keys() - self.settings.keys())
        if unknown:
            known = ", ".join(self.settings) or "none"
            raise RunConfigInvalid(f"the app has no setting {unknown[0]!r}", remedy=f"Its settings are: {known}.")
        return {**self.settings, **given}


def _table(whole: Mapping[str, Any], *path: str) -> dict[str, Any]:
    value: Any = whole
    for name in path:
        value = value.get(name)
        if type(value) is not dict:
            raise AppInvalid(f"its pyproject.toml has no [{'.'.join(path)}]")
    return dict(value)


def _text(table: Mapping[str, Any], name: str, where: str) -> str:
    value = table.get(name)
    if type(value) is not str or not value.strip():
        raise AppInvalid(f"its pyproject.toml has no {name} in [{where}]")
    return value


def flattened(nested: Mapping[str, Any], within: str = "") -> dict[str, Setting]:
    """Nested tables as one, with their names joined by dots.

    Raises
    ------
    AppInvalid
        For a value that is no truth value, number or text.
    """
    result: dict[str, Setting] = {}
    for name, value in nested.items():
        full = f"{within}.{name}" if within else name
        if isinstance(value, Mapping):
            result.update(flattened(value, full))
        elif type(value) in (bool, int, float, str) and not (type(value) is float and math.isnan(value)):
            result[full] = value
        else:
            raise AppInvalid(f"the setting {full} is {value!r}, and settings are truth values, numbers and texts")
    return result
