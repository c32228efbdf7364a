"""Accelerators, read from a tree of files as NVIDIA's driver shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobility.environment import Accelerator, Environment
from mobility.environment.accelerators import read_accelerators

UUIDS = ["GPU-11aa0000-0000-0000-0000-000000000001", "GPU-11bb0000-0000-0000-0000-000000000002", "GPU-????????"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with three devices, of which the driver has not woken the last."""
    for number, uuid in enumerate(UUIDS):
        folder = tmp_path / f"proc/driver/nvidia/gpus/0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t Some GPU\nIRQ:   \t\t 42\nGPU UUID: \t {uuid}\n")
    return tmp_path


def count(root: Path, setting: str | None) -> int:
    found = read_accelerators(root, {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting})
    assert all(one.kind == "cuda" and one.memory is None for one in found) and len(found) <= 1
    return sum(one.count for one in found)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, 3), ("0", 1), ("2,0", 2), ("0,1,2", 3), (" 0 , 1 ", 2), ("", 0), ("-1", 0), ("NoDevFiles", 0), ("3", 0),
        ("0,-1,1", 1), ("0,7,1", 1), ("0,0", 0), ("GPU-11aa", 1), ("GPU-11AA,GPU-11bb", 2), ("GPU-11", 0), ("GPU-", 0),
        ("GPU-11aa,0", 0), ("GPU-ff", 0), ("MIG-11aa", 1), ("MIG-", 0), ("MIG-a,MIG-b", 2), ("0,", 1), ("\u0661", 0),
        ("9" * 5000, 0),
    ],
)  # fmt: skip
def test_what_cuda_would_see(root: Path, setting: str | None, expected: int) -> None:
    """All named devices before the first that does not exist; none if one is named twice."""
    assert count(root, setting) == expected


@pytest.mark.parametrize("setting", [None, "0", "GPU-11aa", "MIG-1"])
def test_no_driver(tmp_path: Path, setting: str | None) -> None:
    """A variable that is set does not make a device."""
    assert count(tmp_path, setting) == 0


def test_damaged_information(root: Path) -> None:
    """A device without a readable UUID is still a device."""
    for file in root.glob("proc/driver/nvidia/gpus/*/information"):
        file.write_bytes(b"\xff\0")
    next(root.glob("proc/driver/nvidia/gpus/*/information")).unlink()
    assert (count(root, None), count(root, "GPU-11aa"), count(root, "1")) == (3, 0, 1)


def test_a_host_declares_its_own(root: Path) -> None:
    """What is declared is not mixed with what is found."""
    declared = [Accelerator("tpu", 4, 1 << 34)]
    assert Environment.here(accelerators=declared, root=root).accelerators == tuple(declared)
    assert Environment.here(accelerators=(), root=root).accelerators == ()
    assert Environment.here(root=root, variables={}).accelerators == (Accelerator("cuda", 3),)
