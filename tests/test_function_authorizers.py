"""Routes whose callers a function lets in: what it is asked, what its answers mean, and how
often it is asked."""

import json
import threading

import pytest
import requests

from harness import Gate, eventually, unique
from http_apis import account, apis, arn_of, echo, gateway, let_in  # noqa: F401 (fixtures)

UNAUTHORIZED = (401, "Unauthorized")
FORBIDDEN = (403, "Forbidden")
FAILED = (500, "Internal Server Error")
# Answers what the header x-answer says, and counts in a bucket how often it was asked.
DECIDES = """
import json, os, socket, urllib.request


def handler(event, context):
    print("ASKED", json.dumps(event))
    headers = event["headers"]
    say = json.loads(headers.get("x-answer") or "{}")
    if gate := headers.get("x-gate"):
        with socket.create_connection(("127.0.0.1", int(gate))) as connection:
            connection.sendall(b"here")
            connection.recv(1)
    if error := say.get("raise"):
        raise Exception(error)
    return say.get("return")
"""


class Authorizer:
    """A function that decides, and what it was asked."""

    def __init__(self, engine, awslambda, functions):
        self.engine, self.awslambda = engine, awslambda
        self.name = functions.make(DECIDES)
        self.arn = arn_of(awslambda, self.name)
        self.logs = engine.client("logs")

    @property
    def uri(self):
        return f"arn:aws:apigateway:{self.engine.region}:lambda:path/2015-03-31/functions/{self.arn}/invocations"

    def permit(self, api, authorizer="*"):
        let_in(self.awslambda, self.name, f"{api.id}/authorizers/{authorizer}")

    def asked(self, count=None) -> list:
        """The events so far; the log is written a little later than the answer."""

        def read():
            events = []
            try:
                pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{self.name}")
                events = [event["message"] for page in pages for event in page["events"]]
            except self.logs.exceptions.ResourceNotFoundException:
                pass
            return [json.loads(line.split("ASKED ", 1)[1]) for line in events if "ASKED " in line]

        if count is None:
            return read()
        eventually(lambda: len(read()) >= count, f"asked {count} times")
        found = read()
        assert len(found) == count, [event["identitySource"] for event in found]
        return found


@pytest.fixture
def authorizer(engine, awslambda, functions):
    return Authorizer(engine, awslambda, functions)


def protect(api, authorizer, integration, *keys, permit=True, **settings):
    """Routes that ask the function; simple answers in the newer format, unless it is said otherwise."""
    made = {
        "AuthorizerPayloadFormatVersion": "2.0",
        "EnableSimpleResponses": True,
        "IdentitySource": ["$request.header.Authorization"],
        "AuthorizerResultTtlInSeconds": 0,
        **settings,
    }
    if made["AuthorizerPayloadFormatVersion"] == "1.0":
        made.pop("EnableSimpleResponses")
    number = api.client.create_authorizer(
        ApiId=api.id, Name=unique("by"), AuthorizerType="REQUEST", AuthorizerUri=authorizer.uri, **made
    )["AuthorizerId"]
    for key in keys:
        api.client.create_route(
            ApiId=api.id,
            RouteKey=key,
            Target=f"integrations/{integration}",
            AuthorizationType="CUSTOM",
            AuthorizerId=number,
        )
    if permit:
        authorizer.permit(api, number)
    return number


def call(api, answer, path="/a", token="token", method="GET", **headers):
    brought = {} if token is None else {"authorization": token}
    brought["x-answer"] = json.dumps(answer)
    return requests.request(method, api.by_path + path, headers={**brought, **headers})


def said(answer):
    return answer.status_code, answer.json().get("message")


def yes(**context):
    return {"return": {"isAuthorized": True, "context": context}}


def policy(*statements, principal="me", **context):
    document = {"Version": "2012-10-17", "Statement": [
        {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource} for effect, resource in statements
    ]}
    return {"return": {"principalId": principal, "policyDocument": document, "context": context}}


def test_what_it_is_asked_in_the_newer_format(apis, echo, authorizer, engine):
    api = apis()
    api.client.create_stage(ApiId=api.id, StageName="dev", AutoDeploy=True, StageVariables={"mode": "fast"})
    sources = ["$request.header.Authorization", "$request.querystring.q", "$stageVariables.mode", "$context.httpMethod"]
    protect(api, authorizer, api.integrate(echo), "POST /pets/{id}", IdentitySource=sources)
    context = {"who": "me", "n": 1, "deep": {"a": [True, None]}}
    answer = call(api, yes(**context), "/dev/pets/a%20b?q=1&q=2", method="POST", cookie="k=v")
    assert answer.status_code == 201, answer.text
    event = answer.json()
    assert event["requestContext"]["authorizer"] == {"lambda": context}
    asked = authorizer.asked(1)[0]
    number = account(authorizer.awslambda, authorizer.name)
    assert (asked["version"], asked["type"]) == ("2.0", "REQUEST")
    assert asked["routeArn"] == f"arn:aws:execute-api:{engine.region}:{number}:{api.id}/dev/POST/pets/a b"
    assert asked["identitySource"] == ["token", "1,2", "fast", "POST"]
    assert (asked["routeKey"], asked["rawPath"]) == ("POST /pets/{id}", "/dev/pets/a b")
    assert (asked["rawQueryString"], asked["cookies"]) == ("q=1&q=2", ["k=v"])
    assert asked["headers"]["authorization"] == "token"
    assert (asked["pathParameters"], asked["stageVariables"]) == ({"id": "a b"}, {"mode": "fast"})
    assert asked["requestContext"]["http"]["method"] == "POST"
    assert (asked["requestContext"]["stage"], asked["requestContext"]["apiId"]) == ("dev", api.id)
    assert asked["requestContext"]["requestId"] == answer.headers["apigw-requestid"]
    assert not {"body", "isBase64Encoded"} & set(asked)
    assert "authorizer" not in asked["requestContext"]


def test_what_it_is_asked_in_the_older_format(apis, echo, authorizer, engine):
    api = apis()
    integration = api.integrate(echo, PayloadFormatVersion="1.0")
    sources = ["$request.header.Authorization", "$request.querystring.q"]
    protect(
        api, authorizer, integration, "GET /pets/{id}", AuthorizerPayloadFormatVersion="1.0", IdentitySource=sources
    )
    answer = call(api, policy(("Allow", "*"), who="x", n=1), "/pets/7?q=1")
    assert answer.status_code == 201, answer.text
    assert answer.json()["requestContext"]["authorizer"] == {"who": "x", "n": 1, "principalId": "me"}
    asked = authorizer.asked(1)[0]
    assert (asked["version"], asked["type"]) == ("1.0", "REQUEST")
    assert asked["methodArn"].endswith(f":{api.id}/$default/GET/pets/7")
    assert asked["identitySource"] == asked["authorizationToken"] == "token,1"
    assert (asked["resource"], asked["path"], asked["httpMethod"]) == ("/pets/{id}", "/pets/7", "GET")
    assert asked["queryStringParameters"] == {"q": "1"}
    assert (asked["pathParameters"], asked["stageVariables"]) == ({"id": "7"}, {})
    context = asked["requestContext"]
    assert (context["apiId"], context["stage"], context["resourcePath"]) == (api.id, "$default", "/pets/{id}")
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert not {"body", "isBase64Encoded", "multiValueHeaders"} & set(asked)


def test_what_simple_answers_mean(apis, echo, authorizer):
    api = apis()
    protect(api, authorizer, api.integrate(echo), "GET /a")
    assert call(api, yes()).status_code == 201
    assert said(call(api, {"return": {"isAuthorized": False}})) == FORBIDDEN
    assert said(call(api, {"raise": "Unauthorized"})) == UNAUTHORIZED
    for bad in [{}, {"return": True}, {"return": {"isAuthorized": "yes"}}, {"raise": "x"}, policy(("Allow", "*"))]:
        answer = call(api, bad)
        assert said(answer) == FAILED, bad
        assert "x" not in answer.json()["detail"].split(), "what failed is for the log"


def test_what_policies_mean(apis, echo, authorizer):
    api = apis()
    protect(api, authorizer, api.integrate(echo), "ANY /{proxy+}", EnableSimpleResponses=False)
    arn = f"arn:aws:execute-api:*:*:{api.id}/$default"
    for statements, method, path, expected in [
        ([("Allow", "*")], "GET", "/a", 201),
        ([("Allow", f"{arn}/GET/*")], "GET", "/a/b", 201),
        ([("Allow", f"{arn}/GET/*")], "POST", "/a/b", 403),
        ([("Allow", "*"), ("Deny", f"{arn}/*/admin/*")], "GET", "/admin/x", 403),
        ([("Allow", "*"), ("Deny", f"{arn}/*/admin/*")], "GET", "/%61dmin/x", 403),
        ([("Allow", "*"), ("Deny", f"{arn}/*/admin/*")], "GET", "/other", 201),
        ([("Allow", "arn:aws:execute-api:*:*:other/*")], "GET", "/a", 403),
        ([], "GET", "/a", 500),
    ]:
        answer = call(api, policy(*statements), path, method=method)
        assert answer.status_code == expected, (statements, method, path, answer.text)
    assert said(call(api, yes())) == FAILED, "a simple answer was not agreed on"


def test_who_brings_nothing_is_not_asked_about(apis, echo, authorizer):
    api = apis()
    sources = ["$request.header.Authorization", "$request.header.X-Tenant"]
    protect(api, authorizer, api.integrate(echo), "GET /a", IdentitySource=sources)
    for headers in [{}, {"authorization": "t"}, {"x-tenant": "a"}, {"authorization": "t", "x-tenant": ""}]:
        answer = requests.get(f"{api.by_path}/a", headers=headers)
        assert said(answer) == UNAUTHORIZED, headers
    assert call(api, yes(), **{"x-tenant": "a"}).status_code == 201
    assert len(authorizer.asked(1)) == 1


def test_answers_are_kept_by_what_was_brought(apis, echo, authorizer):
    api = apis()
    integration = api.integrate(echo)
    protect(api, authorizer, integration, "GET /a", "GET /b", AuthorizerResultTtlInSeconds=300)
    for path in ["/a", "/b", "/a"]:
        assert call(api, yes(n=1), path).json()["requestContext"]["authorizer"] == {"lambda": {"n": 1}}
    # It is not asked again, whatever it would say now.
    assert call(api, {"return": {"isAuthorized": False}}).status_code == 201
    assert said(call(api, {"return": {"isAuthorized": False}}, token="other")) == FORBIDDEN
    assert said(call(api, yes(), token="other")) == FORBIDDEN, "a no is kept as well"
    assert [event["identitySource"] for event in authorizer.asked(2)] == [["token"], ["other"]]
    # What failed is not kept.
    assert said(call(api, {"raise": "x"}, token="third")) == FAILED
    assert call(api, yes(), token="third").status_code == 201


def test_a_kept_policy_is_asked_for_each_route(apis, echo, authorizer):
    api = apis()
    integration = api.integrate(echo)
    protect(
        api, authorizer, integration, "GET /a", "GET /b",
        EnableSimpleResponses=False, AuthorizerResultTtlInSeconds=300,
    )
    only = policy(("Allow", f"arn:aws:execute-api:*:*:{api.id}/*/GET/a"))
    assert [call(api, only, path).status_code for path in ["/a", "/b", "/a"]] == [201, 403, 201]
    assert len(authorizer.asked(1)) == 1


def test_a_route_may_be_part_of_what_was_brought(apis, echo, authorizer):
    api = apis()
    sources = ["$request.header.Authorization", "$context.routeKey"]
    protect(
        api, authorizer, api.integrate(echo), "GET /a", "GET /b",
        IdentitySource=sources, AuthorizerResultTtlInSeconds=300,
    )
    for path in ["/a", "/b", "/a"]:
        assert call(api, yes(), path).status_code == 201
    assert len(authorizer.asked(2)) == 2


def test_what_is_kept_can_be_forgotten(apis, echo, authorizer):
    api = apis()
    protect(api, authorizer, api.integrate(echo), "GET /a", AuthorizerResultTtlInSeconds=300)
    assert call(api, yes()).status_code == 201
    api.client.reset_authorizers_cache(ApiId=api.id, StageName="$default")
    assert said(call(api, {"return": {"isAuthorized": False}})) == FORBIDDEN


def test_all_who_come_at_once_wait_for_one_answer(apis, echo, authorizer):
    api = apis()
    protect(api, authorizer, api.integrate(echo), "GET /a", AuthorizerResultTtlInSeconds=300)
    codes = []
    with Gate() as gate:
        headers = {"x-gate": str(gate.port)}
        clients = [
            threading.Thread(target=lambda: codes.append(call(api, yes(), **headers).status_code)) for _ in range(8)
        ]
        for client in clients:
            client.start()
        gate.wait_for(1)
        gate.open()
        for client in clients:
            client.join()
    assert codes == [201] * 8
    assert len(authorizer.asked(1)) == 1


def test_a_function_must_let_the_gateway_in(apis, echo, authorizer):
    api = apis()
    number = protect(api, authorizer, api.integrate(echo), "GET /a", permit=False)
    assert said(call(api, yes())) == FAILED
    let_in(authorizer.awslambda, authorizer.name, f"{api.id}/authorizers/other")
    let_in(authorizer.awslambda, authorizer.name, f"{api.id}/*/GET/a")
    assert said(call(api, yes())) == FAILED, "that is for routes, and for another authorizer"
    authorizer.permit(api, number)
    assert call(api, yes()).status_code == 201


def test_a_role_may_ask(apis, echo, authorizer):
    api = apis()
    protect(
        api, authorizer, api.integrate(echo), "GET /a", permit=False,
        AuthorizerCredentialsArn="arn:aws:iam::000000000000:role/any",
    )
    assert call(api, yes()).status_code == 201


def test_a_function_that_cannot_run(apis, echo, authorizer):
    api = apis()
    protect(api, authorizer, api.integrate(echo), "GET /a")
    authorizer.awslambda.put_function_concurrency(FunctionName=authorizer.name, ReservedConcurrentExecutions=0)
    assert said(call(api, yes())) == FAILED
    authorizer.awslambda.delete_function(FunctionName=authorizer.name)
    assert said(call(api, yes())) == FAILED
