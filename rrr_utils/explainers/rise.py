"""RISE: which pixels were shown when a class's logit was high, over random soft masks."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrr_utils.common import progress, seeds
from rrr_utils.common.choices import one_of
from rrr_utils.explainers import base, relevance, soft_masks


class RISE(base.Perturbing):
    r"""RISE (Petsiuk, Das and Saenko 2018): random soft masks, weighed by what the network says behind them.

    A mask is a grid of ``cells`` x ``cells``, each 1 with the chance ``shown``, enlarged bilinearly to one cell more
    than the image's side and cut out at a random place within a cell (section 3.2 of the paper, our reading). Behind it
    the image is blended with ``fill``. The map is
    :math:`\frac{1}{N p} \sum_i (z_i - \bar z)\, M_i`, :math:`z_i` the class's logit behind mask :math:`M_i`,
    :math:`\bar z` its mean and :math:`p` the chance. The paper's equation 6 has the probability and takes no mean from
    it, so that its zero is "probability 0" and every pixel keeps a large part of the same value: its positive part is
    close to a uniform map, whose score is chance. Without the mean's share the zero is "makes no difference", as in
    :class:`~rrr_utils.explainers.Occlusion`; the order of pixels is the same but for how often each was shown.
    ``signed`` keeps both signs.

    Masks follow from ``seed`` and the image's id alone, at every size of image from the same grids and places. (The
    authors' code draws one set of masks for all images.)

    Parameters
    ----------
    samples
        Masks an image, at least 2. The authors take 4,000 for VGG16 and 8,000 for ResNet50, at 224 pixels.
    cells
        Cells along a side, 7 in the paper.
    shown
        The chance of a cell to be shown, 0.5 in the paper.
    seed
        The study's seed.
    output
        ``"logit"``, or ``"probability"`` for the paper's equation 6 as it is, which has no signs.
    fill
        What is blended in: a number or RGB from 0 to 255. Default: the network's neutral colour, which its
        preprocessing maps to 0, as the paper's product with the mask does; mid-grey for plain functions.
    batch
        How many images the network sees at once.
    """

    name = "rise"

    def __init__(
        self,
        samples: int = 4000,
        cells: int = 7,
        shown: float = 0.5,
        seed: int = 0,
        output: str = "logit",
        fill: float | Sequence[float] | None = None,
        batch: int = 32,
    ) -> None:
        super().__init__(batch=batch)
        one_of("output", output, soft_masks.OUTPUTS)
        if not 0 < shown < 1:
            raise ValueError(f"`shown` must be a chance between 0 and 1, but {shown!r} was passed.")
        self.samples, self.cells = base.at_least("samples", samples, 2), base.at_least("cells", cells, 2)
        self.shown, self.seed, self.output, self.fill = shown, seed, output, base.fill_of(fill)
        self.design = f"{cells} cells, {shown:g} shown" + ("" if output == "logit" else ", probability")

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        if signed and self.output == "probability":
            raise ValueError(f"{self.name} has no signed maps with output='probability'. Use output='logit'.")
        size = images.shape[1:3]
        batch = base.even(self.samples, network.batch if base.is_stack(network) else self.batch)
        forward, colour = base.as_forward(network, batch), base.colour_of(network, self.fill)
        for place in progress.track(range(len(images)), self.name):
            own, name = int(classes[place]), ids[place]
            grids, places = draw(self.samples, self.cells, self.shown, self.seed, name)
            # Of everything sums alone are kept, so that memory grows with neither masks nor images.
            weighed, total, shares = np.zeros(size), np.zeros(1), np.zeros(size)
            first: NDArray[np.float64] | None = None
            for start in range(0, self.samples, batch):
                masks = masks_of(grids[start : start + batch], places[start : start + batch], size)
                logits = base.checked(
                    base.stacked(forward, soft_masks.blend(images[place], masks, colour)), own, name, self.name
                )
                values = (logits if self.output == "logit" else soft_masks.softmax(logits))[..., own]
                if self.output == "logit":
                    # Less the first, so that a network that does not react has exactly no relevance.
                    first = values[:, :1] if first is None else first
                    values = values - first
                flat = masks.reshape(len(masks), -1)
                # One checkpoint at a time: a product of matrices rounds otherwise, and a map would depend on company.
                weighed = weighed + np.stack([each @ flat for each in values]).reshape(-1, *size)
                total = total + values.sum(axis=1)
                shares += masks.sum(axis=0)
            if self.output == "logit":
                weighed = weighed - (total / self.samples)[:, None, None] * shares
            yield weighed / (self.samples * self.shown)


def draw(samples: int, cells: int, shown: float, seed: int, name: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return grids ``(samples, cells, cells)`` bool and places ``(samples, 2)`` in [0, 1), as a share of a cell.

    Fewer samples are the first of more.
    """
    uniform = seeds.generator(seed, "rise", cells, name).random((samples, cells * cells + 2))
    return uniform[:, 2:].reshape(samples, cells, cells) < shown, uniform[:, :2]


def masks_of(grids: NDArray[np.bool_], places: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the masks ``(n, H, W)`` in [0, 1] of grids ``(n, cells, cells)``, each cut out at its place.

    With cells of c = ceil(H / cells) pixels a grid is enlarged to (cells + 1) c and cut from row floor(place x c) on;
    likewise for columns.
    """
    cells = grids.shape[-1]
    sides = [-(-pixels // cells) for pixels in size]
    wide = relevance.upsample(grids, ((cells + 1) * sides[0], (cells + 1) * sides[1]))
    starts = np.floor(places * sides).astype(int)
    rows, columns = (starts[:, axis, None] + np.arange(size[axis]) for axis in range(2))
    return wide[np.arange(len(grids))[:, None, None], rows[:, :, None], columns[:, None, :]]
