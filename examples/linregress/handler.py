"""Fits a straight line through points: a script of a data scientist as a function."""

import json

from scipy.stats import linregress


def lambda_handler(event, context):
    try:
        fit = linregress(event["x"], event["y"])
    except (KeyError, TypeError, ValueError) as error:
        return answer(400, {"message": f"x and y must be lists of as many numbers: {error}"})
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
