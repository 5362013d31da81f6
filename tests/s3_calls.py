"""What the tests of S3 share: refusals, odd keys, raw requests."""

import hashlib
import urllib.parse

import pytest
from botocore.exceptions import ClientError

import harness

# As short as a part may be that is not the last one.
PART = 5 << 20

# Every one of these is a key that S3 takes and gives back as it is.
ODD_KEYS = [
    "plain",
    "a b",
    " leading and trailing ",
    "a+b",
    "a%20b",
    "%2F",
    "%",
    "100%",
    "a&b=c?d#e",
    "semi;colon:at@dollar$comma,",
    "quote'\"<tag>&amp;",
    "back\\slash",
    "[{^|~`}]",
    "tab\there",
    "new\nline",
    "carriage\rreturn",
    "über/straße",
    "日本語/ファイル",
    "emoji-\U0001f642",
    "combining-e\u0301",
    "right-to-left-\u200f\u05d0",
    "zero-width-\u200b",
    "a/../b",
    "a/b/../../c",
    "a/./b",
    ".",
    "//double//slashes//",
    "/leading",
    "folder/",
    "a/b",
    "a",
    "-rf",
    "2015-03-31/functions",
    "_squall/health",
    "é" * 512,
]

# Who reads these as a path leaves the bucket: AWS refuses them.
KEYS_THAT_CLIMB = ["..", "../up", "a/../../b", "a/../..", "./../x"]


def refused(code, status, call, **arguments) -> dict:
    """Asserts that the call ends with this error code and status; gives the parsed answer."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    got = answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
    assert got == (code, status), answer
    return answer


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def etag(body: bytes) -> str:
    return f'"{md5(body)}"'


def keys(answer) -> list:
    return [entry["Key"] for entry in answer.get("Contents", ())]


def prefixes(answer) -> list:
    return [entry["Prefix"] for entry in answer.get("CommonPrefixes", ())]


def body_of(s3, bucket, key, **more) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def path(bucket, key) -> str:
    return f"/{bucket}/{urllib.parse.quote(key, safe='/~')}"


def s3_call(engine, method, target, body=b"", headers=None, **how) -> harness.Answer:
    """A request signed as S3 wants it: with the hash of its body, or what stands in its place."""
    headers = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest(), **(headers or {})}
    signed = s3_signed(engine, method, target, body, headers, **how)
    return harness.send(engine, method, target, body, signed)


def s3_signed(engine, method, target, body, headers, **how) -> dict:
    return harness.signed_headers(engine, method, engine.api + target, body, headers, service="s3", **how)
