"""Methods of each kind, properties and context managers: the descriptors stay what they are, the generators move."""

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any

import pytest

from mobility import resumable
from tests.mobility.resumable.helpers import move


class Methods:
    base = 10

    @resumable
    def plain(self, n):
        yield self.base + n
        yield self.base - n

    @resumable
    @classmethod
    def below_class(cls, n):
        yield cls.base + n
        yield cls.base - n

    @classmethod
    @resumable
    def above_class(cls, n):
        yield cls.base + n
        yield cls.base - n

    @resumable
    @staticmethod
    def below_static(n):
        yield 10 + n
        yield 10 - n

    @staticmethod
    @resumable
    def above_static(n):
        yield 10 + n
        yield 10 - n

    @property
    @resumable
    def stepping(self):
        yield self.base + 1
        yield self.base - 1

    @functools.cached_property
    @resumable
    def kept(self):
        yield self.base + 1
        yield self.base - 1

    @contextlib.contextmanager
    @resumable
    def entered(self, n):
        yield self.base + n

    def __iter__(self):
        yield self.base + 1
        yield self.base - 1

    __iter__ = resumable(__iter__)


@pytest.mark.parametrize("name", ["plain", "below_class", "above_class", "below_static", "above_static"])
@pytest.mark.parametrize("owner", ["instance", "class"])
def test_methods_of_each_kind_move(name: str, owner: str) -> None:
    """In either order with classmethod and staticmethod; the descriptors stay what they are."""
    wanted = {"below_class": classmethod, "above_class": classmethod, "below_static": staticmethod,
              "above_static": staticmethod}.get(name, types.FunctionType)  # fmt: skip
    assert type(vars(Methods)[name]) is wanted
    arguments = (Methods(), 1) if (owner, name) == ("class", "plain") else (1,)
    generator = getattr(Methods() if owner == "instance" else Methods, name)(*arguments)
    assert next(generator) == 11
    assert list(move(generator)) == [9]


@pytest.mark.parametrize("get", [lambda m: m.stepping, lambda m: m.kept, iter], ids=["property", "cached", "iter"])
def test_generators_made_by_descriptors_move(get: Callable[[Any], Any]) -> None:
    """Properties, cached properties and special methods."""
    generator = get(Methods())
    assert next(generator) == 11
    assert list(move(generator)) == [9]


def test_a_context_manager_over_it_works() -> None:
    """@contextmanager above @resumable: a usual with statement; its generator moves."""
    with Methods().entered(5) as value:
        assert value == 15
    manager = Methods().entered(6)
    assert next(move(manager.gen)) == 16
