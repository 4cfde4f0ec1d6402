"""The command line: `rrr study run demo`, `rrr fetch deeplab`, `rrr examine model.keras`.

What a command needs is imported when it is called, so that help comes at once.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rrr_utils.study.commands import Commands, study


@click.group(cls=Commands)
@click.version_option(package_name="rrr-utils")
def main() -> None:
    """Is an image classifier right for the right reason?"""


main.add_command(study)


@main.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--into", type=click.Path(path_type=Path), help="A folder; by default each one's own in RRR_DATA_DIR.")
def fetch(names: tuple[str, ...], into: Path | None) -> None:
    """Get data sets and weights, checked and unpacked. Without a NAME, list what there is."""
    from rrr_utils.datasets import sources

    for name in names:
        click.echo(f"{name} is in {sources.fetch(name, into)}")
    for source in () if names else sources.load().values():
        click.echo(f"{source.name:<22} {source.title} [{source.licence}]")


@main.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive without trusting it. All of ARCHIVE gets into FOLDER, or nothing."""
    from rrr_utils.datasets import sources

    click.echo(f"unpacked into {sources.extract(archive, folder)}")


# Defaults that are not shown here stand in `rrr_utils.examine`, which is given only what was asked for.
@main.command()
@click.argument("model")
@click.option("--images", required=True, help="A folder with a folder of images for each class.")
@click.option("--masks", required=True, help="A folder with masks of the same names; or deeplab, mask_rcnn.")
@click.option("--preprocess", help="How RGB was scaled, if the model does not: mobilenet, caffe, unit ...")
@click.option("--explainers", multiple=True, metavar="NAME", help="One explainer; again for another.")
@click.option("--backgrounds", multiple=True, metavar="NAME", help="One background; again for another.")
@click.option("--classes", multiple=True, metavar="NAME", help="The name of an output; again for the next.")
@click.option("--objects", type=(str, str), multiple=True, metavar="CLASS OBJECT", help="What a class is to deeplab.")
@click.option("--layer", help="What Grad-CAM reads.")
@click.option("--size", type=click.IntRange(1), help="Side of the input in pixels, where the model leaves it open.")
@click.option("--outputs", type=click.Choice(["logits", "probabilities"]), help="Where numbers do not tell it.")
@click.option("--most", type=click.IntRange(1), help="At most so many images, balanced by class.")
@click.option("--seed", type=int, help="Draws the images and what explainers disturb.")
@click.option("--out", help="The folder for tables and report (default: triage).")
@click.option("--mask-model", help="The file of deeplab or mask_rcnn (default: in RRR_DATA_DIR).")
@click.option("--mask-threshold", type=float, help="For mask_rcnn: how sure it has to be of an object.")
def examine(model: str, images: str, masks: str, **asked: Any) -> None:
    """Score a saved model on images of your own. MODEL is Keras' file; the report is written beside the tables."""
    import rrr_utils

    # TensorFlow greets on stderr, where a mistake is to be seen.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    of_masks = {"model": asked.pop("mask_model"), "threshold": asked.pop("mask_threshold")}
    asked |= {"objects": dict(asked["objects"]), "mask_options": _given(of_masks)}
    found = rrr_utils.examine(model, images, masks, **_given(asked))
    for shown in (found, *(table.round(2).to_string() for table in (found.averages, found.backgrounds))):
        click.echo(shown)
    click.echo(found.report())


def _given(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for: an option that was left out is None or empty."""
    return {name: value for name, value in asked.items() if value not in (None, (), {})}


if __name__ == "__main__":
    main()
