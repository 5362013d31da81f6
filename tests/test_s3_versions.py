"""Versioning: nothing is lost that was not deleted by its version."""

import pytest

from s3_calls import body_of, etag, keys, refused


@pytest.fixture
def versioned(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    switch(s3, bucket, "Enabled")
    return bucket


def switch(s3, bucket, status):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


def versions(s3, bucket, **query) -> list:
    """(key, version, is latest, is a delete marker), in the order of the list."""
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, **query):
        both = [(entry, False) for entry in page.get("Versions", ())]
        both += [(entry, True) for entry in page.get("DeleteMarkers", ())]
        # botocore splits what came in one list: time and being the latest bring it together again.
        both.sort(key=lambda item: (item[0]["Key"].encode(),))
        found += [(entry["Key"], entry["VersionId"], entry["IsLatest"], marker) for entry, marker in both]
    return found


def put(s3, bucket, body, key="k") -> str:
    return s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]


def test_every_version_stays(s3, versioned):
    first, second = put(s3, versioned, b"1"), put(s3, versioned, b"2")
    assert first != second and "null" not in (first, second)
    assert body_of(s3, versioned, "k") == b"2"
    assert body_of(s3, versioned, "k", VersionId=first) == b"1"
    got = s3.head_object(Bucket=versioned, Key="k", VersionId=first)
    assert (got["VersionId"], got["ETag"]) == (first, etag(b"1"))
    assert s3.get_object(Bucket=versioned, Key="k")["VersionId"] == second
    assert versions(s3, versioned) == [("k", second, True, False), ("k", first, False, False)]
    assert keys(s3.list_objects_v2(Bucket=versioned)) == ["k"]
    refused("NoSuchVersion", 404, s3.get_object, Bucket=versioned, Key="k", VersionId="0" * 32)
    refused("NoSuchVersion", 404, s3.get_object, Bucket=versioned, Key="other", VersionId=first)


def test_a_delete_puts_a_marker_that_can_be_taken_away(s3, versioned):
    version = put(s3, versioned, b"1")
    gone = s3.delete_object(Bucket=versioned, Key="k")
    assert gone["DeleteMarker"] is True
    marker = gone["VersionId"]
    answer = refused("NoSuchKey", 404, s3.get_object, Bucket=versioned, Key="k")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", marker)
    assert keys(s3.list_objects_v2(Bucket=versioned)) == []
    assert sorted(versions(s3, versioned)) == sorted([("k", marker, True, True), ("k", version, False, False)])
    refused("MethodNotAllowed", 405, s3.get_object, Bucket=versioned, Key="k", VersionId=marker)
    assert body_of(s3, versioned, "k", VersionId=version) == b"1"
    # Markers of what is not there are markers, too.
    assert s3.delete_object(Bucket=versioned, Key="never")["DeleteMarker"] is True
    taken = s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert (taken["DeleteMarker"], taken["VersionId"]) == (True, marker)
    assert body_of(s3, versioned, "k") == b"1"


def test_a_version_that_is_deleted_is_gone(s3, versioned):
    first, second, third = (put(s3, versioned, body) for body in (b"1", b"2", b"3"))
    gone = s3.delete_object(Bucket=versioned, Key="k", VersionId=second)
    assert gone["VersionId"] == second and "DeleteMarker" not in gone
    refused("NoSuchVersion", 404, s3.get_object, Bucket=versioned, Key="k", VersionId=second)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=third)
    # The one before is current again.
    assert body_of(s3, versioned, "k") == b"1"
    assert versions(s3, versioned) == [("k", first, True, False)]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=first)
    refused("NoSuchKey", 404, s3.get_object, Bucket=versioned, Key="k")
    s3.delete_bucket(Bucket=versioned)


def test_many_versions_are_deleted_at_once(s3, versioned):
    first, second = put(s3, versioned, b"1"), put(s3, versioned, b"2")
    objects = [{"Key": "k", "VersionId": first}, {"Key": "other"}]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": objects})["Deleted"]
    by_key = {entry["Key"]: entry for entry in answer}
    assert by_key["k"]["VersionId"] == first
    assert by_key["other"]["DeleteMarker"] and by_key["other"]["DeleteMarkerVersionId"]
    assert [entry[:3] for entry in versions(s3, versioned) if entry[0] == "k"] == [("k", second, True)]


def test_suspended_versioning_overwrites_only_the_null_version(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    switch(s3, bucket, "Enabled")
    kept = put(s3, bucket, b"kept")
    assert sorted(versions(s3, bucket)) == sorted([("k", kept, True, False), ("k", "null", False, False)])
    switch(s3, bucket, "Suspended")
    answer = s3.put_object(Bucket=bucket, Key="k", Body=b"null again")
    assert answer.get("VersionId", "null") == "null"
    assert sorted(versions(s3, bucket)) == sorted([("k", "null", True, False), ("k", kept, False, False)])
    assert body_of(s3, bucket, "k", VersionId="null") == b"null again"
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    assert sorted(versions(s3, bucket)) == sorted([("k", "null", True, True), ("k", kept, False, False)])
    assert body_of(s3, bucket, "k", VersionId=kept) == b"kept"


def test_lists_of_versions_by_pages(s3, versioned):
    made = {}
    for key in ("a/1", "a/2", "b"):
        for n in range(3):
            made.setdefault(key, []).append(put(s3, versioned, b"%d" % n, key))
    made["b"].append(s3.delete_object(Bucket=versioned, Key="b")["VersionId"])
    expected = {(key, version) for key in made for version in made[key]}
    whole = versions(s3, versioned)
    assert {entry[:2] for entry in whole} == expected and len(whole) == len(expected)
    for size in (1, 2, 7):
        paged = versions(s3, versioned, PaginationConfig={"PageSize": size})
        assert [entry[:2] for entry in paged] and sorted(paged) == sorted(whole)
    # The newest of a key comes first.
    assert [entry[1] for entry in whole if entry[0] == "a/1"] == made["a/1"][::-1]
    assert {entry[0] for entry in versions(s3, versioned, Prefix="a/")} == {"a/1", "a/2"}
    folded = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert folded["CommonPrefixes"] == [{"Prefix": "a/"}] and len(folded["Versions"]) == 3
    rest = s3.list_object_versions(Bucket=versioned, KeyMarker="a/2", VersionIdMarker=made["a/2"][1])
    assert [entry["VersionId"] for entry in rest["Versions"] if entry["Key"] == "a/2"] == [made["a/2"][0]]


def test_copies_of_versions_and_their_tags(s3, versioned):
    first = put(s3, versioned, b"1")
    put(s3, versioned, b"2")
    source = {"Bucket": versioned, "Key": "k", "VersionId": first}
    copied = s3.copy_object(Bucket=versioned, Key="k", CopySource=source)
    assert copied["CopySourceVersionId"] == first and copied["VersionId"] != first
    assert body_of(s3, versioned, "k") == b"1"
    assert len(versions(s3, versioned)) == 3
    tagging = {"TagSet": [{"Key": "a", "Value": "1"}]}
    s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=first, Tagging=tagging)
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["TagSet"] == []
    assert s3.get_object_tagging(Bucket=versioned, Key="k", VersionId=first)["TagSet"] == tagging["TagSet"]
    # To tag is not to write: there is no new version.
    assert len(versions(s3, versioned)) == 3


def test_a_bucket_with_versions_does_not_go(s3, versioned):
    version = put(s3, versioned, b"1")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=versioned)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=version)
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=versioned)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    s3.delete_bucket(Bucket=versioned)
