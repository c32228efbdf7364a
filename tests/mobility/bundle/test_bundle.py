"""A bundle comes back from bytes and files as it was, and is believed only after every check, in order."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.bundle import Bundle
from mobility.bundle import bundle as bundle_module
from mobility.bundle.errors import (
    BundleFileError,
    BundleInvalid,
    BundleSpent,
    CodeAltered,
    CodeMissing,
    ManifestMismatch,
    NoMemory,
    SealedBundle,
    SegmentMismatch,
)
from mobility.bundle.framing import HEADER_BYTES
from mobility.bundle.payload import Parts
from mobility.trust.envelope import Envelope
from mobility.trust.errors import (
    BadSignature,
    EnvelopeInvalid,
    Expired,
    SchemaError,
    StaleEpoch,
    TooLarge,
    UntrustedSigner,
    WrongAudience,
)
from mobility.trust.limits import Limits
from mobility.trust.trustlist import TrustList
from tests.mobility.bundle.bundles import (
    SMALL,
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
from tests.mobility.trust.people import DAY, LIMA, NOW, OWNER, STRANGER, trusted

BUNDLE = make()
DATA = BUNDLE.to_bytes()


def contents(bundle: Bundle, **options: Any) -> Content:
    """What a bundle brings, after verifying it."""
    verified = check(bundle, **options)
    return Content(
        verified.code,
        bytes(verified.state),
        tuple(map(bytes, verified.buffers)),
        None if verified.preview is None else bytes(verified.preview),
        luggage=None if verified.luggage is None else bytes(verified.luggage),
    )


# -- round trips ------------------------------------------------------------------------------------------------------


def test_at_birth_and_after_hops() -> None:
    """The owner's certificate signs the first manifest, the sending place's record each later one."""
    verified = check(Bundle.from_bytes(DATA))
    assert (verified.passport.epoch, str(verified.passport.sender)) == (0, "owner:survey-lab")
    assert verified.manifest == manifest_of(SMALL, 0) and verified.code == (SOURCE,)
    assert contents(Bundle.from_bytes(DATA)) == SMALL
    hopped = check(Bundle.from_bytes(make(stops=("oslo", "lima")).to_bytes()), audience="lima", last_epoch=1)
    assert (hopped.passport.epoch, str(hopped.passport.sender)) == (2, "place:oslo")
    assert hopped.digest == hopped.passport.hops[-1].manifest


blobs = st.binary(max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    content=st.builds(
        Content,
        code=st.lists(blobs, max_size=3, unique=True).map(tuple),
        state=blobs,
        buffers=st.lists(blobs, max_size=5).map(tuple),
        preview=st.none() | blobs,
        writable=st.booleans(),
        luggage=st.none() | blobs,
    ),
    stops=st.lists(st.sampled_from(["oslo", "lima"]), max_size=2),
    mutable=st.booleans(),
    sealed=st.booleans(),
    omitted=st.booleans(),
)
def test_round_trip(content: Content, stops: list[str], mutable: bool, sealed: bool, omitted: bool) -> None:
    """Whatever it holds, open or sealed, with its code or without, from memory of any kind."""
    made = make(content, stops, seal_to=TO_LIMA if sealed else None, omits_code=omitted)
    data = made.to_bytes()
    assert len(data) == made.size
    read = Bundle.from_bytes(bytearray(data) if mutable else memoryview(data))
    assert read.to_bytes() == data
    audience = stops[-1] if stops else None
    codes = {digest: one for digest, one in zip(made.claims().code, content.code, strict=True)}
    for one in (made, read):
        verified = contents(one, audience=audience, identity=LIMA if sealed else None, codes=codes.get)
        assert replace(verified, writable=content.writable) == content


def test_reading_copies_no_payload() -> None:
    """A bundle of gigabytes is read without being held twice."""
    data = make(Content(state=bytes(4_000_000))).to_bytes()
    tracemalloc.start()
    try:
        Bundle.from_bytes(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_verifying_copies_no_payload() -> None:
    """The state and the buffers are where they were read."""
    state = bytes(4_000_000)
    data = make(Content(state=state, buffers=(state,))).to_bytes()
    tracemalloc.start()
    try:
        verified = check(Bundle.from_bytes(data))
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert verified.state.obj is data


def test_ten_gigabytes_declared_in_a_hundred_bytes() -> None:
    """Nothing is allocated for what has only been declared, whichever length declares it."""
    for lengths in ((0, 0, 10 << 30), (10 << 20, 10 << 20, 10 << 30), (76, 0, 0), (0, 0, 2**64 - 1), (2**32 - 1, 0, 0)):
        numbers = [length.to_bytes(size, "big") for length, size in zip(lengths, (4, 4, 8), strict=True)]
        data = (b"SJB1" + bytes(4) + b"".join(numbers)).ljust(100, b"\0")
        tracemalloc.start()
        try:
            with pytest.raises((BundleInvalid, TooLarge, EnvelopeInvalid)):
                Bundle.from_bytes(data)
            assert tracemalloc.get_traced_memory()[1] < 20_000
        finally:
            tracemalloc.stop()


def test_a_mapped_file_is_refused(tmp_path: Path) -> None:
    """Whoever can write to the file could change it after it was verified."""
    BUNDLE.write(tmp_path / "a.sojourn")
    with open(tmp_path / "a.sojourn", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        with pytest.raises(TypeError, match=r"Bundle\.read"):
            Bundle.from_bytes(mapped)  # type: ignore[arg-type]


# -- framing ----------------------------------------------------------------------------------------------------------


def test_the_header_is_as_documented() -> None:
    """Another implementation must be able to read it."""
    passport = BUNDLE.passport.to_bytes()
    payload = b"".join(SMALL.views)
    assert HEADER_BYTES == 24
    assert DATA == b"".join(
        [
            b"SJB1\0\0\0\0",
            len(passport).to_bytes(4, "big"),
            len(BUNDLE.manifest).to_bytes(4, "big"),
            len(payload).to_bytes(8, "big"),
            passport,
            BUNDLE.manifest,
            payload,
        ]
    )
    assert BUNDLE.without_code().to_bytes()[:8] == b"SJB1\1\0\0\0"


@pytest.mark.parametrize("at", range(8))
def test_marks_that_version_1_does_not_know(at: int) -> None:
    """A later version may give them a meaning; this one must not guess."""
    for bit in range(8):
        data = bytearray(DATA)
        data[at] ^= 1 << bit
        if (at, bit) != (4, 0):
            refused(BundleInvalid, lambda: Bundle.from_bytes(data))


def test_limits() -> None:
    """Each length against its own field, before anything is made of it."""
    passport, manifest, payload = len(BUNDLE.passport.to_bytes()), len(BUNDLE.manifest), BUNDLE.payload.size
    for field, most in (("envelope_bytes", passport), ("body_bytes", manifest), ("total_bytes", payload)):
        assert Bundle.from_bytes(DATA, Limits(**{field: most})).size == len(DATA)
        assert refused(TooLarge, lambda: Bundle.from_bytes(DATA, Limits(**{field: most - 1}))).field == field
    for field in ("body_bytes", "total_bytes", "segments", "code_bytes", "chunk_bytes"):
        error = refused(TooLarge, lambda: check(BUNDLE, limits=Limits(**{field: 0})))
        assert error.field == field


# -- verifying --------------------------------------------------------------------------------------------------------


def test_checks_come_in_their_order() -> None:
    """Of two things that are wrong the one that is cheaper, or protects the other, is found; mended one by one."""
    stops = ("oslo", "lima")
    sound = make(stops=stops)
    options: dict[str, Any] = {"audience": "baku", "now": NOW + 2 * DAY, "last_epoch": 2}
    wrong_manifest = manifest_of(SMALL, 2, agent="another").to_bytes()
    payload = Parts((memoryview(b"".join(SMALL.views)[:-1] + b"!!"),))
    bad = replace(with_manifest(sound, wrong_manifest, stops), manifest=b"null", payload=payload)
    torn = replace(bad.passport.hops[-1], body=b"null")
    broken = replace(bad, passport=replace(bad.passport, hops=(*bad.passport.hops[:-1], torn)))

    refused(TooLarge, lambda: check(broken, **options, limits=Limits(hops=1)))
    refused(BadSignature, lambda: check(broken, **options))
    odd = Envelope.sign(torn.payload_type, b"null", LIMA)
    unread = replace(bad, passport=replace(bad.passport, hops=(*bad.passport.hops[:-1], odd)))
    refused(SchemaError, lambda: check(unread, **options))
    refused(Expired, lambda: check(bad, **options))
    options["now"] = NOW
    refused(WrongAudience, lambda: check(bad, **options))
    options["audience"] = "lima"
    refused(StaleEpoch, lambda: check(bad, **options))
    options["last_epoch"] = 1
    huge = replace(bad, manifest=bytes(5000))
    assert refused(TooLarge, lambda: check(huge, **options, limits=Limits(body_bytes=4000))).field == "body_bytes"
    assert refused(ManifestMismatch, lambda: check(huge, **options)).field == "digest"
    assert refused(ManifestMismatch, lambda: check(bad, **options)).field == "digest"
    disagreeing = replace(bad, manifest=wrong_manifest)
    assert refused(ManifestMismatch, lambda: check(disagreeing, **options)).field == "agent"
    long = replace(sound, payload=payload)
    assert refused(SegmentMismatch, lambda: check(long, **options)).kind == "payload"
    last = replace(sound, payload=Parts((memoryview(b"".join(SMALL.views)[:-1] + b"!"),)))
    assert refused(SegmentMismatch, lambda: check(last, **options)).kind == "preview"
    assert check(sound, **options)


def test_the_manifest_agrees_with_the_passport() -> None:
    """A sending place signs the manifest, and can give it neither another agent, epoch or entry, nor other code."""
    for stops, audience in (((), None), (("oslo",), "oslo")):
        for field, value in (("agent", "another"), ("epoch", 7), ("entry_point", "survey:other")):
            manifest = manifest_of(SMALL, **{"epoch": len(stops), field: value}).to_bytes()
            error = refused(ManifestMismatch, lambda: check(with_manifest(BUNDLE, manifest, stops), audience=audience))
            assert error.field == field and str(value) in str(error)


def test_code_that_the_owner_did_not_sign() -> None:
    """More, less, or other code than the birth certificate names, though everything fits in itself."""
    for code in ((), (b"other",), (SOURCE, b"more"), (b"more", SOURCE)):
        content = replace(SMALL, code=code)
        manifest = manifest_of(content, 1).to_bytes()
        bundle = Bundle.assemble(passport_for(manifest, ["oslo"]), manifest, content.views)
        error = refused(CodeAltered, lambda: check(bundle, audience="oslo"))
        assert error.agent == "surveyor-1" and len(error.found) == len(code)


def test_audience() -> None:
    """Named, it must be the right one; not named, the bundle must be addressed to nobody."""
    addressed, open_to_all = make(stops=("oslo",)), make(stops=("oslo", None))
    assert check(addressed, audience="oslo")
    assert "this is lima" in str(refused(WrongAudience, lambda: check(addressed, audience="lima")))
    error = refused(WrongAudience, lambda: check(addressed))
    assert error.audience is None and "no place was named" in str(error) and "Open it as oslo" in str(error)
    at_home = make(born={"home": "baku"})
    assert check(at_home, audience="baku")
    refused(WrongAudience, lambda: check(at_home))
    for audience in (None, "lima", "elsewhere"):
        assert check(open_to_all, audience=audience) and check(BUNDLE, audience=audience)


def test_signers() -> None:
    """Nobody's word counts who is not in the list."""
    refused(UntrustedSigner, lambda: BUNDLE.verify(TrustList(), now=NOW))
    refused(Expired, lambda: BUNDLE.verify(trusted(), now=NOW + 2 * DAY))
    assert STRANGER.key_id not in TRUST.entries


def test_now_is_the_clock_unless_given() -> None:
    """A bundle whose time is past is refused without being asked for."""
    past = make(born={"not_before": 0, "not_after": 1})
    refused(Expired, lambda: past.verify(TRUST))
    assert past.verify(TRUST, now=1)


@pytest.mark.parametrize("cuts", [[1], [3, 3], [44, 5, 12], [49], [0, 44, 0]])
def test_segments_in_parts_of_any_cut(cuts: list[int]) -> None:
    """Where a segment lies across two pieces of memory, it is joined."""
    joined, views = b"".join(SMALL.views), []
    for size in cuts:
        views.append(memoryview(joined[:size]))
        joined = joined[size:]
    assert contents(replace(BUNDLE, payload=Parts((*views, memoryview(joined))))) == SMALL


# -- code that is left out --------------------------------------------------------------------------------------------


def test_without_code() -> None:
    """A place that knows the code is sent none of it; the signatures are the same."""
    two = make(replace(SMALL, code=(SOURCE, b"more")))
    known = dict(zip(two.claims().code, (SOURCE, b"more"), strict=True))
    bare = Bundle.from_bytes(two.without_code().to_bytes())
    assert bare.size == two.size - len(SOURCE) - 4 and bare.omits_code and bare.without_code() is bare
    assert bare.passport == two.passport and bare.manifest == two.manifest
    assert check(bare, codes=known.get).code == (SOURCE, b"more")
    for codes in (None, {}.get, {known_digest: SOURCE for known_digest in list(known)[:1]}.get):
        error = refused(CodeMissing, lambda: check(bare, codes=codes))
        assert set(error.digests) <= {digest.hex() for digest in known}
    assert len(refused(CodeMissing, lambda: check(bare)).digests) == 2


def test_code_is_not_asked_for_when_it_came_along() -> None:
    """What is known here never takes the place of what was sent."""

    def never(digest: bytes) -> bytes:
        raise AssertionError("asked")

    assert check(BUNDLE, codes=never).code == (SOURCE,)


def test_without_code_only_of_what_fits() -> None:
    """Else bytes of the state would be cut off as code."""
    refused(SegmentMismatch, lambda: replace(BUNDLE, payload=Parts((memoryview(b"x"),))).without_code())
    refused(SchemaError, lambda: replace(BUNDLE, manifest=b"{}").without_code())
    refused(SealedBundle, lambda: make(seal_to=TO_LIMA).without_code())


# -- memory -----------------------------------------------------------------------------------------------------------


def test_only_verifying_makes_a_verified_bundle() -> None:
    """The type is the proof."""
    import copy
    import pickle

    from mobility.bundle import VerifiedBundle

    verified = check(BUNDLE)
    fields = {name: getattr(verified, name) for name in ("bundle", "manifest", "passport", "code", "state", "buffers")}
    with pytest.raises(TypeError, match="by verifying"):
        VerifiedBundle(**fields, preview=None, luggage=None, proof=object(), _own=())
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            duplicate(verified)  # type: ignore[operator]


def test_writable_buffers() -> None:
    """Writable where they were; the agent that was sent, and a second one, never share the memory."""
    mine = bytearray(b"abc")
    content = Content(buffers=(b"abc", b"def"))
    entries = content.entries()
    entries = (*entries[:-1], replace(entries[-1], writable=False))
    manifest = manifest_of(content, 0, segments=entries).to_bytes()
    passport = passport_for(manifest)
    assembled = Bundle.assemble(passport, manifest, [SOURCE, b"state", mine, b"def"])

    verified = check(assembled)
    assert all(view.readonly for view in (*verified.buffers, verified.state))
    first, second = verified.writable_buffers(), verified.writable_buffers()
    assert [view.readonly for view in first] == [False, True]
    first[0][0] = 0x41
    assert (bytes(first[0]), bytes(second[0]), mine) == (b"Abc", b"abc", b"abc")

    owned = bytearray(assembled.to_bytes())
    for bundle in (Bundle.from_bytes(owned), Bundle.from_bytes(memoryview(bytearray(owned)))):
        verified = check(bundle)
        assert all(view.readonly for view in (*verified.buffers, verified.state))
        (taken, fixed) = verified.writable_buffers()
        assert (taken.readonly, fixed.readonly) == (False, True)
        refused(BundleSpent, verified.writable_buffers)


def test_memory_is_handed_out_in_place_where_arrays_can_use_it() -> None:
    """Without a copy where the address is right for any number; else with one."""
    places = set()
    for length in range(1, 33):
        content = Content(state=b"s" * length, buffers=(bytes(64),))
        bundle = Bundle.from_bytes(bytearray(make(content).to_bytes()))
        verified = check(bundle)
        (taken,) = verified.writable_buffers()
        assert ctypes.addressof(ctypes.c_char.from_buffer(taken)) % 16 == 0
        taken[0] = 1
        places.add(in_place := verified.buffers[0][0] == 1)
        if in_place:
            refused(SegmentMismatch, lambda: check(bundle))
    assert places == {True, False}


def test_memory_of_the_agent_that_is_sent_is_never_handed_out() -> None:
    """A payload that was not received is somebody else's memory, however the bundle was put together."""
    mine = [bytearray(view) for view in SMALL.views]
    verified = check(replace(BUNDLE, payload=Parts(tuple(map(memoryview, mine)))))
    taken = verified.writable_buffers()[0]
    taken[0] ^= 0xFF
    assert mine[2] == SMALL.buffers[0] and bytes(verified.buffers[0]) == SMALL.buffers[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no other way to inherit memory")
def test_a_forked_process_does_not_write_into_the_bundle() -> None:
    """Its copy of an agent is its own, as with any other memory."""
    code = (
        "import os\nfrom mobility.bundle._memory import allocate\nview = allocate(2 << 20)\n"
        "child = os.fork()\nif not child:\n    view[0] = 1\n    os._exit(0)\n"
        "os.waitpid(child, 0)\nprint(view[0])"
    )
    root = str(Path(__file__).resolve().parents[3])
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert (answer.stdout, answer.stderr) == ("0\n", "")


def test_no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A refusal that says so, not a crash."""
    from mobility.bundle import _memory

    def full(*arguments: object, **options: object) -> Any:
        raise OSError(12, "Cannot allocate memory")

    large = make(Content(state=bytes(2 << 20)))
    large.write(tmp_path / "a.sojourn")
    monkeypatch.setattr(_memory.mmap, "mmap", full)
    assert refused(NoMemory, lambda: Bundle.read(tmp_path / "a.sojourn")).size == large.size


# -- files ------------------------------------------------------------------------------------------------------------


def test_written_and_read(tmp_path: Path) -> None:
    """The file has the same bytes as the wire, and is its owner's alone."""
    for name, bundle in (("small", BUNDLE), ("large", make(Content(state=bytes(3 << 20))))):
        path = tmp_path / name
        bundle.write(path)
        assert path.read_bytes() == bundle.to_bytes()
        read = Bundle.read(str(path))
        assert check(read).digest == check(bundle).digest
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["large", "small"]


def test_a_file_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    """It may be the only copy of an agent."""
    path = tmp_path / "a.sojourn"
    path.write_bytes(b"precious")
    assert "replace=True" in str(refused(BundleFileError, lambda: BUNDLE.write(path)))
    assert path.read_bytes() == b"precious"
    BUNDLE.write(path, replace=True)
    assert path.read_bytes() == DATA
    assert [one.name for one in tmp_path.iterdir()] == ["a.sojourn"]


@pytest.mark.parametrize("failing", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, failing: BaseException) -> None:
    """Neither half a bundle under its name, nor another file."""

    class Torn:
        size = 10

        def pieces(self) -> Any:
            yield memoryview(b"12345")
            raise failing

    path = tmp_path / "a.sojourn"
    path.write_bytes(b"before")
    with pytest.raises((BundleFileError, KeyboardInterrupt)):
        replace(BUNDLE, payload=Torn()).write(path, replace=True)
    assert [one.name for one in tmp_path.iterdir()] == ["a.sojourn"] and path.read_bytes() == b"before"


def test_writing_joins_nothing(tmp_path: Path) -> None:
    """Gigabytes go out part by part."""
    bundle = make(Content(state=bytes(4_000_000), buffers=(bytes(4_000_000),)))
    tracemalloc.start()
    try:
        bundle.write(tmp_path / "a.sojourn")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_where_no_file_can_be(tmp_path: Path) -> None:
    """The system's word is passed on, within the tree."""
    error = refused(BundleFileError, lambda: BUNDLE.write(tmp_path / "none" / "a.sojourn"))
    assert "No such file" in str(error) and "unharmed" in error.state
    refused(BundleFileError, lambda: Bundle.read(tmp_path / "none"))


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices with names are of POSIX")
def test_what_is_no_regular_file(tmp_path: Path) -> None:
    """A pipe would block, a device never end; and nothing waits for a writer."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        refused(BundleFileError, lambda: Bundle.read(path))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(BundleFileError, lambda: Bundle.read(tmp_path / "loop"))


def test_a_link_to_a_bundle_is_followed(tmp_path: Path) -> None:
    """People keep links; what is judged is the file that was opened."""
    BUNDLE.write(tmp_path / "a.sojourn")
    (tmp_path / "link").symlink_to("a.sojourn")
    assert check(Bundle.read(tmp_path / "link"))


def test_files_that_are_no_bundles(tmp_path: Path) -> None:
    """Found from the first bytes, before memory is taken for the rest; and a size that does not fit."""
    path = tmp_path / "a.sojourn"
    for data in (b"", b"SJB1", bytes(1000), DATA[:-1], DATA + b"x"):
        path.write_bytes(data)
        refused(BundleInvalid, lambda: Bundle.read(path))
    with open(path, "wb") as file:
        file.truncate(10 << 30)  # takes no room on the disk
    tracemalloc.start()
    try:
        refused(BundleInvalid, lambda: Bundle.read(path))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a bundle is none."""
    path = tmp_path / "a.sojourn"
    BUNDLE.write(path)

    def shrinking(size: int) -> memoryview:
        os.truncate(path, 100)
        return memoryview(bytearray(size))

    monkeypatch.setattr(bundle_module, "allocate", shrinking)
    assert "shorter" in str(refused(BundleInvalid, lambda: Bundle.read(path)))


# -- looking ----------------------------------------------------------------------------------------------------------


def test_claims_are_shown_without_trust() -> None:
    """What `sojourn inspect` shows of a bundle from anybody."""
    assert BUNDLE.claims() == manifest_of(SMALL, 0)
    refused(SchemaError, lambda: replace(BUNDLE, manifest=b"{}").claims())


@pytest.mark.parametrize("stops", [(), ("oslo", "lima")])
def test_the_last_link_as_standard_json(stops: tuple[str, ...]) -> None:
    """Other tools read DSSE, and find the digest of the manifest in it."""
    bundle = make(stops=stops)
    value = json.loads(bundle.envelope_json())
    assert set(value) == {"payload", "payloadType", "signatures"}
    link = Envelope.from_json(bundle.envelope_json())
    assert link == (bundle.passport.hops or (bundle.passport.birth,))[-1]
    assert check(bundle, audience=stops[-1] if stops else None).digest.hex().encode() in link.body


def test_what_is_secret_is_not_in_a_repr() -> None:
    """A bundle that is logged does not print its state."""
    assert "state" not in repr(BUNDLE) and OWNER.key_id[:16] in repr(BUNDLE)


def test_a_callable_that_is_no_source_of_code_fails_itself() -> None:
    """An error of the caller's own function is not taken for a refusal."""

    def broken(digest: bytes) -> bytes:
        raise ZeroDivisionError

    fails: Callable[[], object] = lambda: check(BUNDLE.without_code(), codes=broken)
    with pytest.raises(ZeroDivisionError):
        fails()
