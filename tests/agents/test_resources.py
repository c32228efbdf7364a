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
from agents.resources import Resources, read_resource_file

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
    example, *_ = re.findall(r"```toml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    resources = from_file(written(tmp_path, example))
    assert resources.names == ("limits", "matrix", "readings", "table")
    assert resources.get("limits") == {"most": 10, "least": 1}
