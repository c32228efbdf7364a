"""From modules to distributions, and what is installed and importable, in this environment and in made-up ones."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.environment import Distribution, needs_of_modules
from mobility.environment.installed import all_versions, can_import, installed_versions

ROOT = Path(__file__).resolve().parents[3]


class Folder:
    """A folder on the path into which distributions are put."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(self, name: str, version: str, *files: str, declared: str | None = None, record: bool = True) -> Path:
        info = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        for file in files:
            (self.path / file).parent.mkdir(parents=True, exist_ok=True)
            (self.path / file).write_text("raise SystemExit('imported')\n")
        if record:
            (info / "RECORD").write_text("".join(f'"{file}",,\n' for file in (*files, f"{info.name}/METADATA")))
        if declared is not None:
            (info / "top_level.txt").write_text(declared)
        return info


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The first folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return Folder(tmp_path)


def names(*modules: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.name, one.modules) for one in needs_of_modules(modules)]


def test_what_is_installed_here() -> None:
    """Against the metadata of this environment; the name of a module is not that of its distribution."""
    found = needs_of_modules(["numpy.linalg", "dill", "sys", "json.decoder", "numpy", "_pytest", "nowhere"])
    version = importlib.metadata.version
    assert found == (
        Distribution("dill", version("dill"), ("dill",)),
        Distribution("numpy", version("numpy"), ("numpy",)),
        Distribution("pytest", version("pytest"), ("_pytest",)),
    )
    assert names("pygments") == [("pygments", ("pygments",))]  # its metadata spell it with a capital letter


@pytest.mark.parametrize("module", ["", ".", "..up", ".relative", "sys", "__main__", "no such", "a..b", "\0", "\udc80"])
def test_belongs_to_no_distribution(module: str) -> None:
    """The caller learns it from the absence of the name."""
    assert names(module) == []


def test_all_names_of_one_distribution_are_listed(folder: Folder) -> None:
    """The destination has to know which imports a requirement stands for."""
    folder.install("Many_Modules.x", "1.0", "many/__init__.py", "many/part.py", "single.py", "other.py")
    assert names("single", "many.part", "many") == [("many-modules-x", ("many", "single"))]
    assert needs_of_modules(["other"]) == (Distribution("many-modules-x", "1.0", ("other",)),)


def test_extension_modules_are_found(folder: Folder) -> None:
    """The standard library's own table leaves single ones out on 3.11."""
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    folder.install("fast", "1.0", "_fast.abi3.so", f"inner/_c{suffix}", "data/table.txt")
    assert names("_fast", "inner", "data") == [("fast", ("_fast", "inner"))] or sys.platform == "win32"


def test_a_namespace_belongs_to_those_that_hold_the_module(folder: Folder) -> None:
    """Several distributions share a top-level name; the others are not needed."""
    folder.install("shared-one", "1.0", "shared/one/__init__.py", "shared/one/deep.py", "shared/both/a.py")
    folder.install("shared-two", "2.0", "shared/two.py", "shared/both/b.py")
    folder.install("shared-three", "3.0", "shared/three/__init__.py")
    assert names("shared.one.deep") == [("shared-one", ("shared.one.deep",))]
    assert names("shared.two", "shared.one") == [("shared-one", ("shared.one",)), ("shared-two", ("shared.two",))]
    assert names("shared.both") == [("shared-one", ("shared.both",)), ("shared-two", ("shared.both",))]
    assert [name for name, _ in names("shared")] == ["shared-one", "shared-three", "shared-two"]


def test_made_up_submodules_belong_to_whoever_holds_their_package(folder: Folder) -> None:
    """Some packages put modules into `sys.modules` that have no file."""
    folder.install("shared-one", "1.0", "shared/one/__init__.py")
    folder.install("shared-two", "2.0", "shared/two/__init__.py")
    assert names("shared.one.made.up") == [("shared-one", ("shared.one",))]
    assert [name for name, _ in names("shared.unknown")] == ["shared-one", "shared-two"]


def test_editable_installations_count_as_their_metadata_say(folder: Folder) -> None:
    """Their modules are not among their files."""
    folder.install("editable", "0.1", "__editable__.editable-0.1.pth", declared="project\nother\n")
    assert names("project.part") == [("editable", ("project",))]


def test_metadata_files_are_no_modules(folder: Folder) -> None:
    """Nor are scripts, caches and data."""
    folder.install("plain", "1.0", "../../bin/tool.py", "plain.libs/x.so", "__pycache__/gone.cpython-311.pyc", "ok.py")
    assert names("ok", "plain", "bin", "tool", "gone", "__pycache__", "plain-1", "..") == [("plain", ("ok",))]


def test_eggs_are_installed_too(folder: Folder) -> None:
    """The older form of metadata, which says its files otherwise."""
    info = folder.path / "old_one-1.5.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old.one\nVersion: 1.5\n")
    (info / "top_level.txt").write_text("oldone\n")
    assert needs_of_modules(["oldone"]) == (Distribution("old-one", "1.5", ("oldone",)),)
    assert installed_versions(["Old_One"]) == {"old-one": "1.5"}


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\0", b"Name: broken\n", b"Version: 1.0\n", b": : :\n\n\n"])
def test_damaged_distributions_do_no_harm(folder: Folder, content: bytes | None) -> None:
    """One broken installation must not keep the others from being found."""
    info = folder.install("broken", "1.0", "brokenmodule.py", record=content != b"")
    (info / "METADATA").unlink()
    if content is not None:
        (info / "METADATA").write_bytes(content)
    folder.install("whole", "2.0", "wholemodule.py")
    assert names("wholemodule") == [("whole", ("wholemodule",))]
    assert all_versions()["whole"] == "2.0" and "broken" not in all_versions()
    assert installed_versions(["broken", "whole"]).get("whole") == "2.0"
    expected = [Distribution("broken", "0+unknown", ("brokenmodule",))] if content == b"Name: broken\n" else []
    assert list(needs_of_modules(["brokenmodule"])) == expected


def test_the_first_on_the_path_counts(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is the one that is imported."""
    later = Folder(tmp_path_factory.mktemp("later"))
    sys.path.append(str(later.path))  # taken off again with the rest of the path
    folder.install("twice", "1.0", "twicemodule.py")
    later.install("twice", "2.0", "twicemodule.py")
    assert needs_of_modules(["twicemodule"]) == (Distribution("twice", "1.0", ("twicemodule",)),)
    assert all_versions()["twice"] == installed_versions(["twice"])["twice"] == "1.0"


def test_what_is_installed_meanwhile_is_seen(folder: Folder) -> None:
    """In a notebook people install what was missing and try again."""
    assert names("freshmodule") == [] and installed_versions(["fresh"]) == {}
    folder.install("fresh", "1.0", "freshmodule.py")
    stamp = folder.path.stat().st_mtime + 10  # file systems may be too coarse to see two changes in a row
    os.utime(folder.path, (stamp, stamp))
    assert names("freshmodule") == [("fresh", ("freshmodule",))]
    assert installed_versions(["fresh"]) == {"fresh": "1.0"} and all_versions()["fresh"] == "1.0"


def test_all_versions_agree_with_the_metadata() -> None:
    """Of this environment."""
    found = all_versions()
    for name in ("numpy", "pytest", "dill"):
        assert found[name] == importlib.metadata.version(name)
    assert installed_versions(found) == found


@given(st.lists(st.text(max_size=30), max_size=3))
def test_look_ups_never_raise(texts: list[str]) -> None:
    """Names come from manifests."""
    needs_of_modules(texts)
    installed_versions(texts)
    for text in texts:
        can_import(text)


# -- importable


@pytest.mark.parametrize(
    "module", ["sys", "json.decoder", "os.path", "numpy", "numpy.linalg", "tests", "mobility.state"]
)
def test_importable(module: str) -> None:
    """Built in, in the standard library, installed, and on the path."""
    assert can_import(module)


@pytest.mark.parametrize(
    "module",
    [
        "",
        ".",
        "nowhere",
        "json.nowhere",
        "json./",
        "sys.path",
        "os.",
        "a b",
        "../tests",
        "\0",
        "json.decoder.JSONDecoder",
    ],
)
def test_not_importable(module: str) -> None:
    """Attributes are no modules, and paths no names."""
    assert not can_import(module)


def test_asking_imports_nothing(folder: Folder) -> None:
    """Every module of these would end the process; the question may come with a bundle that nobody trusts."""
    folder.install("trap", "1.0", "trap/__init__.py", "trap/inner/__init__.py", "trap/inner/leaf.py", "trap/space/x.py")
    before = set(sys.modules)
    assert can_import("trap") and can_import("trap.inner.leaf")
    assert can_import("trap.space") and can_import("trap.space.x")
    assert not can_import("trap.inner.other") and not can_import("trap.inner.leaf.x")
    assert set(sys.modules) == before


def test_nested_namespaces(folder: Folder) -> None:
    """Packages without an `__init__` are found as the import would find them."""
    folder.install("wide", "1.0", "wide/deep/deeper/leaf.py")
    assert can_import("wide.deep.deeper.leaf") and not can_import("wide.deep.deeper.other")


def test_forbidden_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """None in `sys.modules` makes an import fail."""
    monkeypatch.setitem(sys.modules, "json.tool", None)
    assert not can_import("json.tool")


def test_a_finder_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's finder must not stop the judge."""

    class Finder:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            raise RuntimeError(name)

    monkeypatch.setattr(sys, "meta_path", [Finder(), object(), *sys.meta_path])
    assert can_import("wave") and not can_import("nowhere")


def test_the_import_costs_no_metadata() -> None:
    """Reading metadata takes longer than everything else: it is not even imported before it is asked for."""
    code = (
        "import sys, mobility.environment; "
        "print({'importlib.metadata', 'email', 'cryptography', 'numpy', 'mobility.trust'} & {*sys.modules})"
    )
    answer = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (answer.stdout, answer.stderr) == ("set()\n", "")
