"""``python -m demo``: pack a running agent in one process, finish it in another, and check the outcome.

The agent travels in a signed bundle. The second process has nothing of this project but the bundle, runs in an empty
folder, and in another version of Python if the machine has one. Exit code 0 means that the agent finished there, with
the result of a run that nobody disturbed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from demo.agent import start
from demo.freeze import STEPS
from demo.screen import say
from mobility.testing import Interpreter, found
from mobility.testing.companions import companions

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0


def main() -> int:
    """Run both processes; 0 if the agent finished in the second with the right result."""
    here, there = _choose(found(), companions())
    say(f"An agent starts in {here} and will finish in {there}.")
    if here.minor == there.minor:
        banner = "ONLY ONE PYTHON VERSION WAS FOUND"
        say(f"\n*** {banner}: the agent moves to another process, but not to another version.")
        say("*** Install a second one of 3.11, 3.12, 3.13 (on the path, or with pyenv), and set up again, to see that.")
    with tempfile.TemporaryDirectory(prefix="sojourn-demo-") as folder:
        bundle, result = Path(folder, "survey.sojourn"), Path(folder, "result.json")
        empty = Path(folder, "empty")
        empty.mkdir()
        for interpreter, cwd, arguments in (
            (here, ROOT, ["-m", "demo.freeze", str(bundle)]),
            (there, empty, ["-P", str(ROOT / "demo" / "finish.py"), str(bundle), str(result)]),
        ):
            say("")
            environment = interpreter.environment()
            del environment["PYTHONPATH"]
            code = subprocess.run(
                [interpreter.path, *arguments], cwd=cwd, env=environment, timeout=PATIENCE
            ).returncode
            if code:
                say(f"\nFAILED: {interpreter} ended with exit code {code}; nothing more was tried.")
                return 1
        outcome = json.loads(result.read_text(encoding="utf-8"))

    say("")
    problems = _compare(outcome)
    for problem in problems:
        say(f"FAILED: {problem}")
    if problems:
        return 1
    version = ".".join(map(str, outcome["version"]))
    say(f"The agent finished in the other process: Python {version}, process {outcome['process']}.")
    say("Its result and its journal are those of an undisturbed run.")
    return 0


def _choose(
    interpreters: tuple[Interpreter, ...], prepared: tuple[Interpreter, ...]
) -> tuple[Interpreter, Interpreter]:
    """The interpreter that runs this, and the newest prepared one of another version (the same if there is none)."""
    here = next((one for one in interpreters if one.current), None)
    if here is None:
        here = Interpreter(sys.version_info[:3], sys.executable)
    return here, max(prepared, default=here)


def _compare(outcome: dict[str, Any]) -> list[str]:
    """What differs between the moved agent's outcome and that of a run in this process without any move."""
    journal: list[str] = []
    undisturbed, steps = start(journal), 0
    while True:
        try:
            next(undisturbed)
        except StopIteration as end:
            summary = {place: list(figures) for place, figures in end.value.items()}
            break
        steps += 1
    expected = {"summary": summary, "journal": journal, "steps": steps - STEPS}
    return [
        f"{name} is {outcome[name]!r}, and without a move {value!r}"
        for name, value in expected.items()
        if outcome[name] != value
    ]


if __name__ == "__main__":
    sys.exit(main())
