"""Usage plans: how often keys may call, what is counted, and that nothing is lost or counted twice."""

import concurrent.futures
import json
import os
import signal
import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit
from datetime import datetime, timezone

import pytest
import requests

from csv_service import TOTAL
from harness import DEADLINE, eventually, unique
from http_apis import apis, arn_of, echo, gateway, let_in  # noqa: F401 (fixtures)
from lambda_calls import refused
from test_iam_routes import link

TODAY = datetime.now(timezone.utc).date


@pytest.fixture(scope="module")
def keys(engine):
    return engine.client("apigateway")


@pytest.fixture
def api(apis, gateway, echo):
    """An API whose route /closed asks for a key."""
    return closed(apis(), gateway, echo)


def closed(api, gateway, function, path="/closed"):
    target = f"integrations/{api.integrate(function)}"
    gateway.create_route(ApiId=api.id, RouteKey=f"ANY {path}", Target=target, ApiKeyRequired=True)
    return api


def plan(keys, api, **bounds):
    """A plan of the API with one key: the plan's id, the key's id and its value."""
    stages = [{"apiId": api.id, "stage": "$default"}]
    made = keys.create_usage_plan(name=unique("plan"), apiStages=stages, **bounds)
    key = keys.create_api_key(name=unique("key"), enabled=True)
    keys.create_usage_plan_key(usagePlanId=made["id"], keyId=key["id"], keyType="API_KEY")
    return made["id"], key["id"], key["value"]


def call(api, key, path="/closed", **more):
    return requests.get(api.by_path + path, headers={"x-api-key": key}, **more)


def used(engine, key):
    done = engine.cli("usage", "--key", key, "--json")
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)["usage"]
    return lines[0] if lines else None


def test_a_plan_is_made_shown_changed_and_deleted(keys, api):
    stages = [{"apiId": api.id, "stage": "$default"}]
    name = unique("plan")
    made = keys.create_usage_plan(
        name=name,
        description="of a test",
        apiStages=stages,
        throttle={"rateLimit": 5.5, "burstLimit": 10},
        quota={"limit": 100, "period": "WEEK"},
        tags={"team": "lab"},
    )
    got = keys.get_usage_plan(usagePlanId=made["id"])
    assert (got["name"], got["apiStages"], got["tags"]) == (name, stages, {"team": "lab"})
    assert got["throttle"] == {"rateLimit": 5.5, "burstLimit": 10}
    assert got["quota"] == {"limit": 100, "offset": 0, "period": "WEEK"}

    def change(op, path, value=""):
        operation = {"op": op, "path": path, "value": value}
        return keys.update_usage_plan(usagePlanId=made["id"], patchOperations=[operation])

    assert change("replace", "/quota/limit", "7")["quota"]["limit"] == 7
    assert "throttle" not in change("remove", "/throttle")
    assert change("add", "/apiStages", "other:dev")["apiStages"][-1] == {"apiId": "other", "stage": "dev"}
    for bad in [("replace", "/quota/limit", "0"), ("replace", "/quota/period", "YEAR"), ("replace", "/id", "x")]:
        refused("BadRequestException", lambda bad=bad: change(*bad))
    assert keys.get_usage_plan(usagePlanId=made["id"])["quota"]["limit"] == 7
    refused("BadRequestException", lambda: keys.create_usage_plan(name="x", throttle={"rateLimit": -1.0, "burstLimit": 1}))

    key = keys.create_api_key(name=unique("key"), enabled=True)["id"]
    keys.create_usage_plan_key(usagePlanId=made["id"], keyId=key, keyType="API_KEY")
    again = {"usagePlanId": made["id"], "keyId": key, "keyType": "API_KEY"}
    refused("ConflictException", lambda: keys.create_usage_plan_key(**again))
    assert [item["id"] for item in keys.get_usage_plan_keys(usagePlanId=made["id"])["items"]] == [key]
    assert [item["id"] for item in keys.get_usage_plans(keyId=key)["items"]] == [made["id"]]
    keys.delete_usage_plan_key(usagePlanId=made["id"], keyId=key)
    refused("NotFoundException", lambda: keys.get_usage_plan_key(usagePlanId=made["id"], keyId=key))
    # Its keys would be without bounds.
    refused("BadRequestException", lambda: keys.delete_usage_plan(usagePlanId=made["id"]))
    for stage in [f"{api.id}:$default", "other:dev"]:
        change("remove", "/apiStages", stage)
    keys.delete_usage_plan(usagePlanId=made["id"])
    refused("NotFoundException", lambda: keys.get_usage_plan(usagePlanId=made["id"]))


def test_a_quota_is_told_counted_and_used_up(keys, api):
    plan_id, key_id, key = plan(keys, api, quota={"limit": 3, "period": "DAY"})
    for left in [2, 1, 0]:
        answer = call(api, key)
        assert answer.status_code == 201
        assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("3", str(left))
        assert 0 < int(answer.headers["x-ratelimit-reset"]) <= 86_400
    over = call(api, key)
    assert (over.status_code, over.json()["message"]) == (429, "Limit Exceeded")
    assert 0 < int(over.headers["retry-after"]) <= 86_400
    today = TODAY().isoformat()
    usage = keys.get_usage(usagePlanId=plan_id, keyId=key_id, startDate=today, endDate=today)
    assert usage["items"] == {key_id: [[3, 0]]}


def test_a_rate_is_held_and_a_burst_served(keys, api):
    _, _, key = plan(keys, api, throttle={"rateLimit": 0.01, "burstLimit": 2})
    assert [call(api, key).status_code for _ in range(3)] == [201, 201, 429]
    over = call(api, key)
    assert over.json()["message"] == "Too Many Requests"
    assert 0 < int(over.headers["retry-after"]) <= 100


def test_a_key_of_a_plan_calls_no_other_api(keys, api, apis, gateway, echo):
    _, _, key = plan(keys, api)
    other = closed(apis(), gateway, echo)
    assert call(api, key).status_code == 201
    assert call(other, key).status_code == 403


def test_of_calls_that_race_for_the_last_of_a_quota_none_is_too_many(keys, api):
    _, key_id, key = plan(keys, api, quota={"limit": 20, "period": "MONTH"})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda _: call(api, key).status_code, range(60)))
    assert (codes.count(201), codes.count(429)) == (20, 40)


def test_what_a_call_used_is_counted(engine, keys, api, apis, gateway, functions):
    _, key_id, key = plan(keys, api)
    assert call(api, key).status_code == 201
    assert call(api, key, "/closed?x=1").status_code == 201
    seen = used(engine, key_id)
    assert (seen["requests"], seen["errors"], seen["invocations"]) == (2, 0, 2)
    assert seen["gb_seconds"] > 0 and seen["usd"] > 0 and seen["bytes_out"] > 0

    # A map counts all the invocations that it made, and its rows.
    name = functions.make(TOTAL)
    api = apis()
    made = gateway.create_integration(
        ApiId=api.id,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype="Squall-Map",
        PayloadFormatVersion="1.0",
        RequestParameters={"function": name, "chunksize": "1"},
    )
    target = f"integrations/{made['IntegrationId']}"
    gateway.create_route(ApiId=api.id, RouteKey="ANY /", Target=target, ApiKeyRequired=True)
    _, key_id, key = plan(keys, api)
    table = "id,time,value\n" + "".join(f"{n % 4},{n},{n}\n" for n in range(12))
    answer = requests.put(api.by_path + "/", data=table, headers={"x-api-key": key, "content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    seen = used(engine, key_id)
    assert (seen["requests"], seen["rows"], seen["bytes_in"]) == (1, 12, len(table))
    assert seen["invocations"] >= 4
    assert requests.get(api.by_path + "/", headers={"x-api-key": key}).status_code == 405
    assert (used(engine, key_id)["requests"], used(engine, key_id)["errors"]) == (2, 1)


def test_who_reads_the_description_of_an_api_has_called_it(engine, keys, apis):
    api = apis(Tags={"squall:docs": "key"})
    _, key_id, key = plan(keys, api, quota={"limit": 2, "period": "DAY"})
    for left, status in [("1", 200), ("0", 200), (None, 429)]:
        answer = requests.get(api.by_path + "/_squall/openapi.json", headers={"x-api-key": key})
        assert (answer.status_code, answer.headers.get("x-ratelimit-remaining")) == (status, left)
    assert requests.get(api.by_path + "/_squall/docs", headers={"x-api-key": key}).status_code == 200
    assert used(engine, key_id)["requests"] == 2


def chain(api, gateway, integration, **first):
    """A route /first that leads on to one that asks for a key, /last."""
    target = f"integrations/{integration}"
    gateway.create_route(ApiId=api.id, RouteKey="ANY /last", Target=target, ApiKeyRequired=True)
    on = gateway.create_integration(
        ApiId=api.id,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype="Squall-Route",
        PayloadFormatVersion="1.0",
        RequestParameters={"path": "/last", "squall:share": "true"},
    )["IntegrationId"]
    gateway.create_route(ApiId=api.id, RouteKey="ANY /first", Target=f"integrations/{on}", **first)


def test_a_chain_of_routes_is_one_call(engine, keys, apis, gateway, echo):
    api = apis()
    chain(api, gateway, api.integrate(echo), ApiKeyRequired=True)
    _, key_id, key = plan(keys, api, quota={"limit": 2, "period": "DAY"})
    assert [call(api, key, "/first").status_code for _ in range(3)] == [201, 201, 429]
    seen = used(engine, key_id)
    assert (seen["requests"], seen["invocations"]) == (2, 2)


def test_a_link_is_counted_to_who_signed_it(engine, keys, apis, gateway, echo):
    root = "arn:aws:iam::000000000000:root"

    def counted():
        seen = used(engine, root) or {"requests": 0, "errors": 0, "invocations": 0}
        return seen["requests"], seen["errors"], seen["invocations"]

    api = apis()
    integration = api.integrate(echo, RequestParameters={"squall:share": "true"})
    target = f"integrations/{integration}"
    gateway.create_route(ApiId=api.id, RouteKey="GET /shared", Target=target, ApiKeyRequired=True)
    before = counted()
    address = link(engine, api.by_path + "/shared")
    assert [requests.get(address).status_code for _ in range(2)] == [201, 201]
    assert requests.get(address + "&more=1").status_code == 403
    assert counted() == (before[0] + 2, before[1], before[2] + 2)
    # Where a later route asks for a key, the key pays, and its plan bounds the calls.
    chain(api, gateway, api.integrate(echo), ApiKeyRequired=True)
    _, key_id, key = plan(keys, api, quota={"limit": 1, "period": "DAY"})
    address = link(engine, api.by_path + "/first")
    assert requests.get(address).status_code == 403
    assert [requests.get(address, headers={"x-api-key": key}).status_code for _ in range(2)] == [201, 429]
    assert used(engine, key_id)["requests"] == 1
    assert counted() == (before[0] + 2, before[1], before[2] + 2)


def test_who_hangs_up_has_called_all_the_same(engine, keys, apis, gateway, awslambda, functions, gate):
    slow = functions.make(
        f"""
        import socket

        def handler(event, context):
            with socket.create_connection(("127.0.0.1", {gate.port})) as gate:
                gate.sendall(b"here")
                gate.recv(1)
            return {{}}
        """
    )
    let_in(awslambda, slow)
    api = closed(apis(), gateway, arn_of(awslambda, slow))
    _, key_id, key = plan(keys, api)
    url = urlsplit(api.by_path)
    caller = HTTPConnection(url.hostname, url.port, timeout=DEADLINE)
    caller.request("GET", url.path + "/closed", headers={"x-api-key": key})
    gate.wait_for(1)
    caller.close()
    eventually(lambda: used(engine, key_id), "the engine to see that nobody waits any more")
    gate.open()

    def when_it_has_ended():
        counted = used(engine, key_id)
        return counted if counted and counted["invocations"] else None

    counted = eventually(when_it_has_ended, "the invocation to be counted")
    assert (counted["requests"], counted["errors"], counted["invocations"]) == (1, 1, 1)
    assert counted["gb_seconds"] > 0

def test_what_a_head_claims_of_a_body_is_not_believed(engine, keys, api):
    _, key_id, key = plan(keys, api)
    url = urlsplit(api.by_path)
    for _ in range(3):
        connection = HTTPConnection(url.hostname, url.port)
        connection.putrequest("POST", url.path + "/closed")
        connection.putheader("x-api-key", key)
        connection.putheader("content-length", str(2**63 - 800))
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()
    assert (used(engine, key_id)["requests"], used(engine, key_id)["bytes_in"]) == (3, 0)

def test_no_answered_call_is_lost_and_none_counts_twice(fresh_engine):
    """The engine is killed again and again while calls run: each answer was counted, once."""
    engine = fresh_engine
    keys, gateway = engine.client("apigateway"), engine.client("apigatewayv2")
    api = gateway.create_api(Name=unique("api"), ProtocolType="HTTP")["ApiId"]
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    gateway.create_route(ApiId=api, RouteKey="GET /closed", ApiKeyRequired=True)
    key = keys.create_api_key(name="k", enabled=True)
    answered = 0
    for _ in range(4):
        stop, lock, counts = threading.Event(), threading.Lock(), [0]

        def run():
            session = requests.Session()
            while not stop.is_set():
                try:
                    session.get(f"{engine.gateway}/execute-api/{api}/closed", headers={"x-api-key": key["value"]})
                except requests.ConnectionError:
                    return
                with lock:
                    counts[0] += 1
                    if counts[0] == 300:
                        os.kill(engine.process.pid, signal.SIGKILL)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answered += counts[0]
        engine.kill()
        engine.start()
    seen = used(engine, key["id"])["requests"]
    # Calls that were under way when the engine was killed may have been counted and not answered.
    assert answered <= seen <= answered + 4 * 3
    engine.stop()
    engine.start()
    assert used(engine, key["id"])["requests"] == seen

def test_plans_from_the_command_line(engine, keys, api):
    name, key_name = unique("free"), unique("page")

    def squall(*words):
        done = engine.cli(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    key = squall("keys", "create", "--name", key_name)["key"]
    made = squall("plans", "create", "--name", name, "--api", api.id, "--quota", "2/day", "--rate", "50")
    assert (made["quota"], made["rate"], made["burst"]) == ({"limit": 2, "period": "day"}, 50, 50)
    squall("plans", "add", name, key_name)
    assert [call(api, key).status_code for _ in range(3)] == [201, 201, 429]
    squall("plans", "set", name, "--quota", "4/day")
    assert [call(api, key).status_code for _ in range(3)] == [201, 201, 429]
    # A key that takes its place has its bounds.
    rotated = squall("keys", "rotate", key_name)["key"]
    assert [call(api, one).status_code for one in [key, rotated]] == [403, 201]
    assert call(api, rotated).headers["x-ratelimit-limit"] == "4"
    key = rotated
    squall("plans", "remove", name, key_name)
    assert call(api, key).status_code == 201
    table = engine.cli("plans").stdout
    assert name in table and "4/day" in table
    squall("plans", "rm", name, "--yes")
    lines = [line for line in squall("usage", "--key", key_name)["usage"] if line["plan"] == made["id"]]
    assert sorted(line["requests"] for line in lines) == [2, 4]
    shown = engine.cli("usage", "--key", key_name)
    assert "REQUESTS" in shown.stdout and key_name in shown.stdout


def test_a_method_has_a_throttle_of_its_own(keys, apis, gateway, echo):
    api = closed(closed(apis(), gateway, echo), gateway, echo, "/other")
    slow = {"rateLimit": 0.01, "burstLimit": 1}
    stage = {"apiId": api.id, "stage": "$default", "throttle": {"/closed/GET": slow}}
    made = keys.create_usage_plan(name=unique("plan"), apiStages=[stage])["id"]
    assert keys.get_usage_plan(usagePlanId=made)["apiStages"] == [stage]
    key = keys.create_api_key(name=unique("key"), enabled=True)
    keys.create_usage_plan_key(usagePlanId=made, keyId=key["id"], keyType="API_KEY")
    assert [call(api, key["value"]).status_code for _ in range(2)] == [201, 429]
    headers = {"x-api-key": key["value"]}
    assert requests.post(api.by_path + "/closed", headers=headers).status_code == 201
    assert call(api, key["value"], "/other").status_code == 201

    def change(op, path, value=""):
        operation = {"op": op, "path": f"/apiStages/{api.id}:$default/throttle{path}", "value": value}
        return keys.update_usage_plan(usagePlanId=made, patchOperations=[operation])["apiStages"]

    # As the AWS provider of Terraform writes paths, and as a JSON pointer does.
    change("replace", "//other/GET/rateLimit", "0.01")
    change("replace", "/~1closed/POST/burstLimit", "2")
    assert change("add", "/closed/GET/burstLimit", "5") == [
        {
            **stage,
            "throttle": {
                "/closed/GET": {"rateLimit": 0.01, "burstLimit": 5},
                "/closed/POST": {"rateLimit": 1, "burstLimit": 2},
                "/other/GET": {"rateLimit": 0.01, "burstLimit": 1},
            },
        }
    ]
    assert [call(api, key["value"], "/other").status_code for _ in range(2)] == [201, 429]
    assert "/other/GET" not in change("remove", "//other/GET")[0]["throttle"]
    for path, value in [("/closed/GET/rateLimit", "fast"), ("/closed/GET/rate", "1"), ("/closed/GET/burstLimit", "0")]:
        refused("BadRequestException", lambda path=path, value=value: change("replace", path, value))
    assert "throttle" not in change("remove", "")[0]


def test_of_changes_that_cannot_all_be_made_none_is(keys, api):
    made = keys.create_usage_plan(name=unique("plan"), quota={"limit": 5, "period": "DAY"})["id"]
    operations = [("replace", "/quota/limit", "9"), ("replace", "/name", "other"), ("replace", "/odd", "1")]
    operations = [dict(zip(["op", "path", "value"], operation)) for operation in operations]
    refused("BadRequestException", lambda: keys.update_usage_plan(usagePlanId=made, patchOperations=operations))
    got = keys.get_usage_plan(usagePlanId=made)
    assert (got["quota"]["limit"], got["name"] == "other") == (5, False)
    keys.delete_usage_plan(usagePlanId=made)


def test_what_is_left_of_a_quota_is_changed_for_one_period(keys, api):
    plan_id, key_id, key = plan(keys, api, quota={"limit": 2, "period": "MONTH"})
    assert [call(api, key).status_code for _ in range(3)] == [201, 201, 429]

    def leave(remaining, path="/remaining"):
        operation = {"op": "replace", "path": path, "value": remaining}
        return keys.update_usage(usagePlanId=plan_id, keyId=key_id, patchOperations=[operation])

    today = TODAY().isoformat()
    told = leave("3")
    assert (told["usagePlanId"], told["startDate"], told["endDate"]) == (plan_id, today, today)
    assert told["items"] == {key_id: [[2, 3]]}
    assert [call(api, key).headers["x-ratelimit-remaining"] for _ in range(3)] == ["2", "1", "0"]
    assert call(api, key).status_code == 429
    usage = keys.get_usage(usagePlanId=plan_id, keyId=key_id, startDate=today, endDate=today)
    assert usage["items"] == {key_id: [[5, 0]]}
    for bad in [("-1", "/remaining"), ("many", "/remaining"), ("1", "/used")]:
        refused("BadRequestException", lambda bad=bad: leave(*bad))
    free = plan(keys, api)
    operation = [{"op": "replace", "path": "/remaining", "value": "1"}]
    update = {"usagePlanId": free[0], "keyId": free[1], "patchOperations": operation}
    refused("BadRequestException", lambda: keys.update_usage(**update))
    refused("NotFoundException", lambda: keys.update_usage(**{**update, "keyId": key_id}))


def test_keys_and_plans_are_listed_in_parts_and_by_customer(keys):
    customer, name = unique("customer"), unique("list")
    made = [keys.create_api_key(name=f"{name}-{at}", enabled=True, customerId=customer)["id"] for at in range(5)]
    keys.create_api_key(name=f"{name}-other", enabled=True)
    pages = keys.get_paginator("get_api_keys").paginate(customerId=customer, PaginationConfig={"PageSize": 2})
    pages = [[key["id"] for key in page["items"]] for page in pages]
    assert pages == [made[:2], made[2:4], made[4:]]
    plan_id = keys.create_usage_plan(name=name)["id"]
    for key in made:
        keys.create_usage_plan_key(usagePlanId=plan_id, keyId=key, keyType="API_KEY")
    pages = keys.get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan_id, PaginationConfig={"PageSize": 3})
    assert sorted(key["id"] for page in pages for key in page["items"]) == sorted(made)
    found = keys.get_usage_plan_keys(usagePlanId=plan_id, nameQuery=f"{name}-3")["items"]
    assert [key["id"] for key in found] == [made[3]]
    pages = keys.get_paginator("get_usage_plans").paginate(keyId=made[0], PaginationConfig={"PageSize": 1})
    assert [item["id"] for page in pages for item in page["items"]] == [plan_id]
    refused("BadRequestException", lambda: keys.get_usage_plans(limit=0))
    keys.delete_usage_plan(usagePlanId=plan_id)
