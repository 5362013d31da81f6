"""Fits a straight line through points: a script of a data scientist as a function.

Called by `squall invoke`, the event is `{"x": [...], "y": [...]}`; called by its
address, that is the body of the request.
"""

import base64
import json

from scipy.stats import linregress


def lambda_handler(event, context):
    try:
        points = asked(event)
        x, y = points["x"], points["y"]
        if len(x) != len(y) or len(set(x)) < 2:
            raise ValueError("there must be as many x as y, and two different x")
        fit = linregress(x, y)
    except (KeyError, TypeError, ValueError) as error:
        return answer(400, {"message": f"x and y must be lists of numbers: {error}"})
    return answer(
        200,
        {
            "m": float(fit.slope),
            "c": float(fit.intercept),
            "r2": float(fit.rvalue) ** 2,
            "p": float(fit.pvalue),
            "se": float(fit.stderr),
        },
    )


def asked(event):
    """What was asked, however it came."""
    if "requestContext" not in event:
        return event
    body = event.get("body") or "{}"
    return json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)


def answer(status, body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
