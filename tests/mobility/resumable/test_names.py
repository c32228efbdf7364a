"""Builtins that read their caller's variables show the user's names only, before and after a move."""

import builtins
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mobility
from mobility import resumable
from tests.mobility.resumable.helpers import execute, identity, import_written, move

# Each function yields pictures of what a builtin shows; a loop, a with, a handler and operands that wait keep hidden
# variables alive meanwhile. `other` is never bound.
SOURCE = '''
import builtins, contextlib, inspect, sys
from mobility import resumable

def names(mapping):
    return sorted(mapping)

def surrounded(look):
    """A function whose hidden variables are all alive where `look` is evaluated."""
    return f"""
@resumable
def f(a, b=2):
    first = 1
    if a is None:
        other = 1
    for i in range(2):
        with contextlib.nullcontext(5) as five:
            try:
                raise KeyError(i)
            except KeyError as error:
                try:
                    yield {look}
                    x = [1, {look}, (yield {look}), {look}]
                    yield x
                finally:
                    yield {look}
                    late = 3
    yield {look}
"""
'''

LOOKS = {
    "locals": "names(locals())",
    "keys of locals": "sorted(locals().keys())",
    "vars": "names(vars())",
    "dir": "dir()",
    "eval": "names(eval('locals()'))",
    "eval of dir": "eval('dir()')",
    "eval of vars": "names(eval('vars()'))",
    "eval of a name": "eval('first + i')",
    "eval of compiled": "names(eval(compile('locals()', 'e', 'eval')))",
    "eval by keyword-free globals": "names(eval('locals()', {}))",
    "eval with both": "names(eval('locals()', {}, {'k': 1}))",
    "called through a variable": "(h := locals) and names(h())",
    "vars through a variable": "(h := vars) and names(h())",
    "dir through a variable": "(h := dir) and h()",
    "eval through a variable": "(h := eval) and names(h('locals()'))",
    "from builtins": "names(builtins.locals())",
    "vars from builtins": "names(builtins.vars())",
    "dir from builtins": "builtins.dir()",
    "eval from builtins": "names(builtins.eval('locals()'))",
    "with star arguments": "names(locals(*[], **{}))",
    "values": "(locals()['a'], locals()['first'], locals()['five'])",
    "length": "len(locals())",
    "format": "'{a} {first} {i}'.format(**locals()) if 'i' in dir() else None",
    "exec into a mapping": "(lambda d: (exec('x = 1', {}, d), d))({})[1]",
    "vars of an object": "names(vars(sys.implementation))[:1]",
    "dir of an object": "[n for n in dir([]) if n == 'append']",
    "of a lambda": "(lambda q: names(locals()))(1)",
    "of a class body": "names(type('C', (), dict(z=1)).__dict__)[-1:]",
    "error": "names(locals()) if locals().get('first') else 1 / 0",
    "copy": "names({**locals()})",
    "f-string": "f'{sorted(locals())}'",
    "default": "(lambda q=sorted(locals()): q)()",
    "set": "sorted(map(str, dict.fromkeys(locals())))",
}


def pictures(function: Any, between: Callable[[Any], Any]) -> list[Any]:
    generator = function(7)
    seen = []
    try:
        while True:
            generator = between(generator)
            seen.append(next(generator))
    except StopIteration:
        return seen
    finally:
        mobility.discard(generator) if between is move else None


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One module with a function for each look, and the same natively."""
    folder = tmp_path_factory.mktemp("names")
    maker = execute(folder / "maker.py", SOURCE)
    text = SOURCE + "\n".join(
        maker.surrounded(look).replace("def f(", f"def f{number}(") for number, look in enumerate(LOOKS.values())
    )
    moving = execute(folder / "names_written.py", text, name="names_written")
    original = mobility.resumable
    mobility.resumable = identity  # type: ignore[assignment]
    native = execute(folder / "names_written.py", text, name="names_written")
    mobility.resumable = original
    sys.modules["names_written"] = moving
    yield moving, native
    del sys.modules["names_written"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("between", [identity, move], ids=["unmoved", "moved"])
def test_a_look_shows_what_a_native_run_shows(look: str, between: Callable[[Any], Any], modules: Any) -> None:
    """No hidden name, none missing, and the right values."""
    moving, native = (getattr(module, f"f{list(LOOKS).index(look)}") for module in modules)
    shown = pictures(moving, between)
    assert "'." not in repr(shown)
    assert shown == pictures(native, identity)


CODES = {
    "aliased": """
        @resumable
        def f(a):
            g = locals
            for i in [1]:
                yield sorted(g())
    """,
    "comprehension": """
        @resumable
        def f(a):
            for i in [1]:
                yield [sorted(n for n in locals() if n[0] == "." and n != ".0") for _ in [1]]
                yield [sorted(k for k in vars() if k == "_") for _ in [1]]
                yield [dir() for unused in [1]][0].count("unused")
    """,
    "generator expression": """
        @resumable
        def f(a):
            for i in [1]:
                yield list(sorted(n for n in d if n != ".0") for d in [1] for d in [locals()])
                yield next(sorted(set(dir()) - {".0"}) for element in [1])
    """,
    "exec": """
        @resumable
        def f(a):
            for i in [1]:
                found = {}
                exec("out.update(shown=sorted(locals()))", {"out": found})
                yield [n for n in found["shown"] if n != "out"]
                exec("found['here'] = sorted(locals())")
                yield found
    """,
    "exec assigns": """
        @resumable
        def f(a):
            for i in [1]:
                exec("a = 5; new = 6")
                yield a, i
    """,
    "shadowed by a function": """
        def locals():
            return {"mine": 1}
        def dir(*x):
            return ["mine", *x]
        def vars(*x):
            return x
        def eval(x, **k):
            return x * 2
        @resumable
        def f(a):
            for i in [1]:
                yield locals(), dir(), dir(3), vars(), vars(4), eval("x"), eval(x="y")
    """,
    "shadowed by a local": """
        @resumable
        def f(locals, dir=None):
            vars = lambda: "mine"
            for i in [1]:
                yield locals * 2, vars()
                locals += 1
                yield locals
                dir = [1]
                dir.append(2)
                yield dir
                del vars
    """,
    "unhashable callable": """
        class Odd(list):
            def __call__(self, *a):
                return "odd"
        @resumable
        def f(a):
            locals = Odd()
            for i in [1]:
                yield locals(), locals
    """,
    "attributes": """
        class Thing:
            locals = staticmethod(lambda: "attribute")
            def vars(self):
                return "method"
        @resumable
        def f(a):
            thing = Thing()
            for i in [1]:
                yield thing.locals(), thing.vars()
    """,
    "name and kind": """
        @resumable
        def f(a):
            for i in [1]:
                for g in (locals, vars, dir, eval, exec):
                    yield g.__name__, callable(g)
    """,
    "inner function": """
        @resumable
        def f(a):
            for i in [1]:
                def inner(q):
                    z = a
                    return sorted(locals())
                yield inner(1)
    """,
    "class body": """
        @resumable
        def f(a):
            for i in [1]:
                class C:
                    k = 1
                    shown = sorted(n for n in locals())
                yield C.shown
                yield sorted(n for n in vars(C) if n[0] != "_")
    """,
    "unbound and deleted": """
        @resumable
        def f(a):
            b = 1
            yield sorted(locals())
            del b
            yield sorted(locals())
            try:
                1 / 0
            except ZeroDivisionError as error:
                yield sorted(locals())
            yield sorted(locals())
    """,
    "captured": """
        @resumable
        def f(a):
            b = 1
            def g():
                nonlocal b
                b += a
            for i in [1]:
                g()
                yield sorted(locals()), locals()["b"]
    """,
}


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("between", [identity, move], ids=["unmoved", "moved"])
def test_a_function_sees_what_a_native_one_sees(name: str, between: Callable[[Any], Any], importable: Path) -> None:
    """Aliases, comprehensions, exec, and names that only look like the builtins."""
    text = textwrap.dedent(CODES[name])
    module = f"seen_{list(CODES).index(name)}_{between.__name__}"
    moving = import_written(importable, module, "from mobility import resumable\n" + text).f
    native = execute(importable / "native.py", text, resumable=identity).f
    assert pictures(moving, between) == pictures(native, identity)


@resumable
def shows_types():
    for i in [1]:
        yield type(locals()), type(vars()), type(dir())


def test_what_is_shown_is_of_the_usual_type() -> None:
    """dict and list, as ever."""
    assert next(shows_types()) == (dict, dict, list)


@resumable
def writes():
    for i in [1]:
        locals()["i"] = 100
        locals()["new"] = 1
        yield i, sorted(locals())


def test_writing_to_locals_changes_no_variable() -> None:
    """A snapshot of the variables, as Python 3.13 defines it; hidden variables cannot be reached."""
    value, names = next(writes())
    assert value == 1
    assert [n for n in names if n != "new"] == ["i"]


@resumable
def fails(name):
    for i in [1]:
        yield 1
        getattr(builtins, name)(1, 2, 3, 4, 5)


@pytest.mark.parametrize("name", ["locals", "vars", "dir", "eval", "exec"])
def test_wrong_use_is_the_builtins_own_error(name: str) -> None:
    """TypeError, named after the builtin."""
    generator = fails(name)
    next(generator)
    with pytest.raises(TypeError):
        next(generator)
