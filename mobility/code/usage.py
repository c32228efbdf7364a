"""What the syntax tree of a statement tells and compiled code does not: chains of attributes, what it may change."""

from __future__ import annotations

import ast

__all__ = ["FUNCTIONS", "Usage"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Usage:
    """What the syntax tree tells and compiled code does not."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.touches: set[str] = set()
        self.annotated: set[str] = set()
        self.chains: dict[str, set[tuple[str, ...]]] = {}
        self.calls_itself = False
        self._inside: set[str] = set()

    def look(self, node: ast.AST, eager: bool, quiet: bool = False) -> None:
        """Walk; `quiet`: in a base class or an annotation."""
        if isinstance(node, ast.Attribute | ast.Name):
            base, chain = _chain(node)
            if isinstance(base, ast.Name):
                self.chains.setdefault(base.id, set()).add(chain)
                if eager and not quiet:
                    self.called.add(base.id)
                if quiet:
                    self.annotated.add(base.id)
            else:
                self.look(base, eager, quiet)
            return
        if eager:
            self._touched(node)
        if eager and isinstance(node, ast.Call):
            handed = [*node.args, *(keyword.value for keyword in node.keywords)]
            own = isinstance(node.func, ast.Name) and node.func.id in self._inside
            self.calls_itself |= own or any(isinstance(argument, ast.Lambda) for argument in handed)
        if quiet and isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._quoted(node.value)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in node.decorator_list:
                    self.look(decorator, eager)
                for argument in ast.walk(node.args):
                    if isinstance(argument, ast.arg) and argument.annotation is not None:
                        self.look(argument.annotation, eager, True)
                for default in (*node.args.defaults, *node.args.kw_defaults):
                    if default is not None:
                        self.look(default, eager)
                if node.returns is not None:
                    self.look(node.returns, eager, True)
                for parameter in getattr(node, "type_params", ()):
                    self.look(parameter, False, True)
                for statement in node.body:
                    self.look(statement, False)
            case ast.Lambda():
                self.look(node.args, eager)
                self.look(node.body, False)
            case ast.ClassDef():
                for base in node.bases:
                    self.look(base, eager, not isinstance(base, ast.Call))
                self._inside |= {part.name for part in node.body if isinstance(part, FUNCTIONS)}
                for part in (*node.keywords, *node.decorator_list, *node.body):
                    self.look(part, eager)
            case ast.AnnAssign():
                self.look(node.target, eager)
                self.look(node.annotation, eager, True)
                if node.value is not None:
                    self.look(node.value, eager)
            case _:
                for child in ast.iter_child_nodes(node):
                    self.look(child, eager, quiet)

    def _quoted(self, text: str) -> None:
        """An annotation in quotes."""
        try:
            self.look(ast.parse(text, mode="eval"), False, True)
        except (SyntaxError, ValueError):
            return  # just a text

    def _touched(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                changed: list[ast.expr] = list(targets)
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
                changed = [target]
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                changed = [method]
            case ast.Expr(value=ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[first, *_])):
                self._add(first)
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                changed = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
            case _:
                return
        for target in changed:
            for part in ast.walk(target) if isinstance(target, ast.Tuple | ast.List) else (target,):
                if isinstance(part, ast.Attribute | ast.Subscript):
                    self._add(part)

    def _add(self, target: ast.AST) -> None:
        while isinstance(target, ast.Attribute | ast.Subscript | ast.Call):
            target = target.func if isinstance(target, ast.Call) else target.value
        if isinstance(target, ast.Name):
            self.touches.add(target.id)


def _chain(node: ast.expr) -> tuple[ast.expr, tuple[str, ...]]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return node, tuple(reversed(parts))
