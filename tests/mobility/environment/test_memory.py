"""Memory, read from a tree of files as Linux shows them in and outside containers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.environment.memory import HostMemory, read_memory

MIB = 1 << 20
MEMINFO = (
    "MemTotal:       16777216 kB\nMemFree:        1048576 kB\nMemAvailable:    8388608 kB\nSwapTotal:  99999999 kB\n"
)
MACHINE = HostMemory(16384 * MIB, 8192 * MIB)
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V1_OTHER = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"


class Host:
    """A root folder to be filled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file("proc/meminfo", MEMINFO)

    def file(self, path: str, text: str | int) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(f"{text}\n" if isinstance(text, int) else text, encoding="utf-8")

    def v2(self, path: str, limit: str | int, used: int = 0, cache: int = 0) -> None:
        folder = f"sys/fs/cgroup/{path}"
        self.file(f"{folder}/memory.max", limit)
        self.file(f"{folder}/memory.current", used)
        self.file(f"{folder}/memory.stat", f"anon 1\ninactive_anon 77\ninactive_file {cache}\n")

    def v1(self, path: str, limit: int, used: int = 0, cache: int = 0) -> None:
        folder = f"sys/fs/cgroup/memory/{path}"
        self.file(f"{folder}/memory.limit_in_bytes", limit)
        self.file(f"{folder}/memory.usage_in_bytes", used)
        self.file(f"{folder}/memory.stat", f"inactive_file 5\ntotal_inactive_file {cache}\n")

    def groups(self, membership: str, mounts: str) -> None:
        self.file("proc/self/cgroup", membership)
        self.file("proc/self/mountinfo", mounts)

    def read(self) -> HostMemory:
        return read_memory(self.root)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_no_groups(host: Host) -> None:
    """What would be given back is available, swap is not memory."""
    assert host.read() == MACHINE


def test_v2_limit_of_the_own_group(host: Host) -> None:
    """A container is stopped at its limit, whatever the machine has; page cache is given back before that."""
    host.groups("0::/work\n", V2_MOUNT)
    host.v2("work", 1000 * MIB, used=600 * MIB, cache=100 * MIB)
    assert host.read() == HostMemory(1000 * MIB, 500 * MIB)


def test_v2_limit_of_a_group_further_out(host: Host) -> None:
    """The tightest limit on the way to the root holds, and each group has its own use."""
    host.groups("0::/outer/inner\n", V2_MOUNT)
    host.v2("outer/inner", "max\n")
    host.v2("outer", 2000 * MIB, used=1900 * MIB)
    host.v2("", 3000 * MIB, used=100 * MIB)
    assert host.read() == HostMemory(2000 * MIB, 100 * MIB)


def test_v2_without_a_limit(host: Host) -> None:
    """`max` is no number."""
    host.groups("0::/work\n", V2_MOUNT)
    host.v2("work", "max\n", used=600 * MIB)
    assert host.read() == MACHINE


def test_v2_seen_through_a_namespace(host: Host) -> None:
    """In a container with its own namespace the group is the root, and the mount shows it."""
    host.groups("0::/\n", V2_MOUNT)
    host.v2("", 500 * MIB, used=100 * MIB)
    assert host.read() == HostMemory(500 * MIB, 400 * MIB)


def test_v2_outside_the_namespace(host: Host) -> None:
    """A process that was put elsewhere sees a path that leads out of what is mounted."""
    host.groups("0::/../../other\n", V2_MOUNT)
    host.v2("", 500 * MIB, used=100 * MIB)
    host.file("sys/other/memory.max", 1)  # no group, though the path leads there
    assert host.read() == HostMemory(500 * MIB, 400 * MIB)


def test_v1_limit_and_its_hierarchy(host: Host) -> None:
    """Version 1 has other names, and a number for "no limit"."""
    host.groups("5:cpu:/elsewhere\n4:memory:/a/b\n0::/\n", V1_OTHER + V1_MOUNT)
    host.v1("a/b", 9223372036854771712)
    host.v1("a", 4000 * MIB, used=1000 * MIB, cache=300 * MIB)
    assert host.read() == HostMemory(4000 * MIB, 3300 * MIB)


def test_v1_in_a_container_without_a_namespace(host: Host) -> None:
    """The path is the host's, and only the container's part of it is mounted."""
    mount = V1_MOUNT.replace(" / /sys", " /docker/abc /sys")
    host.groups("4:cpu,memory:/docker/abc\n", mount)
    host.v1("", 700 * MIB, used=200 * MIB)
    host.v1("docker/abc", 1)  # not the file that is meant
    assert host.read() == HostMemory(700 * MIB, 500 * MIB)


def test_both_versions_at_once(host: Host) -> None:
    """Systems in transition mount version 2 without its memory files beside version 1."""
    host.groups("4:memory:/a\n0::/\n", V1_MOUNT + V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"))
    host.v1("a", 700 * MIB)
    assert host.read() == HostMemory(700 * MIB, 700 * MIB)


def test_mount_point_with_a_space(host: Host) -> None:
    """The kernel writes it in octal."""
    host.groups("0::/\n", V2_MOUNT.replace("/sys/fs/cgroup", "/sys/my\\040groups"))
    host.file("sys/my groups/memory.max", 5 * MIB)
    assert host.read().total == 5 * MIB


def test_more_used_than_allowed(host: Host) -> None:
    """A limit may be lowered below what is in use: nothing is left, and not less than nothing."""
    host.groups("0::/\n", V2_MOUNT)
    host.v2("", 100 * MIB, used=300 * MIB)
    assert host.read() == HostMemory(100 * MIB, 0)


def test_limit_without_use(host: Host) -> None:
    """What is available is never more than there is in all."""
    host.groups("0::/\n", V2_MOUNT)
    host.file("sys/fs/cgroup/memory.max", 100 * MIB)
    assert host.read() == HostMemory(100 * MIB, 100 * MIB)


def test_change_of_group_is_seen(host: Host) -> None:
    """The folders are remembered, but only as long as the process stays in its group."""
    host.v2("one", 100 * MIB)
    host.v2("two", 200 * MIB)
    host.groups("0::/one\n", V2_MOUNT)
    assert host.read().total == 100 * MIB
    host.v2("one", 90 * MIB)
    assert host.read().total == 90 * MIB
    host.groups("0::/two\n", V2_MOUNT)
    assert host.read().total == 200 * MIB


def test_without_meminfo_the_system_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems than Linux."""
    sizes = {"SC_PHYS_PAGES": 1000, "SC_AVPHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
    assert read_memory(tmp_path) == HostMemory(4096000, 40960)


def test_half_an_answer_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has no name for the free pages."""

    def sysconf(name: str) -> int:
        if name == "SC_AVPHYS_PAGES":
            raise ValueError("unrecognized configuration name")
        return 4096

    monkeypatch.setattr(os, "sysconf", sysconf, raising=False)
    assert read_memory(tmp_path) == HostMemory(4096 * 4096, None)


def test_no_answer_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no such function; a limit that is known still holds."""
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert read_memory(tmp_path) == HostMemory(None, None)
    monkeypatch.setattr(os, "sysconf", lambda name: -1, raising=False)
    assert read_memory(tmp_path) == HostMemory(None, None)


def test_no_limit_is_not_an_amount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else is known, the number that stands for "no limit" must not pass for memory."""
    monkeypatch.delattr(os, "sysconf", raising=False)
    host = Host(tmp_path)
    host.file("proc/meminfo", "")
    host.groups("4:memory:/\n", V1_MOUNT)
    host.v1("", 9223372036854771712)
    assert host.read() == HostMemory(None, None)


@given(st.dictionaries(st.sampled_from(["meminfo", "self/cgroup", "self/mountinfo"]), st.binary(max_size=60)))
def test_damaged_files_are_unknown(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """The judge must not fail because a kernel writes something new."""
    root = tmp_path_factory.mktemp("root")
    (root / "proc/self").mkdir(parents=True)
    for name, content in files.items():
        (root / "proc" / name).write_bytes(content)
    assert isinstance(read_memory(root), HostMemory)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "9" * 30, "max", "1 2", "\u0661"])
def test_limits_that_are_no_numbers(host: Host, text: str) -> None:
    """They limit nothing."""
    host.groups("0::/\n", V2_MOUNT)
    host.v2("", text)
    assert host.read() == MACHINE


def test_this_host() -> None:
    """The real files of the machine that runs the tests."""
    memory = read_memory()
    if os.path.exists("/proc/meminfo"):
        assert memory.total is not None and memory.available is not None
        assert 1 << 26 < memory.total < 1 << 50 and 0 <= memory.available <= memory.total
