"""A Ray is found, started and given back; nothing else is touched and nothing is left."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents._ray import cluster
from agents._ray._probe import bounded, probe
from agents._ray.cluster import (
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    ClusterVersionMismatch,
    DetachedCluster,
    NodeUnknown,
    OwnCluster,
    PlacesInvalid,
    Reached,
    place_names,
    reach,
)
from mobility.testing.companions import companions
from tests.support.ray_cluster import PLACES, drive, environment, eventually, of_folder

# -- in a notebook


@pytest.mark.parametrize(("first", "advised"), [("ray", True), ("agents._ray.cluster", False)])
def test_a_notebook_gets_no_advice_about_widgets_that_nobody_shows(first: str, advised: bool) -> None:
    """Ray gives it as it is imported, to whoever imports it alone."""
    program = f"""
        import sys, types
        events = types.SimpleNamespace(register=lambda event, call: None)
        shell = type("ZMQInteractiveShell", (), {{"events": events}})()
        sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
        sys.modules["ipywidgets"] = None
        import {first}
        import ray
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ("ipywidgets" in done.stderr) is advised


# -- names


def test_local_nodes_have_three_names_by_default() -> None:
    """As the first example of the documentation uses them."""
    assert place_names(None) == ("baku", "oslo", "lima")
    assert place_names(["x", "y-1"]) == ("x", "y-1")


@given(st.integers(1, 40))
def test_any_number_of_nodes_has_that_many_names(count: int) -> None:
    """All different, and each fit for a place."""
    names = place_names(count)
    assert len(names) == count
    assert place_names(list(names)) == names


@pytest.mark.parametrize("wrong", [[], ["a", "a"], [""], ["a b"], ["-a"], ["a" * 57], ["ä"], ["a\n"], "oslo", 0, -1])
def test_names_that_no_place_can_have_are_refused(wrong: object) -> None:
    """Before anything is started: Ray would refuse some as labels, signed records others."""
    with pytest.raises(PlacesInvalid, match="places-invalid"):
        place_names(wrong)  # type: ignore[arg-type]


# -- an address that is none


@contextmanager
def listening(reply: bytes) -> Iterator[str]:
    """Somebody at a port who answers this to whatever is said, and then is silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connections.append(connection)
                if reply:
                    connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in connections:
                connection.close()


HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("reply", [b"", HTTP, SETTINGS[:4], SETTINGS], ids=["silence", "http", "cut", "http2"])
def test_who_does_not_answer_as_ray_does_is_given_up_at_the_deadline(reply: bytes) -> None:
    """Ray's own client waits 40 seconds for each of them, and `ray.init` longer."""
    with listening(reply) as address:
        begun = time.monotonic()
        with pytest.raises(ClusterUnreachable, match="cluster-unreachable") as caught:
            probe(address, 1.5)
        assert time.monotonic() - begun < 10
    assert caught.value.address == address
    if reply == HTTP:
        assert "does not speak as Ray does" in caught.value.problem


def test_a_dead_address_is_reported_and_nothing_is_started() -> None:
    """A mistyped address must neither hang nor silently become a cluster of our own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    lines: list[str] = []
    begun = time.monotonic()
    with pytest.raises(ClusterUnreachable, match="Nothing was started"):
        reach(address, progress=lines.append, timeout=5)
    assert time.monotonic() - begun < 10
    assert lines == [f"connecting to Ray at {address}"]


@pytest.mark.parametrize("address", ["oslo", "oslo:", ":1", "oslo:0", "oslo:99999", "oslo:1x", "ray://oslo:10001"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    """With a word about what an address looks like."""
    with pytest.raises(ClusterUnreachable, match="host:port"):
        reach(address)


def test_the_environments_address_is_named_in_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nobody understands why that address was tried."""
    with listening(HTTP) as address:
        monkeypatch.setenv("RAY_ADDRESS", address)
        lines: list[str] = []
        with pytest.raises(ClusterUnreachable):
            reach(progress=lines.append)
    assert lines == [f"connecting to Ray at {address} (RAY_ADDRESS)"]


def test_a_call_that_never_returns_is_bounded() -> None:
    """And what it raises comes through."""
    release = threading.Event()
    with pytest.raises(TimeoutError, match="the call"):
        bounded(release.wait, 0.05, "the call")
    release.set()
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, 5, "the call")
    assert bounded(lambda: None, 5, "the call") is None


# -- a cluster that runs already


def test_joining_and_leaving_a_cluster_leaves_it_alone(ray_cluster: OwnCluster) -> None:
    """The connection is ours, the cluster is not; a second close does nothing."""
    import ray

    lines: list[str] = []
    with reach(ray_cluster.address, progress=lines.append) as reached:
        assert (reached.address, reached.started, reached.connected) == (ray_cluster.address, False, True)
        assert ray.is_initialized()
        with pytest.raises(NodeUnknown, match="not started by this program"):
            reached.add_node("rome")
    assert not ray.is_initialized()
    reached.close()
    assert lines[0] == f"connecting to Ray at {ray_cluster.address}"
    assert lines[1].startswith(f"connected to Ray at {ray_cluster.address}: ") and lines[1].endswith(" s")
    assert probe(ray_cluster.address, 10).ray == ray.__version__


def test_the_ray_of_the_user_is_used_and_never_shut_down(ray_driver: Reached) -> None:
    """Whoever initialised Ray goes on using it after our platform was closed."""
    import ray

    lines: list[str] = []
    with reach(progress=lines.append) as reached:
        assert (reached.address, reached.started, reached.connected) == (ray_driver.address, False, False)
    assert ray.is_initialized()
    assert len(ray.nodes()) >= len(PLACES)
    assert lines == [f"using the Ray of this process at {ray_driver.address}"]
    port = ray_driver.address.rpartition(":")[2]
    for other_name in (ray_driver.address, f"localhost:{port}", "auto"):
        reach(other_name).close()
    for other in ("local", f"localhost:{int(port) - 1}"):
        with pytest.raises(ClusterBusy, match="goes on undisturbed"):
            reach(other)
    assert ray.is_initialized()


def test_another_connection_made_since_is_not_closed(ray_cluster: OwnCluster) -> None:
    """What the user has put in the place of ours is the user's."""
    import ray

    reached = reach(ray_cluster.address)
    ray.shutdown()
    ray.init(address=ray_cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        reached.close()
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_two_drivers_share_a_cluster(ray_driver: Reached) -> None:
    """The second finds it by RAY_ADDRESS, and its leaving does not disturb the first."""
    import ray

    other = drive(
        """
        from agents._ray.cluster import reach
        with reach() as reached:
            import ray
            assert not reached.started
            print(len({node["NodeID"] for node in ray.nodes() if node["Alive"]}))
        """,
        RAY_ADDRESS=ray_driver.address,
    )
    assert (other.returncode, other.stdout) == (0, f"{len(PLACES)}\n"), other.stderr
    assert ray.get(ray.remote(lambda: 7).remote(), timeout=60) == 7


def test_another_python_is_told_both_versions(ray_cluster: OwnCluster) -> None:
    """Ray's nodes and drivers must agree to the patch level."""
    others = companions()
    if not others:
        pytest.skip("this machine has no other Python version")
    answer = drive(
        """
        import sys
        from agents._ray.cluster import ClusterVersionMismatch, reach
        try:
            reach(sys.argv[1])
        except ClusterVersionMismatch as error:
            print(error.cluster[1], error.here[1], error.slug, str(error), sep="|")
        """,
        ray_cluster.address,
        python=others[-1].path,
    )
    assert answer.returncode == 0, answer.stderr
    theirs, ours, slug, sentence = answer.stdout.strip().split("|")
    here, there = ".".join(map(str, sys.version_info[:3])), ".".join(map(str, others[-1].version))
    assert (theirs, ours, slug) == (here, there, "cluster-version-mismatch")
    assert here in sentence and there in sentence and "frozen bundles" in sentence


@pytest.mark.parametrize(
    ("ray_version", "python", "level", "fits"),
    [
        ("2.60.0", "3.11.7", "patch", True),
        ("2.60.0", "3.11.8", "patch", False),
        ("2.60.0", "3.11.8", "minor", True),
        ("2.60.0", "3.12.7", "minor", False),
        ("2.59.0", "3.11.7", "minor", False),
    ],
)
def test_versions_fit_as_ray_itself_sees_it(
    monkeypatch: pytest.MonkeyPatch, ray_version: str, python: str, level: str, fits: bool
) -> None:
    """Stricter than Ray, and a cluster could not be used; laxer, and Ray's own sentence would be shown."""
    import ray
    from ray._private.utils import check_version_info

    monkeypatch.setattr(ray, "__version__", "2.60.0")
    monkeypatch.setattr(cluster.platform, "python_version", lambda: "3.11.7")
    monkeypatch.setenv("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", level)
    monkeypatch.setattr("ray._private.utils.compute_version_info", lambda: ("2.60.0", "3.11.7"))
    told = {"ray_version": ray_version, "python_version": python}
    if fits:
        cluster._require_same("oslo:1", cluster.Versions(ray_version, python))
        check_version_info(told, "here", python_version_match_level=level)
    else:
        with pytest.raises(ClusterVersionMismatch):
            cluster._require_same("oslo:1", cluster.Versions(ray_version, python))
        with pytest.raises(RuntimeError):
            check_version_info(told, "here", python_version_match_level=level)


def test_nodes_of_our_own_cluster_come_and_go(ray_cluster: OwnCluster) -> None:
    """With all their processes; and the head cannot be taken away."""
    ray_cluster.add_node("rome", {"num_cpus": 1, "resources": {"scanner": 2}}, 60)
    processes = ray_cluster.node_processes("rome", 10)
    pids = [pid for found in processes.values() for pid in found]
    assert len(processes["raylet"]) == 1 and all(psutil.pid_exists(pid) for pid in pids)
    ray_cluster.remove_node("rome", 30)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    with pytest.raises(NodeUnknown, match="none of that name"):
        ray_cluster.remove_node("rome", 30)
    with pytest.raises(NodeUnknown, match="it is the head"):
        ray_cluster.remove_node(PLACES[0], 30)
    assert ray_cluster.node_processes(PLACES[0], 10)["gcs_server"]


def test_a_late_answer_is_not_taken_for_that_of_the_next_request(ray_cluster: OwnCluster) -> None:
    """A node that takes too long is reported, and the cluster goes on."""
    with pytest.raises(cluster.ClusterStartFailed, match="The cluster goes on"):
        ray_cluster.add_node("rome", {"num_cpus": 1}, 0.05)
    assert ray_cluster.node_processes(PLACES[1], 30).keys() == ray_cluster.node_processes(PLACES[2], 30).keys()
    assert len(ray_cluster.node_processes("rome", 30)["raylet"]) == 1
    ray_cluster.remove_node("rome", 30)


# -- a cluster of our own

OWN = """
    import json, os, sys, time
    from agents._ray.cluster import reach
    lines = []
    with reach("local", places=["tokyo"], progress=lines.append) as reached:
        import ray
        assert reached.started and reached.connected
        assert ray.get(ray.remote(lambda: 7).remote(), timeout=60) == 7
        told = {"folder": reached._own.folder, "holder": reached._own.pid, "lines": lines}
        told["processes"] = reached.node_processes("tokyo")
        print(json.dumps(told), flush=True)
"""


@contextmanager
def program(script: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], dict]]:
    """A program with a cluster of its own, and what it has told about that; nothing of it survives the test."""
    import json

    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=environment(**more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told: dict = {}
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.stderr.read())
        told = json.loads(line)
        assert of_folder(told["folder"])
        yield process, told
    finally:
        process.kill()
        process.communicate(timeout=30)
        for entry in of_folder(told["folder"]) if told else []:
            os.kill(int(entry.split()[0]), signal.SIGKILL)


def gone(told: dict) -> bool:
    pids = [told["holder"], *(pid for found in told["processes"].values() for pid in found)]
    return not of_folder(told["folder"]) and not any(map(psutil.pid_exists, pids)) and not Path(told["folder"]).exists()


def test_closing_ends_every_process_of_our_own_cluster() -> None:
    """And removes its folder; the progress says what happens."""
    with program(OWN) as (process, told):
        _, problem = process.communicate(timeout=60)
        assert (process.returncode, problem) == (0, "")
        assert gone(told), of_folder(told["folder"])
    assert told["lines"][0] == "starting one local Ray node: tokyo"
    assert told["lines"][1].startswith("one local Ray node at ") and told["lines"][1].endswith(" s")


def test_a_program_that_is_killed_leaves_nothing() -> None:
    """It cannot clean up itself: the process that holds the cluster must notice."""
    with program(OWN + "        time.sleep(600)\n") as (process, told):
        process.kill()
        process.wait(10)
        assert eventually(lambda: gone(told)), of_folder(told["folder"])


def test_a_holder_that_is_killed_takes_its_nodes_with_it() -> None:
    """What is asked of it then is answered by an error, and close removes what it could not."""
    own = OwnCluster(["tokyo"], timeout=120)
    try:
        assert of_folder(own.folder)
        os.kill(own.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(ClusterUnreachable, match="has ended with it"):
                own.add_node("rome", {}, 30)
    finally:
        own.close(15)
    assert not of_folder(own.folder) and not Path(own.folder).exists()


def test_asking_a_cluster_that_hangs_ends_at_the_deadline() -> None:
    """Ray's own calls wait for a control service that is stopped; and when it goes on, so do we."""
    script = OWN + (
        """\
        from agents._ray.membership import MembershipUnknown, RayGcs, named_actor
        gcs = RayGcs(1.0)
        gcs.records(), gcs.draining()
        (server,) = told["processes"]["gcs_server"]
        import signal
        os.kill(server, signal.SIGSTOP)
        for question in (gcs.records, gcs.draining, lambda: named_actor("x", timeout=1.0)):
            begun = time.monotonic()
            try:
                question()
            except MembershipUnknown:
                print(time.monotonic() - begun < 5)
        os.kill(server, signal.SIGCONT)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                print(len(gcs.records()), len(gcs.draining()))
                break
            except MembershipUnknown:
                time.sleep(0.2)
"""
    )
    with program(script) as (process, told):
        answer, problem = process.communicate(timeout=90)
        assert (process.returncode, answer) == (0, "True\nTrue\nTrue\n1 0\n"), problem
        assert gone(told), of_folder(told["folder"])


def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing() -> None:
    """With the last words of the process that tried."""
    answer = drive(
        """
        import glob, subprocess, sys
        from agents._ray import _own
        from agents._ray.cluster import ClusterStartFailed, reach
        made = []
        command = _own._command
        _own._command = lambda places, *more: made.append(more[-1]) or [
            sys.executable, "-c", "import sys; sys.exit('no room on this machine')"
        ]
        try:
            reach("local", places=1)
        except ClusterStartFailed as error:
            assert error.log == ("no room on this machine",), error.log
            assert "ended with code 1" in str(error)
        import os
        assert not os.path.exists(made[0])
        """
    )
    assert answer.returncode == 0, answer.stderr


# -- a held cluster


def test_a_detached_cluster_outlives_its_starter_and_ends_on_sigterm(tmp_path: Path) -> None:
    """`sojourn up` returns; `sojourn down` sends the signal."""
    file, log = tmp_path / "cluster", tmp_path / "log"
    started = drive(
        """
        import sys
        from pathlib import Path
        from agents._ray.cluster import start_detached
        print(start_detached(["tokyo", "accra"], Path(sys.argv[1]), Path(sys.argv[2]), timeout=120).address)
        """,
        str(file),
        str(log),
    )
    assert started.returncode == 0, (started.stderr, log.read_text(encoding="utf-8"))
    held = DetachedCluster.read(file)
    assert held is not None
    try:
        assert (held.address, held.places) == (started.stdout.strip(), ("tokyo", "accra"))
        used = drive(
            """
            import sys
            from agents._ray.cluster import reach
            from agents._ray.membership import RayGcs, nodes
            with reach(sys.argv[1]):
                print(*(node.place for node in nodes(RayGcs(10.0))))
            """,
            held.address,
        )
        assert used.stdout == "accra tokyo\n", used.stderr
    finally:
        holder = psutil.Process(held.pid)
        holder.terminate()
        psutil.wait_procs([holder], 30)
    assert not psutil.pid_exists(held.pid)
    assert not of_folder(held.folder) and not Path(held.folder).exists()
    assert not file.exists() and DetachedCluster.read(file) is None


def test_a_held_cluster_ends_when_stdin_is_closed(tmp_path: Path) -> None:
    """So that whoever started it by a pipe need not remember it."""
    file = tmp_path / "cluster"
    process = subprocess.Popen(
        [sys.executable, "-m", "agents._ray.cluster", "--places", "tokyo", "--hold", str(file)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        held = eventually(lambda: DetachedCluster.read(file), 60)
        assert isinstance(held, DetachedCluster) and held.pid == process.pid
        assert of_folder(held.folder)
        process.communicate(timeout=30)  # closes it
        assert process.returncode == 0
        assert not of_folder(held.folder) and not file.exists()
    finally:
        process.kill()
        process.communicate(timeout=10)


# -- errors


@pytest.mark.parametrize(
    "error",
    [
        ClusterUnreachable("oslo:1", "silence"),
        ClusterVersionMismatch("oslo:1", cluster=("2.59.0", "3.12.1"), here=("2.60.0", "3.11.7")),
        ClusterBusy("oslo:1", "lima:2"),
        cluster.ClusterStartFailed("no room", log=["last words"]),
        cluster.ClusterCloseFailed("stuck", pids=[17]),
        NodeUnknown("rome", "there is none of that name", ["oslo"]),
        PlacesInvalid("twice"),
    ],
    ids=lambda error: error.slug,
)
def test_errors_say_it_all_and_pickle(error: ClusterError) -> None:
    """What happened, its slug, how things stand, what to do next; also in another process."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
    for part in (error.reason, f"({error.slug})", error.state, error.remedy):
        assert part and part in str(error)
    assert f"{type(error).__name__} " in cluster.__doc__ and error.slug in cluster.__doc__
