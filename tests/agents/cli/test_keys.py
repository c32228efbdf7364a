"""``sojourn key``: what is written where, who may read it, and what is refused."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from agents.owning import usual_home
from mobility.trust import Identity, PublicIdentity, Role, TrustStore
from tests.agents.cli.running import controls, data, failure, invoke, on_terminal, sojourn


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def made(home: Path, name: str, *options: str) -> dict[str, object]:
    result: dict[str, object] = data(invoke("key", "new", name, "--home", home, "--format", "json", *options))
    return result


def stranger(folder: Path, name: str = "stranger", role: Role = Role.PLACE) -> tuple[Path, PublicIdentity]:
    """A public key file as somebody else would send it."""
    public = Identity.generate(name, role).public
    folder.mkdir(exist_ok=True)
    path = folder / f"{public.key_id[:8]}.pub"
    path.write_bytes(public.to_bytes())
    return path, public


# -- new


def test_new_writes_a_secret_and_a_public_file_and_trusts_it(home: Path) -> None:
    """What the command says is what is there."""
    told = made(home, "survey-lab")
    secret, public = home / "keys" / "survey-lab.key", home / "keys" / "survey-lab.pub"
    assert (told["key_file"], told["public_file"]) == (str(secret), str(public))
    identity = Identity.load(secret)
    assert PublicIdentity.from_bytes(public.read_bytes()) == identity.public
    assert (told["key_id"], identity.public.role) == (identity.key_id, Role.OWNER)
    assert identity.key_id in TrustStore(home / "trust").current().entries
    assert (told["trusted"], told["store_version"], told["protected"]) == (True, 1, False)


@pytest.mark.skipif(sys.platform == "win32", reason="modes are not of Windows")
def test_new_keeps_the_secret_from_others(home: Path) -> None:
    """Neither the file nor the folder is for anybody else."""
    made(home, "a")
    assert stat.S_IMODE((home / "keys" / "a.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700


def test_new_without_trust_leaves_the_store_alone(home: Path) -> None:
    """A key for another machine need not be trusted on this one."""
    told = made(home, "a", "--no-trust", "--role", "place")
    assert (told["trusted"], told["store"], told["role"]) == (False, None, "place")
    assert not (home / "trust").exists()


def test_new_overwrites_nothing(home: Path) -> None:
    """A secret key that is lost is lost."""
    made(home, "a")
    before = (home / "keys" / "a.key").read_bytes()
    failure(invoke("key", "new", "a", "--home", home, "--format", "json"), 1, "key-file-exists")
    (home / "keys" / "a.key").rename(home / "kept")
    failure(invoke("key", "new", "a", "--home", home, "--format", "json"), 1, "key-file-exists")
    assert not (home / "keys" / "a.key").exists(), "half of a pair was made"
    assert (home / "kept").read_bytes() == before


def test_new_makes_no_key_if_its_name_is_taken(home: Path, tmp_path: Path) -> None:
    """Found out before there is a file, and not after."""
    file, _ = stranger(tmp_path / "mail", "a")
    invoke("key", "trust", file, "--home", home)
    failure(invoke("key", "new", "a", "--home", home, "--format", "json"), 1, "name-taken")
    assert not (home / "keys").exists()
    made(home, "a", "--no-trust")


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a\x1b[2Jb", "-a", "a b", "x" * 65, "\N{CYRILLIC SMALL LETTER A}"])
def test_new_refuses_names_that_could_be_paths_or_tricks(name: str, home: Path) -> None:
    """A name becomes a file name, and is shown to people."""
    result = invoke("key", "new", "--home", home, "--", name)
    assert result.exit_code == 2
    assert controls(result.stderr) == set()
    assert not home.exists()


def test_the_passphrase_comes_from_the_environment_or_a_file(home: Path, tmp_path: Path) -> None:
    """Both protect without being asked: whoever sets one up does not expect an open key."""
    (tmp_path / "phrase").write_text("from the file\nsecond line\n", encoding="utf-8")
    in_env = invoke("key", "new", "a", "--home", home, "--format=json", env={"SOJOURN_PASSPHRASE": "from the env"})
    assert data(in_env)["protected"] is True
    assert made(home, "b", "--passphrase-file", str(tmp_path / "phrase"))["protected"] is True
    piped = invoke("key", "new", "c", "--home", home, "--format=json", "--passphrase-file", "-", input="piped\n")
    assert data(piped)["protected"] is True
    for name, phrase in (("a", "from the env"), ("b", "from the file"), ("c", "piped")):
        assert Identity.load(home / "keys" / f"{name}.key", phrase).name == name
        assert "phrase" not in (home / "keys" / f"{name}.key").read_text(encoding="utf-8")


def test_a_passphrase_that_cannot_be_had_is_an_error(home: Path, tmp_path: Path) -> None:
    """An open key where a protected one was wanted would be the worst answer."""
    empty = tmp_path / "empty"
    empty.write_text("\n", encoding="utf-8")
    latin = tmp_path / "latin"
    latin.write_bytes(b"\xff\xfe\n")
    for options, env in (
        (["--passphrase"], {}),  # and nobody is there to ask
        ([], {"SOJOURN_PASSPHRASE": ""}),
        (["--passphrase-file", str(empty)], {}),
        (["--passphrase-file", str(latin)], {}),
    ):
        failure(invoke("key", "new", "a", "--home", home, "--format=json", *options, env=env), 2, "usage")
    options = ["--passphrase-file", str(tmp_path / "none")]
    failure(invoke("key", "new", "a", "--home", home, "--format=json", *options), 4, "file-not-found")
    assert not home.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_the_passphrase_is_asked_for_twice_and_not_shown(home: Path) -> None:
    """On the command line others could read it; on the screen too."""
    typed = iter(["mistyped", "hidden", "hidden", "hidden"])
    code, shown = on_terminal("key", "new", "a", "--passphrase", "--home", home, typed=typed)
    assert code == 0, shown
    assert shown.count("assphrase") >= 2 and "hidden" not in shown and "mistyped" not in shown
    assert Identity.load(home / "keys" / "a.key", "hidden").name == "a"


# -- list


def test_list_shows_own_and_trusted_keys(home: Path, tmp_path: Path) -> None:
    """Names, roles, ids, validity, revocation, and the version of the list."""
    mine = made(home, "me")
    file, public = stranger(tmp_path / "mail", "oslo")
    invoke("key", "trust", file, "--home", home, "--until", "2090-01-01")
    invoke("key", "revoke", "oslo", "--from-epoch", "7", "--home", home)
    listed = data(invoke("key", "list", "--home", home, "--format", "json"))
    assert listed["version"] == TrustStore(home / "trust").version == 3
    assert [(key["name"], key["key_id"], key["trusted"]) for key in listed["own"]] == [("me", mine["key_id"], True)]
    entries = {entry["name"]: entry for entry in listed["trusted"]}
    assert entries["oslo"]["key_id"] == public.key_id
    assert (entries["oslo"]["roles"], entries["oslo"]["revoked_from"]) == (["place"], 7)
    assert entries["oslo"]["not_after"] == 3786998399  # 2090-01-01 23:59:59 UTC
    text = invoke("key", "list", "--home", home).stdout
    assert "version 3" in text and "from epoch 7" in text and public.key_id[:16] in text and "2090-01-01" in text


def test_list_of_an_own_key_that_was_revoked(home: Path) -> None:
    """Nobody should go on signing with it and wonder."""
    made(home, "me")
    invoke("key", "revoke", "me", "--home", home)
    assert data(invoke("key", "list", "--home", home, "--format", "json"))["own"][0]["trusted"] is False
    assert "revoked" in invoke("key", "list", "--home", home).stdout


def test_list_of_nothing_says_how_to_begin(home: Path) -> None:
    """And makes no folder by looking."""
    result = invoke("key", "list", "--home", home)
    assert result.exit_code == 0 and "sojourn key new" in result.stdout
    assert not home.exists()


def test_list_shows_damaged_files_and_goes_on(home: Path) -> None:
    """One broken file must not hide the others."""
    made(home, "a")
    made(home, "b")
    made(home, "c")
    (home / "keys" / "a.pub").write_bytes(b"\x1b[2Jnot a key")
    (home / "keys" / "b.pub").unlink()
    own = data(invoke("key", "list", "--home", home, "--format", "json"))["own"]
    assert [(key["name"], bool(key["problem"]), key["key_id"] is None) for key in own] == [
        ("a", True, True),
        ("b", True, True),
        ("c", False, False),
    ]
    text = invoke("key", "list", "--home", home)
    assert text.exit_code == 0 and controls(text.stdout) == set()


def test_a_damaged_store_trusts_nobody(home: Path) -> None:
    """And says so, instead of listing what is left."""
    made(home, "a")
    (entry,) = (home / "trust" / "keys").iterdir()
    entry.write_bytes(entry.read_bytes().replace(b'"owner"', b'"place"'))
    failure(invoke("key", "list", "--home", home, "--format", "json"), 1, "store-damaged")


# -- trust


def test_trust_enrols_as_told(home: Path, tmp_path: Path) -> None:
    """Name, roles and period are this store's business, not the key's."""
    file, public = stranger(tmp_path / "mail")
    options = ["--name", "lima", "--role", "owner", "--role", "place", "--until", "2080-06-01T12:00:00+02:00"]
    told = data(invoke("key", "trust", file, "--home", home, "--format", "json", *options))
    entry = TrustStore(home / "trust").current().find(public.key_id)
    assert (entry.name, [*entry.roles]) == ("lima", ["owner", "place"])
    assert entry.not_after == told["not_after"] == 3484461600
    assert told["roles"] == ["owner", "place"] and told["store_version"] == 1


def test_trust_in_another_store(home: Path, tmp_path: Path) -> None:
    """A place on this machine can have its own."""
    file, public = stranger(tmp_path / "mail")
    invoke("key", "trust", file, "--home", home, "--store", tmp_path / "lima")
    assert public.key_id in TrustStore(tmp_path / "lima").current().entries
    assert not home.exists()


def test_trust_refuses_a_taken_name_unless_it_rotates(home: Path, tmp_path: Path) -> None:
    """The remedy that the error names has to exist."""
    first, _ = stranger(tmp_path / "mail", "oslo")
    second, _ = stranger(tmp_path / "mail", "oslo")
    invoke("key", "trust", first, "--home", home)
    failure(invoke("key", "trust", second, "--home", home, "--format", "json"), 1, "name-taken")
    data(invoke("key", "trust", second, "--home", home, "--rotate", "--format", "json"))


def test_trust_of_a_secret_key_is_refused(home: Path) -> None:
    """Whoever sends one has lost it."""
    made(home, "a")
    failure(invoke("key", "trust", home / "keys" / "a.key", "--home", home, "--format", "json"), 2, "secret-key-given")


@pytest.mark.parametrize("content", [b"", b"{}", b"\x1b]0;title\x07", b"[" * 100_000, b"\xff\xfe", b'{"format": NaN}'])
def test_trust_of_something_else_is_refused(content: bytes, home: Path, tmp_path: Path) -> None:
    """And enrols nothing."""
    file = tmp_path / "x.pub"
    file.write_bytes(content)
    result = invoke("key", "trust", file, "--home", home)
    assert result.exit_code == 3 and controls(result.stderr) == set()
    assert not home.exists()


def test_trust_of_a_key_of_small_order_is_refused(home: Path, tmp_path: Path) -> None:
    """One constant signature would verify any message under it."""
    file, public = stranger(tmp_path / "mail")
    body = json.loads(file.read_bytes())
    body["key"] = "01" + "00" * 31
    file.write_text(json.dumps(body), encoding="utf-8")
    failure(invoke("key", "trust", file, "--home", home, "--format", "json"), 3, "small-order-key")


def test_trust_of_no_file(home: Path, tmp_path: Path) -> None:
    """Not found is 4; a folder is there, and no file."""
    failure(invoke("key", "trust", tmp_path / "none", "--home", home, "--format", "json"), 4, "file-not-found")
    failure(invoke("key", "trust", tmp_path, "--home", home, "--format", "json"), 1, "file-unusable")


# -- revoke


def test_revoke_by_name_id_and_beginning(home: Path, tmp_path: Path) -> None:
    """All are ways in which the list shows a key."""
    for number, given in enumerate(("oslo", "OSLO", None, 16)):
        store = tmp_path / f"store-{number}"
        file, public = stranger(tmp_path / "mail", "oslo")
        invoke("key", "trust", file, "--store", store, "--home", home)
        key = public.key_id[:given] if not isinstance(given, str) else given
        told = data(
            invoke("key", "revoke", key, "--from-epoch", "2", "--store", store, "--home", home, "--format=json")
        )
        assert (told["key_id"], told["revoked_from"], told["store_version"]) == (public.key_id, 2, 2)
        assert TrustStore(store).current().find(public.key_id).revoked_from == 2


def test_revoke_moves_to_earlier_epochs_only(home: Path) -> None:
    """A revocation is never taken back."""
    made(home, "a")
    for given, expected in ((5, 5), (9, 5), (1, 1)):
        told = data(invoke("key", "revoke", "a", "--from-epoch", given, "--home", home, "--format", "json"))
        assert told["revoked_from"] == expected


def test_revoke_asks_which_if_several_fit(home: Path, tmp_path: Path) -> None:
    """A rotated key shares its name; the wrong one must not be hit."""
    publics = []
    for _ in range(2):
        file, public = stranger(tmp_path / "mail", "oslo")
        publics.append(public.key_id)
        invoke("key", "trust", file, "--home", home, "--rotate")
    error = failure(invoke("key", "revoke", "oslo", "--home", home, "--format", "json"), 2, "ambiguous-key")
    assert sorted(error["key_ids"]) == sorted(publics)
    data(invoke("key", "revoke", publics[0], "--home", home, "--format", "json"))
    told = data(invoke("key", "revoke", "oslo", "--home", home, "--format", "json"))
    assert told["key_id"] == publics[1], "the one that is still trusted is meant"


def test_revoke_of_an_unknown_key(home: Path) -> None:
    """Not found is 4; few digits of an id are no id."""
    made(home, "a")
    key_id = str(made(home, "b")["key_id"])
    for given in ("nobody", "f" * 64, key_id[:7], ""):
        failure(invoke("key", "revoke", "--home", home, "--format", "json", "--", given), 4, "unknown-key")


def test_a_name_that_looks_like_an_id_hides_no_id(home: Path, tmp_path: Path) -> None:
    """Else somebody could name a key so that another one can not be revoked."""
    victim = made(home, "victim")
    file, _ = stranger(tmp_path / "mail", str(victim["key_id"]))
    invoke("key", "trust", file, "--home", home)
    told = data(invoke("key", "revoke", victim["key_id"], "--home", home, "--format", "json"))
    assert told["name"] == "victim"


# -- where


def test_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable, else the platform's convention."""
    monkeypatch.setenv("SOJOURN_HOME", str(tmp_path / "given"))
    assert usual_home() == tmp_path / "given"
    monkeypatch.delenv("SOJOURN_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert usual_home() == tmp_path / "xdg" / "sojourn"
    for unset in ("", "relative/path"):
        monkeypatch.setenv("XDG_CONFIG_HOME", unset)
        assert usual_home() == tmp_path / ".config" / "sojourn"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert usual_home() == tmp_path / "Library" / "Application Support" / "sojourn"
    monkeypatch.setattr(sys, "platform", "win32")
    assert usual_home() == tmp_path / "roaming" / "sojourn"


def test_the_four_commands_as_programs(tmp_path: Path) -> None:
    """In processes of their own, with a home from the environment, and not a single escape sequence."""
    env = {"SOJOURN_HOME": str(tmp_path / "a")}
    new = sojourn("key", "new", "me", env=env)
    trust = sojourn(
        "key",
        "trust",
        tmp_path / "a" / "keys" / "me.pub",
        "--name",
        "friend",
        env={"SOJOURN_HOME": str(tmp_path / "b")},
    )
    revoke = sojourn("key", "revoke", "friend", env={"SOJOURN_HOME": str(tmp_path / "b")})
    listed = sojourn("key", "list", env={"SOJOURN_HOME": str(tmp_path / "b")})
    for answer in (new, trust, revoke, listed):
        assert (answer.returncode, answer.stderr) == (0, ""), answer.stderr
        assert controls(answer.stdout) == set()
    assert "wholly" in listed.stdout and "friend" in listed.stdout
