"""Grad-CAM and Grad-CAM++: where the last convolution's activation carries a class's logit."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rrr_utils.explainers import relevance
from rrr_utils.explainers.base import Explainer, check_fit, is_network

# What the authors' code adds to gradients and to their root mean square.
_EPSILON = 1e-10


class CAM(Explainer):
    """A weighted sum of the channels of ``network.grad_cam_layer``; subclasses weigh the channels."""

    reads_layer = True

    def __init__(self, protocol: str = "ours", batch: int = 16) -> None:
        super().__init__(protocol, batch)

    def _explain(
        self, network: Any, images: NDArray, classes: NDArray[np.int64], ids: tuple[str, ...], signed: bool
    ) -> Iterator[NDArray]:
        check_reads(network, self.name)
        layer = network.grad_cam_layer
        for activations, slopes in read(network, layer, images, classes, ids, self.name, self.batch, self._target):
            yield self._maps(activations, slopes, images.shape[1:3], signed)

    @property
    def _target(self) -> str:
        return "logit" if self.protocol == "ours" else "probability"

    def _maps(
        self, activations: NDArray[np.float64], slopes: NDArray[np.float64], size: tuple[int, int], signed: bool
    ) -> NDArray[np.float64]:
        """Return raw maps ``(n, H, W)`` from arrays ``(n, h, w, K)``."""
        if self.protocol == "authors":
            return self._authors(activations, slopes, size)
        maps = _combine(activations, self._weights(activations, slopes))
        # ReLU before the interpolation: negative cells are no relevance and take none from their neighbours.
        return relevance.upsample(maps if signed else np.maximum(maps, 0.0), size)

    @abstractmethod
    def _weights(self, activations: NDArray[np.float64], slopes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of every channel ``(n, K)`` from arrays ``(n, h, w, K)``."""

    def _authors(
        self, activations: NDArray[np.float64], slopes: NDArray[np.float64], size: tuple[int, int]
    ) -> NDArray[np.float64]:
        """Return the maps of the authors' code ``(n, H, W)``; where theirs is NaN (no positive relevance), zero."""
        spread = np.sqrt((slopes**2).mean(axis=(1, 2, 3), keepdims=True))
        scaled = (slopes + _EPSILON) / (spread + _EPSILON)
        maps = _combine(activations, self._authors_weights(activations, scaled))
        maps[~np.isfinite(maps).all(axis=(1, 2))] = 0.0  # they divide alphas by a sum that can be zero
        return np.stack([relevance.zoom(each, size) for each in maps])

    @abstractmethod
    def _authors_weights(self, activations: NDArray[np.float64], scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of every channel ``(n, K)`` as the authors' code computes it."""


class GradCAM(CAM):
    r"""Grad-CAM (Selvaraju et al. 2017, equations 1 and 2).

    :math:`L = \mathrm{ReLU}(\sum_k w_k A^k)` with :math:`w_k` the mean over all positions of
    :math:`\partial z_c / \partial A^k_{ij}`, :math:`z_c` the logit and :math:`A` the output of
    ``network.grad_cam_layer``; then half-pixel bilinear interpolation to the image's size. The map does not depend on
    the scale of the gradient. ``signed`` leaves the ReLU out.

    ``protocol="authors"``: gradient of the softmax probability, plus 1e-10, over its root mean square plus 1e-10; cubic
    zoom before the ReLU. Where a network is sure, gradients fall below 1e-10 and this map becomes the plain sum of the
    activations, whatever the class. Where theirs is NaN, ours is zero.
    """

    name = "grad_cam"

    def _weights(self, activations: NDArray[np.float64], slopes: NDArray[np.float64]) -> NDArray[np.float64]:
        return slopes.mean(axis=(1, 2))

    def _authors_weights(self, activations: NDArray[np.float64], scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        return scaled.mean(axis=(1, 2))


class GradCAMPlusPlus(CAM):
    r"""Grad-CAM++ (Chattopadhyay et al. 2018, equations 5 and 19).

    :math:`w_k = \sum_{ij} \alpha^k_{ij} \mathrm{ReLU}(g^k_{ij})` with :math:`g = \partial z_c / \partial A` and
    :math:`\alpha = g^2 / (2 g^2 + g^3 \sum_{ab} A^k_{ab})`, 0 where g is 0. The paper differentiates the exponential of
    the logit, which cancels in alpha and is common to all weights. As :math:`1 / (2 + g \sum A)` alpha neither under-
    nor overflows; for a sum of activations below 0, which the derivation does not foresee, it is taken as 0, so that
    alpha lies in (0, 1/2]. Weights are at least 0, so ``signed`` maps of a ReLU layer have no negative values.

    Parameters
    ----------
    normalise_alphas
        Divide the alphas of a channel by their sum over all positions, as tf-keras-vis does and the paper's equations
        do not. Where gradients of both signs are large, that sum passes through zero and one channel takes the whole
        map; it is here to be compared with.
    protocol
        ``"authors"``: gradients as in :class:`GradCAM`, alphas normalised, cubic zoom before the ReLU.
    """

    name = "grad_cam_plus_plus"

    def __init__(self, normalise_alphas: bool = False, protocol: str = "ours", batch: int = 16) -> None:
        super().__init__(protocol, batch)
        self.normalise_alphas = normalise_alphas
        self.design = "normalised alphas" if normalise_alphas else ""

    def _weights(self, activations: NDArray[np.float64], slopes: NDArray[np.float64]) -> NDArray[np.float64]:
        total = activations.sum(axis=(1, 2), keepdims=True)
        if not self.normalise_alphas:
            total = np.maximum(total, 0.0)
        # Reference and authors let alpha pass through a pole where the gradient is negative; ReLU hides it unless
        # the alphas are summed.
        with np.errstate(divide="ignore"):
            alphas = np.where(slopes == 0, 0.0, 1.0 / (2.0 + slopes * total))
        if self.normalise_alphas:
            share = alphas.sum(axis=(1, 2), keepdims=True)
            alphas = alphas / np.where(share == 0, 1.0, share)
        return (alphas * np.maximum(slopes, 0.0)).sum(axis=(1, 2))

    def _authors_weights(self, activations: NDArray[np.float64], scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        bottom = 2.0 * scaled**2 + scaled**3 * activations.sum(axis=(1, 2), keepdims=True)
        alphas = scaled**2 / np.where(bottom == 0, 1.0, bottom)
        with np.errstate(divide="ignore", invalid="ignore"):
            alphas = alphas / alphas.sum(axis=(1, 2), keepdims=True)
            return (alphas * np.maximum(scaled, 0.0)).sum(axis=(1, 2))


def together(
    explainers: Sequence[CAM], network: Any, images: ArrayLike, classes: ArrayLike, ids: Sequence[str] | None = None
) -> list[NDArray[np.float32]]:
    """Return the maps of each of ``explainers``, ``(N, H, W)`` as its own call gives them, from one pass.

    Explainers of one protocol read the same activations and gradients, which are computed once for all of them.
    """
    pictures, labels, names = relevance.check(images, classes, ids)
    check_fit(network, pictures, labels, names)
    maps = [np.zeros(pictures.shape[:3], np.float32) for _ in explainers]
    for target in sorted({each._target for each in explainers}) if len(pictures) else ():
        readers = [(each, out) for each, out in zip(explainers, maps, strict=True) if each._target == target]
        first, done = readers[0][0], 0
        check_reads(network, first.name)
        layer = network.grad_cam_layer
        for activations, slopes in read(network, layer, pictures, labels, names, first.name, first.batch, target):
            here = slice(done, done + len(activations))
            for each, out in readers:
                raw = each._maps(activations, slopes, pictures.shape[1:3], signed=False)
                out[here] = relevance.finish(raw, names[here], each.name)
            done = here.stop
    return maps


def check_reads(network: Any, explainer: str) -> None:
    """Raise ``TypeError`` for a plain function, which has no layer to read; ``ValueError`` where maps are of no use.

    That is without a convolution, and where the map of an adopted network's layer does not lie on the image.
    """
    if not is_network(network):
        raise TypeError(
            f"{explainer} needs a Network, because it reads a layer and its gradients, but a "
            f"{type(network).__name__} was passed. LIME, Occlusion, RISE and SEDC take any function from images to "
            "logits."
        )
    if not network.grad_cam_layer:
        raise ValueError(
            f"{explainer} reads the last convolution, but {network.name} has none. LIME, Occlusion, RISE and SEDC work "
            "on any network, integrated gradients and SmoothGrad on any that has gradients. Examine with "
            "explainers=['occlusion', 'lime'], or name a `layer` whose output is a map."
        )
    if not getattr(network, "outputs", ""):  # built here, of layers that are known
        return
    from rrr_utils.networks import map_geometry

    if cause := map_geometry.trouble(network.model, network.grad_cam_layer):
        raise ValueError(
            f"{explainer} cannot lay a map of {network.grad_cam_layer!r} over the images of {network.name}: {cause}. "
            "Examine with explainers=['occlusion', 'lime'], which ask the whole model about the whole image, or name "
            "another `layer`."
        )


def read(
    network: Any,
    layer: str,
    images: NDArray,
    classes: NDArray[np.int64],
    ids: tuple[str, ...],
    explainer: str,
    batch: int,
    target: str = "logit",
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield activations of ``layer`` and gradients ``(n, h, w, K)`` of the images in order, ``batch`` at a time."""
    # Imported here because TensorFlow takes ten seconds to import, and other explainers do without gradients.
    from rrr_utils.engine import gradients

    for start in range(0, len(images), batch):
        here = slice(start, start + batch)
        found = gradients.activations_and_gradients(network, layer, images[here], classes[here], target)
        activations, slopes = (array.astype(np.float64) for array in found)
        for what, values in (("activation", activations), ("gradient", slopes)):
            relevance.refuse_broken(what, values, ids[here], explainer)
        yield activations, slopes


def _combine(activations: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("nhwk,nk->nhw", activations, weights)
