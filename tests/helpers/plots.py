"""Tables to draw, and what has been drawn, read from the axes."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.container import ErrorbarContainer

from rrr_utils.figures.style import CHANCE

EXPLAINERS = ("grad_cam", "grad_cam_plus_plus", "lime", "occlusion")


def filled(**columns):
    """Return a row for every combination, each with its own mean, interval and chance."""
    table = pd.DataFrame(list(product(*columns.values())), columns=list(columns))
    mean = 0.3 + 0.5 * np.random.default_rng(len(table)).random(len(table))
    return table.assign(mean=mean, low=mean - 0.05, high=mean + 0.08, chance=0.1 + 0.05 * mean)


def drawn(axes, axis="y"):
    """Return label -> (values, lows, highs) of every line with error bars on ``axes``."""
    found = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, (bars,) = container.lines
        side = 0 if axis == "x" else 1
        # matplotlib keeps an empty segment for an interval that is not there.
        ends = np.array([segment[:, side] if np.size(segment) else [np.nan] * 2 for segment in bars.get_segments()])
        values = line.get_xdata() if axis == "x" else line.get_ydata()
        found[container.get_label()] = (np.asarray(values, float), ends.min(1), ends.max(1))
    return found


def columns_of(part):
    return [part[name].to_numpy() for name in ("mean", "low", "high")]


def chance_lines(axes):
    return [line for line in axes.lines if line.get_color() == CHANCE["color"] and len(line.get_xdata())]


def spread(name, value):
    """Return the columns of a value and its interval."""
    return {name: value, f"{name}_low": value - 0.05, f"{name}_high": value + 0.05}


def dots(axes):
    """Return the x values of every line with bars, by its label."""
    return {bar.get_label(): np.asarray(bar[0].get_xdata(), float) for bar in axes.containers}
