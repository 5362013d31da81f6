"""Routes that lead to another address, to the objects of a bucket, or to another route, and
what they make of paths that are sent to get somewhere else."""

import json
import re
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests

from http_apis import apis, arn_of, echo, gateway, let_in  # noqa: F401 (fixtures)

PAGES = {
    "web/index.html": (b"<h1>front</h1>", "text/html"),
    "web/docs/index.html": (b"<h1>docs</h1>", "text/html"),
    "web/a b.txt": (b"0123456789", "text/plain"),
    "web/404.html": (b"<h1>not here</h1>", "text/html"),
    "web/private/secret.txt": (b"secret below", "text/plain"),
    "secret.txt": (b"secret beside", "text/plain"),
}


def raw(url, method="GET", headers=None):
    """A request whose path no client makes tidy."""
    parts = urlsplit(url)
    path = url.split(parts.netloc, 1)[1]
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.putrequest(method, "/", skip_accept_encoding=True)
    # http.client would refuse some of these itself.
    connection._buffer[0] = f"{method} {path} HTTP/1.1".encode("latin-1")
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.fixture
def site(apis, s3, bucket):
    api = apis()
    for key, (body, kind) in PAGES.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)
    pages = api.own("Site", bucket=bucket, prefix="web/", error="404.html")
    for key in ["ANY /pages", "ANY /pages/", "ANY /pages/{proxy+}"]:
        api.route(key, pages)
    return api


def test_a_redirect_takes_variables_and_query_along(apis):
    api = apis()
    api.route("ANY /old/{id}", api.own("Redirect", location="/new/{id}", status="302"))
    api.route("GET /away/{rest+}", api.own("Redirect", location="https://other.example/x/{rest}"))

    def at(path, **more):
        return requests.get(api.by_path + path, allow_redirects=False, **more)

    answer = at("/old/a%20b?x=1&x=2")
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers["location"] == f"/execute-api/{api.id}/new/a%20b?x=1&x=2"
    assert requests.post(f"{api.by_path}/old/7", data=b"x", allow_redirects=False).status_code == 302
    answer = at("/away/a/b%2Fc")
    assert (answer.status_code, answer.headers["location"]) == (308, "https://other.example/x/a/b%2Fc")
    # What a client sends is a part of a path, and never a host, a header or more.
    for sent, location in [
        ("/away/%2F%2Fevil.example", "https://other.example/x/%2F%2Fevil.example"),
        ("/away/a%0d%0aset-cookie:%20a=b", "https://other.example/x/a%0D%0Aset-cookie%3A%20a%3Db"),
        ("/away/%00%ff", "https://other.example/x/%00%FF"),
        ("/away/%22%3E", "https://other.example/x/%22%3E"),
    ]:
        answer, _ = raw(api.by_path + sent)
        assert (answer.status, answer.headers["location"]) == (308, location), sent
        assert answer.headers["set-cookie"] is None


def test_a_redirect_under_a_stage_stays_in_it(apis, gateway):
    api = apis()
    gateway.create_stage(ApiId=api.id, StageName="prod", AutoDeploy=True)
    api.route("GET /old", api.own("Redirect", location="/new"))
    answer = requests.get(f"{api.by_path}/prod/old", allow_redirects=False)
    assert answer.headers["location"] == f"/execute-api/{api.id}/prod/new"


def test_a_site_shows_the_objects_of_a_bucket(site):
    page = requests.get(f"{site.by_path}/pages/")
    assert (page.status_code, page.text, page.headers["content-type"]) == (200, "<h1>front</h1>", "text/html")
    # Links of a page hold where it is a folder's.
    bare = requests.get(f"{site.by_path}/pages?x=1", allow_redirects=False)
    assert (bare.status_code, bare.headers["location"]) == (302, f"/execute-api/{site.id}/pages/?x=1")
    folder = requests.get(f"{site.by_path}/pages/docs", allow_redirects=False)
    assert (folder.status_code, folder.headers["location"]) == (302, f"/execute-api/{site.id}/pages/docs/")
    assert requests.get(f"{site.by_path}/pages/docs").text == "<h1>docs</h1>"
    assert requests.get(f"{site.by_path}/pages/a%20b.txt").text == "0123456789"
    missing = requests.get(f"{site.by_path}/pages/nothing")
    assert (missing.status_code, missing.text) == (404, "<h1>not here</h1>")
    for answer in [page, bare, missing]:
        assert answer.headers["apigw-requestid"]


def test_a_site_answers_conditions_ranges_and_head(site):
    url = f"{site.by_path}/pages/a%20b.txt"
    whole = requests.get(url)
    tag = whole.headers["etag"]
    assert requests.get(url, headers={"if-none-match": tag}).status_code == 304
    assert requests.get(url, headers={"if-modified-since": whole.headers["last-modified"]}).status_code == 304
    assert requests.get(url, headers={"if-match": '"other"'}).status_code == 412
    part = requests.get(url, headers={"range": "bytes=2-4"})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "234", "bytes 2-4/10")
    assert requests.get(url, headers={"range": "bytes=10-"}).status_code == 416
    head = requests.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
    assert head.headers["etag"] == tag
    for method, code in [("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 204)]:
        answer = requests.request(method, url)
        assert (answer.status_code, answer.headers["allow"]) == (code, "GET, HEAD, OPTIONS")


def test_a_page_is_the_one_that_is_there_now(apis, s3, bucket):
    api = apis()
    api.route("GET /{proxy+}", api.own("Site", bucket=bucket))
    for n in range(20):
        s3.put_object(Bucket=bucket, Key="a.txt", Body=f"page {n}".encode())
        assert [requests.get(f"{api.by_path}/a.txt").text for _ in range(2)] == [f"page {n}"] * 2
    s3.delete_object(Bucket=bucket, Key="a.txt")
    assert requests.get(f"{api.by_path}/a.txt").status_code == 404


def test_no_path_leads_out_of_a_site(site):
    for path in [
        "/pages/../secret.txt",
        "/pages/%2e%2e/secret.txt",
        "/pages/%2E%2E%2Fsecret.txt",
        "/pages/..%2fsecret.txt",
        "/pages/docs/../../secret.txt",
        "/pages/docs/%2e%2e/%2e%2e/secret.txt",
        "/pages/..\\secret.txt",
        "/pages/..%5csecret.txt",
        "/pages/.%00./secret.txt",
        "/pages/%c0%ae%c0%ae/secret.txt",
        "/pages//secret.txt",
        "/pages//web/private/secret.txt",
        "/pages/private%2Fsecret.txt",
        "/pages/private//secret.txt",
        "/pages/./private/secret.txt",
        "/pages/%ff",
        "/pages/%00",
        "/pages/" + "a" * 9000,
        "/pages/" + "../" * 50,
    ]:
        answer, body = raw(site.by_path + path)
        assert answer.status in (400, 404), path
        assert b"secret" not in body, path
        assert answer.headers["location"] is None, path


def test_what_a_closed_route_keeps_no_spelling_opens(apis, s3, bucket):
    """A route before a part of a site asks for a key; no other path leads to what it keeps."""
    api = apis()
    for key, (body, kind) in PAGES.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)
    pages = api.own("Site", bucket=bucket, prefix="web/")
    api.route("GET /{proxy+}", pages)
    api.client.create_route(
        ApiId=api.id, RouteKey="GET /private/{proxy+}", Target=f"integrations/{pages}", ApiKeyRequired=True
    )
    assert requests.get(f"{api.by_path}/docs/index.html").status_code == 200
    assert requests.get(f"{api.by_path}/private/secret.txt").status_code == 403
    for path in [
        "/%70rivate/secret.txt",
        "/private%2Fsecret.txt",
        "/private%2fsecret.txt",
        "//private/secret.txt",
        "/./private/secret.txt",
        "/docs/../private/secret.txt",
        "/docs/%2e%2e/private/secret.txt",
        "/private//secret.txt",
        "/private/./secret.txt",
        "/private%5Csecret.txt",
        "/private%00/secret.txt",
        "/private;/secret.txt",
        "/private%20/secret.txt",
        "/PRIVATE/secret.txt",
        "/private/secret.txt%00",
        "/private/secret.txt/",
    ]:
        for method in ["GET", "HEAD"]:
            answer, body = raw(api.by_path + path, method)
            assert answer.status in (400, 403, 404), (method, path)
            assert b"secret below" not in body, path


def test_functions_see_odd_paths_as_they_are_and_none_of_them_fails(apis, echo):
    api = apis()
    api.route("GET /a/{proxy+}", api.integrate(echo))
    api.route("GET /closed", api.integrate(echo))
    for path, seen in [
        ("/a/b/../c", "b/../c"),
        ("/a/%2e%2e/closed", "../closed"),
        ("/a//b", None),
        ("/a/b//c", "b//c"),
        ("/a/b%2Fc", "b/c"),
        ("/a/%00", "\0"),
        ("/a/%ff", "\ufffd"),
        ("/a/%c0%af", "\ufffd\ufffd"),
        ("/a/%", "%"),
        ("/a/%zz", "%zz"),
        ("/a/x;y=1", "x;y=1"),
        ("/a/" + "b" * 5000, "b" * 5000),
    ]:
        answer, body = raw(api.by_path + path)
        if seen is None:
            assert answer.status == 404, path
            continue
        assert answer.status == 201, path
        event = json.loads(body)
        assert event["routeKey"] == "GET /a/{proxy+}", path
        assert event["pathParameters"] == {"proxy": seen}, path


def test_a_route_leads_on_to_another(apis, echo):
    api = apis()
    api.route("GET /items/{id}", api.integrate(echo))
    api.route("GET /things/{name}", api.own("Route", path="/items/{name}"))
    api.route("GET /more/{a}", api.own("Route", path="/things/{a}"))
    for path in ["/things/a%20b", "/more/a%20b"]:
        answer = requests.get(f"{api.by_path}{path}?x=1")
        assert answer.status_code == 201, answer.text
        event = answer.json()
        assert event["routeKey"] == "GET /items/{id}"
        assert event["rawPath"] == "/items/a b"
        assert event["pathParameters"] == {"id": "a b"}
        assert event["queryStringParameters"] == {"x": "1"}
    # A slash that was sent coded does not make a path of one part into one of two.
    assert requests.get(f"{api.by_path}/things/a%2Fb").json()["pathParameters"] == {"id": "a/b"}


def test_routes_that_lead_in_circles_are_told_so(apis, echo):
    api = apis()
    api.route("GET /a", api.own("Route", path="/b"))
    api.route("GET /b", api.own("Route", path="/a"))
    api.route("GET /self", api.own("Route", path="/self"))
    api.route("GET /nowhere", api.own("Route", path="/missing"))
    for number in range(6):
        api.route(f"GET /far{number}", api.own("Route", path=f"/far{number + 1}"))
    api.route("GET /far6", api.integrate(echo))
    for path in ["/a", "/self", "/far0", "/far1"]:
        answer = requests.get(api.by_path + path)
        assert (answer.status_code, answer.json()["message"]) == (508, "Loop Detected"), path
        assert "leads on and on" in answer.json()["detail"]
    assert requests.get(f"{api.by_path}/far2").status_code == 201
    assert requests.get(f"{api.by_path}/nowhere").status_code == 404


def test_a_second_way_to_a_route_is_no_easier_one(apis, engine, echo):
    api = apis()
    keys = engine.client("apigateway")
    key = keys.create_api_key(name=api.id, enabled=True)["value"]
    integration = api.integrate(echo)
    api.client.create_route(
        ApiId=api.id, RouteKey="GET /closed", Target=f"integrations/{integration}", ApiKeyRequired=True
    )
    api.route("GET /open", api.own("Route", path="/closed"))
    assert requests.get(f"{api.by_path}/open").status_code == 403
    assert requests.get(f"{api.by_path}/open", headers={"x-api-key": key}).status_code == 201
    # The other way round, the key of the first counts.
    api.route("GET /free", integration)
    to_free = api.own("Route", path="/free")
    api.client.create_route(
        ApiId=api.id, RouteKey="GET /guarded", Target=f"integrations/{to_free}", ApiKeyRequired=True
    )
    assert requests.get(f"{api.by_path}/guarded").status_code == 403
    assert requests.get(f"{api.by_path}/guarded", headers={"x-api-key": key}).status_code == 201
    # A key for the second way alone is none for what it leads to.
    to_closed = api.own("Route", path="/closed")
    api.client.create_route(
        ApiId=api.id, RouteKey="GET /back", Target=f"integrations/{to_closed}", ApiKeyRequired=True
    )
    made = keys.create_api_key(name=f"{api.id}-back", enabled=True, tags={"squall:routes": "/back"})
    assert requests.get(f"{api.by_path}/back", headers={"x-api-key": made["value"]}).status_code == 403
    assert requests.get(f"{api.by_path}/back", headers={"x-api-key": key}).status_code == 201


def test_a_call_that_is_led_on_is_one_call_of_its_key(apis, engine, echo):
    api = apis()
    keys = engine.client("apigateway")
    made = keys.create_api_key(name=api.id, enabled=True)
    plan = keys.create_usage_plan(
        name=api.id,
        apiStages=[{"apiId": api.id, "stage": "$default"}],
        quota={"limit": 3, "period": "DAY"},
    )["id"]
    keys.create_usage_plan_key(usagePlanId=plan, keyId=made["id"], keyType="API_KEY")
    for key, target in [("GET /b", api.integrate(echo)), ("GET /a", api.own("Route", path="/b"))]:
        api.client.create_route(ApiId=api.id, RouteKey=key, Target=f"integrations/{target}", ApiKeyRequired=True)
    answers = [requests.get(f"{api.by_path}/a", headers={"x-api-key": made["value"]}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]


def test_head_options_and_methods_that_are_not_there(apis, echo):
    api = apis()
    integration = api.integrate(echo)
    api.route("GET /a", integration)
    api.route("POST /a", integration)
    api.route("PUT /b", integration)
    api.route("HEAD /c", integration)
    got = requests.get(f"{api.by_path}/a", headers={"accept-encoding": "identity"})
    head = requests.head(f"{api.by_path}/a", headers={"accept-encoding": "identity"})
    assert (head.status_code, head.content) == (201, b"")
    assert abs(int(head.headers["content-length"]) - len(got.content)) < 100, "of the body that GET would get"
    assert head.headers["x-made-by"] == "lambda"
    options = requests.options(f"{api.by_path}/a")
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == "GET, POST, HEAD, OPTIONS"
    wrong = requests.delete(f"{api.by_path}/a")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    problem = wrong.json()
    assert (problem["status"], problem["title"]) == (405, "Method Not Allowed")
    assert problem["request_id"] == wrong.headers["x-amzn-requestid"]
    assert re.fullmatch(r"[0-9a-f-]{36}", problem["request_id"])
    assert requests.head(f"{api.by_path}/b").headers["allow"] == "PUT, OPTIONS"
    assert requests.head(f"{api.by_path}/c").status_code == 201
    assert requests.get(f"{api.by_path}/c").headers["allow"] == "HEAD, OPTIONS"
    for method in ["GET", "OPTIONS", "DELETE"]:
        answer = requests.request(method, f"{api.by_path}/nothing")
        assert (answer.status_code, "allow" in answer.headers) == (404, False), method


STREAMED = """
def handler(event, context):
    return {"statusCode": 202, "headers": {"x-a": "b", "content-type": "text/plain"}, "body": "whole"}
"""


def test_a_function_that_does_not_stream_answers_a_streaming_route_as_always(apis, awslambda, functions):
    name = functions.make(STREAMED)
    let_in(awslambda, name)
    api = apis()
    api.handled(arn_of(awslambda, name), "GET /s", stream="true")
    answer = requests.get(f"{api.by_path}/s")
    assert (answer.status_code, answer.text, answer.headers["x-a"]) == (202, "whole", "b")
