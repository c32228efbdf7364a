"""Each rule of the verdict, what holds for all of them, and the words."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.environment import (
    EFFECTS,
    Accelerator,
    Distribution,
    Environment,
    EnvironmentRefused,
    Mobility,
    Needs,
    Reason,
    ReasonCode,
    Verdict,
    reasons,
    verdict,
)
from mobility.errors import MobilityError

GIB = 1 << 30
HOST = Environment(
    "3.11.7",
    processor="x86_64",
    operating_system="Linux",
    memory_total=8 * GIB,
    memory_available=4 * GIB,
    accelerators=(Accelerator("cuda", 2, 16 * GIB), Accelerator("cuda", 1), Accelerator("tpu", 1, 8 * GIB)),
    distributions=(("alpha", "2.4.6"), ("beta-two", "0.3.1"), ("odd", "not a version"), ("pre", "2.0rc1")),
    modules=("local", "package.part"),
)
UNKNOWN = replace(HOST, memory_total=None, memory_available=None)
STRONG, WEAK, REFUSE = Mobility
ORDER = list(Mobility)
Code = ReasonCode


def uses(name: str, version: str) -> Needs:
    return Needs(distributions=(Distribution(name, version, (name,)),))


def cuda(*devices: tuple[int, int | None]) -> Needs:
    return Needs(accelerators=tuple(Accelerator("CUDA", count, size and size * GIB) for count, size in devices))


# What is needed, of which host, with which syntax, and the only reason that follows.
RULES: list[tuple[str, Needs, Environment, str | None, ReasonCode | None]] = [
    ("nothing", Needs(), HOST, None, None),
    ("python 3.10", Needs(), replace(HOST, python="3.10.13"), None, Code.PYTHON_TOO_OLD),
    ("python 3.11", Needs(), replace(HOST, python="3.11.0"), None, None),
    ("python 3.9 is not newer than 3.11", Needs(), replace(HOST, python="3.9.1"), None, Code.PYTHON_TOO_OLD),
    ("python 2", Needs(), replace(HOST, python="2.7.18"), None, Code.PYTHON_TOO_OLD),
    ("python unreadable", Needs(), replace(HOST, python="recent"), None, Code.PYTHON_TOO_OLD),
    ("python 4", Needs(), replace(HOST, python="4.0.0"), None, None),
    ("syntax older", Needs(), replace(HOST, python="3.13.0"), "3.12", None),
    ("syntax same", Needs(), HOST, "3.11", None),
    ("syntax newer", Needs(), HOST, "3.12", Code.PYTHON_SYNTAX),
    ("syntax unreadable", Needs(), HOST, "future", Code.PYTHON_SYNTAX),
    ("bound to this minor", Needs(python_minor="3.11"), HOST, None, None),
    ("bound to a newer minor", Needs(python_minor="3.12"), HOST, None, Code.PYTHON_MINOR),
    ("bound to 3.1", Needs(python_minor="3.1"), HOST, None, Code.PYTHON_MINOR),
    ("bound to 3.111", Needs(python_minor="3.111"), HOST, None, Code.PYTHON_MINOR),
    ("bound to an older minor", Needs(python_minor="3.11"), replace(HOST, python="3.12.0"), None, Code.PYTHON_MINOR),
    ("bound to what is unreadable", Needs(python_minor="?"), HOST, None, Code.PYTHON_MINOR),
    ("pypy", Needs(), replace(HOST, implementation="PyPy"), None, Code.IMPLEMENTATION),
    ("distribution the same", uses("alpha", "2.4.6"), HOST, None, None),
    ("distribution by another spelling", uses("Beta_Two", "0.3.1"), HOST, None, None),
    ("version by another spelling", uses("alpha", "v2.4.6.0"), HOST, None, None),
    ("distribution missing", uses("gamma", "1.0"), HOST, None, Code.DISTRIBUTION_MISSING),
    ("distribution without a name", uses("", "1.0"), HOST, None, Code.DISTRIBUTION_MISSING),
    ("older patch", uses("alpha", "2.4.7"), HOST, None, Code.DISTRIBUTION_OTHER),
    ("newer minor", uses("alpha", "2.1"), HOST, None, Code.DISTRIBUTION_OTHER),
    ("pre-release of the same major", uses("alpha", "2.0rc1"), HOST, None, Code.DISTRIBUTION_OTHER),
    ("release of a pre-release", uses("pre", "2.0"), HOST, None, Code.DISTRIBUTION_OTHER),
    ("pre-release of the next major", uses("pre", "1.9"), HOST, None, Code.DISTRIBUTION_FAR),
    ("local part", uses("alpha", "2.4.6+cpu"), HOST, None, Code.DISTRIBUTION_OTHER),
    ("older major", uses("alpha", "3.0"), HOST, None, Code.DISTRIBUTION_FAR),
    ("newer major", uses("alpha", "1.9"), HOST, None, Code.DISTRIBUTION_FAR),
    ("epoch", uses("alpha", "1!2.4.6"), HOST, None, Code.DISTRIBUTION_FAR),
    ("0.x patch", uses("beta-two", "0.3.9"), HOST, None, Code.DISTRIBUTION_OTHER),
    ("0.x minor", uses("beta-two", "0.4"), HOST, None, Code.DISTRIBUTION_FAR),
    ("from 0.x to 1.0", uses("beta-two", "1.0"), HOST, None, Code.DISTRIBUTION_FAR),
    ("unreadable there", uses("odd", "1.0"), HOST, None, Code.DISTRIBUTION_UNCLEAR),
    ("unreadable here", uses("alpha", "master"), HOST, None, Code.DISTRIBUTION_UNCLEAR),
    ("unreadable and the same", uses("odd", "not a version"), HOST, None, None),
    ("module", Needs(modules=("local", "package.part")), HOST, None, None),
    ("module missing", Needs(modules=("elsewhere",)), HOST, None, Code.MODULE_MISSING),
    ("processor", Needs(processors=("riscv64", "x86_64")), HOST, None, None),
    ("processor by another name", Needs(processors=("AMD64",)), HOST, None, None),
    ("other processor", Needs(processors=("arm64", "aarch64")), HOST, None, Code.PROCESSOR),
    ("processor unknown", Needs(processors=("x86_64",)), replace(HOST, processor=""), None, Code.PROCESSOR),
    ("system", Needs(operating_systems=("Darwin", "linux")), HOST, None, None),
    ("other system", Needs(operating_systems=("Windows",)), HOST, None, Code.OPERATING_SYSTEM),
    ("memory as free", Needs(memory=4 * GIB), HOST, None, None),
    ("memory beyond what is free", Needs(memory=4 * GIB + 1), HOST, None, Code.MEMORY_TAKEN),
    ("memory as in all", Needs(memory=8 * GIB), HOST, None, Code.MEMORY_TAKEN),
    ("memory beyond all", Needs(memory=8 * GIB + 1), HOST, None, Code.MEMORY_TOO_SMALL),
    ("memory unknown", Needs(memory=1), UNKNOWN, None, Code.MEMORY_UNKNOWN),
    ("free memory unknown", Needs(memory=1), replace(HOST, memory_available=None), None, Code.MEMORY_UNKNOWN),
    ("all memory unknown", Needs(memory=5 * GIB), replace(HOST, memory_total=None), None, Code.MEMORY_TAKEN),
    ("no memory needed", Needs(), UNKNOWN, None, None),
    ("accelerators", cuda((2, 16)), HOST, None, None),
    ("accelerators of any size", cuda((3, None)), HOST, None, None),
    ("too many accelerators", cuda((4, None)), HOST, None, Code.ACCELERATOR_MISSING),
    ("accelerators of unknown memory", cuda((3, 16)), HOST, None, Code.ACCELERATOR_UNKNOWN),
    ("more than those of unknown memory", cuda((4, 16)), HOST, None, Code.ACCELERATOR_MISSING),
    ("too small, but one may do", cuda((1, 80)), HOST, None, Code.ACCELERATOR_UNKNOWN),
    ("two needs are added up", cuda((2, 16), (2, None)), HOST, None, Code.ACCELERATOR_MISSING),
    ("the large one serves the large need", cuda((2, 16), (1, None)), HOST, None, None),
    ("no accelerators", Needs(accelerators=(Accelerator("npu"),)), HOST, None, Code.ACCELERATOR_MISSING),
    ("none of them", Needs(accelerators=(Accelerator("npu", 0),)), HOST, None, None),
    ("fewer than none", cuda((4, None), (-2, None)), HOST, None, Code.ACCELERATOR_MISSING),
    ("known to be small", Needs(accelerators=(Accelerator("tpu", 1, 9 * GIB),)), HOST, None, Code.ACCELERATOR_MISSING),
]


@pytest.mark.parametrize(("needs", "host", "syntax", "code"), [rule[1:] for rule in RULES], ids=[r[0] for r in RULES])
@pytest.mark.parametrize("state", [True, False], ids=["with a state", "without"])
def test_rule(needs: Needs, host: Environment, syntax: str | None, code: ReasonCode | None, state: bool) -> None:
    """A wrong verdict either turns a good host down, or lets a unit fail half-way through."""
    found = verdict(needs, host, state=state, syntax=syntax)
    assert [reason.code for reason in found.reasons] == ([] if code is None else [code])
    effect = STRONG if code is None else EFFECTS[code][0 if state else 1]
    assert [reason.effect for reason in found.reasons] == ([] if code is None else [effect])
    assert found.kind is Mobility.worst([STRONG if state else WEAK, effect])
    assert found.fits is (effect is STRONG)


def test_every_reason_is_reached() -> None:
    """A code that no rule gives would be a promise to programs that nothing keeps."""
    assert {rule[4] for rule in RULES} == {None, *ReasonCode}
    assert set(EFFECTS) == set(ReasonCode)


def test_the_table_is_drawn_as_it_is() -> None:
    """People read the docstring, the code reads the table."""
    rows = re.findall(r"^ {4}([a-z-]+) {2,}\S.*? {2,}(\w+) +(\w+)$", reasons.__doc__ or "", re.MULTILINE)
    drawn = {code: (one, other) for code, one, other in rows if code != "code"}
    assert drawn == {code.value: (one.value, other.value) for code, (one, other) in EFFECTS.items()}


@pytest.mark.parametrize("code", ["distribution-missing", "processor", "memory-too-small", "python-syntax"])
def test_what_cannot_run_is_refused_with_or_without_a_state(code: str) -> None:
    """The table is data: this says what must be in it, whoever edits it."""
    assert EFFECTS[ReasonCode(code)] == (REFUSE, REFUSE)


def test_another_python_makes_a_bound_state_weak_and_no_more() -> None:
    """The code is source: it can start anew on any version."""
    assert EFFECTS[Code.PYTHON_MINOR] == (WEAK, WEAK)
    assert EFFECTS[Code.IMPLEMENTATION] == EFFECTS[Code.DISTRIBUTION_FAR] == (WEAK, STRONG)
    assert EFFECTS[Code.DISTRIBUTION_OTHER] == EFFECTS[Code.MEMORY_UNKNOWN] == (STRONG, STRONG)


def test_a_unit_without_a_state_fits_where_its_verdict_is_weak() -> None:
    """`weak` is the best for a function, but not if its values are bound to another Python."""
    assert (verdict(Needs(), HOST, state=False).kind, verdict(Needs(), HOST, state=False).fits) == (WEAK, True)
    bound = verdict(Needs(python_minor="3.12"), HOST, state=False)
    assert (bound.kind, bound.fits) == (WEAK, False)


# -- what holds for all needs

WORDS = st.sampled_from(["alpha", "Beta.Two", "odd", "pre", "gamma", "", "x86_64", "Linux", "cuda", "local"])
TEXTS = WORDS | st.text(max_size=12) | st.from_regex(r"[0-9.]{1,6}(a|rc|dev|\+)?[0-9]?", fullmatch=True)
VERSIONS = st.sampled_from(["2.4.6", "2.0", "3", "0.3.1", "0.2", "2.0rc1", "1!2.4.6", "2.4.6+cpu"]) | TEXTS
SIZES = st.none() | st.integers(-1, 10 * GIB) | st.integers(0, 1 << 53)
NEEDS = st.builds(
    Needs,
    python_minor=st.none() | st.sampled_from(["3.11", "3.12"]) | TEXTS,
    distributions=st.lists(st.builds(Distribution, TEXTS, VERSIONS, st.just(())), max_size=4).map(tuple),
    modules=st.lists(TEXTS, max_size=2).map(tuple),
    memory=SIZES,
    processors=st.lists(TEXTS, max_size=2).map(tuple),
    operating_systems=st.lists(TEXTS, max_size=2).map(tuple),
    accelerators=st.lists(st.builds(Accelerator, TEXTS, st.integers(-1, 5), SIZES), max_size=3).map(tuple),
)
HOSTS = st.builds(
    Environment,
    python=st.sampled_from(["3.11.7", "3.12.1", "3.10.1"]) | TEXTS,
    implementation=st.sampled_from(["CPython", "PyPy"]) | TEXTS,
    processor=TEXTS,
    operating_system=TEXTS,
    memory_total=SIZES,
    memory_available=SIZES,
    accelerators=st.lists(st.builds(Accelerator, TEXTS, st.integers(0, 5), SIZES), max_size=3).map(tuple),
    distributions=st.lists(st.tuples(TEXTS, VERSIONS), max_size=4).map(tuple),
    modules=st.lists(TEXTS, max_size=2).map(tuple),
) | st.just(HOST)
SYNTAX = st.none() | st.sampled_from(["3.11", "3.12"]) | TEXTS


@given(NEEDS, HOSTS, st.booleans(), SYNTAX)
def test_never_raises_and_everything_said_is_fit_for_a_terminal(
    needs: Needs, host: Environment, state: bool, syntax: str | None
) -> None:
    """Needs come from a stranger's manifest: they must neither stop the judge nor move anybody's cursor."""
    found = verdict(needs, host, state=state, syntax=syntax)
    assert all(line.isprintable() for line in str(found).splitlines())
    assert len(str(found).split("\n")) == 1 + len(found.reasons)
    for reason in found.reasons:
        assert reason.needed.isprintable() and (reason.found or "").isprintable()
    assert json.loads(json.dumps(found.as_data())) == found.as_data()


def joined(one: Any, other: Any) -> Any:
    """Both needs at once; where only one can be said, that of `one` if it says anything, else that of `other`."""
    if isinstance(one, tuple):
        return one + other
    return other if one is None else one


@given(NEEDS, NEEDS, HOSTS, st.booleans())
def test_more_needs_never_make_it_better(one: Needs, other: Needs, host: Environment, state: bool) -> None:
    """Otherwise somebody could get in by asking for more."""
    # Naming another processor allows more: it is the one place where a longer list is a smaller need.
    names = [field.name for field in fields(Needs)]
    both = Needs(**{name: joined(getattr(one, name), getattr(other, name)) for name in names})
    both = replace(
        both,
        processors=one.processors or other.processors,
        operating_systems=one.operating_systems or other.operating_systems,
    )
    less, more = verdict(one, host, state=state), verdict(both, host, state=state)
    assert ORDER.index(more.kind) >= ORDER.index(less.kind)
    if more.fits:
        assert less.fits


@given(NEEDS, HOSTS, st.booleans(), st.randoms())
def test_the_order_does_not_matter(needs: Needs, host: Environment, state: bool, random: Any) -> None:
    """Two hosts that are asked the same in another order have to agree."""
    lists = [field.name for field in fields(Needs) if isinstance(getattr(needs, field.name), tuple)]
    shuffled = {}
    for name in lists:
        values = list(getattr(needs, name)) * 2
        random.shuffle(values)
        # Said twice is said once, except of accelerators, which are added up.
        shuffled[name] = tuple(values) if name != "accelerators" else tuple(reversed(getattr(needs, name)))
    assert verdict(replace(needs, **shuffled), host, state=state) == verdict(needs, host, state=state)


@given(NEEDS, HOSTS, SYNTAX)
def test_a_state_only_adds_obstacles(needs: Needs, host: Environment, syntax: str | None) -> None:
    """Where a suspended unit can go on, its code can start as well."""
    with_state, without = (verdict(needs, host, state=state, syntax=syntax) for state in (True, False))
    assert [reason.code for reason in with_state.reasons if reason.effect is REFUSE] == [
        reason.code for reason in without.reasons if reason.effect is REFUSE
    ]
    if with_state.fits:
        assert without.fits


@given(st.lists(st.tuples(st.integers(1, 3), SIZES), max_size=4), st.lists(SIZES, max_size=5))
def test_accelerators_are_enough_just_when_they_can_be_handed_out(
    needed: list[tuple[int, int | None]], offered: list[int | None]
) -> None:
    """Counting by size must agree with giving each need the smallest device that will do."""
    free = sorted((size or 0 for size in offered), reverse=True)
    wanted = sorted((size or 0 for count, size in needed for _ in range(count)), reverse=True)
    # The largest need gets the largest device, and so on; nothing else can do better.
    enough = len(wanted) <= len(free) and all(want <= have for want, have in zip(wanted, free, strict=False))
    needs = Needs(accelerators=tuple(Accelerator("cuda", count, size) for count, size in needed))
    host = replace(HOST, accelerators=tuple(Accelerator("cuda", 1, size or 0) for size in offered))
    assert verdict(needs, host, state=True).fits is enough


# -- the words


def test_reads_as_sentences() -> None:
    """A person has to see at once what is wrong and what to do."""
    needs = Needs(memory=4 * GIB + 1, distributions=(Distribution("gamma", "1.2"), Distribution("alpha", "3.0.1")))
    assert str(verdict(needs, HOST, state=True)) == (
        "refuse: the unit cannot run here\n"
        "- The unit uses gamma 1.2, which is not installed here. Install it, or send the unit to a place that has it.\n"
        "- The unit needs 4294967297 bytes of memory, and of this host's only 4294967296 bytes are free at present. "
        "Try again when others have finished, or send the unit to another place.\n"
        "- The unit was packed with alpha 3.0.1, and this host has the older alpha 2.4.6, so far apart that values of "
        "its classes may not load. Start the unit anew, or install alpha 3.0.1 here and send it again."
    )
    assert str(verdict(Needs(), HOST, state=True)) == "strong: the unit can go on here with its state"


@pytest.mark.parametrize(("needs", "host", "syntax"), [rule[1:4] for rule in RULES if rule[4]])
@pytest.mark.parametrize("state", [True, False])
def test_each_sentence_says_what_and_what_to_do(
    needs: Needs, host: Environment, syntax: str | None, state: bool
) -> None:
    """What, why, and what to do: at least two sentences, whole ones."""
    (reason,) = verdict(needs, host, state=state, syntax=syntax).reasons
    assert re.fullmatch(r"(The unit|This host).+\. [A-Z].+\.", reason.sentence), reason.sentence
    assert reason.needed in reason.sentence
    assert reason.found is None or reason.found in reason.sentence or reason.code.startswith("accelerator")
    assert "None" not in reason.sentence and "  " not in reason.sentence


def test_the_data() -> None:
    """Programs read exactly these names."""
    found = verdict(uses("gamma", "1.2"), HOST, state=True)
    sentence = found.reasons[0].sentence
    assert found.as_data() == {
        "kind": "refuse",
        "reasons": [
            {
                "code": "distribution-missing",
                "needed": "gamma 1.2",
                "found": None,
                "effect": "refuse",
                "sentence": sentence,
            }
        ],
    }
    assert type(found.as_data()["kind"]) is str


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202egnp", "\udcff", "x" * 5000, "\0"])
def test_hostile_texts_are_escaped_and_cut(text: str) -> None:
    """`sojourn inspect` shows needs that nobody has verified."""
    needs = replace(uses(text, text), modules=(text,), processors=(text,), python_minor=text)
    found = verdict(needs, HOST, state=True, syntax=text)
    assert {reason.code for reason in found.reasons} >= {Code.DISTRIBUTION_MISSING, Code.MODULE_MISSING, Code.PROCESSOR}
    for reason in found.reasons:
        shown = reason.sentence + reason.needed + (reason.found or "")
        assert shown.isprintable() and len(reason.sentence) < 1000
        shown.encode("utf-8")


# -- the error


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_error_is_complete_and_pickles(protocol: int) -> None:
    """A place's refusal reaches the sender as an exception, with its reasons."""
    decided = verdict(replace(uses("gamma", "1.2"), python_minor="3.12"), HOST, state=True)
    error = EnvironmentRefused(decided)
    assert isinstance(error, MobilityError) and error.slug == "environment-refused"
    assert "gamma 1.2" in str(error) and "3.12" not in str(error)  # only the gravest reasons
    assert "Nothing was decoded; the bundle is intact." in str(error)
    again = pickle.loads(pickle.dumps(error, protocol))
    assert (str(again), again.verdict, type(again)) == (str(error), decided, EnvironmentRefused)


def test_the_error_of_a_verdict_that_is_only_weak() -> None:
    """Whoever needs the state to go on refuses a weak verdict, and must not say that nothing can run."""
    error = EnvironmentRefused(verdict(Needs(python_minor="3.12"), HOST, state=True))
    assert str(error).startswith(
        "this host cannot take over the unit's values (environment-refused). The unit's values"
    )


def test_the_error_stays_readable_with_many_reasons() -> None:
    """A manifest may name a thousand distributions."""
    needs = Needs(distributions=tuple(Distribution(f"gamma{number}", "1") for number in range(1000)))
    error = EnvironmentRefused(verdict(needs, HOST, state=True))
    assert len(str(error)) < 1500 and "995 more reasons" in str(error)
    assert len(error.verdict.reasons) == 1000


def test_a_verdict_is_plain_frozen_data() -> None:
    """It is kept in records and compared."""
    decided = Verdict(WEAK, (Reason(Code.PROCESSOR, "a", None, REFUSE, "b"),))
    assert pickle.loads(pickle.dumps(decided)) == decided and hash(decided)
    with pytest.raises(AttributeError):
        decided.kind = STRONG  # type: ignore[misc]
