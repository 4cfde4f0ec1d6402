"""SmoothGrad: the gradient of a class's logit with respect to the pixels, averaged over noisy copies of the image."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import seeds
from rrr_utils.common.choices import one_of
from rrr_utils.explainers import base, relevance

CHANNELS = ("sum", "largest")


class SmoothGrad(base.Explainer):
    """SmoothGrad (Smilkov et al. 2017): the mean gradient of the logit over ``samples`` copies with Gaussian noise.

    Its sign is that of the gradient: whether a brighter pixel raises the logit, not whether the pixel speaks for the
    class. The noise follows from ``seed`` and the image's id alone.

    Parameters
    ----------
    samples
        Noisy copies.
    noise
        Standard deviation as a share of the image's range, its highest minus its lowest value.
    channels
        How a pixel's three gradients become one: their ``"sum"``, of both signs, which is what is clipped at 0; or the
        ``"largest"`` absolute value, which has no sign, as in the paper's pictures.
    """

    name = "smooth_grad"

    def __init__(
        self, samples: int = 25, noise: float = 0.2, seed: int = 0, channels: str = "sum", batch: int = 16
    ) -> None:
        super().__init__(batch=batch)
        one_of("channels", channels, CHANNELS)
        if not 0 <= noise <= 1:
            raise ValueError(f"`noise` must be a share of the image's range from 0 to 1, but {noise!r} was passed.")
        self.samples, self.noise, self.seed = base.at_least("samples", samples, 1), noise, seed
        self.channels = channels
        self.design = f"noise {noise:g}" + ("" if channels == "sum" else f", {channels} channel")

    def passes(self, size: int, channels: Sequence[int]) -> int:
        return 3 * self.samples

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        if signed and self.channels == "largest":
            raise ValueError(
                f"{self.name} has no signed maps with channels='largest', an absolute value. Use channels='sum'."
            )
        slopes = base.slopes_of(network, self.name)
        for place, image in enumerate(images.astype(np.float32)):
            generator = seeds.generator(self.seed, self.name, ids[place])
            spread = self.noise * float(np.ptp(image))
            total = np.zeros(image.shape, np.float64)
            for start in range(0, self.samples, self.batch):
                count = min(self.batch, self.samples - start)
                noisy = image + spread * generator.standard_normal((count, *image.shape), np.float32)
                gradients = slopes(noisy, np.repeat(classes[place], count))
                relevance.refuse_broken("gradient", gradients, [ids[place]] * count, self.name)
                total += gradients.sum(axis=0, dtype=np.float64)
            mean = total / self.samples
            yield (mean.sum(axis=-1) if self.channels == "sum" else np.abs(mean).max(axis=-1))[None]
