"""The oldest Python that can compile a source text, as far as the interpreter that asks can tell.

The parser itself tells newer statements apart (`ast.parse` with `feature_version`). It does not tell apart the
f-strings of 3.12, which may hold what earlier versions refuse in a replacement field: the quotes of the string itself,
backslashes, comments, new lines, blanks after a conversion, and format specifications more than two deep. These are
found here. Not told apart are doubled braces in a format specification, whose meaning changed within 3.12.

Sources: Python documentation, `ast.parse`; PEP 701, "Specification"; Python 3.11, Lexical analysis, 2.4.3.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["OLDEST", "oldest_python"]

#: The oldest minor version on which anything here runs.
OLDEST: Final = (3, 11)
_WITH_PEP_701: Final = (3, 12)
# What a plain string between such quotes may hold.
_PLAIN: Final = {
    quote: re.compile(rf"(?:\\.|(?!{quote})[^\\{'' if len(quote) == 3 else chr(10)}])*+", re.DOTALL)
    for quote in ("'", '"', "'''", '"""')
}


def oldest_python(sources: Iterable[str]) -> str:
    """The oldest minor version, from 3.11 on, whose compiler takes all of the sources.

    Parameters
    ----------
    sources
        Texts of modules. They are parsed and not compiled, let alone run.

    Returns
    -------
    str
        Such as ``"3.12"``. A text that this interpreter cannot parse is taken to need the minor version after it.
    """
    found = OLDEST
    for source in sources:
        found = max(found, _oldest(source))
    return "{}.{}".format(*found)


def _oldest(source: str) -> tuple[int, int]:
    here = sys.version_info[:2]
    try:
        tree = _parsed(source, here)
        nearest = next(version for version in _versions(here) if version == here or _parses(source, version))
        if nearest < _WITH_PEP_701 <= here and (_has_deep_specification(tree) or _has_free_field(source)):
            return _WITH_PEP_701
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return here[0], here[1] + 1
    return nearest


def _versions(here: tuple[int, int]) -> Iterator[tuple[int, int]]:
    return ((3, minor) for minor in range(OLDEST[1], here[1] + 1))


def _parses(source: str, version: tuple[int, int]) -> bool:
    try:
        _parsed(source, version)
    except SyntaxError:
        return False
    return True


def _parsed(source: str, version: tuple[int, int]) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on doubtful escapes, which the author has been shown
        return ast.parse(source, feature_version=version)


def _has_deep_specification(tree: ast.Module) -> bool:
    """Whether a replacement field stands in the format specification of one in a format specification."""
    return any(
        _fields_in_specification(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue)
        for inner in _fields_in_specification(node)
    )


def _fields_in_specification(node: ast.FormattedValue) -> list[ast.FormattedValue]:
    parts = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
    return [part for part in parts if isinstance(part, ast.FormattedValue)]


def _has_free_field(source: str) -> bool:
    """Whether a replacement field holds what only PEP 701 allows there; asked on 3.12 and up, whose tokens show it."""
    start, middle, end = (getattr(tokenize, f"FSTRING_{part}") for part in ("START", "MIDDLE", "END"))
    # Not `splitlines`, which ends lines also where the compiler does not.
    lines = io.StringIO(source.replace("\r\n", "\n").replace("\r", "\n")).readlines()
    opened: list[tokenize.TokenInfo] = []
    last = before = tokenize.TokenInfo(tokenize.ENCODING, "", (0, 0), (0, 0), "")
    for token in tokenize.generate_tokens(iter([*lines, ""]).__next__):
        literal = token.type in (middle, end)
        if opened[1:] if literal else opened:  # it stands in a replacement field
            if token.type == tokenize.COMMENT or "\\" in token.string or _is_continued(before, token):
                return True
            if last.string == "!" and (token.start != before.end or token.type == tokenize.NL):
                return True
        if token.type == start:
            opened.append(token)
        elif token.type == end and not _ends_there(lines, opened.pop(), token):
            return True
        last, before = before, token
    return False


def _is_continued(before: tokenize.TokenInfo, token: tokenize.TokenInfo) -> bool:
    """Whether a line between two tokens ends with a backslash, which is no token."""
    return token.start[0] > before.end[0] + (before.type in (tokenize.NL, tokenize.NEWLINE))


def _ends_there(lines: list[str], start: tokenize.TokenInfo, end: tokenize.TokenInfo) -> bool:
    """Whether an f-string would end at the same place if it were a plain string, as it is for 3.11."""
    (row, column), (last, _) = start.end, end.start
    text = "".join(lines[row - 1 : last])
    behind = len(lines[last - 1]) - end.start[1]
    inner = text[column : len(text) - behind]
    return re.fullmatch(_PLAIN[end.string], inner) is not None
