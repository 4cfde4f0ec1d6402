"""Run a notebook with papermill and a completion stamp of our own."""

import ast
import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rrr_utils.common import files
from rrr_utils.common.choices import nearest
from rrr_utils.common.extras import needed
from rrr_utils.study import executed_notebook, idle_cells, stamps

if TYPE_CHECKING:
    from nbformat import NotebookNode


class NotebookFailed(RuntimeError):
    """A notebook that did not run to its end; the message names it, the cell, its source and the error."""


def run(
    notebook: Path | str,
    output: Path | str,
    parameters: Mapping[str, Any],
    stamp: Path | str,
    outputs: Sequence[str] = (),
    inputs: Mapping[str, Any] | None = None,
    *,
    made_of: Mapping[str, Any] | None = None,
) -> None:
    """Run ``notebook`` with ``parameters`` and leave the executed notebook in ``output`` and its ``stamp``.

    ``outputs`` are the files and folders that it promises, relative to the folder of ``output``; ``inputs`` are hashes
    of what it reads, or ``made_of`` is the run's whole provenance, where that is at hand. The stamp is written last:
    while it is missing or torn, the run is not done. What a run of the same parameters, code and inputs left behind,
    interrupted or with other code for its figures, is kept, so that the notebook can go on from it; what any other run
    left is deleted first.

    Raises
    ------
    ValueError
        If a parameter is not in the notebook's `parameters` cell. Nothing is run and nothing is deleted.
    NotebookFailed
        If a cell fails, is silent and idle for longer than ``$RRR_CELL_TIMEOUT`` seconds, or the kernel dies.
        ``<name>.failed.ipynb`` beside ``output`` keeps the outputs up to there.
    FileNotFoundError
        If the notebook ran to its end without writing an output that it promised.
    OSError
        If the disk is full, with the remedy.
    """
    notebook, output, stamp = Path(notebook), Path(output), Path(stamp)
    check_parameters(notebook, parameters)
    if made_of is None:
        made_of = stamps.provenance(notebook, parameters, inputs or {})
    output.parent.mkdir(parents=True, exist_ok=True)
    begun = output.with_name(f".{output.stem}.begun.json")
    with _full_disk_explained(output):
        if _same(begun, going_on := stamps.completed(made_of, begun)):
            made_of = going_on
        else:
            if stamps.intact(stamp, output, finished := stamps.completed(made_of, stamp), outputs):
                made_of = finished
            else:
                stamp.unlink(missing_ok=True)
                for name in (*outputs, output.name, f"{output.stem}.failed.ipynb"):
                    for path in stamps.places(output.parent, name):
                        _delete(path)
            files.write_json(begun, stamps.computing(made_of))
        stamp.unlink(missing_ok=True)
        result = execute(notebook, output, parameters)
        files.write_text(output, executed_notebook.text(executed_notebook.strip(result)))
        output.with_name(f"{output.stem}.failed.ipynb").unlink(missing_ok=True)
        stamps.write(stamp, output, made_of, outputs)
        begun.unlink(missing_ok=True)


def execute(notebook: Path, output: Path, parameters: Mapping[str, Any]) -> "NotebookNode":
    """Execute ``notebook`` with papermill and return it; raise ``NotebookFailed`` as :func:`run` does.

    Nothing but ``<name>.failed.ipynb`` beside ``output`` is left on disk.
    """
    # They take seconds, and `make plan` imports this module without running anything.
    with needed("Running a notebook"):
        import nbformat
        import papermill

    running = output.with_name(f".{output.stem}.running.ipynb")
    source = nbformat.read(notebook, as_version=4)
    watch = idle_cells.Watch(idle_cells.limit())
    try:
        with watch.running():
            result = papermill.execute_notebook(
                source,
                running,
                parameters=dict(parameters),
                cwd=notebook.parent,
                progress_bar=False,
                log_output=False,
                stdout_file=watch,
                stderr_file=watch,
                # Four seconds by default, which a busy machine exceeds.
                iopub_timeout=120,
            )
        skipped = [
            cell.source
            for cell in result.cells
            if cell.cell_type == "code" and cell.source.strip() and not cell.execution_count
        ]
        if skipped:
            raise NotebookFailed(f"it stopped before its end. The first cell that did not run:\n{skipped[0]}\n")
        return result
    except Exception as error:
        if isinstance(error, OSError) and error.errno in files.FULL:
            raise
        failed = output.with_name(f"{output.stem}.failed.ipynb")
        if running.exists():
            running.replace(failed)
        raise NotebookFailed(_explain(notebook, source, failed, error, watch)) from error
    finally:
        running.unlink(missing_ok=True)


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if ``notebook`` does not have one of ``parameters``, or if it is of another kind there.

    The message has the nearest name, or what the notebook itself says of the parameter. A default of ``None`` takes
    anything.
    """
    known = _defaults(notebook)
    for name, value in parameters.items():
        if name not in known:
            raise ValueError(
                f"{notebook.name} has no parameter `{name}`.{nearest(name, list(known))} "
                f"Its parameters: {', '.join(known) or 'none'}. Nothing was run."
            )
        default, words = known[name]
        if not _like(value, default) and not (value is None and "None" in words):
            raise ValueError(
                f"`{name}` of {notebook.name} is: {words or 'not explained'}. It must be of the kind of {default!r}, "
                f"but {value!r} was passed. Nothing was run."
            )


def _defaults(notebook: Path) -> dict[str, tuple[Any, str]]:
    """Return the default of each parameter of a notebook, None where it is computed, and the comment behind it."""
    found: dict[str, tuple[Any, str]] = {}
    for cell in files.read_json(notebook)["cells"]:
        if executed_notebook.PARAMETERS not in cell["metadata"].get("tags", []):
            continue
        source = "".join(cell["source"])
        for node in ast.parse(source).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            comment = source.splitlines()[(node.end_lineno or 1) - 1].partition("#")[2].strip()
            for target in targets:
                if isinstance(target, ast.Name):
                    value = getattr(node, "value", None)
                    with contextlib.suppress(ValueError, TypeError):
                        found[target.id] = None, comment
                        found[target.id] = ast.literal_eval(value or ast.Constant(None)), comment
    return found


def _like(value: Any, default: Any) -> bool:
    """Return whether a value is of a default's kind: of a list of numbers, words or mappings, each of its values."""
    if default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, list | tuple):
        # Whole numbers in a default's list do not say that fractions are wrong.
        first = [float(each) if isinstance(each, int) and not isinstance(each, bool) else each for each in default[:1]]
        return isinstance(value, list | tuple) and all(_like(each, like) for like in first for each in value)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, Mapping if isinstance(default, dict) else type(default))


def _explain(notebook: Path, source: "NotebookNode", failed: Path, error: Exception, watch: idle_cells.Watch) -> str:
    """Return a message that names the notebook, the cell with its number in the template, its source and the error."""
    kept = f"Its outputs up to there: {failed}. Correct the cause and run the same command again."
    code, what = getattr(error, "source", None), f"{getattr(error, 'ename', '')}: {getattr(error, 'evalue', '')}"
    if "DeadKernel" in type(error).__name__:
        code, what = _last_started(failed), "Its kernel died; often the memory was full: run with fewer JOBS."
        if watch.stopped:
            what = (
                f"It neither worked nor said anything for {watch.seconds:.0f} s and was stopped. If that was right, "
                "set RRR_CELL_TIMEOUT to more seconds, or to 0 for no limit."
            )
    if code is None:
        return f"{notebook.name} failed: {str(error) or repr(error)}. {kept}"
    cells = [cell.source for cell in source.cells]
    place = f"cell {cells.index(code)}" if code in cells else "the cell of its parameters"
    shown = "\n".join(f"    {line}" for line in code.splitlines())
    return f"{notebook.name} failed in {place}:\n{shown}\n{what}\n{kept}"


def _last_started(failed: Path) -> str:
    """Return the source of the cell that ran when the kernel ended, as papermill noted it."""
    try:
        cells = files.read_json(failed)["cells"]
        started = [cell for cell in cells if cell["metadata"].get("papermill", {}).get("start_time")]
        return "".join(started[-1]["source"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ""


def _same(begun: Path, made_of: Mapping[str, Any]) -> bool:
    try:
        return bool(files.read_json(begun) == stamps.computing(made_of))
    except (OSError, ValueError):
        return False


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _full_disk_explained(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in files.FULL or "run the same command again" in str(error):
            raise
        raise OSError(
            error.errno,
            f"The disk of {output.parent} is full: {output.name} is not done. "
            "Free some space and run the same command again.",
        ) from error
