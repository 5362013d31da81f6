"""API keys: who may call a route that asks for one, as boto3, `squall keys` and callers see it."""

import json
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests

from harness import unique
from http_apis import ECHO, Api, apis, echo, gateway  # noqa: F401 (fixtures)
from lambda_calls import refused, status


@pytest.fixture(scope="module")
def keys(engine):
    return engine.client("apigateway")


@pytest.fixture
def api(apis, gateway, echo):
    """An API with a route that asks for a key, /closed, another one, and an open one."""
    api = apis()
    integration = api.integrate(echo)
    for path in ["/closed", "/other"]:
        gateway.create_route(
            ApiId=api.id, RouteKey=f"ANY {path}", Target=f"integrations/{integration}", ApiKeyRequired=True
        )
    api.route("ANY /open", integration)
    return api


def call(api, path="/closed", key=None, **more):
    headers = {} if key is None else {"x-api-key": key}
    return requests.get(api.by_path + path, headers=headers, **more)


def test_a_route_that_asks_for_a_key_lets_nobody_else_in(api, gateway, keys):
    route = next(r for r in gateway.get_routes(ApiId=api.id)["Items"] if r["RouteKey"] == "ANY /closed")
    assert route["ApiKeyRequired"] is True
    made = keys.create_api_key(name=unique("key"), enabled=True, description="of a test", tags={"team": "lab"})
    assert call(api, "/open").status_code == 201
    assert call(api, key=made["value"]).status_code == 201
    for bad in [None, "", made["value"][:-1], made["value"] + "x", made["value"].swapcase()]:
        answer = call(api, key=bad)
        assert (answer.status_code, answer.json()["message"]) == (403, "Forbidden"), bad
        assert answer.headers["content-type"] == "application/problem+json", bad
        assert answer.headers["apigw-requestid"]
    # A query is in logs and in histories: a key has no place there.
    assert call(api, f"/closed?x-api-key={made['value']}").status_code == 403

    gateway.update_route(ApiId=api.id, RouteId=route["RouteId"], ApiKeyRequired=False)
    assert call(api).status_code == 201


def test_what_is_shown_of_a_key_is_never_the_key(keys):
    name = unique("key")
    made = keys.create_api_key(name=name, enabled=True, tags={"team": "lab"})
    assert len(made["value"]) >= 40
    got = keys.get_api_key(apiKey=made["id"], includeValue=True)
    assert (got["name"], got["enabled"], got["tags"]) == (name, True, {"team": "lab"})
    assert abs(got["createdDate"] - datetime.now(timezone.utc)) < timedelta(minutes=5)
    listed = keys.get_api_keys(nameQuery=name, includeValues=True)["items"]
    assert [key["id"] for key in listed] == [made["id"]]
    assert "value" not in got and "value" not in listed[0]


def test_a_key_is_changed_disabled_and_deleted(api, keys):
    made = keys.create_api_key(name=unique("key"), enabled=False)
    assert call(api, key=made["value"]).status_code == 403, "not enabled"

    def replace(path, value):
        operation = {"op": "replace", "path": path, "value": value}
        return keys.update_api_key(apiKey=made["id"], patchOperations=[operation])

    assert replace("/enabled", "true")["enabled"] is True
    assert call(api, key=made["value"]).status_code == 201
    assert replace("/name", "renamed")["name"] == "renamed"
    refused("BadRequestException", lambda: replace("/enabled", "perhaps"))
    refused("BadRequestException", lambda: replace("/value", "x" * 30))
    assert status(keys.delete_api_key(apiKey=made["id"])) == 202
    assert call(api, key=made["value"]).status_code == 403
    refused("NotFoundException", keys.get_api_key, apiKey=made["id"])
    refused("NotFoundException", keys.delete_api_key, apiKey=made["id"])


def test_a_value_of_ones_own_and_one_that_is_too_short(api, keys):
    own = unique("a-value-of-my-own-choosing")
    made = keys.create_api_key(name="own", enabled=True, value=own)
    assert made["value"] == own
    assert call(api, key=own).status_code == 201
    refused("ConflictException", keys.create_api_key, name="again", enabled=True, value=own)
    refused("BadRequestException", keys.create_api_key, name="short", enabled=True, value="short")


def test_a_key_is_for_the_stages_and_routes_that_it_names(api, keys):
    def key(**scope):
        return keys.create_api_key(name=unique("key"), enabled=True, **scope)["value"]

    here = [{"restApiId": api.id, "stageName": "$default"}]
    elsewhere = [{"restApiId": "another-api", "stageName": "$default"}]
    for value, closed, other in [
        (key(stageKeys=here), 201, 201),
        (key(stageKeys=elsewhere), 403, 403),
        (key(stageKeys=elsewhere + here), 201, 201),
        (key(tags={"squall:routes": "/closed"}), 201, 403),
        (key(tags={"squall:routes": "/other /closed"}), 201, 201),
    ]:
        assert (call(api, key=value).status_code, call(api, "/other", value).status_code) == (closed, other)


def test_a_key_ends_at_its_time(api, keys):
    made = keys.create_api_key(name=unique("key"), enabled=True)
    arn = f"arn:aws:apigateway:us-east-1::/apikeys/{made['id']}"

    def ends(moment):
        keys.tag_resource(resourceArn=arn, tags={"squall:expires": moment})

    ends((datetime.now(timezone.utc) + timedelta(hours=1)).isoformat())
    assert call(api, key=made["value"]).status_code == 201
    ends((datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat())
    assert call(api, key=made["value"]).status_code == 403
    refused("BadRequestException", lambda: ends("next week"))
    keys.untag_resource(resourceArn=arn, tagKeys=["squall:expires"])
    assert keys.get_tags(resourceArn=arn)["tags"] == {}
    assert call(api, key=made["value"]).status_code == 201


def test_two_keys_in_one_call_are_none(api, keys):
    made = keys.create_api_key(name=unique("key"), enabled=True)["value"]
    url = urlsplit(api.by_path)
    connection = HTTPConnection(url.hostname, url.port)
    connection.putrequest("GET", url.path + "/closed")
    for value in [made, "another"]:
        connection.putheader("x-api-key", value)
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


def test_a_page_of_another_origin_asks_without_a_key_and_calls_with_one(apis, gateway, echo, keys):
    rules = {"AllowOrigins": ["https://page.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-api-key"]}
    api = apis(CorsConfiguration=rules)
    gateway.create_route(
        ApiId=api.id, RouteKey="GET /closed", Target=f"integrations/{api.integrate(echo)}", ApiKeyRequired=True
    )
    origin = {"origin": "https://page.example"}
    asked = {**origin, "access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
    preflight = requests.options(api.by_path + "/closed", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-headers"]) == (204, "x-api-key")
    # The page can read why it was refused.
    refusal = requests.get(api.by_path + "/closed", headers=origin)
    assert refusal.status_code == 403
    assert refusal.headers["access-control-allow-origin"] == "https://page.example"


def test_the_command_line_makes_lists_rotates_and_revokes(engine, api):
    name = unique("page")

    def squall(*words, fails=False):
        done = engine.cli("keys", *words, "--json")
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else json.loads(done.stdout)

    first = squall("create", "--name", name, "--route", "/closed", "--expires", "2h")
    assert call(api, key=first["key"]).status_code == 201
    assert call(api, "/other", key=first["key"]).status_code == 403
    (listed,) = [key for key in squall("list") if key["name"] == name]
    assert (listed["id"], listed["routes"], listed["enabled"]) == (first["id"], ["/closed"], True)
    assert first["key"] not in json.dumps(squall())

    second = squall("rotate", name, "--overlap", "1h")
    assert second["replaces"] == first["id"]
    assert [call(api, key=made["key"]).status_code for made in [first, second]] == [201, 201]
    third = squall("rotate", name)
    assert [call(api, key=made["key"]).status_code for made in [first, second, third]] == [201, 403, 201]
    assert call(api, "/other", key=third["key"]).status_code == 403

    assert len(squall("revoke", name, "--yes")["revoked"]) == 3
    assert [call(api, key=made["key"]).status_code for made in [first, second, third]] == [403, 403, 403]
    assert "there is no key" in squall("revoke", name, "--yes", fails=True)
    assert "no span of time" in squall("create", "--name", name, "--expires", "soon", fails=True)


def test_keys_survive_a_kill(fresh_engine):
    engine = fresh_engine
    keys = engine.client("apigateway")
    made = keys.create_api_key(name="page", enabled=True)
    engine.kill()
    engine.start()
    kept = engine.client("apigateway").get_api_keys()["items"]
    assert [key["id"] for key in kept] == [made["id"]]
