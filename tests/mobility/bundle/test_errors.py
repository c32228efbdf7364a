"""Every error of bundles is complete, is drawn, and survives the way to another process."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from mobility.bundle import errors
from mobility.bundle.errors import BundleError, CodeAltered, SegmentMismatch
from mobility.errors import MobilityError
from mobility.trust import errors as trust_errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BundleError)]
SAMPLES: dict[str, object] = {"digests": [b"ab" * 16], "signed": [b"ab" * 16], "found": [], "size": 7, "index": 7}
SAMPLES |= {"chunk": 7, "state": None, "remedy": "Do something else."}


def sample(kind: type[BundleError]) -> BundleError:
    """One of each kind, its arguments filled by their names."""
    positional, named = [], {}
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = SAMPLES.get(name, f"some {name}")
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            positional.append(value)
    return kind(*positional, **named)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_says_what_why_state_and_remedy_and_pickles(kind: type[BundleError]) -> None:
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
    assert {kind.__name__: kind.slug for kind in KINDS if kind is not BundleError} == drawn
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in KINDS)


def test_slugs_are_unique() -> None:
    """Programs and command lines go by them, across the trees."""
    others = {kind.slug for kind in vars(trust_errors).values() if isinstance(kind, type) and hasattr(kind, "slug")}
    slugs = [kind.slug for kind in KINDS]
    assert len(set(slugs)) == len(slugs)
    assert {*slugs} & (others - {MobilityError.slug}) == set()


def test_long_lists_are_told_in_short() -> None:
    """A certificate may name thousands of code segments."""
    many = [bytes([number]) * 32 for number in range(9)]
    error = CodeAltered(agent="a", signed=many, found=[])
    assert "and 5 more" in str(error) and "none" in str(error) and len(error.signed) == 9
    assert "chunk 3" in str(SegmentMismatch("it differs", kind="buffer", index=2, chunk=3))
    assert "chunk" not in str(SegmentMismatch("it differs", kind="buffer", index=2))
    assert str(SegmentMismatch("3 bytes are missing", kind="payload")).startswith("the segments are not what was")
    assert str(SegmentMismatch("it differs", kind="sealed", chunk=3)).startswith("the ciphertext, chunk 3 is not what")
