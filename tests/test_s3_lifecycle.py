"""Lifecycle rules: what is over goes, by a clock that the test moves."""

import pytest

import harness
from harness import eventually
from s3_calls import keys, refused
from watching import Watched

DAY = 86_400


@pytest.fixture(scope="module")
def timed():
    with harness.running_engine(["--clock", "manual"]) as engine:
        yield engine


@pytest.fixture(scope="module")
def s3(timed):
    return timed.client("s3")


def set_rules(s3, bucket, *rules):
    named = [{"ID": f"r{n}", "Status": "Enabled", **rule} for n, rule in enumerate(rules)]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": named})
    return named


def listed(s3, bucket) -> list:
    return keys(s3.list_objects_v2(Bucket=bucket))


def test_rules_come_back(s3, bucket):
    rules = set_rules(
        s3,
        bucket,
        {"Filter": {"Prefix": "a/"}, "Expiration": {"Days": 3}},
        {
            "Filter": {"And": {"Prefix": "b/", "Tags": [{"Key": "t", "Value": "1"}], "ObjectSizeGreaterThan": 10}},
            "Expiration": {"Days": 1},
        },
        {"Filter": {"Prefix": "c/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
        {"Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": 4, "NewerNoncurrentVersions": 1}},
    )
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    s3.delete_bucket_lifecycle(Bucket=bucket)
    refused("NoSuchLifecycleConfiguration", 404, s3.get_bucket_lifecycle_configuration, Bucket=bucket)


def test_rules_that_are_refused(s3, bucket):
    def put(*rules):
        named = [{"ID": f"r{n}", "Status": "Enabled", "Filter": {"Prefix": ""}, **rule} for n, rule in enumerate(rules)]
        return {
            "call": s3.put_bucket_lifecycle_configuration,
            "Bucket": bucket,
            "LifecycleConfiguration": {"Rules": named},
        }

    once = {"Expiration": {"Days": 1}}
    refused("InvalidArgument", 400, **put({"Expiration": {"Days": 0}}))
    refused("InvalidArgument", 400, **put({**once, "ID": "twice"}, {**once, "ID": "twice"}))
    refused("InvalidArgument", 400, **put({**once, "ID": "x" * 256}))
    refused("MalformedXML", 400, **put({**once, "Status": "Perhaps"}))
    refused("InvalidRequest", 400, **put({}))
    refused("NoSuchLifecycleConfiguration", 404, s3.get_bucket_lifecycle_configuration, Bucket=bucket)


def test_objects_go_when_their_days_are_over(timed, s3, bucket):
    tagged = {"Tagging": "keep=no"}
    for key, more in (("tmp/a", {}), ("tmp/b", {}), ("other", {}), ("tagged", tagged), ("big", {"Body": b"x" * 100})):
        s3.put_object(Bucket=bucket, Key=key, **{"Body": b"x", **more})
    set_rules(
        s3,
        bucket,
        {"Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 2}},
        {"Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Days": 2}},
        {"Filter": {"ObjectSizeGreaterThan": 50}, "Expiration": {"Days": 10}},
        {"Filter": {"Prefix": "other"}, "Expiration": {"Days": 1}, "Status": "Disabled"},
    )
    assert 'rule-id="r0"' in s3.head_object(Bucket=bucket, Key="tmp/a")["Expiration"]
    timed.advance(DAY)
    assert len(listed(s3, bucket)) == 5
    # Two days, and then the next midnight.
    timed.advance(2 * DAY)
    eventually(lambda: listed(s3, bucket) == ["big", "other"], lambda: f"expired: {listed(s3, bucket)}")
    timed.advance(8 * DAY)
    eventually(lambda: listed(s3, bucket) == ["other"], "the big one expired, too")


def test_old_versions_and_lonely_markers_go(timed, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % n)["VersionId"] for n in range(4)]
    s3.put_object(Bucket=bucket, Key="gone", Body=b"x")
    set_rules(
        s3,
        bucket,
        {"Filter": {"Prefix": "k"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}},
        {"Filter": {"Prefix": "gone"}, "Expiration": {"Days": 1}},
        {"Filter": {"Prefix": "gone"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Filter": {"Prefix": "gone"}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
    )

    def left():
        answer = s3.list_object_versions(Bucket=bucket)
        return (
            [(entry["Key"], entry["VersionId"]) for entry in answer.get("Versions", ())],
            [entry["Key"] for entry in answer.get("DeleteMarkers", ())],
        )

    # First an expired object gets a marker, then its version goes, then the marker that stands for nothing.
    timed.advance(3 * DAY)
    eventually(lambda: listed(s3, bucket) == ["k"], "the expired object marked as deleted")
    timed.advance(3 * DAY)
    timed.advance(3 * DAY)
    expected = ([("k", versions[3]), ("k", versions[2])], [])
    eventually(lambda: left() == expected, lambda: f"{expected}, not {left()}")


def test_abandoned_uploads_go(timed, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="tmp/k")
    kept = s3.create_multipart_upload(Bucket=bucket, Key="kept")
    s3.upload_part(Bucket=bucket, Key="tmp/k", UploadId=upload["UploadId"], PartNumber=1, Body=b"x" * 100_000)
    set_rules(s3, bucket, {"Filter": {"Prefix": "tmp/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    timed.advance(3 * DAY)

    def left():
        return [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]

    eventually(lambda: left() == [kept["UploadId"]], "the abandoned upload gone")


def test_an_expired_object_is_an_event(timed):
    watched = Watched(timed)
    name = watched.make()
    watched.notify(watched.rule(name, "s3:LifecycleExpiration:*"))
    watched.put("k")
    set_rules(watched.s3, watched.bucket, {"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}})
    timed.advance(3 * DAY)
    (record,) = watched.wait_for(name, 1)
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("LifecycleExpiration:Delete", "k")
