"""Data sets: lists of records with class names, opened by name; images are decoded one at a time, when asked for."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rrr_utils.common.names import SOURCES
from rrr_utils.common.registry import member
from rrr_utils.datasets.dataset import Dataset, NoOutline, Record

__all__ = ["Dataset", "NoOutline", "Record", "open_dataset"]


def open_dataset(source: str, data_dir: Path | str | None = None, options: Mapping[str, Any] | None = None) -> Dataset:
    """Return the data set ``source``, found in ``data_dir`` (``$RRR_DATA_DIR``).

    ``source`` is one of ``rrr_utils.common.names.SOURCES``, or ``package.module:Name``, a function of one's own
    from ``data_dir`` and options to a :class:`Dataset`.

    Only names are read; images and outlines are decoded when asked for. The options of a source are the fields of its
    module's ``Options``.

    Raises
    ------
    ValueError
        For an unknown source or option (with the nearest valid name), an impossible value, or fewer than two classes
        with images.
    FileNotFoundError
        If the data are not there; the message says which folder was expected and how to get them.
    """
    # Only the module that is asked for is imported: each brings libraries for its own kind of annotation.
    dataset = member("source", source, SOURCES)(data_dir, dict(options or {}))
    if not isinstance(dataset, Dataset):
        raise ValueError(
            f"`source` {source!r} must return a Dataset, but returned something of type {type(dataset).__name__}."
        )
    counts = Counter(record.label for record in dataset.records)
    if len(counts) < 2:
        found = [dataset.classes[label] for label in counts]
        raise ValueError(
            f"Data set {source!r} has images of {found or 'no class'}; a classifier needs at least two classes. "
            f"All classes: {list(dataset.classes)}. Check its options and its folder."
        )
    return dataset
