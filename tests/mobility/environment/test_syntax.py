"""The oldest Python for a text, checked against the compilers of the interpreters of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.environment import oldest_python
from mobility.testing import Interpreter, found

ROOT = Path(__file__).resolve().parents[3]
OLD = [
    "", "x = 1", "match x:\n    case 1: pass", "try:\n    pass\nexcept* ValueError:\n    pass", "f'{x}'", "a[*b]",
    "f'{x!r:>{width}}'", "f\"{d['a']}\"", "f'''{\nx\n}'''", "f'''{d['a']}'''", "f'\\n{x}'", "f'{{#}}'", "type = 1",
    "rf'\\d{x}'", "f'{x:\\n}'", "f'a' f\"{x}\" '\\\\'", "f'''{f\"{x}\"}'''", "f\"{'#'}\"", "f'{x=}'", "type(x)",
    "f'{x}' # '{'", "print(f'{x}',\n      y)", "x = f'{x}' \\\n  'z'", "f'{x:{y}}{z:{w}}'", "'\\d'",
    "f'''\n\\n\n{x}'''",
    "f'{(lambda: 1)()}'", "f''", "f'{x}{y}'", "b'\\d'", "f'''{x}\n{y:\n}'''", "f'\xe9{x}\u20ac' 'a'",
    "f'\\'{x}'", "f'''\xe9\n\xe9\x0c{x}\u2028'''", "f'{x!r:>3}'", "f'''{\n\n x}'''",
    "f'\x0c{x}\u2028'", "f'{x != y}'", "f'a' \\\n f'b'",
    "async def f():\n    return [x async for x in y]",
    "with (open(a) as b, open(c) as d): pass", "f'{x:{y!r}}'", "f'\\N{DIGIT ONE}{x}'",
]  # fmt: skip
WITH_PEP_701 = [
    "f'{d['a']}'", "f'{f'{x}'}'", "f'{\"\\n\".join(x)}'", "f'''{x # why\n}'''", "f'{\nx}'",
    "f'{x\n}'", "f\"{f'{x + \"a\"}'}\"",
    "f'''{x\n\\\n}'''", "f'{x!r }'", "f'''{x!r\n}'''", "f'''{f\"f\"\"\" \"}'''", 'f"""{f"f"""}"""',
    "f'{x:{y:{z}}}'", "f'''{f\"{x}\\n\"}'''", "f'''{x + \\\ny}'''", "f'{f\"a'b{x}\"}'",
    "f'\xe9{d['\xe9']}'", "f'{\"\"\"\n\"\"\"}'", "f'{f\"\\n\"}'",
]  # fmt: skip
NEWER = {
    (3, 12): ["type X = int", "def f[T](x: T): pass", "class C[T]: pass", *WITH_PEP_701],
    (3, 13): ["def f[T = int](): pass", "type X[T = int] = T"],
    (3, 14): ["t'{x}'", "try:\n    pass\nexcept A, B:\n    pass"],
}
NEVER = ["x =", "def", "\0", "(" * 100000, "print 'a'", "    x", "f'{'", "'", "-" * 200000 + "1"]
TEXTS = [*OLD, *NEWER[3, 12], *NEWER[3, 13], *NEWER[3, 14]]


def ask(interpreter: Interpreter, code: str) -> list[str | bool | None]:
    """The answers of an interpreter about all the texts."""
    code = f"import json, sys, warnings\nwarnings.simplefilter('ignore')\ntexts = json.load(sys.stdin)\n{code}"
    answer = subprocess.run(
        [interpreter.path, "-c", code],
        input=json.dumps(TEXTS),
        env=interpreter.environment(ROOT),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return list(json.loads(answer.stdout))


COMPILES = """
def compiles(text):
    try:
        compile(text, "text", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True
print(json.dumps([compiles(text) for text in texts]))
"""
OLDEST = """
from mobility.environment import oldest_python
print(json.dumps([oldest_python([text]) for text in texts]))
"""


def test_agrees_with_the_compilers() -> None:
    """Each interpreter predicts which texts the older ones take; those that are here say whether that is true."""
    compiles = {one.minor: ask(one, COMPILES) for one in found()}
    for one in found():
        for index, said in enumerate(ask(one, OLDEST)):
            assert isinstance(said, str)
            oldest = tuple(map(int, said.split(".")))
            for minor, answers in compiles.items():
                if minor <= one.minor:  # of newer ones, it can only say that they are newer
                    assert answers[index] is (minor >= oldest), (one, TEXTS[index], said, minor)


def test_what_any_supported_python_compiles() -> None:
    """Most code; refusing it on an older host would be wrong."""
    assert {text: oldest_python([text]) for text in OLD} == dict.fromkeys(OLD, "3.11")


@pytest.mark.parametrize("text", NEVER)
def test_what_cannot_be_parsed_needs_a_newer_one(text: str) -> None:
    """An error would keep the verdict from being given; and a text that was signed and ran must have been right."""
    assert oldest_python(["x = 1", text]) == f"{sys.version_info[0]}.{sys.version_info[1] + 1}"


def test_the_newest_of_several_texts_decides() -> None:
    """They travel together."""
    assert oldest_python([]) == "3.11"
    assert oldest_python(["x", NEVER[0], "y"]) == oldest_python(NEVER[:1])


def test_warnings_are_not_raised() -> None:
    """A doubtful escape is the author's affair; here, where warnings are errors, it must not look like new syntax."""
    assert oldest_python(["'\\d'", "x is 1"]) == "3.11"


@given(st.text(max_size=40) | st.text(st.sampled_from("f'\"{}\\\n #:x"), max_size=14))
def test_never_raises(text: str) -> None:
    """The text comes with a bundle."""
    assert oldest_python([text]) in ("3.11", f"{sys.version_info[0]}.{sys.version_info[1] + 1}", "3.12")
