"""Runs a marked suite and notes what became of every test and of every doctest example."""

from __future__ import annotations

import doctest
import traceback
import types
import unittest
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.interpreter.suites import compiled_examples

__all__ = ["Outcomes", "run_suite"]


@dataclass
class Outcomes:
    """What became of the tests of one suite.

    Attributes
    ----------
    passed, skipped
        Test ids: ``Class.method``, or ``doctest SECTION: FIRST LINE OF THE EXAMPLE``.
    failed
        The same, with the report of each failure. Examples of one section that begin alike share an id, which has
        failed if one of them has.
    """

    passed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def note_failure(self, test: str, report: str) -> None:
        self.failed[test] = f"{self.failed[test]}\n{report}" if test in self.failed else report
        self.passed.discard(test)

    def note_success(self, test: str) -> None:
        if test not in self.failed:
            self.passed.add(test)


class _Result(unittest.TestResult):
    """A unittest result that fills an :class:`Outcomes`."""

    def __init__(self, outcomes: Outcomes, module: str, finished: Callable[[], None]) -> None:
        super().__init__()
        self._outcomes = outcomes
        self._prefix = f"{module}."
        self._finished = finished

    def _name(self, test: Any) -> str:
        return str(test.id()).removeprefix(self._prefix)

    def _failed(self, test: Any, error: Any) -> None:
        self._outcomes.note_failure(self._name(test), "".join(traceback.format_exception(*error)))

    def addError(self, test: Any, err: Any) -> None:
        self._failed(test, err)

    def addFailure(self, test: Any, err: Any) -> None:
        self._failed(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self._failed(test, err)

    def addUnexpectedSuccess(self, test: Any) -> None:
        self._outcomes.note_failure(self._name(test), "passed, against the suite's own expectation")

    def addSkip(self, test: Any, reason: str) -> None:
        self._outcomes.skipped.add(self._name(test))

    def addSuccess(self, test: Any) -> None:
        self._outcomes.note_success(self._name(test))

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self._outcomes.note_success(self._name(test))

    def stopTest(self, test: Any) -> None:
        super().stopTest(test)
        self._finished()


class _Examples(doctest.DocTestRunner):
    """A doctest runner that fills an :class:`Outcomes`, example by example."""

    def __init__(self, outcomes: Outcomes) -> None:
        super().__init__(verbose=False)
        self._outcomes = outcomes

    def _name(self, test: doctest.DocTest, example: doctest.Example) -> str:
        section = test.name.rpartition(".")[2]
        return f"doctest {section}: {example.source.splitlines()[0]}"

    def report_start(self, out: Any, test: Any, example: Any) -> None:
        pass

    def report_success(self, out: Any, test: Any, example: Any, got: str) -> None:
        self._outcomes.note_success(self._name(test, example))

    def report_failure(self, out: Any, test: Any, example: Any, got: str) -> None:
        report = f"{example.source}expected:\n{example.want}got:\n{got}"
        self._outcomes.note_failure(self._name(test, example), report)

    def report_unexpected_exception(self, out: Any, test: Any, example: Any, exc_info: Any) -> None:
        report = f"{example.source}" + "".join(traceback.format_exception(*exc_info))
        self._outcomes.note_failure(self._name(test, example), report)


def run_suite(module: types.ModuleType, finished: Callable[[], None] = lambda: None) -> Outcomes:
    """Run the test cases of `module`, then its doctests.

    Parameters
    ----------
    module
        A suite made by :func:`tests.interpreter.suites.load`.
    finished
        Called after each test case and each doctest.
    """
    outcomes = Outcomes()
    loader = unittest.TestLoader()
    result = _Result(outcomes, module.__name__, finished)
    for value in list(vars(module).values()):
        # Not loadTestsFromModule: a suite's load_tests() adds its doctests, and those are run example by example below.
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == module.__name__:
            loader.loadTestsFromTestCase(value).run(result)
    runner = _Examples(outcomes)
    with compiled_examples():
        # A suite that has doctests says so by adding them in load_tests(); other docstrings are prose.
        for test in doctest.DocTestFinder().find(module) if hasattr(module, "load_tests") else ():
            runner.run(test, out=lambda text: None)
            finished()
    return outcomes
