"""CSV that a spreadsheet shows and does not execute."""

import re

import pandas as pd

# What a spreadsheet takes for the beginning of a formula, also as a wide character; it skips spaces before it.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
# A number, a share, an interval: digits and what stands between them.
_NUMBER = re.compile(r"\s*[+-]?[\d.,% ]*(e[+-]?\d+)?( to [+-]?[\d.,% ]+(e[+-]?\d+)?)?\s*", re.IGNORECASE)


def cell(value: object) -> object:
    """Return ``value``; a text that a spreadsheet would run as a formula with an apostrophe in front of it."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def csv(table: pd.DataFrame, decimals: int = 6) -> str:
    """Return ``table`` as CSV without its index; the same rows give the same text."""
    shown = table.map(cell).rename(columns=cell)
    return str(shown.to_csv(index=False, float_format=f"%.{decimals}f", lineterminator="\n"))
