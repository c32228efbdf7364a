"""Finds the syntax tree of a function from its code object.

The whole file is parsed, because the text of a lambda or of a decorated inner function need not parse by itself.
Text comes through :mod:`linecache`, which also knows the cells of a notebook and the examples of a doctest.
"""

from __future__ import annotations
import __future__

import ast
import dis
import hashlib
import inspect
import linecache
import threading
import types
import warnings
from dataclasses import dataclass

from mobility.errors import ResumableError

__all__ = [
    "DIGEST_BYTES",
    "FunctionNode",
    "FunctionSource",
    "check_text",
    "digest_of_function",
    "find_source",
    "parse_quietly",
]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
DIGEST_BYTES = 16
_CACHED_FILES = 64
_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag & ~0x10  # nested scopes: the bit of nested code objects
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_FAST", "LOAD_DEREF", "LOAD_FAST_CHECK"})


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """A function's place in its file.

    Attributes
    ----------
    node
        Its syntax tree, with the line numbers of the file; shared, never modified.
    text
        Its lines from ``def`` (or the expression, for a lambda), without decorators and common indentation.
    digest
        First 16 bytes of the SHA-256 of `text`: the same on every Python version.
    future
        Compiler flags of the file's ``from __future__`` imports.
    """

    node: FunctionNode
    filename: str
    text: str
    digest: bytes
    future: int = 0


@dataclass(slots=True)
class _ParsedFile:
    lines: tuple[str, ...]
    functions: dict[int, list[FunctionNode]]


_files: dict[str, _ParsedFile] = {}
_lock = threading.RLock()


def parse_quietly(text: str, filename: str) -> ast.Module:
    """Parse without repeating the syntax warnings that the first compilation gave."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, filename)


def _first_line(node: FunctionNode) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([int(node.lineno), *(int(d.lineno) for d in decorators)])


def _parsed(filename: str, module_globals: dict[str, object] | None) -> _ParsedFile | None:
    lines = tuple(linecache.getlines(filename, module_globals))
    if not lines:
        return None
    with _lock:
        known = _files.get(filename)
        if known is not None and known.lines == lines:
            return known
        tree = parse_quietly("".join(lines), filename)
        functions: dict[int, list[FunctionNode]] = {}
        for node in ast.walk(tree):
            if isinstance(node, FunctionNode):
                functions.setdefault(_first_line(node), []).append(node)
        while len(_files) >= _CACHED_FILES:
            del _files[next(iter(_files))]
        parsed = _files[filename] = _ParsedFile(lines, functions)
        return parsed


def _arguments(node: FunctionNode) -> tuple[str, ...]:
    spec = node.args
    names = [a.arg for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    names += [a.arg for a in (spec.vararg, spec.kwarg) if a is not None]
    return tuple(names)


def _code_arguments(code: types.CodeType) -> tuple[str, ...]:
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # CO_VARARGS, CO_VARKEYWORDS
    return code.co_varnames[:count]


def _unmangled(name: str) -> str:
    head, _, tail = name.lstrip("_").partition("__")
    return f"__{tail}" if name.startswith("_") and head and tail else name


def _same_arguments(node: FunctionNode, code: types.CodeType) -> bool:
    written, compiled = _arguments(node), _code_arguments(code)
    return len(written) == len(compiled) and all(
        w in (c, _unmangled(c)) for w, c in zip(written, compiled, strict=True)
    )


def _span(code: types.CodeType) -> set[tuple[int, int]]:
    """Start positions of the instructions, to tell lambdas of one line apart."""
    return {(p[0], p[2]) for p in code.co_positions() if p[0] is not None and p[2] is not None}


def _fit(node: FunctionNode, code: types.CodeType) -> tuple[int, int]:
    """How many instructions lie within the node; of lambdas within lambdas, the inner one fits better."""
    body = node.body if isinstance(node, ast.Lambda) else node.body[0]
    start = (body.lineno, body.col_offset)
    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    length = (end[0] - start[0]) * 10_000 + end[1] - start[1]
    return sum(start <= position < end for position in _span(code)), -length


def check_text(source: FunctionSource, code: types.CodeType, qualname: str) -> None:
    """Refuse a text that is not the one from which `code` was compiled: the file changed after its import.

    Raises
    ------
    ResumableError
        If a name that the code loads, or a yield of it, does not stand in the text where the code has it. That is
        looser than compiling and comparing: test runners rewrite assertions, and leave the rest where it was.
    """
    if not _agrees(source.node, code):
        raise ResumableError(
            "its file holds another text than was compiled",
            function=qualname,
            filename=source.filename,
            line=code.co_firstlineno,
            remedy="The file changed after it was imported: start the process again.",
        )


def _agrees(node: FunctionNode, code: types.CodeType) -> bool:
    names: set[tuple[str, tuple[int | None, ...]]] = set()
    yields: set[tuple[int | None, ...]] = set()
    supers: set[tuple[int | None, ...]] = set()
    for inner in ast.walk(node):
        if not isinstance(inner, ast.Name | ast.Yield | ast.YieldFrom | ast.Call):
            continue
        place = (inner.lineno, inner.end_lineno, inner.col_offset, inner.end_col_offset)
        match inner:
            case ast.Name(id=name):
                names.add((name, place))
            case ast.Call(func=ast.Name(id="super"), args=[], keywords=[]):
                supers.add(place)  # loads what it does not name
            case ast.Yield() | ast.YieldFrom():
                yields.add(place)
    # pytest writes its assertions anew, and every line of them.
    rewritten = any(name.startswith("@py") for name in (*code.co_names, *code.co_varnames))
    asserted = {
        row
        for inner in ast.walk(node)
        if rewritten and isinstance(inner, ast.Assert)
        for row in range(inner.lineno, (inner.end_lineno or inner.lineno) + 1)
    }
    captured = {*code.co_cellvars, *code.co_freevars}  # 3.13 loads their cells as if they were variables
    generates = code.co_flags & inspect.CO_GENERATOR  # a coroutine's awaits yield too
    for instruction in dis.get_instructions(code):
        where = instruction.positions
        if where is None or None in where or tuple(where) in supers or where.lineno in asserted:
            continue
        if instruction.opname == "YIELD_VALUE" and tuple(where) not in yields and generates:
            return False
        if instruction.opname in _LOADS and isinstance(instruction.argval, str):
            name = instruction.argval
            if name in captured and instruction.opname.startswith("LOAD_FAST"):
                continue
            if name[0].isidentifier() and not {(name, where), (_unmangled(name), where)} & names:
                return False
    return True


def _text(node: FunctionNode, lines: tuple[str, ...]) -> str:
    """The node's own text; each line loses the indentation of the first, unless it begins within a string."""
    end_line = node.end_lineno or node.lineno
    rows = [line.rstrip("\n") for line in lines[node.lineno - 1 : end_line]]
    # Column offsets count UTF-8 bytes.
    rows[-1] = rows[-1].encode()[: node.end_col_offset].decode()
    rows[0] = rows[0].encode()[node.col_offset :].decode()
    strings = [n for n in ast.walk(node) if isinstance(n, ast.JoinedStr | ast.Constant) and hasattr(n, "lineno")]
    kept = {row - node.lineno for n in strings for row in range(n.lineno + 1, (n.end_lineno or n.lineno) + 1)}
    margin = node.col_offset if not isinstance(node, ast.Lambda) else 0
    bare = [r[margin:] if i and i not in kept and r[:margin].isspace() else r for i, r in enumerate(rows)]
    return "\n".join(bare)


def digest_of_function(node: FunctionNode, lines: tuple[str, ...]) -> bytes:
    """First 16 bytes of the SHA-256 of a function's text: the same on every Python version."""
    return hashlib.sha256(_text(node, lines).encode()).digest()[:DIGEST_BYTES]


def find_source(code: types.CodeType, qualname: str, module_globals: dict[str, object] | None) -> FunctionSource:
    """Return the syntax tree from which `code` was compiled.

    Raises
    ------
    ResumableError
        If the text is not available or no longer holds this function.
    """
    filename = code.co_filename
    try:
        parsed = _parsed(filename, module_globals)
    except SyntaxError as error:
        raise ResumableError(
            f"its file no longer parses ({error.msg})",
            function=qualname,
            filename=filename,
            line=error.lineno or 0,
            remedy="The file changed after it was imported: mend it and start the process again.",
        ) from error
    if parsed is None:
        raise ResumableError(
            "its source text is not available",
            function=qualname,
            filename=filename,
            line=code.co_firstlineno,
            remedy="Define it in a file or a notebook cell; code given to exec(), to python -c or typed at the "
            "plain prompt keeps no text.",
        )
    name = "<lambda>" if code.co_name == "<lambda>" else code.co_name
    found = [
        node
        for node in parsed.functions.get(code.co_firstlineno, [])
        if ("<lambda>" if isinstance(node, ast.Lambda) else node.name) in (name, _unmangled(name))
        and _same_arguments(node, code)
    ]
    if not found:
        raise ResumableError(
            "its file no longer holds it at this line",
            function=qualname,
            filename=filename,
            line=code.co_firstlineno,
            remedy="The file changed after it was imported: start the process again.",
        )
    node = max(found, key=lambda candidate: _fit(candidate, code)) if len(found) > 1 else found[0]
    text = _text(node, parsed.lines)
    return FunctionSource(node, filename, text, digest_of_function(node, parsed.lines), code.co_flags & _FUTURE)
