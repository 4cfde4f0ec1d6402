"""Masks from DeepLabv3 on MobileNetV2, trained on PASCAL VOC, as a TFLite file in OpenVINO."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

from rrr_utils.common import files
from rrr_utils.masks import model_files, openvino_model
from rrr_utils.masks.masker import Found, Masker, class_numbers

if TYPE_CHECKING:
    from rrr_utils.datasets import Dataset, Record

FILE = "deeplabv3_257_mv_gpu.tflite"
SIZE = 257  # pixels, both sides of the network's input and output
VOC = (  # from 1; class 0 is the background
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


class DeepLab(Masker):
    """The pixels whose likeliest VOC class is the record's object (Chen et al. 2017, arXiv:1706.05587).

    The image is squashed to 257 x 257 (bilinear, aspect not kept) and scaled to [-1, 1]; the 21 logits of
    each pixel are brought to the image's size (bilinear, pixel centres on pixel centres) and then compared,
    so that the mask's edge is as smooth as the logits are. A tie does not count as the object.

    The network names pixels, not objects: ``objects`` is the number of connected pieces of the mask (eight
    neighbours), so two touching cats count as one and a cat behind a post as two. Where no pixel is of the
    class, the mask is zero, ``objects`` is 0 and the note names the class that fills most of the image.
    """

    source = "deeplab"

    def __init__(self, dataset: "Dataset", data_dir: Path | str | None = None, model: Path | str | None = None) -> None:
        super().__init__(dataset)
        self._numbers = class_numbers(dataset, VOC, "DeepLab (PASCAL VOC)")
        path = model_files.locate(model, data_dir, FILE, "deeplab")
        self._run = openvino_model.load(path, (1, SIZE, SIZE, 3), (1, SIZE, SIZE, 1 + len(VOC)))
        self.provenance = {"file": path.name, "sha256": files.sha256(path)}

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Return float32 (257, 257, 21): the logit of every VOC class at every pixel of the squashed image."""
        return self._run(prepare(image))[0]

    def _find(self, record: "Record", image: np.ndarray) -> Found:
        logits = self.logits(image)
        number = self._numbers[self.object_name(record)]
        mask = where_largest(logits, number, image.shape[0], image.shape[1])
        if not mask.any():
            most = int(np.bincount(logits.argmax(axis=-1).ravel()).argmax())
            return Found(mask, 0, f"no pixel is {VOC[number - 1]}; most are {('background', *VOC)[most]}")
        _, objects = ndimage.label(mask, structure=np.ones((3, 3)))
        return Found(mask, int(objects))


def prepare(image: np.ndarray) -> np.ndarray:
    """Return ``image``, uint8 (H, W, 3), as the network takes it: float32 (1, 257, 257, 3) in [-1, 1]."""
    squashed = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return (np.asarray(squashed, np.float32) / 127.5 - 1.0)[np.newaxis]


def where_largest(logits: np.ndarray, number: int, height: int, width: int) -> np.ndarray:
    """Return bool (height, width): where class ``number`` has the largest of all resized ``logits``.

    ``logits`` is float32 (h, w, classes). Each class is resized on its own, so memory is a few planes of the
    image's size and not one for each class.
    """
    own = _resize(logits[..., number], height, width)
    largest = np.ones((height, width), bool)
    for other in range(logits.shape[-1]):
        # Resizing is a weighted mean, so a class that is below ours everywhere stays below it.
        if other != number and (logits[..., other] >= logits[..., number]).any():
            largest &= own > _resize(logits[..., other], height, width)
    return largest


def _resize(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
