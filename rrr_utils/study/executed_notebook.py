"""An executed notebook without what differs between two equal runs: times, places, addresses."""

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rrr_utils.common import paths

if TYPE_CHECKING:  # a second, which a plan need not wait
    from nbformat import NotebookNode

PARAMETERS, INJECTED = "parameters", "injected-parameters"
# A curve or a bar chart has a few hundred colours, a photograph tens of thousands.
_DRAWN = 4096
# Quality and subsampling of JPEG. With colours at full resolution labels and thin outlines stay clean; a picture of
# random pixels would stay large, and loses nothing that anybody could see.
_FINE, _COARSE, _LARGE = (88, 0), (60, 2), 40_000
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")


def strip(notebook: "NotebookNode") -> "NotebookNode":
    """Return ``notebook``, changed in place: the same code on the same data gives the same bytes.

    papermill's times and states, execution times, the interpreter's exact version and random cell names go; absolute
    paths become relative to the project, or begin with ``$RRR_RUNS``, ``$RRR_DATA_DIR`` or ``~``; addresses in memory
    become ``0x0``; pieces of one output stream become one. Pictures are packed tightly, and those that are drawn and
    not photographed get a palette of 64 colours, which nobody sees and which is half their size.
    """
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    places = _places()
    for number, cell in enumerate(notebook.cells):
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if INJECTED in cell.metadata.get("tags", []):
            cell["id"] = INJECTED
        elif "id" not in cell:
            cell["id"] = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [_clean(output, places) for output in _joined(cell.outputs)]
    notebook.nbformat, notebook.nbformat_minor = 4, max(5, notebook.nbformat_minor)
    return notebook


def with_prose_of(executed: "NotebookNode", template: "NotebookNode") -> "NotebookNode":
    """Return ``executed`` with the text cells of ``template``, for prose that was edited after a long run.

    If their code differs as well, the prose belongs to other results: then ``executed`` is returned as it is.
    """
    from nbformat import NotebookNode

    injected = [cell for cell in executed.cells if INJECTED in cell.metadata.get("tags", [])]
    ran = iter([cell for cell in executed.cells if cell.cell_type == "code" and cell not in injected])
    cells = []
    for cell in template.cells:
        if cell.cell_type != "code":
            cells.append(cell)
            continue
        twin = next(ran, None)
        if twin is None or twin.source != cell.source:
            return executed
        cells.append(NotebookNode(twin, metadata=cell.metadata))
        if PARAMETERS in cell.metadata.get("tags", []):
            cells.extend(injected)
    return executed if next(ran, None) is not None else NotebookNode(executed, cells=cells)


def lighter(notebook: "NotebookNode") -> "NotebookNode":
    """Return a stripped ``notebook``, changed in place, with its photographs as JPEG where that saves a quarter.

    For notebooks that are shown and not computed again: nbval compares the kinds of outputs.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind, encoded in list(output.get("data", {}).items()):
                if kind.endswith("image/png") and (packed := _jpeg(encoded)):
                    del output.data[kind]
                    output.data[kind.replace("image/png", "image/jpeg")] = packed
    return notebook


def text(notebook: "NotebookNode") -> str:
    """Return the notebook as the text of an .ipynb file."""
    import nbformat

    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def _places() -> list[tuple[str, str]]:
    """Return absolute paths and what stands for them, the longest first."""
    known: list[tuple[Path | None, str]] = [
        (paths.runs(), "$RRR_RUNS"),
        (paths.data_dir(), "$RRR_DATA_DIR"),
        (paths.root(), "."),
        (Path.home(), "~"),
    ]
    if paths.runs() == paths.root() / "runs":
        known[0] = (paths.runs(), "runs")
    found = {str(form): name for path, name in reversed(known) if path for form in (path, path.resolve())}
    return sorted(((form, name) for form, name in found.items() if len(form) > 1), key=lambda pair: -len(pair[0]))


def _joined(outputs: "list[NotebookNode]") -> "list[NotebookNode]":
    """Join pieces of one stream: where they were cut depends on the machine's load."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _clean(value: Any, places: list[tuple[str, str]]) -> Any:
    if isinstance(value, dict):
        # Pictures are base64: a path cannot occur in them but by chance.
        return type(value)({k: _picture(k, v) if "image/" in str(k) else _clean(v, places) for k, v in value.items()})
    if isinstance(value, list):
        return [_clean(entry, places) for entry in value]
    if isinstance(value, str):
        for path, name in places:
            value = value.replace(path, name)
        return _ADDRESS.sub("0x0", value)
    return value


def _jpeg(encoded: str) -> str | None:
    """Return a PNG's picture as JPEG, or None if it is drawn (has a palette) or would save less than a quarter."""
    from PIL import Image

    raw = base64.b64decode(encoded)
    with Image.open(io.BytesIO(raw)) as opened:
        if opened.mode == "P":
            return None
        picture = opened.convert("RGB")
    for quality, subsampling in (_FINE, _COARSE):
        smaller = io.BytesIO()
        picture.save(smaller, "JPEG", quality=quality, subsampling=subsampling)
        if smaller.tell() <= _LARGE:
            break
    return base64.b64encode(smaller.getvalue()).decode() if smaller.tell() < 0.75 * len(raw) else None


def _picture(kind: str, encoded: Any) -> Any:
    """Return a PNG without transparency, and with a palette if it has few colours; as it was if that is no smaller."""
    # A glued picture's kind ends so as well.
    if not kind.endswith("image/png") or not isinstance(encoded, str):
        return encoded
    from PIL import Image

    try:
        raw = base64.b64decode(encoded)
        with Image.open(io.BytesIO(raw)) as opened:
            if opened.mode == "P":
                return encoded
            picture = opened.convert("RGBA")
    except (ValueError, OSError):  # no picture, whatever it says: not for us to judge
        return encoded
    # What is transparent lies on white, which the figures are drawn on.
    whole = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if whole.getcolors(_DRAWN) is not None:
        whole = whole.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    whole.save(smaller, "PNG", optimize=True)
    return base64.b64encode(smaller.getvalue()).decode() if smaller.tell() < len(raw) else encoded
