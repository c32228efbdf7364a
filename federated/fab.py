"""The files of an app, from a folder or from a FAB: how many, how large, and under which paths.

A FAB is a zip file; what a zip file can say and an app has no use for is refused: links, folders, encryption, two files
of one name, paths that lead out, more bytes than it admits to.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from federated.apperrors import AppInvalid, AppTooLarge

__all__ = ["AppLimits", "require_paths", "unzipped", "walked"]

_PART: Final = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]+")
_CONTENT: Final = ".info/CONTENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLimits:
    """How much of an app is taken in.

    Attributes
    ----------
    fab_bytes
        A FAB as a file; Flower's own limit.
    total_bytes
        All files, unpacked.
    files
        How many there may be.
    depth
        Folders within folders.
    """

    fab_bytes: int = 10 << 20
    total_bytes: int = 64 << 20
    files: int = 4096
    depth: int = 16

    def check(self, name: str, size: int, what: str) -> None:
        """Refuse a size beyond the limit called `name`.

        Raises
        ------
        AppTooLarge
        """
        if size > getattr(self, name):
            raise AppTooLarge(f"{what} is {size}, and {getattr(self, name)} is the limit ({name})")


def require_paths(paths: Iterable[str], limits: AppLimits) -> None:
    """Refuse paths that are not relative, climb, or would be one file on some systems.

    Raises
    ------
    AppInvalid, AppTooLarge
    """
    seen: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        if any(part in {"", ".", ".."} or not _PART.fullmatch(part) or part.endswith((" ", ".")) for part in parts):
            raise AppInvalid(f"{path[:120]!r} is no path within an app")
        if len(path.encode("utf-8", "replace")) > 255 or not path.isprintable():
            raise AppInvalid(f"{path[:120]!r} is too long for a path, or cannot be printed")
        limits.check("depth", len(parts), f"the depth of {path}")
        if path.lower() in seen:
            raise AppInvalid(f"{seen[path.lower()]} and {path} would be one file on many systems")
        seen[path.lower()] = path
    for path in seen:
        for parent in PurePosixPath(path).parents:
            if str(parent) in seen:
                raise AppInvalid(f"{seen[str(parent)]} is a file, and {seen[path]} would lie in it")


def walked(root: Path) -> tuple[list[str], list[str]]:
    """Files, and links (those to folders as if they had a module)."""
    found, links = [], []
    for here, folders, names in os.walk(root, followlinks=False):
        for name in folders:
            if (Path(here) / name).is_symlink():
                links.append((Path(here) / name / "__init__.py").relative_to(root).as_posix())
        for name in names:
            path = Path(here) / name
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                links.append(relative)
            elif path.is_file():
                found.append(relative)
    return found, links


def unzipped(fab: bytes, limits: AppLimits) -> dict[str, bytes]:
    """The files of a FAB, held against its own list of contents.

    Raises
    ------
    AppInvalid, AppTooLarge
    """
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(fab)) as archive:
            entries = archive.infolist()
            limits.check("files", len(entries) - 1, "the number of files")
            limits.check("total_bytes", sum(entry.file_size for entry in entries), "the app in bytes")
            for entry in entries:
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if entry.flag_bits & 1 or entry.is_dir() or kind not in {0, stat.S_IFREG}:
                    raise AppInvalid(f"{entry.filename[:120]!r} in the FAB is encrypted, a folder or a link")
                if entry.orig_filename != entry.filename or entry.filename in files:
                    raise AppInvalid(f"{entry.orig_filename[:120]!r} in the FAB is there twice, or is no path")
                with archive.open(entry) as file:
                    data = file.read(entry.file_size + 1)
                if len(data) != entry.file_size:
                    raise AppTooLarge(f"{entry.filename[:120]!r} is larger than the FAB says")
                files[entry.filename] = data
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError, OSError) as error:
        raise AppInvalid(f"these bytes are no FAB ({error})") from None
    except Exception as error:  # a damaged stream: zlib, lzma and others each have a type of their own
        if isinstance(error, AppInvalid):
            raise
        raise AppInvalid(f"these bytes are no FAB ({type(error).__name__}: {error})") from None
    content = files.pop(_CONTENT, None)
    if content is None:
        raise AppInvalid("the FAB has no list of its contents (.info/CONTENT)")
    listed = sorted(content.decode("utf-8", "replace").splitlines())
    if listed != sorted(f"{path},{hashlib.sha256(data).hexdigest()},{8 * len(data)}" for path, data in files.items()):
        raise AppInvalid("the files of the FAB are not those that its list of contents names")
    return files
