"""A reply of an app as its data set's policy lets it leave: looked at value by value, clipped, noised, priced.

A reply is plain data: dicts by text, whose leaves are numpy arrays, numbers, truth values, text, bytes, None, and flat
lists of those. `released` changes nothing of what it is given, and needs no other knowledge of the app. The same reply,
policy and noise give the same result.

What leaves must have been reserved in the ledger before: `Released.cost` says what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federated.accounting import FREE, Cost
from federated.noise import Gaussian, Noise
from federated.policy import CountRule, ReleasePolicy
from federated.verdicts import Objection, Rule, Ruling

__all__ = ["Released", "released"]

_Path: TypeAlias = tuple[str, ...]
_DEEPEST: Final = 8
_MOST_OBJECTIONS: Final = 32
_SCALARS: Final = (int, float, bool, str, bytes, type(None))
_BITS: Final = 1 << 10  # of an integer: more is no count, and could carry anything


@dataclass(frozen=True, slots=True)
class Released:
    """What may leave, and what was done to it: for the owner of the data alone, except for `reply`.

    The norm, whether it was clipped, and what an objection says tell of the data what no noise has covered.

    Attributes
    ----------
    ruling
        Whether anything may.
    reply
        What leaves; None if nothing may.
    cost
        What has to be reserved before it leaves.
    norm
        L2 norm of the update as the app returned it; None without `clip_norm`.
    clipped
        Whether it was above `clip_norm`.
    sigma
        Standard deviation of the noise on each number of the update; None without noise.
    size
        Bytes of keys and values.
    """

    ruling: Ruling
    reply: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    cost: Cost = FREE
    norm: float | None = None
    clipped: bool = False
    sigma: float | None = None
    size: int = 0


def released(
    policy: ReleasePolicy, reply: Mapping[str, Any], sent: Mapping[str, Any] | None = None, noise: Noise | None = None
) -> Released:
    """Apply a policy to what an app has returned.

    Parameters
    ----------
    sent
        The content of the message that the app has answered, in the same form: an update is what is returned minus
        the array that was sent under the same key.
    noise
        By default from the system's random bytes.
    """
    walk = _Walk(policy, {} if sent is None else sent)
    walk.read(reply)
    if walk.against:
        return Released(Ruling(policy.dataset, tuple(walk.against)), size=walk.size)
    noise = Noise() if noise is None else noise
    result = _ordered(reply, walk.sent) if policy.protects else _copied(reply)
    epsilon = FREE
    for path, rule in walk.counts:
        _put(result, path, _counted(walk.leaves[path], rule, noise))
        epsilon += Cost(epsilon=rule.epsilon)
    norm, clipped, gaussian = None, False, None
    if policy.clip_norm is not None and walk.updates:
        update = np.concatenate([walk.update(path) for path in walk.updates])
        norm = _norm(update)
        if not math.isfinite(norm):
            problem = "the update, what is returned minus what was sent, is not finite"
            return Released(Ruling(policy.dataset, (Objection(Rule.FINITE, "", problem),)), size=walk.size)
        clipped = norm > policy.clip_norm
        if clipped:
            update *= policy.clip_norm / norm
        mu = policy.update_mu
        if mu is not None:
            gaussian = Gaussian.hiding(policy.sensitivity, mu, update.size)
            update = noise.noised(update, gaussian)
        if clipped or gaussian is not None:
            walk.write(result, update)
    return Released(
        Ruling(policy.dataset),
        result,
        epsilon if gaussian is None else epsilon + Cost(rho=gaussian.rho),
        norm,
        clipped,
        None if gaussian is None else gaussian.sigma,
        walk.size,
    )


class _Walk:
    """Looks at each value of a reply, and finds what is to be done with it."""

    def __init__(self, policy: ReleasePolicy, sent: Mapping[str, Any]) -> None:
        self.policy = policy
        self.sent = sent
        self.against: list[Objection] = []
        self.size = 0
        self.leaves: dict[_Path, Any] = {}
        self.counts: list[tuple[_Path, CountRule]] = []
        self.updates: list[_Path] = []

    def read(self, reply: Any) -> None:
        if type(reply) is not dict:
            self.object(Rule.KIND, (), f"a reply is a dict, not {type(reply).__name__}")
            return
        self._tables(reply, ())
        self._all_or_none()
        if self.size > self.policy.most_bytes:
            self.object(Rule.BYTES, (), f"it has {self.size} bytes, and {self.policy.most_bytes} may leave")

    def object(self, rule: Rule, path: _Path, problem: str) -> None:
        if len(self.against) < _MOST_OBJECTIONS:
            self.against.append(Objection(rule, ".".join(path), problem))

    def _tables(self, table: dict[Any, Any], path: _Path) -> None:
        if len(path) >= _DEEPEST:
            self.object(Rule.KIND, path, f"it nests deeper than {_DEEPEST}")
            return
        if not table and path and not self._may_be_empty(".".join(path)):
            self.object(Rule.KEY, path, "no key like this may leave")
        for key, value in table.items():
            if self.size > self.policy.most_bytes:
                return  # what is too much is not looked at any further
            if type(key) is not str:
                self.object(Rule.KIND, path, f"a key is {type(key).__name__}, not text")
                continue
            self.size += _text_size(key)
            inner = (*path, key)
            if type(value) is dict:
                self._tables(value, inner)
            else:
                self._leaf(value, inner)

    def _may_be_empty(self, key: str) -> bool:
        """A table without entries: its name must be one that the owner wrote, if names shall tell nothing."""
        named = any(pattern.startswith(f"{key}.") for pattern in self.policy.keys)
        return named or (not self.policy.protects and any(fnmatchcase(key, pattern) for pattern in self.policy.keys))

    def _all_or_none(self) -> None:
        """Noised arrays are those that were sent: which of them are missing could tell something."""
        if self.policy.noise is None or not self.updates or self.against:
            return
        for path, base in _arrays(self.sent, ()):
            key = ".".join(path)
            mine = any(fnmatchcase(key, one) for one in self.policy.keys) and not self._is_exact(key)
            if mine and base.dtype.kind == "f" and path not in self.leaves:
                self.object(Rule.SHAPE, path, "it was sent, and is missing beside others that come back")

    def _is_exact(self, key: str) -> bool:
        return any(fnmatchcase(key, pattern) for pattern in self.policy.exact)

    def _leaf(self, value: Any, path: _Path) -> None:
        policy, key = self.policy, ".".join(path)
        if not any(fnmatchcase(key, pattern) for pattern in policy.keys):
            self.object(Rule.KEY, path, "no key like this may leave")
            return
        self.leaves[path] = value
        if type(value) is np.ndarray:
            known = self._array(value, path)
        else:
            known = self._plain(value, path)
        if not known:
            return
        if self._is_exact(key):
            return
        rule = policy.count_rule(key)
        if rule is not None:
            if _is_counts(value, rule.length):
                self.counts.append((path, rule))
            else:
                expected = "a whole number" if rule.length is None else f"{rule.length} whole numbers"
                self.object(Rule.NOISE, path, f"it is not what the policy counts there: {expected}")
        elif policy.clip_norm is not None and type(value) is np.ndarray:
            if value.dtype.kind == "f":
                self.updates.append(path)
                self._base(value, path)
            else:
                self.object(Rule.NOISE, path, f"an array of {value.dtype.name} can be neither clipped nor noised")
        elif policy.protects:
            self.object(Rule.NOISE, path, "it would leave without noise, and is not named in exact")

    def _array(self, value: NDArray[Any], path: _Path) -> bool:
        policy = self.policy
        self.size += value.nbytes
        if value.dtype.hasobject or value.dtype.names is not None or value.dtype.name not in policy.dtypes:
            self.object(Rule.DTYPE, path, f"arrays of {value.dtype.name} may not leave")
            return False
        if self.size > policy.most_bytes:
            return False  # what is too much is not looked at any further
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            self.object(Rule.FINITE, path, "it has numbers that are not finite")
            return False
        updated = policy.noise is not None and value.dtype.kind == "f" and not self._is_exact(".".join(path))
        if policy.like_sent or updated:
            base = _at(self.sent, path)
            if type(base) is not np.ndarray:
                self.object(Rule.SHAPE, path, "no array was sent under this key")
                return False
            if base.shape != value.shape or base.dtype != value.dtype:
                self.object(Rule.SHAPE, path, f"it is {_form(value)}, and {_form(base)} was sent")
                return False
        return True

    def _plain(self, value: Any, path: _Path) -> bool:
        for item in value if type(value) in (list, tuple) else (value,):
            if self.size > self.policy.most_bytes:
                return False
            if type(item) not in _SCALARS:
                self.object(Rule.KIND, path, f"a value of the type {type(item).__name__} may not leave")
                return False
            if type(item) is float and not math.isfinite(item):
                self.object(Rule.FINITE, path, f"it is {item}")
                return False
            if type(item) is int and item.bit_length() > _BITS:
                self.object(Rule.KIND, path, f"a whole number of {item.bit_length()} bits may not leave")
                return False
            self.size += max(1, _size(item))  # a list may hold the same empty text a billion times
        return True

    def _base(self, value: NDArray[Any], path: _Path) -> None:
        base = _at(self.sent, path)
        if type(base) is not np.ndarray:
            return
        if base.shape != value.shape:
            self.object(Rule.SHAPE, path, f"it is {_form(value)}, and {_form(base)} was sent: there is no update")
        elif base.dtype.kind not in "fiub":
            self.object(Rule.DTYPE, path, f"from what was sent, {_form(base)}, no update can be made")

    # -- the update

    def _sent_array(self, path: _Path) -> NDArray[np.float64] | None:
        base = _at(self.sent, path)
        return base.astype(np.float64).reshape(-1) if type(base) is np.ndarray else None

    def update(self, path: _Path) -> NDArray[np.float64]:
        """Of one array, as one dimension."""
        mine: NDArray[np.float64] = self.leaves[path].astype(np.float64).reshape(-1)
        base = self._sent_array(path)
        if base is None:
            return mine
        with np.errstate(all="ignore"):
            difference: NDArray[np.float64] = mine - base
        return difference

    def write(self, result: dict[str, Any], update: NDArray[np.float64]) -> None:
        """Put what was sent, plus the update, in the place of the app's arrays."""
        start = 0
        for path in self.updates:
            value = self.leaves[path]
            part = update[start : start + value.size]
            start += value.size
            base = self._sent_array(path)
            most = float(np.finfo(value.dtype).max)
            with np.errstate(over="ignore"):
                total = np.clip(part if base is None else base + part, -most, most)
            _put(result, path, total.astype(value.dtype).reshape(value.shape))


def _counted(value: Any, rule: CountRule, noise: Noise) -> Any:
    """The same with noise on each number: whole numbers of 64 bits, whatever the app chose to write them as."""
    scale = rule.scale
    if type(value) is int:
        return value + noise.laplace(scale)
    noised = [int(one) + noise.laplace(scale) for one in value]
    if type(value) is not np.ndarray:
        return noised
    info = np.iinfo(np.int64)
    return np.array([min(max(one, info.min), info.max) for one in noised], np.int64)


def _is_counts(value: Any, length: int | None) -> bool:
    if length is None:
        return type(value) is int
    if type(value) is np.ndarray:
        return value.dtype.kind in "iu" and value.shape == (length,)
    return type(value) in (list, tuple) and len(value) == length and all(type(one) is int for one in value)


def _norm(update: NDArray[np.float64]) -> float:
    """The L2 norm, also where the squares would be too large or too small for a double."""
    largest = float(np.max(np.abs(update), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    scaled = update / largest
    return largest * math.sqrt(float(np.dot(scaled, scaled)))


def _form(array: NDArray[Any]) -> str:
    return f"{array.dtype.name}{list(array.shape)}"


def _size(value: Any) -> int:
    if type(value) is str:
        return _text_size(value)
    if type(value) is bytes:
        return len(value)
    return max(8, value.bit_length() // 8 + 1) if type(value) is int else 8


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _at(table: Any, path: _Path) -> Any:
    for key in path:
        if not isinstance(table, Mapping):
            return None
        table = table.get(key)
    return table


def _arrays(table: Any, path: _Path) -> Iterator[tuple[_Path, NDArray[Any]]]:
    if isinstance(table, Mapping):
        for key, value in table.items():
            yield from _arrays(value, (*path, key))
    elif type(table) is np.ndarray:
        yield path, table


def _ordered(table: Mapping[str, Any], sent: Any) -> dict[str, Any]:
    """The dicts anew, in the order of what was sent, then by name."""
    known = [key for key in sent if key in table] if isinstance(sent, Mapping) else []
    result = {}
    for key in [*known, *sorted(table.keys() - set(known))]:
        value = table[key]
        inner = sent.get(key) if isinstance(sent, Mapping) else None
        result[key] = _ordered(value, inner) if type(value) is dict else value
    return result


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    """The dicts anew, with the same leaves."""
    return {key: _copied(value) if type(value) is dict else value for key, value in table.items()}


def _put(table: dict[str, Any], path: _Path, value: Any) -> None:
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
