"""An app as a bundle: the same files give the same digest, and nothing that is not whole and signed is unpacked."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federated.app import AppBundle, VerifiedApp, verify_app
from federated.apperrors import AppAltered, AppInvalid, AppTooLarge, AppUnsigned, RunConfigInvalid
from federated.fab import AppLimits
from mobility.trust import Identity, TrustEntry, TrustError, TrustList
from mobility.trust.errors import Revoked, UntrustedSigner, WrongRole
from tests.federated.conftest import APPS
from tests.federated.probes import PROJECT, probe, write

CLIENT = "return answer(msg, numpy.ones(4))"


def trusting(*identities: Identity) -> TrustList:
    trusted = TrustList()
    for one in identities:
        trusted = trusted.trusting(TrustEntry(one.public, one.name, (one.public.role,)))
    return trusted


def rezipped(fab: bytes, change: dict[str, bytes | None], *, names: list[str] | None = None) -> bytes:
    """The FAB with some entries replaced, added or (None) left out, its list of contents brought up to date."""
    import hashlib

    with zipfile.ZipFile(io.BytesIO(fab)) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name != ".info/CONTENT"}
    files.update({name: data for name, data in change.items() if data is not None})
    for name in [name for name, data in change.items() if data is None]:
        del files[name]
    content = "\n".join(f"{name},{hashlib.sha256(data).hexdigest()},{8 * len(data)}" for name, data in files.items())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names or list(files):
            archive.writestr(name, files[name])
        archive.writestr(".info/CONTENT", content)
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app."""
    return write(tmp_path_factory.mktemp("built") / "probe", CLIENT)


@pytest.fixture(scope="module")
def fab(folder: Path) -> bytes:
    """Made by `flwr build` itself, offline."""
    tmp_path = folder.parent
    out = tmp_path / "out"
    out.mkdir()
    flwr = Path(sys.executable).with_name("flwr")
    environment = {**os.environ, "FLWR_TELEMETRY_ENABLED": "0", "FLWR_HOME": str(tmp_path / "home"), "HOME": str(out)}
    run = subprocess.run(
        [str(flwr), "build", "--app", str(folder)],
        cwd=out,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (made,) = out.glob("*.fab")
    return made.read_bytes()


# -- the digest


def test_a_folder_and_its_fab_have_one_digest(fab: bytes, folder: Path) -> None:
    """What `flwr build` packs and what lies in the folder are the same app."""
    assert AppBundle.from_fab(fab).digest == AppBundle.from_dir(folder).digest


def test_the_digest_does_not_depend_on_times_or_order(fab: bytes, folder: Path) -> None:
    """A copy, a checkout and another zip are the same app."""
    first = AppBundle.from_fab(fab)
    names = sorted(first.files, reverse=True)
    assert AppBundle.from_fab(rezipped(fab, {}, names=names)).digest == first.digest
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "client.cpython-311.pyc").write_bytes(b"x")
    assert AppBundle.from_dir(folder).digest == first.digest


def test_the_digest_does_not_depend_on_who_signs(ada: Identity, digits: AppBundle) -> None:
    """An owner who admits a digest has seen the files, whoever brings them."""
    eve = Identity.generate("eve", "owner")
    assert digits.signed_by(ada).digest == digits.signed_by(eve).digest == digits.digest


def test_every_file_counts(tmp_path: Path) -> None:
    """A change of one byte anywhere is another app."""
    app = probe(tmp_path / "a", CLIENT)
    folder = write(tmp_path / "b", CLIENT)
    for name in ("client.py", "server.py", "pyproject.toml"):
        original = (folder / name).read_bytes()
        (folder / name).write_bytes(original.replace(b"1.0.0", b"1.0.1") if name.endswith("toml") else original + b"\n")
        assert AppBundle.from_dir(folder).digest != app.digest
        (folder / name).write_bytes(original)
    assert AppBundle.from_dir(folder).digest == app.digest


# -- its structure


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace("[tool.flwr.app.components]", "[tool.flwr.app.other]"), "components"),
        (lambda text: text.replace('publisher = "sojourn"', ""), "publisher"),
        (lambda text: text.replace('name = "probe"', ""), "name"),
        (lambda text: text.replace('version = "1.0.0"', ""), "version"),
        (lambda text: text.replace("client:app", "missing.module:app"), "missing/module.py"),
        (lambda text: text.replace("client:app", "client"), "module:attribute"),
        (lambda text: text.replace("client:app", "../client:app"), "module:attribute"),
        (lambda text: text.replace("rounds = 1", "rounds = [1]"), "rounds"),
        (lambda text: text + "[", "pyproject.toml"),
    ],
)
def test_a_wrong_project_is_refused_by_name(tmp_path: Path, change: object, problem: str) -> None:
    """The author learns which line to mend, before anything is sent."""
    assert callable(change)
    with pytest.raises(AppInvalid, match=problem.replace(".", r"\.")):
        probe(tmp_path / "a", CLIENT, project=change(PROJECT))


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    """No pyproject.toml; no folder."""
    folder = write(tmp_path / "a", CLIENT)
    (folder / "pyproject.toml").unlink()
    with pytest.raises(AppInvalid, match="no pyproject"):
        AppBundle.from_dir(folder)
    with pytest.raises(AppInvalid, match="no folder"):
        AppBundle.from_dir(tmp_path / "none")


def test_links_are_refused_and_not_left_out(tmp_path: Path) -> None:
    """`flwr build` leaves them out without a word, and the app fails at the nodes."""
    folder = write(tmp_path / "a", CLIENT)
    (tmp_path / "secret.py").write_text("x = 1")
    (folder / "more.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(AppInvalid, match="more.py is a link"):
        AppBundle.from_dir(folder)
    (folder / "more.py").unlink()
    (folder / "package").symlink_to(tmp_path)
    with pytest.raises(AppInvalid, match="package is a link"):
        AppBundle.from_dir(folder)
    (folder / "package").unlink()
    (folder / ".venv").symlink_to(tmp_path)  # no part of the app
    AppBundle.from_dir(folder)


def test_too_large(tmp_path: Path) -> None:
    """Data does not belong into an app; the limit is held before the files are read."""
    folder = write(tmp_path / "a", CLIENT)
    (folder / "data.json").write_bytes(b" " * 100_000)
    with pytest.raises(AppTooLarge, match="total_bytes"):
        AppBundle.from_dir(folder, limits=AppLimits(total_bytes=50_000))
    with pytest.raises(AppTooLarge, match="files"):
        AppBundle.from_dir(folder, limits=AppLimits(files=2))


def test_a_fab_that_unpacks_to_too_much(fab: bytes) -> None:
    """A megabyte of compressed nothing is a gigabyte; it is refused by what the FAB says, before it is unpacked."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.py", b"\0" * (80 << 20))
        archive.writestr(".info/CONTENT", "")
    assert len(out.getvalue()) < 1 << 20
    with pytest.raises(AppTooLarge, match="total_bytes"):
        AppBundle.from_fab(out.getvalue())
    with pytest.raises(AppTooLarge, match="fab_bytes"):
        AppBundle.from_fab(fab, limits=AppLimits(fab_bytes=100))


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py",
        "/etc/evil.py",
        "a/../../evil.py",
        "a//b.py",
        "./a.py",
        "C:/evil.py",
        "a\\..\\evil.py",
        "CLIENT.py",
        "client.py/x.py",
        "bad\nname.py",
        "trailing./x.py",
        "d/" * 20 + "x.py",
        "x" * 300 + ".py",
    ],
)
def test_a_fab_with_a_path_that_leads_out(fab: bytes, name: str) -> None:
    """Paths that climb, that are absolute, that collide, that other systems read otherwise."""
    with pytest.raises(AppInvalid):
        AppBundle.from_fab(rezipped(fab, {name: b"x = 1"}))


def test_a_fab_with_a_link_or_a_double(fab: bytes) -> None:
    """A zip can hold links, and two files of one name, of which readers take either."""
    out = io.BytesIO(fab)
    with zipfile.ZipFile(out, "a") as archive:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(AppInvalid, match="link"):
        AppBundle.from_fab(out.getvalue())
    out = io.BytesIO(fab)
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("client.py", "x = 1")
    with pytest.raises(AppInvalid, match="twice"):
        AppBundle.from_fab(out.getvalue())


def test_a_fab_that_is_not_what_it_lists(fab: bytes) -> None:
    """Its list of contents has to name each file, and no other."""
    with zipfile.ZipFile(io.BytesIO(fab)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for change in ({"client.py": b"x = 1"}, {"extra.py": b"x = 1"}, {".info/CONTENT": b""}):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in {**files, **change}.items():
                archive.writestr(name, data)
        with pytest.raises(AppInvalid, match="list of contents"):
            AppBundle.from_fab(out.getvalue())


@given(st.data())
def test_damage_to_a_fab_is_always_told(data: st.DataObject) -> None:
    """Whatever a byte becomes, there is an app of the same files, or an AppInvalid."""
    fab = _small_fab()
    position = data.draw(st.integers(0, len(fab) - 1))
    value = data.draw(st.integers(0, 255))
    damaged = fab[:position] + bytes([value]) + fab[position + 1 :]
    try:
        app = AppBundle.from_fab(damaged)
    except AppInvalid:
        return
    assert app.digest == AppBundle.from_fab(fab).digest


_FAB: list[bytes] = []


def _small_fab() -> bytes:
    if not _FAB:
        from federated._flower.building import built

        _FAB.append(built({"pyproject.toml": PROJECT.encode(), "client.py": b"app = 1", "server.py": b"app = 1"}))
    return _FAB[0]


# -- the signature


def test_there_and_back(ada: Identity, digits: AppBundle, tmp_path: Path) -> None:
    """What arrives is what was signed, file for file."""
    signed = digits.signed_by(ada)
    verified = verify_app(signed.to_bytes(), trusting(ada))
    assert verified.digest == digits.digest and verified.author.name == "ada"
    verified.unpack(tmp_path / "app")
    unpacked = {
        path.relative_to(tmp_path / "app").as_posix(): path.read_bytes()
        for path in (tmp_path / "app").rglob("*")
        if path.is_file()
    }
    assert unpacked == dict(digits.files)
    with pytest.raises(FileExistsError):
        verified.unpack(tmp_path / "app")


def test_only_a_check_makes_a_verified_app(ada: Identity, digits: AppBundle) -> None:
    """Nobody unpacks what was not verified by mistake."""
    verified = verify_app(digits.signed_by(ada).to_bytes(), trusting(ada))
    with pytest.raises(TypeError):
        VerifiedApp(digits, verified.author, digits.digest, None)


def test_unsigned(digits: AppBundle) -> None:
    """It does not even become bytes."""
    with pytest.raises(AppUnsigned):
        digits.to_bytes()


def test_signed_by_a_stranger_or_a_place(ada: Identity, digits: AppBundle) -> None:
    """The list of the node counts, and the role in it."""
    eve, place = Identity.generate("eve", "owner"), Identity.generate("oslo", "place")
    with pytest.raises(UntrustedSigner):
        verify_app(digits.signed_by(eve).to_bytes(), trusting(ada))
    with pytest.raises(ValueError, match="owner"):
        digits.signed_by(place)
    as_place = TrustList().trusting(TrustEntry(ada.public, "ada", (place.public.role,)))
    with pytest.raises(WrongRole):
        verify_app(digits.signed_by(ada).to_bytes(), as_place)
    with pytest.raises(Revoked):
        verify_app(digits.signed_by(ada).to_bytes(), trusting(ada).revoking(ada.key_id))
    with pytest.raises(Revoked):  # an app belongs to no agent, and has no epoch
        verify_app(digits.signed_by(ada).to_bytes(), trusting(ada).revoking(ada.key_id, 7))


def test_a_signature_of_another_kind_does_not_count(ada: Identity, digits: AppBundle) -> None:
    """What was signed as something else cannot pass for an app."""
    import struct

    from mobility.trust import Envelope
    from mobility.trust.errors import WrongPayloadType

    signed = digits.signed_by(ada)
    assert signed.envelope is not None
    other = Envelope.sign("application/vnd.sojourn.app-bundle.v2+json", signed.envelope.body, ada).to_bytes()
    data = b"".join((struct.pack(">4sI", b"SJA1", len(other)), other, *digits.files.values()))
    with pytest.raises(WrongPayloadType):
        verify_app(data, trusting(ada))


def test_an_altered_bundle_is_refused(ada: Identity, tmp_path: Path) -> None:
    """One byte, anywhere: of the head, the envelope or a file."""
    data = probe(tmp_path / "a", CLIENT).signed_by(ada).to_bytes()
    trust = trusting(ada)
    generator = random.Random(5)
    for position in [*range(12), *generator.sample(range(12, len(data)), 150), len(data) - 1]:
        altered = bytearray(data)
        altered[position] ^= 1 << generator.randrange(8)
        with pytest.raises((AppAltered, AppInvalid, TrustError)):
            verify_app(bytes(altered), trust)
    for cut in (0, 3, 8, len(data) // 2, len(data) - 1):
        with pytest.raises((AppAltered, TrustError)):
            verify_app(data[:cut], trust)
    with pytest.raises(AppAltered):
        verify_app(data + b"x", trust)


def test_files_cannot_be_exchanged(ada: Identity, tmp_path: Path) -> None:
    """The envelope of one app around the files of another."""
    import struct

    good, evil = (
        probe(tmp_path / "a", CLIENT).signed_by(ada),
        probe(tmp_path / "b", "return answer(msg, numpy.zeros(4))"),
    )
    assert good.envelope is not None
    envelope = good.envelope.to_bytes()
    data = b"".join((struct.pack(">4sI", b"SJA1", len(envelope)), envelope, *evil.files.values()))
    with pytest.raises(AppAltered, match="client.py"):
        verify_app(data, trusting(ada))


def test_a_signed_bundle_with_a_bad_path_is_refused(ada: Identity, digits: AppBundle) -> None:
    """Trusted authors can be wrong, or robbed of their keys: the form is checked nonetheless."""
    evil = AppBundle({**digits.files, "../evil.py": b"x = 1"}, digits.config).signed_by(ada)
    with pytest.raises(AppInvalid, match="evil"):
        verify_app(evil.to_bytes(), trusting(ada))


# -- the run config


def test_settings(tmp_path: Path, digits: AppBundle) -> None:
    """Names of tables are joined by dots, and only what the app has can be set."""
    app = probe(tmp_path / "a", CLIENT)
    assert app.config.settings == {"rounds": 1, "timeout": 20.0, "deep.value": "x"}
    assert app.config.with_overrides({"deep": {"value": "y"}})["deep.value"] == "y"
    assert app.config.with_overrides({"deep.value": "z"})["deep.value"] == "z"
    with pytest.raises(RunConfigInvalid, match="epochs"):
        app.config.with_overrides({"epochs": 1})
    with pytest.raises(RunConfigInvalid, match="rounds"):
        app.config.with_overrides({"rounds": None})


def test_what_flower_refuses_is_refused(tmp_path: Path) -> None:
    """Rules of Flower's own, with its words."""
    with pytest.raises(AppInvalid, match="fab-exclude|did not match"):
        probe(
            tmp_path / "a",
            CLIENT,
            project=PROJECT.replace("[tool.flwr.app]\n", '[tool.flwr.app]\nfab-exclude = ["no.py"]\n'),
        )
    shutil.rmtree(tmp_path / "a")
    app = probe(tmp_path / "a", CLIENT)
    (tmp_path / "a" / "notes.md").write_text("x")
    (tmp_path / "a" / ".gitignore").write_text("notes.md\n")
    assert AppBundle.from_dir(tmp_path / "a").digest == app.digest
    assert AppBundle.from_dir(APPS / "digits").config.clientapp == "digits.client_app:app"
