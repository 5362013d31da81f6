"""Buckets: made, named, set up and removed."""

import pytest

import harness
from s3_calls import refused


def test_a_bucket_from_its_birth_to_its_end(s3, engine):
    name = harness.unique("b")
    made = s3.create_bucket(Bucket=name)
    assert made["Location"] == f"/{name}"
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == engine.region
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] in (None, engine.region)
    listed = s3.list_buckets()
    assert name in [entry["Name"] for entry in listed["Buckets"]] and listed["Owner"]["ID"]
    assert [entry["Name"] for entry in s3.list_buckets(Prefix=name)["Buckets"]] == [name]
    # Again, in us-east-1, is no error for its owner.
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    assert s3.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("404", 404, s3.head_bucket, Bucket=name)
    refused("NoSuchBucket", 404, s3.delete_bucket, Bucket=name)
    # The name is free again, and what was in it does not come back.
    s3.create_bucket(Bucket=name)
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0


def test_buckets_are_listed_by_pages(s3):
    names = sorted(harness.unique("paged") for _ in range(5))
    for name in names:
        s3.create_bucket(Bucket=name)
    first = s3.list_buckets(Prefix="paged-", MaxBuckets=2)
    seen = [entry["Name"] for entry in first["Buckets"]]
    assert len(seen) == 2 and first["ContinuationToken"]
    pages = s3.get_paginator("list_buckets").paginate(Prefix="paged-", PaginationConfig={"PageSize": 2})
    assert [entry["Name"] for page in pages for entry in page["Buckets"]] == names


def test_where_a_bucket_is(s3):
    """Both were recorded from clients: one says the default region, which AWS refuses."""
    refused(
        "InvalidLocationConstraint",
        400,
        s3.create_bucket,
        Bucket=harness.unique(),
        CreateBucketConfiguration={"LocationConstraint": "us-east-1"},
    )


@pytest.mark.parametrize("name", ["ab", "Capitals", "under_score", "-a-b", "a-b-", "a..b", "192.168.0.1", "a" * 64])
def test_names_that_no_bucket_may_have(engine, name):
    from s3_calls import s3_call

    answer = s3_call(engine, "PUT", f"/{name}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName"), answer


def test_tags(s3, bucket):
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": ""}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)


def test_settings_that_were_not_made_say_so_in_aws_s_words(s3, bucket):
    for call, code in (
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
    ):
        refused(code, 404, call, Bucket=bucket)
        refused("NoSuchBucket", 404, call, Bucket=bucket + "-not")
    notifications = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert set(notifications) == {"ResponseMetadata"}


def test_who_owns_it(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for acl in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        (grant,) = acl["Grants"]
        assert grant["Permission"] == "FULL_CONTROL" and grant["Grantee"]["ID"] == acl["Owner"]["ID"]
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_access_lists_are_off_as_on_aws_today(s3, bucket):
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    refused("AccessControlListNotSupported", 400, s3.put_object, **put, ACL="public-read")
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k")
    s3.put_object(**put, ACL="bucket-owner-full-control")
    refused("AccessControlListNotSupported", 400, s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")
    refused("AccessControlListNotSupported", 400, s3.put_bucket_acl, Bucket=bucket, ACL="public-read-write")


def test_a_new_bucket_is_closed_and_encrypted(s3, bucket):
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True} and len(block) == 4
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_what_is_not_built_says_so(s3, bucket):
    """In S3's own shape: never a hang, a page or a wrong success."""
    refused(
        "NotImplemented",
        501,
        s3.put_bucket_replication,
        Bucket=bucket,
        ReplicationConfiguration={
            "Role": harness.ROLE,
            "Rules": [{"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::other"}}],
        },
    )
    refused(
        "NotImplemented",
        501,
        s3.select_object_content,
        Bucket=bucket,
        Key="k",
        Expression="SELECT 1",
        ExpressionType="SQL",
        InputSerialization={"CSV": {}},
        OutputSerialization={"CSV": {}},
    )
