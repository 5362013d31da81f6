"""Who else may read: other origins (CORS) and everyone (policies). Browsers and curl
send no signature; here requests does what they do."""

import json

import pytest
import requests

from s3_calls import path, refused

RULES = [
    {
        "ID": "app",
        "AllowedOrigins": ["https://app.example", "https://*.dev.example"],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["x-amz-*", "content-type"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"],
        "MaxAgeSeconds": 600,
    },
    {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
]


@pytest.fixture
def shared(s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    return bucket


def preflight(engine, bucket, origin, method="GET", headers=""):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return requests.options(engine.api + path(bucket, "k"), headers=asked)


def test_rules_come_back(s3, shared):
    got = s3.get_bucket_cors(Bucket=shared)["CORSRules"]
    assert got == RULES
    s3.delete_bucket_cors(Bucket=shared)
    refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=shared)


def test_a_browser_asks_first(engine, shared):
    answer = preflight(engine, shared, "https://app.example", "PUT", "Content-Type, x-amz-meta-a")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert {word.strip() for word in answer.headers["Access-Control-Allow-Methods"].split(",")} == {"GET", "PUT"}
    allowed = {word.strip().lower() for word in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed == {"content-type", "x-amz-meta-a"}
    assert {word.strip() for word in answer.headers["Access-Control-Expose-Headers"].split(",")} == {
        "ETag",
        "x-amz-version-id",
    }
    assert "Origin" in answer.headers["Vary"]
    assert preflight(engine, shared, "https://a.dev.example").status_code == 200
    everyone = preflight(engine, shared, "https://other.example", "HEAD")
    assert everyone.headers["Access-Control-Allow-Origin"] == "*"


def test_a_browser_is_refused(engine, s3, shared):
    for origin, method, headers in (
        ("https://other.example", "GET", ""),
        ("http://app.example", "GET", ""),
        ("https://app.example", "DELETE", ""),
        ("https://app.example", "GET", "authorization"),
    ):
        answer = preflight(engine, shared, origin, method, headers)
        assert answer.status_code == 403, (origin, method, headers)
        assert "<Code>AccessForbidden</Code>" in answer.text
        assert "Access-Control-Allow-Origin" not in answer.headers
    s3.delete_bucket_cors(Bucket=shared)
    assert preflight(engine, shared, "https://app.example").status_code == 403
    incomplete = requests.options(engine.api + path(shared, "k"))
    assert (incomplete.status_code, "<Code>BadRequest</Code>" in incomplete.text) == (400, True)


def test_answers_carry_the_headers_too(engine, s3, shared):
    s3.put_object(Bucket=shared, Key="k", Body=b"x")
    link = engine.client("s3", signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": shared, "Key": "k"}
    )
    answer = requests.get(link, headers={"Origin": "https://app.example"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example")
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in requests.get(link).headers
    other = requests.get(link, headers={"Origin": "https://other.example"})
    assert other.status_code == 200 and "Access-Control-Allow-Origin" not in other.headers
    # A failure that a script cannot read would be a riddle.
    missing = requests.get(link.replace("/k?", "/missing?"), headers={"Origin": "https://app.example"})
    assert missing.headers["Access-Control-Allow-Origin"] == "https://app.example"


def test_rules_that_are_refused(s3, bucket):
    def put(**rule):
        rules = [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], **rule}]
        return {"call": s3.put_bucket_cors, "Bucket": bucket, "CORSConfiguration": {"CORSRules": rules}}

    refused("InvalidRequest", 400, **put(AllowedMethods=["PATCH"]))
    refused("InvalidRequest", 400, **put(AllowedOrigins=["https://*.*.example"]))
    refused("InvalidRequest", 400, **put(AllowedHeaders=["x-*-*"]))
    refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=bucket)


# Policies


def public_read(bucket, **more) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/public/*",
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def opened(s3, bucket):
    s3.delete_public_access_block(Bucket=bucket)
    for key in ("public/a b", "private"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def anonymous(engine, bucket, key, method="GET", **more):
    return requests.request(method, engine.api + path(bucket, key), **more)


def code(answer) -> str:
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_nobody_reads_without_a_policy(engine, opened):
    for key in ("public/a b", "private", "missing"):
        answer = anonymous(engine, opened, key)
        assert (answer.status_code, code(answer)) == (403, "AccessDenied")
    assert requests.get(f"{engine.api}/{opened}").status_code == 403
    assert code(requests.get(f"{engine.api}/{opened}-not")) == "NoSuchBucket"


def test_everyone_reads_what_a_policy_opens(engine, s3, opened):
    s3.put_bucket_policy(Bucket=opened, Policy=public_read(opened))
    assert json.loads(s3.get_bucket_policy(Bucket=opened)["Policy"]) == json.loads(public_read(opened))
    assert s3.get_bucket_policy_status(Bucket=opened)["PolicyStatus"]["IsPublic"] is True
    answer = anonymous(engine, opened, "public/a b")
    assert (answer.status_code, answer.text) == (200, "public/a b")
    assert anonymous(engine, opened, "public/a b", headers={"Range": "bytes=0-5"}).text == "public"
    assert anonymous(engine, opened, "public/a b", "HEAD").status_code == 200
    # Who may not list is not told what is missing.
    for key, method in (("private", "GET"), ("public/missing", "GET"), ("public/new", "PUT"), ("public/a b", "DELETE")):
        refusal = anonymous(engine, opened, key, method, data=b"x" if method == "PUT" else None)
        assert (refusal.status_code, code(refusal)) == (403, "AccessDenied"), (key, method)
    assert requests.get(f"{engine.api}/{opened}?list-type=2").status_code == 403
    s3.delete_bucket_policy(Bucket=opened)
    assert anonymous(engine, opened, "public/a b").status_code == 403


def test_who_may_list_is_told_what_is_missing(engine, s3, opened):
    whole = [f"arn:aws:s3:::{opened}", f"arn:aws:s3:::{opened}/*"]
    s3.put_bucket_policy(
        Bucket=opened, Policy=public_read(opened, Action=["s3:GetObject", "s3:ListBucket"], Resource=whole)
    )
    missing = anonymous(engine, opened, "missing")
    assert (missing.status_code, code(missing)) == (404, "NoSuchKey")
    listing = requests.get(f"{engine.api}/{opened}?list-type=2")
    assert listing.status_code == 200 and "<Key>private</Key>" in listing.text


def test_a_denial_counts_for_more_and_for_the_owner_too(engine, s3, opened):
    policy = json.loads(public_read(opened, Resource=f"arn:aws:s3:::{opened}/*"))
    denial = {**policy["Statement"][0], "Effect": "Deny", "Resource": f"arn:aws:s3:::{opened}/private"}
    policy["Statement"].append(denial)
    s3.put_bucket_policy(Bucket=opened, Policy=json.dumps(policy))
    assert anonymous(engine, opened, "public/a b").status_code == 200
    assert anonymous(engine, opened, "private").status_code == 403
    refused("AccessDenied", 403, s3.get_object, Bucket=opened, Key="private")
    # Nobody locks himself out for good.
    s3.delete_bucket_policy(Bucket=opened)
    s3.get_object(Bucket=opened, Key="private")


def test_a_closed_bucket_takes_no_public_policy(engine, s3, bucket):
    refused("AccessDenied", 403, s3.put_bucket_policy, Bucket=bucket, Policy=public_read(bucket))
    block = {"BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    s3.put_bucket_policy(Bucket=bucket, Policy=public_read(bucket))
    s3.put_object(Bucket=bucket, Key="public/k", Body=b"x")
    assert anonymous(engine, bucket, "public/k").status_code == 403
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": False})
    assert anonymous(engine, bucket, "public/k").status_code == 200


def test_policies_that_are_none(s3, bucket):
    for text in (
        "not json",
        "{}",
        public_read(bucket + "-other"),
        public_read(bucket, Action="ec2:RunInstances"),
        public_read(bucket, Effect="Maybe"),
        public_read(bucket, Principal=None),
    ):
        refused("MalformedPolicy", 400, s3.put_bucket_policy, Bucket=bucket, Policy=text)
    refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=bucket)
