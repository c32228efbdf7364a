"""Each finding of ``sojourn doctor``, provoked; what a host tells is made up where a fault cannot be made here."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import GetTimeoutError

from agents._ray import examining
from agents._ray.actors import PlatformSettings
from agents._ray.examining import Facts, Peer, Tried, facts_here, skew_of, try_peers
from agents._ray.membership import Node
from agents.cli.examination import _places, _trusted_there, at_home
from agents.cli.findings import Finding, Mark
from agents.cli.home import HomeFolder
from agents.cli.hosts import of_hosts
from agents.place.trusting import MemberTrust
from agents.platform import PlaceInfo
from agents.sockets import SocketServer
from mobility.trust import Identity, TrustStore
from tests.agents.cli.running import invoke

SECRET = b"known to all processes of it...."
LOCAL = "127.0.0.1"


def bad(findings: Any) -> list[Finding]:
    """What is not ok; each says what to do."""
    found = [finding for finding in findings if finding.mark is not Mark.OK]
    assert all(finding.remedy for finding in found)
    return found


def one(findings: Any) -> Finding:
    (found,) = bad(findings)
    return found


def host(place: str = "oslo", **told: Any) -> Facts:
    return Facts(
        place, f"{place}-node", "192.0.2.7", **{**facts_here("/tmp"), "auth": "token", "within": 0.001, **told}
    )


def said_of(*found: Facts, direct: bool = True) -> list[Finding]:
    return bad(of_hosts(found, direct=direct))


# -- keys and trust


@pytest.fixture
def home(tmp_path: Path) -> HomeFolder:
    invoke("key", "new", "owner", "--home", tmp_path / "home")
    folder = HomeFolder.of(tmp_path / "home")
    assert bad(at_home(folder)) == []
    return folder


def test_a_key_that_is_revoked_or_unknown(home: HomeFolder) -> None:
    public = next(iter(home.own_keys())).public
    assert public is not None
    home.store().revoke(public.key_id, 3)
    assert "owner is revoked from epoch 3 on" in one(at_home(home)).said
    for file in home.trust_folder.rglob("*"):
        if file.is_file():
            file.unlink()
    found = one(at_home(home))
    assert (
        "not in your own trust store" in found.said and f"sojourn key trust {home.public_file('owner')}" in found.remedy
    )
    invoke("key", "trust", home.public_file("owner"), "--home", home.folder)
    assert bad(at_home(home)) == [], "the remedy works"


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_what_cannot_be_looked_at_is_a_problem_and_keeps_nobody_from_the_rest(
    home: HomeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link to nowhere in the stead of a key, a folder in that of a file, a folder of somebody else."""
    link = home.keys / "gone.key"
    link.symlink_to(home.keys / "nowhere")
    found = [finding for finding in bad(at_home(home)) if finding.mark is Mark.PROBLEM]
    assert [finding.said for finding in found] == [f"{link} is no file"]
    link.unlink()
    version = home.trust_folder / "version.json"
    version.unlink()
    version.mkdir()
    found = list(at_home(home))
    assert f"{version} cannot be looked at: Is a directory" in one(found).said and one(found).what == "trust"
    assert {"owner key", "shared memory"} <= {finding.what for finding in found} or not os.path.isdir("/dev/shm")
    version.rmdir()

    def locked(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_file", locked)  # as in a folder that another user has locked
    said = [finding.said for finding in bad(at_home(home))]
    assert f"{home.key_file('owner')} cannot be looked at: Permission denied" in said


def test_a_key_whose_time_is_over_or_has_not_come(home: HomeFolder) -> None:
    now = int(time.time())
    home.store().trust(Identity.generate("past", "owner").public, not_before=now - 9000, not_after=now - 60)
    home.store().trust(Identity.generate("coming", "owner").public, not_before=now + 9000)
    texts = sorted(finding.said for finding in bad(at_home(home)))
    assert texts[0].startswith("coming is trusted only from") and texts[1].startswith("past was trusted until")


def test_a_pair_of_two_keys_and_a_broken_one(home: HomeFolder) -> None:
    home.public_file("owner").write_bytes(Identity.generate("owner", "owner").public.to_bytes())
    assert any("not of the same key" in finding.said for finding in bad(at_home(home)))
    home.key_file("owner").write_bytes(b"{}")
    assert any("cannot be used" in finding.said and finding.mark is Mark.PROBLEM for finding in bad(at_home(home)))


def test_a_protected_key_is_in_order(tmp_path: Path) -> None:
    env = {"SOJOURN_PASSPHRASE": "long enough to be one"}
    invoke("key", "new", "owner", "--home", tmp_path, env=env)
    assert bad(at_home(HomeFolder.of(tmp_path))) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_folders_that_others_can_write(home: HomeFolder) -> None:
    home.keys.chmod(0o777)
    found = one(at_home(home))
    assert found.mark is Mark.PROBLEM and found.remedy == f"Run: chmod go-w {home.keys}"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder where nobody can write")
def test_a_home_where_nothing_can_be_written() -> None:
    assert any(
        "nothing can be written in /proc" in finding.said for finding in bad(at_home(HomeFolder.of(Path("/proc/x"))))
    )


def test_the_token(home: HomeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    assert f"{file} is missing" in one(at_home(home)).said
    file.write_text("a secret")
    file.chmod(0o644)
    if os.name == "posix":
        found = one(at_home(home))
        assert found.remedy == f"Run: chmod 600 {file}" and "a secret" not in found.said
    file.chmod(0o600)
    assert bad(at_home(home)) == []
    file.write_text(" \n")
    assert one(at_home(home)).said == f"{file} is empty"
    monkeypatch.setenv("RAY_AUTH_MODE", "Token")
    assert one(at_home(home)).said == f"{file} is empty", "Ray takes it in any case"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "nowhere"))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a secret")
    assert bad(at_home(home)) == [], "the variable counts before the file"


def test_whether_places_trust_the_owner(home: HomeFolder, tmp_path: Path) -> None:
    """By what a place tells of itself: keys that it lets in now."""
    public = next(iter(home.own_keys())).public
    assert public is not None
    store = TrustStore(tmp_path / "trusted")
    knows, store_of_its_own = MemberTrust("oslo", None, [public]), MemberTrust("lima", store)
    places = [PlaceInfo("oslo", knows.about()), PlaceInfo("lima", store_of_its_own.about())]
    found = one(_trusted_there(home, places))
    assert found.mark is Mark.PROBLEM and "not trusted at lima" in found.said
    store.trust(public)
    assert bad(_trusted_there(home, [PlaceInfo("lima", store_of_its_own.about())])) == []
    store.revoke(public.key_id)
    assert bad(_trusted_there(home, [PlaceInfo("lima", store_of_its_own.about())])) != []
    (tmp_path / "trusted" / "version.json").write_bytes(b"{")
    os.utime(tmp_path / "trusted" / "version.json", (1, 1))
    damaged = MemberTrust("lima", TrustStore(tmp_path / "trusted"))
    assert "cannot read its own list" in bad(_trusted_there(home, [PlaceInfo("lima", damaged.about())]))[0].said


def test_a_place_that_trusts_very_many_owners_is_not_said_to_refuse_the_last(home: HomeFolder) -> None:
    """It does not name them all; which of them depends on their keys."""
    public = next(iter(home.own_keys())).public
    assert public is not None
    others = [Identity.generate(f"owner-{number}", "owner").public for number in range(300)]
    about = MemberTrust("oslo", None, [*others, public]).about()
    assert about["owners left out"] == 301 - len(about["owners"]) == 45
    named = [key for key in about["owners"] if key != public.key_id]
    assert bad(_trusted_there(home, [PlaceInfo("oslo", {**about, "owners": named})])) == []
    about = MemberTrust("oslo", None, others[:200]).about()
    assert "not trusted at oslo" in one(_trusted_there(home, [PlaceInfo("oslo", about)])).said


def test_places_by_what_they_tell() -> None:
    """One that is silent, halted, emptied, or has met a defect."""
    told = {"a": {"problem": "place-unreachable"}, "b": {"leased": False}, "c": {"draining": True}, "d": {"defects": 2}}
    found = bad(_places([PlaceInfo(name, about) for name, about in told.items()]))
    assert [finding.mark.value for finding in found] == ["problem", "problem", "warning", "warning"]
    assert "sojourn reopen c" in found[2].remedy


# -- hosts


def test_a_host_that_is_well() -> None:
    assert said_of(host("oslo"), host("lima"), direct=False) == []


def test_a_host_that_cannot_be_asked() -> None:
    found = said_of(host(problem="ModuleNotFoundError: No module named 'agents'"), host("lima", problem="no answer"))
    assert "pip install sojourn" in found[0].remedy and "ray status" in found[1].remedy


def test_versions_that_differ() -> None:
    found = said_of(host(python="3.11.0"), host("lima", ray="2.50.0"), direct=False)
    assert [(finding.what, finding.mark.value) for finding in found] == [
        ("versions", "warning"),
        ("versions", "problem"),
    ]
    assert "pip install ray==2.50.0" in found[1].remedy
    ours = said_of(host("oslo", sojourn="9.9.9"), host("lima", sojourn=""), direct=False)
    assert "pip install sojourn==9.9.9" in one(ours).remedy and one(ours).said.startswith("oslo: ")


def test_clocks() -> None:
    """By how much they are off, less what is not known of it."""
    assert said_of(host(skew=3.0, within=1.5), direct=False) == []
    assert said_of(host(skew=-3.0), direct=False)[0].mark is Mark.WARNING
    assert said_of(host(skew=90.0), direct=False)[0].mark is Mark.PROBLEM
    apart = said_of(host("oslo", skew=1.9), host("lima", skew=-1.9), direct=False)
    assert [finding.said.startswith("between places") for finding in apart] == [True], "each alone is near enough"
    here = said_of(host("oslo", skew=30.0), host("lima", skew=30.001), direct=False)
    assert "it is the clock here that is wrong" in here[-1].said


def test_a_clock_is_measured_within_half_of_the_way() -> None:
    """With clocks that are set by the test: ways of 0.4, 0.1 and 0.3 seconds to a clock that is 5 seconds ahead."""
    now, ways = [1000.0], iter([0.4, 0.1, 0.3])

    def ask() -> float:
        way = next(ways)
        now[0] += way * 0.8  # longer there than back
        told = now[0] + 5.0
        now[0] += way * 0.2
        return told

    skew, within = skew_of(ask, clock=lambda: now[0], steady=lambda: now[0])
    assert within == pytest.approx(0.05) and abs(skew - 5.0) <= within and skew != pytest.approx(5.0)


def test_disk_and_memory(tmp_path: Path) -> None:
    assert said_of(host(disk=1_000_000), direct=False)[0].mark is Mark.PROBLEM
    assert said_of(host(disk=100_000_000), direct=False)[0].mark is Mark.WARNING
    assert "--shm-size" in said_of(host(shm=64 << 20, shm_free=64 << 20), direct=False)[0].remedy
    assert "are free" in said_of(host(shm=1 << 30, shm_free=1 << 20), direct=False)[0].said
    stores = said_of(*(host(name, shm=1 << 30, shm_free=1 << 30, store=600 << 20) for name in ("a", "b")), direct=False)
    assert [finding.said.split(":")[0] for finding in stores] == ["a, b"] and "--object-store-memory" in stores[
        0
    ].remedy
    if Path("/proc/self").is_dir():
        told = facts_here("/proc/sojourn")
        assert (
            told["unwritable"]
            and "nothing can be written" in said_of(host(**told | {"auth": "token"}), direct=False)[0].said
        )
    assert facts_here(str(tmp_path / "not yet"))["unwritable"] == ""


def test_no_protection() -> None:
    found = said_of(host(auth="disabled"), host("lima", auth="disabled"), direct=False)
    assert [finding.said.split(":")[0] for finding in found] == ["oslo, lima"]


# -- ports


def test_nobody_can_listen_at_a_port_that_is_taken() -> None:
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        told = facts_here("/tmp", (port,), LOCAL)
        assert facts_here("/tmp", (port, 0), LOCAL)["deaf"] == "", "another one of them is free"
        assert facts_here("/tmp", (), LOCAL)["deaf"] == "", "it is to listen nowhere"
    found = said_of(host(deaf=told["deaf"]))
    assert [finding.what for finding in found] == ["ports"] and f"{LOCAL}:{port}" in found[0].said


def test_ways_are_tried_and_all_within_a_deadline() -> None:
    """One that answers; where nobody listens, where nobody speaks, of another platform, not told."""

    def serve(request: Any, payload: memoryview | None) -> Any:
        raise AssertionError("nothing is asked of it")

    failures: list[BaseException] = []
    server, other = (SocketServer(LOCAL, key, serve, failed=failures.append) for key in (SECRET, SECRET[::-1]))
    with socket.create_server((LOCAL, 0)) as mute, socket.create_server((LOCAL, 0)) as gone:
        nobody = gone.getsockname()[:2]
        gone.close()
        addresses = [server.address, nobody, mute.getsockname()[:2], other.address, None]
        peers = [Peer(name, address, f"place:{name}") for name, address in zip("abcde", addresses, strict=True)]
        began = time.monotonic()
        tried = try_peers(peers, SECRET, by_ray=lambda actor: actor != "place:c")
        assert time.monotonic() - began < 2 * examining._REACHING + 1
    server.close()
    other.close()
    assert [way.seconds is not None for way in tried] == [True, False, False, False, False] and not failures
    assert [way.by_ray for way in tried] == [None, True, False, True, True]
    assert "refused" in tried[1].problem and "timed out" in tried[2].problem
    found = said_of(host(ways=tried))
    assert [finding.mark.value for finding in found] == ["warning", "problem", "warning", "warning"]
    assert f"port {nobody[1]} of {LOCAL}" in found[0].remedy and "nor does Ray" in found[1].said
    assert SECRET.decode() not in repr(found)


def test_very_many_ways_that_are_closed_are_not_told_of_one_by_one() -> None:
    closed = tuple(Tried(Peer(f"p{number}", (LOCAL, 9), ""), None, "refused", True) for number in range(40))
    found = said_of(host(ways=closed))
    assert len(found) == 13 and "28 more ways" in found[-1].said


def test_a_node_tries_those_that_come_after_it() -> None:
    """A ring, so that of very many places each is tried by some."""
    peers = {f"{number:03}": Peer(f"p{number}", None, "") for number in range(100)}
    chosen = {node: examining._peers_of(node, peers, None) for node in peers}
    assert all(len(found) == 64 and peers[node] not in found for node, found in chosen.items())
    assert {peer.name for found in chosen.values() for peer in found} == {peer.name for peer in peers.values()}


def test_a_node_that_hangs_takes_no_time_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the only one of which nothing is known, and not even in the first place."""

    def call(seconds: float, value: Callable[..., Any]) -> Any:
        def remote(*args: Any) -> tuple[float, Any]:
            return time.monotonic() + seconds, value(*args)

        return SimpleNamespace(remote=remote)

    def get(answer: tuple[float, Any], timeout: float) -> Any:
        if not wait([answer], num_returns=1, timeout=timeout)[0]:
            raise GetTimeoutError
        return answer[1]

    def wait(answers: list[Any], *, num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        assert num_returns == len(answers)
        end = time.monotonic() + timeout
        time.sleep(min(timeout, max(0.0, max(due for due, _ in answers) - time.monotonic())))
        return [one for one in answers if one[0] <= end], [one for one in answers if one[0] > end]

    def examiner(node: Node) -> Any:
        late = 100.0 if node.place == "baku" else 0.0
        return SimpleNamespace(
            facts=call(late, lambda state, ports: told),
            clock=call(late, time.time),
            ways=call(late + 0.3, lambda peers, secret: (Tried(peers[0], 0.001),)),
        )

    there = [Node(f"{number:02}", place, LOCAL) for number, place in enumerate(("baku", "lima", "oslo"))]
    killed: list[Any] = []
    told = facts_here("/tmp")

    def rows() -> list[dict[str, Any]]:
        return [{"NodeID": node.node_id, "Resources": {}} for node in there]

    monkeypatch.setattr(examining, "ray", SimpleNamespace(get=get, wait=wait, kill=killed.append, nodes=rows))
    monkeypatch.setattr(examining, "RayGcs", lambda: None)
    monkeypatch.setattr(examining, "nodes", lambda gcs: there)
    monkeypatch.setattr(examining, "_examiner", examiner)
    peers = {node.node_id: Peer(node.place, None, "") for node in there}
    began = time.monotonic()
    found = examining.examine(PlatformSettings(state="/tmp"), peers, timeout=2.0)
    assert time.monotonic() - began < 2.5
    assert [bool(facts.problem) for facts in found] == [True, False, False]
    assert all(facts.ways for facts in found[1:]) and len(killed) == 3


# -- the command


def test_without_a_cluster_and_without_keys(tmp_path: Path) -> None:
    """It tells of what is here, changes nothing, and that there is none is no problem."""
    result = invoke("doctor", "--home", tmp_path / "none", env={"RAY_ADDRESS": None, "RAY_AUTH_MODE": None})
    assert result.exit_code == 0 and "no problems" in result.stdout and not (tmp_path / "none").exists()
    for line in result.stdout.splitlines()[:-1]:
        assert line.startswith(("ok ", "warning ", " " * 9)), line


def test_what_is_here_is_told_before_anybody_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call into Ray that hangs can only be left with the process, and what was found is not to go with it."""

    def hangs(*_: Any) -> list[Finding]:
        raise SystemExit(124)

    monkeypatch.setattr("agents.cli.examination.at_platform", hangs)
    result = invoke("doctor", "--home", tmp_path / "none")
    assert result.exit_code == 124 and result.stdout.startswith("ok       versions ")


def test_a_port_that_does_not_speak_as_ray_does(tmp_path: Path) -> None:
    with socket.create_server((LOCAL, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"{LOCAL}:{listener.getsockname()[1]}"
        result = invoke("doctor", "--home", tmp_path, "--format", "json", "--address", address, "--timeout", "10")
        thread.join(10)
    assert result.exit_code == 1
    last = json.loads(result.stdout)["findings"][-1]
    assert last["what"] == "cluster" and "does not speak as Ray does" in last["said"] and last["remedy"]
