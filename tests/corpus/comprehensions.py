"""Comprehensions and generator expressions, those held across yields included."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from mobility import resumable
from tests.corpus.cases import case
from tests.corpus.record import Items, mix, op, say


@case()
@resumable
def comprehensions():
    base = (yield "base") or 2
    yield [base * i for i in range(4) if i != 2]
    yield sorted({base + i % 2 for i in range(4)})
    yield {i: base for i in "ab"}
    yield [(i, j) for i in range(3) if i for j in range(i) if j != base]
    yield [[k for k in range(i)] for i in range(3)]


@case()
@resumable
def iteration_variable_is_its_own():
    i = "outer"
    yield [i for i in range(3)], i
    x = 5
    yield [x for x in [x, x + 1]], x
    yield {x: i for i, x in enumerate("ab")}, i, x
    try:
        yield [absent for _ in range(1)]
    except NameError as error:
        yield type(error)


@case()
@resumable
def captured_and_inlined():
    """On 3.12 and later a comprehension has no frame of its own, so what is a cell differs by version."""
    x = 1
    functions = [lambda: (x, i) for i in range(2)]
    yield [f() for f in functions]
    x = 2
    yield [f() for f in functions]
    total = [x + y for y in range(2)]
    yield total
    read = lambda: total
    total = [t + x for t in total]
    yield read()


@case()
@resumable
def yield_in_outermost_iterable():
    yield [i * 2 for i in (yield "items") or [1, 2]]
    yield {k: v for k, v in ((yield "pairs") or {"a": 1}).items()}
    yield sum(i for i in (yield "numbers") or [3, 4])
    held = (i for i in (yield "held") or [5, 6])
    yield next(held)
    yield next(held)


@case()
@resumable
def generator_expression_held():
    base = 1
    held = (base * i for i in range(4))
    yield next(held)
    base = 10
    yield next(held)
    yield list(held), next(held, "over")


@case()
@resumable
def generator_expression_in_a_loop():
    for item in (i * i for i in range(4) if i != 1):
        yield item
    for pair in ((i, j) for i in range(2) for j in "ab"):
        yield pair
        if pair == (1, "a"):
            break


@case()
@resumable
def generator_expressions_nested():
    inner = (i for i in range(5))
    outer = (say(("outer", i)) or i + 1 for i in inner if i % 2 == 0)
    yield next(outer)
    yield next(inner)
    yield list(outer)


@case()
@resumable
def generator_expression_of_observed():
    held = (op(item) for item in Items(1, 2, 3))
    yield "made: the iterable is asked at once"
    for item in held:
        yield item


@case()
@resumable
def generator_expression_in_generator_expression():
    table = ((row, [col for col in range(row)]) for row in (n + 1 for n in range(3)))
    yield next(table)
    yield next(table)
    yield list(table)


@case()
@resumable
def generator_expressions_share_a_cell():
    n = 0

    def bump():
        nonlocal n
        n += 1
        return n

    a = (bump() for _ in range(3))
    b = (bump() * 10 for _ in range(3))
    yield next(a), next(b)
    yield next(b), next(a), n
    n = 100
    yield list(a), list(b)


@case()
@resumable
def two_generator_expressions_on_a_line():
    a, b = (("a", i) for i in range(3)), (("b", i) for i in range(3))
    yield next(a), next(b)
    yield next(a), next(b)
    yield list(a), list(b)


@case()
@resumable
def generator_expression_sent_and_closed():
    held = (i for i in range(5))
    yield next(held), held.send(None)
    try:
        held.throw(ValueError("into a generator expression"))
    except ValueError as error:
        yield error
    yield list(held)
    other = (i for i in range(5))
    yield next(other)
    other.close()
    yield list(other)


@case()
@resumable
def generator_expression_exhausted_or_fresh():
    fresh = (i for i in [1, 2])
    over = (i for i in [])
    say(list(over))
    yield "made"
    yield list(fresh), list(over)


@case()
@resumable
def walrus_in_comprehensions():
    found = [last := i for i in range(3)]
    yield found, last
    if any((hit := word).startswith("b") for word in ("a", "bc", "d")):
        yield hit
    last = "changed"
    yield [last for _ in range(1)], hit
    total = 0
    yield [total := total + i for i in range(4)], total


@case()
@resumable
def walrus_in_a_held_generator_expression():
    seen = None
    held = (seen := i for i in range(3))
    yield next(held), seen
    seen = "changed"
    yield next(held), seen
    yield list(held), seen


@case()
@resumable
def passed_to_functions():
    yield mix(*(i for i in range(3)), k=sum(i for i in range(2)))
    yield dict((i, i) for i in "ab")
    yield sorted((i for i in [3, 1]), key=lambda i: -i), max(i for i in range(3)), "".join(c for c in "ab")


@case()
@resumable
def comprehension_that_raises():
    try:
        yield [1 // i for i in (1, 0)]
    except ZeroDivisionError as error:
        yield error
    held = (1 // i for i in (1, 0, 2))
    yield next(held)
    try:
        next(held)
    except ZeroDivisionError as error:
        yield error
    yield list(held)


@case()
@resumable
def lambdas_in_generator_expression():
    held = ((lambda n=i: (n, i, base)) for i in range(3))
    base = "b"
    first = next(held)
    yield first()
    second = next(held)
    yield first(), second()
    base = "c"
    yield [f() for f in held], first()


@case()
@resumable
def comprehension_in_class_body():
    n = 3

    class Made:
        rows = [i for i in range(n)]
        held = (i * n for i in range(3))

    yield Made.rows, next(Made.held)
    n = 5
    yield next(Made.held)


@case()
@resumable
def conditional_comprehensions():
    words = ["a", "bb", "ccc"]
    yield [w if len(w) > 1 else (w * 3) for w in words if w != "zz" if len(w) < 9]
    yield {len(w): [c for c in w] for w in words}
    yield [x for w in words for x in w if x in (yield_free(words))]


def yield_free(words):
    return {word[0] for word in words}
