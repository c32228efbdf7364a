"""Shared by all tests: the end of a run says what it could not prove."""

import pytest

from tests.support.notices import notices


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for notice in notices:
        terminalreporter.write_sep("!", "NOTICE", yellow=True, bold=True)
        terminalreporter.write_line(notice, yellow=True, bold=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of `mobility` come first: they compare with the interpreter as it is, and Ray, once it is connected,
    has put functions of its own in the place of built-in ones."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/mobility/"))
