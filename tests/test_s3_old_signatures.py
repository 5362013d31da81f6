"""Signatures of version 2, which old clients still make: boto3 with `signature_version="s3"`."""

import pytest
import requests

import harness
from s3_calls import body_of, refused


@pytest.fixture
def old(engine):
    return engine.client("s3", signature_version="s3")


def test_objects_and_buckets(old, s3, bucket):
    # A bucket's own path is signed with a slash at its end, which the request does not have.
    other = harness.unique("made")
    old.create_bucket(Bucket=other)
    old.head_bucket(Bucket=other)
    old.put_object(Bucket=bucket, Key="a b/ä", Body=b"x", Metadata={"who": "me"}, ContentType="text/plain")
    assert body_of(s3, bucket, "a b/ä") == body_of(old, bucket, "a b/ä") == b"x"
    assert old.list_objects_v2(Bucket=bucket, Prefix="a b/")["KeyCount"] == 1
    assert old.get_bucket_acl(Bucket=bucket)["Grants"]
    answer = old.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a b/ä"}]})
    assert answer["Deleted"] == [{"Key": "a b/ä"}]
    old.delete_bucket(Bucket=other)
    refused("404", 404, s3.head_bucket, Bucket=other)


def test_urls(old, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    url = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert "AWSAccessKeyId=" in url
    assert requests.get(url).content == b"hello"
    assert requests.delete(url).status_code == 403
    listing = requests.get(old.generate_presigned_url("list_objects", {"Bucket": bucket}))
    assert "<Key>k</Key>" in listing.text
