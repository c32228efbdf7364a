"""Source of random generator functions: statements nested at random, each function sure to end.

`while` loops count a variable of their own that nothing else assigns; `for` loops walk over something short; recursion
does not occur. Loops nest at most to `DEPTH`, so the work between two yields is bounded as well.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st

DEPTH = 4
NAMES = ("a", "b", "c")
ERRORS = ("ValueError", "KeyError", "LookupError", "OSError", "Exception", "TypeError")
MODES = ("plain", "plain", "suppress", "raise", "raise-on-error", "same")


@dataclass
class Around:
    """Where a statement stands, hence what may stand there."""

    depth: int = 0
    loop: bool = False
    handler: bool = False
    star_handler: bool = False  # in `except*` neither yield nor return, break, continue
    names: tuple[str, ...] = NAMES

    def deeper(self, **changes: bool) -> "Around":
        return Around(**{**vars(self), "depth": self.depth + 1, **changes})


@dataclass
class Writer:
    """Draws one function. `budget` is the number of statements left, so that the size is bounded too."""

    draw: st.DrawFn
    budget: int = 24
    fresh: int = 0
    marks: int = 0
    functions: list[str] = field(default_factory=list)

    # --- choices

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def one_of(self, options: tuple[str, ...]) -> str:
        return self.draw(st.sampled_from(options))

    def new(self, kind: str) -> str:
        self.fresh += 1
        return f"{kind}{self.fresh}"

    def mark(self) -> int:
        self.marks += 1
        return self.marks

    # --- expressions

    def leaf(self, around: Around) -> str:
        choice = self.number(0, 9)
        if choice < 5:
            return self.one_of(around.names)
        if choice < 8:
            return str(self.number(0, 3))
        return self.one_of(("None", "'s'", "[]", "box", "bag", "sys.exc_info()[1]", "dir()"))

    def expression(self, around: Around, depth: int = 0) -> str:
        if depth > 2:
            return self.leaf(around)

        def part() -> str:
            return self.expression(around, depth + 1)

        choice = self.number(0, 19)
        if choice < 5:
            return self.leaf(around)
        if choice < 11:
            if around.star_handler:
                return f"op({self.leaf(around)})"
            return f"(yield {self.mark()}, {part()})" if choice < 9 else f"(yield {part()})"
        table = {
            11: lambda: f"num({part()}) + num({part()})",
            12: lambda: f"({part()} if {part()} else {part()})",
            13: lambda: f"({part()} {self.one_of(('and', 'or'))} {part()})",
            14: lambda: f"(num({part()}) < num({part()}) <= num({part()}))",
            15: lambda: f"mix(op({part()}), {part()}, *[{part()}], key={part()})",
            16: lambda: f"[{part()}, *({part()},), {part()}]",
            17: lambda: f"f'{{num({self.plain(part())})}}-{{num({self.plain(part())}):>{{2 + 1}}}}'",
            18: lambda: f"({self.one_of(NAMES)} := {part()})",
            19: lambda: f"[num(x) + num({self.one_of(around.names)}) for x in ({self.unnamed(part())}, 5)]",
        }
        return f"({table[choice]()})"

    @staticmethod
    def plain(text: str) -> str:
        """Before Python 3.12 an f-string may not hold its own quotes or a nested f-string."""
        return "op(1)" if "'" in text or '"' in text else text

    @staticmethod
    def unnamed(text: str) -> str:
        """The iterable of a comprehension may not hold a walrus."""
        return "op(2)" if ":=" in text else text

    # --- statements

    def block(self, around: Around) -> list[str]:
        lines: list[str] = []
        for _ in range(self.number(1, 3)):
            lines += self.statement(around)
            if self.budget <= 0:
                break
        return lines

    def indented(self, around: Around) -> list[str]:
        return ["    " + line for line in self.block(around)]

    def statement(self, around: Around) -> list[str]:
        self.budget -= 1
        if self.budget <= 0 or around.depth >= DEPTH or self.number(0, 9) < (2 if around.depth == 0 else 4):
            return self.simple(around)
        kinds = (self.try_, self.try_, self.finally_, self.for_, self.while_, self.if_, self.with_, self.match_)
        kinds += () if around.star_handler else (self.star,)
        return self.draw(st.sampled_from(kinds))(around)

    def simple(self, around: Around) -> list[str]:
        def value() -> str:
            return self.expression(around)

        name = self.one_of(NAMES)
        choices = [
            lambda: [f"{name} = {value()}"],
            lambda: [f"{name} = {value()}"],
            lambda: [value()],
            lambda: [f"say({self.mark()}, {value()})"],
            lambda: [f"{name}, *bag.rest = [{value()}, {value()}]"],
            lambda: [f"box[num({value()}) % 3] = {value()}"],
            lambda: [f"bag.n += num({value()})"],
            lambda: [f"box[1] = lambda: ({name}, {self.one_of(NAMES)})", "op(box[1]())"],
        ]
        if not around.star_handler:
            choices += [
                lambda: [f"yield {self.mark()}, {value()}"],
                lambda: [f"yield {self.mark()}, {value()}"],
                lambda: [f"{name} = yield {self.mark()}"],
                lambda: [f"{name} = yield from sub({self.mark()}, num({value()}) % 3)"],
                lambda: [f"yield from (op(({self.mark()}, x, {self.one_of(around.names)})) for x in range(2))"],
            ]
            if around.depth > 0:
                choices.append(lambda: [f"return {value()}"])
            if around.loop:
                choices += [lambda: ["break"], lambda: ["continue"]] * 2
        if around.depth > 0:  # at the top they would only make the function end early
            choices += [
                lambda: [f"raise {self.one_of(ERRORS)}({self.mark()}, {value()})"],
                lambda: [f"raise {self.one_of(ERRORS)}({self.mark()}) from OSError({self.leaf(around)})"],
                lambda: [f"assert {value()}, {value()}"],
                lambda: [f"del {name}"],
            ]
        if around.handler:
            choices += [lambda: ["raise"], lambda: ["op(sys.exc_info()[1])"]]
        return self.draw(st.sampled_from(choices))()

    def if_(self, around: Around) -> list[str]:
        lines = [f"if {self.expression(around)}:", *self.indented(around.deeper())]
        if self.number(0, 2) == 0:
            lines += [f"elif {self.expression(around)}:", *self.indented(around.deeper())]
        if self.number(0, 1):
            lines += ["else:", *self.indented(around.deeper())]
        return lines

    def for_(self, around: Around) -> list[str]:
        source = self.one_of(
            (
                "range(3)",
                "[1, 2]",
                "'ab'",
                "zip('xy', [4, 5])",
                "enumerate((7, 8))",
                "Items(1, 2)",
                "(i * 2 for i in range(2))",
                "{1: 2, 3: 4}.items()",
                "()",
                f"({self.expression(around)}, 2)",
            )
        )
        lines = [f"for {self.one_of(NAMES)} in {source}:", *self.indented(around.deeper(loop=True))]
        return lines + self.maybe_else(around)

    def while_(self, around: Around) -> list[str]:
        count = self.new("n")
        test = f"{count} < 2 and ({self.expression(around)} or {count} == 0)" if self.number(0, 1) else f"{count} < 2"
        lines = [f"{count} = 0", f"while {test}:", f"    {count} += 1", *self.indented(around.deeper(loop=True))]
        return lines + self.maybe_else(around)

    def maybe_else(self, around: Around) -> list[str]:
        return ["else:", *self.indented(around.deeper())] if self.number(0, 2) == 0 else []

    def try_(self, around: Around) -> list[str]:
        lines = ["try:", *self.indented(around.deeper())]
        for _ in range(self.number(1, 2)):
            kind = self.one_of(("KeyError", "(ValueError, TypeError)", "Exception", "op(LookupError)"))
            if not around.star_handler and self.number(0, 7) == 0:
                kind = "((yield 'type') or OSError)"
            lines += [
                f"except {kind}{self.one_of(('', ' as c', ' as e'))}:",
                *self.indented(around.deeper(handler=True)),
            ]
        if self.number(0, 2) == 0:
            lines += ["else:", *self.indented(around.deeper())]
        if self.number(0, 1):
            lines += ["finally:", *self.indented(around.deeper())]
        return lines

    def finally_(self, around: Around) -> list[str]:
        return ["try:", *self.indented(around.deeper()), "finally:", *self.indented(around.deeper())]

    def star(self, around: Around) -> list[str]:
        inside = around.deeper(star_handler=True, handler=True, loop=False)
        lines = ["try:", *self.indented(around.deeper()), f"except* {self.one_of(ERRORS)}:", *self.indented(inside)]
        if self.number(0, 1):
            lines += ["else:", *self.indented(around.deeper())]
        if self.number(0, 1):
            lines += ["finally:", *self.indented(around.deeper())]
        return lines

    def with_(self, around: Around) -> list[str]:
        items = [
            f"Manager({self.mark()}, {self.one_of(MODES)!r}){self.one_of(('', f' as {self.one_of(NAMES)}'))}"
            for _ in range(self.number(1, 2))
        ]
        if not around.star_handler and self.number(0, 5) == 0:
            items.append(f"(yield 'manager') or Manager({self.mark()})")
        return [f"with {', '.join(items)}:", *self.indented(around.deeper())]

    def match_(self, around: Around) -> list[str]:
        lines = [f"match {self.expression(around)}:"]
        for _ in range(self.number(1, 2)):
            pattern = self.one_of(
                ("None", "0 | 1", "int(b)", "[c, *_]", "(_, a)", "str()", "[a, b] if op(a)", "bool() as a", "{'k': b}")
            )
            lines += [f"    case {pattern}:", *("    " + line for line in self.indented(around.deeper()))]
        if self.number(0, 1):
            lines += ["    case _:", *("    " + line for line in self.indented(around.deeper()))]
        return lines


@st.composite
def sources(draw: st.DrawFn) -> str:
    """The source of a generator function called `generated`, and of the one to which it delegates."""
    writer = Writer(draw)
    body = writer.block(Around())
    while writer.budget > 12 and len(body) < 12:
        body += writer.block(Around())
    head = ["a, b, c = 1, 2, 3", "e = None", "box = [0, None, 2]", "bag = Bag(n=0)"]
    lines = [*head, *body, "yield 'end', dict(sorted(locals().items()))"]
    return PRELUDE + "@resumable\ndef generated():\n" + "".join(f"    {line}\n" for line in lines)


PRELUDE = """\
import sys
from mobility import resumable
from tests.corpus.record import Bag, Items, Manager, mix, num, op, say


@resumable
def sub(name, count):
    try:
        for i in range(count):
            got = yield name, i
            say((name, got))
    finally:
        say(("sub ends", name))
    return count


"""
