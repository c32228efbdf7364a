"""Large buffers leave and enter without being copied (PEP 574)."""

import array
import pickle
from typing import Any

import pytest

from mobility import capture, dumps, loads, restore, resumable


@resumable
def computing(data):
    again = data
    yield len(data)
    yield data, again is data


def buffers_of(generator: Any) -> tuple[bytes, list[pickle.PickleBuffer]]:
    buffers: list[pickle.PickleBuffer] = []
    return dumps(generator, buffer_callback=buffers.append), buffers


def test_a_large_array_is_neither_copied_out_nor_in() -> None:
    """PEP 574: the buffer handed out is the array's memory, and the restored array lives in the buffer given."""
    numpy = pytest.importorskip("numpy")
    data = numpy.arange(1_000_000.0)
    generator = computing(data)
    next(generator)
    snapshot, buffers = buffers_of(generator)
    assert len(snapshot) < 1000 and len(buffers) == 1
    assert numpy.shares_memory(numpy.frombuffer(buffers[0]), data)
    found, same = next(loads(snapshot, buffers=buffers))
    assert same and numpy.shares_memory(found, data)
    elsewhere = bytearray(buffers[0])
    found, _ = next(loads(snapshot, buffers=[elsewhere]))
    assert numpy.shares_memory(found, numpy.frombuffer(elsewhere)) and not numpy.shares_memory(found, data)
    found[0] = 5
    assert numpy.frombuffer(elsewhere)[0] == 5 and data[0] == 0


def test_a_read_only_buffer_gives_a_read_only_array() -> None:
    """Bytes that came over a network are not writable; the array says so instead of writing into them."""
    numpy = pytest.importorskip("numpy")
    generator = computing(numpy.arange(1000))
    next(generator)
    snapshot, buffers = buffers_of(generator)
    found, _ = next(loads(snapshot, buffers=[bytes(b) for b in buffers]))
    assert not found.flags.writeable and found.sum() == 499500
    frozen = numpy.arange(10)
    frozen.flags.writeable = False
    generator = computing(frozen)
    next(generator)
    snapshot, buffers = buffers_of(generator)
    assert not next(loads(snapshot, buffers=buffers))[0].flags.writeable


def test_without_a_callback_it_travels_within() -> None:
    """And is as writable as it was."""
    numpy = pytest.importorskip("numpy")
    generator = computing(numpy.arange(1000))
    next(generator)
    found, same = next(loads(dumps(generator)))
    found[0] = 1
    assert same and len(dumps(generator)) > 8000


def test_several_buffers_come_in_order() -> None:
    """Of several generators too."""
    numpy = pytest.importorskip("numpy")
    generators = [computing(numpy.full(100, n)) for n in range(3)]
    for generator in generators:
        next(generator)
    snapshot, buffers = buffers_of(generators)
    found = [next(g)[0][0] for g in loads(snapshot, buffers=iter(buffers))]
    assert found == [0, 1, 2]
    with pytest.raises(Exception, match="buffer"):
        loads(snapshot, buffers=buffers[:1])


@pytest.mark.parametrize("data", [bytearray(b"abc" * 1000), array.array("d", [1.0] * 100)], ids=["bytearray", "array"])
def test_other_large_values_move(data: Any) -> None:
    """Values that pickle does not take out of band travel within, and stay one object."""
    generator = computing(data)
    next(generator)
    snapshot, buffers = buffers_of(generator)
    found, same = next(loads(snapshot, buffers=buffers))
    assert same and found == data and found is not data


def test_a_buffer_wrapped_by_the_user() -> None:
    """A PickleBuffer over a bytearray is handed out as it is."""
    data = bytearray(b"abc" * 1000)
    generator = computing(PickledBytes(data))
    next(generator)
    snapshot, buffers = buffers_of(generator)
    assert len(buffers) == 1 and buffers[0].raw().obj is data
    assert len(snapshot) < 1000
    found, same = next(loads(snapshot, buffers=buffers))
    assert same and found.data.raw().obj is data


class PickledBytes:
    """Offers its memory out of band."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __reduce_ex__(self, protocol: int) -> Any:
        return PickledBytes, (pickle.PickleBuffer(self.data),)


def test_a_captured_state_holds_its_buffers_itself() -> None:
    """capture has no callback: the state shares nothing with the generator."""
    numpy = pytest.importorskip("numpy")
    data = numpy.arange(10)
    generator = computing(data)
    next(generator)
    state = capture(generator)
    data[0] = 99
    assert state.locals["data"][0] == 0
    assert next(restore(state))[0][0] == 0
