"""The verdict: what a unit needs against what a host offers, by the table of `mobility.environment.reasons`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from mobility.environment.host import Environment
from mobility.environment.needs import Accelerator, Distribution, Needs
from mobility.environment.reasons import EFFECTS, Mobility, Reason, ReasonCode, Verdict
from mobility.environment.syntax import OLDEST
from mobility.environment.versions import Relation, minor_of, normal_name, parse_version, relate

__all__ = ["verdict"]

_OLDEST: Final = "{}.{}".format(*OLDEST)
# One processor, by the names that operating systems have for it.
_PROCESSORS: Final = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}
_LONGEST: Final = 120


def verdict(needs: Needs, environment: Environment, *, state: bool, syntax: str | None = None) -> Verdict:
    """Judge what a host can do for a unit.

    Parameters
    ----------
    needs
        Of the unit. Texts in it may come from anybody: none makes this raise, and none reaches a terminal unescaped.
    environment
        What the host offers.
    state
        Whether the unit has a state to take over, above all that of a suspended generator. Without one, all there is to
        do is to start it at its entry: the best kind is then `Mobility.WEAK`, and it says that nothing is in the way.
    syntax
        The oldest Python minor version that compiles the unit's code, as `oldest_python` finds it; None if the code was
        not looked at.

    Returns
    -------
    Verdict
        Its kind is the worst of the effects of its reasons. More needs never make it better, and the order in which
        they are named makes no difference.
    """
    found = [
        Reason(code, needed, offered, EFFECTS[code][0 if state else 1], sentence)
        for code, needed, offered, sentence in _all(needs, environment, state, syntax)
    ]
    kinds, codes = list(Mobility), list(ReasonCode)
    found.sort(key=lambda one: (-kinds.index(one.effect), codes.index(one.code), one.needed, one.found or ""))
    best = Mobility.STRONG if state else Mobility.WEAK
    return Verdict(Mobility.worst([best, *(reason.effect for reason in found)]), tuple(dict.fromkeys(found)))


_Finding = tuple[ReasonCode, str, str | None, str]


def _all(needs: Needs, environment: Environment, state: bool, syntax: str | None) -> Iterator[_Finding]:
    yield from _python(needs, environment, state, syntax)
    for distribution in needs.distributions:
        yield from _distribution(distribution, environment, state)
    for module in needs.modules:
        if not environment.has_module(module):
            yield (
                ReasonCode.MODULE_MISSING,
                _shown(module),
                None,
                f"The unit imports {_shown(module)}, which belongs to no distribution and cannot be imported here. "
                "Put it on this host's path, or send the unit to a place that has it.",
            )
    yield from _machine(needs, environment)
    if needs.memory is not None:
        yield from _memory(needs.memory, environment)
    yield from _accelerators(needs.accelerators, environment.accelerators)


def _python(needs: Needs, environment: Environment, state: bool, syntax: str | None) -> Iterator[_Finding]:
    here, shown = minor_of(environment.python), f"Python {_shown(environment.python)}"
    if here is None or here < OLDEST:
        yield (
            ReasonCode.PYTHON_TOO_OLD,
            f"Python {_OLDEST}",
            shown,
            f"This host runs {shown}, and every unit needs at least Python {_OLDEST}. "
            "Run the place with a newer Python, or send the unit elsewhere.",
        )
    compiles = None if syntax is None else minor_of(syntax)
    if syntax is not None and (here is None or compiles is None or compiles > here):
        wanted = f"Python {_shown(syntax)}"
        yield (
            ReasonCode.PYTHON_SYNTAX,
            wanted,
            shown,
            f"The unit's code uses syntax of {wanted}, which {shown} here cannot compile. "
            "Write it for the older version, or send the unit to a place that runs the newer one.",
        )
    bound = needs.python_minor
    if bound is not None and (here is None or minor_of(bound) != here):
        wanted = f"Python {_shown(bound)}"
        rest = "The code is source and can start anew" if state else "Start it here with values that are not so bound"
        yield (
            ReasonCode.PYTHON_MINOR,
            wanted,
            shown,
            f"The unit's values hold bytecode that only {wanted} reads, and this host runs {shown}. "
            f"{rest}, or send the unit to a place that runs {wanted}.",
        )
    if environment.implementation.casefold() != "cpython":
        other = _shown(environment.implementation)
        rest = (
            "Start the unit anew, or send it to a place that runs CPython."
            if state
            else "The unit has no such state; try it here before you rely on it."
        )
        yield (
            ReasonCode.IMPLEMENTATION,
            "CPython",
            other,
            f"This host's interpreter is {other}, and a suspended state is only known to go on in CPython. {rest}",
        )


def _distribution(needed: Distribution, environment: Environment, state: bool) -> Iterator[_Finding]:
    name, version = _shown(normal_name(needed.name)), environment.distribution(needed.name)
    wanted = f"{name} {_shown(needed.version)}"
    if version is None:
        yield (
            ReasonCode.DISTRIBUTION_MISSING,
            wanted,
            None,
            f"The unit uses {wanted}, which is not installed here. "
            "Install it, or send the unit to a place that has it.",
        )
        return
    relation = relate(needed.version, version)
    if relation is Relation.SAME:
        return
    found = f"{name} {_shown(version)}"
    said = f"The unit was packed with {wanted}, and this host has {_age(needed.version, version)}{found}"
    install = f"install {wanted}" if relation is not Relation.UNCLEAR else f"install the same {name}"
    if relation is Relation.NEAR:
        yield ReasonCode.DISTRIBUTION_OTHER, wanted, found, f"{said}, which should do. If it does not, {install}."
        return
    far = relation is Relation.FAR
    code = ReasonCode.DISTRIBUTION_FAR if far else ReasonCode.DISTRIBUTION_UNCLEAR
    why = "so far apart that" if far else "which cannot be compared:"
    if state:
        rest = f"{why} values of its classes may not load. Start the unit anew, or {install} here and send it again."
    else:
        rest = f"{why} the code may not fit. If it does not, {install} here."
    yield code, wanted, found, f"{said}, {rest}"


def _age(needed: str, found: str) -> str:
    one, other = parse_version(needed), parse_version(found)
    if one is None or other is None:
        return ""
    return "the newer " if other > one else "the older "


def _machine(needs: Needs, environment: Environment) -> Iterator[_Finding]:
    for code, what, named, offered in (
        (ReasonCode.PROCESSOR, "processor", needs.processors, environment.processor),
        (ReasonCode.OPERATING_SYSTEM, "operating system", needs.operating_systems, environment.operating_system),
    ):
        if not named or _plain(offered) in map(_plain, named):
            continue
        known = _shown(offered) if offered else None
        wanted = " or ".join(sorted({_shown(name) for name in named}))
        yield (
            code,
            wanted,
            known,
            f"The unit runs only on the {what} {wanted}, and this host's is {known or 'not known'}. "
            "Send the unit to a place of that kind.",
        )


def _plain(name: str) -> str:
    return _PROCESSORS.get(name.casefold(), name.casefold())


def _memory(needed: int, environment: Environment) -> Iterator[_Finding]:
    total, available = environment.memory_total, environment.memory_available
    wanted, in_all, free = _size(needed), _size(total or 0), _size(available or 0)
    if wanted in (in_all, free):  # rounded, two different sizes may look the same
        wanted, in_all, free = (f"{size} bytes" for size in (needed, total or 0, available or 0))
    if total is not None and needed > total:
        yield (
            ReasonCode.MEMORY_TOO_SMALL,
            wanted,
            in_all,
            f"The unit needs {wanted} of memory, and this host has {in_all} in all. "
            "Send the unit to a larger place, or raise the limit of the container if there is one.",
        )
    elif available is not None and needed > available:
        yield (
            ReasonCode.MEMORY_TAKEN,
            wanted,
            free,
            f"The unit needs {wanted} of memory, and of this host's only {free} are free at present. "
            "Try again when others have finished, or send the unit to another place.",
        )
    elif needed > 0 and (total is None or available is None):
        what = "how much it has" if total is None else "how much of it is free"
        yield (
            ReasonCode.MEMORY_UNKNOWN,
            wanted,
            None,
            f"The unit needs {wanted} of memory, and this host does not know {what}. Watch it while the unit runs.",
        )


def _accelerators(needed: Iterable[Accelerator], offered: Iterable[Accelerator]) -> Iterator[_Finding]:
    """For each kind and size: that many devices are needed of this size or larger, the larger needs included.

    Sizes are thresholds, so devices can be shared out among all needs just when each of these counts is reached.
    """
    wanted, here = _by_size(needed), _by_size(offered)
    for kind, sizes in wanted.items():
        devices = here.get(kind, Counter[int | None]())
        for size in sizes:
            count = sum(number for other, number in sizes.items() if (other or 0) >= (size or 0))
            known = sum(number for other, number in devices.items() if _is_enough(other, size))
            if count <= known:
                continue
            unknown = devices[None] if size else 0
            what = f"{count} x {_shown(kind)}" + (f" with {_size(size)} each" if size else "")
            found = f"{sum(devices.values())} x {_shown(kind)}" if devices else None
            if count <= known + unknown:
                yield (
                    ReasonCode.ACCELERATOR_UNKNOWN,
                    what,
                    found,
                    f"The unit needs {what}, and this host does not know the memory of {unknown} of its devices. "
                    "Declare it to be sure, or watch it while the unit runs.",
                )
            else:
                yield (
                    ReasonCode.ACCELERATOR_MISSING,
                    what,
                    found,
                    f"The unit needs {what}, and this host offers {known + unknown} such. "
                    "Send the unit to a place that has them, or declare those that this host did not find.",
                )


def _is_enough(offered: int | None, needed: int | None) -> bool:
    return not needed or (offered is not None and offered >= needed)


def _by_size(accelerators: Iterable[Accelerator]) -> dict[str, Counter[int | None]]:
    result: dict[str, Counter[int | None]] = {}
    for one in accelerators:
        if one.count > 0:
            result.setdefault(one.kind.casefold(), Counter())[one.memory] += one.count
    return result


def _size(size: int) -> str:
    """Bytes, to be read by people, rounded down."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            tenths = size * 10 // unit
            return f"{tenths // 10}.{tenths % 10} {name}"
    return f"{size} bytes"


def _shown(text: str) -> str:
    """Text of unknown origin, fit for a terminal: escaped where it is not printable, and cut where it is long."""
    if not text:
        return '""'
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return cut if cut.isprintable() else cut.encode("unicode_escape", "backslashreplace").decode("ascii")
