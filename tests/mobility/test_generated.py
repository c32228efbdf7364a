"""Functions generated from a grammar of statements, moved at every suspension point, do what they do natively.

The ordinary run is short and always tries the same examples. `HYPOTHESIS_PROFILE=thorough`, as `make chaos` has it,
looks for new ones, for several minutes.
"""

import linecache
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

import mobility
from tests.corpus.cases import CLOSE, NEXT, Operation, Script, send, throw, throw_class
from tests.support.driver import compare, move, run, stay
from tests.support.grammar import sources

COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
PROFILES = {
    # Shrinking a failure takes minutes: it is left to the thorough form.
    "default": settings(
        max_examples=75,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        report_multiple_bugs=False,
        **COMMON,
    ),
    "thorough": settings(max_examples=5000, print_blob=True, phases=[Phase.generate, Phase.shrink], **COMMON),
}
PROFILE = PROFILES["thorough" if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else "default"]

STEPS = 12
NAME = "tests_generated_function"
FILE = f"<{NAME}>"

operations = st.sampled_from(
    [
        NEXT,
        NEXT,
        NEXT,
        send(1),
        send(0),
        send([4, "x"]),
        throw(ValueError, "thrown"),
        throw(KeyError, "thrown"),
        throw(OSError, 5, "thrown"),
        throw_class(GeneratorExit),
        throw(StopIteration, 3),
        CLOSE,
    ]
)


@contextmanager
def loaded(source: str) -> Iterator[tuple[Callable[[], Any], Callable[[], Any]]]:
    """The generated function, native and resumable, where `loads` and tracebacks find its module and source."""
    module = types.ModuleType(NAME)
    native = types.ModuleType(NAME)
    native.__file__ = module.__file__ = FILE
    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # generated code says odd things, such as `assert (x, y)`
        code = compile(source, FILE, "exec", dont_inherit=True)
        sys.modules[NAME] = module
        try:
            exec(code, module.__dict__)
            original = mobility.resumable
            mobility.resumable = lambda function: function  # type: ignore[assignment]
            try:
                exec(code, native.__dict__)
            finally:
                mobility.resumable = original
            yield native.generated, module.generated
        finally:
            del sys.modules[NAME], linecache.cache[FILE]


@PROFILE
@given(source=sources(), script=st.lists(operations, min_size=1, max_size=STEPS))
def test_generated_function(source: str, script: list[Operation]) -> None:
    """No nesting of statements makes a moved generator differ from the native one."""
    note(source)
    nexts: Script = (NEXT,) * STEPS
    sends: Script = (NEXT, *(send(number % 2) for number in range(STEPS)))
    with loaded(source) as (native, moving):
        for given_script in (nexts, sends, tuple(script)):
            expected = run(native, given_script)
            compare(expected, run(moving, given_script, stay), f"unmoved, {given_script}")
            compare(expected, run(moving, given_script, move), f"moved, {given_script}")


def test_the_grammar_reaches_every_statement() -> None:
    """Protects against a grammar that, after some change, no longer writes what it is there to write."""
    wanted = ["for ", "while ", "try:", "except ", "except* ", "finally:", "else:", "with ", "match ", "case "]
    wanted += ["yield from", "return ", "break", "continue", "raise", "del ", "assert ", "elif ", ":=", "lambda"]
    text = ""

    @settings(max_examples=60, derandomize=True, phases=[Phase.generate], **COMMON)
    @given(source=sources())
    def collect(source: str) -> None:
        nonlocal text
        text += source
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            compile(source, "<generated>", "exec")

    collect()
    assert [part for part in wanted if part not in text] == []
