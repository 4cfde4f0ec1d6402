"""Measures how far bfloat16 moves LIME's scores in a study that asks for it; writes ``results/lime_precision.csv``.

The study's own networks, photographs and perturbations: only the precision of the passes differs. Needs the run's
weights in the folder of runs; every image is kept as it comes, and what is there is not computed again.
"""

import argparse
import time
from pathlib import Path

import pandas as pd

from rrr_utils import metric
from rrr_utils.common import files, paths, progress, spreadsheets
from rrr_utils.engine import passes as engine
from rrr_utils.explainers import LIME
from rrr_utils.scoring import scores as scoring
from rrr_utils.study import jobs
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables
from rrr_utils.training import runs

FILE = Path(__file__).resolve().parent / "results" / "lime_precision.csv"
RUN = "dogs-vs-cats-half/vgg16-160/blocks4-5/original"


def main() -> None:
    """Compare the rows of a run that LIME made in bfloat16 with the same rows in float32, image by image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="cpu", help="a study of studies/, whose run is in the folder of runs")
    parser.add_argument("--run", default=RUN, help="data/network/strategy/trained_on, scored with bfloat16")
    parser.add_argument("--images", type=int, default=16, help="the first so many scored test images")
    chosen = parser.parse_args()
    engine.start()
    plan = study.load(paths.root() / "studies" / f"{chosen.study}.yaml")
    asked = jobs.find(jobs.of(plan), f"{chosen.run}/03-scoring").parameters
    short = next(each for each in scoring.explainers(asked["explainers"], plan.seed) if "bfloat16" in each.design)
    found = compare(asked, short, plan.seed, chosen.images)
    print(found.round(4).to_string())


def compare(asked: dict, short: LIME, seed: int, images: int, file: Path = FILE) -> pd.DataFrame:
    """Return one row an image and checkpoint (the first and the last that were scored): its score in both precisions.

    ``asked`` are the parameters of the run's scoring, ``short`` the LIME that made its rows.
    """
    run = runs.Run(**{name: asked[name] for name in runs.Run.__dataclass_fields__})
    data, member = run.images(), asked["seeds"][0]
    table = tables.read(run.folder / "scores.parquet", "scores")
    table = table[(table["seed"] == member) & (table["split"] == "test") & (table["design"] == short.design)]
    known = table.set_index(["image", "epoch"])["score"]
    epochs = [asked["scored_epochs"][0], asked["scored_epochs"][-1]]
    exact = LIME(short.samples, short.seed, design=short.design.split(",")[0], control=short.control)
    ((members, stack),) = run.stacks([member], epochs, epochs[0])
    about = {name: getattr(run, name) for name in ("data", "network", "strategy", "size")} | {"design": exact.design}
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    done = {row["image"] for row in rows if all(row[name] == value for name, value in about.items())}
    places = [each for each in data.cohort("test", asked["images"], seed)[:images] if data.ids[each] not in done]
    start = time.perf_counter()
    for place in progress.track(places, "LIME in float32"):
        name = data.ids[place]
        maps = exact.of_each(stack, data.images[[place]], data.labels[[place]], [name])
        for (_, epoch), relevance in zip(members, maps[:, 0], strict=True):
            score = float(metric.score(data.masks[[place]], relevance[None])[0])
            row = {"image": name, "epoch": epoch, "float32": score, "bfloat16": float(known[name, epoch])}
            rows.append(about | row)
        files.write_text(file, spreadsheets.csv(pd.DataFrame(rows)))
    print(f"{time.perf_counter() - start:.0f} s. Written: benchmarks/results/{file.name}")
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
