"""Run with: pip install -r requirements.txt pytest && pytest"""

import math

import pandas
import pytest

from features import features


def test_features_of_a_series():
    found = features(pandas.Series([1.0, 2.0, 4.0]))
    assert found["count"] == 3
    assert found["mean"] == pytest.approx(7 / 3)
    assert found["abs_energy"] == 21
    assert found["mean_abs_change"] == 1.5


def test_one_value_has_no_spread():
    found = features(pandas.Series([3.0]))
    assert found["mean"] == 3
    assert math.isnan(found["std"]) and math.isnan(found["mean_abs_change"])
