"""The code behind a notebook: its own cells and every definition of the package that these reach."""

import ast
import functools
import hashlib
import importlib.machinery
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rrr_utils.common import files
from rrr_utils.study import definitions, source_tree
from rrr_utils.study.definitions import Meaning, Module
from rrr_utils.study.executed_notebook import PARAMETERS
from rrr_utils.study.source_tree import ALL, EFFECTS, Place

PACKAGE = Path(__file__).resolve().parents[1]
# Where things lie, how far a run is and what to install can reach no number: what is read counts by its content.
_WITHOUT_EFFECT = {"extras", "imagenet_files", "paths", "progress"}
# The module through which notebooks read images; what works on them may take hours.
_IMAGES = "prepared"
# What such a notebook needs of these it needs to show its results, not to compute them.
_SHOWING = {"figures", "statistics", "verdicts", "claims", "matplotlib", "seaborn", "statsmodels", "myst_nb", "IPython"}


@dataclass(frozen=True)
class Code:
    """What code does: a hash of each definition by where it stands, the libraries it uses, the files it reads.

    Where a definition stands is for messages: two runs were made by the same code if the hashes are the same.
    """

    definitions: Mapping[str, str]
    libraries: frozenset[str]


def of(notebook: Path, parameters: Mapping[str, Any] | None = None, showing: bool = True) -> Code:
    """Return the code that ``notebook`` runs: its cells, and the definitions of the package that they reach.

    References are followed without running anything, through imports, aliases and the faces of rooms. Moving a
    definition to another file, renaming a file, and changing an import, a comment, a docstring, a type hint, the layout
    or a notebook's prose change no hash. Of a registry (see :data:`rrr_utils.study.definitions.REGISTRY`) only the
    members count that ``parameters``, the notebook or the code on the way name; a parameter ``package.module:Name``
    brings the definitions behind that name. Without ``showing``, what the notebook itself uses to draw and to sum up is
    left out: what remains decides the numbers that it computes.
    """
    everything = _Reached(notebook, parameters or {})
    # A notebook that reads tables alone computes by what others only show results with.
    if showing or _IMAGES not in {place.partition(":")[0].rpartition(".")[2] for place in everything.found}:
        return everything.code()
    return _Reached(notebook, parameters or {}, without=_SHOWING).code()


class _Reached:
    """What a notebook's cells reach, followed from definition to definition."""

    def __init__(self, notebook: Path, parameters: Mapping[str, Any], without: Set[str] = frozenset()) -> None:
        self.found: dict[str, Meaning] = {}
        self.libraries: set[str] = set()
        self.files: dict[str, str] = {}
        # For each definition what its references stand for: other definitions, or names of other libraries.
        self._links: dict[str, list[str]] = {}
        self._trees = [source_tree.tree(PACKAGE, "rrr_utils")]
        self._loaded: set[str] = set()
        self._registries: dict[str, tuple[Module, dict[str, ast.expr]]] = {}
        self._words = {*_texts(parameters)}
        self._waiting: list[tuple[str, str]] = []
        self._start(notebook, frozenset(parameters), without)
        for name in filter(None, map(definitions.named, sorted(_texts(parameters)))):
            self._bring(name, f"notebooks/{notebook.name}")
        while self._waiting:
            while self._waiting:
                place, name = self._waiting.pop()
                self._links[place] += self._reach(name)
            for place, (module, members) in self._registries.items():
                self._choose(place, module, members)

    def code(self) -> Code:
        """Return the hashes: of a definition, what it does and what the names in it stand for."""
        hashes = {place: self._digest(place) for place in sorted(self.found)}
        return Code(hashes | self.files, frozenset(self.libraries))

    def _digest(self, place: str) -> str:
        # A name that means something else now is seen, even if both meanings are reached by other ways.
        means = [self.found[link].digest if link in self.found else link for link in self._links[place]]
        return f"{self.found[place].digest}.{_hash(chr(0).join(means))[:16]}"

    def _start(self, notebook: Path, given: frozenset[str], without: Set[str]) -> None:
        """Take the notebook's cells and what they refer to, but for what lies in modules or libraries ``without``."""
        meant = _cells(notebook, notebook.stat().st_mtime_ns, given)
        place = f"notebooks/{notebook.name}"
        self.found[place] = meant
        self._words |= meant.texts
        self._links[place] = []
        for name in meant.refers:
            target = self._find(name)
            parts = (target if isinstance(target, str) else target.module.name).split(".")
            if parts[0] != "notebook" and not without & {*parts}:
                self._links[place] += self._reach(name)

    def _find(self, name: str) -> Place | str:
        for each in self._trees:
            if not isinstance(found := each.find(name), str) or found != name:
                return found
        return name

    def _reach(self, name: str) -> list[str]:
        """Return where the definitions stand that the dotted ``name`` stands for, and see that they are followed."""
        target = self._find(name)
        if isinstance(target, str):
            self.libraries.add(target.partition(".")[0])
            return [target]
        for module in (*target.by_way_of, target.module):
            self._load(module)
        module = target.module
        if target.inside != ALL:
            return self._define(module, target.inside)
        own = [place for each in module.statements for place in self._define(module, each)]
        # What the face of a room hands on belongs to it; a module that it imports does not.
        handed = [self._find(each) for each in (*module.homes.values(), *module.imports.values())]
        return own + [
            place
            for each in handed
            if not isinstance(each, str) and each.inside != ALL
            for place in self._define(each.module, each.inside)
        ]

    def _define(self, module: Module, name: str) -> list[str]:
        if module.name.rpartition(".")[2] in _WITHOUT_EFFECT:
            return []
        place = f"{module.name}:{name}"
        if place not in self.found and place not in self._registries:
            nodes = module.effects if name == EFFECTS else module.statements[name]
            if (members := definitions.members(nodes)) is not None:
                self._registries[place] = module, members
                return [place]
            tree = next(each for each in self._trees if each.top == module.name.partition(".")[0])
            meant = tree.meaning(module, name)
            self._take(place, meant)
            if any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in nodes):
                self._words |= meant.texts
        return [place]

    def _choose(self, place: str, module: Module, members: Mapping[str, ast.expr]) -> None:
        """Take those members of a registry that somebody names."""
        for word in sorted(members.keys() & self._words):
            inside = f"{place}[{word!r}]"
            if inside not in self.found:
                meant = definitions.meaning([ast.Expr(members[word])], module)
                names = filter(None, map(definitions.named, sorted(meant.texts)))
                self._take(inside, replace(meant, refers=(*meant.refers, *names)))

    def _take(self, place: str, meant: Meaning) -> None:
        self.found[place] = meant
        self._links[place] = []
        self._waiting += [(place, name) for name in meant.refers]
        for text in meant.texts:
            self.files |= _files(text)

    def _load(self, module: Module) -> None:
        """Take what runs when ``module`` is imported; what it imports is taken where it is used."""
        if module.name not in self._loaded:
            self._loaded.add(module.name)
            for name in (*sorted(module.registering), *((EFFECTS,) if module.effects else ())):
                self._define(module, name)

    def _bring(self, name: str, place: str) -> None:
        """Follow a name of a package that is not ours, which a parameter brings."""
        top = name.partition(".")[0]
        spec = importlib.machinery.PathFinder.find_spec(top)
        if spec is not None and spec.origin and top not in [each.top for each in self._trees]:
            origin = Path(spec.origin)
            self._trees.append(source_tree.tree(origin.parent if origin.name == "__init__.py" else origin, top))
            self.libraries.add(top)
        self._links[place] += self._reach(name)


@functools.lru_cache(maxsize=64)
def _cells(notebook: Path, _changed: int, given: frozenset[str]) -> Meaning:
    # As plain JSON: nbformat takes a second to import, and a plan reads every notebook.
    return meaning_of(files.read_json(notebook)["cells"], str(notebook), given)


def meaning_of(cells: Sequence[Mapping[str, Any]], where: str, given: Set[str] = frozenset()) -> Meaning:
    """Return what the code cells among ``cells``, of the notebook ``where``, do together, as one definition.

    The defaults of the parameters that are ``given`` do nothing.
    """
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    lines = [line for cell in code for line in cell.splitlines()]
    # A magic is no Python; without it the parser goes on.
    magics = [line for line in lines if line.lstrip().startswith(("%", "!"))]
    module = source_tree.parse("\n".join(line for line in lines if line not in magics), "notebook", where)
    tagged = "\n".join("".join(cell["source"]) for cell in cells if PARAMETERS in cell["metadata"].get("tags", ()))
    idle = {ast.unparse(node) for node in ast.parse(tagged).body if _assigned(node) & given}
    nodes = {
        id(node): node
        for nodes in (*module.statements.values(), module.effects)
        for node in nodes
        if not _assigned(node) & given or ast.unparse(node) not in idle
    }
    meant = definitions.meaning(sorted(nodes.values(), key=lambda node: node.lineno), module)
    return replace(meant, digest=_hash("\0".join([meant.digest, *magics])))


def _assigned(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@functools.cache
def _texts_beside(package: Path) -> dict[str, list[Path]]:
    """Return the package's files that are no code, and the lists in ``data``, by name."""
    found: dict[str, list[Path]] = {}
    for path in (*package.rglob("*.*"), *(package.parent / "data").glob("*.yaml")):
        if path.suffix not in (".py", ".pyc") and path.is_file():
            found.setdefault(path.name, []).append(path)
    return found


def _files(text: str) -> dict[str, str]:
    """Return the hashes of the files that a text in the code names, by place; of a template also its neighbours'."""
    named = _texts_beside(PACKAGE).get(text, ())
    beside = {each for path in named for each in path.parent.glob(f"*{path.suffix}")}
    return {each.name: files.sha256(each) for each in beside}


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a job's parameters."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, Sequence):
        for entry in value:
            yield from _texts(entry)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
