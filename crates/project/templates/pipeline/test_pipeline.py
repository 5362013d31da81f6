"""Run with: pip install -r requirements.txt pytest && pytest

What the functions compute; how they find each other is tried by deploying them.
"""

import json
import os

import pytest

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from clean import cleaned  # noqa: E402
from predict import asked, handler  # noqa: E402
from refit import fitted, table  # noqa: E402


def test_rows_that_make_no_sense_are_dropped():
    text, kept, dropped = cleaned("x,y\n1,2\n2,oops\n3,inf\n,4\n5,6\n7\n")
    assert (text, kept, dropped) == ("x,y\n1.0,2.0\n5.0,6.0\n", 2, 4)


def test_a_table_without_the_columns_is_empty():
    assert cleaned("a,b\n1,2\n") == ("x,y\n", 0, 1)
    assert cleaned("") == ("x,y\n", 0, 0)
    assert table("x,y\n").shape == (0, 2)


def test_a_line_is_fitted_to_what_was_cleaned():
    model = fitted(table(cleaned("x,y\n1,2\n2,4\n3,oops\n4,8\n")[0]))
    assert model["slope"] == pytest.approx(2)
    assert model["intercept"] == pytest.approx(0, abs=1e-9)
    assert model["rows"] == 3


@pytest.mark.parametrize("text", ["x,y\n", "x,y\n1,2\n", "x,y\n1,2\n1,3\n"])
def test_too_few_points_are_no_line(text):
    assert fitted(table(text)) is None


@pytest.mark.parametrize(
    "event",
    [{"x": 3}, {"x": "3"}, {"requestContext": {}, "queryStringParameters": {"x": "3"}}],
)
def test_a_number_may_come_both_ways(event):
    assert asked(event) == 3


@pytest.mark.parametrize("event", [{}, {"x": "a"}, {"x": None}, {"requestContext": {}, "x": 3}])
def test_a_request_without_a_number_is_refused(event):
    answer = handler(event, None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"]) == {"message": "x must be a number"}
