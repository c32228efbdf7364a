"""``sojourn inspect``: what is in a bundle file, without decoding any of its state and without having to trust it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agents.cli.home import HomeFolder, existing_file
from agents.cli.options import BundleArgument, Format, FormatOption, HomeOption, StoreOption
from agents.cli.screen import Screen, amount, count, moment, write_json

if TYPE_CHECKING:
    from agents.cli.claims import Claims
    from mobility.bundle import Bundle

__all__ = ["inspect_file"]

_MARKS = {
    "verified": "verified",
    "untrusted-signer": "key not trusted here",
    "bad-signature": "BAD SIGNATURE",
    "altered": "ALTERED",
}
_STYLES = {"verified": "green", "claimed": "yellow", "altered": "bold red"}


def inspect_file(
    file: BundleArgument, home: HomeOption = None, store: StoreOption = None, output: FormatOption = Format.TEXT
) -> None:
    """Show what a bundle holds, who signed it and where it has been; nothing in it is decoded or run.

    Each part is marked: verified (signed by a key that you trust) or claimed (so the file says).
    """
    from agents.cli.claims import examine
    from mobility.bundle import Bundle

    trusted = HomeFolder.of(home, store).store().current()
    bundle = Bundle.read(existing_file(file))
    claims = examine(bundle, trusted, now=time.time())
    data = _as_data(str(file), bundle, claims)
    if output is Format.JSON:
        write_json(data)
    else:
        _show(Screen(), data)


# -- as data ----------------------------------------------------------------------------------------------------------


def _as_data(file: str, bundle: Bundle, claims: Claims) -> dict[str, Any]:
    last = claims.links[-1]
    error = claims.error
    data: dict[str, Any] = {
        "file": file,
        "bytes": bundle.size,
        "verified": error is None,
        "refusal": None if error is None else {"error": error.slug, "message": str(error)},
        "signer": {"key_id": last["key_id"], "name": last["name"], "signature": last["signature"]},
        "certificate": claims.certificate | {"mark": claims.chain_mark},
        "chain": {"mark": claims.chain_mark, "links": list(claims.links)},
        "code_omitted": bundle.omits_code,
    }
    manifest = claims.manifest
    if manifest is None:
        return data | {"manifest": None}
    data["manifest"] = {
        "mark": claims.manifest_mark,
        "agent": manifest.agent,
        "epoch": manifest.epoch,
        "unit": manifest.unit.value,
        "entry_point": manifest.entry_point,
        "python": manifest.python,
        "implementation": manifest.implementation,
        "encodings": [encoding.value for encoding in manifest.encodings],
    }
    data["segments"] = [
        {
            "kind": entry.kind.value,
            "bytes": entry.size,
            "chunks": len(entry.chunks) or None,
            "digest": entry.digest.hex() if entry.digest else None,
            "mark": check,
        }
        for entry, check in zip(manifest.segments, claims.checks, strict=True)
    ]
    sealed = manifest.sealed
    data["sealed"] = sealed and {"recipient": sealed.recipient, "bytes": sealed.size, "chunks": len(sealed.chunks)}
    return data | _fit(claims) | _execution_state(claims)


def _fit(claims: Claims) -> dict[str, Any]:
    """What it needs, and what this host says to that."""
    from dataclasses import asdict

    from mobility.bundle import UnitKind
    from mobility.environment import Environment, verdict

    manifest = claims.manifest
    assert manifest is not None
    needs = manifest.needs
    decided = verdict(needs, Environment.here(), state=manifest.unit is not UnitKind.FUNCTION)
    return {"needs": asdict(needs), "verdict": decided.as_data(), "verdict_text": str(decided)}


def _execution_state(claims: Claims) -> dict[str, Any]:
    from agents.cli.suspended import excerpt, variables

    assert claims.manifest is not None
    where = claims.manifest.suspension
    if where is None:
        return {"suspension": None, "locals": None}
    return {
        "suspension": {
            "function": where.function,
            "file": where.file,
            "line": where.line,
            "text": where.text,
            "source": [{"line": number, "text": text} for number, text in excerpt(claims)],
        },
        "locals": variables(claims),
    }


# -- for people -------------------------------------------------------------------------------------------------------


def _show(screen: Screen, data: dict[str, Any]) -> None:
    screen.line(f"{data['file']}  {amount(data['bytes'])}", "bold")
    signer = data["signer"]
    who = f"{signer['name'] or 'an unknown signer'} (key {(signer['key_id'] or 'not named')[:16]})"
    if data["verified"]:
        screen.line(f"VERIFIED: signed by {who}, whom you trust.", "green")
    else:
        screen.line(f"NOT VERIFIED: {data['refusal']['message']}", "bold red")
        screen.line("What is marked as claimed stands in the file, and anybody can have written it.")
    manifest = data["manifest"]
    if manifest is not None:
        screen.heading("Agent", manifest["mark"])
        screen.pairs(
            [
                ("agent", f"{manifest['agent']}, epoch {manifest['epoch']}"),
                ("unit", f"{manifest['unit']} {manifest['entry_point']}"),
                ("packed by", f"{manifest['implementation']} {manifest['python']}"),
                ("state in", ", ".join(manifest["encodings"]) or "nothing"),
            ]
        )
        _show_suspension(screen, data)
    _show_certificate(screen, data["certificate"])
    _show_chain(screen, data["chain"])
    if manifest is not None:
        _show_segments(screen, data)
        _show_needs(screen, data)


def _show_certificate(screen: Screen, certificate: dict[str, Any]) -> None:
    screen.heading("Birth certificate", certificate["mark"])
    places = None if certificate["itinerary"] is not None else certificate["places"]
    anywhere = "any place" if certificate["itinerary"] is None else _itinerary(certificate["itinerary"])
    order = ", in this order" if certificate["in_order"] else ""
    screen.pairs(
        [
            ("agent", certificate["agent"] or "?"),
            ("owner", f"key {(certificate['owner'] or '?')[:16]}"),
            ("entry point", certificate["entry_point"] or "?"),
            ("valid", f"{_time(certificate['not_before'])} until {_time(certificate['not_after'])}"),
            ("born at", certificate["home"] or "any place"),
            ("may go to", anywhere if places is None else f"{', '.join(places) or 'no place'}{order}"),
            ("may ask for", ", ".join(certificate["capabilities"] or []) or "nothing"),
            ("hops", f"at most {'?' if certificate['hop_limit'] is None else certificate['hop_limit']}"),
        ]
    )


def _itinerary(told: dict[str, Any]) -> str:
    """As it is written by hand: in order ( , ), in any order { , }, alternatives ( | )."""
    from mobility.trust import TrustError
    from mobility.trust.itinerary import ITINERARY
    from mobility.trust.strict import canonical_bytes, parse_strict

    try:
        return str(parse_strict(canonical_bytes(told), ITINERARY))
    except TrustError as error:
        return f"? ({error.slug})"


def _time(seconds: int | None) -> str:
    try:
        return "?" if seconds is None else moment(seconds)
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s"  # of no year that a calendar has


def _show_chain(screen: Screen, chain: dict[str, Any]) -> None:
    screen.heading("Chain of hops", chain["mark"])
    rows = []
    for link in chain["links"]:
        signature = _MARKS.get(link["signature"], link["signature"])
        way = f"{link['from'] or '?'} -> {link['to'] or 'anybody'}"
        rows.append(
            (
                "?" if link["epoch"] is None else link["epoch"],
                {"birth": "birth", "hop": way}.get(link["what"], f"{way}, {link['what']}"),
                _time(link["time"]) if link["what"] != "birth" else "",
                f"{link['name'] or '?'} ({(link['key_id'] or 'no key id')[:16]})",
                signature,
                "continues" if link["continues"] else "DOES NOT CONTINUE",
            )
        )
    screen.table(["epoch", "hop", "time", "signed by", "signature", "chain"], rows)


def _show_segments(screen: Screen, data: dict[str, Any]) -> None:
    screen.heading("Segments", data["manifest"]["mark"])
    rows = [
        (
            segment["kind"],
            amount(segment["bytes"]),
            segment["chunks"] or "",
            (segment["digest"] or "")[:16],
            _MARKS.get(segment["mark"], segment["mark"]),
        )
        for segment in data["segments"]
    ]
    screen.table(["kind", "size", "chunks", "SHA-256", "content"], rows)
    if data["sealed"] is not None:
        sealed = data["sealed"]
        size = f"{amount(sealed['bytes'])}, {count(sealed['chunks'], 'chunk')}"
        screen.line(f"Sealed to key {sealed['recipient'][:16]}: {size}.")
    if data["code_omitted"]:
        screen.line("The code was left out: it is for a place that has it.")


def _show_needs(screen: Screen, data: dict[str, Any]) -> None:
    screen.heading("Needs", data["manifest"]["mark"])
    needs = data["needs"]
    rows: list[tuple[str, object]] = []
    if needs["python_minor"]:
        rows.append(("Python", f"{needs['python_minor']} exactly: the state holds bytecode"))
    rows += [("package", f"{needed['name']} {needed['version']}") for needed in needs["distributions"]]
    rows += [("module", module) for module in needs["modules"]]
    if needs["memory"] is not None:
        rows.append(("memory", amount(needs["memory"])))
    if needs["processors"]:
        rows.append(("processor", " or ".join(needs["processors"])))
    if needs["operating_systems"]:
        rows.append(("system", " or ".join(needs["operating_systems"])))
    for device in needs["accelerators"]:
        each = f", {amount(device['memory'])} each" if device["memory"] is not None else ""
        rows.append(("accelerator", f"{device['count']} x {device['kind']}{each}"))
    screen.pairs(rows or [("nothing", "beside Python itself")])
    said, *reasons = data["verdict_text"].split("\n")
    screen.pairs([("this host says", said)])
    for reason in reasons:
        screen.line(f"  {reason}")


def _show_suspension(screen: Screen, data: dict[str, Any]) -> None:
    where = data["suspension"]
    if where is None:
        return
    screen.heading(f"Suspended in {where['function']}, {where['file']}, line {where['line']}", data["manifest"]["mark"])
    for row in where["source"] or [{"line": where["line"], "text": where["text"]}]:
        here = row["line"] == where["line"]
        text = f"{'>' if here else ' '} {row['line']:5}  {row['text'].expandtabs(8)}"
        screen.line(text.rstrip(), "bold" if here else "")
    told = data["locals"]
    if told is None:
        return
    screen.heading("Local variables, as the sender tells them", data["manifest"]["mark"])
    if told["problem"]:
        screen.line(f"cannot be shown: {told['problem']}")
        return
    _show_variables(screen, told["variables"])
    for delegate in told["delegates"]:
        screen.line()
        screen.line(f"in {delegate['function']}, line {delegate['line']}, to which it delegates")
        _show_variables(screen, delegate["variables"])


def _show_variables(screen: Screen, rows: list[dict[str, str]]) -> None:
    if rows:
        screen.table(["name", "type", "value"], [(row["name"], row["type"], row["text"]) for row in rows])
    else:
        screen.line("  none")
