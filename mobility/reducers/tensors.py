"""Reducers for tensors of PyTorch, which is not imported for them.

PyTorch pickles the memory of a tensor as a file of its own within the pickle, anew for each tensor. Here it is written
once for all tensors that share it, as a buffer (PEP 574) that travels beside the pickle if it is large. A leaf's
gradient goes along: an optimiser would else pass the parameter over, without a word. What was computed from others goes
as its value, without the graph behind it: to go back through it raises.

Memory of other devices than the processor is left to PyTorch.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

__all__ = ["tensor_reducer"]

Reduced = tuple[Any, ...]


def make_storage(kind: Any, data: Any) -> Any:
    """Return the memory of tensors, with this content."""
    with memoryview(data).cast("B") as content:
        made = kind(content.nbytes)
        if content.nbytes:
            _memory(made)[:] = content
    return made


def make_typed_storage(kind: Any, storage: Any, dtype: Any) -> Any:
    """Return the same memory as numbers of a type."""
    return kind(wrap_storage=storage, dtype=dtype, _internal=True)


def with_gradient(gradient: Any, make: Callable[..., Any], *arguments: Any) -> Any:
    """Return a tensor that has a gradient."""
    made = make(*arguments)
    made.grad = gradient
    return made


def _memory(storage: Any) -> memoryview:
    """The bytes of it, which it must outlive."""
    import ctypes  # only where there are tensors

    whole = (ctypes.c_ubyte * storage.nbytes()).from_address(storage.data_ptr())
    whole.owner = storage  # the view keeps the array, and the array what it is a view of
    return memoryview(whole).cast("B")


def _reduce_untyped(storage: Any) -> Reduced:
    if storage.device.type != "cpu":
        own: Reduced = storage.__reduce_ex__(5)
        return own
    size = storage.nbytes()
    return make_storage, (type(storage), pickle.PickleBuffer(_memory(storage).toreadonly() if size else b""))


def _reduce_typed(storage: Any) -> Reduced:
    inner = storage._untyped_storage
    if inner.device.type != "cpu":
        own: Reduced = storage.__reduce_ex__(5)
        return own
    return make_typed_storage, (type(storage), inner, storage.dtype)


def _reduce_tensor(tensor: Any) -> Reduced:
    if not tensor.is_leaf:
        detached: Reduced = tensor.detach().__reduce_ex__(5)
        return detached
    own: Reduced = tensor.__reduce_ex__(5)
    if tensor.grad is None:
        return own
    make, arguments, *rest = own
    return with_gradient, (tensor.grad, make, *arguments), *rest


_REDUCERS: dict[str, tuple[str, Callable[[Any], Reduced]]] = {
    "Tensor": ("torch", _reduce_tensor),
    "Parameter": ("torch.nn.parameter", _reduce_tensor),
    "UntypedStorage": ("torch.storage", _reduce_untyped),
    "TypedStorage": ("torch.storage", _reduce_typed),
}


def tensor_reducer(kind: type) -> Callable[[Any], Reduced] | None:
    """The reducer for values of exactly this type; None if it is none of PyTorch's. Goes by its name."""
    module, reducer = _REDUCERS.get(kind.__name__, (None, None))
    return reducer if reducer is not None and kind.__module__ == module else None


LOADERS = (make_storage, make_typed_storage, with_gradient)
