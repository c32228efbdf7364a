"""Runs one suite in one mode and says whether it ended as expected.

::

    python -m tests.interpreter.run --mode pickled test_generators [--json]

Needs the standard library only, so that it runs on an interpreter with nothing installed. A suite changes the state
of the whole process (warnings, garbage collection, traces): one process for one run. Exit status: 0 as expected, 1 not
so, 77 if the interpreter has no suites.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import time
from typing import Any

from tests.interpreter.expected import judge
from tests.interpreter.moving import MODES, Harness
from tests.interpreter.running import run_suite
from tests.interpreter.suites import SUITES, SuiteMissing, load

MISSING = 77


def run(suite: str, mode: str) -> dict[str, Any]:
    """Run `suite` in `mode`; return a record of plain values.

    Raises
    ------
    SuiteMissing
        If this interpreter has no such suite.
    """
    start = time.perf_counter()
    harness = Harness(mode)
    with harness.installed():
        module = load(suite, harness.hook)
        outcomes = run_suite(module, harness.finished)
    python = "{}.{}".format(*sys.version_info)
    verdict = judge(suite, mode, python, outcomes.failed, harness.undecorated)
    return {
        "suite": suite,
        "mode": mode,
        "python": python,
        "good": verdict.good,
        **dataclasses.asdict(verdict),
        "passed": len(outcomes.passed),
        "skipped": sorted(outcomes.skipped),
        "failed": outcomes.failed,
        "functions": harness.functions,
        "undecorated": harness.undecorated,
        "moves": harness.moves,
        "moves_refused": dict(harness.refused),
        "seconds": round(time.perf_counter() - start, 2),
    }


def report(record: dict[str, Any]) -> str:
    """Return a record as text: the counts, then each thing that is not as expected."""
    lines = [
        "{suite}, {mode}, Python {python}: {passed} passed, {} as expected failed, {} skipped; "
        "{functions} functions made resumable; {moves} moves, {} refused; {seconds} s".format(
            len(record["failed"]) - len(record["unexpected"]),
            len(record["skipped"]),
            sum(record["moves_refused"].values()),
            **record,
        )
    ]
    lines += [f"move refused {count} times: {what}" for what, count in record["moves_refused"].items()]
    lines += [f"STALE, did not fail: {test}" for test in record["stale"]]
    lines += [f"REFUSED at decoration: {name}: {record['undecorated'][name]}" for name in record["refused"]]
    lines += [f"NOT REFUSED at decoration: {name}" for name in record["accepted"]]
    lines += [f"FAILED: {test}\n{record['failed'][test]}" for test in record["unexpected"]]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--json", action="store_true", help="the whole record, for programs")
    options = parser.parse_args(arguments)
    # A suite raises SIGINT, which a shell makes its background jobs ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        record = run(options.suite, options.mode)
    except SuiteMissing as missing:
        print(missing, file=sys.stderr)
        return MISSING
    print(json.dumps(record) if options.json else report(record))
    return 0 if record["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
