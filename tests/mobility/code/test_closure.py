"""What travels of a project: all that a unit uses, nothing that it does not, and it works where it arrives."""

from __future__ import annotations

import sys
import types

import pytest

from mobility.code import Root, SourceMissing, close
from tests.mobility.code.conftest import Project

# Each: files, then the module and the function that is shipped; it takes no argument, and what it returns here it must
# return there.
CASES: dict[str, dict[str, str]] = {
    "plain function": {"top": "def go(): return 1 + 2"},
    "helper functions": {
        "top": "def a(): return b() + 1\ndef b(): return c()\ndef c(): return 3\ndef go(): return a()",
    },
    "mutual recursion": {
        "top": """
            from other import odd
            def even(n): return n == 0 or odd(n - 1)
            def go(): return even(10), even(7)
        """,
        "other": """
            import top
            def odd(n): return n != 0 and top.even(n - 1)
        """,
    },
    "module constants": {
        "top": """
            LIMIT = 3
            NAMES = ("a", "b")
            OFFSET: int = -LIMIT_OF if (LIMIT_OF := 4) else 0
            TABLE = {"a": 1}
            TABLE["b"] = 2
            def go(): return LIMIT, NAMES, OFFSET, TABLE
        """
    },
    "default values and annotations": {
        "top": """
            SIZE = 4
            LIST = [1]
            class Kind: pass
            def go(n: Kind = SIZE, *, m: "Kind" = LIST) -> Kind: return n, m
        """
    },
    "dataclass": {
        "top": """
            from dataclasses import dataclass, field
            from other import default
            @dataclass(order=True)
            class Reading:
                value: float = default()
                tags: list[str] = field(default_factory=list)
            def go(): return repr(Reading(2.0, ["x"])), Reading(1) < Reading(2), repr(Reading())
        """,
        "other": "def default(): return 7.5",
    },
    "enum": {
        "top": """
            import enum
            class Colour(enum.Enum):
                RED = 1
                BLUE = enum.auto()
                @property
                def twice(self): return self.value * 2
            def go(): return [c.name for c in Colour], Colour.BLUE.twice
        """
    },
    "inheritance over modules": {
        "top": """
            from other import Base
            class Child(Base):
                def name(self): return "child of " + super().name()
            def go(): return Child().name(), Child.registered
        """,
        "other": """
            class Base:
                registered = []
                def __init_subclass__(cls): cls.registered.append(mark(cls.__name__))
                def name(self): return "base"
            def mark(name): return MARKS[name.lower()]
            MARKS = {"child": "!"}
        """,
    },
    "decorators": {
        "top": """
            import functools
            from other import twice
            def plus(n):
                def around(function):
                    @functools.wraps(function)
                    def inner(*args): return function(*args) + n
                    return inner
                return around
            @twice
            @plus(STEP := 5)
            def add(a): return a
            @functools.lru_cache(maxsize=None)
            def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
            def go(): return add(1), fib(20), add.__name__
        """,
        "other": """
            import functools
            def twice(function):
                @functools.wraps(function)
                def around(*args): return 2 * function(*args)
                return around
        """,
    },
    "registry by decorator": {
        "top": """
            HANDLERS = {}
            def handler(function):
                HANDLERS[function.__name__] = function
                return function
            @handler
            def one(): return 1
            @handler
            def two(): return one() + 1
            def go(): return sorted(HANDLERS), two()
        """
    },
    "single dispatch": {
        "top": """
            import functools
            @functools.singledispatch
            def show(value): return "?"
            @show.register
            def _(value: int): return "int"
            @show.register(str)
            def _text(value): return LABEL
            LABEL = "text"
            def go(): return show(1), show("a"), show(1.5)
        """
    },
    "a class that is changed after its definition": {
        "top": """
            class Point: pass
            def length(self): return 5
            Point.length = length
            Point.unit = "m"
            setattr(Point, "kind", "point")
            for name in ("x", "y"):
                Point.axes = [*getattr(Point, "axes", []), name]
            def go(): return Point().length(), Point.unit, Point.kind
        """
    },
    "conditional import": {
        "top": """
            try:
                import no_such_module_anywhere as fast
            except ImportError:
                import other as fast
            import sys
            if sys.version_info >= (3, 8):
                from other import modern as best
            else:
                from other import ancient as best
            if sys.platform == "nowhere":
                def where(): return "nowhere"
            else:
                def where(): return "somewhere"
            def go(): return fast.name(), best(), where()
        """,
        "other": """
            def name(): return "slow"
            def modern(): return "modern"
            def ancient(): return 1 / 0
        """,
    },
    "star import": {
        "top": "from other import *\nfrom math import *\ndef go(): return area(2), floor(2.5)",
        "other": """
            __all__ = ["area", "unrelated"]
            def area(r): return PI * r * r
            PI = 3
            def unrelated(): import antigravity_of_no_use
        """,
    },
    "star import within try": {
        "top": """
            try:
                from other import *
            except ImportError:
                area = None
            def go(): return area(2)
        """,
        "other": """
            __all__ = ["area"]
            __all__ += ["volume"]
            def area(r): return r * r
            def volume(r): return r ** 3
        """,
    },
    "imports within functions": {
        "top": """
            def go():
                import other
                from other import b
                import pack.deep.leaf
                import pack.deep.leaf as leaf
                from pack.deep import leaf as third
                return other.a(), b(), pack.deep.leaf.name(), leaf.name(), third.name()
        """,
        "other": "def a(): return 'a'\ndef b(): return 'b'\ndef c(): return 1 / 0",
        "pack__init": "FIRST = 1",
        "pack__deep__init": "",
        "pack__deep__leaf": "def name(): return __name__.rpartition('.')[2]",
    },
    "relative imports": {
        "pack__init": "from .deep import leaf\nfrom .side import side",
        "pack__deep__init": "from . import leaf",
        "pack__deep__leaf": """
            from ..side import side
            from .. import side as module_or_function
            from . import twin
            def name(): return side() + twin.name() + VALUE
            from .twin import VALUE
        """,
        "pack__deep__twin": "VALUE = 'v'\ndef name(): return 'twin'",
        "pack__side": "def side(): return 'side'",
        "top": "from pack import leaf\nimport pack.deep.leaf\ndef go(): return leaf.name(), pack.deep.leaf.name()",
    },
    "attributes of modules that change": {
        "top": """
            import other
            import pack.inner
            def go():
                other.COUNT += 1
                return other.helper(), other.COUNT, pack.inner.thing(), pack.inner.other.helper()
        """,
        "other": "COUNT = 4\ndef helper(): return COUNT * 10\ndef unused(): return 1 / 0",
        "pack__init": "",
        "pack__inner": "import other\ndef thing(): return 'thing'",
    },
    "a module as a value": {
        "top": "import other\ndef go(): return getattr(other, 'he' + 'lper')()",
        "other": "def helper(): return 'found'",
    },
    "module __getattr__": {
        "top": "import other\ndef go(): return other.anything",
        "other": "def __getattr__(name): return NAMES + name\nNAMES = 'lazy '",
    },
    "global variables that change": {
        "top": """
            from other import SETTINGS, bump
            COUNT = 0
            def count():
                global COUNT
                COUNT += 1
                return COUNT
            count(); count()
            SETTINGS["level"] = 3
            def go(): return count(), SETTINGS, bump()
        """,
        "other": "SETTINGS = {}\ntotal = 10\ndef bump():\n    global total\n    total += 1\n    return total, SETTINGS",
    },
    "named tuple, type variable, new type": {
        "top": """
            from collections import namedtuple
            from typing import NamedTuple, NewType, TypeVar, Generic
            Point = namedtuple("Point", "x y")
            T = TypeVar("T")
            Name = NewType("Name", str)
            class Pair(NamedTuple):
                a: int
                b: int = 2
            class Box(Generic[T]):
                def __init__(self, value: T): self.value = value
            def go(): return repr(Point(1, 2)), repr(Pair(1)), Box[int](3).value, Name("n")
        """
    },
    "lambdas and closures at the top level": {
        "top": """
            def make(n):
                return lambda m: n + m + BASE
            BASE = 100
            add = make(1)
            def go(): return [f(1) for f in (make(5), lambda x: x + BASE)]
        """
    },
    "several statements on a line": {
        "top": "import os, json; LIMIT = 2; step = 3\ndef go(): return json.dumps([LIMIT, step])",
    },
    "metaclass and descriptor": {
        "top": """
            class Meta(type):
                def __new__(mcls, name, bases, body):
                    body["made_by"] = label(name)
                    return super().__new__(mcls, name, bases, body)
            def label(name): return PREFIX + name
            PREFIX = "made "
            class Field:
                def __set_name__(self, owner, name): self.name = name
                def __get__(self, instance, owner): return self.name
            class Thing(metaclass=Meta):
                one = Field()
            def go(): return Thing.made_by, Thing().one
        """
    },
    "future import of annotations": {
        "top": """
            from __future__ import annotations
            from dataclasses import dataclass
            import typing
            @dataclass
            class Node:
                next: Node | None = None
                leaf: Leaf | None = None
            @dataclass
            class Leaf: value: int = 1
            def go(): return sorted(typing.get_type_hints(Node)), repr(Node(None, Leaf()))
        """
    },
    "names that only look alike": {
        "top": """
            import decimal
            heavy = 1
            def go():
                heavy = 2
                class Local:
                    decimal = 3
                return heavy, Local.decimal, [helper for helper in range(2)]
            def helper(): return decimal
        """
    },
    "text that needs care": {
        "top": '''
            def go():
                """Many
            lines."""
                return """a
              b""", "\\u00e9\\t", TEXT, 'ü'
            TEXT = """\\
            first
            second"""
        '''
    },
    "within the main guard": {
        "top": """
            def go(): return inner() if "inner" in globals() else "not here"
            if __name__ == "__main__":
                def inner(): return 1 / 0
        """
    },
}


@pytest.mark.parametrize("case", CASES)
def test_what_arrives_does_what_it_did(case: str, project: Project) -> None:
    project.write(**CASES[case])
    expected = project.load("top").go()
    if "change" in case:  # the first call has counted
        for name in ("top", "other"):
            sys.modules.pop(name, None)
        project.load("top")
        there = project.again("top", "go")
        assert there() == expected
        return
    there = project.again("top", "go")
    assert there() == expected
    assert there.__globals__["__name__"].startswith("sojourn_")
    assert there is not project.load("top").go


@pytest.mark.parametrize("case", CASES)
def test_lines_stay_where_they_were(case: str, project: Project) -> None:
    project.write(**CASES[case])
    shipment = project.close("top", "go")
    for module in shipment.segment.modules:
        path = project.folder.joinpath(*module.name.split("."))
        file = path / "__init__.py" if module.package else path.with_suffix(".py")
        written = file.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(module.source.splitlines()):
            original = written[number] if number < len(written) else ""
            trimmed = line.lstrip().startswith(("import ", "from "))
            assert line in ("", original) or trimmed, (module.name, number + 1)


def test_nothing_that_is_not_used(project: Project) -> None:
    project.write(
        top="""
            import json, decimal
            from other import used, unused
            import never
            def go(): return used(json.dumps(1))
            def idle(): return never.x, decimal, unused
            print("executed at import")
        """,
        other="def used(x): return x\ndef unused(): return 1 / 0\nDATA = used(1)",
        never="x = 1",
    )
    shipment = project.close("top", "go")
    assert project.modules(shipment) == {"top", "other"}
    text = project.text(shipment, "top")
    assert "idle" not in text and "decimal" not in text and "print" not in text and "unused" not in text
    assert project.text(shipment, "other").strip() == "def used(x): return x"


def test_two_versions_live_side_by_side(project: Project) -> None:
    project.write(top="def go(): return helper()\ndef helper(): return 'first'")
    first = project.again("top", "go")
    del sys.modules["top"]
    project.write(top="def go(): return helper()\ndef helper(): return 'second version'")
    second = project.again("top", "go")
    assert (first(), second(), first()) == ("first", "second version", "first")
    assert first.__module__ != second.__module__


def test_a_shipped_module_hides_none_of_this_host(project: Project) -> None:
    """A project's own `colorsys` goes along and stays its own business."""
    project.write(top="import colorsys\ndef go(): return colorsys.mine()", colorsys="def mine(): return 'project'")
    import colorsys as real

    sys.modules.pop("colorsys")
    there = project.again("top", "go")
    assert there() == "project"
    sys.modules["colorsys"] = real
    assert there() == "project"
    import colorsys

    assert colorsys is real


def test_a_traceback_shows_the_shipped_lines(project: Project) -> None:
    import traceback

    project.write(top="def go():\n    return inner()\n\n\ndef inner():\n    return 1 / int('0')  # the culprit\n")
    there = project.again("top", "go")
    (project.folder / "top.py").unlink()
    try:
        there()
    except ZeroDivisionError as error:
        shown = "".join(traceback.format_exception(error))
    assert "return 1 / int('0')" in shown
    assert '/top.py", line 6, in inner' in shown


def test_a_module_without_text_is_refused_by_name(project: Project) -> None:
    module = types.ModuleType("no_text")
    exec("def go(): return 1", vars(module))
    sys.modules["no_text"] = module
    try:
        with pytest.raises(SourceMissing, match="no_text.*text"):
            close([Root("no_text", "go")])
    finally:
        del sys.modules["no_text"]


def test_a_file_that_changed_since_is_refused(project: Project) -> None:
    project.write(top="def go(): return helper(1)\ndef helper(n): return n")
    project.load("top")
    project.write(top="# one line more\ndef go(): return other(1)\ndef other(n): return n\n\n")
    with pytest.raises(SourceMissing, match="changed"):
        project.close("top", "go")


def test_an_unneeded_bystander_may_be_broken(project: Project) -> None:
    """Only what is used must have a text that is current."""
    project.write(top="def go(): return 1\n\n\ndef other(): return 2\n")
    project.load("top").other = eval("lambda: 3")
    assert project.again("top", "go")() == 1


def test_a_constant_that_was_set_from_outside_travels_with_its_value(project: Project) -> None:
    project.write(top="DEBUG = False\ndef go(): return DEBUG")
    project.load("top").DEBUG = True
    assert project.again("top", "go")() is True


def test_a_function_that_was_replaced_travels_as_what_it_is_now(project: Project) -> None:
    project.write(top="def helper(): return 1\ndef go(): return helper()", other="def better(): return 2")
    project.load("top").helper = project.load("other").better
    shipment = project.close("top", "go")
    assert ("top", "helper") in shipment.values


def test_the_text_is_current_until_a_name_is_bound_anew(project: Project) -> None:
    project.write(top="def helper(): return 1\ndef go(): return helper()")
    shipment = project.close("top", "go")
    assert shipment.is_current
    project.load("top").helper = lambda: 2
    assert not shipment.is_current


def test_the_same_code_has_the_same_digest(project: Project) -> None:
    project.write(**CASES["dataclass"])
    first = project.close("top", "go").digest
    for name in ("top", "other"):
        del sys.modules[name]
    assert project.close("top", "go").digest == first
