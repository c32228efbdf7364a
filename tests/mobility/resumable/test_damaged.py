"""Bytes that are no snapshot, or no longer one, raise errors of the tree and nothing else."""

import dataclasses
import pickle
import textwrap
from pathlib import Path
from typing import Any

import pytest

from mobility import capture, dumps, loads, restore, resumable, v1
from mobility.errors import MobilityError, SnapshotInvalid
from tests.mobility.resumable.helpers import child


@resumable
def simple(a, b):
    for i in range(a):
        yield i, b


def suspended() -> Any:
    generator = simple(5, "text")
    next(generator)
    return generator


def test_each_truncation_is_refused() -> None:
    """Bytes that end early are no snapshot, wherever they end."""
    data = dumps(suspended())
    for end in range(len(data)):
        with pytest.raises(SnapshotInvalid):
            loads(data[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"not a pickle",
        b"\x80\x05",
        b"\x80\x7f.",
        b"PK\x03\x04",
        pickle.dumps(1)[:-1],
        b"\x80\x05cnone\nx\n.",
    ],
    ids=repr,
)
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    """Whatever the bytes are, the error is of the tree, and says that nothing was restored."""
    with pytest.raises(SnapshotInvalid, match="Nothing was restored"):
        loads(data)


@pytest.mark.parametrize("wrong", [None, 3, "text", ["list"]], ids=repr)
def test_what_are_no_bytes_is_a_type_error(wrong: Any) -> None:
    """A programming error, not a damaged snapshot; or an error of the tree."""
    with pytest.raises((TypeError, SnapshotInvalid)):
        loads(wrong)


def test_bytes_of_any_kind_are_taken() -> None:
    """bytes, bytearray, memoryview."""
    data = dumps(suspended())
    for kind in (bytes, bytearray, memoryview):
        assert next(loads(kind(data))) == (1, "text")


def test_a_label_that_the_function_does_not_have_is_refused() -> None:
    """A snapshot whose parts do not fit together."""
    key = capture(suspended()).function

    class Forged:
        def __init__(self, label: Any) -> None:
            self.label = label

        def __reduce__(self) -> Any:
            return v1.thaw, (key.module, key.qualname, key.digest, self.label), {}, None, None, v1.thaw

    for label in (99, -7, "x", (1, "raise"), (), (1, 2, 3), None, 2**70, 1.5):
        with pytest.raises(MobilityError):
            loads(pickle.dumps(Forged(label), 5))


def test_a_state_whose_payload_is_no_generator_is_refused() -> None:
    """Whoever looks at a state made by hand, or restores it, is told what is wrong."""
    state = dataclasses.replace(capture(suspended()), payload=pickle.dumps([1]))
    with pytest.raises(SnapshotInvalid):
        state.locals
    with pytest.raises(SnapshotInvalid):
        restore(state)
    with pytest.raises(SnapshotInvalid):
        restore(dataclasses.replace(state, payload=b"damaged"))


FLIPS = """
    import random, resource, signal, sys, warnings
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (50, 50))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    import mobility
    from mobility.errors import MobilityError
    sys.path.insert(0, sys.argv[1])
    import flipped

    generator = flipped.count([1, "text", {"k": 2.5}])
    next(generator)
    data = mobility.dumps(generator)
    generator.close()
    dice = random.Random(2)
    refused = loaded = 0
    for turn in range(2000):
        damaged = bytearray(data)
        for _ in range(dice.choice([1, 1, 1, 2, 5])):
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        try:
            mobility.loads(bytes(damaged))
            loaded += 1
        except MobilityError:
            refused += 1
        except BaseException as error:
            print(turn, bytes(damaged), repr(error))
            break
    print("survived", refused + loaded, refused > 100)
"""


def test_damaged_bytes_raise_errors_of_the_tree_or_load_to_something(importable: Path) -> None:
    """Two thousand random damages to a snapshot of plain data, in a process with limits."""
    pytest.importorskip("resource", reason="limits are those of POSIX")
    (importable / "flipped.py").write_text(
        textwrap.dedent("""
            from mobility import resumable
            @resumable
            def count(values):
                for value in values:
                    yield value
        """)
    )
    script = importable / "flip.py"
    script.write_text(textwrap.dedent(FLIPS))
    done = child(script, importable, path=importable)
    # The interpreter's own unpickler complains on stderr of some damaged lengths, and raises a proper error as well.
    assert (done.returncode, done.stdout) == (0, "survived 2000 True\n"), done.stderr
