"""Score-CAM: activations weighted by what the network says to the image behind each of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import progress
from rrr_utils.common.choices import one_of
from rrr_utils.explainers import base, grad_cam, relevance, soft_masks

WEIGHINGS = ("increase", "softmax", "probability")


class ScoreCAM(base.Explainer):
    r"""Score-CAM (Wang et al. 2020): no gradient, but a pass for every channel.

    :math:`L = \mathrm{ReLU}(\sum_k w_k A^k)` with :math:`A` the output of ``network.grad_cam_layer``, then half-pixel
    bilinear interpolation. Each channel, enlarged and scaled to 0 to 1, is a mask behind which the image is shown, and
    :math:`w_k` is the increase of the class's logit over the plain ``fill`` (the paper's channel-wise increase of
    confidence, definition 3, our reading). A network that does not react has a zero map. ``signed`` leaves the ReLU
    out.

    Parameters
    ----------
    weighing
        ``"increase"`` as above; ``"softmax"`` of the increases over the channels, as the paper's algorithm 1 has it
        (our reading), which of logits far apart leaves one channel; or the class's ``"probability"`` behind the mask,
        as the authors' code and tf-keras-vis compute it. The last two are never below 0, also of a channel that speaks
        against the class.
    channels
        At most so many channels, those of the largest standard deviation: the "Faster Score-CAM" of tf-keras-vis. By
        default all: 48 of the ConvNet, 1,024 times its width of MobileNet, 512 of VGG16, 2,048 of ResNet50.
    fill
        What is blended in: a number or RGB from 0 to 255. Default: the network's neutral colour, which its
        preprocessing maps to 0, as the paper's product with the mask does.
    batch
        How many images the network sees at once.
    """

    name = "score_cam"
    reads_layer = True

    def __init__(
        self,
        weighing: str = "increase",
        channels: int | None = None,
        fill: float | Sequence[float] | None = None,
        batch: int = 32,
    ) -> None:
        super().__init__(batch=batch)
        one_of("weighing", weighing, WEIGHINGS)
        self.weighing, self.fill = weighing, base.fill_of(fill)
        self.channels = None if channels is None else base.at_least("channels", channels, 1)
        parts = [f"{channels} channels"] if channels else []
        self.design = ", ".join(parts + ([weighing] if weighing != "increase" else []))

    def passes(self, size: int, channels: Sequence[int]) -> int:
        return 3 + min(channels[-1], self.channels or channels[-1])

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        grad_cam.check_reads(network, self.name)
        forward, colour = base.as_forward(network, self.batch), base.colour_of(network, self.fill)
        output = "probability" if self.weighing == "probability" else "logit"
        read = grad_cam.read(network, network.grad_cam_layer, images, classes, ids, self.name, 1)
        for place in progress.track(range(len(images)), self.name):
            activations = next(read)[0][0]
            if self.channels is not None:
                order = np.argsort(-activations.std(axis=(0, 1)), kind="stable")
                activations = activations[..., order[: self.channels]]
            own, name, image = int(classes[place]), ids[place], images[place]
            parts = soft_masks.asked(forward, image, activations, colour, own, name, self.name, self.batch, output)
            weights = np.concatenate([values for _, values in parts])
            if self.weighing == "softmax":
                weights = soft_masks.softmax(weights)
            coarse = (activations @ weights)[None]
            yield relevance.upsample(coarse if signed else np.maximum(coarse, 0.0), image.shape[:2])
