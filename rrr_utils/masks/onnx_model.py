"""A Mask R-CNN of the ONNX model zoo in ONNX Runtime, with its inputs and outputs checked."""

import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rrr_utils.common.extras import needed
from rrr_utils.masks.model_files import BadModel, same_shape, threads

INPUT = ("image", "tensor(float)", (3, None, None))
# The zoo's file calls its outputs by numbers, in this order; a file that calls them by these names may list
# them in another order.
OUTPUTS = {
    "boxes": ("tensor(float)", (None, 4)),
    "labels": ("tensor(int64)", (None,)),
    "scores": ("tensor(float)", (None,)),
    "masks": ("tensor(float)", (None, 1, 28, 28)),
}
_CONTRACT = (
    "image float32 (3, height, width) in; boxes float32 (n, 4), labels int64 (n), scores float32 (n), "
    "masks float32 (n, 1, 28, 28) out"
)


@dataclass(frozen=True)
class Detected:
    """What the network found in one image: n instances, best or not, of any class.

    ``boxes`` float32 (n, 4): xmin, ymin, xmax, ymax in pixels of the network's input; ``labels`` int64 (n,),
    1 to 80 in COCO's order; ``scores`` float32 (n,), 0 to 1; ``masks`` float32 (n, 1, 28, 28), 0 to 1.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    masks: np.ndarray


def load(path: Path) -> Callable[[np.ndarray], Detected]:
    """Return the network in ``path`` as a function of one prepared image, float32 (3, height, width).

    It runs on the processor with as many threads as OMP_NUM_THREADS says. A file that is not ONNX, keeps its
    weights in other files, needs operators that ONNX Runtime does not have, or declares other inputs or
    outputs raises ``BadModel`` with what was expected and what came; so does a result of another shape.
    """
    session = _open(path)
    names = _check(session, path)

    def detect(image: np.ndarray) -> Detected:
        try:
            found = session.run(list(names.values()), {INPUT[0]: image})
        except Exception as error:  # ONNX Runtime's errors share no class below Exception
            raise BadModel(f"{path} failed on an image of shape {image.shape}: {error}") from error
        detected = dict(zip(names, found))
        count = len(detected["labels"])
        for role, (_, shape) in OUTPUTS.items():
            if not same_shape(detected[role].shape, (count, *shape[1:])):
                shapes = {name: array.shape for name, array in detected.items()}
                raise BadModel(f"{path} gave results of shapes {shapes}; expected {_CONTRACT}, with one n for all.")
        return Detected(**detected)

    return detect


def _open(path: Path) -> Any:
    with needed("Mask R-CNN"):
        import onnxruntime  # only this masker needs it

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; without this they are printed as well
    count = threads()
    if count is not None:
        options.intra_op_num_threads = count
    with tempfile.TemporaryDirectory() as empty:
        # A foreign file must not read others: weights kept outside it are looked for in a folder that is
        # empty. Loaded by its path, or without this entry, it could name files beside it or in the current
        # folder.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", empty)
        try:
            return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BadModel(
                f"{path} cannot be opened as one self-contained ONNX file with its weights inside ({error}). "
                f"Expected {_CONTRACT}. Delete it and fetch it again."
            ) from error


def _check(session: Any, path: Path) -> dict[str, str]:
    """Return which output plays which role, after checking that the file declares Mask R-CNN's contract."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    named = {port.name: port for port in outputs}
    if set(named) == set(OUTPUTS):
        outputs = [named[role] for role in OUTPUTS]
    fits = (
        [port.name for port in inputs] == [INPUT[0]]
        and _agrees(inputs[0], *INPUT[1:])
        and len(outputs) == len(OUTPUTS)
        and all(_agrees(port, *expected) for port, expected in zip(outputs, OUTPUTS.values()))
    )
    if not fits:
        raise BadModel(
            f"{path} is another network. Expected {_CONTRACT}; it declares {_text(inputs)} in and "
            f"{_text(outputs)} out. Fetch Mask R-CNN with "
            f"`rrr fetch mask_rcnn --into {shlex.quote(str(path.parent))}`."
        )
    return {role: port.name for role, port in zip(OUTPUTS, outputs)}


def _agrees(port: Any, kind: str, shape: tuple[int | None, ...]) -> bool:
    # An empty shape is what ONNX Runtime reports where the file declares none; results are checked again.
    return port.type == kind and (not port.shape or same_shape(port.shape, shape))


def _text(ports: list[Any]) -> str:
    return ", ".join(f"{port.name} {port.type} {port.shape}" for port in ports) or "nothing"
