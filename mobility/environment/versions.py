"""Names and versions of distributions, compared as the packaging standards say (PEP 503, PEP 440)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

__all__ = ["Relation", "Version", "minor_of", "normal_name", "parse_version", "relate"]

# Longer text is no version: nobody writes it, and `int` refuses numbers of more than 4300 digits.
_LONGEST: Final = 128
_VERSION: Final = re.compile(
    r"""
    v?(?:(?P<epoch>[0-9]+)!)?
    (?P<release>[0-9]+(?:\.[0-9]+)*)
    (?:[-_.]?(?P<stage>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre>[0-9]*))?
    (?:-(?P<implicit>[0-9]+)|[-_.]?(?P<after>post|rev|r)[-_.]?(?P<post>[0-9]*))?
    (?:[-_.]?(?P<unfinished>dev)[-_.]?(?P<dev>[0-9]*))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_STAGES: Final = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
# Where a version without such a stage stands among those that have one.
_BEFORE: Final = -1
_AFTER: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version in the order of PEP 440: ``1.0.dev1 < 1.0a1 < 1.0rc1 < 1.0 < 1.0+cpu < 1.0.post1 < 1!0.1``."""

    epoch: int
    release: tuple[int, ...]
    #: What comes after the release segment, as numbers that sort as PEP 440 wants it.
    rest: tuple[tuple[int, ...], ...]
    local: tuple[tuple[int, int, str], ...] = field(default=())

    @property
    def series(self) -> tuple[int, ...]:
        """What has to be equal for two versions to be taken as compatible: epoch and major, while 0.x also minor."""
        major, minor, *_ = (*self.release, 0, 0)
        return (self.epoch, major) if major else (self.epoch, 0, minor)


class Relation(Enum):
    """Of the version that was found to the one that is needed."""

    SAME = auto()
    #: Another one of the same series.
    NEAR = auto()
    #: Another major version, or another minor one of 0.x.
    FAR = auto()
    #: At least one of them is no version in the sense of PEP 440, and they are not the same text.
    UNCLEAR = auto()


def normal_name(name: str) -> str:
    """The normal form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.lru_cache(maxsize=1024)
def parse_version(text: str) -> Version | None:
    """Read a version (PEP 440, appendix B); None if it is none."""
    found = _VERSION.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if found is None:
        return None
    release = [int(part) for part in found["release"].split(".")]
    while release and release[-1] == 0:
        release.pop()
    stage = (_STAGES[found["stage"].lower()], int(found["pre"] or 0)) if found["stage"] else None
    post = int(found["implicit"] or found["post"] or 0) if found["implicit"] or found["after"] else None
    dev = int(found["dev"] or 0) if found["unfinished"] else None
    if stage is None:  # a development release of the release itself comes before its first alpha
        stage = (_BEFORE, 0) if post is None and dev is not None else (_AFTER, 0)
    rest: tuple[tuple[int, ...], ...] = (stage, () if post is None else (post,), (1, 0) if dev is None else (0, dev))
    # Within the local part, numbers come after words, and more parts after fewer.
    words = re.split("[-_.]", found["local"].lower()) if found["local"] else []
    local = tuple((1, int(word), "") if word.isdecimal() else (0, 0, word) for word in words)
    return Version(int(found["epoch"] or 0), tuple(release), rest, local)


def relate(needed: str, found: str) -> Relation:
    """How far apart two versions are; never raises, whatever the texts.

    Parameters
    ----------
    needed, found
        The texts of the versions. Trailing zeros and the spelling do not count: ``1.0`` is ``v1.0.0``. A pre-release
        belongs to the series of its release: ``2.0rc1`` is near ``2.1`` and far from ``1.9``.
    """
    if needed == found:
        return Relation.SAME
    one, other = parse_version(needed), parse_version(found)
    if one is None or other is None:
        return Relation.UNCLEAR
    if one == other:
        return Relation.SAME
    return Relation.NEAR if one.series == other.series else Relation.FAR


def minor_of(python: str) -> tuple[int, int] | None:
    """Major and minor number of a Python version such as ``"3.11.7"`` or ``"3.11"``; None if it is none."""
    found = re.match(r"([0-9]{1,9})\.([0-9]{1,9})(?![0-9])", python)
    return (int(found[1]), int(found[2])) if found else None
