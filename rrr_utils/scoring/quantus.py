"""The score and the explainers in the calling forms of Quantus, where the score is called relevance mass accuracy."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils import metric
from rrr_utils.explainers import Explainer
from rrr_utils.explainers.base import is_network

ExplainFunc = Callable[..., NDArray[np.float32]]


def explain_func(explainer: Explainer) -> ExplainFunc:
    """Return ``explainer`` as what Quantus calls an ``explain_func``: ``(model, inputs, targets, **kwargs)`` to maps.

    The function takes the model that it is given at each call, because Quantus also asks it about changed models: a
    Keras classifier (made flat by :func:`rrr_utils.networks.adopt`), a
    :class:`~rrr_utils.networks.Network`, or, for LIME and Occlusion, a function from images to logits. Its
    preprocessing lies inside the model.

    ``inputs`` are RGB from 0 to 255, ``(N, H, W, 3)`` or ``(N, 3, H, W)``; ``targets`` ``(N,)`` class numbers; what
    Quantus passes besides is not used. It returns ``(N, H, W)`` float32 in [0, 1], to which Quantus itself adds the
    channel. What the explainer or the adoption refuses raises their errors.
    """

    def explain(model: Any, inputs: ArrayLike, targets: ArrayLike, **_: Any) -> NDArray[np.float32]:
        images = np.asarray(inputs)
        if images.ndim == 4 and images.shape[1] == 3 and images.shape[-1] != 3:
            images = np.moveaxis(images, 1, -1)
        return explainer(_asked(model), images, np.asarray(targets).astype(np.int64))

    return explain


class Score:
    """The score as a metric of Quantus: called like one, and usable in ``quantus.evaluate`` beside its own.

    ``quantus.RelevanceMassAccuracy(abs=False, normalise=False)`` gives the same numbers for hard masks and maps of no
    negative value. Three things differ. A soft mask counts by degrees here, and counts as one wherever it is positive
    there. An empty mask raises ``ValueError`` here, and is missing there. A map without relevance is missing (NaN) in
    both, there with a warning.
    """

    def __call__(
        self,
        model: Any,
        x_batch: ArrayLike,
        y_batch: ArrayLike,
        a_batch: ArrayLike | None = None,
        s_batch: ArrayLike | None = None,
        explain_func: ExplainFunc | None = None,
        explain_func_kwargs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> list[float]:
        """Return one score an image, in [0, 1]; NaN for a map without relevance.

        Parameters
        ----------
        model, x_batch, y_batch
            What is explained; not looked at if there are maps.
        a_batch
            The maps, in any shape that :func:`rrr_utils.metric.score` takes; else ``explain_func`` makes them.
        s_batch
            The masks, ``(N, 1, H, W)`` as Quantus has them, or as :func:`rrr_utils.metric.score` takes them.

        Raises
        ------
        ValueError
            Without masks, without maps and a way to make them, and for what :func:`rrr_utils.metric.score` refuses.
        """
        if s_batch is None:
            raise ValueError("`s_batch` must hold the masks of the objects, but nothing was passed.")
        if a_batch is None:
            if explain_func is None:
                raise ValueError("Maps are needed: pass them as `a_batch`, or pass `explain_func` to make them.")
            a_batch = explain_func(model=model, inputs=x_batch, targets=y_batch, **(explain_func_kwargs or {}))
        return [float(value) for value in metric.score(s_batch, a_batch)]


def _asked(model: Any) -> Any:
    if is_network(model) or not hasattr(model, "get_layer"):
        return model
    # Imported here because Keras takes seconds to import, and a plain function does not need it.
    from rrr_utils import networks

    return networks.adopt(model)
