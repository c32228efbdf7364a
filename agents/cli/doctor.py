"""``sojourn doctor``: whether everything is as it has to be, here and on the platform, and what to do if not."""

from __future__ import annotations

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import AddressOption, Format, FormatOption, HomeOption, StoreOption, TimeoutOption
from agents.cli.screen import Screen, write_json

__all__ = ["doctor"]


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
    findings = [*at_home(folder), *at_platform(folder, address, Deadline(timeout), output)]
    problems = sum(finding.mark is Mark.PROBLEM for finding in findings)
    if output is Format.JSON:
        write_json({"problems": problems, "findings": [finding.as_data() for finding in findings]})
    else:
        screen = Screen()
        width = max(len(finding.what) for finding in findings)
        styles = {Mark.OK: "green", Mark.WARNING: "yellow", Mark.PROBLEM: "bold red"}
        for finding in findings:
            screen.line(f"{finding.mark:<7}  {finding.what.ljust(width)}  {finding.said}", styles[finding.mark])
            if finding.remedy:
                screen.line(f"{' ' * (width + 11)}{finding.remedy}")
        warnings = sum(finding.mark is Mark.WARNING for finding in findings)
        screen.line(f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}")
    if problems:
        raise typer.Exit(1)


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
