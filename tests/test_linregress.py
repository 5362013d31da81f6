"""`squall model linregress` gives what `scipy.stats.linregress` gives."""

import json
import math

import numpy
import pytest
from scipy import stats

from models_of_r import difference, squall

FIELDS = ("slope", "intercept", "rvalue", "pvalue", "stderr", "intercept_stderr")
# Sums are in another order than numpy's. A p-value far out in the tail multiplies the difference
# of r that it comes from.
BOUND = 1e-11
TAIL = 1e-9


def made():
    random = numpy.random.default_rng(7)
    x = random.normal(size=200)
    yield "noise", x, random.normal(size=200)
    yield "line and noise", x, 3 * x - 2 + random.normal(size=200)
    yield "nearly a line", x, -0.25 * x + 1e-4 * random.normal(size=200)
    yield "a line", numpy.arange(6.0), 2 * numpy.arange(6.0) + 1
    yield "flat", numpy.arange(5.0), numpy.full(5, 3.0)
    yield "two points", numpy.array([1.0, 4.0]), numpy.array([2.0, -7.5])
    yield "two equal points", numpy.array([1.0, 4.0]), numpy.array([2.0, 2.0])
    yield "one point", numpy.array([1.0]), numpy.array([2.0])
    yield "three points", numpy.array([1.0, 2.0, 4.0]), numpy.array([2.0, 2.5, 2.0])
    yield "far from zero", 1e6 + x, 1e5 + 2 * x + random.normal(size=200)
    yield "small numbers", 1e-150 * x, 1e-150 * random.normal(size=200)
    many = random.normal(size=100_000)
    yield "many", many, 0.01 * many + random.normal(size=100_000)


CASES = {name: (x, y) for name, x, y in made()}


def linregress(tmp_path, x, y, *more):
    path = tmp_path / "data.csv"
    rows = "".join(f"{one!r},{other!r}\n" for one, other in zip(x.tolist(), y.tolist()))
    path.write_text("time,value\n" + rows)
    return squall("model", "linregress", path, "--x", "time", "--y", "value", *more)


@pytest.mark.parametrize("case", CASES)
def test_it_is_scipys(case, tmp_path):
    x, y = CASES[case]
    said = linregress(tmp_path, x, y, "--json")
    assert said.code == 0, said.err
    seen, expected = json.loads(said.out), stats.linregress(x, y)
    # Near zero both are what is left of rounding.
    least = {"stderr": 1e-12, "intercept_stderr": 1e-12, "rvalue": 1e-15, "pvalue": 1e-300}
    for field in FIELDS:
        one, other = seen[field], float(getattr(expected, field))
        apart = difference(math.nan if one is None else one, other)
        near = abs(other) < least.get(field, 0) and abs(one) < least[field]
        assert near or apart <= (TAIL if field == "pvalue" else BOUND), (field, one, other)


def test_for_people_it_is_a_table(tmp_path):
    said = linregress(tmp_path, *CASES["a line"])
    assert said.code == 0, said.err
    assert "slope" in said.out and "intercept" in said.out


@pytest.mark.parametrize(
    ("x", "y", "word"),
    [
        ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0], "x"),
        ([], [], "empty"),
    ],
)
def test_what_has_no_line_is_said(x, y, word, tmp_path):
    said = linregress(tmp_path, numpy.array(x), numpy.array(y), "--json")
    assert said.code != 0 and word in said.err and "panicked" not in said.err, said


def test_columns_that_are_not_there_or_no_numbers_are_named(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("time,value\n1,2\n2,many\n3,5\n")
    for y, words in (("value", "value"), ("other", "other")):
        said = squall("model", "linregress", path, "--x", "time", "--y", y)
        assert said.code != 0 and words in said.err, said
