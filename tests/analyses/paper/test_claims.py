"""Findings and verdicts on the paper's claims: each branch of each rule by hand, and what no rule may do."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rrr_utils.analyses.paper import claims, comparisons, rules

RULES = rules.load()
CLAIMS = {claim.key: claim for claim in RULES.claims}
DF = 10
S, C, N, U = claims.SUPPORTED, claims.CONTRADICTED, claims.NO_DIFFERENCE, claims.UNDECIDED


def row(claim, low, high, *, place=0, other=(np.nan, np.nan), **changes):
    """Return a row of ``comparisons.measured`` with this interval, for the primary comparison ``place`` of a claim."""
    asked = CLAIMS[claim].primary[place]
    t = stats.t.ppf(0.975, DF)
    a, b = comparisons.words(asked)
    return {
        **dict.fromkeys(comparisons.COLUMNS, np.nan),
        "claim": claim,
        "network": "mobilenet-25",
        "data": "d",
        "run": "r",
        "primary": True,
        "tested": True,
        "expected": CLAIMS[claim].expected,
        "what": asked.outcome,
        "a": a,
        "b": b,
        "n": 100,
        "seeds": 3,
        "low": low,
        "high": high,
        "mean": (low + high) / 2,
        "difference": (low + high) / 2,
        "error": (high - low) / 2 / t,
        "df": DF,
        "other": sum(other) / 2,
        "other_error": (other[1] - other[0]) / 2 / t,
        "other_df": DF,
        **changes,
    }


def verdict(*rows):
    """Return the row of verdicts of the claim and network that the first of the rows is of."""
    network = next(network for network in RULES.networks if network.key == rows[0]["network"])
    one = RULES._replace(claims=(CLAIMS[rows[0]["claim"]],), networks=(network,))
    return claims.verdicts(claims.judged(pd.DataFrame(rows)), one).iloc[0]


def every(claim, *intervals, **changes):
    """Return the verdict on a claim whose primary comparisons have these intervals."""
    return verdict(*(row(claim, *each, place=place, **changes) for place, each in enumerate(intervals)))


@pytest.mark.parametrize(
    ("claim", "low", "high", "found"),
    [
        ("late above dense", 0.001, 0.9, S),
        ("late above dense", 0.001, 0.02, S),  # the direction comes before the size
        ("late above dense", -0.02, -0.001, C),
        ("late above dense", -0.029, 0.029, N),
        ("late above dense", 0.0, 0.02, N),  # 0 itself is not left out
        ("late above dense", -0.029, 0.031, U),
        ("masked: accuracy", -0.05, -0.001, S),
        ("masked: accuracy", 0.001, 0.05, C),
        ("masked: accuracy", -0.019, 0.019, N),
        ("masked: accuracy", -0.021, 0.019, U),  # within the margin of scores, not of accuracies
        ("all like late", -0.02, 0.029, S),
        ("all like late", 0.01, 0.02, S),
        ("all like late", 0.031, 0.05, C),
        ("all like late", -0.05, -0.031, C),
        ("all like late", -0.05, -0.029, U),
        ("flat", -0.019, 0.019, S),
        ("flat", 0.01, 0.021, U),
        ("flat", 0.021, 0.03, C),
    ],
)
def test_what_one_comparison_finds(claim, low, high, found):
    assert claims.finding(row(claim, low, high)) == found


@pytest.mark.parametrize(
    ("low", "high", "other", "found"),
    [
        (0.01, 0.05, (0.001, 0.02), S),
        (0.01, 0.05, (-0.001, 0.02), S),  # the others' mean need not be sure
        (-0.05, -0.01, (-0.02, -0.01), S),
        (0.01, 0.05, (-0.02, -0.001), C),
        (0.01, 0.05, (-0.02, 0.001), U),  # both must be sure to disagree
        (-0.01, 0.05, (-0.02, -0.001), U),
        (-0.01, 0.05, (0.01, 0.02), U),
    ],
)
def test_whether_an_explainer_agrees_with_the_others(low, high, other, found):
    assert claims.finding(row("explainers agree", low, high, other=other)) == found


@pytest.mark.parametrize(("share", "found"), [(0.95, S), (0.949, C), (np.nan, U)])
def test_settled_is_a_share_of_draws(share, found):
    assert claims.finding(row("settles", np.nan, np.nan, share=share)) == found


def test_few_images_no_interval_and_nothing_to_learn():
    """19 images decide nothing; without an interval nothing is known; a run that could not learn tests nothing."""
    assert claims.finding(row("late above dense", 0.1, 0.2, n=19)) == U
    assert claims.finding(row("late above dense", 0.1, 0.2, n=20)) == S
    assert claims.finding(row("late above dense", np.nan, np.nan)) == U
    assert claims.finding(row("late above dense", 0.1, 0.2, tested=False)) == claims.NOT_TESTED
    assert np.isnan(claims.against(row("late above dense", -0.2, -0.1, tested=False)))


def test_every_explainer_has_to_support_a_claim_of_all_of_them():
    """Four that rise; three that rise and one that is not known; three and one without a difference that counts."""
    up = (0.01, 0.02)
    assert every("late above dense", up, up, up, up)["verdict"] == S
    assert every("late above dense", up, up, up, (-0.05, 0.05))["verdict"] == U
    none = every("late above dense", up, up, up, (-0.01, 0.02))
    assert (none["verdict"], none["whom"]) == (N, "lime")
    assert every("late above dense", up, up, up)["verdict"] == U  # one was not run
    assert every("late above dense", *[(-0.01, 0.02)] * 4)["verdict"] == N


def test_one_that_contradicts_is_enough_if_it_survives_holm():
    """Of four, the least p value counts four times: an interval that just leaves out 0 does not refute the claim."""
    sure = every("late above dense", (0.1, 0.2), (0.1, 0.2), (0.1, 0.2), (-0.3, -0.2))
    assert (sure["verdict"], sure["whom"]) == (C, "lime")
    own = claims.against(row("late above dense", -0.3, -0.2))
    assert sure["p_holm"] == pytest.approx(4 * own)
    just = every("late above dense", (0.1, 0.2), (0.1, 0.2), (0.1, 0.2), (-0.2, -0.001))
    assert (just["verdict"], just["whom"]) == (U, "")
    # What is not contradicted after the correction may still be no difference that counts.
    assert every("late above dense", (0.1, 0.2), (0.1, 0.2), (0.1, 0.2), (-0.02, -0.0001))["verdict"] == N
    # A claim of one comparison has nothing to correct for.
    assert every("masked: score", (-0.2, -0.001))["verdict"] == C
    # It contradicts what is missing, too.
    assert every("late above dense", (-0.3, -0.2))["verdict"] == C


def test_likeness_of_all_strategies():
    """Flat: within two points for all four; one that fell by five denies it, one that may have leaves it open."""
    near = (-0.01, 0.01)
    assert every("flat", near, near, near, near)["verdict"] == S
    fell = every("flat", near, near, near, (-0.06, -0.04))
    assert (fell["verdict"], fell["whom"]) == (C, "all, last epoch less first epoch")
    assert every("flat", near, near, near, (-0.06, 0.01))["verdict"] == U
    # Just beyond the margin does not survive Holm's correction over four.
    assert every("flat", near, near, near, (0.021, 0.1))["verdict"] == U
    # There is no "no difference that counts" beside likeness.
    assert every("masked: nothing", near, (-0.01, 0.05))["verdict"] == U
    assert every("masked: nothing", near, near)["verdict"] == S


def test_explainers_that_agree_lie_on_one_side():
    """All up, all down; one of them not sure; one that is sure of the contrary of the others' mean."""
    up, down, both = (0.01, 0.05), (-0.05, -0.01), (-0.05, 0.05)

    def told(*intervals):
        return verdict(
            *(
                row("explainers agree", *each, place=place, other=np.mean(np.delete(intervals, place, 0), axis=0))
                for place, each in enumerate(intervals)
            )
        )

    assert told(up, up, up, up)["verdict"] == told(down, down, down, down)["verdict"] == S
    assert told(up, up, up, both)["verdict"] == U
    against = told(up, up, up, down)
    assert (against["verdict"], against["whom"]) == (C, "lime")


def test_not_tested_and_not_run():
    """Where no comparison had anything to learn; where some had, a claim of all of them stays open."""
    up = (0.01, 0.02)
    assert every("late above dense", *[up] * 4, tested=False)["verdict"] == claims.NOT_TESTED
    rows = [row("late above dense", *up, place=place, tested=place > 0) for place in range(4)]
    assert verdict(*rows)["verdict"] == U
    found = claims.verdicts(claims.judged(pd.DataFrame(rows)))
    rest = found[(found["claim"] != "late above dense") | (found["network"] != "mobilenet-25")]
    assert set(rest["verdict"]) == {claims.NOT_RUN}
    empty = claims.verdicts(claims.judged(pd.DataFrame([], columns=comparisons.COLUMNS)))
    assert set(empty["verdict"]) == {claims.NOT_RUN}


def test_what_is_shown_beside_decides_nothing():
    """Another explainer that says the contrary leaves the verdict, and Holm's correction, as they are."""
    primary = row("masked: score", -0.2, -0.001)
    beside = row("masked: score", 0.1, 0.2, primary=False, what="lime")
    alone, both = verdict(primary), verdict(primary, beside)
    pd.testing.assert_series_equal(alone, both)
    assert both["verdict"] == C


def test_a_claim_that_has_nothing_to_do_with_it_changes_nothing():
    """Neither a verdict nor a p value: corrections stay within a claim and a network."""
    rows = [row("late above dense", -0.2, -0.05, place=place) for place in range(4)]
    others = [row("flat", -0.2, 0.2), row("late above dense", -0.2, 0.1, network="vgg16-160")]
    pd.testing.assert_series_equal(verdict(*rows), verdict(*rows, *others))


@pytest.mark.parametrize(("up", "down"), [("masked: score", "masked: accuracy"), ("flat", "flat")])
def test_the_other_sign_of_the_other_direction_is_the_same_finding(up, down):
    """A claim of more of a difference, and one of less of its negative, read alike."""
    for low, high in np.random.default_rng(0).uniform(-0.1, 0.1, (50, 2)):
        low, high = sorted((low, high))
        one = row(up, low, high, what="accuracy")
        other = row(down, -high, -low, what="accuracy")
        assert claims.finding(one) == claims.finding(other)
        assert claims.against(one) == pytest.approx(claims.against(other))


@pytest.mark.parametrize("claim", ["late above dense", "flat", "masked: accuracy", "all like late"])
def test_a_shorter_interval_never_leaves_open_what_a_longer_one_decides(claim):
    """About the same differences, as the intervals shrink, a verdict may change once it is sure, and never opens."""
    places = range(len(CLAIMS[claim].primary))
    for differences in np.random.default_rng(0).uniform(-0.06, 0.06, (10, len(places))):
        found = [
            every(claim, *[(each - half, each + half) for each in differences])["verdict"]
            for half in (0.2, 0.05, 0.02, 0.01, 0.001)
        ]
        decided = [verdict != U for verdict in found]
        assert decided == sorted(decided), found


def test_the_board_has_nine_lines_and_says_what_is_small():
    """A row a claim, a column a network; small is said of a difference that is found and lies within the margin."""
    rows = [row("late above dense", 0.01, 0.02, place=place) for place in range(4)]
    rows += [row("masked: score", 0.1, 0.2), row("flat", -0.01, 0.01, place=0)]
    board = claims.board(claims.verdicts(claims.judged(pd.DataFrame(rows))))
    assert len(board) == 9
    told = board["MobileNet 0.25"]
    assert told.iloc[1] == "supported (small)"
    assert told.iloc[6] == "supported"
    assert told.iloc[0] == "undecided"
    assert board.index[1].startswith('<a href="#claim-late-above-dense">Training blocks 4 and 5')
    assert board.loc[board.index[0], "MobileNet 0.25 on Oxford-IIIT Pet"] == ""


def test_what_a_page_quotes_of_the_networks_that_count():
    """The verdict, and the numbers that it rests on: from end to end where there are several."""
    rows = [row("late above dense", 0.01, 0.02, place=0), row("late above dense", 0.01, 0.05, place=1)]
    texts = claims.quoted(claims.verdicts(claims.judged(pd.DataFrame([*rows, row("masked: score", 0.1, 0.2)]))))
    assert texts["verdict_masked--score_mobilenet-25"] == "supported"
    assert texts["why_masked--score_mobilenet-25"] == "+0.150 (+0.100 to +0.200), 100 images, 3 seeds"
    late = "+0.015 to +0.030 (+0.010 to +0.050), 100 images, 3 seeds"
    assert texts["why_late-above-dense_mobilenet-25"] == late
    assert (texts["verdict_flat_vgg16-160"], texts["why_flat_vgg16-160"]) == ("not run", "")
    assert len(texts) == 2 * 9 * 2


def test_the_table_of_comparisons_as_it_is_read():
    """A difference with its interval, the finding, whether it decides, and whether its seeds are another network's."""
    shown = claims.shown(claims.judged(pd.DataFrame([row("masked: score", 0.1, 0.2, borrowed=True)])))
    ((claim, network, compared, what),) = shown.index
    assert (claim, network, compared, what) == ("masked: score", "MobileNet 0.25", "masked less original", "grad_cam")
    told = shown.iloc[0][["decides", "borrowed", "difference", "finding"]].tolist()
    assert told == ["yes", "yes", "0.150 (0.100 to 0.200)", S]
