"""API keys with `--to aws`, where HTTP APIs know none: a function of ours is asked about who
brings one. Against moto, whose AWS is not ours, and against our own engine in AWS's place,
which asks authorizers really."""

import hashlib
import json

import pytest

from deploy_cli import as_aws, fetch, fetch_until, moto, started  # noqa: F401 (fixtures)
from harness import eventually
from listings import difference, listing

PAGE = "https://page.example.test"
HANDLER = """
import json


def echo(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}
"""
PROJECT = f"""
[project]
name = "shut"

[functions.echo]
handler = "handler.echo"

[[routes]]
path = "/closed"
function = "echo"
key = true
cors = ["{PAGE}"]

[[routes]]
path = "/closed/too"
methods = ["GET"]
function = "echo"
key = true
cors = ["{PAGE}"]

[[routes]]
path = "/old"
redirect = "/closed"
key = true
cors = ["{PAGE}"]

[[routes]]
path = "/open"
function = "echo"
cors = ["{PAGE}"]
"""


def write(folder, project=PROJECT):
    return folder.write(**{"squall.toml": project, "handler.py": HANDLER})


def keys(folder, *words):
    return folder.run("keys", *words, "--json", fails=0).json


def said(answer):
    return answer.status_code, answer.json().get("message")


def bucket_of(cloud):
    return f"shut-dev-api-keys-{cloud.client('sts').get_caller_identity()['Account']}"


def kept(cloud):
    """What the bucket of keys has, by the names of its objects."""
    s3, bucket = cloud.client("s3"), bucket_of(cloud)
    objects = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {it["Key"]: s3.get_object(Bucket=bucket, Key=it["Key"])["Body"].read().decode() for it in objects}


def believe_nothing(engine):
    """No answer of the function is kept: what is about keys can be seen at once."""
    client = engine.client("apigatewayv2")
    (api,) = client.get_apis()["Items"]
    (authorizer,) = client.get_authorizers(ApiId=api["ApiId"])["Items"]
    client.update_authorizer(
        ApiId=api["ApiId"], AuthorizerId=authorizer["AuthorizerId"], AuthorizerResultTtlInSeconds=0
    )


def test_another_aws_has_an_authorizer_before_routes_that_ask(moto):
    cloud = moto.cloud
    before = listing(cloud)
    write(moto)
    told = moto.deploy().said
    assert "squall keys create --name NAME --to aws --stage dev makes one" in told
    assert moto.deploy("--json").json["steps"] == []
    client = cloud.client("apigatewayv2")
    (api,) = client.get_apis()["Items"]
    of = {"ApiId": api["ApiId"]}
    routes = {route["RouteKey"]: route for route in client.get_routes(**of)["Items"]}
    open_ones = {key for key, route in routes.items() if route["AuthorizationType"] == "NONE"}
    # Preflights are AWS's to answer, so no guarded route takes OPTIONS.
    methods = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    closed = {f"{method} {path}" for method in methods for path in ("/closed", "/old")}
    assert (open_ones, routes.keys() - open_ones) == ({"ANY /open"}, closed | {"GET /closed/too"})
    (asked,) = {routes[key]["AuthorizerId"] for key in routes.keys() - open_ones}
    assert not any(route.get("ApiKeyRequired") for route in routes.values())
    asked = client.get_authorizer(**of, AuthorizerId=asked)
    assert (asked["AuthorizerType"], asked["AuthorizerPayloadFormatVersion"]) == ("REQUEST", "2.0")
    assert asked["EnableSimpleResponses"] is True
    assert sorted(asked["IdentitySource"]) == ["$context.routeKey", "$request.header.x-api-key"]
    assert asked["AuthorizerUri"].endswith(":function:shut-dev-keys:live/invocations")
    policy = cloud.client("lambda").get_policy(FunctionName="shut-dev-keys", Qualifier="live")["Policy"]
    assert f"{api['ApiId']}/authorizers/{asked['AuthorizerId']}" in policy

    made = keys(moto, "create", "--name", "page", "--route", "/closed", "--expires", "1h")
    (digest, text), = kept(cloud).items()
    assert digest == hashlib.sha256(made["key"].encode()).hexdigest()
    assert made["key"] not in text and json.loads(text)["name"] == "page"
    (shown,) = keys(moto)
    assert (shown["id"], shown["routes"]) == (made["id"], ["/closed"]) and made["key"] not in str(shown)
    new = keys(moto, "rotate", "page", "--overlap", "10m")
    assert new["replaces"] == made["id"] and len(kept(cloud)) == 2
    assert keys(moto, "revoke", "page", "-y")["revoked"] == [made["id"], new["id"]]
    assert kept(cloud) == {}
    keys(moto, "create", "--name", "left")
    moto.undeploy()
    assert difference(before, listing(cloud)) == {}


def test_the_function_lets_in_whoever_has_a_key_that_is_good(as_aws):
    engine = as_aws.cloud
    before = listing(engine)
    write(as_aws)
    as_aws.deploy()
    believe_nothing(engine)
    url = as_aws.run("status", "--json", fails=0).json["url"].rstrip("/")

    def call(key=None, path="/closed", method="GET", **headers):
        headers |= {} if key is None else {"x-api-key": key}
        return fetch(method, url + path, headers=headers, allow_redirects=False)

    page = keys(as_aws, "create", "--name", "page")
    good = page["key"]
    opened = fetch_until("GET", url + "/closed", lambda it: it.status_code == 200, headers={"x-api-key": good})
    # Whose key it was, the function behind is told.
    assert opened.json()["lambda"] == {"apiKeyId": page["id"], "apiKeyName": "page"}
    assert call(good, method="POST").status_code == 200
    assert call(path="/open").status_code == 200
    assert said(call()) == (401, "Unauthorized")
    for bad in [good[:-1], good + "x", good.swapcase(), "../" + good, "x" * 5000]:
        assert said(call(bad)) == (403, "Forbidden"), bad
    assert call(path=f"/closed?x-api-key={good}").status_code == 401
    asks = {"origin": PAGE, "access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
    preflight = call(method="OPTIONS", **asks)
    assert preflight.ok and preflight.headers["access-control-allow-origin"] == PAGE
    # What we answer ourselves is behind it, too.
    assert call(path="/old").status_code == 401
    assert call(good, "/old").status_code == 308

    scoped = keys(as_aws, "create", "--name", "scoped", "--route", "/closed/too")["key"]
    assert call(scoped, "/closed/too").status_code == 200
    for path in ("/closed", "/old"):
        assert said(call(scoped, path)) == (403, "Forbidden")
    ended = keys(as_aws, "create", "--name", "ended", "--expires", "0s")["key"]
    assert said(call(ended)) == (403, "Forbidden")

    new = keys(as_aws, "rotate", "page", "--overlap", "1h")["key"]
    assert [call(key).status_code for key in (good, new)] == [200, 200]
    newest = keys(as_aws, "rotate", "page")["key"]
    assert [call(key).status_code for key in (good, new, newest)] == [200, 403, 200]
    keys(as_aws, "revoke", "page", "-y")
    assert {call(key).status_code for key in (good, new, newest)} == {403}
    assert {key["name"] for key in keys(as_aws)} == {"scoped", "ended"}

    # That its answers are believed is the only thing to put right again.
    (step,) = as_aws.deploy("--json").json["steps"]
    assert (step["kind"], step["details"]) == ("authorizer", ["kept 10 s"])
    as_aws.undeploy()
    assert difference(before, listing(engine)) == {}


def test_what_an_answer_was_kept_for_is_over_soon(as_aws):
    write(as_aws)
    as_aws.deploy()
    url = as_aws.run("status", "--json", fails=0).json["url"].rstrip("/")
    brought = {"headers": {"x-api-key": keys(as_aws, "create", "--name", "page")["key"]}}
    fetch_until("GET", url + "/closed", lambda it: it.status_code == 200, **brought)
    told = as_aws.run("keys", "revoke", "page", "-y", fails=0).said
    assert "who was let in just now may be so for 10 s more" in told
    eventually(lambda: fetch("GET", url + "/closed", **brought).status_code == 403, "the key is over", every=0.2)


def test_where_the_keys_cannot_be_read_nobody_is_let_in(as_aws):
    engine = as_aws.cloud
    write(as_aws)
    as_aws.deploy()
    believe_nothing(engine)
    url = as_aws.run("status", "--json", fails=0).json["url"].rstrip("/")
    key = keys(as_aws, "create", "--name", "page")["key"]
    brought = {"headers": {"x-api-key": key}}
    fetch_until("GET", url + "/closed", lambda it: it.status_code == 200, **brought)
    s3, bucket = engine.client("s3"), bucket_of(engine)
    digest = hashlib.sha256(key.encode()).hexdigest()
    text = s3.get_object(Bucket=bucket, Key=digest)["Body"].read()
    # Of another key, under this one's name; then no key at all.
    other = text.replace(digest.encode(), b"0" * 64)
    for body in (other, b"{}"):
        s3.put_object(Bucket=bucket, Key=digest, Body=body)
        assert fetch("GET", url + "/closed", **brought).status_code == 500
    s3.put_object(Bucket=bucket, Key=digest, Body=text)
    assert fetch("GET", url + "/closed", **brought).status_code == 200


@pytest.mark.parametrize(
    "words, told",
    [
        (("keys", "create", "--name", "x", "--api", "shut-dev"), "one stage of one project, which is one API"),
        (("keys", "create", "--name", "x", "--route", "closed"), "is no path of a route"),
        (("keys",), "stage dev has no keys on AWS yet"),
        (("plans", "create", "--name", "x", "--rate", "1", "--to", "aws"), "count no calls by key"),
        (("usage", "--to", "aws"), "count no calls by key"),
        (("keys", "--to", "local", "--stage", "prod"), "--stage goes with --to aws"),
    ],
)
def test_what_cannot_be_had_is_refused(moto, words, told):
    write(moto)
    refused = moto.refused(*words)
    assert told in refused, refused


def test_a_bucket_of_the_project_is_not_taken_for_keys(moto):
    write(moto, PROJECT + '\n[buckets.api-keys]\n')
    assert "the bucket api-keys is where API keys are kept" in moto.refused("deploy", "-y")
