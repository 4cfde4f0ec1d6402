"""Integrated gradients: how a class's logit comes about on the way from a neutral image to the image."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.explainers import base, relevance


class IntegratedGradients(base.Explainer):
    r"""Integrated gradients (Sundararajan, Taly and Yan 2017, equation 1).

    :math:`(x - x') \int_0^1 \partial z_c / \partial x\,(x' + t (x - x'))\,dt`, summed over the channels of a pixel;
    :math:`z_c` is the logit and :math:`x'` the image of one colour from which the path starts. The integral is taken
    at the middles of ``steps`` equal parts of the path. The map of both signs is complete: before it is scaled its sum
    is the logit of the image minus that of the plain colour, up to the error of the integral, exactly where the network
    is linear. Its positive part, which is what the score sees, is not.

    Parameters
    ----------
    steps
        Gradients along the path.
    baseline
        The colour :math:`x'`: a number or RGB from 0 to 255. Default: the network's neutral colour.
    """

    name = "integrated_gradients"

    def __init__(self, steps: int = 32, baseline: float | Sequence[float] | None = None, batch: int = 16) -> None:
        super().__init__(batch=batch)
        self.steps = base.at_least("steps", steps, 1)
        self.baseline = base.fill_of(baseline)
        self.design = f"{steps} steps"

    def passes(self, size: int, channels: Sequence[int]) -> int:
        return 3 * self.steps

    def attributions(self, network: Any, images: ArrayLike, classes: ArrayLike) -> NDArray[np.float64]:
        """Return what each pixel adds to the logit, ``(N, H, W)`` float64 of both signs, as it is: not scaled."""
        pictures, labels, names = relevance.check(images, classes, None)
        base.check_fit(network, pictures, labels, names)
        return np.concatenate(
            [np.zeros((0, *pictures.shape[1:3])), *self._explain(network, pictures, labels, names, True)]
        )

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        slopes = base.slopes_of(network, self.name)
        plain = np.asarray(network.neutral if self.baseline is None else self.baseline, np.float32)
        middles = (np.arange(self.steps) + 0.5) / self.steps
        for place, image in enumerate(images.astype(np.float32)):
            total = np.zeros(image.shape, np.float64)
            for start in range(0, self.steps, self.batch):
                part = middles[start : start + self.batch].astype(np.float32)[:, None, None, None]
                gradients = slopes(plain + part * (image - plain), np.repeat(classes[place], len(part)))
                relevance.refuse_broken("gradient", gradients, [ids[place]] * len(part), self.name)
                total += gradients.sum(axis=0, dtype=np.float64)
            yield ((image - plain) * total / self.steps).sum(axis=-1)[None]
