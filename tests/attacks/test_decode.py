"""Attacks by what would be decoded: none of it runs before the signatures hold, nor where only plain data is read."""

from __future__ import annotations

import copyreg
import os
import pickle
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import mobility.data.segment
from agents.cli.claims import examine
from agents.cli.suspended import variables
from mobility import Bundle, Identity, TrustStore, pack, resumable, unpack
from mobility.bundle import SegmentKind
from mobility.bundle.errors import BundleError, SegmentMismatch
from mobility.code import CodeSegment, LoadFailed, ShippedModule, open_namespace
from mobility.data import StateInvalid, decode_unit
from mobility.errors import MobilityError
from mobility.plain import PlainInvalid
from mobility.plain import decode as decode_plain
from mobility.trust.errors import UntrustedSigner


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def reduce_gadget(canary: str) -> bytes:
    """A call of any function."""
    return b"\x80\x05" + _global("os", "mkdir") + _text(canary) + b"\x85R."


def ext_gadget(canary: str) -> bytes:
    """The extension registry names what is called, so that no name stands in the pickle."""
    return b"\x80\x05\x82\xf0" + _text(canary) + b"\x85R."


def build_gadget(canary: str) -> bytes:
    """BUILD calls ``__setstate__``: here one that was planted on a class by BUILD itself."""
    kind = _global(__name__, "Planted")
    planted = kind + b"N}" + _text("__setstate__") + _global("os", "mkdir") + b"s\x86b0"
    return b"\x80\x05" + planted + kind + b")R" + _text(canary) + b"b."


class Planted:
    """A class of the host that BUILD changes."""


def dotted_gadget(canary: str) -> bytes:
    """A name with dots reaches through any module that is allowed by its prefix."""
    return b"\x80\x05" + _global("shutil", "os.mkdir") + _text(canary) + b"\x85R."


def memo_bomb(_: str) -> bytes:
    """An index that makes the memo grow to gigabytes."""
    return b"\x80\x05Nr\xff\xff\xff\x7f."


def shared_reference_blow_up(_: str) -> bytes:
    """Ten lists, each ten times the one before: small, until somebody walks it."""
    value: Any = ["x"]
    for _level in range(30):
        value = [value] * 10
    return pickle.dumps(value)


def hash_flood(_: str) -> bytes:
    """Many keys with one hash."""
    return pickle.dumps({n * ((1 << 61) - 1): None for n in range(5000)})


def object_dtype(canary: str) -> bytes:
    """An array whose elements are pickled objects."""

    class Gadget:
        def __reduce__(self) -> Any:
            return os.mkdir, (canary,)

    return pickle.dumps(numpy.array([Gadget()], dtype=object))


def shape_overflow(_: str) -> bytes:
    """A shape whose product wraps around."""
    made = pickle.dumps(numpy.zeros((2, 2)), protocol=4)
    return made.replace(b"K\x02K\x02\x86", b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40K\x04\x86")


GADGETS: dict[str, Callable[[str], bytes]] = {
    "REDUCE": reduce_gadget,
    "EXT": ext_gadget,
    "BUILD": build_gadget,
    "dotted": dotted_gadget,
    "memo bomb": memo_bomb,
    "hash flood": hash_flood,
    "shared-reference blow-up": shared_reference_blow_up,
    "object dtype": object_dtype,
    "shape overflow": shape_overflow,
}
ACTIVE = ("REDUCE", "EXT", "BUILD", "dotted", "object dtype")


class Thing:
    """What is honestly sent."""

    def __init__(self) -> None:
        self.text = "x" * 70_000  # so that each gadget fits in its place


@resumable
def waiting() -> Any:
    secret = 1
    yield
    return secret


class World:
    def __init__(self, folder: Path) -> None:
        self.canary = folder / "canary"
        self.owner = Identity.generate("owner", "owner")
        self.stranger = Identity.generate("stranger", "owner")
        self.trust = TrustStore(folder / "trust")
        self.trust.trust(self.owner.public)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """With the extension code of the EXT gadget registered: the attack must be able to work."""
    monkeypatch.setitem(copyreg._extension_registry, ("os", "mkdir"), 0xF0)  # type: ignore[attr-defined]  # private
    monkeypatch.setitem(copyreg._inverted_registry, 0xF0, ("os", "mkdir"))  # type: ignore[attr-defined]  # private
    return World(tmp_path)


@pytest.fixture
def nothing_decoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Whether anything was unpickled, or any shipped code loaded, since."""
    used: list[str] = []

    class Watching(pickle.Unpickler):
        def load(self) -> Any:
            used.append("load")
            return super().load()

    monkeypatch.setattr(pickle, "loads", lambda *a, **k: used.append("loads"))
    monkeypatch.setattr(pickle, "Unpickler", Watching)
    monkeypatch.setattr(mobility.data.segment, "_UnitUnpickler", lambda *a, **k: used.append("unit"))
    monkeypatch.setattr("mobility.bundle.unpacking.open_namespace", lambda *a, **k: used.append("code"))
    return lambda: not used


def _with_state(bundle: Bundle, state: bytes) -> Bundle:
    """The same bundle, with another state of the same length in its place."""
    manifest = bundle.claims()
    pieces = []
    data = b"".join(bundle.payload.pieces())
    for entry in manifest.segments:
        piece, data = data[: entry.size], data[entry.size :]
        if entry.kind is SegmentKind.STATE:
            assert len(state) <= entry.size
            piece = state.ljust(entry.size, b".")
        pieces.append(piece)
    return Bundle.assemble(bundle.passport, bundle.manifest, pieces)


@pytest.mark.parametrize("name", ACTIVE)
def test_the_gadget_would_work(name: str, world: World) -> None:
    """Else the tests below would prove nothing."""
    gadget = GADGETS[name](str(world.canary))
    try:
        pickle.loads(gadget)
    finally:
        if "__setstate__" in vars(Planted):
            del Planted.__setstate__  # type: ignore[attr-defined]  # planted by the gadget
    assert world.canary.exists()


@pytest.mark.parametrize("name", GADGETS)
def test_in_a_bundle_of_a_stranger(name: str, world: World, nothing_decoded: Callable[[], bool]) -> None:
    honest = pack(Thing(), by=world.stranger)
    size = next(entry.size for entry in honest.claims().segments if entry.kind is SegmentKind.STATE)
    gadget = GADGETS[name](str(world.canary))
    assert len(gadget) <= size
    bundle = _with_state(honest, gadget)
    with pytest.raises(UntrustedSigner):
        Bundle.from_bytes(bundle.to_bytes()).verify(world.trust)
    assert nothing_decoded() and not world.canary.exists()


@pytest.mark.parametrize("name", ACTIVE)
def test_in_place_of_what_was_signed(name: str, world: World, nothing_decoded: Callable[[], bool]) -> None:
    bundle = _with_state(pack(Thing(), by=world.owner), GADGETS[name](str(world.canary)))
    with pytest.raises(SegmentMismatch) as refusal:
        Bundle.from_bytes(bundle.to_bytes()).verify(world.trust)
    assert refusal.value.kind == "state"
    assert nothing_decoded() and not world.canary.exists()


def test_no_opcode_runs_before_verification(world: World, nothing_decoded: Callable[[], bool]) -> None:
    """Nor while a good bundle is read, looked at and verified."""
    data = pack(Thing(), by=world.owner).to_bytes()
    bundle = Bundle.from_bytes(data)
    bundle.claims()
    bundle.verify(world.trust)
    assert nothing_decoded()
    # And the watch is able to see: with verification behind it, unpacking does decode.
    with pytest.raises(Exception):  # the watch stands in for the decoder and gives nothing
        unpack(bundle.verify(world.trust))
    assert not nothing_decoded()


@pytest.mark.parametrize("name", GADGETS)
def test_as_a_hostile_result_on_the_way_back(name: str, world: World) -> None:
    """Results and messages are read by the plain codec, which knows no opcodes."""
    with pytest.raises(PlainInvalid):
        decode_plain(GADGETS[name](str(world.canary)))
    assert not world.canary.exists()


@pytest.mark.parametrize("name", GADGETS)
def test_as_the_preview_of_a_bundle(
    name: str, world: World, nothing_decoded: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``sojourn inspect`` shows the preview of anybody's bundle, whoever signed it."""
    agent = waiting()
    next(agent)
    honest = pack(agent, by=world.owner)
    monkeypatch.setattr("mobility.bundle.collecting.preview_of", lambda _: GADGETS[name](str(world.canary)))
    hostile = pack(agent, by=world.owner)
    shown = [
        variables(examine(Bundle.from_bytes(bundle.to_bytes()), world.trust.current(), now=time.time()))
        for bundle in (honest, hostile)
    ]
    assert shown[0] is not None and [row["name"] for row in shown[0]["variables"]] == ["secret"]
    assert shown[1] is not None and shown[1]["problem"] and shown[1]["variables"] == []
    assert nothing_decoded() and not world.canary.exists()


def test_a_verified_state_that_is_broken_says_so() -> None:
    """What a trusted sender signed by mistake ends in an error of the tree, whatever is wrong with it."""
    segment = CodeSegment((ShippedModule("top", False, "def go(): pass\n"),))
    namespace = open_namespace(segment.to_bytes(), segment.digest)
    good = pickle.dumps(({}, {})) + pickle.dumps([1, 2])
    assert decode_unit(good, (), namespace) == [1, 2]
    for cut in range(len(good)):
        with pytest.raises(MobilityError):
            decode_unit(good[:cut], (), namespace)
    for broken in (b"", b".", b"\x80\x05N.", pickle.dumps(({"x": 1}, {})) + good, b"\x80\xff", b"garbage"):
        with pytest.raises(StateInvalid):
            decode_unit(broken, (), namespace)


@pytest.mark.parametrize("exception", [SystemExit, GeneratorExit, ValueError])
def test_what_a_state_or_a_module_raises_does_not_end_the_host(exception: type[BaseException]) -> None:
    """An error of the tree, whatever it is; only a person's interrupt passes."""
    name = exception.__name__
    raising = CodeSegment((ShippedModule("top", False, f"raise {name}(0)\n"),))
    good = pickle.dumps(({}, {})) + pickle.dumps(None)
    with pytest.raises(LoadFailed, match=name):
        decode_unit(good, (), open_namespace(raising.to_bytes(), raising.digest))
    calm = CodeSegment((ShippedModule("top", False, f"def leave(): raise {name}(0)\n"),))
    state = pickle.dumps(({}, {})) + b"\x80\x05" + _global("top", "leave") + b")R."
    with pytest.raises(StateInvalid, match=name):
        decode_unit(state, (), open_namespace(calm.to_bytes(), calm.digest))


def test_code_that_is_no_code_segment_is_not_executed(world: World) -> None:
    """The owner's signature covers it, and still it has to have the form."""
    from mobility.code import CodeInvalid

    ran = str(world.canary)
    for text in (
        b"import os",
        b"{}",
        b'{"modules":[{"name":"../top","package":false,"source":"","variables":[]}],"main_package":"","version":1}',
        f'{{"main_package":"","modules":[{{"name":"top","package":false,"source":"import os; os.mkdir({ran!r})"}}],'
        '"version":1}'.encode(),
        b'{"main_package":"","modules":[{"name":"a.b","package":false,"source":"","variables":[]}],"version":1}',
        b'{"main_package":"","modules":[{"name":"b","package":false,"source":"","variables":[]},'
        b'{"name":"b","package":false,"source":"","variables":[]}],"version":1}',
        b'{"main_package":"x","modules":[],"version":1}',
        b'{"main_package":"","modules":[],"version":2}',
        '{"main_package":"","modules":[{"name":"\u212bngstrom","package":false,"source":"","variables":[]}],"version":1}'.encode(),
    ):
        with pytest.raises(CodeInvalid):
            CodeSegment.from_bytes(text)
    assert not world.canary.exists()


def test_the_errors_are_of_one_tree() -> None:
    assert issubclass(BundleError, MobilityError) and issubclass(StateInvalid, MobilityError)
