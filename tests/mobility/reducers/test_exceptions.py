"""An exception that moved says, holds and chains what the original does."""

from __future__ import annotations

import copyreg
import json
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.testing.interpreters import Interpreter, found
from tests.mobility.reducers.moving import move, namespace, pack

ROOT = Path(__file__).parents[3]


class Keyword(Exception):
    """A constructor that pickle's own form cannot call."""

    def __init__(self, *, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Needy(Exception):
    def __new__(cls, one: int, two: int) -> Needy:
        return super().__new__(cls, one, two)

    def __init__(self, one: int, two: int) -> None:
        self.total = one + two


class Slotted(ValueError):
    __slots__ = ("where",)


class Told(Exception):
    """Says itself how it is pickled."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__("told")
        self.left, self.right = left, right

    def __reduce__(self) -> Any:
        return Told, (self.left, self.right), {"extra": "state"}


class ToldEx(Exception):
    def __reduce_ex__(self, protocol: Any) -> Any:
        return ToldEx, (protocol,)


class Stateful(Exception):
    def __getstate__(self) -> Any:
        return {"kept": self.kept}

    def __setstate__(self, state: Any) -> None:
        self.kept = state["kept"] + 1


class Registered(Exception):
    pass


class Failing(OSError):
    def __init__(self, *_: Any) -> None:
        raise AssertionError("the constructor was run")


class Both(KeyError, AttributeError):
    pass


class Several(ExceptionGroup[Exception]):
    def __new__(cls, errors: list[Exception]) -> Several:
        return super().__new__(cls, "several", errors)

    def __init__(self, errors: list[Exception]) -> None:
        self.count = len(errors)


def raised(action: Any, *arguments: Any) -> BaseException:
    try:
        action(*arguments)
    except BaseException as error:
        return error.with_traceback(None)
    raise AssertionError("nothing was raised")


def told(error: BaseException | None, seen: tuple[int, ...] = ()) -> Any:
    """Tell all that can be compared of an exception and its chain."""
    if error is None or id(error) in seen:
        return error and len(seen)
    seen = (*seen, id(error))
    names = {name for kind in type(error).__mro__ for name in vars(kind) if not name.startswith("_")}
    fields = {}
    for name in sorted(names - {"args", "exceptions", "with_traceback", "add_note", "derive", "split", "subgroup"}):
        try:
            fields[name] = getattr(error, name)
        except (AttributeError, TypeError):
            fields[name] = "none"
    inner = [told(one, seen) for one in error.exceptions] if isinstance(error, BaseExceptionGroup) else repr(error.args)
    return [
        type(error),
        str(error),
        inner,
        repr(fields),
        {name: value for name, value in vars(error).items() if name != "obj"},
        told(error.__cause__, seen),
        told(error.__context__, seen),
        error.__suppress_context__,
    ]


def _changed() -> OSError:
    error = OSError(2, "no", "a")
    error.filename, error.errno = "b", 7
    return error


def _syntax(source: str) -> Any:
    error = raised(compile, source, "somewhere.py", "exec")
    return error


def _blocking() -> BlockingIOError:
    return BlockingIOError(11, "later", 3)


MAKERS: dict[str, Any] = {
    "plain": lambda: ValueError("text", 1),
    "no arguments": lambda: KeyboardInterrupt(),
    "key": lambda: raised({}.__getitem__, "missing"),
    "os": lambda: raised(open, "/does/not/exist"),
    "os two names": lambda: OSError(2, "no", "a", None, "b"),
    "os one argument": lambda: OSError("only text"),
    "os none": lambda: OSError(),
    "os changed": _changed,
    "os subclass": lambda: ConnectionResetError(104, "reset"),
    "blocking": _blocking,
    "exit": lambda: SystemExit(3),
    "exit none": lambda: SystemExit(),
    "stop": lambda: StopIteration([1, 2]),
    "stop async": lambda: StopAsyncIteration("x"),
    "decode": lambda: raised(b"\xff".decode, "utf-8"),
    "encode": lambda: raised("\ud800".encode, "utf-8"),
    "translate": lambda: UnicodeTranslateError("abc", 1, 2, "why"),
    "syntax": lambda: _syntax("a b\n"),
    "indentation": lambda: _syntax("if 1:\nx"),
    "import": lambda: raised(__import__, "no_such_module"),
    "import name": lambda: ImportError("text", name="n", path="p"),
    "attribute": lambda: raised(getattr, "text", "missing"),
    "name": lambda: raised(eval, "missing"),
    "unbound": lambda: UnboundLocalError("text"),
    "unstable": lambda: RecursionError(),
    "group": lambda: ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [OSError(2, "x", "y")])]),
    "base group": lambda: BaseExceptionGroup("g", [KeyboardInterrupt()]),
    "keyword": lambda: Keyword(code=3, text="x"),
    "needy": lambda: Needy(1, 2),
    "multiple": lambda: Both("k"),
    "several": lambda: Several([ValueError(1)]),
}


def chained(error: BaseException) -> BaseException:
    error.add_note("one")
    error.add_note("two")
    error.__context__ = KeyError("context")
    error.__cause__ = Keyword(code=1, text="cause")
    error.__cause__.__context__ = LookupError("deeper")
    return error


@pytest.mark.parametrize("chain", [False, True])
@pytest.mark.parametrize("name", MAKERS)
def test_everything_is_kept(name: str, chain: bool) -> None:
    # Protects: class, text, args, the fields kept in C, attributes, notes and chain; and the original.
    error = chained(MAKERS[name]()) if chain else MAKERS[name]()
    before = told(error)
    again = move(error)
    assert told(error) == before
    assert told(again) == before
    assert told(move(again)) == before
    assert again.__traceback__ is None


@pytest.mark.parametrize("make", [lambda: Told(1, 2), lambda: ToldEx(5), lambda: raised(json.loads, "{")])
def test_a_class_that_says_itself_how_it_is_pickled(make: Any) -> None:
    # Protects: its word is taken for arguments and attributes; notes and chain, of which it knows nothing, are added.
    error = chained(make())
    error.extra = "state"
    again = move(error)
    assert (again.args, str(again), again.__notes__) == (error.args, str(error), ["one", "two"])
    assert told(again.__cause__) == told(error.__cause__)
    assert told(again.__context__) == told(error.__context__)
    assert getattr(again, "extra", None) == ("state" if isinstance(error, Told) else None)
    assert told(move(make())) == told(pickle.loads(pickle.dumps(make(), 5)))


@pytest.mark.parametrize("name", MAKERS)
def test_plain_pickle_forgets(name: str) -> None:
    # Protects: against a comparison that sees nothing. Without the reducers each chained exception differs.
    error = chained(MAKERS[name]())
    try:
        again = pickle.loads(pickle.dumps(error))
    except TypeError:
        return
    assert told(again) != told(error)


def test_suppressed_context() -> None:
    # Protects: `raise ... from None`, and a cause whose flag was cleared again.
    error = ValueError()
    error.__context__ = KeyError()
    error.__suppress_context__ = True
    again = move(error)
    assert (again.__suppress_context__, again.__cause__, type(again.__context__)) == (True, None, KeyError)
    error.__cause__ = TypeError()
    error.__suppress_context__ = False
    again = move(error)
    assert (again.__suppress_context__, type(again.__cause__)) == (False, TypeError)


def test_cycles() -> None:
    # Protects: identity and cycles in the chain, through arguments, attributes and groups.
    first, second = ValueError(1), KeyError(2)
    first.__cause__, second.__context__ = second, first
    again = move(first)
    assert again.__cause__.__context__ is again

    error = ValueError()
    error.args = ([error], error)
    error.me = error  # type: ignore[attr-defined]
    again = move(error)
    assert again.args[0][0] is again is again.args[1] is again.me

    inner = KeyError("inner")
    group = ExceptionGroup("g", [inner])
    inner.__context__ = group
    again = move(group)
    assert again.exceptions[0].__context__ is again
    again = move(inner)
    assert again.__context__.exceptions[0] is again

    both = move(namespace(first=first, same=first, second=second))
    assert both.first is both.same is both.second.__context__


def test_long_chain() -> None:
    # Protects: a chain as a retry loop makes it.
    error: BaseException = ValueError(0)
    for number in range(1, 60):
        outer = ValueError(number)
        outer.__context__ = error
        error = outer
    again: BaseException | None = move(error)
    seen = 0
    while again is not None:
        seen, again = seen + 1, again.__context__
    assert seen == 60


def test_constructor_is_not_run() -> None:
    # Protects: a constructor with effects or other arguments than `args`.
    error = OSError.__new__(Failing, 1)
    error.errno, error.strerror = 5, "five"
    again = move(error)
    assert (type(again), again.errno, str(again)) == (Failing, 5, "[Errno 5] five")


def test_slots_and_states() -> None:
    # Protects: attributes in slots, and the hooks of the class where it has them.
    error = Slotted("x")
    error.where, error.also = 3, 4  # type: ignore[attr-defined]
    again = move(error)
    assert (again.where, again.also, again.args) == (3, 4, ("x",))
    assert not hasattr(move(Slotted()), "where")

    stateful = Stateful("x")
    stateful.kept, stateful.lost = 1, 2
    again = move(stateful)
    assert (again.kept, hasattr(again, "lost"), again.args) == (2, False, ("x",))


def make_registered(text: str) -> Registered:
    return Registered(text, "by copyreg")


def test_copyreg(monkeypatch: pytest.MonkeyPatch) -> None:
    # Protects: a reduction registered for the class is used, with the chain on top.
    def reduce(error: Registered) -> Any:
        return make_registered, (error.args[0],)

    monkeypatch.setitem(copyreg.dispatch_table, Registered, reduce)
    error = Registered("x")
    error.__cause__ = KeyError("why")
    again = move(error)
    assert again.args == ("x", "by copyreg")
    assert again.__cause__.args == ("why",)


def test_object_of_an_attribute_error() -> None:
    # Protects: what lacked the attribute moves along, with its identity; unless it is known that it cannot.
    holder = namespace(x=1)
    error = raised(getattr, holder, "y")
    again = move([error, holder])
    assert again[0].obj is again[1]
    error = raised(getattr, threading.Lock(), "y")
    again = move(error)
    assert (again.name, again.obj) == ("y", None)


def test_short_where_nothing_is_to_say() -> None:
    # Protects: the size of the ordinary case.
    assert pack(ValueError("text")) == pickle.dumps(ValueError("text"), 5)


def test_renamed_class_of_re() -> None:
    # Protects: 3.13 names this class re.PatternError, of which 3.11 does not know.
    error = raised(re.compile, "(")
    data = pack(error)
    assert b"PatternError" not in data
    again = pickle.loads(data)
    assert (type(again), str(again), again.pos) == (re.error, str(error), 0)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.tuples(inner, inner)),
    st.text(),
)
def test_any_arguments(argument: Any, note: str) -> None:
    # Protects: the law, for whatever stands in the arguments and notes.
    for error in (ValueError(argument), KeyError(argument, argument), SystemExit(argument), StopIteration(argument)):
        error.add_note(note)
        assert told(move(error)) == told(error)


MATRIX_PROGRAM = """
import pickle, sys
from tests.mobility.reducers.moving import pack
errors = pickle.load(sys.stdin.buffer)
text = repr([(type(e).__name__, str(e), repr(e.__context__), repr(e.__cause__), e.__notes__) for e in errors])
sys.stdout.buffer.write(pickle.dumps((text, pack(errors))))
"""


@pytest.mark.parametrize("there", [other for other in found() if other.minor <= (3, 13)], ids=str)
def test_other_versions_know_them(there: Interpreter) -> None:
    # Protects: the form is the same on all versions: there and back again.
    local = {"keyword", "needy", "multiple", "several"}
    errors = [MAKERS[name]() for name in MAKERS if name not in local]
    errors.append(raised(re.compile, "("))
    for error in errors:
        error.add_note("note")
        error.__context__ = KeyError("context")
        error.__cause__ = OSError(2, "cause", "file")
    done = subprocess.run(
        [there.path, "-W", "error", "-c", MATRIX_PROGRAM],
        input=pack(errors),
        capture_output=True,
        env=there.environment(ROOT),
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    text, data = pickle.loads(done.stdout)
    expected = repr([(type(e).__name__, str(e), repr(e.__context__), repr(e.__cause__), e.__notes__) for e in errors])
    assert text.replace("PatternError", "error") == expected.replace("PatternError", "error")
    for again, error in zip(pickle.loads(data), errors, strict=True):
        assert told(again) == told(error)


def test_this_interpreter_is_among_those_found() -> None:
    # Protects: against a matrix that is empty without anyone noticing.
    assert any(other.minor == sys.version_info[:2] for other in found())
