"""Three networks trained on cats and dogs, and their logits on perturbed photographs, kept in the folder of runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rrr_utils import datasets, masks
from rrr_utils.common import paths, progress, seeds
from rrr_utils.explainers import designs, lime
from rrr_utils.masks import prepared
from rrr_utils.training import checkpoints, runs
from rrr_utils.training import fit as training

STUDY, DATA, SEED = "lime-designs", "pets", 0
NEEDED = ("whole", "reference", "coins", "orthogonal")
# Photographs are taken in one order by all networks, cats and dogs by turns.
COHORT = 24


@dataclass(frozen=True)
class Subject:
    """A network, how it is trained, and how many rows of which design it is asked about on how many photographs."""

    name: str
    architecture: str
    alpha: float
    size: int
    strategy: str
    epochs: int
    photographs: int
    reference: int
    tested: int

    @property
    def run(self) -> runs.Run:
        """Its stage 2: ten epochs of the head alone came before."""
        return runs.Run(
            STUDY, DATA, self.name, self.strategy, "original", self.architecture, self.size, self.alpha, "imagenet", 10
        )


# The last two numbers: coin flips of the reference, and rows of each design that is held against it.
SUBJECTS = (
    Subject("mobilenet-25", "mobilenet", 0.25, 224, "all", 10, 16, 6144, 2048),
    Subject("mobilenet-100", "mobilenet", 1.0, 224, "blocks4-5", 5, 10, 1024, 1024),
    Subject("vgg16", "vgg16", 1.0, 112, "blocks4-5", 5, 10, 1024, 1024),
)


@dataclass(frozen=True)
class Photograph:
    """What was asked about one photograph: for every set of rows, the rows and the label's logits (checkpoints, rows).

    ``labels`` are the superpixels' numbers ``(S, S)``, ``mask`` is the object ``(S, S)``, 0 or 1.
    """

    name: str
    labels: NDArray[np.intp]
    mask: NDArray[np.uint8]
    rows: dict[str, NDArray[np.bool_]]
    logits: dict[str, NDArray[np.float64]]


def sets(subject: Subject, count: int, name: str) -> dict[str, NDArray[np.bool_]]:
    """Return the sets of rows of a photograph with ``count`` superpixels, each drawn apart from the others."""
    tested = subject.tested

    def drawn(what: str) -> np.random.Generator:
        return seeds.generator(SEED, STUDY, what, name)

    whole_blocks = -(-tested // designs.block(count)) * designs.block(count)
    coins = _coins(count, tested, drawn("coins"))
    return {
        "whole": np.ones((1, count), bool),
        "reference": _coins(count, subject.reference, drawn("reference")),
        "coins": coins,
        "orthogonal": designs.blocks(count, whole_blocks, drawn("orthogonal")),
        "complements": ~coins[: tested // 2],
        "fixed signs": designs.blocks(count, whole_blocks, drawn("fixed signs"), signs=False),
        "balanced": balanced(count, tested, drawn("balanced")),
    }


def _coins(count: int, samples: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    return generator.integers(0, 2, (samples, count)).astype(bool)


def balanced(count: int, samples: int, generator: np.random.Generator, block: int = 64) -> NDArray[np.bool_]:
    """Return rows in blocks of 64, in each of which every superpixel is shown by exactly one half of the rows."""
    shown = np.arange(block)[:, None] < block // 2
    blocks = [generator.permuted(np.repeat(shown, count, axis=1), axis=0) for _ in range(-(-samples // block))]
    return np.concatenate(blocks)[:samples]


def prepare() -> None:
    """Write the photographs with their masks at both sizes, unless they are there."""
    folder = paths.runs() / STUDY / DATA
    if not (folder / prepared.TABLE).exists():
        dataset = datasets.open_dataset("oxford_pets", paths.data_dir())
        masker = masks.open_masker("outlines", dataset)
        prepared.prepare(STUDY, DATA, dataset, masker, (112, 224), folder, test_share=0.3, seed=SEED)


def train(subject: Subject) -> None:
    """Train the head and then the strategy's layers, unless that is done."""
    run = subject.run
    data = run.images()
    for stage, epochs in ((run.stage1(), 10), (run, subject.epochs)):
        training.train(
            stage.start(SEED),
            stage.strategy,
            runs.training_data(data),
            training.Stage(epochs, "rmsprop", 1e-5),
            stage.checkpoints(SEED),
            trained_on="original",
            seed=SEED,
            evaluate=runs.evaluation(data),
        )


def ask(subject: Subject) -> None:
    """Ask the first and the last checkpoint about every set of rows, a photograph after the other, where not done."""
    names, data = order(subject)
    ((_, stack),) = subject.run.stacks([SEED], [0, subject.epochs])
    chosen = names[: subject.photographs]
    # What is dear to ask about and may be left out comes last, after all photographs.
    for place, needed in progress.track([*((p, True) for p in chosen), *((p, False) for p in chosen)], subject.name):
        name, image, own = data.ids[place], data.images[place], int(data.labels[place])
        numbers = lime.superpixels(image)
        _, labels = lime.perturbations(numbers, image.shape[:2], 2, SEED, name)
        colours = lime.mean_colours(image, labels)
        for what, rows in sets(subject, int(labels.max()) + 1, name).items():
            file = piece(subject, name, what)
            if (what in NEEDED) is needed and not file.exists():
                logits = _logits(stack, rows, labels, image, colours, own)
                checkpoints.write(file, {"rows": rows, "logits": logits, "labels": labels})


def photographs(subject: Subject) -> Iterator[Photograph]:
    """Yield the photographs of which every needed set of rows has been asked about."""
    names, data = order(subject)
    for place in names[: subject.photographs]:
        name = data.ids[place]
        found = {file.stem: checkpoints.read(file) for file in piece(subject, name, "x").parent.glob("*.npz")}
        if set(found) >= set(NEEDED):
            rows = {what: each["rows"] for what, each in found.items()}
            logits = {what: each["logits"].astype(np.float64) for what, each in found.items()}
            yield Photograph(name, found["whole"]["labels"], np.asarray(data.masks[place]), rows, logits)


def order(subject: Subject) -> tuple[list[int], prepared.Prepared]:
    """Return the places of the photographs, test images of either class by turns, and the data."""
    data = subject.run.images()
    places = data.cohort("test", COHORT, SEED)
    cats, dogs = (places[data.labels[places] == label] for label in (0, 1))
    return [int(place) for pair in zip(cats, dogs, strict=True) for place in pair], data


def piece(subject: Subject, name: str, what: str) -> Path:
    """Return the file of one set of rows."""
    return subject.run.folder / f"seed-{SEED}" / "logits" / name / f"{what}.npz"


def _logits(
    stack: Callable[[NDArray], NDArray],
    rows: NDArray[np.bool_],
    labels: NDArray[np.intp],
    image: NDArray,
    colours: NDArray[np.float64],
    own: int,
) -> NDArray[np.float32]:
    parts = [
        stack(lime.compose(rows[start : start + 128], labels, image, colours))[..., own]
        for start in range(0, len(rows), 128)
    ]
    return np.concatenate(parts, axis=1)
