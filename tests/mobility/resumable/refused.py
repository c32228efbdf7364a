"""Functions, as text, with a yield in a place that could not be entered again."""

# name: (source of a function `f`, line of the construct, a part of what the problem says)
CONSTRUCTS: dict[str, tuple[str, int, str]] = {
    "except star handler": (
        """
        def f():
            try:
                yield 1
            except* ValueError:
                x = 1
                yield x
        """,
        7,
        "except*",
    ),
    "yield from in except star handler": (
        """
        def f():
            try:
                pass
            except* ValueError:
                if 1:
                    yield from ()
        """,
        7,
        "except*",
    ),
    "except star type": (
        """
        def f():
            try:
                pass
            except* (yield):
                pass
        """,
        5,
        "except*",
    ),
    "except star handler before a finally": (
        """
        def f():
            try:
                pass
            except* ValueError:
                yield
            finally:
                pass
        """,
        6,
        "except*",
    ),
    "match guard": (
        """
        def f(x):
            match x:
                case [a] if a > (yield a):
                    pass
        """,
        4,
        "guard",
    ),
    "decorator of a function": (
        """
        def f():
            @(yield 1)
            def inner():
                pass
        """,
        4,
        "decorator",
    ),
    "decorator of a class": (
        """
        def f():
            @(yield 1)
            class Inner:
                pass
        """,
        4,
        "decorator",
    ),
    "decorator of an async function": (
        """
        def f():
            @(yield 1)
            async def inner():
                pass
        """,
        4,
        "decorator",
    ),
    "default": (
        """
        def f():
            yield 0
            def inner(a, b=(yield 1)):
                pass
        """,
        4,
        "default",
    ),
    "keyword default": (
        """
        def f():
            def inner(*, b=(yield 1)):
                pass
        """,
        3,
        "default",
    ),
    "default of a lambda": (
        """
        def f():
            return lambda x=(yield 1): x
        """,
        3,
        "default",
    ),
    "keyword default of a lambda": (
        """
        def f():
            return [lambda *, x=(yield 1): x]
        """,
        3,
        "default",
    ),
    "default in a lambda": ("f = lambda: (lambda x=(yield 1): x)", 1, "default"),
    "annotation of a variable": (
        """
        def f():
            x: (yield 1) = 2
            yield x
        """,
        3,
        "annotation",
    ),
    "annotation without a value": (
        """
        def f():
            x: (yield 1)
        """,
        3,
        "annotation",
    ),
    "annotation of an attribute": (
        """
        def f(x):
            x.y: (yield 1) = (yield 2)
        """,
        3,
        "annotation",
    ),
    "annotation of an inner parameter": (
        """
        def f():
            yield 0
            def inner(a: (yield 1)):
                pass
        """,
        4,
        "annotation",
    ),
    "annotation of inner star parameters": (
        """
        def f():
            def inner(*a: (yield 1), **k: (yield 2)):
                pass
        """,
        3,
        "annotation",
    ),
    "return annotation of an inner function": (
        """
        def f():
            yield 0
            def inner() -> (yield 1):
                pass
        """,
        4,
        "annotation",
    ),
    "within an async inner function's default": (
        """
        def f():
            async def inner(x=(yield 1)):
                pass
        """,
        3,
        "default",
    ),
}
