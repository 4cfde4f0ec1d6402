"""The modules of a package as their definitions and imports, and where a dotted name is defined. Nothing is run."""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

from rrr_utils.study import definitions
from rrr_utils.study.definitions import Meaning, Module, bound, is_docstring, is_for_types, note_import

# These change nothing but the name that they decorate. Any other decorator may register it somewhere, so what it
# decorates counts as soon as its module is loaded.
_HARMLESS = {
    *("dataclass", "property", "staticmethod", "classmethod", "abstractmethod", "overload", "override"),
    *("cache", "lru_cache", "cached_property", "contextmanager", "wraps", "runtime_checkable", "total_ordering"),
}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = (ast.If, ast.Try, ast.For, ast.While, ast.With)
# A module as a whole, and what runs when it is loaded.
ALL, EFFECTS = "*", "on loading"


@dataclass(frozen=True)
class Place:
    """Where a name is defined: a module, the name in it (or ``ALL``), and the modules that lead there."""

    module: Module
    inside: str
    by_way_of: tuple[Module, ...]


class Tree:
    """All modules of the package ``top`` in the folder ``root``, or of the single module in the file ``root``."""

    def __init__(self, root: Path, top: str) -> None:
        self.root, self.top = root, top
        self.files = {top: root} if root.is_file() else {}
        for path in () if root.is_file() else root.rglob("*.py"):
            parts = [top, *path.relative_to(root).with_suffix("").parts]
            self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self._modules: dict[str, Module] = {}
        self._places: dict[str, Place | str] = {}
        self._meanings: dict[tuple[str, str], Meaning] = {}

    def module(self, name: str) -> Module:
        """Return the module with the dotted ``name``; an empty one for a folder without a face."""
        if name not in self._modules:
            path = self.files.get(name)
            text = path.read_text(encoding="utf-8") if path else ""
            self._modules[name] = parse(text, name, str(path))
        return self._modules[name]

    def find(self, name: str) -> Place | str:
        """Return where the dotted ``name`` is defined in this package, or the name of another one that it stands for.

        What is no definition, a module say, or a name that does not exist, stands for the whole module.
        """
        if name not in self._places:
            self._places[name] = self._find(name)
        return self._places[name]

    def _find(self, name: str) -> Place | str:
        here, *rest = name.split(".")
        if here != self.top:
            return name
        way = []
        while True:
            module = self.module(here)
            way.append(module)
            if not rest or rest[0] in module.statements:
                return Place(module, rest[0] if rest else ALL, tuple(way))
            inside = f"{here}.{rest[0]}"
            if inside in self.files or any(each.startswith(f"{inside}.") for each in self.files):
                here, rest = inside, rest[1:]
            elif further := module.homes.get(rest[0]) or module.imports.get(rest[0]):
                found = self.find(".".join([further, *rest[1:]]))
                return found if isinstance(found, str) else Place(found.module, found.inside, (*way, *found.by_way_of))
            else:
                return Place(module, ALL, tuple(way))

    def meaning(self, module: Module, name: str) -> Meaning:
        """Return what the definition ``name`` in ``module`` does."""
        if (module.name, name) not in self._meanings:
            nodes = module.effects if name == EFFECTS else module.statements[name]
            self._meanings[module.name, name] = definitions.meaning(nodes, module)
        return self._meanings[module.name, name]


def tree(root: Path, top: str) -> Tree:
    """Return the modules in ``root`` as they are now; they are read once, as long as no file changes."""
    paths = sorted(root.rglob("*.py")) if root.is_dir() else [root]
    return _tree(root, top, tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths))


@functools.lru_cache(maxsize=4)
def _tree(root: Path, top: str, _state: tuple[tuple[Path, int, int], ...]) -> Tree:
    return Tree(root, top)


def parse(source: str, name: str, where: str) -> Module:
    """Return the module with the text ``source``. Imports relative to it raise ``ValueError``."""
    module = Module(name)
    for node in ast.parse(source, where).body:
        if is_for_types(node) or is_docstring(node) or _is_for_the_command_line(node):
            continue
        # With what to say where one fails, say.
        inside = node.body if isinstance(node, ast.With) else [node]
        imports = [each for each in inside if isinstance(each, ast.Import | ast.ImportFrom)]
        if len(imports) == len(inside):
            for imported in imports:
                note_import(imported, module.imports, where)
            continue
        for inner in ast.walk(node):
            # Under `try`, say; inside functions they are followed where the function is.
            if isinstance(inner, ast.Import | ast.ImportFrom) and not isinstance(node, _DEFINITIONS):
                note_import(inner, module.imports, where)
        # What is set inside a thing belongs to that thing: `table["a"] = 1`.
        into = {_root_of(each) for each in node.targets} if isinstance(node, ast.Assign) else set()
        names = bound([node]) | (into & module.statements.keys())
        for each in names:
            module.statements.setdefault(each, []).append(node)
        if not names or into - names - {""} or isinstance(node, _BLOCKS):
            module.effects.append(node)
        if any(_name_of(each) not in _HARMLESS for each in getattr(node, "decorator_list", ())):
            module.registering |= names
        module.homes |= _homes(node, name)
    return module


def _homes(node: ast.stmt, name: str) -> dict[str, str]:
    """Return the dotted names that the face of a room hands on, if ``node`` lists them."""
    if not isinstance(node, ast.Assign) or _name_of(node.targets[0]) not in ("_HOMES", "_MODULES"):
        return {}
    listed = ast.literal_eval(node.value)
    if isinstance(listed, dict) and _name_of(node.targets[0]) == "_HOMES":
        return {each: f"{name}.{home}.{each}" for each, home in listed.items()}
    return {each: f"{name}.{listed[each] if isinstance(listed, dict) else each}" for each in listed}


def _name_of(node: ast.AST) -> str:
    """Return the last part of the name that is called, decorated with or assigned to."""
    while isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_for_the_command_line(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)


def _root_of(target: ast.expr) -> str:
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""
