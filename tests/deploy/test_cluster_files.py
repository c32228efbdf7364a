"""The files for clusters: each against the schema of whoever reads it, and against what Sojourn and Ray need.

What a provider or an operator does with them is not tried here: there is neither.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from ray._private.label_utils import validate_node_label_syntax
from ray._private.ray_constants import RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from agents._ray.cluster import place_names
from agents._ray.leaving import grace
from agents._ray.membership import LABEL, Record, name_places
from tests.test_repository import CONSTRAINTS, PROJECT, ROOT

DEPLOY = ROOT / "deploy"
PINS = dict(line.split("==") for line in CONSTRAINTS)
STATE = "/var/lib/sojourn"
UP = yaml.safe_load((DEPLOY / "ray-up.yaml").read_text(encoding="utf-8"))
KUBERAY = list(yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text(encoding="utf-8")))
JOB = yaml.safe_load((DEPLOY / "job.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads(Path(__file__).with_name("kubernetes.schema.json").read_text(encoding="utf-8"))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [part for part in KUBERAY if part["kind"] == kind]


def cluster() -> dict[str, Any]:
    """The specification of the cluster, which a test may change."""
    (found,) = of_kind("RayCluster")
    return copy.deepcopy(found)


def groups(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def containers() -> Iterator[dict[str, Any]]:
    for group in groups(cluster()["spec"]):
        yield from group["template"]["spec"]["containers"]


def check_labels(labels: list[dict[str, str]]) -> None:
    """Each group names one place, which can be both a label of Ray and a place."""
    for one in labels:
        validate_node_label_syntax(one)
    names = [one[LABEL] for one in labels]
    assert place_names(names) == tuple(names)


# -- ray up


def test_ray_takes_the_file_for_ray_up() -> None:
    """As `ray up` does before it asks the provider for anything: its defaults, then its schema."""
    prepared = prepare_config(copy.deepcopy(UP))
    validate_config(prepared)
    assert prepared["docker"]["image"] == UP["docker"]["image"]


@pytest.mark.parametrize("wrong", ["label", "key", "head"])
def test_ray_would_refuse_a_wrong_file(wrong: str) -> None:
    """Else that it takes ours says nothing."""
    broken = copy.deepcopy(UP)
    kind = broken["available_node_types"]["oslo"]
    if wrong == "label":
        kind["labels"][LABEL] = 7
    elif wrong == "key":
        kind["label"] = kind.pop("labels")
    else:
        broken["head_node_type"] = "quito"
    with pytest.raises((jsonschema.ValidationError, ValueError)):
        validate_config(prepare_config(broken))


def test_each_node_type_is_one_place_that_stays() -> None:
    """Ray counts a node with a place as idle, so what it may take away it would take away."""
    types = UP["available_node_types"]
    check_labels([kind["labels"] for kind in types.values()])
    workers = {name: kind for name, kind in types.items() if name != UP["head_node_type"]}
    assert all(kind["min_workers"] == kind["max_workers"] == 1 for kind in workers.values())
    assert UP["max_workers"] == len(workers)


def test_what_ray_up_needs_is_brought_along() -> None:
    """The token, sojourn, and the folder that outlives the container."""
    mounts = UP["file_mounts"]
    assert mounts["/home/ray/.ray/auth_token"] == "~/.ray/auth_token" and mounts["/home/ray/sojourn"] == "dist"
    assert "--env RAY_AUTH_MODE=token" in UP["docker"]["run_options"]
    assert f"--volume {STATE}:{STATE}" in UP["docker"]["run_options"]
    assert any(STATE in command for command in UP["initialization_commands"])
    assert all("place=" not in command for command in UP["worker_start_ray_commands"])  # one command for all types


# -- KubeRay


def test_every_part_has_the_shape_that_its_reader_knows() -> None:
    """By the schema beside this file: the fields of the public references that ours uses, and no other ones."""
    for part in KUBERAY:
        jsonschema.validate(part, SCHEMA)
    assert [part["kind"] for part in KUBERAY] == [*["PersistentVolumeClaim"] * 4, "NetworkPolicy", "RayCluster"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "headGroupSpec", "rayStartParams", "num-cpus"), 2),
        (("spec", "workerGroupSpecs", 0, "labels", LABEL), True),
        (("spec", "workerGroupSpecs", 0, "label"), {LABEL: "oslo"}),
        (("spec", "authOptions", "mode"), "password"),
        (("spec", "workerGroupSpecs", 0, "template", "spec", "containers", 0, "resources", "limits", "cpu"), "two"),
        (("spec", "workerGroupSpecs", 0, "template", "spec", "volumes", 0, "persistentVolumeClaim"), "sojourn-oslo"),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, tuple) else "",
)
def test_the_schema_refuses_what_the_operator_would(path: tuple[Any, ...], value: Any) -> None:
    """Each is a mistake that is easily made."""
    broken = cluster()
    part: Any = broken
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_ray_reads_the_labels_and_resources_of_the_groups() -> None:
    """By the code with which Ray's autoscaler reads such a cluster; it checks labels, and what it makes of the file."""
    given = cluster()
    given["metadata"]["namespace"] = "default"
    types = _derive_autoscaling_config_from_ray_cr(given)["available_node_types"]
    named = {"headgroup": "head", "baku": "baku", "oslo": "oslo", "lima": "lima"}
    assert {name: kind["labels"] for name, kind in types.items()} == {
        name: {LABEL: place} for name, place in named.items()
    }
    assert all(kind["resources"] == {"CPU": 2, "memory": 4 << 30} for kind in types.values())
    check_labels([kind["labels"] for kind in types.values()])


def test_each_place_has_one_pod_and_a_volume_of_its_own() -> None:
    """A place finds what it had by its name, so name and volume go together."""
    claims = {part["metadata"]["name"] for part in of_kind("PersistentVolumeClaim")}
    used = []
    for group in groups(cluster()["spec"]):
        spec = group["template"]["spec"]
        (volume,) = spec["volumes"]
        (mount,) = spec["containers"][0]["volumeMounts"]
        assert mount == {"name": volume["name"], "mountPath": STATE}
        used.append(volume["persistentVolumeClaim"]["claimName"])
        assert used[-1] == f"sojourn-{group['labels'][LABEL]}"
        assert group.get("replicas", 1) == group.get("minReplicas", 1) == group.get("maxReplicas", 1) == 1
        assert group.get("groupName", group["labels"][LABEL]) == group["labels"][LABEL]
    assert set(used) == claims and len(used) == len(claims)


def test_only_pods_of_the_cluster_reach_it() -> None:
    """At any port: those of Ray's workers and of Sojourn are random unless they are given."""
    (policy,) = of_kind("NetworkPolicy")
    own = {"matchLabels": {"ray.io/cluster": cluster()["metadata"]["name"]}}  # which the operator puts on each pod
    assert policy["spec"]["podSelector"] == own
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": own}]}]
    assert cluster()["spec"]["authOptions"] == {"mode": "token"}


def test_a_pod_has_time_to_be_emptied() -> None:
    """Longer than Ray waits for its node to be drained, and longer than a place takes on SIGTERM."""
    for group in groups(cluster()["spec"]):
        spec = group["template"]["spec"]
        assert spec["terminationGracePeriodSeconds"] >= RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S + grace() + 5


def test_agents_find_no_more_rights_in_a_pod_than_its_user_has() -> None:
    """They run with those of their place: no token of the Kubernetes cluster, and no way to root."""
    for group in groups(cluster()["spec"]):
        spec = group["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 100}
        assert all(one["securityContext"] == {"allowPrivilegeEscalation": False} for one in spec["containers"])


# -- versions, wherever they stand


def test_the_images_have_our_ray_and_one_python() -> None:
    """Ray lets no node in that has another one."""
    expected = f"rayproject/ray:{PINS['ray']}-py311"
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^FROM (.*)$", dockerfile, re.MULTILINE) == [expected]
    assert UP["docker"]["image"] == expected
    assert cluster()["spec"]["rayVersion"] == PINS["ray"]
    built = f"sojourn:{PROJECT['project']['version']}-ray{PINS['ray']}-py311"
    assert {container["image"] for container in containers()} == {built}
    assert f"-t {built} " in (DEPLOY / "README.md").read_text(encoding="utf-8")


def test_a_job_brings_what_sojourn_needs() -> None:
    """Its packages, and what these need beside Ray, in the versions of the tests."""
    needed = {re.split(r"[\[<>=]", requirement)[0] for requirement in PROJECT["project"]["dependencies"]} - {"ray"}
    assert JOB["pip"] == [f"{name}=={PINS[name]}" for name in sorted(needed)]
    packages = {path.split(".")[0] for path in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert set(JOB["py_modules"]) == packages
    assert all((ROOT / name / "__init__.py").is_file() for name in JOB["py_modules"])
    assert (ROOT / JOB["working_dir"] / "job.py").is_file()


def test_what_is_said_of_nodes_without_the_label() -> None:
    """And of two with the same: the page shows what they are called."""
    records = [
        Record("4f19c2" + "0" * 50, "10.77.0.1", label="", started=2_000),
        Record("83ab01" + "0" * 50, "10.77.0.2", label="oslo", started=1_000),
        Record("7c55d0" + "0" * 50, "10.77.0.3", label="oslo", started=0),
    ]
    assert sorted(name_places(records).values()) == ["node-4f19c2", "oslo", "oslo-83ab01"]
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert "`node-4f19c2`" in readme and "`oslo-83ab01`" in readme


def test_ray_understands_the_commands_of_the_page() -> None:
    """Their names, options and arguments, by Ray's own parser; none of them is carried out."""
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", readme, re.DOTALL))
    lines = re.findall(r"^ray (.*?)(?: > .*)?$", blocks, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["get-auth-token", "up", "submit", "exec", "down", "job", "job"]
    for line in lines:
        words, command = shlex.split(line), ray_cli
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        context = command.make_context(command.name, words)
        assert context.params, line
    assert "--runtime-env deploy/job.yaml -- python job.py" in readme


def test_links_of_the_pages_lead_somewhere() -> None:
    """And the page that says which file is for whom names all of them."""
    for page in DEPLOY.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (DEPLOY / link).exists(), f"{page.name} links to {link}"
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert all(f"]({path.name})" in readme for path in DEPLOY.iterdir() if path.is_file() and path.name != "README.md")


def test_no_file_names_a_registry() -> None:
    """Where images come from is the reader's affair: a name without a host."""
    for image in [UP["docker"]["image"], *(container["image"] for container in containers())]:
        assert "." not in image.partition(":")[0] and image.count("/") <= 1
