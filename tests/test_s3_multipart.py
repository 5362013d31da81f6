"""Multipart uploads: in any order, with holes, copied from elsewhere, refused for
what is wrong with them, and gone without a trace when they are aborted."""

import hashlib
import os
import threading

import pytest

from s3_calls import PART, body_of, etag, keys, md5, refused

BODIES = [os.urandom(PART), os.urandom(PART + 1), os.urandom(100)]


def composite(*bodies) -> str:
    whole = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{md5(whole)}-{len(bodies)}"'


class Upload:
    def __init__(self, s3, bucket, key="k", **settings):
        self.s3, self.at = s3, {"Bucket": bucket, "Key": key}
        self.at["UploadId"] = s3.create_multipart_upload(**self.at, **settings)["UploadId"]

    def part(self, number, body, **more) -> dict:
        answer = self.s3.upload_part(**self.at, PartNumber=number, Body=body, **more)
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def complete(self, parts, **more):
        return self.s3.complete_multipart_upload(**self.at, MultipartUpload={"Parts": parts}, **more)


def test_parts_become_one_object(s3, bucket):
    upload = Upload(s3, bucket, ContentType="text/x", Metadata={"m": "1"}, Tagging="t=1")
    # In any order; the numbers count, and they may have holes.
    parts = [upload.part(number, BODIES[at]) for number, at in ((9, 1), (10000, 2), (2, 0))]
    assert [part["ETag"] for part in parts] == [etag(BODIES[1]), etag(BODIES[2]), etag(BODIES[0])]
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []
    done = upload.complete(sorted(parts, key=lambda part: part["PartNumber"]))
    assert (done["ETag"], done["Key"], done["Bucket"]) == (composite(*BODIES), "k", bucket)
    assert done["Location"].endswith("/k")
    whole = b"".join(BODIES)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == whole
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (composite(*BODIES), "text/x", {"m": "1"})
    assert got["TagCount"] == 1
    # Ranges know nothing of parts.
    for first, last in ((PART - 1, PART), (0, 2 * PART + 50), (len(whole) - 101, len(whole) - 1)):
        assert body_of(s3, bucket, "k", Range=f"bytes={first}-{last}") == whole[first : last + 1]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_part_can_be_read_by_its_number(s3, bucket):
    upload = Upload(s3, bucket)
    upload.complete([upload.part(n + 1, body) for n, body in enumerate(BODIES)])
    for n, body in enumerate(BODIES):
        got = s3.get_object(Bucket=bucket, Key="k", PartNumber=n + 1)
        assert got["Body"].read() == body
        assert (got["PartsCount"], got["ResponseMetadata"]["HTTPStatusCode"]) == (3, 206)
    assert s3.head_object(Bucket=bucket, Key="k", PartNumber=2)["ContentLength"] == PART + 1
    refused("InvalidPartNumber", 416, s3.get_object, Bucket=bucket, Key="k", PartNumber=4)


def test_a_part_may_be_sent_again(s3, bucket):
    upload = Upload(s3, bucket)
    old = upload.part(1, BODIES[0])
    new = upload.part(1, BODIES[1])
    refused("InvalidPart", 400, upload.complete, parts=[old])
    upload.complete([new])
    assert body_of(s3, bucket, "k") == BODIES[1]


def test_parts_that_are_not_named_do_not_count(s3, bucket):
    upload = Upload(s3, bucket)
    parts = [upload.part(n + 1, body) for n, body in enumerate(BODIES)]
    upload.complete([parts[0], parts[2]])
    assert body_of(s3, bucket, "k") == BODIES[0] + BODIES[2]


def test_lists_of_uploads_and_parts(s3, bucket):
    uploads = [Upload(s3, bucket, key) for key in ("a/1", "a/2", "b")]
    twice = Upload(s3, bucket, "b")

    def listed(**query):
        answer = s3.list_multipart_uploads(Bucket=bucket, **query)
        return [entry["Key"] for entry in answer.get("Uploads", ())], answer

    assert listed()[0] == ["a/1", "a/2", "b", "b"]
    assert listed(Prefix="a/")[0] == ["a/1", "a/2"]
    folded = listed(Delimiter="/")
    assert folded[0] == ["b", "b"] and folded[1]["CommonPrefixes"] == [{"Prefix": "a/"}]
    seen, page = [], {"NextKeyMarker": "", "NextUploadIdMarker": "", "IsTruncated": True}
    while page["IsTruncated"]:
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1, **(markers if seen else {}))
        seen += [entry["UploadId"] for entry in page["Uploads"]]
    assert sorted(seen) == sorted(upload.at["UploadId"] for upload in (*uploads, twice))

    for number in (3, 1, 2):
        twice.part(number, b"x" * number)
    parts = s3.list_parts(**twice.at)
    assert [(part["PartNumber"], part["Size"]) for part in parts["Parts"]] == [(1, 1), (2, 2), (3, 3)]
    assert parts["Parts"][2]["ETag"] == etag(b"xxx")
    page = s3.list_parts(**twice.at, MaxParts=2)
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 2
    rest = s3.list_parts(**twice.at, PartNumberMarker=2)
    assert [part["PartNumber"] for part in rest["Parts"]] == [3] and not rest["IsTruncated"]


def test_an_aborted_upload_is_gone(s3, bucket):
    upload = Upload(s3, bucket)
    part = upload.part(1, b"x")
    s3.abort_multipart_upload(**upload.at)
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, **upload.at)
    refused("NoSuchUpload", 404, s3.list_parts, **upload.at)
    refused("NoSuchUpload", 404, upload.part, number=1, body=b"x")
    refused("NoSuchUpload", 404, upload.complete, parts=[part])
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


def test_an_upload_belongs_to_its_key(s3, bucket):
    upload = Upload(s3, bucket)
    other = {**upload.at, "Key": "other"}
    refused("NoSuchUpload", 404, s3.upload_part, **other, PartNumber=1, Body=b"x")
    refused("NoSuchUpload", 404, s3.list_parts, **other)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("InvalidPartOrder", lambda one, small, three: [three, one]),
        ("InvalidPartOrder", lambda one, small, three: [one, one]),
        ("InvalidPart", lambda one, small, three: [one, {**small, "PartNumber": 4}]),
        ("InvalidPart", lambda one, small, three: [one, {**three, "ETag": etag(b"other")}]),
        ("EntityTooSmall", lambda one, small, three: [small, three]),
    ],
)
def test_a_completion_that_is_wrong_changes_nothing(s3, bucket, code, wrong):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    upload = Upload(s3, bucket)
    large, small = upload.part(1, BODIES[0]), upload.part(2, b"small")
    refused(code, 400, upload.complete, parts=wrong(large, small, upload.part(3, BODIES[0])))
    assert body_of(s3, bucket, "k") == b"old"
    upload.complete([large, small])
    assert body_of(s3, bucket, "k") == BODIES[0] + b"small"


def test_part_numbers_have_bounds(s3, bucket):
    upload = Upload(s3, bucket)
    for number in (0, 10001, -1):
        refused("InvalidArgument", 400, upload.part, number=number, body=b"x")
    refused("MalformedXML", 400, upload.complete, parts=[])
    refused("NoSuchUpload", 404, s3.upload_part, **{**upload.at, "UploadId": "made-up"}, PartNumber=1, Body=b"x")


def test_parts_by_copy(s3, bucket):
    source = {"Bucket": bucket, "Key": "source +ä"}
    s3.put_object(**source, Body=BODIES[1])
    upload = Upload(s3, bucket)

    def copy(number, **more):
        return s3.upload_part_copy(**upload.at, PartNumber=number, CopySource=source, **more)["CopyPartResult"]

    whole, piece = copy(1), copy(2, CopySourceRange="bytes=10-19")
    assert (whole["ETag"], piece["ETag"]) == (etag(BODIES[1]), etag(BODIES[1][10:20]))
    refused("PreconditionFailed", 412, copy, number=3, CopySourceIfMatch='"other"')
    refused("InvalidArgument", 400, copy, number=3, CopySourceRange="bytes=10")
    refused("InvalidArgument", 400, copy, number=3, CopySourceRange=f"bytes=0-{PART + 1}")
    # What was copied from may go before the end.
    s3.delete_object(**source)
    upload.complete([{"PartNumber": 1, "ETag": whole["ETag"]}, {"PartNumber": 2, "ETag": piece["ETag"]}])
    assert body_of(s3, bucket, "k") == BODIES[1] + BODIES[1][10:20]


def test_a_bucket_with_nothing_but_uploads_can_go(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, b"x")
    s3.delete_bucket(Bucket=bucket)
    refused("NoSuchBucket", 404, s3.list_parts, **upload.at)


def test_two_completions_at_once_make_one_object(s3, bucket, engine):
    """Both may be told that it is done; neither may be told anything else that is untrue."""
    upload = Upload(s3, bucket)
    parts = [upload.part(1, BODIES[0]), upload.part(2, b"end")]
    failures = []

    def complete():
        try:
            upload.complete(parts)
        except s3.exceptions.ClientError as error:
            failures.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=complete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(failures) <= {"NoSuchUpload"} and len(failures) < 4
    assert body_of(s3, bucket, "k") == BODIES[0] + b"end"


def test_attributes_of_parts(s3, bucket):
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32")
    upload.complete([upload.part(n + 1, body, ChecksumAlgorithm="CRC32") for n, body in enumerate(BODIES)])
    got = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts", "ObjectSize", "Checksum"], MaxParts=2
    )
    assert got["ObjectSize"] == sum(map(len, BODIES))
    parts = got["ObjectParts"]
    assert (parts["TotalPartsCount"], parts["IsTruncated"], len(parts["Parts"])) == (3, True, 2)
    assert parts["Parts"][1]["Size"] == PART + 1
    # Attributes have the sum without the count of parts that a HEAD writes after it.
    whole = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"]
    assert got["Checksum"] == {"ChecksumType": "COMPOSITE", "ChecksumCRC32": whole.removesuffix("-3")}
