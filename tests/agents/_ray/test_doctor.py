"""``sojourn doctor`` on a cluster that wants a token, and whose second place cannot listen."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents._ray._own import OwnCluster
from tests.support.ray_cluster import environment

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("token")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[OwnCluster]:
    (folder / "user").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("HOME", str(folder / "user"))
        patch.delenv("RAY_AUTH_TOKEN", raising=False)
        patch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
        started = OwnCluster(("baku", "oslo"), timeout=180)
    try:
        yield started
    finally:
        started.close(30.0)


def run(cluster: OwnCluster, folder: Path, **variables: str) -> tuple[int, Any]:
    """The doctor, as a user who has nothing but these variables."""
    command = [
        sys.executable,
        "-m",
        "agents.cli",
        "doctor",
        "--home",
        str(folder / "home"),
        "--address",
        cluster.address,
    ]
    told = subprocess.run(
        [*command, "--format", "json", "--timeout", "150"],
        env={**environment(), "HOME": str(folder / "nobody"), **variables},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert told.stdout, (told.returncode, told.stderr)
    return told.returncode, json.loads(told.stdout)["findings"]


@pytest.mark.parametrize(
    "variables",
    [
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4},
    ],
    ids=["not set", "none", "wrong"],
)
def test_without_the_token(cluster: OwnCluster, folder: Path, variables: dict[str, str]) -> None:
    """It says that it is the token, in a sentence, and ends as it always does."""
    code, found = run(cluster, folder, **variables)
    assert (code, found[-1]["mark"], found[-1]["what"]) == (1, "problem", "cluster")
    assert "token" in found[-1]["said"] and "~/.ray/auth_token" in found[-1]["remedy"]


def test_a_place_that_cannot_listen(cluster: OwnCluster, folder: Path) -> None:
    """Two places of one host have one port between them: one of them is missing, and the doctor says which and why."""
    token = folder / "user" / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600, "whoever reads it runs code on every node"
    with socket.create_server(("", 0)) as probe:
        port = probe.getsockname()[1]
    with socket.create_server(("", 0)) as probe:
        other = probe.getsockname()[1]
    script = f"""
        from agents import connect
        from agents.errors import AgentsError
        try:
            connect({cluster.address!r}, ports=({port}, {other}), home={str(folder / "owner")!r}, timeout=25)
        except AgentsError as error:
            print(error.slug)
    """
    user = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    started = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**environment(), **user, "HOME": str(folder / "nobody")}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert started.stdout.strip() == "place-unreachable", started.stderr
    code, found = run(cluster, folder, **user)
    assert code == 1
    missing = [each for each in found if each["what"] == "place" and each["mark"] == "problem"]
    assert len(missing) == 1 and "has no place that serves" in missing[0]["said"], found
    assert "Address already in use" in missing[0]["said"] and missing[0]["remedy"]
    ports = [each for each in found if each["what"] == "ports" and each["mark"] == "problem"]
    assert len(ports) == 1 and "no place can listen there" in ports[0]["said"], [
        each for each in found if each["mark"] != "ok" or each["what"] == "ports"
    ]
    assert {each["said"].split(": ")[-1] for each in found if each["what"] == "RAY_AUTH_MODE"} == {"token"}
    assert os.path.exists(folder / "home") is False, "who only looks changes nothing"
