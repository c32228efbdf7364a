"""``sojourn inspect``: what it tells, what it proves, and that it decodes nothing and obeys nobody."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mobility.bundle import Bundle, Manifest, SegmentEntry, SegmentKind, Suspension, UnitKind
from mobility.bundle.chunks import digests
from mobility.bundle.payload import Parts
from mobility.code import CodeSegment
from mobility.code.segment import ShippedModule
from mobility.environment import Accelerator, Distribution, Needs
from mobility.plain import encode
from mobility.trust import Envelope, Identity, Passport, TrustStore
from mobility.trust.certificate import BIRTH_CERTIFICATE_TYPE
from mobility.trust.itinerary import alternatives, ordered, visit
from mobility.trust.records import HOP_RECORD_TYPE
from mobility.trust.strict import canonical_bytes
from tests.agents.cli import units
from tests.agents.cli.conftest import LIMA, OSLO, OWNER, STRANGER, World, altered, flipped
from tests.agents.cli.running import controls, data, failure, invoke, on_terminal, sojourn

NASTY = "\x1b]0;owned\x07\x1b[2J\r\n\t\x9b31m\N{RIGHT-TO-LEFT OVERRIDE}txt\N{LINE SEPARATOR}\x00"
ZERO = "00" * 32


def told(world: World, path: Path, home: Path | None = None) -> Any:
    return data(invoke("inspect", path, "--home", home or world.home, "--format", "json"))


def text(world: World, path: Path, home: Path | None = None) -> str:
    result = invoke("inspect", path, "--home", home or world.home)
    assert (result.exit_code, result.stderr) == (0, "")
    assert controls(result.stdout) == set()
    return result.stdout


# -- what is told


def test_a_suspended_generator_is_shown_at_its_line(world: World) -> None:
    """The line, a few around it from the code that is shipped, and the variables as the sender tells them."""
    path = world.suspended(units.counting, [5, 7], steps=1)
    report = told(world, path)
    where = report["suspension"]
    assert (where["function"], where["file"], where["text"]) == (
        "counting",
        "units.py",
        "yield total  # suspended here",
    )
    source = Path(units.__file__).read_text(encoding="utf-8").splitlines()
    shown = {row["line"]: row["text"] for row in where["source"]}
    assert shown[where["line"]] == source[where["line"] - 1] == "        yield total  # suspended here"
    assert shown[where["line"] - 1].strip() == "total += double(stop)"
    variables = {row["name"]: (row["type"], row["text"]) for row in report["locals"]["variables"]}
    assert variables == {"stop": ("int", "5"), "stops": ("list", "[5, 7]"), "total": ("int", "10")}
    page = text(world, path)
    assert f"> {where['line']:5}          yield total  # suspended here" in page


def test_the_generator_to_which_it_delegates_is_shown_too(world: World) -> None:
    """Else nobody would know where it really stands."""
    report = told(world, world.suspended(units.delegating, [1]))
    (delegate,) = report["locals"]["delegates"]
    assert delegate["function"] == "counting"
    assert {row["name"] for row in delegate["variables"]} >= {"total", "stop"}
    assert "in counting, line" in text(world, world.folder / "a.sojourn")


def test_a_bundle_that_has_travelled(world: World) -> None:
    """Who signed each link, and that each continues the one before."""
    path = world.travelled(units.counting, [1, 2, 3], places=("baku", "oslo", "lima"), capabilities=("net",))
    report = told(world, path)
    assert report["verified"] is True and report["refusal"] is None
    assert [
        (link["name"], link["from"], link["to"], link["signature"], link["continues"])
        for link in report["chain"]["links"]
    ] == [
        ("survey-lab", None, "baku", "verified", True),
        ("baku", "baku", "oslo", "verified", True),
        ("oslo", "oslo", "lima", "verified", True),
    ]
    assert report["signer"] == {
        "key_id": report["chain"]["links"][2]["key_id"],
        "name": "oslo",
        "signature": "verified",
    }
    assert report["certificate"]["places"] == ["baku", "oslo", "lima"]
    assert report["certificate"]["capabilities"] == ["net"]
    assert (report["manifest"]["epoch"], report["manifest"]["mark"], report["certificate"]["mark"]) == (
        2,
        "verified",
        "verified",
    )
    page = text(world, path)
    assert "VERIFIED: signed by oslo" in page and "NOT VERIFIED" not in page
    assert "oslo -> lima" in page and "DOES NOT CONTINUE" not in page


def test_segments_and_needs(world: World) -> None:
    """Kinds, sizes and digests; what it needs, and what this host says to that."""
    needs = Needs(
        distributions=(Distribution("no-such-thing", "1.0", ("no_such_thing",)),),
        memory=12_345_678,
        processors=("pdp-11",),
        accelerators=(Accelerator("cuda", 2, 1000),),
    )
    path = world.suspended(units.counting, [1], needs=needs)
    report = told(world, path)
    bundle = Bundle.read(path)
    entries = bundle.claims().segments
    assert [(row["kind"], row["bytes"], row["digest"]) for row in report["segments"]] == [
        (entry.kind.value, entry.size, entry.digest.hex()) for entry in entries if entry.digest
    ]
    assert {row["mark"] for row in report["segments"]} == {"verified"}
    assert report["bytes"] == path.stat().st_size
    assert report["verdict"]["kind"] == "refuse"
    page = text(world, path)
    for expected in ("no-such-thing 1.0", "12.3 MB", "pdp-11", "2 x cuda", "this host says  refuse"):
        assert expected in page, expected


@pytest.mark.parametrize(
    ("unit", "options", "kind"),
    [
        (units.multiply, {"args": (2,)}, "function"),
        (units.Still(), {}, "object"),
        (units.counting([1]), {}, "generator"),
    ],
    ids=["function", "object", "not begun"],
)
def test_units_that_are_not_suspended(unit: Any, options: dict[str, Any], kind: str, world: World) -> None:
    """They have no line at which they stand."""
    report = told(world, world.pack(unit, **options))
    assert (report["manifest"]["unit"], report["suspension"], report["locals"]) == (kind, None, None)
    assert "Suspended" not in text(world, world.folder / "a.sojourn")


# -- what is proven


def test_without_trust_everything_is_only_claimed(world: World) -> None:
    """The same page, and no line of it may look proven."""
    path = world.travelled(units.counting, [1, 2, 3])
    report = told(world, path, world.nobody)
    assert report["verified"] is False and report["refusal"]["error"] == "untrusted-signer"
    assert report["certificate"]["mark"] == report["chain"]["mark"] == report["manifest"]["mark"] == "claimed"
    assert {row["mark"] for row in report["segments"]} == {"claimed"}
    assert {link["signature"] for link in report["chain"]["links"]} == {"untrusted-signer"}
    assert {link["name"] for link in report["chain"]["links"]} == {None}
    assert all(link["continues"] for link in report["chain"]["links"])
    page = text(world, path, world.nobody)
    assert "NOT VERIFIED" in page and "[verified]" not in page and "[claimed]" in page
    assert "key not trusted here" in page
    assert not world.nobody.exists()


def test_a_revoked_or_misused_key_proves_nothing(world: World) -> None:
    """Each link says why."""
    path = world.travelled(units.counting, [1, 2, 3])
    store = TrustStore(world.home / "trust")
    store.revoke(store.current().find(OWNER.key_id).key_id, 1)
    report = told(world, path)
    assert report["refusal"]["error"] == "revoked"
    assert [link["signature"] for link in report["chain"]["links"]] == ["revoked", "verified", "verified"]
    assert report["manifest"]["mark"] == "claimed"


def test_links_that_do_not_fit_are_marked_one_by_one(world: World) -> None:
    """A dropped hop, one in another's name, an altered one, and a certificate that names another owner."""
    path = world.travelled(units.counting, [1, 2, 3])
    whole = Bundle.read(path).passport

    def marks(passport: Passport) -> list[tuple[str, bool]]:
        report = told(world, altered(path, passport=passport))
        assert report["verified"] is False and report["chain"]["mark"] == "claimed"
        assert "NOT VERIFIED" in text(world, path)
        return [(link["signature"], link["continues"]) for link in report["chain"]["links"]]

    dropped = replace(whole, hops=whole.hops[1:])
    assert marks(dropped) == [("verified", True), ("verified", False)]
    assert "DOES NOT CONTINUE" in text(world, path)
    last = whole.hops[1]
    body = last.body.replace(whole.hops[0].digest.hex().encode(), ZERO.encode())
    assert body != last.body
    spliced = Envelope.sign(last.payload_type, body, OSLO)
    assert marks(replace(whole, hops=(whole.hops[0], spliced)))[2] == ("verified", False)
    renamed = Envelope.sign(last.payload_type, last.body, LIMA)
    assert marks(replace(whole, hops=(whole.hops[0], renamed))) == [
        ("verified", True),
        ("verified", True),
        ("broken-chain", True),
    ]
    forged = Envelope(last.payload_type, last.body.replace(b'"lima"', b'"baku"'), last.signatures)
    assert marks(replace(whole, hops=(whole.hops[0], forged)))[2] == ("bad-signature", True)
    assert "BAD SIGNATURE" in text(world, path)
    TrustStore(world.home / "trust").trust(STRANGER.public)
    stolen = Envelope.sign(whole.birth.payload_type, whole.birth.body, STRANGER)
    assert marks(replace(whole, birth=stolen))[0] == ("bad-signature", True)
    birth_as_hop = Envelope.sign(HOP_RECORD_TYPE, whole.birth.body, OWNER)
    assert marks(replace(whole, birth=birth_as_hop))[0] == ("wrong-payload-type", True)


def test_an_altered_manifest_is_claimed_and_the_chain_still_proven(world: World) -> None:
    """A forger can exchange what no signature covers any more; what was signed stays signed."""
    path = world.suspended(units.counting, [1])
    manifest = Bundle.read(path).manifest
    forged = manifest.replace(b'"unit":"generator"', b'"unit": "generator"')
    assert forged != manifest
    report = told(world, altered(path, manifest=forged))
    assert (report["refusal"], report["verified"]) != (None, True)
    assert (report["chain"]["mark"], report["certificate"]["mark"]) == ("verified", "verified")
    assert report["manifest"] is None or report["manifest"]["mark"] == "claimed"


def test_an_altered_segment_is_named_and_not_looked_at(world: World) -> None:
    """The last byte is of the preview, the first of the code: neither is shown when its digest is wrong."""
    path = flipped(world.suspended(units.counting, [1]), 1)
    report = told(world, path)
    assert report["verified"] is False
    assert [(row["kind"], row["mark"]) for row in report["segments"]] == [
        ("code", "verified"),
        ("state", "verified"),
        ("preview", "altered"),
    ]
    assert report["locals"] == {"variables": [], "delegates": [], "problem": "altered"}
    assert report["refusal"]["error"] == "segment-mismatch" and report["manifest"]["mark"] == "verified"
    assert "ALTERED" in text(world, path) and "NOT VERIFIED" in text(world, path)
    path = world.suspended(units.counting, [1])
    content = path.read_bytes()
    assert content.count(b"total += double(stop)") == 1
    path.write_bytes(content.replace(b"total += double(stop)", b"total += triple(stop)"))
    report = told(world, path)
    assert report["segments"][0]["mark"] == "altered" and report["suspension"]["source"] == []
    assert "triple" not in text(world, path)


def test_a_payload_of_another_size(world: World) -> None:
    """There is no telling which of its bytes belong to which segment, so none is shown."""
    path = world.suspended(units.counting, [1])
    (payload,) = Bundle.read(path).payload.pieces()
    for other in (payload[:-1], payload[:0], memoryview(bytes(payload) + b"x")):
        report = told(world, altered(path, payload=Parts((other,))))
        assert {row["mark"] for row in report["segments"]} == {"absent"}
        assert (report["locals"]["problem"], report["suspension"]["source"], report["verified"]) == (
            "absent",
            [],
            False,
        )
        assert report["refusal"]["error"] == "segment-mismatch" and report["manifest"]["mark"] == "verified"
        assert "NOT VERIFIED" in text(world, path)


def test_fields_of_another_type_are_left_out(world: World) -> None:
    """What a stranger writes into a certificate need not be a certificate."""
    odd = {"home": {"a": 1}, "places": 3, "not_before": "x", "capabilities": [1], "in_order": 1, "hop_limit": True}
    hop = {"agent": 1, "epoch": "1", "from": None, "to": [], "previous": 2, "manifest": {}, "time": "now"}
    report = told(world, crafted(world, certificate=odd, hop=hop))
    assert {name: report["certificate"][name] for name in odd} == dict.fromkeys(odd)
    link = report["chain"]["links"][1]
    assert (link["epoch"], link["from"], link["to"], link["time"], link["continues"]) == (None,) * 4 + (False,)
    text(world, world.folder / "crafted.sojourn")


def test_a_manifest_that_cannot_be_read_leaves_the_chain(world: World) -> None:
    """The page ends earlier, and says why."""
    path = altered(world.suspended(units.counting, [1]), manifest=b'{"\x1b":NaN}')
    report = told(world, path)
    assert report["manifest"] is None and report["verified"] is False
    assert report["chain"]["mark"] == "verified"
    assert "NOT VERIFIED" in text(world, path)


def test_a_sealed_bundle_shows_its_sizes_and_nothing_within(world: World) -> None:
    """Whoever has no key sees to whom it is sealed."""
    recipient = TrustStore(world.home / "trust").lookup(LIMA.key_id, "place", 2_000_000_000, 0)
    path = world.suspended(units.counting, [1], seal_to=recipient)
    report = told(world, path)
    assert report["sealed"]["recipient"] == LIMA.key_id
    assert {row["mark"] for row in report["segments"]} == {"sealed"}
    assert report["locals"]["problem"] == "sealed" and report["suspension"]["source"] == []
    assert report["manifest"]["mark"] == "verified"
    assert report["verified"] is True
    assert f"Sealed to key {LIMA.key_id[:16]}" in text(world, path)
    report = told(world, flipped(path, 100))
    assert (report["verified"], report["refusal"]["error"]) == (False, "segment-mismatch")
    assert {row["mark"] for row in report["segments"]} == {"altered"}
    assert told(world, path, world.nobody)["segments"][0]["mark"] == "altered"


def test_a_bundle_without_its_code(world: World) -> None:
    """The line is told by the manifest alone."""
    path = world.suspended(units.counting, [1])
    without = world.file(Bundle.read(path).without_code(), "b.sojourn")
    report = told(world, without)
    assert report["code_omitted"] is True
    assert [row["mark"] for row in report["segments"]] == ["absent", "verified", "verified"]
    assert report["suspension"]["source"] == [] and report["suspension"]["text"].startswith("yield total")
    assert report["locals"]["variables"]
    assert "> " in text(world, without)


# -- nothing is decoded


class Canary:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _sing, ()


def _sing() -> None:
    raise AssertionError("the state was decoded")


def crafted(
    world: World,
    *,
    signer: Identity = STRANGER,
    state: bytes = pickle.dumps(Canary()),
    preview: bytes | None = None,
    code: bytes | None = None,
    suspension: Suspension | None = None,
    certificate: dict[str, Any] | None = None,
    hop: dict[str, Any] | None = None,
) -> Path:
    """A bundle that a program of ours would not make, with signatures of whoever makes it."""
    source = CodeSegment((ShippedModule("m", False, "pass\n"),)).to_bytes() if code is None else code
    contents = [(SegmentKind.CODE, source), (SegmentKind.STATE, state)]
    contents += [(SegmentKind.PREVIEW, preview)] if preview is not None else []
    entries = tuple(SegmentEntry(kind, len(content), False, digests(content)) for kind, content in contents)
    manifest = Manifest(
        agent="agent-1", epoch=0 if hop is None else 1, unit=UnitKind.GENERATOR, entry_point="m:f", python="3.11.7",
        implementation="CPython", encodings=(), suspension=suspension, segments=entries,
    ).to_bytes()  # fmt: skip
    body: dict[str, Any] = {
        "version": 1, "agent": "agent-1", "owner": signer.key_id, "entry_point": "m:f",
        "code": [hashlib.sha256(source).hexdigest()], "arguments": ZERO,
        "manifest": hashlib.sha256(manifest).hexdigest(),
        "home": None, "places": None, "in_order": False, "capabilities": [], "not_before": 0,
        "not_after": 4_000_000_000, "hop_limit": 8, **(certificate or {}),
    }  # fmt: skip
    passport = Passport(Envelope.sign(BIRTH_CERTIFICATE_TYPE, canonical_bytes(body), signer))
    if hop is not None:
        record = canonical_bytes({"version": 1, **hop})
        passport = Passport(passport.birth, (Envelope.sign(HOP_RECORD_TYPE, record, signer),))
    views = tuple(memoryview(content) for _, content in contents)
    return world.file(Bundle(passport, manifest, Parts(views)), "crafted.sojourn")


def test_the_state_is_never_decoded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even that of a bundle whose signatures are good."""
    TrustStore(world.home / "trust").trust(STRANGER.public)
    path = crafted(world)
    with pytest.raises(AssertionError, match="decoded"):
        pickle.loads(pickle.dumps(Canary()))
    for name in ("loads", "load", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, _sing)
    assert told(world, path)["verified"] is True
    assert told(world, path, world.nobody)["verified"] is False
    text(world, path)


# -- nothing steers a terminal


def nasty(world: World) -> Path:
    """Control characters wherever a bundle has text; the manifest alone cannot have any."""
    line = "    yield 1" + NASTY.replace("\n", "")
    where = Suspension.shown(function="f" + NASTY, file="m.py" + NASTY, line=2, text=line)
    source = f"def f():\n{line}\n"
    code = CodeSegment((ShippedModule("m", False, source),)).to_bytes()
    preview = encode({"locals": [["x" + NASTY, "t" + NASTY, "v" + NASTY]], "delegates": [["g" + NASTY, 3, []]]})
    certificate = {
        "agent": "a" + NASTY, "entry_point": NASTY, "home": NASTY, "places": [NASTY], "capabilities": [NASTY],
        "owner": NASTY, "not_before": -(2**53) + 1, "not_after": 2**53 - 1,
    }  # fmt: skip
    hop = {
        "agent": NASTY,
        "epoch": 1,
        "from": NASTY,
        "to": NASTY,
        "previous": NASTY,
        "manifest": NASTY,
        "time": 2**53 - 1,
    }
    return crafted(world, preview=preview, code=code, suspension=where, certificate=certificate, hop=hop)


def test_hostile_text_is_shown_escaped(world: World) -> None:
    """A bundle is looked at before anybody trusts it, so nothing in it may speak to the terminal."""
    path = nasty(world)
    page = text(world, path)
    assert "\\x1b]0;owned\\x07" in page and "\\u202e" in page and "\\x9b" in page
    assert "\nowned" not in page
    answer = sojourn("inspect", path, "--home", world.home)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert controls(answer.stdout) == set()


def test_hostile_text_is_escaped_in_json(world: World) -> None:
    """Programs print what they read, too; and the text itself is kept."""
    result = invoke("inspect", nasty(world), "--home", world.home, "--format", "json")
    assert controls(result.stdout) == set()
    assert json.loads(result.stdout)["certificate"]["home"] == NASTY


def test_hostile_text_does_not_pass_on_a_terminal(world: World) -> None:
    """Where colours are written, the escape sequences are ours alone."""
    code, shown = on_terminal("inspect", nasty(world), "--home", world.home)
    assert code == 0
    assert "\x1b[" in shown, "a terminal gets colours"
    for forbidden in ("\x1b]0", "\x1b[2J", "\x07", "\x9b", "\N{RIGHT-TO-LEFT OVERRIDE}", "\x00"):
        assert forbidden not in shown
    code, plain = on_terminal("inspect", nasty(world), "--home", world.home, env={"NO_COLOR": "1"})
    assert code == 0 and "\x1b[3" not in plain and "\x1b[9" not in plain


BROKEN_PREVIEWS: dict[str, tuple[bytes, str | None, int]] = {
    "empty": (b"", "plain-invalid", 0),
    "a pickle": (pickle.dumps(Canary()), "plain-invalid", 0),
    "a list": (encode([]), "not-a-preview", 0),
    "no list of rows": (encode({"locals": 3}), None, 0),
    "rows of another form": (encode({"locals": [["a", "b"], ["a", "b", 3], "abc", ["a", "int", "1"]]}), None, 1),
    "delegates of another form": (encode({"delegates": [["f", True, []], [1, 2, 3], "abc", []]}), None, 0),
    "too many rows": (encode({"locals": [[str(number), "t", "v"] for number in range(500)]}), None, 64),
    "a long text": (encode({"locals": [["n" * 5000, "t", "v"]]}), "plain-invalid", 0),
    "large": (encode({"locals": [], "x": b"a" * 4_000_000}), "plain-invalid", 0),
    "many rows": (encode({"locals": [[str(number), "t", "v"] for number in range(50_000)]}), "plain-invalid", 0),
}


@pytest.mark.parametrize("name", BROKEN_PREVIEWS)
def test_previews_that_are_none_do_no_harm(name: str, world: World) -> None:
    """What is not of the form is left out, the rest is shown, and nobody fills the memory or the screen."""
    preview, problem, rows = BROKEN_PREVIEWS[name]
    path = crafted(world, preview=preview, suspension=Suspension("f", "m.py", 1, "pass"))
    report = told(world, path)
    assert (report["locals"]["problem"], len(report["locals"]["variables"])) == (problem, rows)
    assert all(type(value) is str for row in report["locals"]["variables"] for value in row.values())
    assert report["locals"]["delegates"] == []
    text(world, path)


@pytest.mark.parametrize("code", [b"", b"\xff", b"[]", b"[" * 10_000, b'{"modules": [], "version": 2}'])
def test_code_that_is_none_does_no_harm(code: bytes, world: World) -> None:
    """The line is then shown as the manifest tells it."""
    path = crafted(world, code=code, suspension=Suspension("f", "m.py", 1, "yield 1"))
    assert told(world, path)["suspension"]["source"] == []
    assert "yield 1" in text(world, path)


def test_the_right_module_is_shown(world: World) -> None:
    """Several modules can have the same line; one with another text there is never shown."""
    modules = (
        ShippedModule("a", False, "x\nyield 1\n# wrong\n"),
        ShippedModule("m", False, "x\n    yield 1\n# right\n"),
        ShippedModule("z", False, "x\ny\n# other\n"),
    )
    path = crafted(world, code=CodeSegment(modules).to_bytes(), suspension=Suspension("f", "m.py", 2, "yield 1"))
    assert [row["text"] for row in told(world, path)["suspension"]["source"]] == ["x", "    yield 1", "# right", ""]
    path = crafted(world, code=CodeSegment(modules).to_bytes(), suspension=Suspension("f", "m.py", 2, "yield 2"))
    assert told(world, path)["suspension"]["source"] == []
    path = crafted(world, code=CodeSegment(modules).to_bytes(), suspension=Suspension("f", "m.py", 10**15, "yield 1"))
    assert told(world, path)["suspension"]["source"] == []


# -- files


def test_what_is_no_bundle(world: World) -> None:
    """Refused where it is something else, not found where there is nothing."""
    for content in (b"", b"hello", b"SJB1" + bytes(19), b"SJB1" + b"\xff" * 40):
        path = world.folder / "x.sojourn"
        path.write_bytes(content)
        result = invoke("inspect", path, "--home", world.home, "--format", "json")
        assert result.exit_code == 3 and json.loads(result.stderr)["error"] in ("bundle-invalid", "too-large")
    failure(invoke("inspect", world.folder / "none", "--home", world.home, "--format", "json"), 4, "file-not-found")
    failure(invoke("inspect", world.folder, "--home", world.home, "--format", "json"), 1, "file-unusable")
    failure(
        invoke("inspect", world.folder / "x.sojourn" / "y", "--home", world.home, "--format", "json"),
        4,
        "file-not-found",
    )


# -- itineraries


def test_an_itinerary_is_shown_as_it_was_signed(world: World) -> None:
    """For people as text, for programs as it is written."""
    way = ordered("oslo", alternatives("lima", visit("baku", on_failure="skip")))
    path = world.travelled(units.counting, [5, 7], itinerary=way)
    assert "(oslo, (lima | baku or skip))" in text(world, path)
    report = told(world, path)
    assert report["verified"] and report["certificate"]["itinerary"]["is"] == "ordered"
    assert told(world, world.travelled(units.counting, [5, 7]))["certificate"]["itinerary"] is None


def test_a_passport_that_deviates_from_its_itinerary(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed by trusted places, and told as a deviation."""
    from mobility.trust import passport

    with monkeypatch.context() as patch:
        # as places that do not look
        patch.setattr(passport, "check_way", lambda certificate, hops, audience=None: None)
        path = world.travelled(units.counting, [5, 7], itinerary=ordered("oslo", "baku"))
    report = told(world, path)
    assert not report["verified"] and report["refusal"]["error"] == "off-itinerary"
    assert "hop 2 takes agent" in text(world, path) and "allows baku there" in text(world, path)
    failure(invoke("verify", path, "--home", world.home, "--as", "lima", "--format", "json"), 3, "off-itinerary")


def test_an_itinerary_of_no_form(world: World) -> None:
    """It is told as what it is, and nothing of it is obeyed."""
    path = world.suspended(units.counting, [5, 7])
    bundle = Bundle.read(path)
    body = json.loads(bundle.passport.birth.body)
    odd = replace(bundle.passport.birth, body=canonical_bytes({**body, "itinerary": {"is": NASTY}}))
    altered(path, passport=Passport(odd))
    assert "? (schema)" in text(world, path)
