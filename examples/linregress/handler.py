"""Fits a straight line through points: a script of a data scientist as a function."""

import json

from scipy.stats import linregress


def lambda_handler(event, context):
    try:
        x, y = event["x"], event["y"]
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


def answer(status, body):
    return {"statusCode": status, "body": json.dumps(body)}
