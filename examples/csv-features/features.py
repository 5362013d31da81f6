"""What is computed of each series: one number, or some that become columns."""

import pandas


def features(values: pandas.Series):
    """A few features of a series, which is named after the value column."""
    return {
        "count": len(values),
        "mean": values.mean(),
        "std": values.std(),
        "abs_energy": (values * values).sum(),
        "mean_abs_change": values.diff().abs().mean(),
    }


def total(values: pandas.Series):
    """The sum: what the client compares with pandas."""
    return values.sum()
