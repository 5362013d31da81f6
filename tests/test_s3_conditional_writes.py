"""If-Match and If-None-Match on writes: of many who try at once, one wins."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from s3_calls import PART, body_of, etag, keys, refused
from test_s3_multipart import Upload


def test_a_write_that_must_be_the_first(s3, bucket):
    put = {"Bucket": bucket, "Key": "k", "IfNoneMatch": "*"}
    s3.put_object(**put, Body=b"first")
    refused("PreconditionFailed", 412, s3.put_object, **put, Body=b"second")
    refused("PreconditionFailed", 412, s3.put_object, **put, Body=os.urandom(2_000_000))
    assert body_of(s3, bucket, "k") == b"first"
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(**put, Body=b"second")
    assert body_of(s3, bucket, "k") == b"second"


def test_a_write_over_what_was_seen(s3, bucket):
    seen = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    new = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=seen)["ETag"]
    refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"3", IfMatch=seen)
    refused("NoSuchKey", 404, s3.put_object, Bucket=bucket, Key="missing", Body=b"3", IfMatch=seen)
    assert body_of(s3, bucket, "k") == b"2"
    refused("PreconditionFailed", 412, s3.delete_object, Bucket=bucket, Key="k", IfMatch=seen)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["k"]
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=new)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_multipart_uploads_and_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    upload = Upload(s3, bucket)
    part = upload.part(1, b"new")
    refused("PreconditionFailed", 412, upload.complete, parts=[part], IfNoneMatch="*")
    refused("PreconditionFailed", 412, upload.complete, parts=[part], IfMatch=etag(b"other"))
    assert body_of(s3, bucket, "k") == b"old"
    upload.complete([part], IfMatch=etag(b"old"))
    assert body_of(s3, bucket, "k") == b"new"
    source = {"Bucket": bucket, "Key": "k"}
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": source, "IfNoneMatch": "*"}
    s3.copy_object(**copy)
    refused("PreconditionFailed", 412, s3.copy_object, **copy)


@pytest.mark.parametrize("kind", ["put", "put-large", "multipart"])
def test_of_sixteen_one_wins(s3, bucket, kind):
    """In several rounds, because a race that is lost once in ten times looks won."""
    bodies = [b"%d" % n + os.urandom(PART if kind == "multipart" else 50_000 * (kind != "put")) for n in range(16)]
    for attempt in range(2 if kind == "multipart" else 5):
        key = f"k{attempt}"

        def write(body):
            try:
                if kind == "multipart":
                    upload = Upload(s3, bucket, key)
                    upload.complete([upload.part(1, body)], IfNoneMatch="*")
                else:
                    s3.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
                return body
            except ClientError as error:
                answer = error.response
                # 409 is AWS's word for "another is at it".
                assert answer["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"), answer
                return None

        with ThreadPoolExecutor(16) as pool:
            won = [body for body in pool.map(write, bodies) if body is not None]
        assert len(won) == 1
        assert body_of(s3, bucket, key) == won[0]


def test_a_counter_that_many_count_up(s3, bucket):
    """Compare and swap: nothing is lost and nothing counted twice."""
    s3.put_object(Bucket=bucket, Key="n", Body=b"0")

    def count(_):
        while True:
            seen = s3.get_object(Bucket=bucket, Key="n")
            value = int(seen["Body"].read()) + 1
            try:
                s3.put_object(Bucket=bucket, Key="n", Body=b"%d" % value, IfMatch=seen["ETag"])
                return value
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412), error

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(count, range(40)))
    assert sorted(values) == list(range(1, 41))
    assert body_of(s3, bucket, "n") == b"40"
