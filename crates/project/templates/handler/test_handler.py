"""Run with: pip install -r requirements.txt pytest && pytest"""

import base64
import json

import pytest

from handler import lambda_handler

LINE = {"x": [0, 1, 2, 3], "y": [1, 3, 5, 7]}


def fitted(event):
    answer = lambda_handler(event, None)
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def test_a_line_is_found():
    fit = fitted(LINE)
    assert fit["m"] == pytest.approx(2)
    assert fit["c"] == pytest.approx(1)
    assert fit["r2"] == pytest.approx(1)


def test_the_address_asks_the_same():
    text = json.dumps(LINE)
    plain = {"requestContext": {}, "body": text, "isBase64Encoded": False}
    coded = {"requestContext": {}, "body": base64.b64encode(text.encode()).decode(), "isBase64Encoded": True}
    assert fitted(plain) == fitted(coded) == fitted(LINE)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"x": [1], "y": [1]},
        {"x": [1, 1], "y": [1, 2]},
        {"x": [1, 2], "y": [1]},
        {"x": ["a", "b"], "y": [1, 2]},
        {"x": 1, "y": 2},
        {"requestContext": {}, "body": "no json"},
        {"requestContext": {}},
    ],
)
def test_what_is_no_line_is_refused(event):
    answer = lambda_handler(event, None)
    assert answer["statusCode"] == 400
    assert "message" in json.loads(answer["body"])
