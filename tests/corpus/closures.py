"""Captured variables: nonlocal, shared cells, factories, functions made inside and held across yields."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import functools

from mobility import resumable
from tests.corpus.cases import NEXT, case, send, starts, throw
from tests.corpus.record import mix, op, say


@case()
@resumable
def counter():
    n = 0

    def bump(by=1):
        nonlocal n
        n += by
        return n

    yield bump()
    n += 10
    yield bump(2), n
    yield n


@case()
@resumable
def two_closures_share():
    value = 1

    def read():
        return value

    def write(new):
        nonlocal value
        value = new

    yield read()
    write((yield "what") or 5)
    yield read(), value
    value = "from the generator"
    yield read()
    del value
    try:
        yield read()
    except NameError as error:
        yield type(error)
    write("bound again")
    yield value


@resumable
def outer_factory_body(total):
    yield total


def make_pair():
    shared = []
    count = 0

    @resumable
    def first():
        nonlocal count
        for i in range(3):
            count += 1
            shared.append(("first", i))
            yield count, list(shared)

    @resumable
    def second():
        nonlocal count
        while count < 6:
            count += 1
            shared.append(("second", count))
            yield count, len(shared)

    return first, second


starts("factory_made", lambda: make_pair()[0]())
starts("factory_made_while", lambda: make_pair()[1]())


@case()
@resumable
def runs_two_with_one_cell():
    first, second = make_pair()
    a, b = first(), second()
    yield next(a), next(b)
    yield next(b), next(a)
    yield list(a), list(b)


def make_adder(n):
    @resumable
    def add():
        total = n
        while total < 20:
            total += (yield total) or n
        return total

    return add


starts("factory_with_argument", lambda: make_adder(7)())


def two_levels(a):
    def between(b):
        @resumable
        def deep(c):
            nonlocal b
            yield a, b, c
            b += 1
            read = lambda: (a, b, c)
            c += 1
            yield read()
            yield read

        return deep

    return between


starts("closure_of_two_levels", lambda: two_levels(1)(2)(3))


@case()
@resumable
def parameters_captured():
    @resumable
    def inside(x, *rest, key=1, **named):
        show = lambda: (x, rest, key, named)
        yield show()
        x, rest, key, named = 10, 20, 30, 40
        yield show()

    yield from inside(1, 2, 3, key=4, other=5)
    held = inside("a")
    yield next(held)
    yield list(held)


@case()
@resumable
def recursive_inner_function():
    def factorial(n):
        return n * factorial(n - 1) if n else base

    base = 1
    yield factorial(4)
    base = 2
    yield factorial(4)


@case()
@resumable
def mutual_inner_functions():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    yield even(4)
    yield odd(4), even.__name__, odd.__qualname__
    del odd
    try:
        even(3)
    except NameError as error:
        yield type(error)


@case()
@resumable
def inner_with_defaults_and_attributes():
    items = []

    def collect(item, into=items, *, twice=False):
        "The docstring."
        into.append(item)
        return len(into)

    collect.mark = "attribute"
    yield collect(1)
    yield collect(2, twice=True), items, collect.mark, collect.__doc__, collect.__defaults__[0] is items
    yield collect.__kwdefaults__


@case()
@resumable
def loop_closures():
    late = []
    early = []
    for i in range(3):
        late.append(lambda: i)
        early.append(lambda i=i: i)
        yield late[0](), early[0]()
    yield [f() for f in late], [f() for f in early]
    i = "changed"
    yield [f() for f in late]


@case()
@resumable
def closures_made_per_round():
    def make(n):
        def bump():
            nonlocal n
            n += 1
            return n

        return bump

    a, b = make(10), make(20)
    yield a(), b()
    yield a(), a(), b()
    c = a
    yield c(), c is a


@case()
@resumable
def handlers_name_is_captured():
    try:
        raise ValueError("seen by a closure")
    except ValueError as error:
        show = lambda: repr(error)
        yield show()
        kept = error
    try:
        show()
    except NameError as unbound:
        yield type(unbound)
    error = kept
    yield show()


@case()
@resumable
def targets_are_captured():
    show = lambda: (i, m, w)
    m = w = None
    for i in range(2):
        import contextlib

        with contextlib.nullcontext(i * 2) as m:
            yield show()
        if (w := i + 5) == 6:
            yield show()
    yield show()


@case()
@resumable
def unbound_cell():
    show = lambda: later
    yield "not yet"
    try:
        show()
    except NameError as error:
        yield type(error)
    later = 1
    yield show()


@case()
@resumable
def partials_and_methods():
    words = ["b"]
    push = words.append
    add = functools.partial(mix, 1, key=2)
    yield push("c")
    yield words, add(3)
    push("d")
    yield words


@case()
@resumable
def decorated_inside():
    calls = []

    def counted(function):
        @functools.wraps(function)
        def wrapper(*arguments):
            calls.append(arguments)
            return function(*arguments)

        return wrapper

    @counted
    def double(n):
        "Doubles."
        return n * 2

    yield double(2)
    yield double(3), calls, double.__name__, double.__doc__
    yield double.__wrapped__(4), len(calls)


@case()
@resumable
def generator_functions_inside():
    limit = 2

    @resumable
    def numbers():
        nonlocal limit
        for i in range(limit):
            yield i
            limit += 1 if i == 0 else 0

    held = numbers()
    yield next(held)
    limit = 3
    yield next(held), limit
    yield list(held), limit


@case()
@resumable
def lambda_generators():
    gen = resumable(lambda n: (yield from range((yield n) or 2)))
    held = gen(5)
    yield next(held)
    yield next(held)
    yield list(held)


short = resumable(lambda a, b=2: ((yield a), (yield b), (yield a + b)))
starts("lambda_at_module_level", lambda: short(1))


def lambda_in_a_lambda():
    return (lambda: [resumable(lambda: (yield (yield 1)) or (yield 2))][0]())()


starts("lambda_in_expression", lambda_in_a_lambda)


def nested_lambda(n):
    return resumable(lambda m: [(yield n), (yield m), (yield n + m)])


starts("lambda_from_a_factory", lambda: nested_lambda(1)(2))


@case()
@resumable
def cell_holding_the_generator():
    me = None
    keep = lambda: me
    me = [keep]
    yield me[0]() is me
    yield keep() is me, me[0] is keep


@case()
@resumable
def inner_function_without_captures():
    def plain(x):
        return x + 1

    class_like = {"f": plain, "g": (lambda x: x * 2)}
    yield class_like["f"](1)
    yield class_like["g"](2), plain is class_like["f"]


@case()
@resumable
def nested_function_two_deep():
    x = 1

    def a():
        def b():
            nonlocal x
            x += 1
            return x

        return b

    b = a()
    yield b()
    x = 10
    yield b(), a()()
    yield x


@case()
@resumable
def two_functions_of_one_name():
    def f():
        return "first", x

    first = f
    x = 1

    def f():
        return "second", x

    yield first(), f()
    x = 2
    yield first(), f()


@case()
@resumable
def two_lambdas_on_a_line():
    pair = (lambda: ("left", n), lambda: ("right", n), lambda n: ("own", n))
    n = 1
    yield pair[0](), pair[1](), pair[2](9)
    n = 2
    yield pair[0](), pair[1](), pair[2](9)


@case()
@resumable
def async_function_inside():
    async def later(x):
        return x + base

    base = 3
    yield later.__name__
    try:
        later(2).send(None)
    except StopIteration as stop:
        yield stop.value


@case()
@resumable
def unbound_cell_read_by_the_generator():
    x = 1
    read = lambda: x
    yield read()
    del x
    try:
        yield x
    except UnboundLocalError as error:
        yield error
    try:
        x += yield "before the name is read"
    except UnboundLocalError as error:
        yield error
    try:
        yield read()
    except NameError as error:
        yield error
    x = 2
    yield x
    del x, read
    yield "unbound to the end"
    del x
