"""``sojourn fl sign``, ``show``, ``check``, ``audit`` and ``ledger``: text, JSON, exit codes, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federated.app import AppBundle, verify_app
from federated.audit import AuditLog
from mobility.trust import Identity, TrustStore
from tests.agents.cli.running import data, failure, invoke
from tests.federated.cli.conftest import Site

JSON = ("--format", "json")


@pytest.fixture(scope="module")
def signed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("signed") / "probe.app"
    file.write_bytes(AppBundle.from_dir(site.app).signed_by(site.ada).to_bytes())
    return file


# -- apps


def test_sign_makes_a_bundle_that_verifies(site: Site, tmp_path: Path) -> None:
    """By the key owner; the digest is the folder's; a file that is there stays as it is."""
    file = tmp_path / "a.app"
    told = data(invoke("fl", "sign", site.app, "-o", file, *JSON))
    verified = verify_app(file.read_bytes(), TrustStore(site.home / "trust"))
    assert told["digest"] == verified.digest == AppBundle.from_dir(site.app).digest
    assert told["author"] == site.ada.key_id and told["bytes"] == file.stat().st_size
    before = file.read_bytes()
    failure(invoke("fl", "sign", site.app, "-o", file, *JSON), 1, "file-unusable")
    assert file.read_bytes() == before
    text = invoke("fl", "sign", site.app, "--output", tmp_path / "b.app")
    assert text.exit_code == 0 and told["digest"] in text.stdout


def test_show_says_the_same_of_a_folder_and_a_bundle(site: Site, signed: Path) -> None:
    """But for who has signed it."""
    folder, bundle = (data(invoke("fl", "show", one, *JSON)) for one in (site.app, signed))
    about = {"signed", "author", "verified", "name", "problem"}
    assert {k: v for k, v in folder.items() if k not in about} == {k: v for k, v in bundle.items() if k not in about}
    assert folder["signed"] is False and bundle["verified"] is True and bundle["author"] == site.ada.key_id
    assert bundle["settings"]["rounds"] == 1 and {one["path"] for one in bundle["files"]} >= {"client.py", "server.py"}
    text = invoke("fl", "show", signed).stdout
    assert f'digests = ["{bundle["digest"]}"]' in text and f'signers = ["{site.ada.key_id}"]' in text


def test_show_does_not_believe_a_stranger(site: Site, tmp_path: Path) -> None:
    """It shows what is there, and that nobody here vouches for it."""
    eve = Identity.generate("eve", "owner")
    file = tmp_path / "a.app"
    file.write_bytes(AppBundle.from_dir(site.app).signed_by(eve).to_bytes())
    told = data(invoke("fl", "show", file, *JSON))
    assert told["verified"] is False and told["author"] == eve.key_id and "untrusted-signer" in told["problem"]
    assert "not verified here" in invoke("fl", "show", file).stdout


def test_altered_and_broken_apps(site: Site, signed: Path, tmp_path: Path) -> None:
    """Refused, by whichever command reads them."""
    whole = signed.read_bytes()
    flipped = tmp_path / "flipped.app"
    flipped.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (tmp_path / "short.app").write_bytes(whole[:50])
    (tmp_path / "junk.fab").write_bytes(b"junk")
    for command in (["show"], ["run", "--on", "oslo"]):
        failure(invoke("fl", *command, flipped, *JSON), 3, "app-altered")
        failure(invoke("fl", *command, tmp_path / "short.app", *JSON), 3, "app-altered")
        failure(invoke("fl", *command, tmp_path / "junk.fab", *JSON), 1, "app-invalid")
        failure(invoke("fl", *command, tmp_path / "none", *JSON), 4, "file-not-found")


# -- policies


def test_check_says_in_words_what_a_file_lets_in(site: Site) -> None:
    """With the names of signers who are known here, and how far the allowance goes."""
    text = invoke("fl", "check", site.folder / "oslo.toml").stdout
    for part in ("all apps of owner", "messages of the type train", "a norm of 10", "sigma of 0.5 times", "4 rounds"):
        assert part in text, part
    (told,) = data(invoke("fl", "check", site.folder / "oslo.toml", *JSON))
    assert told["dataset"] == "ward" and told["policy"]["signers"] == [site.ada.key_id] and not told["warnings"]
    # The words and the ledger count alike.
    from federated.accounting import Cost, Spent
    from federated.policyfile import read_policies

    policy = read_policies(site.folder / "oslo.toml")["ward"]
    releases, rho = told["releases"], policy.update_cost.rho
    assert policy.allowance.lacking(Spent(cost=Cost(rho=rho * (releases - 1))), policy.update_cost) is None
    assert policy.allowance.lacking(Spent(cost=Cost(rho=rho * releases)), policy.update_cost) is not None


@pytest.mark.parametrize(
    ("policy", "warning"),
    [
        ("", "no policy"),
        ("[place.datasets.ward.policy]\n", "neither signers nor digests"),
        ('[place.datasets.ward.policy]\nkeys = ["a.*"]\n', "the data itself"),
        ("[place.datasets.ward.policy]\nclip_norm = 1.0\nnoise = { multiplier = 1.0 }\n", "any number of them"),
        (
            "[place.datasets.ward.policy]\nclip_norm = 1.0\nnoise = { multiplier = 0.1 }\n"
            "allowance = { epsilon = 0.1, delta = 1e-5 }\n",
            "not one noised release",
        ),
        (
            '[place.datasets.ward.policy]\nkeys = ["arrays.*", "metrics.loss"]\n',
            "metrics.loss is the name of nothing in a reply",
        ),
    ],
)
def test_check_warns_of_what_is_hardly_meant(tmp_path: Path, policy: str, warning: str) -> None:
    file = tmp_path / "place.toml"
    file.write_text(f"[place.datasets.ward]\n{policy}")
    (told,) = data(invoke("fl", "check", file, *JSON))
    assert any(warning in one for one in told["warnings"]), told["warnings"]
    assert "Beware" in invoke("fl", "check", file).stdout


def test_check_refuses_what_a_place_would_refuse(tmp_path: Path) -> None:
    file = tmp_path / "place.toml"
    file.write_text("[place.datasets.ward.policy]\nclipnorm = 1.0\n")
    assert failure(invoke("fl", "check", file, *JSON), 1, "policy-invalid")["where"].endswith("clipnorm")
    file.write_text("[place")
    failure(invoke("fl", "check", file, *JSON), 1, "policy-invalid")
    failure(invoke("fl", "check", tmp_path / "none.toml", *JSON), 4, "file-not-found")
    file.write_text("[place.resources.a]\nvalue = 1\n")
    assert data(invoke("fl", "check", file, *JSON)) == [] and "no datasets" in invoke("fl", "check", file).stdout


# -- what a node keeps


@pytest.fixture(scope="module")
def ran(site: Site) -> Site:
    """Oslo has answered twice in one run."""
    from federated.linking import PlatformNodes
    from federated.running import run_app

    result = run_app(site.app, nodes=PlatformNodes(site.platform, ["oslo"]), author=site.ada, run_config={"rounds": 2})
    assert not result.failures
    return site


def test_audit_lists_what_ran_and_what_left(ran: Site, tmp_path: Path) -> None:
    """Signed by the place that is expected; with a head that was given away, nothing is missing."""
    log = ran.kept("oslo") / "audit.log"
    key = tmp_path / "oslo.pub"
    key.write_bytes(ran.platform.running["oslo"].core.identity.public.to_bytes())
    told = data(invoke("fl", "audit", log, "--place", key, *JSON))
    assert told["sound"] and told["place"]["name"] == "oslo" and told["place"]["expected"]
    kinds = [row["kind"] for row in told["entries"]]
    assert kinds[:2] == ["opened", "admitted"] and kinds.count("released") >= 2
    assert all(row["asker"] == ran.ada.key_id for row in told["entries"][1:])
    text = invoke("fl", "audit", log)
    assert text.exit_code == 0 and "released" in text.stdout and "--place" in text.stdout
    assert len(text.stdout.splitlines()) == 1 + len(kinds) + 3
    other = tmp_path / "other.pub"
    other.write_bytes(Identity.generate("oslo", "place").public.to_bytes())
    failure(invoke("fl", "audit", log, "--place", other, *JSON), 3, "audit-corrupt")
    failure(invoke("fl", "audit", log, "--at-least", "9999", *JSON), 3, "audit-corrupt")


def test_audit_finds_what_is_wrong_and_still_lists_the_rest(tmp_path: Path) -> None:
    """Exit code 3: a line that was altered, one that was taken out, and the end that a head names."""
    place = Identity.generate("oslo", "place")
    log, head = tmp_path / "audit.log", tmp_path / "head"
    with AuditLog(log, place) as audit:
        for number in range(3):
            head.write_bytes(audit.note(_kind("admitted"), app=f"\x1b[31m{number}").to_bytes())
    lines = log.read_bytes().splitlines(keepends=True)
    assert data(invoke("fl", "audit", log, "--head", head, *JSON))["sound"]
    assert "\x1b" not in invoke("fl", "audit", log).stdout
    for damaged, kept in (([*lines[:2], *lines[3:]], 2), ([lines[0], lines[1].replace(b"1", b"2"), *lines[2:]], 1)):
        log.write_bytes(b"".join(damaged))
        result = invoke("fl", "audit", log, *JSON)
        failure(result, 3, "audit-corrupt")
        told = _first(result.stdout)
        assert not told["sound"] and len(told["entries"]) == kept and told["problems"]
    log.write_bytes(b"".join(lines[:3]))
    assert data(invoke("fl", "audit", log, *JSON))["sound"]
    failure(invoke("fl", "audit", log, "--head", head, *JSON), 3, "audit-corrupt")
    failure(invoke("fl", "audit", tmp_path / "none", *JSON), 4, "file-not-found")
    failure(invoke("fl", "audit", log, "--head", log, *JSON), 3, "schema")


def _kind(name: str) -> Any:
    from federated.auditrecords import AuditKind

    return AuditKind(name)


def _first(text: str) -> Any:
    import json

    return json.loads(text.splitlines()[0])


def test_ledger_says_what_is_spent_of_what(ran: Site) -> None:
    """While the place has it open, too."""
    ledger, policies = ran.kept("oslo") / "ledger.sqlite", ran.folder / "oslo.toml"
    (told,) = data(invoke("fl", "ledger", ledger, "--policies", policies, *JSON))["datasets"]
    assert told["dataset"] == "ward" and told["releases"] >= 2 and told["unconfirmed"] == 0
    assert told["rounds"] == {"train": told["releases"]} and told["delta"] == 1e-5
    assert 0 < told["epsilon"] < told["allowed"]["epsilon"] == 200.0
    (alone,) = data(invoke("fl", "ledger", ledger, "--delta", "1e-3", *JSON))["datasets"]
    assert alone["rho"] == told["rho"] and alone["epsilon"] < told["epsilon"] and alone["allowed"]["epsilon"] is None
    text = invoke("fl", "ledger", ledger, "--policies", policies).stdout
    assert "ward" in text and "of 200" in text


def test_ledgers_that_cannot_be(ran: Site, tmp_path: Path) -> None:
    """Refused and left as they are; none is begun by looking."""
    failure(invoke("fl", "ledger", tmp_path / "none", *JSON), 4, "file-not-found")
    assert not (tmp_path / "none").exists()
    for content in (b"", b"no database, whatever it is called" * 9):
        file = tmp_path / "ledger.sqlite"
        file.write_bytes(content)
        failure(invoke("fl", "ledger", file, *JSON), 3, "ledger-corrupt")
        assert file.read_bytes() == content
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes((ran.kept("oslo") / "ledger.sqlite").read_bytes())
    before = copy.read_bytes()
    failure(invoke("fl", "ledger", copy, *JSON), 3, "ledger-corrupt")  # its newest rows are in a file beside it
    (tmp_path / "copy.sqlite.mark").write_bytes((ran.kept("oslo") / "ledger.sqlite.mark").read_bytes())
    failure(invoke("fl", "ledger", copy, *JSON), 3, "ledger-corrupt")
    assert copy.read_bytes() == before
    failure(invoke("fl", "ledger", copy, "--delta", "2", *JSON), 2, "usage")
