"""Tensors of PyTorch travel as memory that is written once, with the gradients of leaves."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from mobility import Bundle, Identity, TrustStore, dumps, loads, pack, resumable, unpack

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install sojourn[torch]")


@resumable
def holding(value: Any) -> Any:
    yield
    return value


def held(value: Any) -> Any:
    made = holding(value)
    next(made)
    return made


def ended(generator: Any) -> Any:
    with pytest.raises(StopIteration) as end:
        next(generator)
    return end.value.value


def by_snapshot(value: Any) -> Any:
    return ended(loads(dumps(held(value))))


def by_buffers(value: Any) -> Any:
    buffers: list[Any] = []
    data = dumps(held(value), buffer_callback=buffers.append)
    return ended(loads(data, buffers=[bytes(one.raw()) for one in buffers]))


@pytest.fixture(params=[by_snapshot, by_buffers])
def moved(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.uint8, torch.complex64]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (4, 5), (300, 70)])
def test_values_arrive_bit_for_bit(moved: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    made = torch.randint(0, 2, shape).to(dtype)
    found = moved(made)
    assert found.dtype == dtype and found.shape == made.shape and torch.equal(found, made)
    assert found.data_ptr() != made.data_ptr() or not made.numel()


def test_what_shares_memory_still_does(moved: Any) -> None:
    """Views, and a transposed one; PyTorch's own pickling would give each a copy."""
    whole = torch.arange(12.0)
    found, part, turned = moved((whole, whole[2:5], whole.view(3, 4).T))
    found[2] = 50.0
    assert part[0] == 50.0 == turned[2, 0] and turned.stride() == (1, 4)
    assert whole[2] == 2.0


def test_memory_is_written_once_and_large_memory_not_into_the_pickle() -> None:
    whole = torch.zeros(100_000)
    buffers: list[Any] = []
    data = dumps(held([whole, whole[:10], whole.view(100, 1000)]), buffer_callback=buffers.append)
    assert [one.raw().nbytes for one in buffers] == [400_000]
    assert len(data) < 3000


def test_a_buffer_outlives_the_tensor() -> None:
    """It is a view of memory that nobody else may hold any more."""
    buffers: list[Any] = []
    dumps(held(torch.full((50_000,), 7, dtype=torch.uint8)), buffer_callback=buffers.append)
    gc.collect()
    others = [torch.zeros(50_000, dtype=torch.uint8) for _ in range(50)]
    assert bytes(buffers[0].raw()) == b"\x07" * 50_000 and len(others) == 50


def network() -> Any:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    return net, torch.optim.Adam(net.parameters(), 0.1)


def backward(net: Any) -> None:
    net(torch.arange(8.0).view(2, 4)).square().sum().backward()


def test_an_optimiser_goes_on_with_the_parameters_of_its_module(moved: Any) -> None:
    """Also between `backward` and `step`: without the gradients it would change nothing, and not say so."""
    net, optimiser = network()
    backward(net)
    optimiser.step()
    other, others = moved((net, optimiser))
    assert others.param_groups[0]["params"][0] is other[0].weight
    for one, by in ((net, optimiser), (other, others)):
        by.step()
    before = [one.clone() for one in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters()))
    for one, by in ((net, optimiser), (other, others)):
        backward(one)
        by.step()
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters()))
    assert not all(torch.equal(a, b) for a, b in zip(net.parameters(), before))


def test_a_computed_tensor_goes_as_its_value_and_going_back_through_it_raises(moved: Any) -> None:
    net, _ = network()
    loss = net(torch.ones(1, 4)).sum()
    found = moved(loss)
    assert found.item() == loss.item() and not found.requires_grad
    with pytest.raises(RuntimeError, match="does not require grad"):
        found.backward()
    loss.backward()  # the original is as it was


def test_parameters_with_attributes_of_their_own(moved: Any) -> None:
    made = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    made.kind = "bias"
    found = moved(made)
    assert type(found) is torch.nn.Parameter and found.kind == "bias" and not found.requires_grad


def test_a_state_dict_and_a_generator(moved: Any) -> None:
    net, optimiser = network()
    backward(net)
    optimiser.step()
    generator = torch.Generator().manual_seed(5)
    torch.rand(3, generator=generator)
    weights, state, dice = moved((net.state_dict(), optimiser.state_dict(), generator))
    assert all(torch.equal(weights[name], one) for name, one in net.state_dict().items())
    assert torch.equal(state["state"][0]["exp_avg"], optimiser.state_dict()["state"][0]["exp_avg"])
    assert torch.equal(torch.rand(3, generator=dice), torch.rand(3, generator=generator))


def test_in_a_bundle_memory_is_a_segment_of_its_own_and_can_be_written_on_arrival(tmp_path: Path) -> None:
    owner = Identity.generate("owner", "owner")
    trust = TrustStore(tmp_path)
    trust.trust(owner.public)
    made = torch.rand(300, 100)
    verified = Bundle.from_bytes(bytearray(pack(held(made), by=owner).to_bytes())).verify(trust)
    manifest = verified.manifest
    assert max(one.size for one in manifest.segments) == 120_000 and len(manifest.segments) == 4
    assert [needed.name for needed in manifest.needs.distributions] == ["torch"]
    assert [str(one) for one in manifest.encodings] == ["pickle"]
    found = ended(unpack(verified))
    assert torch.equal(found, made)
    found += 1.0
