"""The same computation, run by a CSV that lands in a bucket: the line through its
points is put beside it."""

import csv
import io
import json
from urllib.parse import unquote_plus

import boto3
from scipy.stats import linregress

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        fit = linregress([float(row["x"]) for row in rows], [float(row["y"]) for row in rows])
        result = {"m": float(fit.slope), "c": float(fit.intercept), "rows": len(rows)}
        # Not below raw/: that would run this function again.
        target = key.replace("raw/", "fitted/", 1).removesuffix(".csv") + ".json"
        s3.put_object(Bucket=bucket, Key=target, Body=json.dumps(result), ContentType="application/json")
