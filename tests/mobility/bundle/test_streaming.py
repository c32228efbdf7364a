"""A bundle is checked while it comes in, and no more of it is read or held than has been earned."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.bundle import VerifiedBundle, receive
from mobility.bundle.chunks import CHUNK
from mobility.bundle.errors import (
    BundleFileError,
    BundleInvalid,
    BundleSpent,
    CodeAltered,
    CodeMissing,
    ManifestMismatch,
    SealedBundle,
    SegmentMismatch,
)
from mobility.bundle.framing import HEADER_BYTES
from mobility.bundle.payload import Parts
from mobility.trust.errors import BadSignature, TooLarge, TrustError, WrongAudience, WrongRecipient
from mobility.trust.limits import MIB, Limits
from mobility.trust.trustlist import TrustList
from tests.mobility.bundle.bundles import SOURCE, TO_LIMA, TRUST, Content, Reader, make, refused
from tests.mobility.trust.people import BAKU, LIMA, NOW

BUNDLE = make()
DATA = BUNDLE.to_bytes()
SEALED = make(seal_to=TO_LIMA)


def take(data: Any, **options: Any) -> VerifiedBundle:
    stream = io.BytesIO(data) if isinstance(data, bytes | bytearray) else data
    return receive(stream, TRUST, **{"now": NOW, **options})


blobs = st.binary(max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    content=st.builds(
        Content,
        state=blobs,
        buffers=st.lists(blobs, max_size=4).map(tuple),
        preview=st.none() | blobs,
        luggage=st.none() | blobs,
    ),
    step=st.integers(1, 300),
    sealed=st.booleans(),
    omitted=st.booleans(),
)
def test_like_verify(content: Content, step: int, sealed: bool, omitted: bool) -> None:
    """However the bytes come: the same verdict, and the same content."""
    made = make(content, ["lima"], seal_to=TO_LIMA if sealed else None, omits_code=omitted)
    options: dict[str, Any] = {"audience": "lima", "identity": LIMA, "codes": lambda digest: SOURCE}
    for stream in (io.BytesIO(made.to_bytes()), Reader(made.to_bytes(), step)):
        verified = take(stream, **options)
        assert verified.manifest == made.claims() and verified.code == (SOURCE,)
        assert (bytes(verified.state), tuple(map(bytes, verified.buffers))) == (content.state, content.buffers)
        assert (verified.preview is None) == (content.preview is None)
        assert (None if verified.luggage is None else bytes(verified.luggage)) == content.luggage
        if sealed:
            refused(SealedBundle, verified.bundle.to_bytes)
        else:
            assert verified.bundle.to_bytes() == made.to_bytes()


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_several_chunks(sealed: bool) -> None:
    """With threads at work: whole, in writable memory of its own, and handed out once."""
    state = bytes(range(256)) * (9 * MIB // 256)
    content = Content(state=state, buffers=(b"", state[: 8 * MIB], b"end"), preview=b"shown")
    before = threading.active_count()
    verified = take(make(content, seal_to=TO_LIMA if sealed else None).to_bytes(), identity=LIMA)
    assert threading.active_count() == before
    assert verified.state == state and verified.buffers[1] == state[: 8 * MIB] and verified.preview == b"shown"
    (_, large, small) = verified.writable_buffers()
    assert not large.readonly and bytes(small) == b"end"
    refused(BundleSpent, verified.writable_buffers)


# -- what is read when ------------------------------------------------------------------------------------------------


def test_the_payload_is_not_touched_before_the_signatures() -> None:
    """Whoever has no trusted key makes nobody read more than a passport."""
    passport_end = HEADER_BYTES + len(BUNDLE.passport.to_bytes())
    manifest_end = passport_end + len(BUNDLE.manifest)
    stream = Reader(DATA)
    with pytest.raises(TrustError):
        receive(stream, TrustList(), now=NOW)
    assert stream.given == passport_end
    elsewhere = make(stops=["oslo"])
    stream = Reader(elsewhere.to_bytes())
    refused(WrongAudience, lambda: take(stream))
    assert stream.given == HEADER_BYTES + len(elsewhere.passport.to_bytes())
    stream = Reader(replace(BUNDLE, manifest=BUNDLE.manifest + b" ").to_bytes())
    refused(ManifestMismatch, lambda: take(stream))
    assert stream.given == manifest_end + 1
    for error, bundle, options in (
        (SegmentMismatch, replace(BUNDLE, payload=Parts((memoryview(bytes(99)),))), {}),
        (CodeMissing, BUNDLE.without_code(), {}),
        (CodeAltered, BUNDLE.without_code(), {"codes": lambda digest: b"poisoned"}),
        (SealedBundle, SEALED, {}),
        (WrongRecipient, SEALED, {"identity": BAKU}),
    ):
        stream = Reader(bundle.to_bytes())
        refused(error, lambda: take(stream, **options))
        assert stream.given == bundle.size - bundle.payload.size


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_reading_stops_at_the_first_bad_chunk(sealed: bool) -> None:
    """Of 64 MiB no more is read than a few chunks beyond it."""
    bundle = make(Content(state=bytes(8 * CHUNK)), seal_to=TO_LIMA if sealed else None)
    data = bytearray(bundle.to_bytes())
    start = len(data) - bundle.payload.size
    data[start + CHUNK + 1000] ^= 1
    stream = Reader(bytes(data), 1 << 20)
    before = threading.active_count()
    error = refused(SegmentMismatch, lambda: take(stream, identity=LIMA))
    assert (error.kind, error.index, error.chunk) == ("sealed" if sealed else "state", 0, 1)
    assert stream.given < start + 8 * CHUNK
    assert threading.active_count() == before


def test_memory_follows_what_arrives() -> None:
    """A stream that declares much and ends early has made nobody take much."""
    for lengths in ((30 << 20, 0, 0), (10, 10 << 20, 60 << 30)):
        numbers = b"".join(length.to_bytes(size, "big") for length, size in zip(lengths, (4, 4, 8), strict=True))
        data = (b"SJB1" + bytes(4) + numbers).ljust(100, b"\0")
        tracemalloc.start()
        try:
            with pytest.raises((BundleInvalid, TrustError)):
                take(data)
            assert tracemalloc.get_traced_memory()[1] < 100_000
        finally:
            tracemalloc.stop()


# -- ends -------------------------------------------------------------------------------------------------------------


def test_cut_at_every_byte() -> None:
    """The end comes too early, wherever it comes; how far it got is said."""
    for data, options in ((DATA, {}), (SEALED.to_bytes(), {"identity": LIMA})):
        for end in range(len(data)):
            with pytest.raises((BundleInvalid, TrustError)) as caught:
                take(data[:end], **options)
            if end >= HEADER_BYTES:
                assert f"after {end} of {len(data)} bytes" in str(caught.value)


def test_what_follows() -> None:
    """Nothing may, unless the stream is said to go on."""
    assert "follow" in str(refused(BundleInvalid, lambda: take(DATA + b"x")))
    stream = io.BytesIO(DATA + DATA + b"rest")
    for _ in range(2):
        assert take(stream, ends=False)
    assert stream.read() == b"rest"


def test_from_a_socket() -> None:
    """Which stays open, and gives pieces of its own size."""
    ours, theirs = socket.socketpair()
    large = make(Content(state=bytes(3 * MIB))).to_bytes()
    with ours, theirs, theirs.makefile("rb") as stream:
        sender = threading.Thread(target=lambda: [ours.sendall(data) for data in (DATA, large)])
        sender.start()
        assert take(stream, ends=False).manifest == BUNDLE.claims()
        assert len(take(stream, ends=False).state) == 3 * MIB
        sender.join()
        ours.shutdown(socket.SHUT_WR)
        refused(BundleInvalid, lambda: take(stream))


def test_from_a_file(tmp_path: Path) -> None:
    """The way for files that are too large to be read twice."""
    BUNDLE.write(tmp_path / "a.sojourn")
    for buffering in (-1, 0):
        with open(tmp_path / "a.sojourn", "rb", buffering=buffering) as file:
            assert take(file).bundle.to_bytes() == DATA


def test_a_connection_that_breaks() -> None:
    """The system's error comes within the tree."""

    class Broken(Reader):
        def read(self, size: int) -> bytes:
            if self.given > 1000:
                raise ConnectionResetError(104, "Connection reset by peer")
            return super().read(size)

    error = refused(BundleFileError, lambda: take(Broken(DATA, 100)))
    assert "Connection reset" in str(error) and isinstance(error.__cause__, OSError)


def test_streams_that_are_none() -> None:
    """Mistakes of the program, not of the sender."""

    class Impatient:
        def read(self, size: int) -> None:
            return None

    class Generous:
        def read(self, size: int) -> bytes:
            return bytes(size + 1)

    for stream in (Impatient(), Generous()):
        with pytest.raises(ValueError, match="the stream"):
            take(stream)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_flipped_bits() -> None:
    """One of each byte; the full sweep is made of `Bundle.verify`."""
    for at in range(len(DATA)):
        data = bytearray(DATA)
        data[at] ^= 1 << at % 8
        with pytest.raises((BundleInvalid, TrustError, ManifestMismatch, SegmentMismatch, CodeMissing)):
            take(data)


def test_limits() -> None:
    """The header is judged before a byte of the rest is read."""
    for field in ("envelope_bytes", "body_bytes", "total_bytes"):
        stream = Reader(DATA)
        assert refused(TooLarge, lambda: take(stream, limits=Limits(**{field: 10}))).field == field
        assert stream.given == HEADER_BYTES


def test_altered_passport() -> None:
    """Before the manifest is read."""
    data = bytearray(DATA)
    at = bytes(data).index(b'"entry_point"') + 20
    data[at] ^= 1
    refused(BadSignature, lambda: take(data))


# -- how much memory --------------------------------------------------------------------------------------------------

PEAK = """
import sys
from pathlib import Path
from mobility.bundle import receive, sealed_payload
from mobility.trust import Identity, Role, TrustList
what, folder = sys.argv[1], Path(sys.argv[2])
trust = TrustList.from_bytes((folder / "trust").read_bytes())
lima = Identity.load(folder / "lima")
now = int(sys.argv[3])
def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))
def warm():
    # What the libraries take when they are first used is not the bundle's.
    part, payload = sealed_payload([b"x"], trust.lookup(lima.key_id, Role.PLACE, now, 0), b"")
warm()
if what == "seal":
    views = [b"x" * (100 << 20)] * 2
    before = status("VmRSS")
    made = sealed_payload(views, trust.lookup(lima.key_id, Role.PLACE, now, 0), b"context")
else:
    before = status("VmRSS")
    with open(folder / what, "rb") as file:
        made = receive(file, trust, now=now, identity=lima)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of a process is read from /proc")
def test_peak_of_memory(tmp_path: Path) -> None:
    """Of 200 MiB: received, 1.1 times as much; opened, a few chunks more; to seal, what is not yet in the file."""
    size = 200 * MIB
    LIMA.save(tmp_path / "lima")
    (tmp_path / "trust").write_bytes(TRUST.to_bytes())
    state = b"x" * (size // 2)
    content = Content(state=state, buffers=(state,))
    make(content).write(tmp_path / "open")
    make(content, seal_to=TO_LIMA).write(tmp_path / "sealed")
    for what, most in (("open", size * 1.1), ("sealed", size + 6 * CHUNK), ("seal", 64 * MIB + 12 * CHUNK)):
        answer = subprocess.run(
            [sys.executable, "-c", PEAK, what, str(tmp_path), str(NOW)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert answer.returncode == 0, answer.stderr
        assert int(answer.stdout) <= most, f"{what}: {int(answer.stdout) / MIB:.0f} MiB"
