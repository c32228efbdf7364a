"""A file opened for reading: reopened at its offset where the generator goes on."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

from pathlib import Path

from mobility import resumable
from tests.corpus.cases import case
from tests.corpus.record import say

LINES = str(Path(__file__).with_name("lines.txt"))


@case()
@resumable
def lines_of_text():
    with open(LINES, encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n")
        yield file.closed
    yield file.closed


@case()
@resumable
def read_in_pieces():
    with open(LINES, encoding="utf-8") as file:
        yield file.read(3)
        yield file.readline()
        file.seek(0)
        yield file.readline()
        yield file.read()
        yield file.read()


@case()
@resumable
def binary():
    with open(LINES, "rb") as file:
        yield file.read(4), file.tell()
        yield file.tell(), file.readline()
        file.seek(-5, 2)
        yield file.read()
        for line in file:
            yield "never"


@case()
@resumable
def unbuffered_and_path():
    with Path(LINES).open("rb", buffering=0) as file:
        yield file.read(2)
        yield file.read(2), file.tell()


@case()
@resumable
def enumerated_lines():
    with open(LINES, encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            yield number, line
            if number == 2:
                break
        yield next(file)


@case()
@resumable
def two_files_and_a_closed_one():
    closed = open(LINES, encoding="utf-8")
    closed.close()
    with open(LINES, encoding="utf-8") as a, open(LINES, "rb") as b:
        for left, right in zip(a, b):
            yield left, right, closed.closed
    yield a.closed, b.closed, closed.closed
