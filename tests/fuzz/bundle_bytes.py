"""Mutates bundles: ``python -m tests.fuzz.bundle_bytes --seconds 600``.

Bytes are changed anywhere; lengths and flags of the frame are changed and mended; manifests are changed as structures,
and then mostly signed again by trusted keys, so that what lies behind the signatures is reached. Whatever comes of it
must be an error of the tree or a bundle that is what the manifest says, from memory as from a stream, within seconds,
and nothing may be decoded. Exit code 1 if anything else came out; the bundle is printed then.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import pickle
import random
import struct
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mobility.bundle import Bundle, VerifiedBundle, receive
from mobility.bundle.chunks import CHUNK, digest_of, digests
from mobility.bundle.framing import HEADER_BYTES
from mobility.bundle.payload import Parts
from mobility.errors import MobilityError
from mobility.trust.limits import Limits
from tests.fuzz.plain_codec import CHANGES
from tests.mobility.bundle.bundles import SMALL, SOURCE, TO_LIMA, TRUST, Content, make, with_manifest
from tests.mobility.trust.people import LIMA, NOW

SLOW = 5.0  # seconds for one small bundle
LIMITS = Limits(total_bytes=1 << 30, segments=1000)
VALUES: list[Any] = [0, 1, -1, 2**53 - 1, 2**53, 2**63, CHUNK, CHUNK + 1, True, False, None, 1.5, "", "x", [], {}, [[]]]
VALUES += ["code", "state", "buffer", "preview", "ab" * 32, "../x", "a:b", "3.11", "\u202e", "generator", "pickle"]
HEADER = struct.Struct(">4sB3sIIQ")


def seeds() -> list[Bundle]:
    """Bundles of every kind."""
    many = Content(buffers=tuple(b"%d" % number for number in range(30)), writable=False)
    result = [make(content) for content in (SMALL, Content(), Content(code=()), many, Content(code=(b"a", b"b")))]
    result += [make(SMALL, ["oslo", "lima"]), make(SMALL, ["oslo", None]), make(SMALL, seal_to=TO_LIMA)]
    return [*result, make(SMALL, ["lima"], seal_to=TO_LIMA), make().without_code()]


def _bytes(chance: random.Random, bundle: Bundle, corpus: list[bytes]) -> bytes:
    """Changed anywhere."""
    data = bytearray(bundle.to_bytes())
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data) + 1) if chance.random() < 0.7 else chance.randrange(min(len(data), 40) + 1)
        chance.choice(CHANGES)(chance, data, at, corpus)
    return bytes(data)


def _frame(chance: random.Random, bundle: Bundle, corpus: list[bytes]) -> bytes:
    """Other lengths or flags before the same bytes; or the right lengths before changed parts."""
    passport, manifest = bytearray(bundle.passport.to_bytes()), bytearray(bundle.manifest)
    payload = bytearray(b"".join(bundle.payload.pieces()))
    for part in chance.sample([passport, manifest, payload], chance.randint(0, 2)):
        chance.choice(CHANGES)(chance, part, chance.randrange(len(part) + 1), corpus)
    lengths = [len(passport), len(manifest), len(payload)]
    flags = int(bundle.omits_code)
    if chance.random() < 0.5:
        at = chance.randrange(3)
        lengths[at] = chance.choice([0, 1, lengths[at] + 1, max(lengths[at] - 1, 0), 2**31, 2**32 - 1])
    if chance.random() < 0.3:
        flags = chance.choice([0, 1, 2, 255])
    return HEADER.pack(b"SJB1", flags, bytes(3), *lengths) + passport + manifest + payload


def _change(chance: random.Random, value: Any) -> None:
    """One place of a structure."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.75:
            value = value[key]
            continue
        kind = chance.randrange(5)
        if kind == 0:
            del value[key]
        elif kind == 1 and isinstance(value, list):
            value.insert(key, value[chance.choice(keys)])
        elif kind == 2:
            other = chance.choice(keys)
            value[key], value[other] = value[other], value[key]
        elif kind == 3 and isinstance(value, dict):
            value[chance.choice(["name", "bytes", "sealed", "", "kind"])] = chance.choice(VALUES)
        elif isinstance(value[key], int) and chance.random() < 0.5:
            value[key] += chance.choice([-1, 1, 2**32, CHUNK])
        else:
            value[key] = chance.choice(VALUES)
        return


def _manifest(chance: random.Random, bundle: Bundle, corpus: list[bytes]) -> bytes:
    """Changed as a structure or as text, and signed again; now and then with segments that fit it less or more."""
    value = json.loads(bundle.manifest)
    for _ in range(chance.randint(1, 3)):
        _change(chance, value)
    text = bytearray(json.dumps(value).encode())
    if chance.random() < 0.2:
        chance.choice(CHANGES)(chance, text, chance.randrange(len(text) + 1), corpus)
    stops = [None] * len(bundle.passport.hops)
    if chance.random() < 0.9 and not stops:
        bundle = with_manifest(bundle, bytes(text))
    else:
        bundle = replace(bundle, manifest=bytes(text))
    if chance.random() < 0.2:
        payload = bytearray(b"".join(bundle.payload.pieces()))
        chance.choice(CHANGES)(chance, payload, chance.randrange(len(payload) + 1), corpus)
        bundle = replace(bundle, payload=Parts((memoryview(bytes(payload)),)))
    return replace(bundle, omits_code=bundle.omits_code ^ (chance.random() < 0.05)).to_bytes()


Mutation = Callable[[random.Random, Bundle, list[bytes]], bytes]
MUTATIONS: list[Mutation] = [_bytes, _frame, _manifest, _manifest]
OPTIONS: dict[str, Any] = {"now": NOW, "audience": "lima", "identity": LIMA, "limits": LIMITS}


def consistent(verified: VerifiedBundle) -> None:
    """What was let in is what its manifest says."""
    manifest = verified.manifest
    assert manifest.agent == verified.passport.agent and manifest.epoch == verified.passport.epoch
    views: list[Any] = [*verified.code, verified.state, *verified.buffers]
    views += [] if verified.preview is None else [verified.preview]
    assert len(views) == len(manifest.segments)
    for entry, view in zip(manifest.segments, views, strict=True):
        assert len(view) == entry.size
        assert entry.digest is None or entry.digest == digest_of(digests(view))


def attempt(data: bytes) -> str:
    """What came of it; raises whatever is no error of the tree."""
    start = time.monotonic()
    outcomes = []
    for way in (_from_memory, _from_stream):
        try:
            verified = way(data)
        except MobilityError as error:
            assert pickle.dumps(error) and str(error)
            outcomes.append(f"refused: {type(error).__name__}")
        else:
            consistent(verified)
            outcomes.append("accepted")
    assert (outcomes[0] == "accepted") == (outcomes[1] == "accepted"), outcomes
    took = time.monotonic() - start
    assert took < SLOW, f"took {took:.1f} s"
    return outcomes[0]


def _codes(digest: bytes) -> bytes:
    return SOURCE


def _from_memory(data: bytes) -> VerifiedBundle:
    bundle = Bundle.from_bytes(data, LIMITS)
    try:
        bundle.claims(LIMITS)
        bundle.without_code()
    except MobilityError:
        pass
    return bundle.verify(TRUST, codes=_codes, **OPTIONS)


def _from_stream(data: bytes) -> VerifiedBundle:
    return receive(io.BytesIO(data), TRUST, codes=_codes, **OPTIONS)


def _never(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("something was decoded")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="to repeat a run, but for the keys and seals")
    parser.add_argument("--memory", action="store_true", help="also measure the peak of each (several times slower)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    bundles = seeds()
    corpus = [bundle.to_bytes() for bundle in bundles]
    assert all(attempt(data) == "accepted" for data in corpus if data[4] == 0)
    assert all(len(data) > HEADER_BYTES for data in corpus)
    pickle.loads = pickle.load = _never  # type: ignore[assignment]  # whoever decodes is noticed
    results: collections.Counter[str] = collections.Counter()
    worst = 0
    if options.memory:
        tracemalloc.start()
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        data = chance.choice(MUTATIONS)(chance, chance.choice(bundles), corpus)
        try:
            if options.memory:
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
            result = attempt(data)
            if options.memory:
                worst = max(worst, tracemalloc.get_traced_memory()[1] - before)
        except Exception:
            traceback.print_exc()
            print(f"seed {seed}, bundle {data.hex()}", file=sys.stderr)
            return 1
        results[result] += 1
    print(f"seed {seed}: {results.total()} bundles in {options.seconds:g} s")
    for result, count in results.most_common():
        print(f"  {count:>9}  {result}")
    if options.memory:
        print(f"  at most {worst} bytes of memory for one bundle")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
