"""Reducers for files: opened for reading, they are reopened at the destination where they were being read.

The offset of a text file under iteration is the difficult part. The file has read ahead and decoded ahead, and its
`tell` is switched off (flushing switches it on again, but it may then be wrong). So the text that was decoded and not
yet given out is read off, and the place in the file is sought from which the same text comes out again. The one trace
that this leaves is that `tell` works until the next step of the loop.
"""

from __future__ import annotations

import codecs
import gc
import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from mobility.reducers.refusal import Refused

Reduced = tuple[Any, ...]

_REOPEN = "Keep the path and the offset, close the file before the move and open it again after it."
_READLINE = "Read it with readline() instead of a loop over the file: then its place is known."
# Encodings in which decoding can begin at any character: one byte a character, or self-synchronising.
_SEEKABLE = re.compile(
    r"utf-8(-sig)?|ascii|cp(?!932|949|950)\d\d\d|cp125\d|iso8859-\d+|koi8-[rtu]|mac-\w+|hp-roman8|kz1048"
)
# A text that was read off is looked for within so many bytes before the point up to which the file was read.
_WINDOW = 1 << 24


@dataclass(frozen=True, slots=True)
class FilePosition:
    """Where a file is being read.

    Attributes
    ----------
    path : str
        Absolute path.
    mode : str
        ``"r"`` for text, ``"rb"`` for bytes, ``"raw"`` for an unbuffered file.
    encoding, errors, newline : str or None
        As given to `open`; None for bytes (for `newline` also: universal).
    offset : int or None
        What `seek` takes: for bytes and most text the offset in bytes. None if the file is closed.

    """

    path: str
    mode: str
    encoding: str | None
    errors: str | None
    newline: str | None
    offset: int | None


def position(file: Any) -> FilePosition:
    """Tell where `file` is being read; it goes on as before.

    Raises
    ------
    Refused
        If it cannot be reopened: written to, not a regular file, gone from its path, or at a place that cannot be told.

    """
    mode, raw = _layers(file)
    if file.closed:
        return FilePosition(_text_path(raw.name), mode, *_text_settings(file, newline=False), None)
    path = _same_file(raw)
    if mode != "r":
        return FilePosition(path, mode, None, None, None, file.tell())
    seen = file.newlines
    encoding, errors, newline = _text_settings(file, newline=True)
    offset = _text_offset(file, newline)
    if file.newlines != seen:
        _remember(file, seen)
    return FilePosition(path, mode, encoding, errors, newline, offset)


def reopen(
    path: str,
    mode: str,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    offset: int | None,
    seen: str | tuple[str, ...] | None = None,
) -> Any:
    """Open a file where `position` said; with no offset, return a closed file. `seen` is its attribute `newlines`."""
    if offset is None:
        return _closed(path, mode, encoding, errors)
    if mode == "r":
        file: Any = open(path, encoding=encoding, errors=errors, newline=newline)
    else:
        file = open(path, "rb", buffering=0 if mode == "raw" else -1)
    file.seek(offset)
    if seen is not None:
        _remember(file, seen)
    return file


def _remember(file: io.TextIOWrapper, seen: str | tuple[str, ...] | None) -> None:
    """Set the attribute `newlines`, which is lost when seeking, by showing such line ends to the decoder."""
    decoder = _parts(file)[0]
    state = decoder.getstate()
    decoder.reset()
    for end in (seen,) if isinstance(seen, str) else seen or ():
        decoder.decode(end.encode(file.encoding), True)
    decoder.setstate(state)


def _closed(path: str, mode: str, encoding: str | None, errors: str | None) -> Any:
    raw = io.FileIO(os.devnull, "rb" if mode in ("r", "rb", "raw") else "wb")
    # Settable, as open() itself sets it; typeshed thinks otherwise.
    raw.name = path
    file: Any = raw
    if mode != "raw":
        file = io.BufferedReader(raw) if mode in ("r", "rb") else io.BufferedWriter(raw)
        if encoding is not None:
            file = io.TextIOWrapper(file, encoding, errors)
            file.mode = mode
    file.close()
    return file


def _layers(file: Any) -> tuple[str, Any]:
    """Return the mode and the innermost of the two or three objects of which a file consists."""
    buffer = file
    if isinstance(file, io.TextIOWrapper):
        buffer = file.buffer
        if buffer is None:
            raise Refused("a text file that was detached", "Make it again after the move.")
    raw = buffer if isinstance(buffer, io.FileIO) else getattr(buffer, "raw", None)
    if type(raw) is not io.FileIO or isinstance(buffer, io.BufferedRWPair):
        raise Refused(f"a file over a {type(buffer).__name__}", _REOPEN)
    if not file.closed:
        _check_readable(raw)
        return ("r" if buffer is not file else "raw" if raw is file else "rb"), raw
    if buffer is not file:
        return getattr(file, "mode", "r"), raw
    return ("raw" if raw is file else raw.mode), raw


def _check_readable(raw: io.FileIO) -> None:
    if raw.fileno() in (0, 1, 2):
        raise Refused("a standard stream of the process", "Use sys.stdin, sys.stdout or sys.stderr where it is needed.")
    if raw.mode != "rb":
        raise Refused(
            "a file opened for writing", "Close it before the move, and open it again after it, in mode 'a' to go on."
        )


def _text_path(name: Any) -> str:
    return os.path.abspath(os.fsdecode(name)) if isinstance(name, (str, bytes, os.PathLike)) else str(name)


def _same_file(raw: io.FileIO) -> str:
    """Return the absolute path of an open file, if it is still that of the file."""
    name: Any = raw.name
    if isinstance(name, int):
        raise Refused("a file opened by its descriptor", "Open it by its path.")
    opened = os.fstat(raw.fileno())
    if not stat.S_ISREG(opened.st_mode) or not raw.seekable():
        raise Refused("a pipe, device or terminal", "Read what you need before the move, or open it after it.")
    path = _text_path(name)
    try:
        there = os.stat(path)
    except OSError:
        there = None
    if there is None or not os.path.samestat(opened, there):
        raise Refused(
            f"a file that is no longer at {path}",
            "Open files by an absolute path, and leave them in their place while they are read.",
        )
    return path


def _text_settings(file: Any, newline: bool) -> tuple[str | None, str | None, str | None]:
    if not isinstance(file, io.TextIOWrapper):
        return None, None, None
    return file.encoding, file.errors, _newline(file) if newline else None


def _parts(file: io.TextIOWrapper) -> tuple[Any, list[str]]:
    """Return the decoder of a text file, and the texts between it and the name of the error handler.

    Those are the newline setting, unless it is None, then the text decoded last, unless there is none.
    """
    texts: list[str] = []
    decoder: Any = None
    for part in gc.get_referents(file):
        if isinstance(part, (codecs.IncrementalDecoder, io.IncrementalNewlineDecoder)):
            decoder, texts = part, []
        elif isinstance(part, str):
            texts.append(part)
    return decoder, texts[:-1]


def _read_newline(file: io.TextIOWrapper) -> str | None:
    decoder, texts = _parts(file)
    if not isinstance(decoder, io.IncrementalNewlineDecoder):
        return texts[0]  # "\n", "\r" or "\r\n": line ends are not looked into
    if texts == [""]:
        # Either "" and nothing decoded, or None and an empty text decoded. Seeking lets go of what was decoded; there
        # is nothing, so the place is the same for both.
        file.seek(_text_offset(file, ""))
        texts = _parts(file)[1]
    return "" if texts[:1] == [""] else None


@cache
def _newline_is_readable() -> bool:
    for newline in (None, "", "\n", "\r", "\r\n"):
        for steps in range(4):
            file = io.TextIOWrapper(io.BytesIO(b"a\nb\r\nc"), "utf-8", newline=newline)
            for _ in range(steps):
                file.readline()
            if _read_newline(file) != newline:
                return False
    return True


def _newline(file: io.TextIOWrapper) -> str | None:
    # The setting is no attribute. Told only on an interpreter where the way to find it has been seen to work.
    if not _newline_is_readable():
        raise Refused("a text file on this Python", "Open it in mode 'rb' and decode its lines.")
    return _read_newline(file)


def _text_offset(file: io.TextIOWrapper, newline: str | None) -> int:
    try:
        return file.tell()
    except OSError:  # under iteration
        pass
    return _offset_under_iteration(file, newline)


def _offset_under_iteration(file: io.TextIOWrapper, newline: str | None) -> int:
    encoding = codecs.lookup(file.encoding).name
    if not _SEEKABLE.fullmatch(encoding):
        raise Refused(f"a text file in {encoding} in the middle of a loop", _READLINE)
    buffer: Any = file.buffer
    read_to = buffer.tell()
    search = _Search(buffer, read_to, encoding, file.errors or "strict", newline)
    try:
        # First with what is known without touching the file. If this finds its place, then so will a part of it.
        decoder, texts = _parts(file)
        decoded = texts[newline is not None :]
        if decoded and all(search.find(decoded[0], final) is None for final in (False, True)):
            raise Refused(f"a text file in {encoding} in the middle of a loop", _READLINE)
        begun_character: bytes = decoder.getstate()[0]
        buffer.seek(0, os.SEEK_END)
        pending, ended = _drain(file)
        offset = search.find(pending, ended) if pending else read_to - len(begun_character)
    finally:
        buffer.seek(read_to)
    if offset is None:
        raise Refused(f"a text file in {encoding} in the middle of a loop", _READLINE)
    file.seek(offset)
    return offset


def _drain(file: io.TextIOWrapper) -> tuple[str, bool]:
    """Read what was decoded and not given out, from a file whose buffer is at its end.

    The second result tells whether the decoder was told that no more would come. It was not if it holds the first
    bytes of a character, and the handler of errors is strict.
    """
    try:
        return file.read(), True
    except UnicodeDecodeError:
        pass
    pending = []
    while True:
        # One at a time: a longer read would lose what it has when it meets the error.
        try:
            pending.append(file.read(1))
        except UnicodeDecodeError:
            return "".join(pending), False


class _Search:
    """Looks for the place in the file from which a text was decoded."""

    def __init__(self, buffer: Any, end: int, encoding: str, errors: str, newline: str | None) -> None:
        self._buffer = buffer
        self._end = end
        # A byte order mark stands only at the very beginning, which is not where a text under iteration is.
        self._encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        self._errors = errors
        self._newline = newline

    def find(self, text: str, final: bool) -> int | None:
        """Return the offset from which the bytes up to the end decode to `text`, or None."""
        width = 2 * len(text) + 64
        while True:
            begin = max(0, self._end - width)
            self._buffer.seek(begin)
            window = self._buffer.read(self._end - begin)
            if begin == 0 or width > _WINDOW or len(self._decoded(window, self._aligned(window, 0), final)) > len(text):
                break
            width *= 2
        found = self._last_with(window, text, final)
        return None if found is None else begin + found

    def _last_with(self, window: bytes, text: str, final: bool) -> int | None:
        # The further on decoding begins, the less comes out: bisect on the length.
        low, high = 0, len(window)
        while low < high:
            middle = (low + high + 1) // 2
            if len(self._decoded(window, self._aligned(window, middle), final)) >= len(text):
                low = middle
            else:
                high = middle - 1
        low = self._aligned(window, low)
        # A line end of two bytes that became one character is best not begun in its middle.
        places = (low - 1, low) if window[low - 1 : low + 1] == b"\r\n" else (low,)
        return next((place for place in places if self._decoded(window, place, final) == text), None)

    def _aligned(self, window: bytes, place: int) -> int:
        if self._encoding == "utf-8":
            while place < len(window) and window[place] & 0xC0 == 0x80:
                place += 1
        return place

    def _decoded(self, window: bytes, place: int, final: bool) -> str:
        decoder: Any = codecs.getincrementaldecoder(self._encoding)(self._errors)
        if not self._newline:
            decoder = io.IncrementalNewlineDecoder(decoder, self._newline is None)
        try:
            text: str = decoder.decode(window[place:], final)
        except UnicodeDecodeError:
            return ""
        return text


def _reduce_file(file: Any) -> Reduced:
    where = position(file)
    arguments = (where.path, where.mode, where.encoding, where.errors, where.newline, where.offset)
    seen = None if where.offset is None else getattr(file, "newlines", None)
    return reopen, arguments if seen is None else (*arguments, seen)


REDUCERS: dict[type, Callable[[Any], Reduced]] = dict.fromkeys(
    (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair, io.FileIO),
    _reduce_file,
)

#: What the reduce tuples name.
LOADERS = (reopen,)
