"""A live module beside its text: which statements made what it holds now."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

from mobility.code.errors import SourceMissing
from mobility.code.statements import SourceText, Statement, read_text
from mobility.errors import ResumableError
from mobility.resumable._source import FunctionNode, check_text, digest_of_function, find_source
from mobility.resumable.plan import plan_of
from mobility.resumable.shipped import is_shipped

__all__ = ["NO_TEXT", "ModuleView"]

#: What to do about code without a text.
NO_TEXT = (
    "Define it in a file or a notebook cell; code given to exec(), to python -c or typed at the plain prompt keeps no "
    "text."
)
_CHANGED = "The file changed after it was imported: start the process again."
_texts: dict[tuple[str, str], tuple[tuple[str, ...], SourceText]] = {}


class ModuleView:
    """One imported module of the project.

    Attributes
    ----------
    name
        As in ``sys.modules``.
    namespace
        What it holds now.
    texts
        Its file; or, for a ``__main__`` that is fed with cells, those in the order in which they were run.
    """

    def __init__(self, name: str) -> None:
        module = sys.modules.get(name)
        if module is None:
            raise SourceMissing(f"the module {name}", "it is no longer among the imported modules", "Import it again.")
        self.name = name
        self.module = module
        self.namespace: dict[str, Any] = vars(module)
        self.is_package = "__path__" in self.namespace
        file = _source_file(module)
        self.in_cells = file is None
        self.texts: list[SourceText] = []
        if file is not None:
            text = self._read(file)
            if text is None and not self.is_package:
                raise SourceMissing(f"the module {name}", f"{os.path.basename(file)} holds no source text", NO_TEXT)
            if text is not None:
                self.texts.append(text)
        elif name == "__main__" or not self.is_package:
            self.texts.extend(self._cells())

    def _read(self, filename: str) -> SourceText | None:
        linecache.checkcache(filename)
        lines = tuple(linecache.getlines(filename, self.namespace))
        known = _texts.get((filename, self.name))
        if known is not None and known[0] == lines:
            return known[1]
        if not lines:
            return None
        try:
            text = read_text(filename, lines, self.name)
        except SyntaxError as error:
            raise SourceMissing(
                f"the module {self.name}", f"its file no longer parses ({error.msg}, line {error.lineno})",
                "The file changed after it was imported: mend it and start the process again.",
            ) from error  # fmt: skip
        _texts[filename, self.name] = (lines, text)
        return text

    def _cells(self) -> Iterator[SourceText]:
        """Cells that were kept by `linecache` and bind something that the module holds, in the order of their run."""
        own = {f.__code__.co_filename for f in self.namespace.values() if isinstance(f, types.FunctionType)}
        for filename, entry in list(linecache.cache.items()):
            if len(entry) == 1 or (filename not in own and (os.path.exists(filename) or self.name != "__main__")):
                continue
            if is_shipped(filename.partition(">")[0].removeprefix("<")):
                continue  # what came in a bundle may well have been written in these cells, and is none of them
            try:
                text = self._read(filename)
            except SourceMissing:
                continue  # not Python, or a cell with magic that was kept as it was typed
            names = (*text.binding, *text.touching) if text is not None else ()
            if text is not None and (filename in own or any(name in self.namespace for name in names)):
                yield text

    # -- from names and lines to statements

    def binding(self, name: str) -> list[tuple[SourceText, Statement]]:
        """The statements that made what `name` refers to now."""
        found = [(text, statement) for text in self.texts for statement in text.binding.get(name, ())]
        if self.in_cells and found:
            # A cell that was run again replaces what it bound before.
            last = found[-1][0]
            found = [(text, statement) for text, statement in found if text is last]
        return found

    def binding_before(self, name: str, reader: Statement) -> list[tuple[SourceText, Statement]]:
        """What bound `name` when a statement of a cell was executed, if another cell has bound it since."""
        before: list[tuple[SourceText, Statement]] = []
        for text in self.texts:
            here = reader in text.statements
            found = [(text, statement) for statement in text.binding.get(name, ()) if statement is not reader]
            if found and not (here and found[0][1].first > reader.first):
                before = found
            if here:
                break
        return before

    def stars(self) -> Iterator[tuple[SourceText, Statement]]:
        """Statements of the form ``from m import *``."""
        for text in self.texts:
            for statement in text.statements:
                if any(imported.name == "*" for imported in statement.imports):
                    yield text, statement

    def touching(self, name: str) -> Iterator[tuple[SourceText, Statement]]:
        """Statements that may change what `name` refers to."""
        for text in self.texts:
            for statement in text.touching.get(name, ()):
                yield text, statement

    def rebinds(self, name: str) -> bool:
        """Whether a function binds the global variable `name`."""
        return any(name in text.rebound for text in self.texts)

    def star_names(self) -> list[str] | None:
        """What ``__all__`` lists, or None."""
        listed = self.namespace.get("__all__")
        return [str(name) for name in listed] if listed is not None else None

    def standing(self, filename: str, line: int, name: str) -> tuple[SourceText, Statement]:
        """The statement that covers a line of one of its texts.

        Raises
        ------
        SourceMissing
            If there is none; `name` is for the sentence.
        """
        texts = [text for text in self.texts if _same_file(text.filename, filename)]
        if not texts:
            extra = self._read(filename)
            texts = [extra] if extra is not None else []
            self.texts += texts
        for text in reversed(texts):
            statement = text.at(line)
            if statement is not None:
                return text, statement
        what = f"the function {self.name}.{name}"
        if texts:
            raise SourceMissing(what, "its file no longer holds it where it was", _CHANGED)
        raise SourceMissing(what, "its source text is not available", NO_TEXT)

    def check_digest(self, statement: Statement, text: SourceText, digest: bytes, name: str) -> None:
        """Refuse a text that no longer holds the function with this digest.

        Raises
        ------
        SourceMissing
        """
        for node in statement.nodes:
            for inner in ast.walk(node):
                if isinstance(inner, FunctionNode) and digest_of_function(inner, text.lines) == digest:
                    return
        raise SourceMissing(f"the function {self.name}.{name}", "its file holds another text by now", _CHANGED)

    def _check(self, code: types.CodeType, qualname: str) -> None:
        try:
            check_text(find_source(code, qualname, self.namespace), code, qualname)
        except ResumableError as error:
            raise SourceMissing(f"the function {self.name}.{qualname}", error.problem, error.remedy) from error

    def check_binding(self, name: str, text: SourceText, statement: Statement) -> bool:
        """Whether what `name` refers to was really made by `statement`; else it was put there since.

        Raises
        ------
        SourceMissing
            If the statement's text is no longer the one that was compiled.
        """
        value = self.namespace[name]
        node = statement.nodes[0]
        if isinstance(node, ast.ClassDef):
            for function in vars(value).values() if isinstance(value, type) else ():
                if not isinstance(function, types.FunctionType) or function.__globals__ is not self.namespace:
                    continue
                if function.__qualname__.startswith(f"{name}.") and function.__code__.co_filename == text.filename:
                    self._check_line(function, statement)
            return True
        decorated = bool(getattr(node, "decorator_list", None))
        if decorated:
            try:
                value = inspect.unwrap(value) if callable(value) else value
            except ValueError:  # a proxy that claims to wrap itself
                return True
        if not isinstance(value, types.FunctionType):
            return decorated  # what a decorator returns may come from anywhere
        own = value.__globals__ is self.namespace and value.__code__.co_name == name
        if own and "<locals>" not in value.__qualname__:
            self._check_line(value, statement)
            return True
        return decorated

    def _check_line(self, function: types.FunctionType, statement: Statement) -> None:
        code = function.__code__
        if plan_of(code) is None:  # the text of a resumable function was checked when it was decorated
            self._check(code, code.co_qualname)
        if not statement.first <= code.co_firstlineno <= statement.last:
            raise SourceMissing(
                f"the function {self.name}.{code.co_qualname}",
                "its file no longer holds it where it was",
                _CHANGED,
            )


def _same_file(one: str, other: str) -> bool:
    if one == other:
        return True
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _source_file(module: types.ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    spec = getattr(module, "__spec__", None)
    if file is None and spec is not None and isinstance(spec.origin, str) and spec.has_location:
        file = spec.origin
    if isinstance(file, str) and file.endswith((".pyc", ".pyo")):
        file = getattr(module, "__cached__", file) and file[:-1]
    return file if isinstance(file, str) else None
