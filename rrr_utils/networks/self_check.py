"""What was made of a model held against the model itself: the same images, the same probabilities."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rrr_utils.common.logits import softmax
from rrr_utils.networks.network import Network
from rrr_utils.networks.output_layer import probabilities, tolerance

AS_FUNCTION = (
    "LIME, Occlusion and RISE explain it as it is: rrr_utils.explainers.Occlusion()(lambda images: "
    "numpy.log(numpy.maximum(model(images), 1e-30)), images, classes), if its outputs are probabilities."
)


def noise(size: int) -> NDArray[np.float32]:
    """Return four images ``(4, size, size, 3)`` of random colours, two by the pixel and two by squares of pixels."""
    draw, square = np.random.default_rng(0), max(size // 8, 1)
    fine = draw.integers(0, 256, (2, size, size, 3))
    coarse = draw.integers(0, 256, (2, -(-size // square), -(-size // square), 3))
    large = coarse.repeat(square, 1).repeat(square, 2)[:, :size, :size]
    return np.concatenate([fine, large]).astype(np.float32)


def answers(model: keras.Model, images: NDArray) -> NDArray[np.float64]:
    """Return what ``model`` itself says of what it is fed, ``(N, units)``, in inference mode.

    Raises ``ValueError`` where it cannot be run here.
    """
    try:
        given = keras.tree.map_structure(lambda _: images, getattr(model, "_inputs_struct", 0))
        (said,) = keras.tree.flatten(model(given, training=False))
        return np.asarray(keras.ops.convert_to_numpy(said), np.float64)
    except Exception as error:  # whatever is in it may fail in its own way
        first = any(getattr(layer, "data_format", "") == "channels_first" for layer in model._flatten_layers())
        raise ValueError(
            f"{model.name!r} itself cannot be run on an image of {images.shape[1]} x {images.shape[2]} pixels: "
            f"{str(error).strip()[:300]} "
            + (
                "Its layers have data_format='channels_first', which this machine does not compute: build it with "
                "data_format='channels_last' and load its weights."
                if first
                else "Does model(images, training=False) work?"
            )
        ) from error


def hold(network: Network, model: keras.Model, images: NDArray, what: str, own: NDArray | None = None) -> None:
    """Raise ``ValueError`` unless ``network`` gives the probabilities of the ``model`` that it was made of.

    Parameters
    ----------
    images
        ``(N, size, size, 3)`` raw RGB, called ``what`` in the message. All are passed at once.
    own
        What the model says of them, where that is known.
    """
    raw = np.asarray(images, np.float32)
    fed = _fed(network, raw)
    own = answers(model, fed) if own is None else own
    found = softmax(answers(network.model, raw))
    expected, most = probabilities(own, network.outputs), tolerance(network.model)
    off = float(np.abs(found - expected).max())
    if off <= most:  # and no NaN
        return
    again = float(np.abs(probabilities(answers(model, fed), network.outputs) - expected).max())
    raise ValueError(
        f"{network.name!r} was not adopted: on {what} a probability of what was made of it differs from its own by "
        f"{off:.2g}, and at most {most:g} is allowed. "
        + (
            f"It draws random numbers: two calls of the model differ by {again:.2g}. Call its layers without "
            "training=True. "
            if again > most
            else "One of its layers does more than the graph of the model shows. "
        )
        + AS_FUNCTION
    )


def _fed(network: Network, images: NDArray[np.float32]) -> Any:
    return network.model.get_layer("preprocess")(images) if network.preprocess else images
