"""Every error is complete, is drawn, and survives the way to another process."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from mobility.errors import MobilityError
from mobility.trust import errors
from mobility.trust.errors import TrustError
from mobility.trust.limits import Limits

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TrustError)]
SAMPLES = {"names": ["a"], "roles": ["owner"], "key_ids": ["ab" * 32], "allowed": ["oslo"], "place": "lima"}
NUMBERS = {"size", "limit", "not_before", "not_after", "now", "epoch", "last", "expected", "hops", "hop", "found"}


def sample(kind: type[TrustError]) -> TrustError:
    """One of each kind, its arguments filled by their names."""
    positional, named = [], {}
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        if name in ("state", "remedy"):
            continue
        value = SAMPLES.get(name, 7 if name in NUMBERS or name in ("needed", "from_epoch") else f"some {name}")
        if name == "place" and parameter.default is inspect.Parameter.empty:
            value = "oslo"
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            positional.append(value)
    return kind(*positional, **named)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_says_what_why_state_and_remedy_and_pickles(kind: type[TrustError]) -> None:
    """A refusal crosses processes, and a person has to be able to act on it."""
    error = sample(kind)
    assert isinstance(error, MobilityError)
    text = str(error)
    assert f"({kind.slug}). " in text and text.endswith(error.remedy)
    assert error.state and error.state in text and error.remedy
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is kind and str(again) == text and vars(again) == vars(error)


def test_the_tree_is_drawn_as_it_is() -> None:
    """The docstring is what people read."""
    drawn = dict(re.findall(r"── (\w+) +([a-z-]+)  ", errors.__doc__ or ""))
    leaves = {kind.__name__: kind.slug for kind in KINDS if not kind.__subclasses__()}
    assert leaves.items() <= drawn.items()
    assert set(re.findall(r"^[ │├└─]*(\w+)(?=  |$)", errors.__doc__ or "", re.MULTILINE)) >= {
        kind.__name__ for kind in KINDS
    }
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in KINDS)


def test_slugs_are_stable_and_unique() -> None:
    """Programs and command lines go by them."""
    slugs = [kind.slug for kind in KINDS if not kind.__subclasses__()]
    assert len(set(slugs)) == len(slugs)
    named = "untrusted-signer bad-signature expired not-yet-valid wrong-audience stale-epoch skipped-epoch revoked"
    assert {*named.split(), "broken-chain", "schema", "too-large", "small-order-key", "rollback"} <= {*slugs}


@pytest.mark.parametrize("value", [-1, 1.5, True, "1", None])
def test_limits_are_whole_numbers(value: object) -> None:
    """A limit that compares oddly is none."""
    with pytest.raises(ValueError):
        Limits(hops=value)  # type: ignore[arg-type]


def test_limits_are_documented() -> None:
    """Each field by its name."""
    documented = set(re.findall(r"^(\w+)$", inspect.getdoc(Limits) or "", re.MULTILINE))
    assert set(Limits.__dataclass_fields__) <= documented
