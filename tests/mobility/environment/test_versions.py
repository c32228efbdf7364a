"""Versions and names, against the reference implementation of the standards and against their examples."""

from __future__ import annotations

import packaging.utils
import packaging.version
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.environment.versions import Relation, minor_of, normal_name, parse_version, relate

# In ascending order, mostly from PEP 440.
ASCENDING = """1.0.dev1 1.0a1.dev1 1.0a1 1.0a1.post1.dev2 1.0a1.post1 1.0a2 1.0b1 1.0rc1.dev3 1.0rc1 1.0rc2 1.0 1.0+abc
1.0+abc.def 1.0+abc.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0+5.0 1.0.post1.dev1 1.0.post1 1.0.post2 1.0.1 1.1.dev1 1.9 1.10
2024.1 1!0.1.dev1 1!0.1""".split()
SPELLINGS = [
    ("1.0", "v1.0.0"), ("1.0", " 1 "), ("1.0a1", "1.0-ALPHA_1"), ("1.0rc2", "1.0c2"), ("1.0rc1", "1.0.preview.1"),
    ("1.0a0", "1.0a"), ("1.0.post3", "1.0-3"), ("1.0.post0", "1.0rev"), ("1.0.dev0", "1.0dev"), ("1.0", "0!1.0"),
    ("1.0+ubuntu.1", "1.0+Ubuntu-1"), ("1.0+1", "1.0+01"),
]  # fmt: skip
NONSENSE = [
    "", ".", "1.", "1..0", "a", "1.0+", "1.0+a..b", "1.0a1b2", "1.0.dev1.post1", "1.0 2.0", "=1.0", "1.x", "\u0661.0",
    "1\n\n2", "\0", "1" * 5000, "1." * 2000 + "0", "master", "1.0-", "-1", "1!", "\udc80", "1.0\u0130",
    "1.0po\u017ft1",
]  # fmt: skip
PARTS = st.tuples(
    st.sampled_from(["", "v", "1!", "0!"]),
    st.lists(st.integers(0, 20), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts))),
    st.sampled_from(["", "a1", ".b2", "-rc", "_pre1", "c0", "alpha", "PREVIEW3"]),
    st.sampled_from(["", ".post1", "-2", "rev", "r3"]),
    st.sampled_from(["", ".dev1", "dev", "-DEV0"]),
    st.sampled_from(["", "+cpu", "+1.a", "+a-1", "+10", "+9"]),
)
VALID = PARTS.map("".join)


@pytest.mark.parametrize(("one", "other"), list(zip(ASCENDING, ASCENDING[1:], strict=False)))
def test_order_of_pep_440(one: str, other: str) -> None:
    """A sentence that calls the newer version older sends people the wrong way."""
    left, right = parse_version(one), parse_version(other)
    assert left is not None and right is not None
    assert left < right and left != right


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_version(one: str, other: str) -> None:
    """The spelling depends on the tool that built the distribution."""
    assert parse_version(one) == parse_version(other) is not None
    assert relate(one, other) is Relation.SAME


@pytest.mark.parametrize("text", NONSENSE)
def test_what_is_no_version(text: str) -> None:
    """It is not guessed at."""
    assert parse_version(text) is None
    assert relate(text, "1.0") is relate("1.0", text) is Relation.UNCLEAR
    assert relate(text, text) is Relation.SAME


@given(VALID, VALID)
def test_agrees_with_the_reference(one: str, other: str) -> None:
    """`packaging` is what installers go by."""
    left, right = parse_version(one), parse_version(other)
    assert left is not None and right is not None
    expected, against = packaging.version.Version(one), packaging.version.Version(other)
    assert (left < right, left == right) == (expected < against, expected == against)


@given(st.text(max_size=20) | st.from_regex(r"[v0-9.!+a-z_ -]{0,12}", fullmatch=True))
def test_takes_what_the_reference_takes(text: str) -> None:
    """No more, and no less."""
    try:
        packaging.version.Version(text)
    except packaging.version.InvalidVersion:
        assert parse_version(text) is None
    else:
        assert parse_version(text) is not None


@given(st.text(), st.text())
def test_relate_never_raises_and_is_symmetric(one: str, other: str) -> None:
    """Versions come from manifests and from damaged installations."""
    assert relate(one, other) is relate(other, one)


@pytest.mark.parametrize(
    ("needed", "found", "relation"),
    [
        ("1.0", "1.9.9", "NEAR"), ("1.9", "2.0", "FAR"), ("0.3.1", "0.3.9", "NEAR"), ("0.3.1", "0.4.0", "FAR"),
        ("0.9", "1.0", "FAR"), ("0", "0.0.1", "NEAR"), ("0.0.1", "0.0.2", "NEAR"), ("1.0", "1!1.0", "FAR"),
        ("2.0rc1", "2.0", "NEAR"), ("2.0rc1", "1.9", "FAR"), ("1.0", "1.0+cpu", "NEAR"), ("1.0", "1.0.post1", "NEAR"),
        ("2", "2.5", "NEAR"), ("0", "0.1", "FAR"), ("10.0", "1.0", "FAR"),
    ],
)  # fmt: skip
def test_how_far_apart(needed: str, found: str, relation: str) -> None:
    """Same major, or same minor while it is 0.x: what authors promise to keep working."""
    assert relate(needed, found) is Relation[relation]


@given(st.text())
def test_names_are_normalised_once(name: str) -> None:
    """The normal form is its own normal form, and the one that installers use."""
    assert normal_name(normal_name(name)) == normal_name(name)
    assert normal_name(name) == packaging.utils.canonicalize_name(name)


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("3.11", (3, 11)), ("3.11.7", (3, 11)), ("3.13.0rc1+", (3, 13)), ("3.9", (3, 9)), ("3", None), ("", None),
        ("x3.11", None), ("3.\u0661", None), ("3." + "1" * 5000, None), ("3.11rc1", (3, 11)),
    ],
)  # fmt: skip
def test_minor_version_of_python(text: str, minor: tuple[int, int] | None) -> None:
    """Compared as numbers: 3.9 is older than 3.11."""
    assert minor_of(text) == minor
