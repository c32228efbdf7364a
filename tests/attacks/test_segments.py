"""Attacks on what a bundle carries: each is refused with its own error, and nothing of it is decoded."""

from __future__ import annotations

import gzip
import inspect
import io
import json
import os
import pickle
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dill
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobility.bundle import (
    Bundle,
    Manifest,
    SealedPart,
    SegmentEntry,
    SegmentKind,
    receive,
    seal_context,
    sealed_payload,
)
from mobility.bundle.chunks import CHUNK, digests
from mobility.bundle.errors import BundleError, BundleInvalid, CodeAltered, ManifestMismatch, SegmentMismatch
from mobility.bundle.payload import Parts
from mobility.errors import MobilityError
from mobility.trust.errors import (
    BadSignature,
    EnvelopeInvalid,
    SchemaError,
    SealBroken,
    TooLarge,
    TrustError,
    UntrustedSigner,
    WrongRecipient,
)
from mobility.trust.sealing import seal
from tests.mobility.bundle.bundles import (
    SOURCE,
    TO_LIMA,
    TRUST,
    Content,
    check,
    make,
    manifest_of,
    passport_for,
    refused,
    with_manifest,
)
from tests.mobility.trust.people import BAKU, LIMA, NOW

touched: list[str] = []


def sing(what: str) -> None:
    touched.append(what)


class Canary:
    """Whoever decodes it is noticed."""

    def __reduce__(self) -> Any:
        return sing, ("decoded",)


CANARY = pickle.dumps(Canary())
CONTENT = Content(state=CANARY, buffers=(b"first buffer", b"other buffer", b""), preview=CANARY)
BUNDLE = make(CONTENT)
DATA = BUNDLE.to_bytes()


@pytest.fixture(autouse=True, scope="module")
def nothing_is_decoded() -> Iterator[None]:
    """For all of these tests: whatever can decode says that it was called, and the canary is alive at the end."""

    def decoder(name: str) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            touched.append(name)
            raise AssertionError(f"{name} was called")

        return called

    pickle.loads(CANARY)
    assert touched == ["decoded"]  # the canary sings
    touched.clear()
    with pytest.MonkeyPatch.context() as patch:
        for module in (pickle, dill):
            for name in ("load", "loads", "Unpickler", "_Unpickler"):
                if hasattr(module, name):
                    patch.setattr(module, name, decoder(f"{module.__name__}.{name}"))
        with pytest.raises(AssertionError):
            pickle.loads(CANARY)
        touched.clear()
        yield
    assert touched == []


def unread(error: type[MobilityError], call: Callable[[], object]) -> Any:
    """The error, and nothing was decoded on the way."""
    caught = refused(error, call)
    assert touched == []
    return caught


def bytewise(bundle: Bundle, **options: Any) -> None:
    """Another way in must come to the same."""
    receive(io.BytesIO(bundle.to_bytes()), TRUST, **{"now": NOW, **options})


def carrying(*views: bytes, bundle: Bundle = BUNDLE) -> Bundle:
    """A signed manifest over other segments."""
    return replace(bundle, payload=Parts(tuple(map(memoryview, views))))


def edited(change: Callable[[Any], object], bundle: Bundle = BUNDLE, **born: Any) -> Bundle:
    """The manifest changed, and signed again by trusted keys: so that it is its form which is judged."""
    value = json.loads(bundle.manifest)
    change(value)
    return with_manifest(bundle, json.dumps(value).encode(), **born)


def test_the_honest_bundle_is_accepted() -> None:
    """Else the attacks below would be refused for another reason; and even then nothing is decoded."""
    for verified in (check(BUNDLE), receive(io.BytesIO(DATA), TRUST, now=NOW)):
        assert verified.state == CANARY and bytes(verified.buffers[0]) == b"first buffer"
    assert touched == []


# -- segments ---------------------------------------------------------------------------------------------------------


def test_swapped() -> None:
    """Two segments of one size, and two of one kind, in each other's place."""
    first, second = CONTENT.buffers[:2]
    assert len(first) == len(second)
    bundle = carrying(SOURCE, CANARY, second, first, b"", CANARY)
    for way in (check, bytewise):
        error = unread(SegmentMismatch, lambda: way(bundle))
        assert (error.kind, error.index, error.chunk) == ("buffer", 0, 0)
    assert unread(SegmentMismatch, lambda: check(carrying(CANARY, SOURCE, first, second, b"", CANARY))).kind == "code"


def test_missing() -> None:
    """Any one of them, and each in turn."""
    for gone in range(len(CONTENT.views)):
        if CONTENT.views[gone]:
            bundle = carrying(*CONTENT.views[:gone], *CONTENT.views[gone + 1 :])
            for way in (check, bytewise):
                assert unread(SegmentMismatch, lambda: way(bundle)).kind == "payload"


def test_extra() -> None:
    """Behind the last one, before the first, and one of them twice."""
    for views in ([*CONTENT.views, b"x"], [b"x", *CONTENT.views], [*CONTENT.views, CANARY], [CANARY, *CONTENT.views]):
        for way in (check, bytewise):
            assert unread(SegmentMismatch, lambda: way(carrying(*views))).kind == "payload"
    unread(BundleInvalid, lambda: Bundle.from_bytes(DATA + CANARY))


def test_same_name_with_another_digest() -> None:
    """A segment has no name but its place; whoever changes what is there changes a digest that is signed."""
    for at, kind, index in ((0, "code", 0), (1, "state", 0), (2, "buffer", 0), (3, "buffer", 1), (5, "preview", 0)):
        views = list(CONTENT.views)
        views[at] = bytes(len(views[at]))
        for way in (check, bytewise):
            error = unread(SegmentMismatch, lambda: way(carrying(*views)))
            assert (error.kind, error.index) == (kind, index)
    named = BUNDLE.manifest.replace(b'"writable":true', b'"writable":true,"name":"a"')
    unread(SchemaError, lambda: check(with_manifest(BUNDLE, named)))


def test_digest_replaced_in_the_manifest() -> None:
    """A manifest that fits the altered segment is not the one that was signed."""
    other = replace(CONTENT, state=CANARY[::-1])
    manifest = manifest_of(other, 0).to_bytes()
    bundle = replace(carrying(*other.views), manifest=manifest)
    for way in (check, bytewise):
        assert unread(ManifestMismatch, lambda: way(bundle)).field == "digest"


def test_code_of_another_agent() -> None:
    """A trusted place may sign what it likes: the owner has signed the code."""
    other = replace(CONTENT, code=(b"import os\n",))
    manifest = manifest_of(other, 1).to_bytes()
    bundle = Bundle.assemble(passport_for(manifest, ["oslo"]), manifest, other.views)
    for way in (check, bytewise):
        unread(CodeAltered, lambda: way(bundle, audience="oslo"))


def test_truncated_digest() -> None:
    """A prefix of a digest is easier to hit."""
    for size in (0, 1, 8, 16, 31, 33):

        def shorten(value: Any, size: int = size) -> None:
            value["segments"][1]["chunks"] = ["ab" * size]

        for way in (check, bytewise):
            unread(SchemaError, lambda: way(edited(shorten)))
    for size in (0, 16, 31):
        short = passport_for(BUNDLE.manifest)
        cut = replace(short.birth, body=short.birth.body.replace(check(BUNDLE).digest.hex().encode(), b"ab" * size))
        assert cut != short.birth
        unread(BadSignature, lambda: check(replace(BUNDLE, passport=replace(short, birth=cut))))


@pytest.mark.parametrize("size", [2**63, 2**64, 2**53, -1, True, False, 5.0, 1e300, "5", None, [5]])
def test_sizes(size: object) -> None:
    """Of 2**63, of -1, true: none reaches the arithmetic."""
    for at in range(len(CONTENT.views)):

        def resize(value: Any, at: int = at) -> None:
            value["segments"][at]["bytes"] = size

        for way in (check, bytewise):
            unread(SchemaError, lambda: way(edited(resize)))


def test_sizes_that_run_into_each_other() -> None:
    """The sum is right, and the borders are not."""

    def move(value: Any) -> None:
        value["segments"][2]["bytes"] -= 1
        value["segments"][3]["bytes"] += 1

    for way in (check, bytewise):
        assert unread(SegmentMismatch, lambda: way(edited(move))).kind == "buffer"


# -- names ------------------------------------------------------------------------------------------------------------

NAMES = {
    "parent": "../../etc/passwd",
    "parent within": "a/../../b",
    "absolute": "/etc/passwd",
    "drive": "C:\\Windows\\x",
    "backslash": "..\\..\\x",
    "NUL": "survey\0.py",
    "empty": "",
    "dot": "..",
    "line feed": "a\nb",
    "a letter that looks like another": "sur\u0475ey",
    "letters that are one when normalised": "\ufb01le",
    "combining accent": "cafe\u0301",
    "direction turned": "a\u202eb",
    "zero width": "a\u200bb",
    "lone surrogate": "a\udc80b",
    "too long": "a" * 65,
    "blank at the end": "a ",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_agents(name: str) -> None:
    """An agent's name can become a folder's: no form but the plain one is signed, sent or received."""
    value = NAMES[name]
    with pytest.raises((SchemaError, UnicodeEncodeError)):
        make(CONTENT, born={"agent": value})

    def rename(manifest: Any) -> None:
        manifest["agent"] = value

    unread(SchemaError, lambda: check(edited(rename)))


@pytest.mark.parametrize("name", ["parent", "absolute", "drive", "backslash", "NUL", "line feed", "direction turned"])
def test_names_of_entry_points(name: str) -> None:
    """Modules and functions, never a way to a file."""
    for value in (NAMES[name], f"{NAMES[name]}:survey", f"survey:{NAMES[name]}"):

        def rename(manifest: Any, value: str = value) -> None:
            manifest["entry_point"] = value

        unread(SchemaError, lambda: check(edited(rename)))


def test_names_that_differ_in_case_or_form() -> None:
    """They are different names, compared as they are: the manifest's must be the passport's to the letter."""
    for value in ("Surveyor-1", "SURVEYOR-1", "surveyor-1."):

        def rename(manifest: Any, value: str = value) -> None:
            manifest["agent"] = value

        assert unread(ManifestMismatch, lambda: check(edited(rename))).field == "agent"
    for value in ("survey:Survey", "Survey:survey", "\N{LATIN SMALL LIGATURE FI}le:survey"):

        def enter(manifest: Any, value: str = value) -> None:
            manifest["entry_point"] = value

        with pytest.raises((ManifestMismatch, SchemaError)):
            check(edited(enter))


def test_symlinks_and_other_files() -> None:
    """There are no names of files in the format, and no kinds of files: a field that would be one is unknown."""
    assert set(SegmentEntry.__dataclass_fields__) == {"kind", "size", "writable", "chunks"}
    assert set(SegmentKind) == {"code", "state", "buffer", "preview", "luggage"}
    for field, value in (("name", "a"), ("path", "a"), ("link", "/etc/passwd"), ("mode", 0o777), ("target", "../x")):

        def add(manifest: Any, field: str = field, value: object = value) -> None:
            manifest["segments"][2][field] = value

        unread(SchemaError, lambda: check(edited(add)))


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, verifying and receiving open no file but the one that is read."""
    BUNDLE.write(tmp_path / "a.sojourn")
    monkeypatch.chdir(tmp_path)
    opened: list[tuple[Any, ...]] = []
    real = os.open

    def watched(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        opened.append((os.fspath(path), flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", watched)
    check(Bundle.read("a.sojourn"))
    bytewise(Bundle.from_bytes(DATA))
    assert opened == [("a.sojourn", 0)]
    assert os.listdir(tmp_path) == ["a.sojourn"]


# -- compression ------------------------------------------------------------------------------------------------------


def test_zstd_bomb() -> None:
    """Version 1 compresses nothing: a frame that would grow is the few bytes that it is, and no field asks for more."""
    # A frame of zstd (RFC 8878) that declares 2**62 bytes of content in one repeated byte.
    frame = bytes.fromhex("28b52ffd") + bytes([0xE0]) + (2**62).to_bytes(8, "little") + bytes.fromhex("020000") + b"A"
    for bomb in (frame, zlib.compress(bytes(1 << 20), 9), gzip.compress(bytes(1 << 20))):
        verified = check(Bundle.from_bytes(make(replace(CONTENT, buffers=(bomb,))).to_bytes()))
        assert bytes(verified.buffers[0]) == bomb and len(verified.writable_buffers()[0]) == len(bomb)
    for field, value in (("compression", "zstd"), ("uncompressed", 2**40)):

        def add(manifest: Any, field: str = field, value: object = value) -> None:
            manifest["segments"][2][field] = value

        unread(SchemaError, lambda: check(edited(add)))


# -- between the check and the use ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["written over", "replaced", "cut"])
def test_file_changed_after_hashing(tmp_path: Path, way: str) -> None:
    """What was verified is what is used, whatever becomes of the file in between."""
    path = tmp_path / "a.sojourn"
    large = make(replace(CONTENT, buffers=(bytes(3 << 20),)))
    large.write(path)
    with open(path, "rb") as file:
        verdicts = [check(Bundle.read(path)), receive(file, TRUST, now=NOW)]
    if way == "written over":
        with open(path, "r+b") as file:
            file.write(b"\xff" * large.size)
    elif way == "replaced":
        make(Content(state=b"evil")).write(path, replace=True)
    else:
        os.truncate(path, 10)
    for verified in verdicts:
        assert verified.state == CANARY and verified.buffers[0] == bytes(3 << 20)
        assert verified.bundle.to_bytes() == large.to_bytes()


def test_file_changed_before_it_is_read_again(tmp_path: Path) -> None:
    """Two readings are two bundles, and each is verified for itself."""
    path = tmp_path / "a.sojourn"
    BUNDLE.write(path)
    check(Bundle.read(path))
    data = bytearray(DATA)
    data[-1] ^= 1
    path.write_bytes(data)
    unread(SegmentMismatch, lambda: check(Bundle.read(path)))


def test_poisoned_cache() -> None:
    """Code that is kept under a digest is hashed again, whoever put it there."""
    bare = BUNDLE.without_code()
    evil = b"import os; os.abort()".ljust(len(SOURCE))
    for found in (evil, SOURCE + b" ", SOURCE[:-1], b""):
        for way in (check, bytewise):
            error = unread(CodeAltered, lambda: way(bare, codes=lambda digest: found))
            assert error.signed == (BUNDLE.claims().code[0].hex(),) and "store of code" in str(error)
    mutable = bytearray(SOURCE)
    verified = check(bare, codes=lambda digest: mutable)  # type: ignore[arg-type, return-value]  # as a careless caller would
    mutable[:] = evil
    assert verified.code == (SOURCE,)


# -- chunks -----------------------------------------------------------------------------------------------------------

BIG = Content(state=CANARY, buffers=(b"".join(bytes([n]) * CHUNK for n in range(3)) + b"tail",))
LARGE = make(BIG)
PARTS = [SOURCE, CANARY, *(BIG.buffers[0][start : start + CHUNK] for start in range(0, 4 * CHUNK, CHUNK))]


def test_chunks_reordered() -> None:
    """Each chunk is genuine, and not in its place."""
    one, two, three, tail = PARTS[2:]
    for order, chunk in (((two, one, three, tail), 0), ((one, three, two, tail), 1), ((one, two, tail, three), 2)):
        bundle = carrying(SOURCE, CANARY, *order, bundle=LARGE)
        for way in (check, bytewise):
            error = unread(SegmentMismatch, lambda: way(bundle))
            assert (error.kind, error.index, error.chunk) == ("buffer", 0, chunk)


def test_chunks_dropped() -> None:
    """The size is signed as well; and filling it up again does not help."""
    one, two, three, tail = PARTS[2:]
    for way in (check, bytewise):
        gap = carrying(SOURCE, CANARY, one, three, tail, bundle=LARGE)
        assert unread(SegmentMismatch, lambda: way(gap)).kind == "payload"
        filled = carrying(SOURCE, CANARY, one, three, tail, bytes(CHUNK), bundle=LARGE)
        assert unread(SegmentMismatch, lambda: way(filled)).chunk == 1

    def drop(manifest: Any) -> None:
        del manifest["segments"][2]["chunks"][1]

    unread(SchemaError, lambda: check(edited(drop, LARGE)))


def test_chunks_doubled() -> None:
    """A chunk that comes twice takes the place of another, or makes the whole too long."""
    one, two, three, tail = PARTS[2:]
    for way in (check, bytewise):
        longer = carrying(SOURCE, CANARY, one, one, two, three, tail, bundle=LARGE)
        assert unread(SegmentMismatch, lambda: way(longer)).kind == "payload"
        instead = carrying(SOURCE, CANARY, one, one, three, tail, bundle=LARGE)
        assert unread(SegmentMismatch, lambda: way(instead)).chunk == 1

    def double(manifest: Any) -> None:
        chunks = manifest["segments"][2]["chunks"]
        chunks.insert(0, chunks[0])

    unread(SchemaError, lambda: check(edited(double, LARGE)))


# -- seals ------------------------------------------------------------------------------------------------------------


def test_wrong_recipient() -> None:
    """Whoever the manifest names, the seal opens for one key."""
    sealed = make(CONTENT, seal_to=TO_LIMA)
    for way in (check, bytewise):
        unread(WrongRecipient, lambda: way(sealed, identity=BAKU))

        def readdress(manifest: Any) -> None:
            manifest["sealed"]["recipient"] = BAKU.key_id

        unread(WrongRecipient, lambda: way(edited(readdress, sealed), identity=BAKU))
    assert check(sealed, identity=LIMA).state == CANARY


def test_sealed_chunks_reordered_dropped_and_doubled() -> None:
    """Also by a place that is trusted, and signs the digests of what it has made of somebody's seal."""
    context = seal_context("surveyor-1", 0, None)
    fixed = len(SOURCE) + len(CANARY)
    header, *pieces = seal([SOURCE, CANARY, bytes(2 * CHUNK + 10)], TO_LIMA, context=context)
    for order in ([1, 0, 2], [0, 2], [0, 1, 1, 2], [0, 1], [0, 1, 2]):
        ciphertext = b"".join([header, *(pieces[at] for at in order)])
        size = len(ciphertext) - len(header) - 16 * len(order)  # of what would come out
        content = Content(state=CANARY, buffers=(bytes(size - fixed),))
        part = SealedPart(LIMA.key_id, len(ciphertext), digests(ciphertext))
        manifest = manifest_of(content, 0, part).to_bytes()
        bundle = Bundle.assemble(passport_for(manifest), manifest, [ciphertext])
        for way in (check, bytewise):
            if order == [0, 1, 2]:
                way(bundle, identity=LIMA)  # else the others would be refused for another reason
            else:
                unread(SealBroken, lambda: way(bundle, identity=LIMA))


def test_nonce_reuse() -> None:
    """Two seals of one content share no block, and no parameter lets a caller repeat a key or a nonce."""
    context = seal_context("surveyor-1", 0, None)
    views = [bytes(4096)]
    one, two = (b"".join(sealed_payload(views, TO_LIMA, context)[1].pieces()) for _ in range(2))
    blocks = [one[start : start + 16] for start in range(40, len(one) - 16)]
    assert len(set(blocks)) == len(blocks)  # nor within one, though the content is all zeros
    assert not set(blocks) & {two[start : start + 16] for start in range(40, len(two) - 16)}
    for function in (sealed_payload, seal):
        assert not {"key", "nonce", "number", "counter", "random", "seed"} & set(inspect.signature(function).parameters)


# -- every bit, every byte --------------------------------------------------------------------------------------------

HUNDRED = make(Content(state=CANARY, buffers=tuple(b"%02d" % number for number in range(97)), preview=b"shown"))
EXPECTED = (
    BundleInvalid,
    EnvelopeInvalid,
    TooLarge,
    BadSignature,
    UntrustedSigner,
    ManifestMismatch,
    SegmentMismatch,
)


def test_flip_every_bit() -> None:
    """Of a bundle of 100 segments: each is noticed, and by an error of the tree."""
    data = bytearray(HUNDRED.to_bytes())
    assert len(HUNDRED.claims().segments) == 100
    assert check(Bundle.from_bytes(data))
    seen = set()
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        try:
            check(Bundle.from_bytes(data))
        except EXPECTED as error:
            seen.add(type(error))
        except MobilityError as error:
            pytest.fail(f"bit {bit}: {error!r}")
        else:
            pytest.fail(f"bit {bit} was not noticed")
        data[bit // 8] ^= 1 << bit % 8
    assert seen == set(EXPECTED)
    assert touched == []


def test_cut_at_every_byte() -> None:
    """A part of a bundle is none, nor is one and a bit."""
    data = HUNDRED.to_bytes()
    for end in range(len(data)):
        with pytest.raises((BundleInvalid, EnvelopeInvalid, TooLarge)):
            Bundle.from_bytes(memoryview(data)[:end])
    for more in (b"\0", DATA):
        unread(BundleInvalid, lambda: Bundle.from_bytes(data + more))
    assert touched == []


# -- mutations of what is signed --------------------------------------------------------------------------------------

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**54),
    st.sampled_from([2**63, -1, 0, CHUNK, CHUNK + 1, 1.5]),
    st.text(max_size=5),
    st.sampled_from(["code", "state", "buffer", "preview", "ab" * 32, "../x", "generator", "plain", "3.11"]),
    st.just([]),
    st.just({}),
)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The manifest of an honest bundle with one to three places changed."""
    value = json.loads(BUNDLE.manifest)
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = value
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 3)):
                holder = holder[key]
                continue
            match draw(st.integers(0, 4)):
                case 0:
                    del holder[key]
                case 1 if isinstance(holder, list):
                    holder.insert(key, holder[draw(st.sampled_from(keys))])
                case 2 if isinstance(holder, list):
                    other = draw(st.sampled_from(keys))
                    holder[key], holder[other] = holder[other], holder[key]
                case 3 if isinstance(holder, dict):
                    holder[draw(st.text(max_size=3))] = draw(leaves)
                case _:
                    holder[key] = draw(leaves)
            break
    return json.dumps(value).encode()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations())
def test_hypothesis_mutates_manifests(data: bytes) -> None:
    """Signed again by trusted keys: refused by its form, or it agrees with passport and segments in every point."""
    bundle = with_manifest(BUNDLE, data)
    try:
        verified = check(bundle)
    except (SchemaError, ManifestMismatch, CodeAltered, SegmentMismatch, TooLarge):
        pass
    else:
        honest = BUNDLE.claims()
        found = verified.manifest
        assert (found.agent, found.epoch, found.entry_point) == (honest.agent, honest.epoch, honest.entry_point)
        # The bytes decide; a segment without any may be there or not.
        assert [(one.size, one.chunks) for one in found.segments if one.size] == [
            (one.size, one.chunks) for one in honest.segments if one.size
        ]
        assert Manifest.from_bytes(found.to_bytes()) == found
    assert touched == []


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_hypothesis_mutates_bytes(data: st.DataObject) -> None:
    """Cut, doubled and overwritten anywhere: an error of the tree, from either way in."""
    changed = bytearray(DATA)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(start, min(len(changed), start + 40)))
        changed[start:end] = data.draw(st.sampled_from([b"", changed[end : end + 40], b"\0" * (end - start), b"\xff"]))
    if bytes(changed) == DATA:
        return
    ways = (lambda: check(Bundle.from_bytes(bytes(changed))), lambda: receive(io.BytesIO(changed), TRUST, now=NOW))
    for way in ways:
        with pytest.raises((TrustError, BundleError)):
            way()
    assert touched == []
