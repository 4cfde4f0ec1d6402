"""CSV that a spreadsheet shows and does not run."""

import io
from pathlib import Path

import pandas as pd
import pytest

from rrr_utils.common import spreadsheets
from rrr_utils.statistics import summaries


@pytest.mark.parametrize(
    "text",
    [
        *("=cmd|' /C calc'!A0", "@SUM(1)", "+1+cmd|x!A", "-2+3+cmd|' /C calc'!A0"),
        *(" =1", "\t=1", "\r=1", "\uff1d1", "-x", "="),
    ],
)
def test_a_text_that_would_run_is_shown(text):
    """As other programs do it: an apostrophe in front."""
    assert spreadsheets.cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "value",
    ["cat/1", "-0.25", "1e-3", "-1.5e-07", "-3 %", "-0.05 to 0.02", "+12", "a=b", "", -0.25, 3, None, "'quoted"],
)
def test_plain_names_and_numbers_stay(value):
    """Also negative numbers, shares and intervals."""
    assert spreadsheets.cell(value) == value


def test_a_table_keeps_its_rows():
    """Names of columns are disarmed too, and numbers have their decimals."""
    table = pd.DataFrame({"=name": ["=1", "cat"], "mean": [-0.25, float("nan")]})
    assert spreadsheets.csv(table) == "'=name,mean\n'=1,-0.250000\ncat,\n"
    plain = pd.DataFrame({"image": ["cat/1"], "score": [0.123456789], "n": [5]})
    text = spreadsheets.csv(plain)
    assert text == plain.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    assert pd.read_csv(io.StringIO(text))["n"].tolist() == [5]


def test_what_the_project_writes_is_disarmed(tmp_path, monkeypatch):
    """The CSV below a figure of the book, and the summary of a study."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "book" / "_ext")
    import figure_data

    row = "<tr><th>0</th><td>=cmd|x!A</td><td>-0.5</td></tr>"
    page = f"<table><thead><tr><th></th><th>image</th><th>area</th></tr></thead><tbody>{row}</tbody></table>"
    assert figure_data._csv(page) == ",image,area\n0,'=cmd|x!A,-0.5\n"
    table = pd.DataFrame({"network": ["=cmd|x!A"], "mean": [-0.5]})
    assert summaries.write_summary({"scores": table}, tmp_path)[0].read_text() == "network,mean\n'=cmd|x!A,-0.500000\n"
