"""with: several items, managers that suppress, raise, refuse; contextmanager over a resumable generator."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import contextlib
import io
import sys

from mobility import resumable
from tests.corpus.cases import CLOSE, NEXT, case, send, throw
from tests.corpus.record import Bag, Manager, op, say


@case()
@resumable
def simple():
    with Manager("a") as inside:
        yield inside
        say("body")
        yield "more"
    yield "after"


@case()
@resumable
def without_target():
    manager = Manager("kept")
    with manager:
        yield 1
        manager.mode = "suppress"
        manager.name = "renamed"
        yield 2
        raise ValueError("suppressed by the same manager object")
    yield manager.name


@resumable
def left(mode, way):
    for i in range(2):
        with Manager(i, mode) as inside:
            got = yield inside
            if way == "return":
                return op("value")
            if way == "break":
                break
            if way == "continue":
                continue
            if way == "raise":
                raise ValueError(i)
            yield "end of body", got
        yield "after with", sys.exc_info()
    else:
        yield "else"
    yield "after loop"


for _mode in ("plain", "suppress", "raise", "raise-on-error", "same", "refuse"):
    for _way in ("fall", "return", "break", "continue", "raise"):
        case(_mode, _way, named=f"left_{_mode}_{_way}")(left)


@case()
@resumable
def several_items():
    with Manager("a") as a, Manager("b"), contextlib.nullcontext([1, 2, 3]) as (c, *d):
        yield a, c, d
    with (
        Manager("d") as d,
        Manager("e", "suppress"),
    ):
        yield d
        raise KeyError("swallowed by e")
    yield "after"


@case()
@resumable
def several_items_failing():
    try:
        with Manager("a", "raise-on-error"), Manager("b"), Manager("c", "refuse"):
            yield "never"
    except LookupError as error:
        yield error
    with Manager("x", "suppress"), Manager("y", "raise"):
        yield "body"
    yield "after"


@case()
@resumable
def yields_in_items():
    with (yield "first") or Manager("a") as a, Manager((yield "second")) as b, (yield "third") or Manager("c"):
        yield a, b
        with Manager((yield "inner")):
            yield "in"
    yield "after"


@case()
@resumable
def targets():
    bag, box = Bag(), [0, 0]
    with Manager("a") as bag.x, Manager("b") as box[(yield "index") or 0]:
        yield bag, box
    with contextlib.nullcontext((1, [2, 3])) as (a, [b, *c]):
        yield a, b, c
    with contextlib.nullcontext(5) as a:
        del a
        yield "deleted"
    yield "after"


@case()
@resumable
def target_that_fails():
    try:
        with Manager("a") as (x, y):
            yield "never: a string of another length"
    except ValueError as error:
        yield error


@case()
@resumable
def nested():
    with Manager("a"):
        with Manager("b", "suppress"):
            with Manager("c"):
                yield 1
                raise ValueError("to b")
            yield "never"
        yield 2
        try:
            with Manager("d", "raise"):
                yield 3
                raise KeyError("replaced")
        except LookupError as error:
            yield error
    yield 4


@case()
@resumable
def in_handler_and_final():
    try:
        with Manager("body"):
            yield 1
            raise ValueError("v")
    except ValueError:
        with Manager("handler", "suppress"):
            yield 2, sys.exc_info()[1]
            raise KeyError("k")
        yield 3, sys.exc_info()[1]
    finally:
        with Manager("finally"):
            yield 4
        yield 5


@case(scripts={"exit": [NEXT, CLOSE], "suppressed": [NEXT, throw(ValueError, "x"), NEXT]})
@resumable
def swallows_exit():
    with Manager("outer", "suppress"):
        with contextlib.suppress(ValueError):
            yield 1
        yield "suppressed or ended"
    yield "after"


class TypeLevel:
    """__enter__ and __exit__ are looked up on the type, before anything runs."""

    def __init__(self):
        self.__enter__ = self.__exit__ = None

    def __enter__(self):
        say("type level")
        return self

    def __exit__(self, *details):
        say(("details", details[0]))
        return []


class NoExit:
    def __enter__(self):
        say("never entered")


@case()
@resumable
def protocol():
    with TypeLevel() as level:
        yield 1
    try:
        with NoExit():
            yield "never"
    except (TypeError, AttributeError) as error:
        yield type(error)
    try:
        with (yield "no manager at all"):
            pass
    except (TypeError, AttributeError) as error:
        yield type(error)
    with TypeLevel():
        yield 2
        raise ValueError("an empty list does not suppress")


@case()
@resumable
def manager_dropped():
    with Manager("only the with holds it"):
        yield 1
        yield 2
    manager = Manager("shadowed")
    with manager as manager:
        yield manager
    yield manager


@contextlib.contextmanager
@resumable
def resource(name):
    say(("open", name))
    try:
        yield [name]
    except KeyError as error:
        say(("swallowed", error))
    finally:
        say(("close", name))


@case()
@case("raise", named="with_contextmanager_raise")
@case("key", named="with_contextmanager_key")
@resumable
def with_contextmanager(way=""):
    with resource("r") as name:
        name.append(1)
        yield name
        if way == "raise":
            raise ValueError(name)
        if way == "key":
            raise KeyError("k")
        yield "end"
    yield "after", name


@case()
@resumable
def contextmanager_nested():
    with resource("a") as a, resource("b") as b:
        yield a, b
        with resource("c") as c:
            yield c
            raise KeyError(c[0])
        yield "after c"
        raise KeyError("to b")
    yield "after all"


@contextlib.contextmanager
@resumable
def stubborn():
    try:
        yield 1
    finally:
        with Manager("inside a manager", "raise-on-error"):
            say("leaving")


@case()
@resumable
def contextmanager_that_raises():
    try:
        with stubborn():
            yield 1
            raise KeyError("x")
    except KeyError as error:
        yield error


@case()
@resumable
def string_file():
    with io.StringIO("a\nb\nc\n") as out:
        yield out.readline()
        for line in out:
            yield line, out.tell()
        out.write("end")
        yield out.getvalue()
    del out
    yield "closed"


@case()
@resumable
def exit_stack():
    with contextlib.ExitStack() as stack:
        stack.enter_context(Manager("a"))
        yield 1
        stack.enter_context(Manager("b", "suppress"))
        yield 2
        raise ValueError("to b")
    yield 3


@case()
@resumable
def own_manager_class_inside():
    class Inner:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            say(("enter", self.name, base))
            return self

        def __exit__(self, kind, error, trace):
            say(("exit", self.name, base, error))
            return kind is ValueError

    base = 1
    with Inner("a") as inner:
        yield inner.name
        base = 2
        yield
        raise ValueError
    yield type(inner) is Inner


@case()
@resumable
def loop_of_managers():
    for i in range(2):
        with Manager(("a", i)):
            for j in range(2):
                with Manager(("b", i, j), "suppress"):
                    yield i, j
                    if j:
                        break
                    raise ValueError(i)
            else:
                yield "never"
        yield "end", i
