"""The resources of a place: given, made once, described in a file; and what is wrong with a file is said."""

from __future__ import annotations

import pickle
import re
import sys
import threading
import time
from pathlib import Path

import pytest

from agents.errors import ResourceFileInvalid, ResourceMissing, ResourceUnusable
from agents.resources import Made, Resource, Resources, read_resource_file

REFERENCE = Path(__file__).parents[2] / "docs" / "reference-resources.md"


def written(folder: Path, text: str) -> Path:
    path = folder / "place.toml"
    path.write_text(text)
    return path


def from_file(path: Path) -> Resources:
    return Resources("oslo", None, read_resource_file(path))


def test_given_offered_and_withdrawn():
    resources = Resources("oslo", {"a": 1})
    resources.offer("b", 2)
    resources.offer("a", 3)
    assert resources.names == ("a", "b") and resources.get("a") == 3
    resources.withdraw("a")
    for do in (resources.get, resources.withdraw):
        with pytest.raises(ResourceMissing) as raised:
            do("a")
        assert "oslo has no resource 'a'" in str(raised.value) and "It has: b" in str(raised.value)
        assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_made_once_even_if_many_ask_at_once():
    calls = []

    def make():
        calls.append(1)
        time.sleep(0.05)
        return object()

    resources = Resources("oslo", None, {"slow": make, "quick": lambda: 1})
    got = []
    threads = [threading.Thread(target=lambda: got.append(resources.get("slow"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert resources.get("quick") == 1, "others are not kept waiting"
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1 and len(set(map(id, got))) == 1


def test_a_factory_that_raises_is_called_again():
    answers = [RuntimeError("not yet"), 7]

    def make():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    resources = Resources("oslo", None, {"x": make})
    with pytest.raises(ResourceUnusable, match="RuntimeError: not yet"):
        resources.get("x")
    assert resources.get("x") == 7 and resources.get("x") == 7


def test_all_kinds_of_a_file(tmp_path, monkeypatch):
    numpy = pytest.importorskip("numpy")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text("name,age,height\nAda,36,1.6\nBob,x,\n")
    numpy.save(tmp_path / "data" / "matrix.npy", numpy.arange(6).reshape(2, 3))
    (tmp_path / "stations_of_a_test.py").write_text(
        "class At:\n    @staticmethod\n    def readings(station, scale=1):\n        return [station] * scale\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    text = """
    [place.resources.readings]
    factory = "stations_of_a_test:At.readings"
    arguments = { station = "oslo", scale = 2 }
    [place.resources.table]
    csv = "data/table.csv"
    [place.resources.limits]
    value = { most = 10, least = [1, 2] }
    [place.resources.matrix]
    npy = "data/matrix.npy"
    """
    resources = from_file(written(tmp_path, text))
    assert resources.names == ("limits", "matrix", "readings", "table")
    assert resources.get("readings") == ["oslo", "oslo"]
    assert resources.get("table") == [
        {"name": "Ada", "age": 36, "height": 1.6},
        {"name": "Bob", "age": "x", "height": ""},
    ]
    assert resources.get("limits") == {"most": 10, "least": [1, 2]}
    matrix = resources.get("matrix")
    assert matrix.sum() == 15 and not matrix.flags.writeable
    sys.modules.pop("stations_of_a_test", None)


def test_what_is_declared_in_a_file_and_in_python_is_the_same(tmp_path):
    text = """
    [place.resources.rows]
    value = [1, 2]
    attachment = "unattached"
    type = "rows"
    may_leave = false
    exports = ["count", "__getitem__"]
    [place.resources.plain]
    value = 1
    [place.resources.open]
    value = 1
    attachment = "fastened"
    """
    described = from_file(written(tmp_path, text))
    declared = Resource([1, 2], "unattached", "rows", False, ("count", "__getitem__"))
    given = Resources("oslo", {"rows": declared, "open": Resource(Made(lambda: 1), attachment="fastened"), "plain": 1})
    for name in ("rows", "plain", "open"):
        assert described.terms(name) == given.terms(name) and described.get(name) == given.get(name)
    terms = given.terms("rows")
    assert (terms.attachment, terms.type, terms.may_leave) == ("unattached", "rows", False)
    assert [name for name in ("count", "__getitem__", "append", "__len__") if terms.exported(name)] == [
        *("count", "__getitem__")
    ]
    open_ = given.terms("open")
    assert open_.exported("count") and open_.exported("__len__")
    assert not open_.exported("_x") and not open_.exported("__class__") and not open_.exported("__reduce__")


def test_of_what_nothing_is_declared_nothing_leaves():
    """As before there were declarations."""
    resources = Resources("oslo", {"a": 1}, {"b": lambda: 2})
    for name in ("a", "b"):
        terms = resources.terms(name)
        assert (terms.attachment, terms.type, terms.may_leave) == ("fixed", None, False)
        assert not terms.exported("bit_length")
    resources.offer("a", Resource(3, type="number"))
    assert resources.get("a") == 3 and resources.terms("a").type == "number"
    resources.offer("a", 4)
    assert resources.terms("a").type is None, "what was declared of the one before is of no weight"


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"attachment": "loose"}, ValueError),
        ({"type": 3}, TypeError),
        ({"may_leave": 1}, TypeError),
        ({"exports": "mean"}, TypeError),
        ({"exports": ["__init__"]}, ValueError),
    ],
)
def test_a_wrong_declaration_is_told_where_it_is_written(keywords, error):
    with pytest.raises(error):
        Resource([1], **keywords)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[place", "place.toml"),
        ("place = 1", "no table"),
        ("[place]\nresources = 1", "no table"),
        ("[place.resources]\nx = 1", "[place.resources.x] is no table"),
        ("[place.resources.x]", "exactly one of factory, csv, npy, value"),
        ("[place.resources.x]\ncsv = 'a'\nvalue = 1", "exactly one of"),
        ("[place.resources.x]\nvalue = 1\narguments = {}", "unknown key 'arguments'"),
        ("[place.resources.x]\nfactory = 'a:b'\nargument = {}", "unknown key 'argument'"),
        ("[place.resources.x]\nfactory = 'ab'", "not module:function"),
        ("[place.resources.x]\nfactory = ':b'", "not module:function"),
        ("[place.resources.x]\nfactory = 'a:b'\narguments = 1", "not module:function with arguments"),
        ("[place.resources.x]\ncsv = 1", "csv of [place.resources.x] is no text"),
        ("[place.resources.x]\nvalue = 1\nattachment = 'loose'", "is unattached, fastened, fixed, not 'loose'"),
        ("[place.resources.x]\nvalue = 1\ntype = 1", "type is a text, not 1"),
        ("[place.resources.x]\nvalue = 1\ntype = ''", "type is a text"),
        ("[place.resources.x]\nvalue = 1\nmay_leave = 'no'", "may_leave is true or false"),
        ("[place.resources.x]\nvalue = 1\nexports = 'mean'", "exports is a list of names"),
        ("[place.resources.x]\nvalue = 1\nexports = [1]", "exports is a list of names"),
        ("[place.resources.x]\nvalue = 1\nexports = ['_x']", "exports names '_x', which is not public"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, text, words):
    """What and why, and where the form is described."""
    with pytest.raises(ResourceFileInvalid, match="docs/reference-resources.md") as raised:
        read_resource_file(written(tmp_path, text))
    assert words in str(raised.value) and "offers nothing of what it describes" in str(raised.value), str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ResourceFileInvalid, match="No such file"):
        read_resource_file(tmp_path / "none.toml")
    (tmp_path / "latin").write_bytes(b"x = '\xff'")
    with pytest.raises(ResourceFileInvalid):
        read_resource_file(tmp_path / "latin")


@pytest.mark.parametrize("factory", ["no_such_module_at_all:x", "json:nothing", "json:dumps.nothing"])
def test_a_factory_that_does_not_exist_is_told_to_who_asks(tmp_path, factory):
    resources = from_file(written(tmp_path, f"[place.resources.x]\nfactory = '{factory}'\n"))
    with pytest.raises(ResourceUnusable, match="is not there"):
        resources.get("x")


def test_the_example_of_the_reference_makes_resources(tmp_path):
    example, declared, *_ = re.findall(r"```toml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    assert from_file(written(tmp_path, declared)).terms("readings").exports == ("mean", "__len__")
    resources = from_file(written(tmp_path, example))
    assert resources.names == ("limits", "matrix", "readings", "table")
    assert resources.get("limits") == {"most": 10, "least": 1}
