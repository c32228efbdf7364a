"""What the site has besides the pages of this folder: the reference of the packages, and pages that lie elsewhere.

The reference has what each package offers in its ``__all__``, then the rooms named here, which a user may import from.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
#: By package: the modules beside it that programs import from.
ROOMS = {
    "mobility": [
        "errors",
        "bundle",
        "trust",
        "environment",
        "bindings",
        "code",
        "data",
        "plain",
        "testing",
        "trust.errors",
    ],
    "agents": [
        *("errors", "paradigms", "advising", "bindings", "resources", "services", "eventlog", "draining"),
        *("extensions", "handoff", "directory", "testing"),
    ],
    "federated": [
        *("errors", "apperrors", "accounting", "audit", "policy", "releasing", "ledger", "links", "plotting"),
        *("roster", "statistics", "queries", "tour", "training", "trainingerrors", "shard", "batches"),
        *("auditrecords", "journal", "messages", "policyfile", "queryrules", "requests"),
    ],
}
#: Pages of the site that are files elsewhere in the repository.
ELSEWHERE = {
    "changelog.md": "CHANGELOG.md",
    "benchmarks.md": "benchmarks/README.md",
    "clusters.md": "deploy/README.md",
    "two-machines.md": "deploy/two-machines.md",
}
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)#:\s]+)((?:#[^)\s]*)?)\)")


def public_names(module: str) -> list[str]:
    """What the module's ``__all__`` lists, found without importing it."""
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "__all__":
            return list(ast.literal_eval(statement.value))
    raise ValueError(f"{module} has no __all__")


def reference(package: str) -> str:
    """The page of a package; a name that two modules offer is described once, where it comes first."""
    parts = [f"# {package}", f"::: {package}\n    options:\n      members: []\n      show_root_heading: false\n"]
    seen = {"environment"}
    for name in public_names(package):
        if name not in seen:
            parts.append(f"::: {package}.{name}\n    options:\n      heading_level: 3\n")
    seen |= set(public_names(package))
    for room in ROOMS[package]:
        parts.append(f"::: {package}.{room}\n    options:\n      members: []\n      show_root_full_path: true\n")
        for name in public_names(f"{package}.{room}"):
            if name not in seen:
                parts.append(f"::: {package}.{room}.{name}\n    options:\n      heading_level: 3\n")
                seen.add(name)
    return "\n\n".join(parts) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds those pages."""
    for package in ROOMS:
        files.append(File.generated(config, f"api/{package}.md", content=reference(package)))
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Links that lead out of this folder are turned to pages of the site; of sources, which it has not, the path is said.

    A link to what does not exist stays as it is, and fails the build.
    """
    source = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {path: name for name, path in ELSEWHERE.items()} | {"README.md": "index.md"}

    def turned(match: re.Match[str]) -> str:
        target = (ROOT / source).parent.joinpath(match[2]).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return match[0]
        path = target.relative_to(ROOT).as_posix()
        new = pages.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if new is None:
            return f"{match[1]} (`{path}`)"
        return f"[{match[1]}]({'../' * page.file.src_uri.count('/')}{new}{match[3]})"

    return _LINK.sub(turned, markdown)
