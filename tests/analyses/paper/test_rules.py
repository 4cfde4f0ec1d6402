"""The rules of the paper's claims, as a person reads them."""

import pandas as pd
import pytest
import yaml

from rrr_utils.analyses.paper import rules
from rrr_utils.common import paths
from rrr_utils.common.names import EXPLAINERS, STRATEGIES, TRAINED_ON

RULES = rules.load()


def test_nine_claims_with_margins_that_were_named_beforehand():
    assert len(RULES.claims) == 9
    assert (RULES.margin("lime"), RULES.margin("accuracy"), RULES.level) == (0.03, 0.02, 0.05)
    assert (RULES.fewest, RULES.untested_below, RULES.settled) == (20, 0.01, (50, 1000, 0.95, 200))
    assert [network.key for network in RULES.networks if network.counts] == ["mobilenet-25", "vgg16-160"]


def test_a_claim_has_one_comparison_or_one_an_explainer_that_the_paper_names():
    """Primary: all explainers where the paper says so; nothing is decided twice or by what is only shown."""
    asked = {claim.key: [each.outcome for each in claim.primary] for claim in RULES.claims}
    four = ["grad_cam", "grad_cam_plus_plus", "occlusion", "lime"]
    assert asked == {
        "flat": ["accuracy"] * 4,
        "late above dense": four,
        "all like late": ["grad_cam"],
        "early like dense": ["grad_cam"],
        "explainers agree": four,
        "masked: accuracy": ["accuracy"],
        "masked: score": ["grad_cam"],
        "masked: nothing": ["accuracy", "grad_cam"],
        "settles": ["grad_cam"],
    }
    for claim in RULES.claims:
        every = [str(each) for each in (*claim.primary, *claim.shown)]
        assert len(every) == len(set(every)), claim.key
        assert all(claim.of in network.runs for network in RULES.networks if network.counts)


def test_every_word_of_the_rules_is_one_of_the_studies():
    keys = {network.key for network in RULES.networks}
    assert {network.sister for network in RULES.networks} <= keys | {""}
    for claim in RULES.claims:
        for each in (*claim.primary, *claim.shown):
            assert each.outcome in {*EXPLAINERS, rules.ACCURACY}
            for side in (each.a, each.b):
                assert side["strategy"] in {*STRATEGIES, "head"}
                assert side["trained_on"] in TRAINED_ON


def test_what_images_are_needed_is_what_the_simulation_found():
    """The numbers in the file are those of the published simulation: median, largest, never, settings."""
    table = pd.read_csv(paths.root() / "benchmarks" / "results" / "interval_coverage.csv")
    table = table[(table["borrowed"] == 0) & (table["images"] == 200)]
    told = yaml.safe_load(rules.FILE.read_text(encoding="utf-8"))["images_needed"]
    for (what, seeds), part in table.groupby(["what", "seeds"]):
        needed = part["images_needed"]
        found = [int(needed.median()) if needed.notna().any() else None]
        found += [int(needed.max()) if needed.notna().any() else None, int(needed.isna().sum()), len(needed)]
        assert told[what][f"{seeds} seeds"] == found, (what, seeds)
    assert {len(each) for each in told.values()} == {2}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("expected: alike", "expected: similar", "similar"),
        ("level: 0.05", "levels: 0.05", "level"),
        ("epoch: last", "epoch: later", "first or last"),
        ("network: mobilenet-25, data", "networks: mobilenet-25, data", "`network` and `data`"),
        ("claims:", "claims: [", "expected"),
    ],
)
def test_rules_that_are_not_understood_are_refused(tmp_path, before, after, words):
    """The file and what is wrong in it are named."""
    text = rules.FILE.read_text(encoding="utf-8")
    assert before in text
    file = tmp_path / "claims.yaml"
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=r"claims\.yaml does not state the rules") as caught:
        rules.load(file)
    assert words in str(caught.value)
