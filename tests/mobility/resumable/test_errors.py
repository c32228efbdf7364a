"""Every error pickles whole, keeps its slug, and says what happened, why, how things stand, and what to do next."""

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from mobility import errors
from mobility.errors import (
    FunctionNotFound,
    GeneratorRunning,
    MobilityError,
    NotMovable,
    ResumableError,
    SnapshotInvalid,
    SourceMismatch,
)

# One of each: the error, its slug, and what its message must hold: what, why, the state now, what to do next.
EXAMPLES: list[tuple[MobilityError, str, tuple[str, ...]]] = [
    (
        ResumableError("it awaits", function="f.g", filename="a.py", line=7, remedy="Yield instead."),
        "not-resumable",
        ("f.g cannot be made resumable", "it awaits", "a.py", "line 7", "Yield instead."),
    ),
    (
        NotMovable(
            function="m.f", variable="variable 'x'", filename="a.py", line=9, kind="socket.socket",
            reason="it is bound to this machine", remedy="Open it after the move.",
        ),
        "not-movable",
        ("m.f cannot be captured", "variable 'x'", "a.py", "line 9", "socket.socket", "it is bound to this machine",
         "unharmed and still runnable", "Open it after the move."),
    ),
    (
        GeneratorRunning("m.f", "captured"),
        "generator-running",
        ("m.f cannot be captured", "executing", "goes on undisturbed", "try again"),
    ),
    (
        FunctionNotFound("m", "C.f", "no such class"),
        "function-not-found",
        ("m.C.f was not found", "no such class", "Nothing was restored", "snapshot is intact", "importable"),
    ),
    (
        SourceMismatch("m", "C.f", "aa11", "bb22"),
        "source-mismatch",
        ("source of m.C.f differs", "aa11", "bb22", "Nothing was restored", "snapshot is intact", "Resume it where"),
    ),
    (
        SnapshotInvalid("it ends too early"),
        "snapshot-invalid",
        ("not a usable snapshot", "it ends too early", "Nothing was restored"),
    ),
]  # fmt: skip
each = pytest.mark.parametrize("error, slug, parts", EXAMPLES, ids=[slug for _, slug, _ in EXAMPLES])


def test_the_tree_is_complete() -> None:
    """Each public class of the module has an example here, and derives from the one base."""
    public = {value for name, value in vars(errors).items() if inspect.isclass(value) and not name.startswith("_")}
    defined = {kind for kind in public if kind.__module__ == errors.__name__}
    assert defined == {getattr(errors, name) for name in errors.__all__}
    assert defined - {MobilityError} == {type(error) for error, _, _ in EXAMPLES}
    assert all(kind.__mro__[1] is MobilityError for kind in defined - {MobilityError})
    assert MobilityError.__mro__[1] is Exception


def test_the_docstring_draws_the_tree() -> None:
    """Each class appears in the module's drawing."""
    assert all(re.search(rf"^[ ├└─]*{name}\b", errors.__doc__ or "", re.M) for name in errors.__all__)


def test_slugs_are_stable_and_distinct() -> None:
    """Programs compare with them, so none may change."""
    slugs = {kind.__name__: kind.slug for kind in map(errors.__dict__.get, errors.__all__)}  # type: ignore[union-attr]
    assert slugs == {
        "FunctionNotFound": "function-not-found",
        "GeneratorRunning": "generator-running",
        "MobilityError": "mobility",
        "NotMovable": "not-movable",
        "ResumableError": "not-resumable",
        "SnapshotInvalid": "snapshot-invalid",
        "SourceMismatch": "source-mismatch",
    }


@each
def test_the_message_says_all_that_a_person_needs(error: MobilityError, slug: str, parts: tuple[str, ...]) -> None:
    """What happened, why, in what state things are, and what to do next; in whole sentences."""
    text = str(error)
    positions = [text.find(part) for part in parts]
    assert -1 not in positions, (text, parts)
    assert text.endswith(".") and "  " not in text
    assert error.slug == slug
    if not isinstance(error, SnapshotInvalid | ResumableError):
        assert positions[0] == min(positions)


def test_each_message_says_what_to_do_next() -> None:
    """Also that of a damaged snapshot: the last sentence is an advice, not only a statement."""
    for error, _, _ in EXAMPLES:
        last = str(error).rstrip(".").split(". ")[-1]
        assert not last.startswith(("Nothing was", "It goes", "The generator is")), str(error)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@each
def test_it_pickles_whole(error: MobilityError, slug: str, parts: tuple[str, ...], protocol: int) -> None:
    """Type, text, arguments, every attribute, notes and later additions."""
    error = copy.copy(error)
    error.add_note("a note")
    error.added = {"later": [1]}  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert (str(again), again.args, vars(again), again.slug) == (str(error), error.args, vars(error), slug)
    assert again.__notes__ == ["a note"]
    assert vars(pickle.loads(pickle.dumps(again, protocol))) == vars(error)


@each
def test_it_copies(error: MobilityError, slug: str, parts: tuple[str, ...]) -> None:
    """copy and deepcopy."""
    for made in (copy.copy(error), copy.deepcopy(error)):
        assert type(made) is type(error) and str(made) == str(error) and vars(made) == vars(error)


@each
def test_its_attributes_are_documented(error: MobilityError, slug: str, parts: tuple[str, ...]) -> None:
    """Programs read them; every one that the constructor takes is there."""
    taken = [name for name in inspect.signature(type(error).__init__).parameters if name != "self"]
    assert taken and set(taken) <= set(vars(error))
    assert type(error).__doc__


@each
def test_it_can_be_raised_from_another_and_caught_by_the_base(
    error: MobilityError, slug: str, parts: tuple[str, ...]
) -> None:
    """One except clause takes them all."""
    caught: Any = None
    try:
        raise error from KeyError("cause")
    except MobilityError as found:
        caught = found
    assert caught is error and isinstance(caught.__cause__, KeyError)


class Told(MobilityError):
    """A subclass of another package, with a constructor of its own."""

    slug = "told"

    def __init__(self, first: int, *, second: str) -> None:
        super().__init__(f"{first} {second}")
        self.first = first
        self.second = second


def test_a_subclass_with_any_constructor_pickles() -> None:
    """Other packages hang their errors into the tree."""
    again = pickle.loads(pickle.dumps(Told(1, second="b")))
    assert (type(again), str(again), again.first, again.second) == (Told, "1 b", 1, "b")
