"""Classes that the tests register; with the standard library alone, so that every interpreter can import them."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from mobility.plain import Registry

registry = Registry()


@registry.named("test.Node")
@dataclasses.dataclass
class Node:
    left: Any = None
    right: Any = None


@registry.named("test.Identity")
@dataclasses.dataclass(eq=False, slots=True)
class Identity:
    """Changes, and is hashed by its identity."""

    value: Any = None


@registry.named("test.Point")
@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@registry.named("test.Colour")
class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


@registry.named("test.Level")
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@registry.named("test.Access")
class Access(enum.Flag):
    READ = 1
    WRITE = 2
