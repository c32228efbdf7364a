"""Methods of every kind, super(), private names, and classes made inside the generator."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import abc
import dataclasses
import enum
import typing

from mobility import resumable
from tests.corpus.cases import NEXT, case, send, starts
from tests.corpus.record import op, say


class Base:
    label = "base"

    def __init__(self, n):
        self.n = n

    @resumable
    def walk(self):
        for i in range(self.n):
            self.n -= 0
            yield self.label, i
        return "base end"

    @resumable
    def other(self):
        yield "base other", self.n


class Derived(Base):
    label = "derived"
    __secret = "class secret"

    def __init__(self, n):
        super().__init__(n)
        self.__hidden = ["hidden"]

    @resumable
    def walk(self):
        yield "derived begins"
        result = yield from super().walk()
        yield "derived ends", result, __class__.__name__
        yield from super(Derived, self).other()

    @resumable
    def private(self):
        __local = 1
        self.__hidden.append((yield __local))
        yield self.__hidden, self.__secret, __local
        __local += 1
        yield self.__method(), __local
        for __i in range(2):
            yield __i

    def __method(self):
        return "private method"

    @classmethod
    @resumable
    def of_class(cls, n):
        made = cls(n)
        yield cls.label, made
        cls.count = 1
        yield cls.__secret

    @staticmethod
    @resumable
    def of_nobody(n):
        yield n
        yield n + 1

    @property
    @resumable
    def stream(self):
        yield self.n
        self.n += 1
        yield self.n

    @resumable
    def rebinds_self(self):
        yield self.n
        original, self = self, Base(99)
        yield self.n, original.n
        try:
            super().walk
        except TypeError as error:
            yield type(error)
        self = original
        yield from super().other()
        del self
        try:
            yield self
        except UnboundLocalError as error:
            yield error

    @resumable
    def super_in_closure(self):
        def inside():
            return super(Derived, self).label, __class__.__name__

        yield inside()
        yield inside()

    @resumable
    def super_in_comprehension(self):
        yield [super(Derived, self).label for _ in range(2)]
        held = (__class__.__name__ for _ in range(2))
        yield next(held)
        yield next(held)

    @resumable
    def __iter__(self):
        yield from (self.n, self.label)

    @resumable
    def __call__(self, x):
        yield self, x
        yield x

    def __eq__(self, other):
        return type(other) is type(self) and other.n == self.n

    __hash__ = None


class Deeper(Derived):
    @resumable
    def walk(self):
        yield "deeper"
        yield from super().walk()
        yield "deeper ends"

    @classmethod
    @resumable
    def of_class(cls, n):
        yield "deeper", __class__ is cls
        yield from super().of_class(n)


starts("method", lambda: Base(3).walk())
starts("method_with_super", lambda: Derived(2).walk())
starts("method_with_super_twice", lambda: Deeper(2).walk())
starts("private_names", lambda: Derived(1).private())
starts("class_method", lambda: Derived.of_class(2))
starts("class_method_inherited", lambda: Deeper.of_class(2))
starts("static_method", lambda: Derived.of_nobody(4))
starts("static_method_of_instance", lambda: Derived(1).of_nobody(4))
starts("property_stream", lambda: Derived(5).stream)
starts("self_rebound", lambda: Derived(5).rebinds_self())
starts("super_in_closure", lambda: Derived(1).super_in_closure())
starts("super_in_comprehension", lambda: Derived(1).super_in_comprehension())
starts("iter_method", lambda: iter(Derived(3)))
starts("call_method", lambda: Derived(3)("x"))
starts("unbound_method", lambda: Base.walk(Derived(1)))


class Outer:
    class Inner:
        def __init__(self):
            self.__x = 5

        @resumable
        def walk(self):
            yield self.__x
            self.__x += 1
            yield self.__x, __class__.__qualname__


starts("nested_class_method", lambda: Outer.Inner().walk())


class Slotted:
    __slots__ = ("a", "__b")

    def __init__(self):
        self.a = 1
        self.__b = [2]

    @resumable
    def walk(self):
        yield self.a, self.__b
        self.a += 1
        yield self.a, self.__b


starts("slotted", lambda: Slotted().walk())


@dataclasses.dataclass
class Record:
    name: str
    values: list = dataclasses.field(default_factory=list)

    @resumable
    def stream(self):
        for value in self.values:
            yield dataclasses.replace(self, name=str(value))
        return self


starts("dataclass_method", lambda: Record("r", [1, 2]).stream())


class Abstract(abc.ABC):
    @abc.abstractmethod
    @resumable
    def walk(self):
        yield "abstract body"


class Concrete(Abstract):
    @resumable
    def walk(self):
        yield "concrete"
        yield from super().walk()


starts("abstract_method", lambda: Concrete().walk())


class Numbers(enum.Enum):
    ONE = 1
    TWO = 2

    @resumable
    def count(self):
        for _ in range(self.value):
            yield self
        yield list(type(self))


starts("enum_method", lambda: Numbers.TWO.count())


class Iterating:
    """Its __iter__ is resumable, so a loop over it holds a generator that moves along."""

    def __init__(self, *values):
        self.values = values

    @resumable
    def __iter__(self):
        for value in self.values:
            say(("give", value))
            yield value


@case()
@resumable
def loops_over_resumable_iter():
    source = Iterating(1, 2, 3)
    for value in source:
        for other in source:
            yield value, other
            if other == 2:
                break


@case(steps=14)
@resumable
def local_class():
    base = 10

    class Point:
        "A local class."

        shared = []

        def __init__(self, x):
            self.x = x

        def moved(self, by):
            return type(self)(self.x + by + base)

        def __repr__(self):
            return f"Point({self.x})"

        @classmethod
        def origin(cls):
            return cls(0)

        @staticmethod
        def unit():
            return 1

        @property
        def double(self):
            return self.x * 2

    p = Point(1)
    yield p, repr(p)
    q = p.moved(1)
    base = 20
    yield q.x, p.moved(1).x, q.double, Point.origin().x, Point.unit()
    Point.shared.append(q)
    yield p.shared[0] is q, isinstance(p, Point), type(p) is type(q) is Point
    yield Point.__name__, Point.__qualname__, Point.__doc__
    Point.added = lambda self: self.x + 100
    yield p.added()


@case()
@resumable
def local_class_with_super():
    class A:
        def hello(self):
            return ["A"]

    class B(A):
        __private = 7

        def hello(self):
            return super().hello() + ["B", self.__private, __class__.__name__]

    b = B()
    yield b.hello()
    yield type("C", (B,), {"hello": lambda self: ["C"]})().hello(), B.__mro__[1].__name__
    yield issubclass(B, A), isinstance(b, A), [k.__name__ for k in B.__mro__]


@case()
@resumable
def class_body_uses_locals():
    names = ["a", "b"]
    n = (yield "n") or 3

    class Made:
        count = n
        table = {name: n for name in names}
        for name in names:
            exec_time = name
        if n:
            sometimes = True
        m = "class scope"
        inner = m
        del name

    yield Made.count, Made.table, Made.exec_time, Made.inner, n
    made = Made()
    yield made.count, made.sometimes


@case()
@resumable
def class_body_shadows_locals():
    n = m = (yield "n") or 3
    try:

        class Made:
            before = m
            count = n
            n = "makes the name one of the class body, so that the local is not seen"

    except NameError as error:
        yield error


@case()
@resumable
def generated_classes_not_held():
    """What a decorator or a metaclass writes has no source, so it lives between two yields only."""
    n = (yield "n") or 1

    @dataclasses.dataclass
    class Pair:
        left: int
        right: list = dataclasses.field(default_factory=list)

    class Colour(enum.Enum):
        RED = n

    class Row(typing.NamedTuple):
        a: int
        b: int = 2

    shown = repr(Pair(n)).rpartition(".")[2], Colour.RED.value, tuple(Row(1)), Pair(1) == Pair(1)
    del Pair, Colour, Row
    yield shown


@case()
@resumable
def local_class_generator_method():
    class Source:
        def __init__(self, n):
            self.n = n

        @resumable
        def stream(self):
            for i in range(self.n):
                yield i, limit

    limit = "x"
    held = Source(3).stream()
    yield next(held)
    limit = "y"
    yield next(held)
    yield list(held)


@case()
@resumable
def local_exception():
    class Problem(Exception):
        def __init__(self, code, *, hint=None):
            super().__init__(code)
            self.hint = hint

    class Worse(Problem):
        pass

    try:
        raise Worse("local", hint=[1])
    except Problem as error:
        yield error
        yield error.hint, type(error) is Worse
        try:
            raise
        except Worse as same:
            yield same is error


@case()
@resumable
def metaclass_between_yields():
    class Meta(type):
        def __new__(mcs, name, bases, body, **options):
            made = super().__new__(mcs, name, bases, body)
            made.options = options
            return made

        def __init__(cls, name, bases, body, **options):
            super().__init__(name, bases, body)

    class Made(metaclass=Meta, flag=1):
        pass

    shown = Made.options, type(Made).__name__
    del Made, Meta
    yield shown


@case()
@resumable
def class_changed_between():
    class Thing:
        def speak(self):
            return "old"

    thing = Thing()
    yield thing.speak()
    Thing.speak = lambda self: "new"
    yield thing.speak()
    thing.speak = lambda: "own"
    yield thing.speak()
    del thing.speak
    yield thing.speak()


class Versioned:
    """Pickles itself in its own way, and refers back to its owner."""

    def __init__(self, owner):
        self.owner = owner
        self.cache = {"never": "saved"}

    def __getstate__(self):
        return {"owner": self.owner}

    def __setstate__(self, state):
        self.__dict__.update(state, cache={"never": "saved"})

    @resumable
    def walk(self):
        self.owner.append(self)
        yield self.owner[0] is self
        yield self.owner, len(self.cache)


starts("own_pickling", lambda: Versioned([]).walk())


class Matrix:
    """A method defined by assignment, and one that is a lambda."""

    rows = resumable(lambda self: (yield from self.data))
    data = (1, 2)

    @resumable
    def _columns(self):
        yield from zip(self.data, self.data)

    columns = _columns


starts("lambda_as_method", lambda: Matrix().rows())
starts("method_by_another_name", lambda: Matrix().columns())
