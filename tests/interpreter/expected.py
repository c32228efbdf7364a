"""The tests that are expected to end otherwise than on native functions, each with its reason, and the verdict.

Anything that is not listed must pass. Anything that is listed must fail: one that passes is *stale*, and its line has
to go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["DIFFERENCES", "UNDECORATED", "Difference", "Verdict", "judge"]

STILL, REFERENCE, PICKLED = "still", "reference", "pickled"
ALL = (STILL, REFERENCE, PICKLED)
MOVED = (REFERENCE, PICKLED)
PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True, slots=True)
class Difference:
    """A test that fails, where, and why that is right."""

    suite: str
    test: str
    modes: tuple[str, ...]
    reason: str
    pythons: tuple[str, ...] = PYTHONS


_TYPE = "type() sees the class of the harness's stand-in; in mode still, where there is none, this passes"
_STACK = "looks at the stack, where frames of the harness's stand-in stand between those of the suite"

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "test_generators",
        "GeneratorTest.test_pickle",
        ALL,
        "asserts that a generator cannot be pickled; to make that possible is what mobility is for",
    ),
    Difference("test_generators", "GeneratorStackTraceTest.test_send_with_yield_from", MOVED, _STACK),
    Difference("test_generators", "GeneratorStackTraceTest.test_throw_with_yield_from", MOVED, _STACK),
    Difference(
        "test_generators",
        "doctest coroutine: levels",
        MOVED,
        "counts the levels of a traceback, in which throw() of the harness's stand-in is one more",
    ),
    Difference("test_generators", "doctest coroutine: type(f())", MOVED, _TYPE),
    Difference("test_generators", "doctest coroutine: type(g)", MOVED, _TYPE),
    Difference("test_generators", "doctest email: type(i)", MOVED, _TYPE),
    Difference("test_generators", "doctest syntax: type(f())", MOVED, _TYPE),
    Difference(
        "test_generators",
        "doctest syntax: g.gi_code is f.__code__",
        MOVED,
        "f is the harness's function that makes the stand-in, whose code is not that of the generator",
    ),
    Difference(
        "test_generators",
        "SignalAndYieldFromTest.test_raise_and_yield_from",
        MOVED,
        "hands the generator to a helper in C, which takes no stand-in",
    ),
    Difference(
        "test_generators",
        "YieldFromTests.test_generator_gi_yieldfrom",
        (REFERENCE,),
        "a delegate has a stand-in, so it is foreign to mobility, and gi_yieldfrom shows the relay before it",
    ),
    Difference(
        "test_yield_from",
        "TestInterestingEdgeCases.test_close_and_throw_yield",
        (PICKLED,),
        "a finally block yields, so the exception for which it was entered is pickled; the test asks whether it is "
        "the very object that was thrown",
        ("3.12", "3.13"),
    ),
)

UNDECORATED: Mapping[tuple[str, str], str] = {
    ("test_generators", "GeneratorTest.test_ag_frame_f_back.<locals>.f, async def f():"): (
        "an asynchronous generator: it belongs to an event loop, and mobility leaves those out"
    ),
    ("test_generators", "f, def f(): lambda x=(yield): 1"): (
        "a yield in a default expression, one of the constructs that are refused by design"
    ),
}
"""Functions, by suite, name and first line, that :func:`mobility.resumable` is to refuse, with the reason."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a run; nothing is if all fields are empty.

    Attributes
    ----------
    unexpected
        Tests that failed and are not listed.
    stale
        Listed tests that did not fail, whether they passed, were skipped or are not there.
    refused
        Functions refused at decoration that are not listed.
    accepted
        Functions listed as refused that were not.
    """

    unexpected: tuple[str, ...]
    stale: tuple[str, ...]
    refused: tuple[str, ...]
    accepted: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.unexpected or self.stale or self.refused or self.accepted)


def judge(
    suite: str,
    mode: str,
    python: str,
    failed: Iterable[str],
    undecorated: Iterable[str],
    differences: Iterable[Difference] = DIFFERENCES,
    refusals: Iterable[tuple[str, str]] = tuple(UNDECORATED),
) -> Verdict:
    """Compare a run with what is expected of it.

    Parameters
    ----------
    suite, mode, python
        Which run; `python` is a minor version such as ``"3.12"``.
    failed, undecorated
        The tests that failed, and the functions that were refused at decoration.
    """
    listed = {d.test for d in differences if d.suite == suite and mode in d.modes and python in d.pythons}
    to_refuse = {function for where, function in refusals if where == suite}
    failed, undecorated = set(failed), set(undecorated)
    return Verdict(
        unexpected=tuple(sorted(failed - listed)),
        stale=tuple(sorted(listed - failed)),
        refused=tuple(sorted(undecorated - to_refuse)),
        accepted=tuple(sorted(to_refuse - undecorated)),
    )
