"""Remedies: what each changes in accuracy and in the score, dots with intervals around plain training."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrr_utils.figures.style import BACKGROUND_LABELS, CHANCE, STYLE, bars, check, percent, present, theme

LABELS = {
    "masked": "random pixels behind",
    "swapped": "backgrounds swapped",
    "right-reasons": "right-reasons loss",
    "cam-energy": "Grad-CAM on the object",
    "cgc": "Grad-CAM consistency",
    "explanation-guided": "explanation-guided",
    "input-dropout": "input dropout",
    "ensemble": "ensemble",
    "counterexamples": "counterexamples",
}
# Colours of Okabe and Ito, by background.
_BACKGROUNDS = {
    "original": ("#000000", "o"),
    "random": ("#56B4E9", "s"),
    "other": ("#0072B2", "D"),
    "mean": ("#E69F00", "^"),
    "free": ("#CC79A7", "v"),
}


_GAIN = "#0072B2"


def remedies(table: pd.DataFrame) -> Figure:
    """Return two panels, one row a remedy: the change in accuracy by background, and in the score by explainer.

    Parameters
    ----------
    table
        ``remedy``, ``kind`` ("accuracy" or "score"), ``what``, ``difference``, ``low``, ``high`` and ``taught``, as
        ``statistics.differences`` gives them. What a remedy was taught is drawn hollow.

    Raises
    ------
    ValueError
        If a column is missing, a remedy, background or explainer is unknown, or two rows would be drawn in one place.
    """
    check(table, ["difference", "low", "high", "taught"], ["remedy", "kind", "what"])
    rows = present(table, "remedy", list(LABELS))
    with theme():
        figure, panels = plt.subplots(1, 2, sharey=True, figsize=(9.2, 1.9 + 0.62 * len(rows)), layout="constrained")
        accuracy, score = (table[table["kind"] == kind] for kind in ("accuracy", "score"))
        names = {key: label.replace("\n", " ") for key, label in BACKGROUND_LABELS.items()}
        _dots(panels[0], accuracy, rows, {key: (names[key], *look) for key, look in _BACKGROUNDS.items()})
        looks = {key: (style.label, style.colour, style.marker) for key, style in STYLE["explainer"].items()}
        _dots(panels[1], score, rows, looks)
        for axes, label in zip(panels, ("accuracy minus plain training's", "score minus plain training's")):
            axes.axvline(0, **CHANCE)
            axes.set_xlabel(label)
            axes.grid(axis="y", visible=False)
            percent(axes.xaxis)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, fontsize=8)
        panels[0].set_yticks(range(len(rows)), [LABELS[name] for name in rows])
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure


def _dots(axes: Axes, table: pd.DataFrame, rows: list[str], looks: dict[str, tuple[str, str, str]]) -> None:
    columns = present(table, "what", list(looks))
    for place, column in enumerate(columns):
        label, colour, marker = looks[column]
        part = table[table["what"] == column].set_index("remedy").reindex(rows)
        part = part.rename(columns={"difference": "mean"})
        y = np.arange(len(rows)) + 0.7 / len(columns) * (place - (len(columns) - 1) / 2)
        axes.errorbar(part["mean"], y, xerr=bars(part), color=colour, linestyle="none", elinewidth=1.3)
        taught = part["taught"].fillna(False).to_numpy(bool)
        for hollow in (False, True):
            axes.plot(
                part["mean"].to_numpy(float)[taught == hollow],
                y[taught == hollow],
                marker=marker,
                markersize=5.5,
                color=colour,
                markerfacecolor="white" if hollow else colour,
                linestyle="none",
                label=None if hollow else label,
            )


def gains(table: pd.DataFrame) -> Figure:
    """Return one panel a run, one row a remedy: what it gains behind changed backgrounds, and how long it trains.

    Parameters
    ----------
    table
        ``run``, ``remedy``, ``times`` (an epoch's time as a multiple of plain training, written beside the row),
        ``shifted`` with ``shifted_low`` and ``shifted_high`` (accuracy behind changed backgrounds minus plain
        training's) and ``helps``, as ``claims.verdicts`` gives them. Filled dots help.

    Raises
    ------
    ValueError
        If a column is missing, a remedy is unknown, or two rows would be drawn in one place.
    """
    check(table, ["times", "shifted", "shifted_low", "shifted_high", "helps"], ["run", "remedy"])
    rows = present(table, "remedy", list(LABELS))
    runs = list(dict.fromkeys(table["run"]))
    with theme():
        size = (2.2 + 2.5 * len(runs), 1.0 + 0.34 * len(rows))
        figure, panels = plt.subplots(1, len(runs), sharey=True, squeeze=False, figsize=size, layout="constrained")
        for axes, run in zip(panels[0], runs):
            part = table[table["run"] == run].set_index("remedy").reindex(rows)
            part = part.rename(columns={"shifted": "mean", "shifted_low": "low", "shifted_high": "high"})
            y = np.arange(len(rows))
            axes.axvline(0, **CHANCE)
            axes.errorbar(part["mean"], y, xerr=bars(part), color=_GAIN, linestyle="none", elinewidth=1.3)
            for helps in (True, False):
                chosen = (part["helps"] == "helps").to_numpy() == helps
                axes.plot(
                    part["mean"].to_numpy(float)[chosen],
                    y[chosen],
                    "o",
                    color=_GAIN,
                    markerfacecolor=_GAIN if helps else "white",
                )
            for place, times in zip(y, part["times"]):
                if np.isfinite(times):
                    axes.annotate(f"{times:.1f}\u00d7", (1, place), (4, 0), xycoords=("axes fraction", "data"),
                                  textcoords="offset points", va="center", fontsize=8)  # fmt: skip
            axes.set_title(run, fontsize=9)
            axes.grid(axis="y", visible=False)
            percent(axes.xaxis)
        panels[0][0].set_yticks(range(len(rows)), [LABELS[name] for name in rows])
        panels[0][0].set_ylim(len(rows) - 0.5, -0.5)
        figure.supxlabel("accuracy behind changed backgrounds minus plain training's", fontsize=10)
    return figure
