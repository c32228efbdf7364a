"""Coverage and pdb, each in a process of its own, show the user's lines and only those."""

import json
import re
import sys
import textwrap
from pathlib import Path

import pytest

from tests.mobility.resumable import traced
from tests.mobility.resumable.helpers import ROOT, child

MEASURE = """
import json, sys
import coverage
which, out = sys.argv[1:]
import mobility
if which == "native":
    mobility.resumable = lambda function: function
measured = coverage.Coverage(data_file=None, config_file=False, branch=False, include=["*/covered.py"])
measured.start()
assert (sys.gettrace() is None) == (os.environ["COVERAGE_CORE"] == "sysmon")
import covered
for name in covered.NAMES:
    generator = getattr(covered, name)()
    try:
        while True:
            next(generator)
            if which == "moved":
                data = mobility.dumps(generator)
                mobility.discard(generator)
                generator = mobility.loads(data)
    except StopIteration:
        pass
    except ValueError:
        assert name == "raising"
measured.stop()
_, statements, excluded, missing, _ = measured.analysis2("covered.py")
with open(out, "w") as file:
    json.dump([statements, missing], file)
"""

CORES = ["ctrace", pytest.param("sysmon", marks=pytest.mark.skipif(
    sys.version_info < (3, 12), reason="sys.monitoring is new in Python 3.12"))]  # fmt: skip


def coverage_of(which: str, core: str, folder: Path) -> list[list[int]]:
    """Executed and missing lines of `traced`, every function of which is driven to its end."""
    (folder / "covered.py").write_text(Path(traced.__file__).read_text())
    script, out = folder / "measure.py", folder / f"{which}.json"
    # `child` passes on nothing that begins with COVERAGE, so the core is chosen in the script's first line.
    script.write_text(f"import os; os.environ['COVERAGE_CORE'] = {core!r}\n" + MEASURE)
    done = child(script, which, out, path=folder)
    assert done.returncode == 0 and not done.stderr, done.stderr
    result: list[list[int]] = json.loads(out.read_text())
    return result


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("which", ["resumable", "moved"])
def test_coverage_reports_the_same_lines(core: str, which: str, tmp_path: Path) -> None:
    """The same statements, the same of them executed, whether native, resumable, or moved at every yield."""
    native = coverage_of("native", core, tmp_path)
    assert native[1], "some lines of the module never run, so that missing ones are compared too"
    assert coverage_of(which, core, tmp_path) == native


# -- pdb --------------------------------------------------------------------------------------------------------------

DEBUGGED = """\
import sys

from mobility import discard, dumps, loads, resumable

if "native" in sys.argv:
    def resumable(function): return function


class Manager:
    def __enter__(self):
        return "entered"

    def __exit__(self, *details):
        return False


@resumable
def work(n):
    total = 0
    for i in range(n):
        with Manager() as manager:
            total += i
            got = yield total
    try:
        yield "trying"
    finally:
        total = sum(x for x in [1, 2])
        yield "final"
    return total


generator = work(2)
next(generator)
if "moved" in sys.argv:
    data = dumps(generator)
    discard(generator)
    generator = loads(data)
print(list(generator))
"""
ARROW = re.compile(r"^(?:\(Pdb\) )?> (\S+)\((\d+)\)(\S+)\(\)", re.M)


def session(commands: str, folder: Path, *arguments: str) -> str:
    """Run the script under pdb with commands on its standard input; return all that it printed."""
    (folder / "debugged.py").write_text(DEBUGGED)
    launcher = folder / "launch.py"
    launcher.write_text("import pdb, sys\nsys.argv = sys.argv[1:]\npdb.main()\n")
    typed = textwrap.dedent(commands).strip().replace("; ", "\n") + "\nquit\n"
    done = child(launcher, "pdb", folder / "debugged.py", *arguments, path=folder, stdin=typed)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def positions(output: str, folder: Path) -> list[tuple[str, int]]:
    """Where the prompt stood: function and line, all in the user's file."""
    found = ARROW.findall(output)
    foreign = {name for name, _, _ in found if Path(name) != folder / "debugged.py"}
    assert not foreign, foreign
    return [(function, int(line)) for _, line, function in found]


@pytest.mark.parametrize("way", ["resumable", "moved"])
def test_next_shows_the_lines_of_a_native_run(way: str, tmp_path: Path) -> None:
    """A breakpoint inside, then line by line to the end of the function."""

    def stood(way: str) -> list[tuple[str, int]]:
        return positions(session("break 25; continue; next; next; next", tmp_path, way), tmp_path)

    assert stood(way) == stood("native") == [("<module>", 1), *(("work", n) for n in (25, 27, 28, 29))]


@pytest.mark.parametrize("way", ["resumable", "moved"])
def test_step_leads_only_where_a_native_run_leads(way: str, tmp_path: Path) -> None:
    """Into __enter__, __exit__ and the generator expression, and back: never into the machinery."""

    def stood(way: str) -> list[tuple[str, int]]:
        output = session("break 22; condition 1 i == 1; continue; " + "step; " * 22, tmp_path, way)
        return positions(output, tmp_path)

    wanted = stood("native")
    assert ("__exit__", 14) in wanted and ("<genexpr>", 27) in wanted
    found = stood(way)
    assert [p for i, p in enumerate(found) if i == 0 or p != found[i - 1]] == [
        p for i, p in enumerate(wanted) if i == 0 or p != wanted[i - 1]
    ]


@pytest.mark.parametrize("way", ["resumable", "moved"])
def test_print_where_and_list(way: str, tmp_path: Path) -> None:
    """Values by the user's names; a stack without frames of the machinery; the text around the line."""
    output = session("break 22; condition 1 i == 1; continue; print(total, i, n); where; list", tmp_path, way)
    assert "(Pdb) 0 1 2\n" in output
    assert f"> {tmp_path / 'debugged.py'}(22)work()" in output
    assert re.search(r"^ 22 B?->\t            total \+= i$", output, re.M), output
    assert str(ROOT / "mobility") not in output


@pytest.mark.parametrize("way", ["resumable", "moved"])
def test_a_variable_set_at_the_prompt_counts(way: str, tmp_path: Path) -> None:
    """The debugger reaches the real variables."""
    output = session("break 22; condition 1 i == 1; continue; !total = 100; clear 1; continue", tmp_path, way)
    assert "[101, 'trying', 3]" in output.replace("'final'", "3")
