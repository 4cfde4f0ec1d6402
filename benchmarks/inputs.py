"""Networks, images and checkpoints to time with, and how closely results must agree."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def network(name: str, size: int = 224, **options: Any) -> Any:
    """Return a network with ImageNet's weights where its file is at hand, else random ones (speed is the same)."""
    from rrr_utils.networks import network as networks

    weights = "imagenet" if has_weights(name) else None
    return networks.build(name, classes=2, size=size, weights=weights, **options)


def has_weights(name: str) -> bool:
    """Return whether ImageNet's weights of a network lie in ``$RRR_DATA_DIR``."""
    from rrr_utils.common import paths

    folder = paths.data_dir()
    return folder is not None and any((folder / "weights").glob(f"{name}_*"))


def images(count: int, size: int = 224) -> NDArray[np.uint8]:
    """Return smooth generated images, which quickshift cuts into some tens of superpixels."""
    from scipy import ndimage

    noise = np.random.default_rng(0).normal(size=(count, size, size, 3))
    smooth = ndimage.gaussian_filter(noise, (0, size / 16, size / 16, 0))
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    return ((smooth - low) / (high - low) * 255).astype(np.uint8)


def disks(count: int, size: int = 224) -> NDArray[np.float32]:
    """Return masks of a disk in the middle, a fifth of the image."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    disk = (rows**2 + columns**2 <= 0.2 * size**2 / np.pi).astype(np.float32)
    return np.repeat(disk[None], count, axis=0)


def states(made: Any, strategy: str, count: int) -> list[dict[str, NDArray]]:
    """Return ``count`` checkpoints that differ in the layers of ``strategy`` alone; what is the same is held once."""
    from rrr_utils.engine import weights

    rng, start = np.random.default_rng(0), weights.take(made.model)
    trained = set(made.trainable_layers(strategy))
    found = [start]
    for _ in range(count - 1):
        before = found[-1]
        found.append(
            {
                # Little enough that no network is thrown off, enough that logits differ.
                key: array + np.float32(0.01 * array.std()) * rng.standard_normal(array.shape, np.float32)
                if key.rsplit("/", 1)[0] in trained and key.endswith("kernel")
                else array
                for key, array in before.items()
            }
        )
    return found


def stack(made: Any, checkpoints: Sequence[dict[str, NDArray]]) -> Any:
    """Return the stack of ``checkpoints``."""
    from rrr_utils.networks.stack import Stack

    result = Stack(made)
    for state in checkpoints:
        result.add(state)
    return result


def close(tolerance: float) -> Callable[[Any, Any], None]:
    """Return a check that two arrays differ by at most ``tolerance`` of the second's largest absolute value."""

    def check(quick: Any, plain: Any) -> None:
        scale = max(float(np.abs(plain).max()), 1e-30)
        np.testing.assert_allclose(quick, plain, rtol=0, atol=tolerance * scale)

    return check


def correlate(least: float, ours: NDArray, theirs: NDArray) -> None:
    """Raise ``AssertionError`` unless two maps correlate at ``least``, as maps of other random draws do."""
    found = float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])
    assert found >= least, f"the maps correlate at {found:.3f}, less than {least}"
