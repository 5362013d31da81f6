"""What is computed of each series."""

import pandas


def features(values: pandas.Series):
    """One series in, one number for each feature out: they become columns."""
    return {
        "count": len(values),
        "mean": values.mean(),
        "std": values.std(),
        "abs_energy": (values * values).sum(),
        "mean_abs_change": values.diff().abs().mean(),
    }
