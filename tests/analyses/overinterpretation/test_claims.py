"""The claims of two abstracts: verdicts on tables whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from rrr_utils.analyses.overinterpretation import claims as abstracts
from rrr_utils.analyses.overinterpretation import statistics
from rrr_utils.common import paths
from rrr_utils.tables import parquet as tables

KINDS = ("selected", "random", "neighbours")


def kept_rows(selected=0.97, random=0.5, neighbours=0.6, together=0.7):
    rows = []
    for voters, seeds in ((1, (0, 1)), (2, (0,))):
        for seed in seeds:
            for kind, level in zip(KINDS, (selected if voters == 1 else together, random, neighbours)):
                for image in range(12):
                    value = level + 0.01 * np.sin(image + seed)
                    rows.append(
                        {"study": "s", "data": "d", "network": "n", "strategy": "all", "trained_on": "original"}
                        | {"seed": seed, "epoch": 1, "split": "test", "image": f"i{image}", "label": 0, "predicted": 0}
                        | {"correct": True, "certainty": 0.99, "voters": voters, "kind": kind, "fill": "neutral"}
                        | {"shown": "neutral", "share": 0.05, "pixels": 50, "target": 0, "confidence": value}
                        | {"answer": 0, "on_object": 0.1, "chance": 0.2}
                    )
    return pd.DataFrame(rows)


def sufficient_rows(score):
    rows = kept_rows()
    rows = rows[rows["kind"] == "selected"].drop(columns=["kind", "shown", "target", "confidence", "answer"])
    rows = rows.drop(columns=["on_object"])
    spread = 0.01 * np.cos(np.arange(len(rows)))
    return rows.assign(threshold=0.9, number=0, found=True, pixels=50.0, share=0.05 + spread, score=score + spread)


def accuracy_rows(selected, random, whole=0.98):
    values = {"whole": whole, "selected": selected, "random": random}
    return pd.DataFrame(
        [
            {"study": "s", "data": "d", "network": "n", "strategy": "all", "trained_on": "original", "seed": seed}
            | {"epoch": 1, "trained": kind, "tested": kind, "share": 0.05, "n": 100, "correct": 1}
            | {"accuracy": value + 0.005 * seed}
            for seed in (0, 1)
            for kind, value in values.items()
        ]
    )


def verdict(found, key, what=""):
    row = found[(found["key"] == key) & (found["what"] == what)]
    return row["verdict"].item()


def test_what_the_abstract_says_holds_where_it_was_put_in():
    """Sure of few pixels, of the chosen ones, less sure of more, off the object, and one can learn from them."""
    run = abstracts.Found(kept_rows(), sufficient_rows(0.05), accuracy_rows(0.97, 0.6))
    found = abstracts.verdicts({"d/n/original": run})
    assert set(found["key"]) == {"sure", "choice", "superset", "meaningless", "suffices", "ensemble"}
    assert set(found["verdict"]) == {"holds"}
    assert list(dict.fromkeys(found["key"])) == [key for key in abstracts.SENTENCES if key in set(found["key"])]


def test_each_claim_fails_where_the_opposite_was_put_in():
    """Unsure, no better than random or with neighbours, on the object, nothing to learn, and no remedy."""
    kept = kept_rows(selected=0.5, random=0.7, neighbours=0.9, together=0.8)
    run = abstracts.Found(kept, sufficient_rows(0.5), accuracy_rows(0.6, 0.7))
    found = abstracts.verdicts({"d/n/original": run})
    assert set(found["verdict"]) == {"does not hold"}


def test_an_interval_that_reaches_both_sides_decides_nothing():
    """A score that is at chance is neither on the object nor beside it."""
    run = abstracts.Found(kept_rows(), sufficient_rows(0.2))
    assert verdict(abstracts.verdicts({"d/n/original": run}), "meaningless") == "undecided"
    assert abstracts.places({"d/n/original": run})["verdict"].item() == "undecided"
    for score, said in ((0.5, "on the object"), (0.05, "beside the object")):
        run = abstracts.Found(kept_rows(), sufficient_rows(score))
        assert abstracts.places({"r": run})["verdict"].item() == said


@pytest.mark.parametrize(("after", "said"), [(0.6, "holds"), (0.99, "does not hold")])
def test_dropout_is_compared_with_its_own_network(after, said):
    """The run called after another with "-dropout" behind it, image by image."""
    runs = {
        "d/n/original": abstracts.Found(kept_rows(0.9), sufficient_rows(0.2)),
        "d/n-dropout/original": abstracts.Found(kept_rows(after), sufficient_rows(0.2)),
    }
    assert verdict(abstracts.verdicts(runs), "dropout") == said


def test_published_tables_are_found_by_their_folders(tmp_path):
    """A folder is named like its notebook, whatever its number; what is not there is None."""
    place = tmp_path / "08-overinterpretation--d--n--all--original"
    tables.write(kept_rows(), place / "pixel_subsets.parquet", "pixel_subsets")
    tables.write(sufficient_rows(0.5), place / "sufficient_subsets.parquet", "sufficient_subsets")
    (tmp_path / "07-controls--d--n--all--original").mkdir()
    (run,) = abstracts.read(tmp_path).items()
    assert run[0] == "d/n/original"
    assert len(run[1].kept) == len(kept_rows())
    assert run[1].retrained is None
    assert run[1].mosaics is None
    assert len(abstracts.verdicts(dict([run]))) == 5


def test_the_page_says_what_the_published_tables_say():
    """Beside the object as they are; empty subsets of one class; a wrong class as sure; any 5% teach; low alphas."""
    runs = abstracts.read(paths.root() / "data" / "results" / "overinterpretation")
    found, places = abstracts.verdicts(runs), abstracts.places(runs).set_index("run")
    plain, masked = "confounded-noise/convnet/original", "confounded-noise/convnet/masked"
    assert places.loc[plain, "verdict"] == "beside the object"
    assert places.loc[masked, "verdict"] == "undecided", "the page explains why it does not lie on the object"
    assert 0.4 < places.loc[masked, "empty"] / places.loc[masked, "found"] < 0.6
    first = runs[masked].sufficient.query("voters == 1 and number == 0 and found")
    empty = (first["pixels"] == 0).groupby([first["seed"], first["predicted"]]).mean()
    assert set(empty.round()) == {0, 1}
    assert (empty.unstack().max(axis=1) > 0.9).all()
    five = statistics.subset_table(runs[masked].kept).query("voters == 1 and share == 0.05").set_index("kind")
    assert five.loc["wrong class", "confidence"] > 0.95
    assert five.loc["wrong class", "above_low"] < 0 < five.loc["wrong class", "above_high"]
    selected = five.loc["selected"].query("fill == 'neutral'").set_index("shown")["confidence"]
    assert selected["black"] < selected["mean"] < selected["neutral"]
    accuracy = statistics.retrained_table(runs[plain].retrained).set_index(["trained", "tested"])["accuracy"]
    assert accuracy["selected", "selected"] > 0.99
    assert accuracy["random", "random"] > 0.99
    alphas = found[found["key"] == "unreliable"].set_index(["run", "what"])
    assert alphas.loc[(plain, "precision"), "verdict"] == "reliable"
    assert alphas.loc[(masked, "precision"), "verdict"] == "unreliable"
    for run in (plain, masked):
        assert alphas.loc[(run, "score"), "verdict"] == "unreliable"
        assert alphas.loc[(run, "score"), "value"] == alphas.loc[(run, "score above chance"), "value"]
