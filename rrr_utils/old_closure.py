"""The code behind a notebook: its own cells and every module of the package that it needs."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rrr_utils import files

PACKAGE = Path(__file__).resolve().parent
# Shows how far a run is; nothing that it does can reach a number.
_WITHOUT_EFFECT = {"rrr_utils/progress.py"}
# The module through which notebooks read images; what works on them may take hours.
_IMAGES = "rrr_utils/prepared.py"
# What such a notebook needs of these it needs to show its results, not to compute them.
_SHOWING = {"figures", "statistics", "verdicts", "matplotlib", "seaborn", "statsmodels", "myst_nb"}


@dataclass(frozen=True)
class Source:
    """A piece of code: a hash of what it does, the package's files that it imports, and other libraries."""

    digest: str
    needs: frozenset[Path]
    imports: frozenset[str]


def of(notebook: Path, showing: bool = True) -> dict[str, Source]:
    """Return the code that ``notebook`` runs: itself, and the modules of the package that it needs by any way.

    Imports are followed without running anything, through the package's public face as well (``rrr.score`` is
    ``rrr_utils/metric.py``). A change of a comment, a docstring, the layout or a notebook's prose changes no hash.
    Without ``showing``, what the notebook itself imports to draw and to sum up is left out: what remains decides the
    numbers that it computes.
    """
    everything = _follow(notebook, _notebook(notebook, showing=True))
    # A notebook that reads tables alone computes by what others only show results with.
    if showing or _IMAGES not in everything:
        return everything
    return _follow(notebook, _notebook(notebook, showing=False))


def _follow(notebook: Path, first: Source) -> dict[str, Source]:
    found = {f"notebooks/{notebook.name}": first}
    waiting = list(first.needs)
    while waiting:
        path = waiting.pop()
        name = f"rrr_utils/{path.relative_to(PACKAGE).as_posix()}"
        if name not in found and name not in _WITHOUT_EFFECT:
            found[name] = _module(path, path.stat().st_mtime_ns)
            waiting.extend(found[name].needs)
    return found


def _notebook(path: Path, showing: bool) -> Source:
    # As plain JSON: nbformat takes a second to import, and a plan reads every notebook.
    cells = ["".join(cell["source"]) for cell in files.read_json(path)["cells"] if cell["cell_type"] == "code"]
    # A magic is no Python; without it the parser goes on.
    lines = [line for cell in cells for line in cell.splitlines() if not line.lstrip().startswith(("%", "!"))]
    needs, imports = _imports("\n".join(lines), str(path))
    if not showing:
        needs = frozenset(need for need in needs if need.relative_to(PACKAGE).with_suffix("").parts[0] not in _SHOWING)
        imports -= _SHOWING
    return Source(hashlib.sha256("\0".join(map(_meaning, cells)).encode()).hexdigest(), needs, imports)


@functools.cache
def _module(path: Path, _changed: int) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(hashlib.sha256(_meaning(text).encode()).hexdigest(), *_imports(text, str(path)))


def _meaning(text: str) -> str:
    """Return ``text`` without comments, docstrings and layout; with them where it is not plain Python."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return ast.dump(tree)


def _imports(source: str, where: str) -> tuple[frozenset[Path], frozenset[str]]:
    """Return the files of the package and the top-level names of other libraries that ``source`` imports."""
    tree = ast.parse(source, where)
    aliases: set[str] = set()
    dotted: set[str] = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                dotted.add(name.name)
                if name.name == "rrr_utils" or (name.name.startswith("rrr_utils.") and not name.asname):
                    aliases.add(name.asname or "rrr_utils")
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{where}, line {node.lineno}: imports inside the package are absolute, not relative.")
            dotted |= {f"{node.module}.{name.name}" for name in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            dotted.add(f"rrr_utils.{node.attr}")
    ours = [name.split(".")[1:] for name in dotted if name.split(".")[0] == "rrr_utils"]
    libraries = {name.split(".")[0] for name in dotted} - {"rrr_utils"}
    return frozenset(path for parts in ours for path in _files(parts)), frozenset(libraries)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk ``tree`` without what stands under ``if TYPE_CHECKING``, which never runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _running(node)


def _files(parts: list[str]) -> set[Path]:
    """Return the files behind ``rrr_utils.<parts>``; a folder counts whole, because it chooses modules by name."""
    if not parts:
        return set()
    first = _homes().get(parts[0], parts[0])
    if (PACKAGE / first).is_dir():
        return set((PACKAGE / first).rglob("*.py"))
    return {PACKAGE / f"{first}.py"} if (PACKAGE / f"{first}.py").is_file() else set()


@functools.cache
def _homes() -> dict[str, str]:
    """Return which module each name lives in that the package's public face re-exports."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            return dict(ast.literal_eval(node.value))
    return {}
