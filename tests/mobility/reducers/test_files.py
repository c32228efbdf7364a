"""A file that moved is read on from where it was, byte for byte, and the original is too."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import pickle
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobility.reducers import files
from mobility.reducers.files import FilePosition, position, reopen
from mobility.reducers.refusal import Refused
from mobility.testing.interpreters import Interpreter, found
from tests.mobility.reducers.moving import advance, move, namespace, pack

ROOT = Path(__file__).parents[3]
NEWLINES = [None, "", "\n", "\r", "\r\n"]

# Long enough for several chunks of 8192 bytes, with characters of one to four bytes across their borders.
PIECES = ["plain", "", "naïve façade", "日本語のテキスト" * 20, "😀" * 33, "é" * 5000, "tail\u2028line"]


def lines(count: int, end: str) -> str:
    return "".join(
        f"{number} {PIECES[number % len(PIECES)]}"[: 10**4] * (number % 3 != 2) + end for number in range(count)
    )


TEXTS = {
    "lf": lines(40, "\n"),
    "crlf": lines(40, "\r\n"),
    "cr": lines(40, "\r"),
    "mixed": lines(12, "\n") + lines(12, "\r\n") + lines(12, "\r") + "\n\r\n\r\r\n\n" + "no end",
    "empty lines": "\n" * 9000 + "\r\n" * 9000 + "\r" * 9000,
    "one long line": "€" * 30_000,
    "nothing": "",
}


def on(file: Any) -> Any:
    """Read on to the end."""
    with file:
        return list(file)


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_in_a_loop(tmp_path: Path, text: str, newline: str | None, encoding: str) -> None:
    # Protects: the offset after next(), which tell() does not give, over chunk borders and all line ends.
    path = tmp_path / "text"
    path.write_bytes(TEXTS[text].encode(encoding))

    def open_it() -> Any:
        return open(path, encoding=encoding, newline=newline)

    every = on(open_it())
    stop = len(every) + 2
    for steps in {0, 1, 2, 3, 5, 8, 9, 13, 17, 21, 25, 30, 34, 39, 40, len(every) // 2, len(every) - 1, len(every)}:
        if not 0 <= steps < stop:
            continue
        original = open_it()
        assert list(itertools.islice(original, steps)) == every[:steps]
        seen = original.newlines
        with move(original) as between:
            again = move(between)
        assert again.newlines == original.newlines == seen
        assert on(original) == every[steps:], "the capture changed the original"
        assert on(again) == every[steps:]


SINGLE = ["ascii", "latin-1", "cp1252", "cp437", "iso8859-15", "koi8-r", "mac-roman", "utf-8"]


@pytest.mark.parametrize("encoding", SINGLE)
def test_other_encodings_in_a_loop(tmp_path: Path, encoding: str) -> None:
    # Protects: the encodings of one byte a character.
    path = tmp_path / "text"
    path.write_bytes(("some words\r\n\r\n" * 1500 + "end").encode(encoding))
    every = on(open(path, encoding=encoding))
    for steps in (1, 700, 1201, 2999, 3001):
        original = open(path, encoding=encoding)
        advance(original, steps)
        assert on(move(original)) == on(original) == every[steps:]


@pytest.mark.parametrize("errors", ["replace", "ignore", "surrogateescape", "backslashreplace", "strict"])
@pytest.mark.parametrize("newline", [None, "", "\n"])
def test_bytes_that_are_no_text(tmp_path: Path, errors: str, newline: str | None) -> None:
    # Protects: decoding errors are handled after the move as before it, an unfinished character at a border too.
    good = "né\n" * 3000 + "x"
    broken = b"" if errors == "strict" else b"\xff\n\xe2\x82\n" * 1500 + b"\xe2"
    path = tmp_path / "text"
    path.write_bytes(good.encode() + broken)
    every = on(open(path, encoding="utf-8", errors=errors, newline=newline))
    for steps in (1, 1999, 2050, 3000, 3500, 5000, len(every) - 1, len(every)):
        if steps > len(every):
            continue
        original = open(path, encoding="utf-8", errors=errors, newline=newline)
        list(itertools.islice(original, steps))
        again = move(original)
        assert on(again) == on(original) == every[steps:]


def test_broken_text_is_found_broken_after_the_move(tmp_path: Path) -> None:
    # Protects: the error comes at the line at which it would have come.
    path = tmp_path / "text"
    path.write_bytes(b"fine\n" * 4000 + b"\xff\n")
    original = open(path, encoding="utf-8")
    advance(original, 1000)
    again = move(original)
    for file in (again, original):
        with file, pytest.raises(UnicodeDecodeError):
            list(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.sampled_from(["a", "é", "€", "😀", "\n", "\r", "\r\n", "x" * 997, "€" * 1000]), max_size=60),
    st.integers(0, 60),
    st.sampled_from(NEWLINES),
)
def test_any_text_any_place(tmp_path: Path, parts: list[str], steps: int, newline: str | None) -> None:
    # Protects: the law, for any text; the file is longer than a chunk now and then.
    path = tmp_path / "text"
    path.write_bytes("".join(parts).encode())
    original = open(path, encoding="utf-8", newline=newline)
    list(itertools.islice(original, steps))
    again = move(original)
    assert on(again) == on(original)


def test_through_other_iterators(tmp_path: Path) -> None:
    # Protects: enumerate and its like hold the file itself; two of them over one file still share it.
    path = tmp_path / "text"
    path.write_text("".join(f"line {number}\n" for number in range(5000)))
    original = open(path)
    numbered, short = enumerate(original), itertools.islice(original, 4)
    advance(numbered, 3000)
    next(short)
    again = move(namespace(file=original, numbered=numbered, short=short))
    for them in (again, namespace(file=original, numbered=numbered, short=short)):
        assert next(them.numbered) == (3000, "line 3001\n")
        assert list(them.short) == [f"line {number}\n" for number in (3002, 3003, 3004)]
        assert next(them.file) == "line 3005\n"
        them.file.close()


def test_mixed_ways_of_reading(tmp_path: Path) -> None:
    # Protects: places that are not at a line end, and after the loop's own end.
    path = tmp_path / "text"
    path.write_text("abc\nd€f\n" * 3000, encoding="utf-8")
    original = open(path, encoding="utf-8")
    next(original)
    assert original.read(2) == "d€"
    again = move(original)
    assert again.read(5) == original.read(5) == "f\nabc"
    assert again.readline() == original.readline() == "\n"
    again.close()
    again = move(original)
    assert on(again) == on(original)
    original = open(path, encoding="utf-8")
    list(original)
    assert on(move(original)) == on(original) == []


def test_readline_and_tell(tmp_path: Path) -> None:
    # Protects: where tell() works it is used, in every encoding.
    path = tmp_path / "text"
    for encoding in ("utf-8", "utf-16", "utf-32", "shift_jis", "gb18030"):
        path.write_text("あいう\n" * 4000, encoding=encoding)
        original = open(path, encoding=encoding)
        for _ in range(1500):
            original.readline()
        original.read(2)
        again = move(original)
        assert again.tell() == original.tell()
        assert on(again) == on(original)


@pytest.mark.parametrize("encoding", ["utf-16", "shift_jis", "gb18030", "utf-7"])
def test_encodings_that_cannot_begin_anywhere(tmp_path: Path, encoding: str) -> None:
    # Protects: refused with the remedy, and the original reads on.
    path = tmp_path / "text"
    path.write_text("words\n" * 5000, encoding=encoding)
    original = open(path, encoding=encoding)
    advance(original, 2000)
    with pytest.raises(Refused, match=r"readline\(\)"):
        pack(original)
    assert len(on(original)) == 3000


def test_place_that_is_not_found_is_refused_unharmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Protects: the search is tried before the file is touched.
    path = tmp_path / "text"
    path.write_text("words\n" * 5000)
    original = open(path, encoding="utf-8")
    advance(original, 2000)
    monkeypatch.setattr(files._Search, "find", lambda *_: None)
    with pytest.raises(Refused, match=r"readline\(\)"):
        pack(original)
    assert len(on(original)) == 3000


def test_after_a_readahead_through_the_buffer(tmp_path: Path) -> None:
    # Protects: peeking and seeking leave the logical place.
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(256)) * 100)
    original = open(path, "rb")
    original.read(10)
    original.peek(100)
    original.seek(9000)
    original.read(3)
    again = move(original)
    assert type(again) is io.BufferedReader
    assert again.read() == original.read()
    again.close()
    original.close()


@pytest.mark.parametrize("buffering", [-1, 0, 16])
def test_bytes(tmp_path: Path, buffering: int) -> None:
    # Protects: binary files, buffered and raw, in a loop.
    path = tmp_path / "bytes"
    path.write_bytes(b"one\ntwo\r\n\xff\xfe\n" * 2000)
    original = open(path, "rb", buffering=buffering)
    advance(original, 1000 if buffering else 20)
    again = move(original)
    assert type(again) is type(original)
    assert again.tell() == original.tell()
    with again, original:
        assert again.read() == original.read()


def test_position_says_where(tmp_path: Path) -> None:
    # Protects: what an inspector shows, without opening anything.
    path = tmp_path / "text"
    path.write_text("one\ntwo\n", newline="")
    with open(path, encoding="ascii", errors="replace", newline="") as file:
        next(file)
        assert position(file) == FilePosition(str(path), "r", "ascii", "replace", "", 4)
    assert position(file) == FilePosition(str(path), "r", "ascii", "replace", None, None)
    with open(path, "rb") as binary, open(path, "rb", buffering=0) as raw:
        binary.readline()
        assert position(binary) == FilePosition(str(path), "rb", None, None, None, 4)
        assert position(raw) == FilePosition(str(path), "raw", None, None, None, 0)


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("content", ["", "\n", "\r\n", "\r", "a", "a\nb"])
@pytest.mark.parametrize("read", [None, 0, 1, -1, "line", "next", "all"])
def test_newline_setting(tmp_path: Path, newline: str | None, content: str, read: Any) -> None:
    # Protects: the setting, which is no attribute, is told whatever was read, also when next to nothing was.
    path = tmp_path / "text"
    path.write_bytes(content.encode())
    with open(path, encoding="utf-8", newline=newline) as file:
        if read == "line":
            file.readline()
        elif read == "next":
            next(file, None)
        elif read == "all":
            list(file)
        elif read is not None:
            file.read(read)
        told = position(file)
        assert told.newline == newline
        with reopen(*(getattr(told, name) for name in FilePosition.__slots__)) as again:
            assert again.read() == file.read()


def test_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Protects: the destination need not have the same working directory; a changed one here is noticed.
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("one\ntwo\n")
    with open("text") as file:
        file.readline()
        data = pack(file)
        monkeypatch.chdir(ROOT)
        with pytest.raises(Refused, match="absolute path"):
            pack(file)
    with pickle.loads(data) as again:
        assert (again.read(), again.name) == ("two\n", str(tmp_path / "text"))


@pytest.mark.parametrize("mode", ["r", "rb", "w", "wb", "a", "r+", "rb+", "x"])
def test_closed(tmp_path: Path, mode: str) -> None:
    # Protects: the file variable that is left over after a with statement; neither file nor path must exist.
    path = tmp_path / "text"
    if mode != "x":
        path.touch()
    with open(path, mode) as file:
        pass
    path.unlink()
    again = move(file)
    assert again.closed
    assert (again.name, isinstance(again, io.TextIOWrapper)) == (str(path), "b" not in mode)
    if "b" not in mode:
        assert (again.mode, again.encoding) == (mode, file.encoding)
    with pytest.raises(ValueError, match="closed file"):
        again.fileno()
    raw = io.FileIO(os.devnull)
    raw.close()
    assert move(raw).closed


def test_not_there_at_the_destination(tmp_path: Path) -> None:
    # Protects: a clear error that names the path.
    path = tmp_path / "text"
    path.write_text("one\n")
    with open(path) as file:
        data = pack(file)
    path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        pickle.loads(data)
    assert caught.value.filename == str(path)


def _gone(path: Path) -> Any:
    file = open(path)
    path.unlink()
    return file


def _replaced(path: Path) -> Any:
    file = open(path)
    path.rename(path.with_suffix(".old"))
    path.write_text("other")
    return file


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "writing": (lambda path: open(path, "w"), "mode 'a'"),
    "appending": (lambda path: open(path, "ab"), "mode 'a'"),
    "updating": (lambda path: open(path, "r+b"), "mode 'a'"),
    "raw writing": (lambda path: open(path, "wb", buffering=0), "mode 'a'"),
    "gzip text": (lambda path: gzip.open(path, "rt"), "Keep the path"),
    "in memory": (lambda path: io.TextIOWrapper(io.BytesIO(b"a")), "Keep the path"),
    "buffered memory": (lambda path: io.BufferedReader(io.BytesIO(b"a")), "Keep the path"),  # type: ignore[arg-type]
    "descriptor": (lambda path: open(os.open(path, os.O_RDONLY)), "by its path"),
    "deleted": (_gone, "absolute path"),
    "replaced": (_replaced, "absolute path"),
    "device": (lambda path: open("/dev/zero", "rb"), "before the move"),
    "temporary": (lambda path: tempfile.NamedTemporaryFile(dir=path.parent), "io.BytesIO"),
    "temporary text": (lambda path: tempfile.TemporaryFile("w+", dir=path.parent), "mode 'a'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    # Protects: each of these is refused with the way out, rather than reopened as something else.
    from mobility.reducers import values

    make, remedy = REFUSED[name]
    path = tmp_path / "text"
    path.touch()
    with make(path) as file:
        if values.remedy(file) is not None:
            assert remedy in str(values.remedy(file))
        else:
            with pytest.raises(Refused) as caught:
                pack(file)
            assert remedy in caught.value.remedy


def test_pipes_standard_streams_and_detached(tmp_path: Path) -> None:
    # Protects: as above, for what has no path.
    reading, writing = os.pipe()
    with open(reading, "rb") as pipe, open(writing, "wb"), pytest.raises(Refused, match="descriptor"):
        pack(pipe)
    with open(0, closefd=False) as stdin, pytest.raises(Refused, match=r"sys\.stdin"):
        pack(stdin)
    file = open(__file__)
    with file.detach():
        with pytest.raises(Refused, match="detached"):
            pack(file)
        del file


@pytest.mark.parametrize("there", [other for other in found() if other.minor <= (3, 13)], ids=str)
def test_other_versions_read_on(tmp_path: Path, there: Interpreter) -> None:
    # Protects: the form is the same on all versions; each reads what this one wrote, captures, and is read in turn.
    path = tmp_path / "text"
    path.write_text("".join(f"{number} é\n" for number in range(5000)), encoding="utf-8")
    program = (
        "import pickle, sys; from tests.mobility.reducers.moving import pack\n"
        "them = pickle.load(sys.stdin.buffer)\n"
        "for file in them[:2]: next(file)\n"
        "sys.stdout.buffer.write(pack(them))\n"
        "for file in them[:2]: file.close()"
    )
    with open(path, encoding="utf-8") as text, open(path, "rb") as binary:
        advance(text, 3000), advance(binary, 2000)
        closed = open(path)
        closed.close()
        data = pack([text, binary, closed])
    done = subprocess.run(
        [there.path, "-W", "error", "-c", program],
        input=data,
        capture_output=True,
        env=there.environment(ROOT),
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    again = pickle.loads(done.stdout)
    assert [next(again[0]), next(again[1])] == ["3001 é\n", "2001 é\n".encode()]
    assert again[2].closed
    again[0].close(), again[1].close()


def test_memory_streams_need_no_rule() -> None:
    # Protects: io.StringIO and io.BytesIO move by themselves, with their place.
    text, data = io.StringIO("a\nb\n"), io.BytesIO(b"a\nb\n")
    next(text), next(data)
    again = move([text, data])
    assert [again[0].read(), again[1].read()] == ["b\n", b"b\n"]
