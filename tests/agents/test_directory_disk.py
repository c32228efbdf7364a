"""The file: a full disk and its end, a damaged or foreign or newer file, two processes at one folder."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.directory import (
    Directory,
    DirectoryDiskFull,
    DirectoryInUse,
    DirectoryNewer,
    DirectoryUnusable,
    Info,
)
from agents.directory.directory import SCHEMA
from agents.handoff.ledger import NEVER, Finish, Granted, Holder, Take

OSLO = Holder("oslo", "w")
LINK = b"r" * 32
FOUR_KB = b"p" * 4000


def joined(directory: Directory) -> Directory:
    directory.register("oslo", "w", b"key", False, {})
    return directory


def birth(directory: Directory, number: int) -> Any:
    about = Info(f"name-{number}", "me", None, "x:y", 1.0)
    return directory.submit(Take(f"aaaa{number:06}", NEVER, OSLO, LINK), info=about, passport=FOUR_KB)


# -- a full disk


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of 2 MiB, in a folder of its own: pytest cannot clear away what is mounted, should it be left."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True) if mount else None
    if mounted is None or mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip() if mounted else 'no command for it'}")
    try:
        yield folder
    finally:  # even if a failed test has left a file open there
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(directory: Directory) -> int:
    """Create agents until there is no room; how many there are."""
    for number in range(2000):
        before = directory.entries(3000)
        try:
            birth(directory, number)
        except DirectoryDiskFull as error:
            again = pickle.loads(pickle.dumps(error))
            assert str(again) == str(error)
            assert "Nothing was changed; agents stay where they are" in str(error)
            assert directory.entries(3000) == before, "of what could not be written, something was"
            return number
    raise AssertionError("it never was full")


def still_works_without_room(directory: Directory, count: int) -> None:
    assert len(directory.entries(3000)) == count
    assert directory.find(f"name-{count}") is None
    assert directory.holdings("oslo", "w") == {f"aaaa{number:06}": 0 for number in range(count)}
    assert directory.renew("oslo", "w").stop is False, "places must be able to keep their leases"
    with pytest.raises(DirectoryDiskFull):
        birth(directory, count)
    assert directory.find(f"name-{count}") is None


def test_a_full_disk_is_said_and_work_goes_on_when_there_is_room() -> None:
    with small_disk() as disk:
        with joined(Directory(disk / "folder")) as directory:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(1 << 20))
            count = fill(directory)
            assert count > 10
            still_works_without_room(directory, count)
            ballast.unlink()
            assert isinstance(birth(directory, count), Granted)
            assert isinstance(directory.submit(Finish("aaaa000000", 0, OSLO), outcome=b"o"), Granted)
        with joined(Directory(disk / "folder")) as directory:
            assert len(directory.entries(3000)) == count
            assert directory.outcome("aaaa000000") == b"o"


def test_a_restart_on_a_full_disk_says_so_and_succeeds_later() -> None:
    with small_disk() as disk:
        with joined(Directory(disk / "folder")) as directory:
            assert isinstance(birth(directory, 0), Granted)
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        try:
            Directory(disk / "folder").close()
        except DirectoryDiskFull:
            pass  # or it opens, and says so with the first change
        with pytest.raises(DirectoryDiskFull), Directory(disk / "new") as directory:
            joined(directory)
        ballast.unlink()
        with joined(Directory(disk / "folder")) as directory:
            assert [entry.row.agent for entry in directory.entries()] == ["aaaa000000"]
        joined(Directory(disk / "new")).close()


def test_a_file_that_may_not_grow_is_full(tmp_path: Path) -> None:
    """The same where nothing can be mounted: sqlite is told how large the file may be."""
    with joined(Directory(tmp_path)) as directory:
        with directory._database.look() as db:
            db.execute("PRAGMA max_page_count = 100")
        count = fill(directory)
        assert count > 10
        still_works_without_room(directory, count)
        with directory._database.look() as db:
            db.execute("PRAGMA max_page_count = 100000")
        assert isinstance(birth(directory, count), Granted)


# -- files that cannot be used


def refused(tmp_path: Path, kind: type[DirectoryUnusable]) -> str:
    with pytest.raises(kind) as caught:
        Directory(tmp_path)
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is kind
    assert error.path == str(tmp_path / "directory.sqlite")
    assert "agents stay where they are" in str(error)
    return str(error)


def test_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    joined(Directory(tmp_path)).close()
    other = sqlite3.connect(tmp_path / "directory.sqlite")
    other.execute(f"PRAGMA user_version = {SCHEMA.version + 1}")
    other.close()
    before = (tmp_path / "directory.sqlite").read_bytes()
    assert "version 2" in refused(tmp_path, DirectoryNewer)
    assert (tmp_path / "directory.sqlite").read_bytes() == before


@pytest.mark.parametrize("pragma", ["application_id = 77", "user_version = 1", "user_version = 0"])
def test_another_kind_of_database_is_refused_and_left_alone(tmp_path: Path, pragma: str) -> None:
    other = sqlite3.connect(tmp_path / "directory.sqlite")
    other.execute("CREATE TABLE bookmarks (url)")
    other.execute(f"PRAGMA {pragma}")
    other.close()
    before = (tmp_path / "directory.sqlite").read_bytes()
    assert "another kind" in refused(tmp_path, DirectoryUnusable)
    assert (tmp_path / "directory.sqlite").read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "directory.sqlite").write_bytes(b"no database" * 1000)
    refused(tmp_path, DirectoryUnusable)
    assert (tmp_path / "directory.sqlite").read_bytes() == b"no database" * 1000


def test_damage_that_shows_later_is_said_when_it_shows(tmp_path: Path) -> None:
    with joined(Directory(tmp_path)) as directory:
        for number in range(50):
            birth(directory, number)
    path = tmp_path / "directory.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(DirectoryUnusable, match="agents stay where they are"), Directory(tmp_path) as directory:
        directory.entries()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DirectoryUnusable, match="Not a directory|exists"):
        Directory(tmp_path / "file")


def test_a_file_that_nobody_may_write_is_refused_at_the_change(tmp_path: Path) -> None:
    with joined(Directory(tmp_path)) as directory:
        with directory._database.look() as db:
            db.execute("PRAGMA query_only = 1")
        with pytest.raises(DirectoryUnusable, match="Nothing was changed"):
            birth(directory, 0)
        with directory._database.look() as db:
            db.execute("PRAGMA query_only = 0")
        assert isinstance(birth(directory, 0), Granted)


def test_a_closed_directory_says_so(tmp_path: Path) -> None:
    directory = joined(Directory(tmp_path))
    directory.close()
    directory.close()
    uses: list[Callable[[], object]] = [
        lambda: birth(directory, 0),
        lambda: directory.renew("oslo", "w"),
        directory.entries,
        directory.members,
    ]
    for use in uses:
        with pytest.raises(DirectoryUnusable, match="was closed"):
            use()


# -- one owner


def test_a_second_directory_at_the_same_folder_is_refused(tmp_path: Path) -> None:
    with joined(Directory(tmp_path)) as directory:
        assert "lock" in refused(tmp_path, DirectoryInUse)
        assert isinstance(birth(directory, 0), Granted), "the first one goes on"
    joined(Directory(tmp_path)).close()


OTHER = """
import sys
from agents.directory import Directory, DirectoryInUse
try:
    directory = Directory(sys.argv[1])
except DirectoryInUse as error:
    print(error.slug, flush=True)
else:
    print("open", flush=True)
    sys.stdin.read()
"""


def other_process(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder)], cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    """Even if it was killed and could not give the folder back."""
    with joined(Directory(tmp_path)), other_process(tmp_path) as second:
        assert second.stdout is not None
        assert second.stdout.readline() == "directory-in-use\n"
        assert second.wait(30) == 0
    with other_process(tmp_path) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == "open\n"
            refused(tmp_path, DirectoryInUse)
        finally:
            first.kill()
        first.wait(30)
    joined(Directory(tmp_path)).close()


def test_the_files_are_nobody_elses_to_read(tmp_path: Path) -> None:
    with joined(Directory(tmp_path)):
        files = sorted(tmp_path.iterdir())
        kinds = [path.name.removeprefix("directory.") for path in files]
        assert kinds == ["lock", "sqlite", "sqlite-shm", "sqlite-wal"]
        assert [path.name for path in files if os.stat(path).st_mode & 0o077] == []


def test_a_careless_synchronous_is_refused(tmp_path: Path) -> None:
    """With OFF a grant could be forgotten."""
    with pytest.raises(ValueError, match="OFF"):
        Directory(tmp_path, synchronous="OFF")
