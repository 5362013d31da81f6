"""Objects through boto3: what is put is what comes back, in whole and in part, with
everything that was said about it."""

import datetime
import os

import pytest

from s3_calls import ODD_KEYS, body_of, etag, keys, refused

NOW = datetime.datetime.now(datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
TEXT = b"0123456789"


@pytest.mark.parametrize("size", [0, 1, 32767, 32768, 32769, 65537, (1 << 20) + 1, 9_000_001])
def test_every_size_comes_back(s3, bucket, size):
    body = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert put["ETag"] == etag(body)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert (got["ContentLength"], got["ETag"]) == (size, etag(body))
    assert (got["AcceptRanges"], got["ContentType"]) == ("bytes", "binary/octet-stream")
    assert abs(got["LastModified"] - datetime.datetime.now(datetime.timezone.utc)) < HOUR
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentLength"], head["ETag"]) == (size, etag(body))


def test_equal_content_under_two_keys_lives_on_when_one_goes(s3, bucket):
    body = os.urandom(100_000)
    for key in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    s3.delete_object(Bucket=bucket, Key="one")
    assert body_of(s3, bucket, "two") == body
    s3.put_object(Bucket=bucket, Key="two", Body=b"other")
    s3.put_object(Bucket=bucket, Key="one", Body=body)
    assert body_of(s3, bucket, "one") == body


def test_every_odd_key_is_taken_and_given_back(s3, bucket):
    for key in ODD_KEYS:
        assert s3.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"] == etag(key.encode()), key
    assert keys(s3.list_objects_v2(Bucket=bucket)) == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        assert body_of(s3, bucket, key) == key.encode()
        copied = {"Bucket": bucket, "Key": key}
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=copied)
        assert body_of(s3, bucket, "copy") == key.encode()
    s3.delete_object(Bucket=bucket, Key="copy")
    # boto3 writes it into XML as it is, where it means a new line.
    one_by_one = [key for key in ODD_KEYS if "\r" in key]
    for key in one_by_one:
        s3.delete_object(Bucket=bucket, Key=key)
    objects = [{"Key": key} for key in ODD_KEYS if key not in one_by_one]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert sorted(entry["Key"] for entry in deleted["Deleted"]) == sorted(entry["Key"] for entry in objects)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_headers_and_metadata_come_back(s3, bucket):
    expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    given = {
        "ContentType": "text/csv; charset=utf-8",
        "ContentEncoding": "gzip",
        "ContentDisposition": 'attachment; filename="a b.csv"',
        "ContentLanguage": "de",
        "CacheControl": "max-age=60",
    }
    metadata = {"plain": "value", "Mixed-Case": "Value", "empty": "", "blanks": "a  b"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=expires, Metadata=metadata, **given)
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in given} == given
        assert answer["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
        assert answer["Metadata"] == {name.lower(): value for name, value in metadata.items()}
    # An object that is put again keeps nothing of the one before.
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    again = s3.head_object(Bucket=bucket, Key="k")
    assert again["Metadata"] == {} and "CacheControl" not in again


def test_a_get_may_ask_for_other_headers(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    got = s3.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentType="text/html",
        ResponseContentDisposition="inline",
        ResponseCacheControl="no-store",
    )
    assert (got["ContentType"], got["ContentDisposition"], got["CacheControl"]) == ("text/html", "inline", "no-store")


def test_too_much_metadata_is_refused(s3, bucket):
    refused("MetadataTooLarge", 400, s3.put_object, Bucket=bucket, Key="k", Metadata={"a": "x" * 2049})
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k")


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-100", TEXT, "bytes 0-9/10"),
        ("bytes=8-1000", b"89", "bytes 8-9/10"),
    ],
)
def test_ranges(s3, bucket, asked, expected, content_range):
    s3.put_object(Bucket=bucket, Key="k", Body=TEXT)
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert got["Body"].read() == expected
    assert (got["ContentRange"], got["ContentLength"]) == (content_range, len(expected))
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ETag"] == etag(TEXT)
    head = s3.head_object(Bucket=bucket, Key="k", Range=asked)
    assert head["ContentLength"] == len(expected)


def test_ranges_across_the_pieces_of_a_large_object(s3, bucket):
    body = os.urandom(3_000_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    for first, last in ((0, 0), (65_535, 65_536), (1_048_575, 2_097_153), (2_999_999, 2_999_999)):
        assert body_of(s3, bucket, "k", Range=f"bytes={first}-{last}") == body[first : last + 1]


def test_ranges_that_nobody_can_serve(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=TEXT)
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    for key, asked in (("k", "bytes=10-"), ("k", "bytes=10-12"), ("k", "bytes=-0"), ("empty", "bytes=0-")):
        refused("InvalidRange", 416, s3.get_object, Bucket=bucket, Key=key, Range=asked)
    # What is no range is no reason to refuse: the whole object is the answer.
    for asked in ("bytes=4-2", "bytes=abc", "lines=1-2"):
        assert body_of(s3, bucket, "k", Range=asked) == TEXT, asked


@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_conditional_reads(s3, bucket, method):
    good = s3.put_object(Bucket=bucket, Key="k", Body=TEXT)["ETag"]
    ask = getattr(s3, method)
    failed = "PreconditionFailed" if method == "get_object" else "412"

    def reads(**conditions):
        assert ask(Bucket=bucket, Key="k", **conditions)["ETag"] == good

    def fails(status, **conditions):
        refused("304" if status == 304 else failed, status, ask, Bucket=bucket, Key="k", **conditions)

    reads(IfMatch=good)
    reads(IfMatch=good.strip('"'))
    reads(IfMatch="*")
    reads(IfNoneMatch='"other"')
    reads(IfModifiedSince=NOW - HOUR)
    reads(IfUnmodifiedSince=NOW + HOUR)
    fails(412, IfMatch='"other"')
    fails(304, IfNoneMatch=good)
    fails(304, IfModifiedSince=s3.head_object(Bucket=bucket, Key="k")["LastModified"])
    fails(412, IfUnmodifiedSince=NOW - HOUR)
    # Entity tags count for more than dates.
    reads(IfMatch=good, IfUnmodifiedSince=NOW - HOUR)
    fails(304, IfNoneMatch=good, IfModifiedSince=NOW - HOUR)


def test_what_is_not_there(s3, bucket):
    answer = refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="missing")
    assert answer["Error"]["Key"] == "missing"
    refused("404", 404, s3.head_object, Bucket=bucket, Key="missing")
    answer = refused("NoSuchBucket", 404, s3.get_object, Bucket=bucket + "-not", Key="k")
    assert answer["Error"]["BucketName"] == bucket + "-not"
    refused("NoSuchBucket", 404, s3.put_object, Bucket=bucket + "-not", Key="k", Body=b"x" * 100_000)
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=bucket + "-not")
    assert s3.delete_object(Bucket=bucket, Key="missing")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=two%20words")
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2

    def tags():
        answer = s3.get_object_tagging(Bucket=bucket, Key="k")
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    assert tags() == {"a": "1", "b": "two words"}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "ü"}]})
    assert tags() == {"c": "ü"}
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert tags() == {}
    eleven = [{"Key": f"k{n}", "Value": ""} for n in range(11)]
    refused("BadRequest", 400, s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": eleven})
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    refused("InvalidTag", 400, s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": twice})
    refused("NoSuchKey", 404, s3.get_object_tagging, Bucket=bucket, Key="missing")
    assert tags() == {}


def test_copies(s3, bucket):
    source = {"Bucket": bucket, "Key": "source ä+%"}
    body = os.urandom(50_000)
    s3.put_object(**source, Body=body, ContentType="text/x", Metadata={"m": "1"}, Tagging="t=1")
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == etag(body)
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"], got["TagCount"]) == (body, "text/x", {"m": "1"}, 1)

    s3.copy_object(
        Bucket=bucket,
        Key="copy",
        CopySource=source,
        MetadataDirective="REPLACE",
        ContentType="text/y",
        Metadata={"n": "2"},
        TaggingDirective="REPLACE",
        Tagging="u=2&v=3",
    )
    got = s3.head_object(Bucket=bucket, Key="copy")
    assert (got["ContentType"], got["Metadata"]) == ("text/y", {"n": "2"})
    assert len(s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"]) == 2

    # Onto itself it must change something.
    refused("InvalidRequest", 400, s3.copy_object, **source, CopySource=source)
    s3.copy_object(**source, CopySource=source, MetadataDirective="REPLACE", Metadata={"m": "3"})
    assert s3.head_object(**source)["Metadata"] == {"m": "3"}
    assert body_of(s3, **{"bucket": bucket, "key": source["Key"]}) == body


def test_copies_that_are_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=TEXT)
    source = {"Bucket": bucket, "Key": "source"}

    def copy(source, **more):
        return {"call": s3.copy_object, "Bucket": bucket, "Key": "copy", "CopySource": source, **more}

    refused("NoSuchKey", 404, **copy({"Bucket": bucket, "Key": "missing"}))
    refused("NoSuchBucket", 404, **copy({"Bucket": bucket + "-not", "Key": "source"}))
    refused("PreconditionFailed", 412, **copy(source, CopySourceIfMatch='"other"'))
    refused("PreconditionFailed", 412, **copy(source, CopySourceIfNoneMatch=etag(TEXT)))
    refused("PreconditionFailed", 412, **copy(source, CopySourceIfUnmodifiedSince=NOW - HOUR))
    refused("404", 404, s3.head_object, Bucket=bucket, Key="copy")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, CopySourceIfMatch=etag(TEXT))
    assert body_of(s3, bucket, "copy") == TEXT


def test_many_are_deleted_at_once(s3, bucket):
    for n in range(3):
        s3.put_object(Bucket=bucket, Key=f"k{n}", Body=b"x")
    objects = [{"Key": f"k{n}"} for n in range(1000)]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    # What was not there is deleted, too.
    assert len(deleted["Deleted"]) == 1000 and "Errors" not in deleted
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []
    s3.put_object(Bucket=bucket, Key="k0", Body=b"x")
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    one_more = [*objects, {"Key": "one more"}]
    refused("MalformedXML", 400, s3.delete_objects, Bucket=bucket, Delete={"Objects": one_more})


def test_attributes(s3, bucket):
    body = os.urandom(1000)
    s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm="SHA256")
    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    # Without quotes here, and here only.
    assert got["ETag"] == etag(body).strip('"')
    assert (got["ObjectSize"], got["StorageClass"]) == (1000, "STANDARD")
    assert got["Checksum"]["ChecksumSHA256"]
    assert "ObjectParts" not in got
