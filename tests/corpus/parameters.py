"""Every form of parameter and default; the signature is the user's, however the call is written."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import functools
import inspect

from mobility import resumable
from tests.corpus.cases import case, starts
from tests.corpus.record import op, say


@resumable
def everything(a, b=2, /, c=3, *rest, d, e=5, **named):
    yield a, b, c
    a += 1
    yield rest, d, e
    named["late"] = a
    yield named
    return dict(sorted(locals().items()))


starts("everything_given", lambda: everything(1, 20, 30, 40, 50, d=60, e=70, f=80))
starts("everything_least", lambda: everything(1, d=4))
starts("positional_only_name_again", lambda: everything(1, d=4, a="named a", b="named b"))


@case()
@resumable
def no_parameters():
    yield dict(sorted(locals().items()))


@case(1, b=2)
@resumable
def keyword_only(a, *, b, c=3):
    yield a, b, c
    del a, b
    yield c


@case(1, 2)
@resumable
def positional_only(a, b, /):
    yield a
    yield b


@case(1, 2, 3)
@resumable
def star_arguments(*arguments):
    for argument in arguments:
        yield argument
    arguments = list(arguments)
    yield arguments


@case(x=1, y=2)
@resumable
def star_keywords(**keywords):
    yield keywords
    keywords.clear()
    yield keywords


@resumable
def mutable_default(into=[]):
    into.append(len(into))
    kept = into[:]
    into.clear()  # the default belongs to the function, which stays where it is
    yield kept
    into = kept
    yield into


@case()
def default_is_one_object():
    return mutable_default()


DEFAULT = (1, [2])


@case()
@resumable
def default_is_moved(value=DEFAULT, *, other=DEFAULT):
    yield value is other
    yield value, value is other


@resumable
def annotated(a: "int", b: list[str] = ["x"], *rest: tuple, key: dict | None = None, **named: "no such") -> "Iterator":
    """The docstring."""
    yield a, b, rest, key, named
    yield list(annotated.__annotations__), annotated.__doc__, annotated.__name__


starts("annotations_and_docstring", lambda: annotated(1, key={}))


@case()
@resumable
def signature_is_kept():
    yield str(inspect.signature(everything))
    yield inspect.isgeneratorfunction(everything), everything.__module__, everything.__qualname__


@case()
@resumable
def bad_calls():
    for arguments, keywords in (((), {}), ((1,), {}), ((1,), {"d": 1, "x": 2, "c": 3}), ((1, 2, 3), {"c": 3, "d": 4})):
        try:
            made = everything(*arguments, **keywords)
            yield next(made)
            made.close()
        except TypeError as error:
            yield error


@case(1)
@resumable
def parameter_deleted_and_cell(value):
    read = lambda: value
    yield read()
    del value
    try:
        read()
    except NameError as error:
        yield type(error)
    value = "new"
    yield read()


def logged(function):
    @functools.wraps(function)
    def wrapper(*arguments, **keywords):
        say(("called", arguments))
        return function(*arguments, **keywords)

    return wrapper


@case(2)
@logged
@logged
@resumable
def decorated_above(n):
    """Decorators above and below."""
    for i in range(n):
        yield i


starts("by_partial", lambda: functools.partial(everything, 1, d=2)(3, e=4))
starts("called_twice", lambda: (everything(1, d=2), everything(5, d=6))[1])


@case(3)
@resumable
def _underscored(n: int = 0, *, _hidden=(1, 2)):
    yield n, _hidden
    __dunder = n
    yield __dunder


@case("é")
@resumable
def ünïcode(ñ):
    ß = ñ + "ﬁ"
    ﬁ = "normalised to fi"
    yield ß, fi
    for Ω in "ab":
        yield Ω, ñ


@case(1)
@resumable
def one_line(n):
    yield n
    yield n + 1


@case(1)
@resumable
def with_comments(n):  # a comment that says yield
    # yield
    """not a docstring, since an expression follows""" if n else None
    yield n  # yield 2
    if n:
        # only a comment
        pass
    yield (
        n  # inside
        + 1
    )


@case(1)
@resumable
def continued_lines(n):
    total = n + 2
    yield total
    yield total + 1
    text = """
    def not_code():
        yield
    """
    yield text


if DEFAULT:

    @case(1)
    @resumable
    def defined_in_a_block(n):
        yield n
        yield -n

else:

    def defined_in_a_block(n):
        raise AssertionError("the other definition of the name")


@resumable
def redefined(n):
    yield "the first definition"
    yield n


first_definition = redefined


@case(5)
@resumable
def redefined(n):
    yield "the second definition"
    yield n
