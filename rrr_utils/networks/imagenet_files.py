"""Keras' files of ImageNet weights: what they are called, where they lie, and whether they are the published ones.

Nothing of Keras is imported, which takes ten seconds: a plan looks at these files as well.
"""

import os
from pathlib import Path

from rrr_utils.common import paths
from rrr_utils.datasets import downloads, sources

# Keras has a file of MobileNet a resolution, and takes the one of 224 px for all other sizes.
RESOLUTIONS = (128, 160, 192, 224)
_NETWORKS = ("mobilenet", "vgg16", "resnet50")


def find(network: str, size: int, alpha: float) -> Path | None:
    """Return the file of a network of ``names.NETWORKS``: in ``$RRR_DATA_DIR/weights``, else where Keras keeps it.

    It need not be there. None for a network that has no such weights, one's own among them.
    """
    if network not in _NETWORKS:
        return None
    name = f"{network}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    if network == "mobilenet":
        width = "1_0" if alpha == 1 else f"{alpha * 10:.1f}".replace(".", "_")
        name = f"mobilenet_{width}_{size if size in RESOLUTIONS else 224}_tf_no_top.h5"
    data = paths.data_dir()
    own = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models" / name
    return data / "weights" / name if data is not None and (data / "weights" / name).exists() else own


def lacking(path: Path) -> str:
    """Return how to get the file that :func:`find` names where it is not there: what is missing, and the command."""
    source = sources.source_of(path.name)
    data = paths.data_dir()
    where = f"{data / 'weights'} (RRR_DATA_DIR)" if data is not None else "$RRR_DATA_DIR/weights (it is not set)"
    command = f"`rrr fetch {source.name}`" if source is not None else "Keras fetches it where there is a network"
    return f"ImageNet weights {path.name} are neither in {where} nor in {path.parent}: {command}"


def doubt(path: Path) -> str:
    """Return what is to be said of a file by a published name whose hash is not a known one; "" if there is nothing.

    Known are the published hash, those of copies with the same tensors (see ``also`` in data/sources.yaml), and the one
    that the first download left beside the file.
    """
    source = sources.source_of(path.name)
    known = sources.known_hashes(path) if source is not None else ()
    if not known or any(downloads.digest(path, check.partition(":")[0]) == check.partition(":")[2] for check in known):
        return ""
    return (
        f"{path} is not the published file of that name: its sha256 is {downloads.digest(path)}, but "
        f"{' or '.join(known)} was expected. If it is yours, give it another name and name its path as `weights`; if "
        f"not, delete it and `rrr fetch {source.name if source else path.name}`."
    )
