"""What a definition does, whatever file it stands in and by whatever names it goes, and what it refers to."""

import ast
import copy
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rrr_utils.common import registry

_NAMING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_MODULE_NAME = re.compile(r"\brrr_utils(\.\w+)+")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# What a mapping is annotated with whose members are looked up by words that a job names, and by no others.
REGISTRY = "Registry"


@dataclass
class Module:
    """A module: its statements by the names that they bind, and what it imports.

    ``effects`` are statements that bind nothing and run when the module is loaded; ``imports`` are dotted names by the
    names that they are bound to; ``registering`` are definitions whose decorators may do more than decorate.
    """

    name: str
    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)
    imports: dict[str, str] = field(default_factory=dict)
    registering: set[str] = field(default_factory=set)
    homes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Meaning:
    """What a definition does: a hash, the dotted names that it refers to, in order, and the texts in it."""

    digest: str
    refers: tuple[str, ...]
    texts: frozenset[str]


def meaning(nodes: Iterable[ast.stmt], module: Module) -> Meaning:
    """Return what the statements ``nodes`` of ``module`` do.

    Comments, docstrings, layout, type hints of functions and imports do not count; a name that stands for something
    outside counts as that thing, by whatever way and alias it was imported.
    """
    canonical = _Canonical(module)
    # A copy, because the module is read once and kept.
    visited = [canonical.visit(copy.deepcopy(node)) for node in nodes]
    dumped = "\0".join(ast.dump(node) for node in visited if node is not None)
    digest = hashlib.sha256(dumped.encode(errors="surrogatepass")).hexdigest()
    return Meaning(digest, tuple(canonical.refers), frozenset(canonical.texts))


def members(nodes: list[ast.stmt]) -> dict[str, ast.expr] | None:
    """Return the members of a registry by their words, or None if the statements ``nodes`` are none."""
    node = nodes[0]
    if len(nodes) != 1 or not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Dict):
        return None
    if not ast.unparse(node.annotation).strip("'\"").split("[")[0].endswith(REGISTRY):
        return None
    found = {}
    for key, value in zip(node.value.keys, node.value.values):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise ValueError(f"line {node.lineno}: a registry's words are written out, so that jobs can name them.")
        found[key.value] = value
    return found


def named(text: str) -> str | None:
    """Return the dotted name that a text of the form ``package.module:Name`` stands for, or None."""
    found = registry.own(text)
    return ".".join(found) if found else None


class _Canonical(ast.NodeTransformer):
    """Rewrites a definition so that only what it does remains, and notes what it refers to."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.refers: list[str] = []
        self.texts: set[str] = set()
        # One of each function around the place: its own names, and what it imports itself.
        self.scopes: list[tuple[set[str], dict[str, str]]] = []
        self.in_class = False

    def _global(self, name: str) -> str | None:
        """Return the dotted name that ``name`` stands for, or None if it is local or built in."""
        for own, imported in reversed(self.scopes):
            if name in imported:
                return imported[name]
            if name in own:
                return None
        if name in self.module.statements:
            return f"{self.module.name}.{name}"
        return self.module.imports.get(name)

    def visit_Name(self, node: ast.Name) -> Any:
        return self._reference(node, node.id, [])

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        chain, root = [node.attr], node.value
        while isinstance(root, ast.Attribute):
            chain.insert(0, root.attr)
            root = root.value
        return self._reference(node, root.id, chain) if isinstance(root, ast.Name) else self.generic_visit(node)

    def _reference(self, node: ast.Name | ast.Attribute, name: str, chain: list[str]) -> Any:
        target = self._global(name)
        if target is None or not isinstance(node.ctx, ast.Load):
            return node
        self.refers.append(".".join([target, *chain]))
        # Which name, and by how many steps, is the importer's affair: `a.f` and `f` are the same function.
        return ast.Name(f"\0{(chain or [target.rpartition('.')[2]])[-1]}", node.ctx)

    def visit_Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, str):
            self.texts.add(node.value)
            # A message names a command, say, by where its module stands.
            return ast.Constant(_MODULE_NAME.sub("rrr_utils", node.value))
        return node

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> Any:
        return None

    visit_ImportFrom = visit_Import

    def visit_If(self, node: ast.If) -> Any:
        return None if is_for_types(node) else self.generic_visit(node)

    def visit_With(self, node: ast.With) -> Any:
        # What to say where an import fails: see `rrr_utils.common.extras.needed`.
        said = ast.unparse(node.items[0].context_expr).startswith("needed(")
        if said and all(isinstance(each, ast.Import | ast.ImportFrom) for each in node.body):
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if not self.in_class:
            return self.visit(ast.Assign([node.target], node.value)) if node.value else None
        # The field of a dataclass.
        node.annotation = ast.Constant(re.sub(r"\b\w+\.", "", ast.unparse(node.annotation).strip("'\"")))
        node.target, node.value = self.visit(node.target), node.value and self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> Any:
        return ast.arg(node.arg)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        outside, self.in_class = self.in_class, True
        self.generic_visit(_without_docstring(node))
        self.in_class = outside
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        return self._function(node, [node.body])

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        node.returns = None
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        decorators, node.decorator_list = node.decorator_list, []
        self._function(_without_docstring(node), node.body)
        node.decorator_list = decorators
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def _function(self, node: Any, body: Iterable[ast.AST]) -> Any:
        arguments = node.args
        # Defaults are computed outside.
        arguments.defaults = [self.visit(each) for each in arguments.defaults]
        arguments.kw_defaults = [each and self.visit(each) for each in arguments.kw_defaults]
        defaults = arguments.defaults, arguments.kw_defaults
        arguments.defaults, arguments.kw_defaults = [], []
        own = {each.arg for each in ast.walk(arguments) if isinstance(each, ast.arg)} | bound(body)
        imported: dict[str, str] = {}
        for each in _inside(body):
            if isinstance(each, ast.Import | ast.ImportFrom):
                note_import(each, imported, self.module.name)
        outside, self.in_class = self.in_class, False
        self.scopes.append((own, imported))
        node = self.generic_visit(node)
        self.scopes.pop()
        self.in_class = outside
        arguments.defaults, arguments.kw_defaults = defaults
        return node

    def _comprehension(self, node: Any) -> Any:
        self.scopes.append((bound(each.target for each in node.generators), {}))
        node = self.generic_visit(node)
        self.scopes.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


def bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that ``nodes`` bind in their own scope, imports left out."""
    found: set[str] = set()
    for node in _inside(nodes):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        elif isinstance(node, _NAMING) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        elif isinstance(node, ast.Global):
            found -= set(node.names)
    return found


def _inside(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Walk ``nodes`` without what lies in the scopes of functions, classes and comprehensions in them."""
    for node in nodes:
        yield node
        if isinstance(node, _COMPREHENSIONS):
            yield from (each for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
            yield from (each.target for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
        elif not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield from _inside(ast.iter_child_nodes(node))


def note_import(node: ast.Import | ast.ImportFrom, names: dict[str, str], where: str) -> None:
    if isinstance(node, ast.Import):
        for each in node.names:
            names[each.asname or each.name.split(".")[0]] = each.name if each.asname else each.name.split(".")[0]
        return
    if node.level:
        raise ValueError(f"{where}, line {node.lineno}: imports inside the package are absolute, not relative.")
    for each in node.names:
        names[each.asname or each.name] = f"{node.module}.{each.name}"


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _without_docstring(node: Any) -> Any:
    node.body = [each for each in node.body if not is_docstring(each)] or [ast.Pass()]
    return node
