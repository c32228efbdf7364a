"""Functions written without a decorator, as a place finds them: made resumable by a call, found by name on arrival."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from mobility import resumable
from tests.corpus.cases import starts
from tests.corpus.record import Manager, op, say


def count(n):
    for i in range(n):
        yield i
    return "end"


def guarded():
    with Manager("m"):
        try:
            yield 1
            raise ValueError(2)
        except ValueError as error:
            yield error
        finally:
            yield 3


def delegating(n):
    yield "before"
    yield from resumable(count)(n)
    yield "after"


class Plain:
    def __init__(self, n):
        self.__n = n

    def walk(self):
        yield self.__n
        self.__n += 1
        yield self.__n

    @staticmethod
    def loose(n):
        yield n
        yield n * 2


class PlainChild(Plain):
    def walk(self):
        yield "child"
        yield __class__.__name__


starts("count", lambda: resumable(count)(3))
starts("guarded", lambda: resumable(guarded)())
starts("delegating", lambda: resumable(delegating)(2))
starts("method", lambda: resumable(Plain.walk)(Plain(3)))
starts("overriding_method", lambda: resumable(PlainChild.walk)(PlainChild(3)))
starts("static_method", lambda: resumable(Plain.loose)(3))
