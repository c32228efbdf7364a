"""Functions, as text, that look at their own variables."""

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

# Whole functions `f`, for what does not fit between those lines.
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
