"""The ledger forgets nothing: not by `kill -9`, not by two processes, not by an altered or an old file."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.accounting import Allowance, Cost, Spent
from federated.errors import AlreadyReleased, BudgetSpent, LedgerCorrupt, LedgerUnusable
from federated.ledger import Ledger
from federated.ledgerrows import Reservation, RowKind
from tests.federated.ledger_under_fire import COST, judge

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_what_is_reserved_is_spent_and_stays_so(path: Path) -> None:
    """By data set, run and type of message; a commit costs nothing more."""
    with Ledger(path) as ledger:
        one = ledger.reserve("ward", "r1", "m1", "train", Cost(0.5, 0.0))
        ledger.commit(one)
        ledger.reserve("ward", "r2", "m1", "train", Cost(0.25, 1.0))
        ledger.reserve("lab", "r1", "m1", "query")
    with Ledger(path) as ledger:
        assert ledger.spent("ward", "r1", "train") == Spent(1, 2, Cost(0.75, 1.0))
        assert ledger.spent("ward", "r3", "train") == Spent(0, 2, Cost(0.75, 1.0))
        assert ledger.spent("ward", "r1", "query") == Spent(0, 0, Cost(0.75, 1.0))
        assert ledger.spent("nobody") == Spent()
        assert ledger.spent_by("ward", "r2") == Cost(0.25, 1.0)
        assert ledger.datasets() == ("lab", "ward")
        assert ledger.has_released("ward", "r1", "m1") and not ledger.has_released("ward", "r2", "m1")
        kinds = [row.kind for row in ledger.rows()]
        assert kinds == [RowKind.BEGUN, RowKind.RESERVED, RowKind.COMMITTED, RowKind.RESERVED, RowKind.RESERVED]
        assert ledger.head.number == 5


def test_the_allowance_ends(path: Path) -> None:
    """The last round is given, the next one refused, and nothing is written for it."""
    allowance = Allowance(rounds=2, epsilon=5.0, delta=1e-5)
    with Ledger(path) as ledger:
        for number in range(2):
            ledger.reserve("ward", "r", str(number), "train", Cost(1e-3), allowance)
        before = ledger.head
        with pytest.raises(BudgetSpent) as caught:
            ledger.reserve("ward", "r", "2", "train", Cost(1e-3), allowance)
        assert (caught.value.what, caught.value.spent, caught.value.allowed) == ("rounds", 2, 2)
        assert ledger.head == before
        ledger.reserve("ward", "r2", "0", "train", Cost(1e-3), allowance)
        with pytest.raises(BudgetSpent, match="too little epsilon left"):
            ledger.reserve("ward", "r3", "0", "train", Cost(100), allowance)
        ledger.reserve("lab", "r", "0", "train", Cost(1e-3), allowance)  # another data set has its own
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_same_answer_never_leaves_twice(path: Path) -> None:
    """Noise drawn anew for the same message would average out; who was killed before the commit pays again."""
    with Ledger(path) as ledger:
        ledger.reserve("ward", "r", "m", "train", COST)
        again = ledger.reserve("ward", "r", "m", "train", COST)
        ledger.commit(again)
        with pytest.raises(AlreadyReleased):
            ledger.reserve("ward", "r", "m", "train", COST)
        ledger.commit(again)
        assert ledger.spent("ward", "r", "train") == Spent(2, 2, COST + COST)
        assert ledger.head.number == 4


def test_a_reservation_of_another_ledger_is_not_committed(path: Path, tmp_path: Path) -> None:
    """A mix-up must not mark something as left that has not."""
    with Ledger(path) as ledger, Ledger(tmp_path / "other.sqlite") as other:
        made = other.reserve("ward", "r", "m", "train")
        with pytest.raises(ValueError):
            ledger.commit(made)
        mine = ledger.reserve("ward", "r", "m", "train")
        with pytest.raises(ValueError):
            ledger.commit(Reservation(mine.number, "ward", "r", "another", mine.cost))


@pytest.mark.parametrize("name", ["", "a'b", "\0", "日本", "x" * 10_000])
def test_any_name_is_kept(path: Path, name: str) -> None:
    """Runs and messages are named by others."""
    with Ledger(path) as ledger:
        ledger.commit(ledger.reserve(name, name, name, name, COST))
    with Ledger(path) as ledger:
        assert ledger.spent(name, name, name) == Spent(1, 1, COST) and ledger.has_released(name, name, name)
        with pytest.raises(ValueError):
            ledger.reserve("ward", "r", "\ud800", "train")
        assert ledger.head.number == 3


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from("rs"),
            st.sampled_from(["train", "query"]),
            st.floats(0, 10),
            st.booleans(),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_it_adds_up_like_a_list(tmp_path_factory: pytest.TempPathFactory, releases: list[tuple]) -> None:  # type: ignore[type-arg]
    """Any releases, committed or not, by two openings in turn: the sums are those of the list."""
    path = tmp_path_factory.mktemp("sums") / "ledger.sqlite"
    with Ledger(path) as one, Ledger(path) as two:
        for number, (dataset, run, type, rho, commit, first) in enumerate(releases):
            ledger = one if first else two
            made = ledger.reserve(dataset, run, str(number), type, Cost(rho))
            if commit:
                (two if first else one).commit(made)
        for ledger in (one, two):
            for dataset in "ab":
                cost = sum(one[3] for one in releases if one[0] == dataset)
                for run, type in (("r", "train"), ("s", "query")):
                    in_all = [r for r in releases if (r[0], r[2]) == (dataset, type)]
                    spent = ledger.spent(dataset, run, type)
                    assert (spent.rounds, spent.rounds_in_all) == (sum(r[1] == run for r in in_all), len(in_all))
                    assert spent.cost.rho == pytest.approx(cost)


# -- kill -9 -----------------------------------------------------------------------------------------------------------


def test_killed_before_each_step_of_a_release(tmp_path: Path) -> None:
    """`ledger_under_fire` says how it is judged; it must also have been killed often enough to mean something."""
    command = [sys.executable, "-W", "error", "-m", "tests.federated.ledger_under_fire", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 60


def test_killed_from_outside_at_any_moment(tmp_path: Path) -> None:
    """In the middle of a statement, and of a write."""
    path, left = tmp_path / "ledger.sqlite", tmp_path / "left"
    chance = random.Random(1)
    code = (
        "import sys; from pathlib import Path; from tests.federated.ledger_under_fire import *; "
        "release_all(Path(sys.argv[1]), Path(sys.argv[2]), Countdown(0), 10_000)"
    )
    killed = 0
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", code, str(path), str(left)], cwd=ROOT)
        deadline = time.monotonic() + 60
        seen = left.stat().st_size if left.exists() else -1
        while (left.stat().st_size if left.exists() else -1) == seen and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.02))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        judge(path, left, killed)
    assert killed == 6


def test_two_processes_never_spend_the_same_rest(tmp_path: Path) -> None:
    """Four processes at once want twelve rounds of which seven are left."""
    path = tmp_path / "ledger.sqlite"
    code = f"""
import sys
from federated.accounting import Allowance, Cost
from federated.errors import BudgetSpent
from federated.ledger import Ledger
got = 0
with Ledger({str(path)!r}) as ledger:
    for number in range(3):
        try:
            message, allowance = sys.argv[1] + str(number), Allowance(rounds=7)
            ledger.commit(ledger.reserve("ward", "r", message, "train", Cost(1.0), allowance))
            got += 1
        except BudgetSpent:
            pass
print(got)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    running = [
        subprocess.Popen([*command, name], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in "abcd"
    ]
    outputs = [process.communicate(timeout=60) for process in running]
    assert [errors for _, errors in outputs] == [""] * 4
    assert sum(int(output) for output, _ in outputs) == 7
    with Ledger(path) as ledger:
        assert ledger.spent("ward", "r", "train") == Spent(7, 7, Cost(7.0))


def test_what_is_left_is_looked_up_and_spent_in_one_go(path: Path) -> None:
    """Between the look and the writing of one, the other tries to reserve: it has to wait."""
    outcomes: list[object] = []

    def reserve(ledger: Ledger, message: str) -> None:
        try:
            outcomes.append(ledger.reserve("ward", "r", message, "train", COST, Allowance(rounds=1)).message)
        except BudgetSpent:
            outcomes.append(BudgetSpent)

    with Ledger(path) as one, Ledger(path) as two:
        other = threading.Thread(target=reserve, args=(two, "second"))

        def interrupt(statement: str) -> None:
            if statement.startswith("INSERT") and not other.ident:
                other.start()
                other.join(0.3)

        one._opened().set_trace_callback(interrupt)
        reserve(one, "first")
        other.join()
    assert outcomes == ["first", BudgetSpent]


def test_the_mark_never_goes_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process has reserved, and before it writes the mark another one reserves and writes it."""
    with Ledger(path) as one, Ledger(path) as two:
        write = one._write_mark

        def late() -> None:
            two.reserve("ward", "r", "second", "train", COST)
            write()

        monkeypatch.setattr(one, "_write_mark", late)
        one.reserve("ward", "r", "first", "train", COST)
    assert int(path.with_name(path.name + ".mark").read_text().split()[0]) == 3


def test_it_waits_for_the_disk(path: Path) -> None:
    """What a reservation promises must survive the loss of power, too: sqlite's 2 is FULL."""
    with Ledger(path) as ledger:
        database = ledger._opened()
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_many_threads_share_one_ledger(path: Path) -> None:
    """A node answers several messages at once."""
    got: list[int] = []
    with Ledger(path) as ledger:

        def work(name: int) -> None:
            for number in range(5):
                try:
                    ledger.commit(ledger.reserve("ward", "r", f"{name}.{number}", "train", COST, Allowance(rounds=13)))
                    got.append(1)
                except BudgetSpent:
                    pass

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 13 == ledger.spent("ward", "r", "train").rounds


# -- files that are not what was written -------------------------------------------------------------------------------


def filled(path: Path) -> None:
    with Ledger(path) as ledger:
        for number in range(5):
            ledger.commit(ledger.reserve("ward", "r", str(number), "train", COST))


def altering(*statements: str) -> Callable[[Path], None]:
    """Somebody with sqlite, who takes the triggers away first."""

    def alter(path: Path) -> None:
        database = sqlite3.connect(path, isolation_level=None)
        for trigger in ("no_change", "no_deletion", "no_gap"):
            database.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            database.execute(statement)
        database.close()

    return alter


def flipped(path: Path) -> None:
    """A disk that gives back other bytes: within the text of a row."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"wardr")
    data[at] ^= 1
    path.write_bytes(data)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(8192))


def other_kind(path: Path) -> None:
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE something (x)")
    database.close()


def without_tables(path: Path) -> None:
    """A database in which nothing is left, not even its kind: it looks like a new one."""
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE something (x)")
    database.execute("DROP TABLE something")
    database.close()


def damaged_mark(path: Path) -> None:
    mark = path.with_name(path.name + ".mark")
    data = bytearray(mark.read_bytes())
    data[19] ^= 1
    mark.write_bytes(data)


ATTACKS = [
    pytest.param(altering("UPDATE rows SET rho = 0 WHERE number = 2"), id="a cost made smaller"),
    pytest.param(altering("UPDATE rows SET epsilon = 0.4999999999999999 WHERE number = 4"), id="by one bit"),
    pytest.param(altering("UPDATE rows SET dataset = 'other' WHERE number = 4"), id="put on another's account"),
    pytest.param(altering("UPDATE rows SET message = 'x' WHERE number = 4"), id="another message"),
    pytest.param(altering("UPDATE rows SET time = 0 WHERE number = 4"), id="another time"),
    pytest.param(altering("UPDATE rows SET kind = 'accepted' WHERE number = 4"), id="another kind"),
    pytest.param(altering("UPDATE rows SET kind = 'nonsense' WHERE number = 4"), id="no kind"),
    pytest.param(altering("UPDATE rows SET rho = -1 WHERE number = 4"), id="a negative cost"),
    pytest.param(altering("UPDATE rows SET rho = 'x' WHERE number = 4"), id="a cost of text"),
    pytest.param(altering("DELETE FROM rows WHERE number = 4"), id="a row taken out"),
    pytest.param(altering("DELETE FROM rows WHERE number > 9"), id="the last rows taken out"),
    pytest.param(altering("DELETE FROM rows"), id="all rows taken out"),
    pytest.param(altering("DROP TABLE rows"), id="no table"),
    pytest.param(
        altering("DELETE FROM rows WHERE number = 4", "UPDATE rows SET number = number - 1 WHERE number > 4"),
        id="taken out and numbered anew",
    ),
    pytest.param(flipped, id="a flipped bit"),
    pytest.param(emptied, id="emptied"),
    pytest.param(Path.unlink, id="removed"),
    pytest.param(cut, id="cut"),
    pytest.param(garbage, id="garbage"),
    pytest.param(other_kind, id="another database"),
    pytest.param(without_tables, id="a database without tables"),
    pytest.param(lambda path: path.with_name(path.name + ".mark").unlink(), id="the mark removed"),
    pytest.param(damaged_mark, id="the mark altered"),
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_ledger_that_is_not_what_was_written_is_refused(path: Path, attack: Callable[[Path], None]) -> None:
    """Each time, and without being begun anew: what it had is left as it is found."""
    filled(path)
    attack(path)
    found = path.read_bytes() if path.exists() else None
    for _ in range(2):
        with pytest.raises(LedgerCorrupt) as caught:
            Ledger(path)
        assert caught.value.path == str(path) and "ledger-corrupt" in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == found


def test_an_old_copy_is_refused(path: Path, tmp_path: Path) -> None:
    """A backup that is put back has forgotten what was spent since."""
    filled(path)
    shutil.copy(path, tmp_path / "copy")
    filled_more = Ledger(path)
    filled_more.reserve("ward", "r", "more", "train", COST)
    filled_more.close()
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy", path)
    with pytest.raises(LedgerCorrupt, match="ends with row 11, and row 12 was written: it is an old copy"):
        Ledger(path)


def test_an_old_copy_with_its_mark_shows_by_a_number_from_elsewhere(path: Path) -> None:
    """What the file alone cannot prove: the audit, or a server, knows how far it had come."""
    filled(path)
    Ledger(path, at_least=11).close()
    with pytest.raises(LedgerCorrupt, match="row 12 was written once"):
        Ledger(path, at_least=12)
    with pytest.raises(LedgerCorrupt, match="missing or empty"):
        Ledger(path.with_name("none.sqlite"), at_least=1)


def test_rows_that_vanish_while_it_is_open_are_noticed(path: Path) -> None:
    """The next reservation is refused."""
    with Ledger(path) as ledger:
        ledger.reserve("ward", "r", "m", "train", COST)
        altering("DELETE FROM rows WHERE number = 2")(path)
        with pytest.raises(LedgerCorrupt, match="lost its row 2"):
            ledger.reserve("ward", "r", "n", "train", COST)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET rho = 0",
        "DELETE FROM rows",
        "INSERT OR REPLACE INTO rows SELECT * FROM rows WHERE number = 2",
        "INSERT INTO rows SELECT 99, time, kind, dataset, run, message, type, rho, epsilon, answers, digest FROM rows",
    ],
)
def test_the_file_refuses_to_be_changed(path: Path, statement: str) -> None:
    """By a program that means no harm."""
    filled(path)
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="the ledger only grows"):
        database.execute(statement)
    database.close()


def test_the_owner_may_go_on_with_a_copy_and_it_is_written_down(path: Path) -> None:
    """The repair that an owner decides on; a ledger whose rows do not fit is not accepted either."""
    filled(path)
    path.with_name(path.name + ".mark").unlink()
    with Ledger.accept(path, "restored from the copy of Monday") as ledger:
        assert ledger.spent("ward", "r", "train").rounds == 5
        last = ledger.rows()[-1]
        assert (last.kind, last.message) == (RowKind.ACCEPTED, "restored from the copy of Monday")
    Ledger(path).close()
    altering("UPDATE rows SET rho = 0 WHERE number = 2")(path)
    with pytest.raises(LedgerCorrupt):
        Ledger.accept(path, "because")
    with pytest.raises(LedgerCorrupt, match="nothing to go on with"):
        Ledger.accept(path.with_name("none.sqlite"), "because")


def test_a_ledger_that_cannot_be_used_says_so(path: Path, tmp_path: Path) -> None:
    """Closed, of a later version, or where no file can be."""
    ledger = Ledger(path)
    ledger.close()
    ledger.close()
    for use in (lambda: ledger.head, lambda: ledger.reserve("ward", "r", "m", "train")):
        with pytest.raises(LedgerUnusable, match="was closed"):
            use()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LedgerUnusable, match="of version 99"):
        Ledger(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnusable):
        Ledger(tmp_path / "file" / "ledger.sqlite")


def test_nobody_else_can_read_it(path: Path) -> None:
    """It says what was asked of whose data."""
    filled(path)
    assert path.stat().st_mode & 0o077 == 0
