"""Tables to draw, and what has been drawn, read from the axes."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.container import ErrorbarContainer

EXPLAINERS = ("grad_cam", "grad_cam_plus_plus", "lime", "occlusion")


def filled(**columns):
    """Return a row for every combination, each with its own mean, interval and chance."""
    table = pd.DataFrame(list(product(*columns.values())), columns=list(columns))
    mean = 0.3 + 0.5 * np.random.default_rng(len(table)).random(len(table))
    return table.assign(mean=mean, low=mean - 0.05, high=mean + 0.08, chance=0.2)


def bars_of(axes, axis="y"):
    """Return label -> (values, lows, highs) of every line with error bars on ``axes``."""
    found = {}
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            line, _, (bars,) = container.lines
            ends = np.array([segment[:, 0 if axis == "x" else 1] for segment in bars.get_segments()])
            values = line.get_xdata() if axis == "x" else line.get_ydata()
            found[container.get_label()] = (np.asarray(values, float), ends.min(1), ends.max(1))
    return found


def spread(name, value):
    """Return the columns of a value and its interval."""
    return {name: value, f"{name}_low": value - 0.05, f"{name}_high": value + 0.05}


def dots(axes):
    """Return the x values of every line with bars, by its label."""
    return {bar.get_label(): np.asarray(bar[0].get_xdata(), float) for bar in axes.containers}
