"""What modules hold travels with a unit: each project runs a while, moves twice, and must not notice.

The agent of each project is the generator function ``run`` of ``app``. It is packed after its first step by its owner,
goes on for a step, and is packed again by a place.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mobility import Bundle, Identity, TrustStore, discard, pack, unpack
from mobility.code import SourceMissing
from mobility.data import NotPackable
from mobility.errors import MobilityError
from tests.mobility.code.conftest import Project, project

__all__ = ["project"]  # a fixture

_RUN = "from mobility import resumable\n"

CASES: dict[str, dict[str, str]] = {
    "a sentinel that is a default value": {
        "app": """
            _MISSING = object()
            def get(d, k, default=_MISSING): return "missing" if default is _MISSING else default
            @resumable
            def run():
                for _ in range(4): yield get({}, "a"), get({}, "a", 2)
        """
    },
    "a table that is a default value too": {
        "app": """
            CFG = {"level": 1}
            def f(cfg=CFG): return cfg["level"]
            CFG["level"] = 5
            @resumable
            def run():
                for _ in range(4):
                    CFG["level"] += 1
                    yield f(), CFG["level"], f.__defaults__[0] is CFG
        """
    },
    "a table that is a method's default value": {
        "app": """
            CFG = {"level": 1}
            class K:
                def level(self, cfg=CFG): return cfg["level"], cfg is CFG
            @resumable
            def run():
                for _ in range(4):
                    CFG["level"] += 1
                    yield K().level()
        """
    },
    "a registry that is a class attribute too": {
        "app": """
            REGISTRY = {}
            def register(f):
                REGISTRY[f.__name__] = f
                return f
            class Bus: handlers = REGISTRY
            @register
            def one(): return 1
            @resumable
            def run():
                for step in range(4):
                    REGISTRY[f"step {step}"] = one
                    yield Bus.handlers is REGISTRY, sorted(REGISTRY), REGISTRY["one"]()
        """
    },
    "a counter that class bodies advance": {
        "app": """
            import itertools
            _order = itertools.count()
            class A: order = next(_order)
            class B: order = next(_order)
            @resumable
            def run():
                for _ in range(4): yield A.order, B.order, next(_order)
        """
    },
    "a moment that a class keeps": {
        "app": """
            import time, uuid
            START = time.time()
            class A: made = START
            def name(id=uuid.uuid4().hex): return id
            FIRST = name()
            @resumable
            def run():
                for _ in range(4): yield A.made == START, name() == FIRST
        """
    },
    "decorators that count at import": {
        "reg": """
            NAMES = []
            COUNT = 0
            def register(f):
                global COUNT
                COUNT += 1
                NAMES.append(f.__name__)
                return f
            def names(): return COUNT, list(NAMES)
        """,
        "app": """
            from reg import register, names
            @register
            def step_a(): return "A"
            @resumable
            def run():
                for _ in range(4): yield step_a(), names()
        """,
    },
    "variables of another module, set from here": {
        "helper": "N = 0\nLIMIT = 3\ndef n(): return N",
        "app": """
            import helper
            from helper import LIMIT
            @resumable
            def run():
                global LIMIT
                for _ in range(4):
                    helper.N += 1
                    LIMIT += 1
                    setattr(helper, "LATE", helper.N)
                    yield helper.n(), LIMIT, helper.LIMIT, helper.LATE
        """,
    },
    "names that are bound late or anew": {
        "app": """
            N = 1
            def first(): return "first"
            def second(): return "second"
            handler = first
            def change():
                global CACHE, handler
                CACHE = {"n": N}
                handler = second
                globals()["N"] = N + 1
            @resumable
            def run():
                for step in range(4):
                    yield N, handler()
                    change()
                    yield CACHE, N, handler()
        """
    },
    "a function that is replaced": {
        "app": """
            def handler(): return "first"
            def other(): return "other"
            @resumable
            def run():
                global handler
                yield handler()
                handler = other
                for _ in range(3): yield handler()
        """
    },
    "state of functions and classes": {
        "app": """
            import functools
            class C:
                n = 0
                seen = []
                __slots__ = ("x",)
            def acc(x, seen=[]):
                seen.append(x)
                return list(seen)
            def calls():
                calls.n += 1
                return calls.n
            calls.n = 0
            def counted(f):
                n = 0
                @functools.wraps(f)
                def inner():
                    nonlocal n
                    n += 1
                    return f(), n
                return inner
            @counted
            def go(): return "go"
            class task:
                def __init__(self, f): self.f, self.runs = f, 0
                def __call__(self):
                    self.runs += 1
                    return self.f(), self.runs
            @task
            def job(): return "job"
            @resumable
            def run():
                queue = [job]
                for step in range(4):
                    C.n += 1
                    C.seen.append(step)
                    yield C.n, C.seen, acc(step), calls(), go(), queue[0] is job, queue[0](), job.runs
        """
    },
    "a singleton": {
        "app": """
            class Store:
                _instance = None
                @classmethod
                def get(cls):
                    if cls._instance is None:
                        cls._instance = cls()
                        cls._instance.items = []
                    return cls._instance
            @resumable
            def run():
                store = Store.get()
                for step in range(4):
                    store.items.append(step)
                    yield store is Store.get(), list(Store.get().items)
        """
    },
    "subclasses that register themselves": {
        "app": """
            class Base:
                registry = {}
                def __init_subclass__(cls, **options):
                    super().__init_subclass__(**options)
                    Base.registry[cls.__name__] = cls
            class X(Base):
                def name(self): return "x"
            @resumable
            def run():
                for _ in range(4): yield sorted(Base.registry), Base.registry["X"]().name()
        """
    },
    "patches by another module": {
        "helper": "class P:\n    def v(self): return 'old'\ndef fn(): return 'orig'",
        "app": """
            import functools, helper
            helper.P.v = lambda self: "new"
            def around(f):
                @functools.wraps(f)
                def w(): return "patched", f()
                return w
            helper.fn = around(helper.fn)
            @resumable
            def run():
                for _ in range(4): yield helper.P().v(), helper.fn()
        """,
    },
    "an import that a function will make": {
        "later": "from leaf import N\nSTATE = []\ndef f():\n    STATE.append(N)\n    return len(STATE)",
        "leaf": "N = 4",
        "pack__init": "",
        "pack__late": "from .twin import name\ndef late(): return name",
        "pack__twin": "name = 'twin'",
        "app": """
            @resumable
            def run():
                yield "not yet"
                yield "and still not"
                for _ in range(3):
                    import later
                    from pack.late import late
                    yield later.f(), late()
        """,
    },
    "an import between two packs": {
        "later": "N = 4",
        "app": """
            def use():
                import later
                later.N += 1
                return later.N
            @resumable
            def run():
                for _ in range(4): yield use()
        """,
    },
    "code that runs while its module does": {
        "app": """
            import enum
            TABLE = {"a": 1}
            class P(enum.Enum):
                A = "a"
                def __init__(self, k): self.v = TABLE[k]
            class Q:
                x = sorted("ba", key=lambda v: TABLE.get(v, 9))
                def helper(): return TABLE["a"]
                y = helper()
            def deco(f):
                f()
                return lambda g: g
            @deco(lambda: TABLE["a"])
            def h(x=sorted("ab", key=lambda v: TABLE.get(v, 9))): return x
            @resumable
            def run():
                for _ in range(4): yield P.A.v, Q.x, Q.y, h()
        """
    },
    "names that are bound no longer": {
        "app": """
            tmp = 5
            def f(a=tmp): return a
            del tmp
            def g(): return Base0
            class Base0: kind = "first"
            B = g()
            class K(B): pass
            def g(): return "second"
            @resumable
            def run():
                for _ in range(4): yield f(), K.kind, g()
        """
    },
    "a cycle of imports": {
        "zmod": "class Base:\n    kind = 'base'\nfrom amod import g\ndef h(): return g()",
        "amod": "from zmod import Base\nSTATE = [0]\ndef g():\n    STATE[0] += 1\n    return Base.kind, STATE[0]",
        "app": """
            import zmod
            @resumable
            def run():
                for _ in range(4): yield zmod.h()
        """,
    },
    "annotations in quotes": {
        "app": """
            from dataclasses import dataclass, field, KW_ONLY, InitVar
            from typing import ClassVar, get_type_hints
            class Leaf: pass
            @dataclass
            class Node:
                total: "ClassVar[int]" = 0
                a: "int" = 1
                _: "KW_ONLY" = None
                leaf: "Leaf | None" = None
            @resumable
            def run():
                for _ in range(4):
                    Node.total += 1
                    yield repr(Node(2)), Node.total, sorted(get_type_hints(Node))
        """
    },
    "odd line ends": {
        "app": "\f\nX = 'a\x1cb'\n\f\n@resumable\ndef run():\n    for _ in range(4):\n        yield X, '\u2028', 'y'\n"
    },
    "what the module says of itself": {
        "app": '''
            """Documented."""
            __all__ = ["run"]
            @resumable
            def run():
                for _ in range(4): yield __doc__, __all__
        '''
    },
    "a guard with an else": {
        "app": """
            if "__main__" == __name__:
                def helper(): return "script"
            else:
                def helper(): return "module"
            @resumable
            def run():
                for _ in range(4): yield helper()
        """
    },
    "a function with assertions, as a test runner writes them anew": {
        "app": """
            def check(n):
                assert n < 10, f"too many: {n}"
                return n
            @resumable
            def run():
                for n in range(4):
                    assert check(n) == n
                    yield n
        """
    },
    "huge numbers": {
        "app": """
            BIG = 2**19937 - 1
            @resumable
            def run():
                for _ in range(4): yield BIG % 1000
        """
    },
    "an object of a local class": {
        "app": """
            def make():
                class L:
                    def __init__(self): self.n = 0
                    def go(self):
                        self.n += 1
                        return self.n, type(self).__name__
                return L()
            @resumable
            def run():
                thing = make()
                for _ in range(4): yield thing.go()
        """
    },
}


class World:
    def __init__(self, folder: Path) -> None:
        self.owner = Identity.generate("owner", "owner")
        self.place = Identity.generate("oslo", "place")
        self.trust = TrustStore(folder)
        for identity in (self.owner, self.place):
            self.trust.trust(identity.public)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "trust")


def _start(project: Project, files: dict[str, str]) -> Any:
    """A generator of ``run``, with all modules of the project fresh."""
    for name in files:
        module = name.replace("__init", "").replace("__", ".")
        sys.modules.pop(module, None)
    project.write(**{name: text for name, text in files.items() if name != "app"})
    text = files["app"]
    margin = re.match(r"\s*\n( *)", text)
    project.write(app=(margin[1] if margin else "") + _RUN + text.lstrip("\n") if margin else _RUN + text)
    return project.load("app").run()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_the_agent_does_not_notice(case: str, project: Project, world: World) -> None:
    undisturbed = list(map(_plain, _start(project, CASES[case])))

    agent = _start(project, CASES[case])
    seen = [_plain(next(agent))]
    verified = Bundle.from_bytes(bytearray(pack(agent, by=world.owner).to_bytes())).verify(world.trust)
    discard(agent)
    for name in CASES[case]:
        sys.modules.pop(name.replace("__init", "").replace("__", "."), None)
    for file in project.folder.rglob("*.py"):
        file.unlink()  # nothing of the project is left
    for _ in range(2):
        agent = unpack(verified)
        seen.append(_plain(next(agent)))
        data = bytearray(pack(agent, by=world.place, passport=verified.passport).to_bytes())
        discard(agent)
        verified = Bundle.from_bytes(data).verify(world.trust)
    seen += map(_plain, unpack(verified))
    assert seen == undisturbed


def _plain(value: Any) -> str:
    """Now, and not as it will be; and whichever namespace its classes live in."""
    return re.sub(r"sojourn_[0-9a-f]{16}(_\d+)?\.|0x[0-9a-f]+", "", repr(value))


def test_packing_twice_with_a_step_between(project: Project, world: World) -> None:
    """What the second pack must carry may not have been there at the first."""
    agent = _start(project, CASES["an import between two packs"])
    pack(agent, by=world.owner)
    assert (next(agent), next(agent)) == (5, 6)
    verified = Bundle.from_bytes(bytearray(pack(agent, by=world.owner).to_bytes())).verify(world.trust)
    assert list(unpack(verified)) == [7, 8]


def test_agents_of_two_owners_share_no_state(project: Project, world: World) -> None:
    """Though they are of the same code."""
    add = "def add(n, seen=[]):\n    Acc.total += n\n    seen.append(n)\n    return Acc.total, seen\n"
    project.write(app=_RUN + "class Acc: total = 0\n" + add + "@resumable\ndef run(n):\n    while True: yield add(n)\n")
    units = []
    for n in (1, 10):
        sys.modules.pop("app", None)
        data = pack(project.load("app").run(n), by=world.owner).to_bytes()
        units.append(unpack(Bundle.from_bytes(bytearray(data)).verify(world.trust)))
    assert [_plain(next(unit)) for unit in units * 2] == ["(1, [1])", "(10, [10])", "(2, [1, 1])", "(20, [10, 10])"]


def test_a_lock_is_made_again_and_an_object_around_one_is_refused(project: Project, world: World) -> None:
    """What a lock guards is not thrown away without a word."""
    body = "@resumable\ndef run():\n    while True: yield LOCK.locked()\n"
    project.write(app=_RUN + "import threading\nLOCK = threading.Lock()\n" + body)
    agent = project.load("app").run()
    assert next(unpack(Bundle.from_bytes(pack(agent, by=world.owner).to_bytes()).verify(world.trust))) is False
    counter = "class Counter:\n    def __init__(self): self.lock, self.n = threading.Lock(), 0\nC = Counter()\n"
    body = "@resumable\ndef run():\n    while True:\n        C.n += 1\n        yield C.n\n"
    project.write(other=_RUN + "import threading\n" + counter + body)
    agent = project.load("other").run()
    next(agent)
    with pytest.raises(NotPackable, match=r"other\.C.*lock") as refusal:
        pack(agent, by=world.owner)
    assert "C" in refusal.value.path
    assert next(agent) == 2


def test_a_native_generator_in_a_variable_is_refused(project: Project, world: World) -> None:
    """Its numbers would be given out twice."""
    project.write(app=_RUN + "IDS = (i for i in range(9))\n@resumable\ndef run():\n    while True: yield next(IDS)\n")
    agent = project.load("app").run()
    next(agent)
    with pytest.raises(MobilityError, match="IDS|generator"):
        pack(agent, by=world.owner)
    assert next(agent) == 1


def test_a_file_that_was_edited_since(project: Project, world: World) -> None:
    project.write(app=_RUN + "@resumable\ndef run():\n    yield 1\n    yield 2\n")
    agent = project.load("app").run()
    next(agent)
    project.write(app=_RUN + "\n\n@resumable\ndef run():\n    yield 'another'\n    yield 'text'\n")
    with pytest.raises(SourceMissing, match="changed"):
        pack(agent, by=world.owner)
    assert next(agent) == 2
