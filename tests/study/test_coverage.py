"""What of a study is published."""

import pandas as pd
import pytest

from rrr_utils.study import jobs
from rrr_utils.study import study_file as study
from rrr_utils.study.coverage import coverage

STUDY = """
name: little
title: Two networks
about: One of them published in part.
data:
  - {name: d, source: confounded, options: {images: 24, size: 32}}
networks:
  - name: small
    architecture: mobilenet
    size: 32
    strategies: [dense, all]
    head: {epochs: 1}
    tuning: {epochs: 2}
  - name: masking
    architecture: mobilenet
    size: 32
    strategies: [head]
    trained_on: [original, masked]
    head: {epochs: 2}
scoring:
  epochs: [0, 2]
  images: 2
  explainers: [{name: grad_cam}]
"""


def table(*runs):
    return pd.DataFrame(runs, columns=["data", "network", "strategy", "trained_on"])


def test_runs_are_counted_and_the_missing_are_named_with_their_cost(tmp_path):
    """One of two strategies is there: the other is left with stage 1, which it starts from; nothing left costs none."""
    (tmp_path / "little.yaml").write_text(STUDY, encoding="utf-8")
    plan = study.load(tmp_path / "little.yaml")
    found = coverage(plan, table(("d", "small", "dense", "original"), ("d", "masking", "head", "original")))
    assert found[["network", "asked", "published"]].to_numpy().tolist() == [["small", 2, 1], ["masking", 2, 1]]
    assert found["not run"].tolist() == ["all (original)", "head (masked)"]
    cost = {job.name: job.cost for job in jobs.of(plan)}
    names = [f"d/small/{s}/original/{n}" for s in ("head", "all") for n in ("02-fine-tuning", "03-scoring")]
    assert found["hours"][0] == pytest.approx(sum(cost[name].seconds for name in names) / 3600)
    assert found["passes"][0] == sum(cost[name].passes for name in names)
    whole = coverage(plan, table(*(("d", "small", s, "original") for s in ("dense", "all"))))
    assert whole.loc[0, ["published", "not run", "hours"]].tolist() == [2, "", 0.0]
    assert coverage(plan, table())["published"].tolist() == [0, 0]
