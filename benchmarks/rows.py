"""What is compared, against what, and how many times faster it should be at least."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import growth
import passes
import peers
import perturbing
import precision
import selecting
import training_times
import tuning
import whole_study
from timing import Row

MOBILENET = {"name": "mobilenet", "alpha": 0.25}
_FIRST_COUNTS = "The first run counts, compilation included."
_TUNING = (
    "64 images are trained on, 32 others evaluated before the first and after every epoch, by both ways. "
    + _FIRST_COUNTS
)

_SHARING = (
    "64 images, changed anew in every epoch, are trained on; 32 others are evaluated before the first and after every "
    "epoch, by both ways."
)


@dataclass(frozen=True)
class Measure:
    """A table that is no comparison of two ways: ``make()`` returns its lines."""

    name: str
    make: Callable[[], list[dict[str, Any]]]
    quick: bool = False


def rows() -> list[Row]:
    """Return all comparisons, in the order in which they are run and shown."""
    return [
        Row(
            "forward passes, MobileNet 0.25, 224 px",
            "Keras predict",
            4,
            partial(passes.forward, **MOBILENET),
        ),
        Row(
            "fine-tuning dense, VGG16, 224 px, 10 epochs",
            "Keras fit, whole model",
            6,
            partial(tuning.tuning, "vgg16", "dense"),
            quick=False,
            repeats=1,
            warm=False,
            note=_TUNING,
        ),
        Row(
            "fine-tuning blocks4-5, VGG16, 224 px, 10 epochs",
            "Keras fit, whole model",
            1.4,
            partial(tuning.tuning, "vgg16", "blocks4-5"),
            quick=False,
            repeats=1,
            warm=False,
            note=_TUNING,
        ),
        Row(
            "augmented head and dense, 3 seeds, MobileNet 0.25, 224 px, 3 epochs",
            "Keras fit, each plainly",
            2,
            partial(training_times.sharing, **MOBILENET),
            repeats=3,
            warm=False,
            note=_SHARING + " " + _FIRST_COUNTS,
        ),
        Row(
            "augmented head and dense, 3 seeds, VGG16, 224 px, 3 epochs",
            "Keras fit, each plainly",
            3.5,
            partial(training_times.sharing, "vgg16"),
            quick=False,
            repeats=1,
            warm=False,
            note=_SHARING + " " + _FIRST_COUNTS,
        ),
        Row(
            "LIME, 1,000 samples, MobileNet 0.25, first time",
            "lime, batches of 50, tf.function",
            2.5,
            partial(perturbing.lime_function, **MOBILENET),
        ),
        Row(
            "LIME, 1,000 samples, MobileNet 0.25, first time",
            "lime as it is: predict, batches of 10",
            6,
            partial(perturbing.lime_predict, **MOBILENET),
            repeats=3,
        ),
        Row(
            "LIME (1,000) and Occlusion, 11 checkpoints, dense, MobileNet 0.25",
            "the same without sharing, same engine",
            8,
            partial(perturbing.sharing, **MOBILENET),
            quick=False,
            repeats=3,
        ),
        Row(
            "LIME (50) and Occlusion, 11 checkpoints, dense, VGG16",
            "the same without sharing, same engine",
            8,
            partial(perturbing.sharing, "vgg16", samples=50),
            quick=False,
            repeats=1,
            warm=False,
            note="50 samples for 1,000, because whole passes of VGG16 are slow. " + _FIRST_COUNTS,
        ),
        Row(
            "LIME (1,000) and Occlusion, 11 checkpoints, dense, MobileNet 0.25",
            "lime, and a predict a row of patches, one after another",
            100,
            partial(perturbing.as_the_authors, **MOBILENET),
            quick=False,
            repeats=3,
            note="Of the plain way 2 checkpoints are timed; its seconds are those, taken 5.5 times.",
        ),
        Row(
            "LIME (50), 11 checkpoints, blocks4-5, VGG16",
            "the same without sharing, same engine",
            2,
            partial(perturbing.sharing, "vgg16", strategy="blocks4-5", samples=50, occlude=False),
            quick=False,
            repeats=1,
            warm=False,
            note="50 samples for 1,000, because whole passes of VGG16 are slow. " + _FIRST_COUNTS,
        ),
        Row(
            "Occlusion, VGG16, 224 px, patch 32, stride 16",
            "169 whole passes in batches, same engine",
            3,
            perturbing.occlusion,
            quick=False,
            repeats=3,
        ),
        Row(
            "Occlusion, VGG16, 224 px, patch 32, stride 16",
            "Xplique",
            4,
            peers.occlusion,
            quick=False,
            repeats=3,
        ),
        Row(
            "Grad-CAM and Grad-CAM++ together, VGG16, 8 images",
            "tf-keras-vis, both",
            4,
            partial(passes.cams, "vgg16"),
            quick=False,
        ),
        Row(
            "Grad-CAM and Grad-CAM++ together, MobileNet 0.25, 8 images",
            "tf-keras-vis, both",
            4,
            partial(passes.cams, **MOBILENET),
        ),
        Row(
            "score of 1,000 maps of 224 x 224",
            "Quantus, RelevanceMassAccuracy",
            5,
            peers.score,
            repeats=3,
            note="Quantus is timed on 100 of the maps, which it takes one by one; its seconds are those, 10 times.",
        ),
        Row(
            "Batched Gradient SIS, 50 images to 5% of the pixels, MobileNet 0.25",
            "the definition, image by image, uncompiled",
            3,
            partial(selecting.subsets, **MOBILENET),
            quick=False,
            repeats=1,
            warm=False,
            note="Of the plain way 2 images are timed; its seconds are those, 25 times. " + _FIRST_COUNTS,
        ),
        Row(
            "multiply-adds of LIME's passes, VGG16",
            "the fastest float32 matrix product",
            0.9,
            partial(passes.arithmetic, "vgg16"),
            quick=False,
            repeats=3,
        ),
        Row(
            "multiply-adds of LIME's passes, ResNet50",
            "the fastest float32 matrix product",
            0.9,
            partial(passes.arithmetic, "resnet50"),
            repeats=3,
        ),
        Row(
            "a small study, MobileNet 0.25: 4 strategies, 4 explainers, 11 checkpoints",
            "the same with every shortcut off",
            3,
            whole_study.study,
            quick=False,
            repeats=1,
            warm=False,
            note="36 images are trained on, 12 scored. Of the plain way 3 of 11 checkpoints are scored; the seconds of "
            "those behind the first are taken 5 times. " + _FIRST_COUNTS,
        ),
    ]


def measures() -> list[Measure]:
    """Return the other tables."""
    return [
        Measure("memory", growth.memory),
        Measure("growth", growth.seconds),
        Measure("bfloat16", precision.bfloat16),
        Measure("remedies", training_times.remedies),
    ]
