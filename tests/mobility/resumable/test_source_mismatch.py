"""A snapshot resumes only in the source from which it was taken; everything else is refused with what was found."""

import sys
from pathlib import Path
from typing import Any

import pytest

from mobility import capture, discard, dumps, loads
from mobility.errors import SourceMismatch
from tests.mobility.resumable.helpers import import_written, output_of

SOURCE = """
from mobility import resumable

@resumable
def count(n):
    for i in range(n):
        yield i

class Counter:
    class Inner:
        @resumable
        def count(self, n):
            for i in range(n):
                yield i

def factory(base):
    @resumable
    def count(n):
        for i in range(n):
            yield base + i
    return count

@resumable
def expression(n):
    for i in (x * 1 for x in range(n)):
        yield i
"""
MAKERS = {
    "count": "count(9)",
    "Counter.Inner.count": "Counter.Inner().count(9)",
    "factory.<locals>.count": "factory(0)(9)",
    "expression": "expression(9)",
}

LOAD = """
    import pathlib, sys
    import mobility, mobility.errors
    try:
        found = mobility.loads(pathlib.Path(sys.argv[1]).read_bytes())
        print("went on", next(found))
    except mobility.errors.MobilityError as error:
        print(type(error).__name__, error.slug)
        print(sorted(vars(error).items()))
        print(error)
"""


def elsewhere(data: bytes, changed: str | None, folder: Path) -> list[str]:
    """Load a snapshot in a fresh process that has another text of the module, or none; return what it printed."""
    away = folder / "away"
    away.mkdir(exist_ok=True)
    (away / "data").write_bytes(data)
    module = away / "counted.py"
    module.unlink(missing_ok=True)
    if changed is not None:
        module.write_text(changed)
    return output_of(away / "load.py", LOAD, away / "data", path=away).splitlines()


def snapshot(importable: Path, maker: str) -> tuple[bytes, Any]:
    module = import_written(importable, "counted", SOURCE)
    generator = eval(maker, vars(module))
    next(generator)
    return dumps(generator), generator


CHANGES = {
    "a constant": ("yield i", "yield i + 0"),
    "a name": ("for i in range(n):", "for k in range(n):"),
    "a space": ("yield i", "yield  i"),
    "a comment": ("yield i", "yield i  # counted"),
    "a parameter": ("n)", "n, m=1)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_source_is_refused_naming_both_digests(change: str, importable: Path) -> None:
    """Any change of the function's text, in a fresh process."""
    data, generator = snapshot(importable, "count(9)")
    old, new = CHANGES[change]
    head, mark, tail = SOURCE.partition("class Counter")
    changed = head.replace(old, new) + mark + tail
    if "comment" in change:  # behind the last token, it is not part of the function
        changed = head.replace("range(n):", "range(n):  # counted") + mark + tail
    assert changed != SOURCE
    kind, details, message = elsewhere(data, changed, importable)
    assert kind == "SourceMismatch source-mismatch"
    captured = capture(generator).function.digest.hex()
    found = dict(eval(details))
    assert (found["module"], found["qualname"], found["captured"]) == ("counted", "count", captured)
    assert len(found["found"]) == len(captured) and found["found"] != captured
    assert captured in message and found["found"] in message
    assert list(generator) == list(range(1, 9)), "the source is unharmed"


@pytest.mark.parametrize("name", MAKERS)
def test_each_kind_of_function_is_checked(name: str, importable: Path) -> None:
    """Methods of inner classes, closures of factories, generator expressions."""
    data, _ = snapshot(importable, MAKERS[name])
    kind, _, message = elsewhere(data, SOURCE.replace("yield", "yield  "), importable)
    assert kind == "SourceMismatch source-mismatch" and f"counted.{name}" in message
    assert elsewhere(data, SOURCE, importable) == ["went on 1"]
    assert elsewhere(data, "# moved down\nimport math\n\n" + SOURCE, importable) == ["went on 1"]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("gone", ["removed", "plain value", "not a generator", "no class"])
def test_a_function_that_is_gone_is_named(name: str, gone: str, importable: Path) -> None:
    """FunctionNotFound: removed, or something else bears its name."""
    data, _ = snapshot(importable, MAKERS[name])
    changed = {
        "removed": "x = 1\n",
        "plain value": f"{name.split('.')[0]} = 3\n",
        "not a generator": SOURCE.replace("yield", "").replace("@resumable", "").replace("(x * 1", "(x"),
        "no class": "def Counter(): pass\ndef factory(): pass\ndef count(): pass\ndef expression(): pass\n",
    }[gone]
    kind, details, message = elsewhere(data, changed, importable)
    assert kind == "FunctionNotFound function-not-found"
    assert f"counted.{name}" in message
    assert dict(eval(details))["module"] == "counted"


def test_a_missing_module_is_named(importable: Path) -> None:
    """The remedy is to make it importable."""
    data, _ = snapshot(importable, "count(9)")
    kind, _, message = elsewhere(data, None, importable)
    assert kind == "FunctionNotFound function-not-found"
    assert "counted" in message and "importable" in message


@pytest.mark.parametrize("text", ["1 / 0\n", "def (\n", "raise SystemError('no')\n", "import nothing_like_this\n"])
def test_a_module_that_cannot_be_imported_is_named(text: str, importable: Path) -> None:
    """Whatever the import raises, the loader's error is of the tree, with the import's own in the text."""
    data, _ = snapshot(importable, "count(9)")
    kind, _, message = elsewhere(data, text, importable)
    assert kind == "FunctionNotFound function-not-found"
    assert "counted" in message


def test_undecorated_there_it_still_resumes(importable: Path) -> None:
    """The text decides, not the decorator."""
    data, _ = snapshot(importable, "count(9)")
    assert elsewhere(data, SOURCE.replace("@resumable", ""), importable) == ["went on 1"]


def test_the_newest_text_counts_after_a_reload(importable: Path) -> None:
    """A module that was imported anew, with another text, in the same process."""
    data, generator = snapshot(importable, "count(9)")
    discard(generator)
    del sys.modules["counted"]
    import_written(importable, "counted", "#\n" * 3 + SOURCE.replace("yield i", "yield -i "))
    with pytest.raises(SourceMismatch):
        loads(data)
    del sys.modules["counted"]
    import_written(importable, "counted", SOURCE + "#\n")
    assert next(loads(data)) == 1


MAIN = """
    import pathlib, sys
    from mobility import resumable, dumps, loads

    @resumable
    def count(n):
        for i in range(n):
            yield i {extra}

    if len(sys.argv) == 2:
        generator = count(9)
        next(generator)
        pathlib.Path(sys.argv[1]).write_bytes(dumps(generator))
    else:
        print(next(loads(pathlib.Path(sys.argv[1]).read_bytes())))
"""


def test_of_the_main_script(tmp_path: Path) -> None:
    """The same script resumes it in another process; a process with another main module says what to do."""
    output_of(tmp_path / "script.py", MAIN.replace("{extra}", ""), tmp_path / "data")
    assert output_of(tmp_path / "script.py", MAIN.replace("{extra}", ""), tmp_path / "data", "go") == "1\n"
    kind, _, message = elsewhere((tmp_path / "data").read_bytes(), None, tmp_path)
    assert kind == "FunctionNotFound function-not-found"
    assert "out of __main__" in message
