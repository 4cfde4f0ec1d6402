"""The same maps scored by this project and by Quantus, each called from the other's side: `make relatives`.

Started with .venv-bench, which has the real Quantus; writes one row a map to benchmarks/results/relatives.csv.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import quantus  # noqa: E402

from rrr_utils import chance, datasets, score  # noqa: E402
from rrr_utils.explainers import GradCAM, GradCAMPlusPlus, Occlusion  # noqa: E402
from rrr_utils.networks import network as networks  # noqa: E402
from rrr_utils.scoring import quantus as relatives  # noqa: E402

TABLE = HERE / "results" / "relatives.csv"
IMAGES, SIZE, SEED = 24, 64, 0
EXPLAINERS = (GradCAM(), GradCAMPlusPlus(), Occlusion(patch=12, stride=6))


def main() -> None:
    """Compute the table and write it to the path that is given, or to :data:`TABLE`."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE
    table = compared()
    table.to_csv(path, index=False)
    print(f"{len(table)} maps, largest difference {(table['ours'] - table['quantus']).abs().max():.1e} -> {path}")


def compared() -> pd.DataFrame:
    """Return one row a map: ``ours`` and ``quantus`` from the same array, and each as the other one calls it.

    ``quantus_asks``: Quantus makes the map itself by our explainer. ``evaluate``: our score as one of the metrics of
    ``quantus.evaluate``. The network is not trained, because the arithmetic is compared and not the network.
    """
    images, masks, labels = _images()
    model = networks.build("convnet", classes=2, size=SIZE, weights=None, seed=SEED).model
    theirs = quantus.RelevanceMassAccuracy(abs=False, normalise=False, disable_warnings=True)
    parts = []
    for explainer in EXPLAINERS:
        explain = relatives.explain_func(explainer)
        maps = explain(model=model, inputs=images, targets=labels)
        batch = {"x_batch": images, "y_batch": labels, "s_batch": masks[:, None], "channel_first": False}
        asked = theirs(model=model, explain_func=explain, explain_func_kwargs={}, **batch)
        given = theirs(model=None, a_batch=maps[..., None], **batch)
        evaluated = quantus.evaluate(
            metrics={"score": relatives.Score()},
            xai_methods={"ours": maps[..., None]},
            model=model,
            x_batch=images,
            y_batch=labels,
            s_batch=masks[:, None],
        )
        columns = {
            "explainer": explainer.name,
            "image": np.arange(len(images)),
            "ours": score(masks, maps),
            "quantus": np.asarray(given, float),
            "quantus_asks": np.asarray(asked, float),
            "evaluate": np.asarray(evaluated["ours"]["score"], float),
            "chance": chance(masks),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True).assign(quantus_version=quantus.__version__)


def _images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    options = {"images": IMAGES, "size": SIZE, "background": "noise", "p": 1.0, "seed": SEED}
    dataset = datasets.open_dataset("confounded", None, options)
    images = np.stack([dataset.image(record).array for record in dataset.records]).astype(np.float32)
    masks = np.stack([dataset.outline(record) for record in dataset.records]).astype(np.float64)
    return images, masks, np.array([record.label for record in dataset.records])


if __name__ == "__main__":
    main()
