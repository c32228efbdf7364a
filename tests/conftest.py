"""Shared by all tests: in which order and how many at a time they run, and the end says what it could not prove.

`make test` runs them in several processes (pytest-xdist). Each process gets whole files, in the order of the list.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.notices import notices, say_loudly
from tests.support.turns import turn

# How long it takes to find an example, or to try it, says what else the machine does. What hangs ends by the timeout.
settings.register_profile("beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside others")

#: After those of `mobility`, the longest first; so that the end is short files, and no process waits long for another.
_LONGEST = (
    "tests/interpreter/",
    "tests/test_notebooks.py",
    "tests/agents/_ray/test_cluster.py",
    "tests/federated/test_running.py",
    "tests/agents/cli/test_platform.py",
    "tests/agents/processes/",
    "tests/federated/test_node.py",
    "tests/test_",
    "tests/multihost/",
    "tests/deploy/",
    "tests/agents/_ray/",
    "tests/taxonomy/",
    "tests/federated/test_real_",
    "tests/federated/test_bad_input.py",
    "tests/federated/cli/test_real.py",
    "tests/federated/test_places.py",
    "tests/federated/test_training_on_ray.py",
    "tests/agents/demo/",
)
_ORDER = ("tests/mobility/", *_LONGEST, "tests/agents/", "tests/federated/")
_FOLDER: pytest.StashKey[tempfile.TemporaryDirectory[str]] = pytest.StashKey()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A set has another order in each process, and the processes that share the tests have to agree on the list."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if any(isinstance(values, set | frozenset) for values in (*mark.args, *mark.kwargs.values())):
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: parametrize over a list, not over a set")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of `mobility` come first: they compare with the interpreter as it is, and Ray, once it is connected,
    has put functions of its own in the place of built-in ones."""
    items.sort(
        key=lambda item: next((n for n, start in enumerate(_ORDER) if item.nodeid.startswith(start)), len(_ORDER))
    )


def pytest_collection_finish() -> None:
    """The collector need not look at 10,000 tests again each time that one of them has it look for what is left."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """One at a time in each process; one marked ``alone`` waits until no other process is in a test."""
    given = getattr(item.config, "workerinput", None)
    if given is None:
        return (yield)
    with turn(Path(given["turns"]), alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each process gets whole files, as those of a file share what is costly to start, and in the order of the list."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """What a process that runs tests is told: where they take turns."""
    if _FOLDER not in node.config.stash:
        node.config.stash[_FOLDER] = tempfile.TemporaryDirectory(prefix="sj-turns-")
        node.config.add_cleanup(node.config.stash[_FOLDER].cleanup)
    node.workerinput["turns"] = node.config.stash[_FOLDER].name


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that runs tests hands on what it has to say."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["notices"] = list(notices)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for notice in getattr(node, "workeroutput", {}).get("notices", ()):
        say_loudly(notice)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for notice in notices:
        terminalreporter.write_sep("!", "NOTICE", yellow=True, bold=True)
        terminalreporter.write_line(notice, yellow=True, bold=True)
