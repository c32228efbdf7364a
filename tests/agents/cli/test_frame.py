"""The frame around the commands: start-up, help, exit codes, and how errors look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from agents.cli import app as frame
from agents.cli import failures
from agents.cli.options import Format, wanted_format
from mobility.errors import MobilityError
from tests.agents.cli.running import ROOT, STRICT, environment, failure, invoke, sojourn

HEAVY = {"mobility", "ray", "flwr", "rich", "numpy", "cryptography", "asyncio", "dill", "msgspec"}
KEYS = [["key", "new"], ["key", "list"], ["key", "trust"], ["key", "revoke"]]
FILES = [["inspect"], ["verify"], ["run"]]
FL = [["fl", "run"], ["fl", "sign"], ["fl", "show"], ["fl", "check"], ["fl", "audit"], ["fl", "ledger"], ["fl", "tour"]]
PLATFORM = [
    *(["up"], ["down"], ["places"], ["launch"], ["result"], ["ps"], ["top"], ["logs"], ["trail"], ["report"]),
    *(["move"], ["verdict"], ["clone"], ["freeze"], ["thaw"], ["stop"], ["drain"], ["reopen"]),
    *(["call"], ["publish"], ["pull"]),
    *(["demo"], ["doctor"]),
]
COMMANDS = [*KEYS, *FILES, *PLATFORM]


HELP = [
    *(["--help"], ["key", "--help"], ["--version"]),
    *([*one, "-h"] for one in (["key", "new"], *FILES, *PLATFORM, ["fl"], *FL)),
]


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Which top-level modules are there after each of `HELP`, done one after the other in one new process.

    Whatever one of them imports is there for those after it, too: of several that fail, the first one is to blame.
    """
    code = f"""
import json, sys
from agents.cli import main
told = {{}}
for arguments in {HELP!r}:
    sys.argv = ["sojourn", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, (arguments, ended.code)
    told[" ".join(arguments)] = sorted({{name.partition(".")[0] for name in sys.modules}})
print(json.dumps(told), file=sys.stderr)
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return {arguments: set(names) for arguments, names in json.loads(answer.stderr).items()}


@pytest.mark.parametrize("arguments", HELP)
def test_help_imports_nothing_heavy(imported: dict[str, set[str]], arguments: list[str]) -> None:
    """Start-up below 0.15 s is a matter of what is imported; a command imports what it needs when it runs."""
    loaded = imported[" ".join(arguments)]
    assert "typer" in loaded, "the process has not told what it imported"
    assert loaded & HEAVY == set()


def test_completion_imports_nothing_heavy() -> None:
    """The shell asks at every press of the key."""
    code = (
        "import sys; from agents.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    env = environment(_SOJOURN_COMPLETE="complete_bash", COMP_WORDS="sojourn key re", COMP_CWORD="2")
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert answer.stdout.split() == ["revoke"], answer.stderr
    assert "typer" in answer.stderr.split()
    assert set(answer.stderr.split()) & HEAVY == set()


@pytest.mark.parametrize("command", [*COMMANDS, *FL], ids=" ".join)
def test_every_command_has_help_and_the_format_option(command: list[str]) -> None:
    """Whoever writes a program around it relies on `--format json` everywhere."""
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "--format" in result.stdout and result.stderr == ""
    assert "\x1b" not in result.stdout


def test_the_table_lists_exactly_these_commands() -> None:
    """A command that is not in the list above escapes the other tests."""
    group: Any = typer.main.get_command(frame.app)

    def walk(command: Any, path: list[str]) -> list[list[str]]:
        if not hasattr(command, "list_commands"):
            return [path]
        context = typer.Context(command)
        names = command.list_commands(context)
        return [leaf for name in names for leaf in walk(command.get_command(context, name), [*path, name])]

    assert sorted(walk(group, [])) == sorted([*COMMANDS, *FL])


def test_each_command_has_a_file_of_its_own() -> None:
    """So that the next command is one more file and one more line."""
    folder = Path(frame.__file__).parent
    for command in COMMANDS:
        assert (folder / f"{'_'.join(command)}.py").is_file()
    for _, command in FL:
        assert (ROOT / "federated" / "cli" / f"{command}.py").is_file()


# -- usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing-like-it"],
        ["key", "nothing-like-it"],
        ["key", "new"],
        ["key", "new", "bad/name"],
        ["key", "new", "a", "--role", "god"],
        ["key", "new", "a", "--format", "xml"],
        ["key", "trust"],
        ["key", "revoke", "a", "--from-epoch", "-1"],
        ["key", "trust", "a.pub", "--until", "tomorrow"],
        ["key", "trust", "a.pub", "--until", "1999-12-31"],
        ["inspect"],
        ["verify", "a.sojourn", "--at-least", "-1"],
        ["run", "a.sojourn", "--timeout", "-1"],
        ["run", "a.sojourn", "b.sojourn"],
        ["key"],
        ["up", "--timeout", "0"],
        ["up", "extra"],
        ["up", "--places", ""],
        ["up", "--places", "baku,baku"],
        ["up", "--places", "a/b"],
        ["up", "--resources", "rome=a.toml"],
        ["launch"],
        ["launch", "survey.py"],
        ["launch", ":survey"],
        ["move", "surveyor"],
        ["freeze", "surveyor"],
        ["trail"],
        ["logs", "--last", "-1"],
        ["top", "--every", "0"],
        ["ps", "--address", "local"],
        ["demo", "--rounds", "0"],
        [],
    ],
    ids=" ".join,
)
def test_usage_errors_are_2_and_say_what_is_wrong(arguments: list[str], tmp_path: Path) -> None:
    """And leave stdout to the data."""
    result = invoke(*arguments, env={"SOJOURN_HOME": str(tmp_path)})
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and result.stderr.strip()
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_are_json_where_that_was_asked_for(tmp_path: Path) -> None:
    """Also those that are met before the option itself has been parsed."""
    for arguments in (
        ["nothing", "--format", "json"],
        ["key", "new", "--format=json"],
        ["key", "new", "a/b", "--format=json"],
    ):
        failure(invoke(*arguments, env={"SOJOURN_HOME": str(tmp_path)}), 2, "usage")


def test_the_format_is_found_before_parsing() -> None:
    """The last one counts, as in parsing; what follows `--` is no option."""
    assert wanted_format(["a", "--format", "json"]) is Format.JSON
    assert wanted_format(["--format=json"]) is Format.JSON
    assert wanted_format(["--format=json", "--format", "text"]) is Format.TEXT
    assert wanted_format(["--format"]) is Format.TEXT
    assert wanted_format(["--", "--format=json"]) is Format.TEXT


# -- errors


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `sojourn key list` fail with this error."""
    from agents.cli import home

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(home.HomeFolder, "store", fail)


def test_an_error_of_the_tree_is_sentences_without_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened and why, how things stand, what to do."""
    from mobility.trust.errors import UntrustedSigner

    raising(UntrustedSigner(["ab" * 32], place="lima"), monkeypatch)
    result = invoke("key", "list")
    assert result.exit_code == 3 and result.stdout == ""
    happened, state, remedy = result.stderr.splitlines()
    assert happened.startswith("lima refused the message"), "a name is not to be spelled otherwise"
    assert happened.endswith("(untrusted-signer).")
    assert "unharmed" in state
    assert remedy.startswith("On lima run: sojourn key trust")
    error = failure(invoke("key", "list", "--format", "json"), 3, "untrusted-signer")
    assert error["key_ids"] == ["ab" * 32] and error["place"] == "lima"


def test_an_unexpected_exception_is_1_and_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its traceback is for whoever asks for it."""
    raising(ZeroDivisionError("x\x1b[31m"), monkeypatch)
    result = invoke("key", "list")
    assert result.exit_code == 1
    assert "defect" in result.stderr and "SOJOURN_DEBUG=1" in result.stderr and "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr and "\x1b" not in result.stderr
    failure(invoke("key", "list", "--format=json"), 1, "unexpected")
    shown = invoke("key", "list", env={"SOJOURN_DEBUG": "1"})
    assert shown.exit_code == 1
    assert "Traceback" in shown.stderr and "test_frame.py" in shown.stderr and "\x1b" not in shown.stderr


@pytest.mark.parametrize(
    ("error", "slug"),
    [(KeyboardInterrupt(), "interrupted"), (PermissionError(13, "Permission denied", "/x"), "system")],
)
def test_interruptions_and_the_system_are_1(error: BaseException, slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who presses Ctrl-C gets a sentence, and so does one whose disk is full."""
    raising(error, monkeypatch)
    failure(invoke("key", "list", "--format", "json"), 1, slug)
    text = invoke("key", "list")
    assert text.exit_code == 1 and text.stderr.strip() and "Traceback" not in text.stderr


def test_a_reader_that_goes_away_is_no_error_to_talk_about(tmp_path: Path) -> None:
    """As in ``sojourn key list | head -1``."""
    invoke("key", "new", "a", "--home", tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "agents.cli", "key", "list", "--home", str(tmp_path)],
            env=environment(), stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (answer.returncode, answer.stderr) == (1, "")


# -- the table of exit codes


def tree() -> list[type[MobilityError]]:
    """Every error class of the packages."""
    from tests.test_repository import modules

    modules()
    found: list[type[MobilityError]] = [MobilityError]
    for kind in found:
        found += [one for one in kind.__subclasses__() if one not in found]
    return [kind for kind in found if kind.__module__.startswith(("mobility.", "agents.", "federated."))]


def test_the_table_names_classes_that_exist() -> None:
    """A class that was renamed would silently fall back to the code of its base."""
    names = [kind.__name__ for kind in tree()]
    assert set(failures.EXIT_CODES) <= set(names)
    assert [name for name in failures.EXIT_CODES if names.count(name) > 1] == []


def test_what_is_a_refusal_and_what_is_not() -> None:
    """Scripts tell them apart; the codes are as documented."""
    from mobility.errors import NotMovable
    from mobility.trust import errors as trust

    codes = {kind.__name__: failures.exit_code(kind.__new__(kind)) for kind in tree()}
    assert set(codes.values()) <= {1, 2, 3, 4, 5}
    signature = {"BadSignature", "UntrustedSigner", "Revoked", "Expired", "WrongAudience", "StaleEpoch", "SchemaError"}
    assert {name for name in signature if codes[name] != 3} == set()
    assert codes["UnknownKey"] == codes["FileMissing"] == codes["KeyMissing"] == 4
    assert codes["TimedOut"] == codes["CommandTimedOut"] == codes["WaitedTooLong"] == codes["Busy"] == 5
    assert codes["NoPlatform"] == codes["NotUp"] == codes["UnknownAgent"] == codes["UnknownPlace"] == 4
    assert codes["MoveRefused"] == codes["TrailUnverified"] == codes["ClusterVersionMismatch"] == 3
    assert codes["MoveFailed"] == codes["AgentEnded"] == codes["AlreadyUp"] == codes["FileThere"] == 1
    assert codes["UnitFailed"] == codes["KeyFileExists"] == codes["AgentNameTaken"] == codes["StoreDamaged"] == 1
    assert failures.exit_code(NotMovable.__new__(NotMovable)) == 1
    assert failures.exit_code(trust.Rollback("older")) == 3
    assert failures.exit_code(ValueError()) == 1

    class Later(trust.Revoked):
        """One that the table does not know."""

    assert failures.exit_code(Later(name="a", key_id="b", from_epoch=0, epoch=0)) == 3


def test_a_namesake_outside_the_tree_is_no_refusal() -> None:
    """The table goes by names, so it must look at nothing but errors of the tree."""
    other = type("Revoked", (Exception,), {})
    assert failures.exit_code(other()) == 1


# -- as a program


def test_it_runs_as_a_module_and_as_an_entry_point(tmp_path: Path) -> None:
    """``python -m agents.cli`` where nothing is installed; the entry point calls ``agents.cli:main``."""
    by_module = sojourn("key", "list", "--format", "json", "--home", tmp_path)
    assert (by_module.returncode, by_module.stderr) == (0, "")
    code = "import sys; from agents.cli import main; sys.exit(main())"
    by_entry = subprocess.run(
        [sys.executable, *STRICT, "-c", code, "key", "list", "--format", "json", "--home", str(tmp_path)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert json.loads(by_module.stdout) == json.loads(by_entry.stdout)
    refused = sojourn("key", "revoke", "nobody", "--home", tmp_path)
    assert refused.returncode == 4 and refused.stdout == ""


def test_letters_that_the_terminal_lacks_become_numbers(tmp_path: Path) -> None:
    """A folder may be called anything, and the output may be ASCII only."""
    folder = tmp_path / "Ä\N{RIGHT-TO-LEFT OVERRIDE}"
    answer = sojourn("key", "list", "--home", folder, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "\\xc4\\u202e" in answer.stdout
