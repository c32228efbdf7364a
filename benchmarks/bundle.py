"""``python -m benchmarks.bundle``: what a signed bundle costs, against the signatures and digests in it.

Small agent: pack, verify and unpack, one hop; floor: one Ed25519 signature and one check of it, over as many bytes.
Large agent: 512 MB in 64 arrays; floor: one pass of SHA-256 over the same bytes with as many threads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.pairing import measure, pair
from mobility import Birth, Bundle, Identity, TrustStore, discard, pack, resumable, unpack
from mobility.bundle import receive
from mobility.bundle.chunks import CHUNK, cut, workers_of
from mobility.trust import PublicIdentity

__all__ = ["main"]

ARRAYS = 64
SETTLED = 3.0  # seconds
MEBIBYTE = 1 << 20


@resumable
def walker(places: list[str]) -> Generator[str, None, None]:
    """A small agent: a loop, five local variables."""
    seen: dict[str, int] = {}
    total, label = 0, "walker"
    while True:
        for number, place in enumerate(places):
            total += len(place) + number
            seen[place] = total
            yield f"{label} {place}"


@resumable
def carrier(count: int, size: int) -> Generator[int, None, int]:
    """A large agent: many arrays."""
    import numpy

    arrays = [numpy.arange(size // 8, dtype="u8") + number for number in range(count)]
    yield count
    return sum(int(array[-1]) for array in arrays)


class World:
    """An owner and two places that trust each other."""

    def __init__(self, folder: str) -> None:
        self.owner = Identity.generate("owner", "owner")
        self.here = Identity.generate("baku", "place")
        self.there = Identity.generate("oslo", "place")
        self.trust = TrustStore(folder)
        for identity in (self.owner, self.here, self.there):
            self.trust.trust(identity.public)

    def settle(self) -> None:
        """Wait until the list of trusted keys is old enough not to be read again each time, as it is in a place."""
        time.sleep(SETTLED)


def small(repeat: int) -> dict[str, Any]:
    """One hop of a small agent; the way there is the hop before, so that everything that repeats is known."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        agent = walker(["baku", "oslo", "lima"])
        next(agent)
        birth = Birth(home="baku", hop_limit=1_000_000, lifetime=3600)
        arrived = Bundle.from_bytes(pack(agent, by=world.owner, birth=birth).to_bytes())
        passport = arrived.verify(world.trust, audience="baku").passport
        agent = unpack(arrived.verify(world.trust, audience="baku"))

        def packed() -> bytes:
            return pack(agent, by=world.here, passport=passport, to="oslo").to_bytes()

        data = packed()
        world.settle()
        stages: dict[str, list[float]] = {"pack": [], "verify": [], "unpack": [], "all": []}

        def hop() -> None:
            begin = time.perf_counter()
            sent = packed()
            after_pack = time.perf_counter()
            verified = Bundle.from_bytes(sent).verify(world.trust, audience="oslo")
            after_verify = time.perf_counter()
            copy = unpack(verified)
            end = time.perf_counter()
            discard(copy)
            stages["pack"].append(after_pack - begin)
            stages["verify"].append(after_verify - after_pack)
            stages["unpack"].append(end - after_verify)
            stages["all"].append(end - begin)
            # Its next pack must sign another record, and its next check must not find the signature known.
            next(agent)

        message = os.urandom(400)
        counter = iter(range(10**9))

        def floor() -> None:
            fresh = message + next(counter).to_bytes(8, "big")
            assert world.here.public.verifies(fresh, world.here.sign(fresh))

        ratio = pair(floor, hop, 1, repeat)
        return {
            "bundle_bytes": len(data),
            **{f"{name}_ms": round(statistics.median(seconds) * 1e3, 3) for name, seconds in stages.items()},
            "floor_ms": round(ratio.floor.median * 1e3, 3),
            "ratio": round(ratio.median, 2),
        }


def large(megabytes: int, repeat: int) -> dict[str, Any]:
    """Pack and verify a large agent in memory."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        agent = carrier(ARRAYS, megabytes * MEBIBYTE // ARRAYS)
        next(agent)
        bundle = pack(agent, by=world.owner)
        manifest = bundle.claims()
        views = list(bundle.payload.pieces())

        def floor() -> None:
            with ThreadPoolExecutor(workers_of(1 << 40)) as pool:
                list(pool.map(lambda piece: hashlib.sha256(piece).digest(), [c for v in views for c in cut(v)]))

        def packing() -> None:
            pack(agent, by=world.owner)

        def verifying() -> None:
            bundle.verify(world.trust)

        def both() -> None:
            pack(agent, by=world.owner).verify(world.trust)

        sides: dict[str, Callable[[], None]] = {"pack": packing, "verify": verifying, "pack_and_verify": both}
        ratios = {name: pair(floor, side, 1, repeat) for name, side in sides.items()}
        return {
            "data_mib": megabytes,
            "segments": len(manifest.segments),
            "chunk_mib": CHUNK // MEBIBYTE,
            "threads": workers_of(1 << 40),
            "sha256_pass_ms": round(ratios["pack"].floor.median * 1e3, 1),
            **{f"{name}_ms": round(ratio.side.median * 1e3, 1) for name, ratio in ratios.items()},
            **{f"{name}_ratio": round(ratio.median, 2) for name, ratio in ratios.items()},
        }


def peak(megabytes: int, step: str) -> dict[str, Any]:
    """The highest resident memory of a process of its own, beyond what it had before the data, against the data."""
    command = [sys.executable, "-m", "benchmarks.bundle", "--peak", step, "--megabytes", str(megabytes)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def _peak(megabytes: int, step: str) -> float:
    """Run one step in this process; peak resident memory, less that of the empty process, over the data."""
    import numpy

    numpy.arange(8)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        world = World(os.path.join(folder, "trust"))
        path = os.path.join(folder, "large.sojourn")
        if step != "pack_and_verify":
            # Written by another process: the peak of this one must not hold the sender's arrays.
            subprocess.run(
                [sys.executable, "-m", "benchmarks.bundle", "--write", path, "--megabytes", str(megabytes)],
                check=True, timeout=600,
            )  # fmt: skip
            with open(path + ".owner.pub", "rb") as file:
                world.trust.trust(PublicIdentity.from_bytes(file.read()), name="sender")
        base = _high_water()
        if step == "pack_and_verify":
            agent = carrier(ARRAYS, megabytes * MEBIBYTE // ARRAYS)
            next(agent)
            pack(agent, by=world.owner).verify(world.trust)
        elif step == "read_and_verify":
            unpack(Bundle.read(path).verify(world.trust))
        elif step == "receive":
            with open(path, "rb") as stream:
                unpack(receive(stream, world.trust))
        return round((_high_water() - base) / (megabytes * MEBIBYTE), 3)


def _high_water() -> int:
    """The highest resident memory so far, in bytes. (The figure of getrusage is inherited from the parent process.)"""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def _write(path: str, megabytes: int) -> None:
    owner = Identity.generate("owner", "owner")
    agent = carrier(ARRAYS, megabytes * MEBIBYTE // ARRAYS)
    next(agent)
    pack(agent, by=owner).write(path)
    with open(path + ".owner.pub", "wb") as file:
        file.write(owner.public.to_bytes())


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bundle", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=300, help="pairs for the small agent")
    parser.add_argument("--large-repeat", type=int, default=5, help="pairs for the large agent")
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.write:
        _write(given.write, given.megabytes)
        return
    if given.peak:
        print(json.dumps({"peak_over_data": _peak(given.megabytes, given.peak)}))
        return
    steps = ("pack_and_verify", "read_and_verify", "receive")
    result = {
        "python": platform.python_version(),
        "signature": {
            "sign": measure(lambda: _KEY.sign(b"x" * 400), 1, 200).microseconds(),
        },
        "small": small(given.repeat),
        "large": large(given.megabytes, given.large_repeat),
        "peak_memory": {step: peak(given.megabytes, step)["peak_over_data"] for step in steps},
    }
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for part, figures in result.items():
        print(part if isinstance(figures, dict) else f"{part}  {figures}")
        for name, figure in figures.items() if isinstance(figures, dict) else ():
            print(f"    {name:24} {figure}")


_KEY = Identity.generate("signer", "owner")

if __name__ == "__main__":
    main()
