"""Checksums: all five kinds, in headers and trailers, of whole objects and of parts.
Those that are right are kept; for what is wrong see test_s3_bad_input.py."""

import base64
import functools
import hashlib
import os
import zlib

import pytest

from chunked import SIGNED, SIGNED_TRAILER, UNSIGNED, crc32, put_chunked
from s3_calls import PART, body_of, etag, refused, s3_call

BODY = os.urandom(70_000)


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def crc(polynomial: int, size: int):
    """A CRC with its bits reflected, as all of these are: botocore alone knows only CRC32."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    full = (1 << 8 * size) - 1

    def checksum(body: bytes) -> str:
        value = full
        for byte in body:
            value = table[(value ^ byte) & 0xFF] ^ value >> 8
        return encoded((value ^ full).to_bytes(size))

    return functools.cache(checksum)


SUMS = {
    "CRC32": crc32,
    "CRC32C": crc(0x82F63B78, 4),
    "CRC64NVME": crc(0x9A6C9329AC4BC9B5, 8),
    "SHA1": lambda body: encoded(hashlib.sha1(body).digest()),
    "SHA256": lambda body: encoded(hashlib.sha256(body).digest()),
}


def header(kind) -> str:
    return f"x-amz-checksum-{kind.lower()}"


def test_a_known_value_of_each():
    """The check values of the standards: what is compared with here is right."""
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert SUMS["CRC32C"](b"123456789") == encoded(0xE3069283.to_bytes(4))
    assert SUMS["CRC64NVME"](b"123456789") == encoded(0xAE8B14860A799888.to_bytes(8))


@pytest.mark.parametrize("kind", SUMS)
def test_the_client_s_checksum_is_kept_and_given_back(s3, bucket, kind):
    put = s3.put_object(Bucket=bucket, Key="k", Body=BODY, **{f"Checksum{kind}": SUMS[kind](BODY)})
    assert put[f"Checksum{kind}"] == SUMS[kind](BODY)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[f"Checksum{kind}"]) == (BODY, SUMS[kind](BODY))
    assert got["ChecksumType"] == "FULL_OBJECT"
    # A checksum of the whole says nothing of a part.
    part = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", Range="bytes=0-9")
    assert part["Body"].read() == BODY[:10] and f"Checksum{kind}" not in part
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{kind}"] == SUMS[kind](BODY)
    assert f"Checksum{kind}" not in s3.head_object(Bucket=bucket, Key="k")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert listed["ChecksumAlgorithm"] == [kind]
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert copied["CopyObjectResult"][f"Checksum{kind}"] == SUMS[kind](BODY)


@pytest.mark.parametrize("kind", ["CRC32", "SHA1", "SHA256"])
def test_the_client_computes_it_by_itself(s3, bucket, kind):
    put = s3.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumAlgorithm=kind)
    assert put[f"Checksum{kind}"] == SUMS[kind](BODY)
    # And compares it with what it reads.
    assert body_of(s3, bucket, "k", ChecksumMode="ENABLED") == BODY


def test_without_a_checksum_there_is_one_nevertheless(engine, s3, bucket):
    """As S3 does it since the end of 2024: CRC64NVME of what comes without any."""
    assert s3_call(engine, "PUT", f"/{bucket}/k", BODY).status == 200
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == SUMS["CRC64NVME"](BODY)


def test_content_md5_is_looked_at(engine, s3, bucket):
    good = {"content-md5": encoded(hashlib.md5(BODY).digest())}
    assert s3_call(engine, "PUT", f"/{bucket}/k", BODY, good).status == 200
    assert body_of(s3, bucket, "k") == BODY


@pytest.mark.parametrize("kind", SUMS)
def test_a_trailer(engine, s3, bucket, kind):
    """What SDKs send over https by default; here over http."""
    answer = put_chunked(
        engine, f"/{bucket}/k", [BODY[:65536], BODY[65536:]], UNSIGNED, {header(kind): SUMS[kind](BODY)}
    )
    assert (answer.status, answer.headers["etag"]) == (200, etag(BODY)), answer
    assert answer.headers[header(kind)] == SUMS[kind](BODY)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got[f"Checksum{kind}"]) == (BODY, SUMS[kind](BODY))
    # The coding is of the transfer, not of the object.
    assert "aws-chunked" not in got.get("ContentEncoding", "")


def test_signed_chunks(engine, s3, bucket):
    pieces = [BODY[:8192], BODY[8192:65536], BODY[65536:]]
    answer = put_chunked(engine, f"/{bucket}/k", pieces, SIGNED, headers={"content-encoding": "aws-chunked,gzip"})
    assert (answer.status, answer.headers["etag"]) == (200, etag(BODY)), answer
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ContentEncoding"]) == (BODY, "gzip")


def test_signed_chunks_and_a_signed_trailer(engine, s3, bucket):
    pieces = [BODY[:65536], BODY[65536:]]
    answer = put_chunked(engine, f"/{bucket}/k", pieces, SIGNED_TRAILER, {header("SHA256"): SUMS["SHA256"](BODY)})
    assert answer.status == 200, answer
    assert body_of(s3, bucket, "k") == BODY


@pytest.mark.parametrize("kind", [UNSIGNED, SIGNED])
def test_an_empty_body_in_chunks(engine, s3, bucket, kind):
    trailer = {header("CRC32"): crc32(b"")} if kind == UNSIGNED else None
    assert put_chunked(engine, f"/{bucket}/k", [], kind, trailer).status == 200
    assert body_of(s3, bucket, "k") == b""


def test_chunks_of_every_size(engine, s3, bucket):
    """Chunk borders anywhere: within a packet, across packets, of one byte each."""
    for sizes in ([1] * 300, [65537, 1, 65535], [200_000], [16, 131_072, 3]):
        pieces = [os.urandom(size) for size in sizes]
        whole = b"".join(pieces)
        answer = put_chunked(engine, f"/{bucket}/k", pieces, UNSIGNED, {header("CRC32"): crc32(whole)})
        assert answer.status == 200, answer
        assert body_of(s3, bucket, "k") == whole


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "COMPOSITE"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
    ],
)
def test_multipart_uploads(s3, bucket, kind, form):
    bodies = [os.urandom(PART), os.urandom(1000)]
    whole = b"".join(bodies)
    at = {"Bucket": bucket, "Key": "k"}
    started = s3.create_multipart_upload(**at, ChecksumAlgorithm=kind, ChecksumType=form)
    assert (started["ChecksumAlgorithm"], started["ChecksumType"]) == (kind, form)
    at["UploadId"] = started["UploadId"]
    parts, name = [], f"Checksum{kind}"
    for number, body in enumerate(bodies, 1):
        sent = s3.upload_part(**at, PartNumber=number, Body=body, **{name: SUMS[kind](body)})
        assert sent[name] == SUMS[kind](body)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], name: sent[name]})
    assert [part[name] for part in s3.list_parts(**at)["Parts"]] == [SUMS[kind](body) for body in bodies]
    if form == "COMPOSITE":
        raw = b"".join(base64.b64decode(SUMS[kind](body)) for body in bodies)
        expected = SUMS[kind](raw) + "-2"
    else:
        expected = SUMS[kind](whole)
    wrong = [{**parts[0], name: parts[1][name]}, parts[1]]
    refused("InvalidPart", 400, s3.complete_multipart_upload, **at, MultipartUpload={"Parts": wrong})
    done = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    assert (done[name], done["ChecksumType"]) == (expected, form)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (expected, form)
    assert body_of(s3, bucket, "k", ChecksumMode="ENABLED") == whole


def test_combinations_that_there_are_not(s3, bucket):
    for kind, form in (("SHA256", "FULL_OBJECT"), ("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        refused(
            "InvalidRequest",
            400,
            s3.create_multipart_upload,
            Bucket=bucket,
            Key="k",
            ChecksumAlgorithm=kind,
            ChecksumType=form,
        )
