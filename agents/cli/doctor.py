"""``sojourn doctor``: whether everything is as it has to be, here and on the platform, and what to do if not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, StoreOption, TimeoutOption
from agents.cli.screen import Screen, write_json

if TYPE_CHECKING:
    from agents.cli.findings import Finding

__all__ = ["doctor"]

#: Characters of the longest thing that is looked at: shared memory, or RAY_AUTH_MODE.
_WIDTH: Final = 13


def doctor(
    address: AddressOption = None,
    timeout: TimeoutOption = 60.0,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Examine keys, trust, versions, places, clocks and disks. Each line is ok, a warning or a problem."""
    from agents.cli.examination import at_home, at_platform
    from agents.cli.findings import Mark
    from agents.cli.reaching import Deadline

    folder = HomeFolder.of(home, store)
    deadline = Deadline(timeout)
    findings = list(at_home(folder))
    if output is not Format.JSON:
        _show(findings)  # now: should the cluster hang, this process is ended at the deadline
    there = at_platform(folder, address, deadline, output)
    findings += there
    problems = sum(finding.mark is Mark.PROBLEM for finding in findings)
    if output is Format.JSON:
        write_json({"problems": problems, "findings": [finding.as_data() for finding in findings]})
    else:
        _show(there)
        warnings = sum(finding.mark is Mark.WARNING for finding in findings)
        Screen().line(f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}")
    if problems:
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    from agents.cli.findings import Mark

    screen = Screen()
    styles = {Mark.OK: "green", Mark.WARNING: "yellow", Mark.PROBLEM: "bold red"}
    for finding in findings:
        screen.line(f"{finding.mark:<7}  {finding.what.ljust(_WIDTH)}  {finding.said}", styles[finding.mark])
        if finding.remedy:
            screen.line(f"{' ' * (_WIDTH + 11)}{finding.remedy}")


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
