"""The repository keeps its own promises: what README, Makefile, constraints and import rules say is so."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from mobility.testing import Interpreter, found, interpreters
from mobility.testing.companions import companions

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("mobility", "agents", "federated")
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
]
TARGETS = set(re.findall(r"^([a-z]+):(?!=)", MAKEFILE, re.MULTILINE))
ISOLATED = Interpreter(sys.version_info[:3], sys.executable).environment(ROOT)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def modules() -> list[ModuleType]:
    """Every module of the three packages."""
    result = []
    for package in map(importlib.import_module, PACKAGES):
        result.append(package)
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not info.name.endswith("__main__"):
                result.append(importlib.import_module(info.name))
    return result


def is_public(module: ModuleType) -> bool:
    return not any(part.startswith("_") for part in module.__name__.split("."))


def public_names(module: ModuleType) -> list[str]:
    """What a module offers: a package must say so, a module that says nothing offers nothing."""
    return list(module.__all__ if hasattr(module, "__path__") else getattr(module, "__all__", []))


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=ISOLATED, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )


# -- what gets installed


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    """An address or a hash would bind the set-up to one index, a range would let the tests drift."""
    assert CONSTRAINTS
    for line in CONSTRAINTS:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.+!]*", line), line


def test_constraints_are_sorted_and_name_each_package_once() -> None:
    """Two pins of one package contradict each other sooner or later."""
    names = [normalised(line.partition("==")[0]) for line in CONSTRAINTS]
    assert names == sorted(set(names))


def test_flowers_own_engine_has_the_same_versions_but_for_its_ray() -> None:
    """Else what is measured beside it would also be the difference of two numpys."""
    lines = (ROOT / "constraints-flower.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [normalised(line.partition("==")[0]) for line in pins] == sorted(
        normalised(line.partition("==")[0]) for line in pins
    )
    different = set(pins) - set(CONSTRAINTS)
    assert len(different) == 1 and different.pop().startswith("ray==")


def test_every_dependency_is_pinned() -> None:
    """A requirement without a pin would be resolved anew, and differently, on each machine."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["demo"], *extras["docs"], *extras["notebook"]]
    names = {normalised(re.split(r"[\s\[<>=!~;]", requirement)[0]) for requirement in wanted}
    assert names <= {normalised(line.partition("==")[0]) for line in CONSTRAINTS}
    assert extras["all"] == [f"{project['name']}[test,demo,federated,plot,docs,notebook]"]


def test_the_tests_run_with_the_pinned_versions() -> None:
    """Else a green run says nothing about what the Makefile installs."""
    from importlib.metadata import version

    pins = dict(line.split("==") for line in CONSTRAINTS)
    for name in ("pytest", "hypothesis", "dill", "cloudpickle", "numpy"):
        assert version(name) == pins[name]


def test_all_packages_are_declared_typed_and_complete() -> None:
    """A folder that the package discovery does not match would be missing from a wheel, though every test passes."""
    find = PROJECT["tool"]["setuptools"]["packages"]["find"]
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").is_file()
        assert PROJECT["tool"]["setuptools"]["package-data"][package] == ["py.typed"]
        assert {package, f"{package}.*"} <= set(find["include"])
        for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
            assert (folder / "__init__.py").is_file(), f"{folder} is no package"


def test_the_licence_is_whole() -> None:
    """The classifier, the field and the file have to say the same."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0" in text and "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"


# -- the packages


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_from_the_sources(package: str) -> None:
    """`agents` is also another project's name: the tests must be about ours."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)


def test_the_public_names_of_mobility() -> None:
    """Exactly the names of the contract, no more to keep and no fewer to find."""
    import mobility

    state = {"ExecutionState", "capture", "discard", "dumps", "loads", "restore", "resumable"}
    bundle = {"Birth", "Branch", "Bundle", "VerifiedBundle", "pack", "unpack"}
    trust = {"Identity", "Limits", "Passport", "TrustStore"}
    contract = state | bundle | trust | {"environment"}
    errors = set(importlib.import_module("mobility.errors").__all__)
    assert contract <= set(mobility.__all__) <= contract | errors


def test_all_names_exist_and_are_listed_once() -> None:
    """`from x import *`, the documentation and type checkers go by `__all__`."""
    for module in modules():
        names = public_names(module)
        assert len(names) == len(set(names)), module.__name__
        for name in names:
            assert hasattr(module, name), f"{module.__name__}.__all__ lists {name}"


def test_each_public_name_has_one_home() -> None:
    """Of two definitions under one public name, users would catch the one and the code raise the other."""
    homes: dict[str, dict[int, str]] = {}
    for module in modules():
        for name in public_names(module) if is_public(module) else ():
            value = getattr(module, name)
            home = getattr(value, "__module__", module.__name__)
            if not re.fullmatch(r"mobility\.v\d+", home):  # names of the snapshot's format, which nobody calls
                homes.setdefault(name, {})[id(value)] = home
    # Both are what the design calls them: an agent receives messages, and a place receives bundles.
    allowed = {"receive": ["agents.effects", "mobility.bundle.streaming"]}
    assert {name: sorted(found.values()) for name, found in homes.items() if len(found) > 1} == allowed


@pytest.mark.parametrize("site", [["-S"], []], ids=["nothing installed", "numpy installed"])
def test_mobility_needs_only_the_standard_library(site: list[str]) -> None:
    """Any interpreter that has the sources can take an agent in, and the import costs no more for what it may use."""
    code = "import mobility, mobility.testing, sys; print({'numpy', 'dill', 'asyncio'} & {*sys.modules})"
    answer = run(sys.executable, *site, "-W", "error", "-c", code)
    assert (answer.stdout, answer.stderr) == ("set()\n", "")


# -- the import rules

VIOLATIONS = {
    "mobility/intruder.py": ["import agents", "import federated", "import ray", "import flwr", "import asyncio"],
    "agents/intruder.py": ["import federated", "import ray", "import flwr"],
    "federated/intruder.py": ["import ray", "import flwr"],
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    environment = Interpreter(sys.version_info[:3], sys.executable).environment(folder)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The packages and their rules, in a folder where they may be broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_import_rules_hold() -> None:
    """The layers are as docs/architecture.md draws them."""
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"Contracts: {len(PROJECT['tool']['importlinter']['contracts'])} kept, 0 broken" in answer.stdout


@pytest.mark.parametrize(("path", "statement"), [(path, line) for path, lines in VIOLATIONS.items() for line in lines])
def test_import_rules_bite(copied: Path, path: str, statement: str) -> None:
    """A contract that no import can break protects nothing."""
    (copied / path).write_text(statement + "\n", encoding="utf-8")
    answer = lint_imports(copied)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    broken = re.search(r"(\d+) broken", answer.stdout)  # through a package that may know an engine, it can be two
    assert broken is not None and int(broken[1]) >= 1


def test_import_rules_leave_room_for_the_engines(copied: Path) -> None:
    """The rooms that may know Ray and Flower need no change of the rules when they come."""
    for room, engine in (("agents/_ray", "ray"), ("federated/_flower", "flwr")):
        (copied / room).mkdir(exist_ok=True)
        (copied / room / "__init__.py").write_text(f"import {engine}\n", encoding="utf-8")
        (copied / room / "part.py").write_text(f"import {engine}\n", encoding="utf-8")
        (copied / room.split("/")[0] / "user.py").write_text(f"import {room.replace('/', '.')}\n", encoding="utf-8")
    answer = lint_imports(copied)
    assert answer.returncode == 0, answer.stdout + answer.stderr


# -- README and Makefile


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, as a person would type them."""
    body = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert body is not None, target
    return [line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" $(ARGS)") for line in body[1].splitlines()]


def test_readme_names_the_targets_that_exist() -> None:
    """A reader's first command must not fail, and none of the targets stays unknown."""
    assert set(re.findall(r"`make ([a-z]+)`", README)) == TARGETS - {"help"}


@pytest.mark.parametrize("target", ["test", "check", "demo", "bench", "chaos", "docs"])
def test_readme_shows_the_same_commands_without_make(target: str) -> None:
    """Whoever has no make gets the same result."""
    row = next(line for line in README.splitlines() if line.startswith("|") and f"`make {target}`" in line)
    assert re.findall(r"`([^`]+)`", row.split("|")[3]) == recipe(target)


def test_readme_shows_the_same_installation_without_make() -> None:
    """Installed without the constraints, or without the extra, the tests would run against other versions."""
    (arguments,) = re.findall(r"-m pip install .*?(-c .*?);", MAKEFILE)
    extra = re.search(r"^EXTRA \?= ([\w,]+)$", MAKEFILE, re.MULTILINE)
    assert extra is not None
    command = ".venv/bin/python -m pip install " + arguments.replace("$(EXTRA)", extra[1])
    (others,) = re.findall(r"python -m (mobility.testing.companions .*)$", MAKEFILE, re.MULTILINE)
    assert f"$ .venv/bin/python -m {others.replace('$(VENV)', '.venv')}\n" in README
    assert f"$ {command}\n" in README
    assert set(extra[1].split(",")) <= PROJECT["project"]["optional-dependencies"].keys()


def test_what_the_commands_run_exists() -> None:
    """`make bench`, `make demo` and `make chaos` name files; so do the links of the pages."""
    assert (ROOT / "demo" / "__main__.py").is_file()
    for command in [*recipe("bench"), *recipe("chaos")]:
        name, *arguments = command.partition(" -m ")[2].split()
        module = ROOT / name.replace(".", "/")
        if name == "pytest":
            assert arguments and all((ROOT / path).is_file() for path in arguments), command
        else:
            assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), command
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_row_of_a_table_has_the_cells_of_its_head() -> None:
    """With one cell fewer, what is said of one column stands under another."""
    pages = [path for name in ("docs", "deploy", "benchmarks") for path in (ROOT / name).rglob("*.md")]
    for page in [*pages, *ROOT.glob("*.md")]:
        text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        width = 0
        for line in text.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            width = width if width and cells else cells
            assert cells == width, f"{page.name}: {line[:60]}"


def test_the_ci_script_runs_check_and_test() -> None:
    """And is executable, and stops at the first failure."""
    script = ROOT / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert os.access(script, os.X_OK)
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert [line for line in lines if line.startswith("make")] == ["make check", "make test"]


def test_readme_example_works_as_shown(tmp_path: Path) -> None:
    """The first thing that anybody tries, on the interpreters of this machine in turn."""
    (code,) = re.findall(r"```python\n(# primes\.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "primes.py").write_text(code, encoding="utf-8")
    shown = re.findall(r"^\$ python3\.\d+ primes\.py\n(.*)\n", README, re.MULTILINE)
    assert len(shown) == 2
    for number, expected in enumerate(shown):
        interpreter = found()[-1 if number % 2 else 0]
        answer = subprocess.run(
            [interpreter.path, "-W", "error", "primes.py"],
            cwd=tmp_path,
            env=interpreter.environment(ROOT),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (answer.stdout, answer.stderr) == (expected + "\n", "")


def test_readme_bundle_works_as_shown(tmp_path: Path) -> None:
    """The commands of the README, in a folder that has the code and in one that has the bundle alone."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    for name in ("carried", "stations"):
        (code,) = re.findall(rf"```python\n(# {name}\.py\n.*?)```", README, re.DOTALL)
        (here / f"{name}.py").write_text(code, encoding="utf-8")
    (code,) = re.findall(r"```python\n(# unpacked\.py\n.*?)```", README, re.DOTALL)
    (there / "unpacked.py").write_text(code, encoding="utf-8")
    python, sojourn = [sys.executable], [sys.executable, "-m", "agents.cli"]
    wanted = r"```console\n(\$ (?:python (?:carried|unpacked)|sojourn key trust|sojourn run).*?)```"
    blocks = re.findall(wanted, README, re.DOTALL)
    shown = [step for block in blocks for step in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE)]
    assert [command.split()[0] for command, _ in shown] == ["python", "sojourn", "sojourn", "python"]
    environment = {**ISOLATED, "HOME": str(tmp_path / "home")}  # the usual folder of keys is in it, as the page has it
    for name in ("SOJOURN_HOME", "XDG_CONFIG_HOME"):
        environment.pop(name, None)
    for command, expected in shown:
        program, *arguments = command.split()
        answer = subprocess.run(
            [*(python if program == "python" else sojourn), *arguments],
            cwd=here if "carried.py" in arguments else there,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert answer.returncode == 0, answer.stderr
        if expected:
            assert answer.stdout == expected
        for file in ("survey.sojourn", "survey-lab.pub"):
            if "carried.py" in arguments:
                (here / file).rename(there / file)


def test_readme_agent_works_as_shown(tmp_path: Path) -> None:
    """The first agent, as it is printed: numbers of a run aside, the output is the one of the page."""
    (code,) = re.findall(r"```python\n(# survey\.py\nfrom agents.*?)```", README, re.DOTALL)
    (tmp_path / "survey.py").write_text(code, encoding="utf-8")
    (shown,) = re.findall(r"```console\n\$ python survey\.py\n(.*?)```", README, re.DOTALL)
    environment = {**ISOLATED, "SOJOURN_HOME": str(tmp_path / "home"), "RAY_AUTH_MODE": "disabled"}
    for name in ("RAY_ADDRESS", "PYTHONWARNINGS"):
        environment.pop(name, None)
    answer = subprocess.run(
        [sys.executable, "survey.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert answer.returncode == 0, answer.stderr
    assert measures_aside(answer.stderr + answer.stdout) == measures_aside(shown)


@pytest.mark.alone
def test_readme_commands_work_as_shown(tmp_path: Path) -> None:
    """The first use of the command line, command by command: what it prints is what the page shows."""
    for file, language in (("patrol.py", "python"), ("stations.toml", "toml")):
        (text,) = re.findall(rf"```{language}\n(# {re.escape(file)}\n.*?)```", README, re.DOTALL)
        (tmp_path / file).write_text(text, encoding="utf-8")
    (block,) = re.findall(r"```console\n(\$ sojourn up .*?)```", README, re.DOTALL)
    shown = re.findall(r"^\$ sojourn (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE)
    assert [command.split()[0] for command, _ in shown][-1] == "down"
    home = tmp_path / "home"
    environment = {**ISOLATED, "SOJOURN_HOME": str(home)}
    for name in ("RAY_ADDRESS", "RAY_TMPDIR", "PYTHONWARNINGS"):
        environment.pop(name, None)

    def sojourn(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agents.cli", *command.split()],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    try:
        for command, expected in shown:
            answer = sojourn(command)
            assert answer.returncode == 0, answer.stderr
            printed = answer.stdout.replace(str(home), "~/.config/sojourn")
            assert measures_aside(printed) == measures_aside(expected), command
    finally:
        sojourn("down")


def measures_aside(text: str) -> list[str]:
    """Lines without addresses, times, sizes, and the spaces that line them up."""
    text = re.sub(r"\d+\.\d+\.\d+\.\d+:\d+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "X", text)
    text = re.sub(r"\b\d+(?:\.\d+)? (?:s|ms|B|KB|kB|processes)\b|(?<= )-(?= )", "X", text)
    text = re.sub(r"\b[0-9a-f]{16}\b|(?<=\d  )\d{2,7} (?= *3\.)|\b3\.1\d\.\d+\b", "X", text)
    text = re.sub(r"(\d+\.){3}\d+ +\d+", "X", text)
    return [re.sub(r" +", " ", line) for line in text.splitlines()]


def test_readme_lists_the_public_names() -> None:
    """The table of names is complete."""
    import agents
    import mobility

    names = set(mobility.__all__) - set(importlib.import_module("mobility.errors").__all__)
    assert names | set(agents.__all__) <= set(re.findall(r"`(\w+)[`(.]", README))


# -- the demonstration


def test_the_demo_finishes_in_the_other_process() -> None:
    """What `make demo` promises: another process, another version if there is one, and the undisturbed result."""
    answer = run(sys.executable, "-W", "error", "-m", "demo")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stderr == ""
    processes = re.findall(r"^\[Python (\S+), process (\d+)\]", answer.stdout, re.MULTILINE)
    started, finished = processes[0], processes[-1]
    assert started[1] != finished[1]
    alone = "ONLY ONE PYTHON VERSION WAS FOUND" in answer.stdout
    assert alone == (started[0] == finished[0])
    assert f"finished in the other process: Python {finished[0]}, process {finished[1]}" in answer.stdout


def test_the_demo_resumes_at_the_line_it_left(tmp_path: Path) -> None:
    """Both processes show the same lines, and the second runs the finally block that the first was in."""
    file, result = tmp_path / "a.sojourn", tmp_path / "result.json"
    frozen = run(sys.executable, "-m", "demo.freeze", str(file))
    last = companions()[-1].path if companions() else sys.executable
    finished = run(last, "-P", str(ROOT / "demo" / "finish.py"), str(file), str(result), cwd=tmp_path)
    assert (frozen.returncode, finished.returncode) == (0, 0), frozen.stderr + finished.stderr
    where = re.compile(r"^ +(?:survey|measure), line (\d+): .*$", re.MULTILINE)
    assert where.findall(frozen.stdout) == where.findall(finished.stdout)
    outcome = json.loads(result.read_text(encoding="utf-8"))
    assert list(map(int, where.findall(frozen.stdout))) == outcome["lines"]
    assert outcome["journal"].count("left oslo") == 1
    assert "left oslo" not in frozen.stdout


def test_the_demo_fails_loudly(tmp_path: Path) -> None:
    """A bundle that was altered must not look like success to a script, and nothing of it may run."""
    file = tmp_path / "a.sojourn"
    assert run(sys.executable, "-m", "demo.freeze", str(file)).returncode == 0
    data = bytearray(file.read_bytes())
    data[-2000] ^= 1
    file.write_bytes(data)
    answer = run(sys.executable, str(ROOT / "demo" / "finish.py"), str(file))
    assert answer.returncode not in (0, 2)
    assert "Error" in answer.stderr or "Mismatch" in answer.stderr
    assert "resumed" not in answer.stdout


def test_the_demo_notices_a_wrong_result() -> None:
    """The comparison at the end of the demonstration is able to fail."""
    compare = importlib.import_module("demo.__main__")._compare
    good = {"summary": None, "journal": ["arrived at baku"], "steps": 0}
    assert len(compare(good)) == 3


# -- finding interpreters


def test_this_interpreter_is_found() -> None:
    """Whatever else a machine has, the tests have this one to work with."""
    versions = [interpreter.minor for interpreter in found()]
    assert sys.version_info[:2] in versions
    assert versions == sorted(set(versions))
    assert [one.path for one in found() if one.current] == [sys.executable]


def test_stubs_and_old_versions_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version manager's stub exists, is executable, and fails when it is run."""
    for name, script in (
        ("python3.12", "echo 'python3.12: command not found' >&2; exit 127"),
        ("python3.13", """echo '["cpython", [3, 10, 2, "final", 0], "/old"]'"""),
        ("python3.14", """echo '["pypy", [3, 14, 0, "final", 0], "/other"]'"""),
        ("python3.15", """echo '["cpython", [3, 15, 0, "alpha", 1], "/unfinished"]'"""),
        ("python3", "echo garbage"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    assert [one.path for one in interpreters.found.__wrapped__()] == [sys.executable]


def test_versions_that_pyenv_has_switched_off_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not on the path, and the newest stands for its minor version."""
    for version in ("3.9.1", "3.30.2", "3.30.10", "3.30.10-work", "pypy3.30"):
        python = tmp_path / "versions" / version / "bin" / "python"
        python.parent.mkdir(parents=True)
        numbers = ", ".join(version.split("-")[0].removeprefix("pypy").split("."))
        python.write_text(f"""#!/bin/sh\necho '["cpython", [{numbers}, "final", 0], "'$0'"]'\n""", encoding="utf-8")
        python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    others = [one for one in interpreters.found.__wrapped__() if not one.current]
    assert [one.version for one in others] == [(3, 30, 10)]


def test_other_interpreters_get_only_the_paths_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed for this interpreter is compiled for it, and must not reach another."""
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    environment = found()[0].environment("/one", Path("/two"))
    assert environment["PYTHONPATH"] == os.pathsep.join(["/one", "/two"])
    assert "PYTHONHOME" not in environment


# -- what must not be in a repository

SOURCES = [
    path
    for folder in (*PACKAGES, "demo", "tests", "docs", "benchmarks", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix in {"", ".py", ".md"} and "__pycache__" not in path.parts
] + [
    ROOT / name
    for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "constraints.txt", "constraints-flower.txt")
]


def test_no_file_names_a_folder_of_one_machine() -> None:
    """It would work there and nowhere else. The home of Ray's images is the same everywhere."""
    home = re.compile("(?<![\\w.])/(?:" + "|".join(["root", "home(?!/ray/)", "Users", "work"]) + ")/")
    assert [str(path) for path in SOURCES if home.search(path.read_text(encoding="utf-8"))] == []


def test_every_python_file_parses_on_the_oldest_version() -> None:
    """Syntax of a later Python belongs into text that only that Python compiles."""
    for path in SOURCES:
        if path.suffix == ".py":
            ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 11))
