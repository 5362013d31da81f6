"""A bucket in which nothing may change, whatever is done to the engine."""

import contextlib

import harness
from elsewhere import Elsewhere
from harness import unique

OLD = b"what was there before"


def make_kept(s3) -> str:
    """A bucket with an object, an older version and an upload under way."""
    bucket = unique("kept")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"older")
    s3.put_object(Bucket=bucket, Key="k", Body=OLD)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="up")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="up", UploadId=upload, PartNumber=1, Body=b"part")
    return bucket


@contextlib.contextmanager
def unchanged(engine, s3, kept):
    """Around a test: the same objects, versions and uploads, and no half of anything."""
    before = state(s3, kept)
    yield
    assert state(s3, kept) == before
    if not isinstance(engine, Elsewhere):
        harness.eventually(lambda: not half_written(engine), lambda: f"left behind: {half_written(engine)}")


def check(answer, status, code):
    assert (answer.status, answer.code) == (status, code), answer


def state(s3, bucket) -> dict:
    versions = s3.list_object_versions(Bucket=bucket)
    (upload,) = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    parts = s3.list_parts(Bucket=bucket, Key="up", UploadId=upload["UploadId"])["Parts"]
    return {
        "versions": [(v["Key"], v["VersionId"], v["ETag"], v["Size"]) for v in versions["Versions"]],
        "markers": versions.get("DeleteMarkers", []),
        "upload": upload["UploadId"],
        "parts": [(part["PartNumber"], part["ETag"]) for part in parts],
        "settings": s3.get_bucket_versioning(Bucket=bucket)["Status"],
        "body": s3.get_object(Bucket=bucket, Key="k")["Body"].read(),
    }


def half_written(engine) -> list:
    """What an upload that was given up would leave on the disk."""
    return [found for found in engine.data.rglob("tmp/*") if found.is_file()]
