"""One TFLite file in OpenVINO: float32, a fixed shape in and out, as one callable."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rrr_utils.common.extras import needed
from rrr_utils.engine import passes
from rrr_utils.masks.model_files import BadModel, threads

_TFLITE = b"TFL3"  # the file identifier of a TFLite flatbuffer, at byte 4


def load(path: Path, input_shape: Sequence[int], output_shape: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the network in ``path`` as a function of one float32 array of ``input_shape``.

    The function returns float32 of ``output_shape``, in a new array, and works on the processor with as many
    threads as OMP_NUM_THREADS says. Arithmetic is float32, so results agree with TFLite's own runtime to
    rounding. A file that is not TFLite, is damaged, or takes or gives another shape or type raises
    ``BadModel`` that names the file, what was expected and what came.
    """
    with needed("DeepLab"):
        import openvino  # a third of a second, and only this masker needs it

    with path.open("rb") as stream:
        if stream.read(8)[4:] != _TFLITE:
            raise BadModel(f"{path} is not a TFLite file. Delete it and fetch it again.")
    core = openvino.Core()
    try:
        model = core.read_model(path)
        inputs = [(tuple(_sizes(port)), port.get_element_type().to_dtype()) for port in model.inputs]
        outputs = [(tuple(_sizes(port)), port.get_element_type().to_dtype()) for port in model.outputs]
    except RuntimeError as error:
        raise BadModel(f"{path} cannot be read as a TFLite file ({error}). Delete it and fetch it again.") from error
    expected = ([(tuple(input_shape), np.float32)], [(tuple(output_shape), np.float32)])
    if (inputs, outputs) != expected:
        raise BadModel(
            f"{path} is another network: expected float32 {tuple(input_shape)} in and {tuple(output_shape)} out, "
            f"but it declares {_text(inputs)} in and {_text(outputs)} out."
        )
    request = core.compile_model(model, "CPU", passes.openvino_settings("f32", threads())).create_infer_request()

    def run(array: np.ndarray) -> np.ndarray:
        if array.shape != tuple(input_shape) or array.dtype != np.float32:
            raise ValueError(
                f"{path.name} takes float32 of shape {tuple(input_shape)}, but {array.dtype} of shape {array.shape} "
                "was passed."
            )
        return np.array(request.infer([array])[0])

    return run


def _sizes(port: object) -> list[int]:
    """Return a port's declared shape, with -1 for a size that the file leaves open."""
    return [
        size.get_length() if size.is_static else -1
        for size in port.get_partial_shape()  # type: ignore[attr-defined]
    ]


def _text(ports: list[tuple[tuple[int, ...], np.dtype]]) -> str:
    return " and ".join(f"{np.dtype(kind).name} {shape}" for shape, kind in ports) or "nothing"
