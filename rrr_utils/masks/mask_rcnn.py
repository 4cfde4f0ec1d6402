"""Masks from Mask R-CNN, trained on COCO, as the ONNX model zoo's file in ONNX Runtime."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from rrr_utils.common import files
from rrr_utils.masks import model_files, onnx_model
from rrr_utils.masks.masker import Found, Masker, class_numbers

if TYPE_CHECKING:
    from rrr_utils.datasets import Dataset, Record

FILE = "MaskRCNN-12.onnx"
SHORTER, LONGER = 800, 1333  # pixels: the shorter side is brought to 800 unless the longer would pass 1333
MULTIPLE = 32  # both sides are padded to a multiple of the coarsest feature map's stride
MEANS = np.array([102.9801, 115.9465, 122.7717], np.float32)  # of blue, green and red, in this order
CELLS = 28  # rows and columns of an instance's mask
COCO = (  # from 1; class 0 is the background
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
    *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase"),
    *("scissors", "teddy bear", "hair drier", "toothbrush"),
)


class MaskRCNN(Masker):
    """The union of all instances of the record's object (He et al. 2017, arXiv:1703.06870).

    An instance counts when its label is the object's COCO name, its score is above ``threshold`` and its mask
    covers at least one pixel of the image; ``objects`` is their number. Instances of other classes, a person
    who holds the cat for example, are ignored. Boxes without area or with a coordinate that is not a number
    are left out and counted in the note. Where nothing is left, the mask is zero and ``objects`` is 0.

    The whole image is handled in one pass, one image at a time: memory is bounded by 1344 x 1344 pixels.
    """

    source = "mask_rcnn"

    def __init__(
        self,
        dataset: "Dataset",
        data_dir: Path | str | None = None,
        model: Path | str | None = None,
        threshold: float = 0.7,
    ) -> None:
        super().__init__(dataset)
        if not 0.0 <= threshold < 1.0:
            raise ValueError(f"`threshold` must be a score from 0 to below 1, but {threshold!r} was passed.")
        self._threshold = threshold
        self._numbers = class_numbers(dataset, COCO, "Mask R-CNN (COCO)")
        path = model_files.locate(model, data_dir, FILE, "mask_rcnn")
        self._detect = onnx_model.load(path)
        self.provenance = {
            "file": path.name,
            "sha256": files.sha256(path),
            "threshold": str(threshold),
        }

    def _find(self, record: "Record", image: np.ndarray) -> Found:
        name = self.object_name(record)
        prepared, scale = prepare(image)
        detected = self._detect(prepared)
        kept = (detected.labels == self._numbers[name]) & (detected.scores > self._threshold)
        union = np.zeros(image.shape[:2], bool)
        objects = degenerate = 0
        for box, mask in zip(detected.boxes[kept], detected.masks[kept, 0]):
            if not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
                degenerate += 1
                continue
            objects += paste(union, mask, box, scale)
        notes = [f"no {name} above {self._threshold}"] if not objects else []
        notes += [f"boxes without area: {degenerate}"] if degenerate else []
        return Found(union, objects, "; ".join(notes))


def prepare(image: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return ``image``, uint8 (H, W, 3) RGB, as the network takes it, and the two scales of the resizing.

    The first is float32 (3, h, w), BGR minus the channel means, shorter side 800 unless the longer side would
    pass 1333, with zeros added below and to the right up to multiples of 32. Zero is the mean colour, not
    black: the means are subtracted before the padding. The second is (horizontal, vertical): pixels of the
    resized image for one pixel of the original, each for its own axis, because sides are whole numbers.
    """
    height, width = image.shape[:2]
    ratio = min(SHORTER / min(height, width), LONGER / max(height, width))
    new_height, new_width = (max(1, round(side * ratio)) for side in (height, width))
    resized = Image.fromarray(image).resize((new_width, new_height), Image.Resampling.BILINEAR)
    padded = np.zeros((3, _multiple(new_height), _multiple(new_width)), np.float32)
    centred = np.asarray(resized, np.float32)[..., ::-1] - MEANS
    padded[:, :new_height, :new_width] = centred.transpose(2, 0, 1)
    return padded, (new_width / width, new_height / height)


def paste(union: np.ndarray, mask: np.ndarray, box: np.ndarray, scale: tuple[float, float]) -> bool:
    """Add one instance to ``union``, bool (H, W), in place; return whether it covers any pixel.

    ``mask`` is float32 (28, 28), the probability of the object in each cell of ``box``; ``box`` is (xmin,
    ymin, xmax, ymax) in pixels of the resized image, both corners inside the box as the network was trained
    (so its width is xmax - xmin + 1). A pixel of the original image belongs to the instance when its centre
    lies in the box and the bilinearly interpolated mask there is above one half. Whatever lies beyond the
    image's border is cut off.
    """
    columns, across = _positions(box[0] / scale[0], (box[2] + 1.0) / scale[0], union.shape[1])
    rows, down = _positions(box[1] / scale[1], (box[3] + 1.0) / scale[1], union.shape[0])
    inside = down @ mask @ across.T > 0.5  # (rows, 28) (28, 28) (28, columns)
    union[rows, columns] |= inside
    return bool(inside.any())


def _positions(start: float, stop: float, size: int) -> tuple[slice, np.ndarray]:
    """Return which of ``size`` pixels have their centre in [start, stop), and their weights of the 28 cells.

    The weights are float32 (pixels, 28): linear between the centres of cells, constant beyond the outer ones.
    """
    first, last = (int(np.clip(np.ceil(edge - 0.5), 0, size)) for edge in (start, stop))
    centres = np.arange(first, last) + 0.5
    cells = np.clip((centres - start) / (stop - start) * CELLS - 0.5, 0, CELLS - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(cells[:, np.newaxis] - np.arange(CELLS)))
    return slice(first, last), weights.astype(np.float32)


def _multiple(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE
