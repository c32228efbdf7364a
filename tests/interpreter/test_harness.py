"""The harness itself can fail: a generator that moves wrongly, and a list that is out of date, are both noticed."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from typing import Any

import pytest

from tests.interpreter.expected import Difference, judge
from tests.interpreter.moving import StandIn
from tests.interpreter.running import Outcomes, run_suite
from tests.interpreter.suites import HOOK, is_generator_function, mark

SUITE = '''
import unittest

class Counting(unittest.TestCase):
    def test_goes_on(self):
        def count():
            yield 1
            yield 2
        counter = count()
        self.assertEqual([next(counter), next(counter)], [1, 2])

    def test_plain(self):
        self.assertEqual((lambda x=(1): x)(), 1)

__test__ = {"section": """
>>> def count():
...     yield 1
...     yield 2
>>> counter = count()
>>> next(counter), next(counter)
(1, 2)
"""}

def load_tests(loader, tests, pattern):
    return tests
'''


def outcomes(move: Callable[[Any], Any]) -> Outcomes:
    """Run the suite above with generators that are moved by `move`."""

    def hook(function: types.FunctionType) -> Any:
        if not is_generator_function(function):
            return function
        return lambda: StandIn(function(), move)

    module = types.ModuleType("resumable_sample")
    setattr(module, HOOK, hook)
    exec(compile(mark(ast.parse(SUITE)), "<sample>", "exec"), module.__dict__)
    return run_suite(module)


def test_a_move_that_loses_nothing_passes() -> None:
    """Protects: the harness adds no failure of its own."""
    result = outcomes(lambda generator: generator)
    assert not result.failed
    assert {"Counting.test_goes_on", "doctest section: next(counter), next(counter)"} <= result.passed


def test_a_move_that_starts_anew_fails() -> None:
    """Protects: a wrong move is seen, in test cases and in doctests alike."""

    def start_anew(generator: types.GeneratorType) -> Any:
        return types.FunctionType(generator.gi_code, {})()

    result = outcomes(start_anew)
    assert set(result.failed) == {"Counting.test_goes_on", "doctest section: next(counter), next(counter)"}


def test_a_failure_that_is_not_listed_is_unexpected() -> None:
    """Protects: nothing fails silently."""
    verdict = judge("test_x", "still", "3.11", ["A.test"], ["f"], differences=(), refusals=())
    assert (verdict.unexpected, verdict.refused, verdict.good) == (("A.test",), ("f",), False)


def test_a_listed_difference_that_passes_is_stale() -> None:
    """Protects: the list shrinks as soon as it can."""
    listed = [Difference("test_x", "A.test", ("still",), "for the sake of this test")]
    verdict = judge("test_x", "still", "3.11", [], [], listed, [("test_x", "f")])
    assert (verdict.stale, verdict.accepted, verdict.good) == (("A.test",), ("f",), False)


@pytest.mark.parametrize(("mode", "python"), [("pickled", "3.11"), ("still", "3.12")])
def test_a_difference_counts_only_where_it_is_listed(mode: str, python: str) -> None:
    """Protects: a difference of one mode or version excuses no other."""
    listed = [Difference("test_x", "A.test", ("still",), "for the sake of this test", ("3.11",))]
    assert judge("test_x", mode, python, ["A.test"], [], listed, ()).unexpected == ("A.test",)
    assert judge("test_x", "still", "3.11", ["A.test"], [], listed, ()).good
