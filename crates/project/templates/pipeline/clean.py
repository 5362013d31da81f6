"""Raw data in, clean data out: rows that are not two numbers are left away."""

import csv
import io
import math
import os
import urllib.parse

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        # Keys in these events are encoded as in a form.
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        raw = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        clean, kept, dropped = cleaned(raw)
        # The same name again: what is done twice comes to the same.
        s3.put_object(Bucket=os.environ["LAKE"], Key=f"clean/{key}", Body=clean, ContentType="text/csv")
        print(f"{key}: kept {kept} rows, dropped {dropped}")


def cleaned(raw):
    kept, dropped = [], 0
    for row in csv.DictReader(io.StringIO(raw)):
        try:
            x, y = float(row["x"]), float(row["y"])
        except (KeyError, TypeError, ValueError):
            dropped += 1
            continue
        if math.isfinite(x) and math.isfinite(y):
            kept.append((x, y))
        else:
            dropped += 1
    lines = ["x,y", *(f"{x!r},{y!r}" for x, y in kept)]
    return "\n".join(lines) + "\n", len(kept), dropped
