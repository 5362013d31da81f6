"""Links and forms that carry their own permission: what a browser or curl uses."""

import urllib.parse

import pytest
import requests

import harness
from elsewhere import Elsewhere
from s3_calls import body_of, etag, refused


@pytest.fixture(params=["s3v4", "virtual"])
def signer(engine, request):
    """The two ways to name a bucket; the second in the host, as RFC 6761 lets us."""
    if request.param == "s3v4":
        return engine.client("s3", signature_version="s3v4")
    request.getfixturevalue("local_names")
    return virtual(engine)


def virtual(engine):
    port = engine.api.rpartition(":")[2]
    twin = Elsewhere(f"http://s3.localhost:{port}")
    twin.access_key, twin.secret_key, twin.region = engine.access_key, engine.secret_key, engine.region
    return twin.client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"})


def code(answer) -> str:
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_client_with_virtual_hosts(engine, s3, bucket, local_names):
    client = virtual(engine)
    client.put_object(Bucket=bucket, Key="a b/ä+%", Body=b"x")
    assert body_of(client, bucket, "a b/ä+%") == body_of(s3, bucket, "a b/ä+%") == b"x"
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    other = harness.unique("made")
    client.create_bucket(Bucket=other)
    s3.head_bucket(Bucket=other)


@pytest.mark.parametrize("key", ["k", "a b+c%20/ä&=?"])
def test_get_and_put_and_the_rest(s3, bucket, signer, key):
    at = {"Bucket": bucket, "Key": key}
    put = signer.generate_presigned_url("put_object", {**at, "ContentType": "text/plain"})
    assert bucket in put
    answer = requests.put(put, data=b"hello", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.headers["ETag"]) == (200, etag(b"hello")), answer.text
    get = signer.generate_presigned_url("get_object", {**at, "ResponseContentDisposition": "attachment; filename=x"})
    answer = requests.get(get)
    assert (answer.status_code, answer.content) == (200, b"hello"), answer.text
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Disposition"] == "attachment; filename=x"
    assert requests.get(get, headers={"Range": "bytes=1-2"}).content == b"el"
    assert requests.head(signer.generate_presigned_url("head_object", at)).status_code == 200
    listing = requests.get(signer.generate_presigned_url("list_objects_v2", {"Bucket": bucket, "Prefix": key}))
    assert listing.status_code == 200 and "<KeyCount>1</KeyCount>" in listing.text
    assert requests.delete(signer.generate_presigned_url("delete_object", at)).status_code == 204
    refused("404", 404, s3.head_object, **at)


def test_links_that_do_not_hold(engine, s3, bucket, signer):
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    get = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})

    def fails(url, expected=(403, "SignatureDoesNotMatch"), method="GET", **more):
        answer = requests.request(method, url, **more)
        assert (answer.status_code, code(answer)) == expected, answer.text
        assert b"secret" not in answer.content

    assert requests.get(get).content == b"secret"
    fails(get.replace("/k?", "/other?"))
    fails(get, method="PUT", data=b"overwritten")
    fails(get + "&versionId=null")
    fails(get.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"))
    fails(get.replace("X-Amz-Expires=3600", "X-Amz-Expires=604801"), (400, "AuthorizationQueryParametersError"))
    signature = get.partition("X-Amz-Signature=")[2][:64]
    fails(get.replace(signature, "0" * 64))
    fails(get.replace(f"&X-Amz-Signature={signature}", ""), (400, "AuthorizationQueryParametersError"))
    fails(get.replace(engine.access_key, "AKIA0000000000000000"), (403, "InvalidAccessKeyId"))
    assert body_of(s3, bucket, "k") == b"secret"


def test_a_link_ends(engine, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    client = s3_v4(engine)
    with harness.moved_clock(-120):
        old = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    answer = requests.get(old)
    assert (answer.status_code, code(answer)) == (403, "AccessDenied")
    assert "Request has expired" in answer.text and "secret" not in answer.text


def s3_v4(engine):
    return engine.client("s3", signature_version="s3v4")


# Forms


def post(form, body, **fields):
    return requests.post(
        form["url"], data={**form["fields"], **fields}, files={"file": ("upload.txt", body)}, allow_redirects=False
    )


def test_a_form(engine, s3, bucket):
    form = s3_v4(engine).generate_presigned_post(
        bucket,
        "up/${filename}",
        Fields={"Content-Type": "text/plain", "x-amz-meta-m": "1", "success_action_status": "201"},
        Conditions=[
            ["starts-with", "$key", "up/"],
            ["eq", "$Content-Type", "text/plain"],
            {"x-amz-meta-m": "1"},
            {"success_action_status": "201"},
            ["content-length-range", 1, 1000],
        ],
    )
    answer = post(form, b"hello")
    assert answer.status_code == 201, answer.text
    assert "<Key>up/upload.txt</Key>" in answer.text and etag(b"hello").strip('"') in answer.text
    got = s3.get_object(Bucket=bucket, Key="up/upload.txt")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"hello", "text/plain", {"m": "1"})


def test_what_a_form_answers(engine, s3, bucket):
    plain = s3_v4(engine).generate_presigned_post(bucket, "k")
    assert post(plain, b"x").status_code == 204
    there = "http://there.example/?a=b"
    form = s3_v4(engine).generate_presigned_post(
        bucket, "k", Fields={"success_action_redirect": there}, Conditions=[{"success_action_redirect": there}]
    )
    answer = post(form, b"x")
    assert answer.status_code == 303
    location = answer.headers["Location"]
    assert location.startswith(there)
    query = dict(urllib.parse.parse_qsl(location.partition("?")[2]))
    assert query == {"a": "b", "bucket": bucket, "key": "k", "etag": etag(b"x")}


def test_forms_that_are_refused(engine, s3, bucket):
    form = s3_v4(engine).generate_presigned_post(
        bucket, "k", Conditions=[["content-length-range", 2, 10], {"x-amz-meta-m": "1"}], Fields={"x-amz-meta-m": "1"}
    )

    def fails(expected, form, body=b"right", **fields):
        answer = post(form, body, **fields)
        assert (answer.status_code, code(answer)) == expected, answer.text

    fails((400, "EntityTooSmall"), form, b"x")
    fails((400, "EntityTooLarge"), form, b"x" * 11)
    fails((400, "EntityTooLarge"), form, b"x" * 3_000_000)
    fails((403, "AccessDenied"), form, **{"x-amz-meta-m": "2"})
    fails((403, "AccessDenied"), form, **{"x-amz-meta-extra": "not in the policy"})
    fails((403, "AccessDenied"), form, key="other")
    fails((403, "SignatureDoesNotMatch"), form, **{"x-amz-signature": "0" * 64})
    stranger = form["fields"]["x-amz-credential"].replace(engine.access_key, "AKIA0000000000000000")
    fails((403, "InvalidAccessKeyId"), form, **{"x-amz-credential": stranger})
    fails((403, "AccessDenied"), {"url": form["url"], "fields": {"key": "k"}})
    fails((403, "AccessDenied"), s3_v4(engine).generate_presigned_post(bucket, "k", ExpiresIn=-60))
    no_file = requests.post(form["url"], data=form["fields"], files={"other": b"x"})
    assert (no_file.status_code, code(no_file)) == (400, "InvalidArgument"), no_file.text
    refused("404", 404, s3.head_object, Bucket=bucket, Key="k")
    refused("404", 404, s3.head_object, Bucket=bucket, Key="other")
