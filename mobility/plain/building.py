"""The order in which objects that cannot be changed are built: members first, without recursion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mobility.plain.wire import Reader

__all__ = ["Build", "build_all"]


class Build(NamedTuple):
    """An object that can only be made when its members exist: where it is described, their nodes, and how."""

    offset: int
    references: Sequence[int]
    make: Callable[[list[Any]], Any]


def build_all(values: list[Any], builds: dict[int, Build], reader: Reader) -> None:
    """Put each object of `builds` into `values`, and take it out of `builds`.

    A member has a greater number than what it was found in, unless it was found elsewhere before: so going backwards
    nearly all are ready at once.
    """
    get = values.__getitem__
    for number in sorted(builds, reverse=True):
        if number not in builds:
            continue
        stack = [number]
        opened: set[int] = set()
        while stack:
            at = stack[-1]
            build = builds.get(at)
            if build is None:
                stack.pop()
            elif builds.keys().isdisjoint(build.references):
                reader.at = build.offset
                values[at] = build.make(list(map(get, build.references)))
                del builds[at]
                stack.pop()
            else:
                opened.add(at)
                missing = builds.keys() & set(build.references)
                if not opened.isdisjoint(missing):
                    raise reader.invalid("a cycle of immutable objects, which cannot be built", build.offset)
                stack.extend(missing)
