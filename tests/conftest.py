"""Shared by all tests: the end of a run says what it could not prove."""

import pytest

from tests.support.notices import notices


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for notice in notices:
        terminalreporter.write_sep("!", "NOTICE", yellow=True, bold=True)
        terminalreporter.write_line(notice, yellow=True, bold=True)
