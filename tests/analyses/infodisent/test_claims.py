"""The chapter on disentangled heads: its prose against the published tables."""

import tiny_study

from rrr_utils.analyses.infodisent import claims as head_claims

# The published runs of which the chapter speaks: photographs, and networks that read the background and the object.
PUBLISHED = (
    "oxford-pets/mobilenet-25/original",
    "confounded-noise/convnet/original",
    "confounded-noise/convnet/swapped",
)


def test_the_chapter_says_what_its_tables_say():
    """Each sentence of its prose that a table could contradict, by run."""
    found = head_claims.read(tiny_study.PROJECT / "data" / "results" / "infodisent")
    table = head_claims.verdicts(found).set_index(["key", "run", "what"])["verdict"]
    places = head_claims.per_run(found, "prototypes")
    used = places[places["channels"] == "used"].set_index(["run", "side"])
    heads = head_claims.per_run(found, "heads").set_index(["run", "split", "head"])
    taken = head_claims.per_run(found, "decisions").set_index(["run", "of", "head"])
    maps = head_claims.per_run(found, "maps").set_index(["run", "explainer", "design", "variant"])
    pets, beside, on = PUBLISHED
    elsewhere = "minus the same cell elsewhere"
    for run in (pets, on):
        assert table["object", run, "minus a random cell"] == table["object", run, elsewhere] == "holds"
    row = used.loc[pets, "positive"]
    assert row["same_place"] - row["chance"] > row["beyond"], "most of it is called a liking for the middle"
    assert heads.loc[(beside, "shifted", "disentangled"), "accuracy_low"] < 0.5
    assert heads.loc[(beside, "shifted", "disentangled"), "accuracy_high"] > 0.5
    assert table["truth", beside, "minus a random cell"] == "undecided"
    assert used.loc[(beside, "negative"), "above_low"] > 0
    assert table["truth", on, "minus a random cell"] == "holds"
    for run in PUBLISHED:
        assert table["accurate", run, "minus plain head"] == "holds"
        sums = taken.loc[run, "margin"]
        assert sums.loc["disentangled", "share"] > 0.45, "it is called about half of them, or more"
        assert taken.loc[(run, "logit", "disentangled"), "contra"] < taken.loc[(run, "logit", "average"), "contra"]
    decided = table.xs("short")
    assert decided[decided == "holds"].index.get_level_values(0).tolist() == ["dogs-vs-cats/mobilenet-25/original"]
    assert maps.loc[(beside, "infodisent", "heat maps", ""), "above_high"] < 0
    assert table["maps", on, "minus chance"] == table["maps", pets, "minus chance"] == "holds"
    assert table["maps", pets, "minus a Gaussian"] == "does not hold"
    mean = maps["mean"].xs("infodisent", level="explainer").xs("", level="variant")
    assert mean[beside, "places"] < mean[beside, "heat maps"] < mean[on, "heat maps"] < mean[on, "places"]
