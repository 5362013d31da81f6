"""Events of API Gateway and function URLs become requests of WSGI and ASGI apps, and
their answers what API Gateway wants: no engine, the library alone."""

import base64
import json

import pytest
from werkzeug.wrappers import Request as Read

from wrapped import GUEST  # noqa: F401, puts the library onto the path

from squall import web


def second(path="/", /, query="", method="GET", headers=None, body=None, cookies=None, stage="$default", **about):
    """An event of payload format 2.0, of an HTTP API unless `domainName` says otherwise."""
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example", "x-forwarded-proto": "https", "x-forwarded-port": "443", **(headers or {})},
        "requestContext": {
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "stage": stage,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7"},
            **about,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    if cookies:
        event["cookies"] = cookies
    return event


def first(path, /, query=None, method="GET", headers=None, body=None, **about):
    """An event of payload format 1.0, as a REST API gives it."""
    return {
        "httpMethod": method,
        "path": path,
        "multiValueQueryStringParameters": query,
        "multiValueHeaders": headers or {"Host": ["api.example"]},
        "requestContext": {"path": path, "stage": "$default", "identity": {"sourceIp": "192.0.2.7"}, **about},
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    }


def told_by_wsgi(environ, start_response):
    """What an app can know of its request, as JSON."""
    read = Read(environ)
    said = {
        "method": read.method,
        "root": read.root_path,
        "path": read.path,
        "url": read.url,
        "query": [[name, value] for name, value in read.args.items(multi=True)],
        "headers": {name.lower(): value for name, value in read.headers.items()},
        "cookies": read.cookies.to_dict(),
        "body": base64.b64encode(read.get_data()).decode(),
        "client": read.remote_addr,
        "scheme": read.scheme,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said).encode()]


async def told_by_asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespans here")
    message = await receive()
    assert message["more_body"] is False
    headers = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode(), []).append(value.decode())
    root = scope["root_path"]
    assert scope["path"].startswith(root)
    said = {
        "method": scope["method"],
        "root": root,
        "path": scope["path"][len(root) :],
        "query": Read({"QUERY_STRING": scope["query_string"].decode()}).args.to_dict(flat=False),
        "headers": headers,
        "body": base64.b64encode(message["body"]).decode(),
        "client": scope["client"][0],
        "scheme": scope["scheme"],
    }
    content = json.dumps(said).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": content[:5], "more_body": True})
    await send({"type": "http.response.body", "body": content[5:]})


def told(event, app=told_by_wsgi):
    answer = web.handler_of(app)(event, None)
    assert answer["statusCode"] == 200, answer
    assert answer["isBase64Encoded"] is False
    return json.loads(answer["body"])


@pytest.mark.parametrize("app", [told_by_wsgi, told_by_asgi])
def test_a_request_arrives_as_it_was_sent(app):
    event = second(
        "/a b/ü",
        "x=1&x=2&y=%C3%BC",
        "POST",
        {"content-type": "application/octet-stream", "x-two": "1,2"},
        b"\x00\xff",
        ["a=1", "b=2"],
    )
    said = told(event, app)
    assert (said["method"], said["root"], said["path"]) == ("POST", "", "/a b/ü")
    assert said["client"] == "192.0.2.7"
    assert said["scheme"] == "https"
    assert base64.b64decode(said["body"]) == b"\x00\xff"
    flat = {name: value if isinstance(value, str) else ",".join(value) for name, value in said["headers"].items()}
    assert flat["x-two"] == "1,2"
    assert flat["cookie"] == "a=1; b=2"
    assert flat["content-type"] == "application/octet-stream"
    assert flat["content-length"] == "2"


def test_both_formats_tell_the_same():
    query = "x=1&x=2&y=%C3%BC+%26"
    one = told(first("/p", {"x": ["1", "2"], "y": ["ü &"]}, "POST", {"Host": ["api.example"], "X-Forwarded-Proto": ["https"], "X-Forwarded-Port": ["443"]}, "ä"))
    two = told(second("/p", query, "POST", {"host": "api.example"}, "ä"))
    for name in ("x-forwarded-proto", "x-forwarded-port"):
        two["headers"].pop(name), one["headers"].pop(name)
    one.pop("url"), two.pop("url")
    assert one == two
    assert one["query"] == [["x", "1"], ["x", "2"], ["y", "ü &"]]
    assert base64.b64decode(one["body"]).decode() == "ä"


@pytest.mark.parametrize(
    "event, root, path",
    [
        # HTTP APIs give paths without escapes, the others as they came.
        (second("/50% off"), "", "/50% off"),
        (second("/a%2Fb", domainName="x.lambda-url.us-east-1.on.aws"), "", "/a/b"),
        (first("/a%20b"), "", "/a b"),
        ({**first("/a%20b"), "version": "1.0"}, "", "/a%20b"),
        # Behind a stage with a name.
        (second("/prod/items", stage="prod"), "/prod", "/items"),
        (second("/prod", stage="prod"), "/prod", "/"),
        (second("/products", stage="prod"), "", "/products"),
        (first("/items", path="/prod/items", stage="prod"), "/prod", "/items"),
        (first("/", path="/prod/", stage="prod"), "/prod", "/"),
        ({**first("/prod/items", stage="prod"), "version": "1.0"}, "/prod", "/items"),
        # A prefix is believed on this machine only.
        (second("/x", headers={"x-forwarded-prefix": "/evil"}), "", "/x"),
        (second("/x", headers={"x-forwarded-prefix": "/execute-api/a"}, apiId="a", domainName="a.execute-api.us-east-1.localhost"), "/execute-api/a", "/x"),
        (second("/x", headers={"x-forwarded-prefix": "/execute-api/b"}, apiId="a", domainName="a.execute-api.us-east-1.localhost"), "", "/x"),
        (second("/x", headers={"x-forwarded-prefix": "//evil"}, apiId="a", domainName="a.lambda-url.us-east-1.localhost"), "", "/x"),
        (second("/x", headers={"x-forwarded-prefix": "/execute-api/a"}, apiId="a", domainName="a.execute-api.us-east-1.amazonaws.com"), "", "/x"),
    ],
)
@pytest.mark.parametrize("app", [told_by_wsgi, told_by_asgi])
def test_where_an_app_is_mounted(app, event, root, path):
    said = told(event, app)
    assert (said["root"], said["path"]) == (root, path)


def test_a_client_cannot_stand_in_for_what_a_proxy_says():
    event = second("/", headers={"x-forwarded-for": "192.0.2.7", "x_forwarded_for": "6.6.6.6", "x-a_b": "1"})
    headers = told(event)["headers"]
    assert headers["x-forwarded-for"] == "192.0.2.7"
    assert "x-a-b" not in headers


def test_links_are_those_of_the_outside():
    event = second("/prod/items", stage="prod", headers={"host": "api.example"})
    assert told(event)["url"] == "https://api.example/prod/items"


def answer_of(status, headers, body, event=None):
    def app(environ, start_response):
        start_response(status, headers)
        return [body]

    return web.handler_of(app)(event or second(), None)


def test_text_is_text_and_the_rest_is_base64():
    for kind, is_text in [
        ("text/html; charset=utf-8", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("image/svg+xml", True),
        ("text/plain; charset=latin-1", False),
        ("image/png", False),
        ("application/octet-stream", False),
    ]:
        answer = answer_of("200 OK", [("Content-Type", kind)], "ä".encode())
        assert answer["isBase64Encoded"] is not is_text, kind
        assert answer["body"] == ("ä" if is_text else base64.b64encode("ä".encode()).decode())
    broken = answer_of("200 OK", [("Content-Type", "text/plain")], b"\xff")
    assert base64.b64decode(broken["body"]) == b"\xff" and broken["isBase64Encoded"]
    packed = answer_of("200 OK", [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")], b"text")
    assert packed["isBase64Encoded"]


def test_cookies_and_headers_with_several_values():
    headers = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2, c"), ("Vary", "A"), ("vary", "B"), ("Content-Length", "9"), ("Connection", "close")]
    two = answer_of("201 Created", headers, b"")
    assert two["statusCode"] == 201
    assert two["cookies"] == ["a=1; Path=/", "b=2, c"]
    assert two["headers"] == {"vary": "A, B"}
    one = answer_of("201 Created", headers, b"", first("/"))
    assert one["multiValueHeaders"] == {"set-cookie": ["a=1; Path=/", "b=2, c"], "vary": ["A", "B"]}
    assert "headers" not in one


# What apps do wrong, and what is not theirs


def test_an_app_that_fails_is_an_answer_and_a_traceback(capsys):
    def broken(environ, start_response):
        raise KeyError("inside")

    async def broken_async(scope, receive, send):
        raise KeyError("inside")

    async def unfinished(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def out_of_turn(scope, receive, send):
        await send({"type": "http.response.body", "body": b""})

    for app in (broken, broken_async, unfinished, out_of_turn, lambda environ, start_response: [b"unstarted"]):
        answer = web.handler_of(app)(second(), None)
        assert (answer["statusCode"], answer["body"]) == (500, "Internal Server Error")
        log = capsys.readouterr().out
        assert log.startswith("[ERROR] Traceback") and log.count("\n") == 1
        assert "inside" not in answer["body"]


def test_the_error_page_of_a_framework_is_answered(capsys):
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"mine"})
            raise ValueError("for the log")

    answer = web.handler_of(app)(second(), None)
    assert (answer["statusCode"], base64.b64decode(answer["body"])) == (500, b"mine")
    assert "for the log" in capsys.readouterr().out


def test_a_response_may_start_late_and_be_replaced():
    def late(environ, start_response):
        start_response("202 Accepted", [])
        yield b"a"
        yield b"b"

    answer = web.handler_of(late)(second(), None)
    assert (answer["statusCode"], base64.b64decode(answer["body"])) == (202, b"ab")

    closed = []

    class Parts:
        def __iter__(self):
            return iter([b"x"])

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start_response("400 Bad Request", [], (type(error), error, error.__traceback__))
        return Parts()

    assert web.handler_of(app)(second(), None)["statusCode"] == 400
    assert closed == [True]


def test_events_that_are_no_requests_are_refused():
    handler = web.handler_of(told_by_wsgi)
    for event in ({}, [], None, {"Records": []}, {"requestContext": None}, {"requestContext": {"stage": "x"}}):
        with pytest.raises(ValueError, match="this event is none"):
            handler(event, None)


def test_wsgi_and_asgi_are_told_apart():
    import fastapi
    import flask
    from starlette.middleware.gzip import GZipMiddleware

    class Old:
        def __init__(self, environ, start_response):
            pass

    class Sync:
        """A layer around an ASGI app that is no coroutine itself."""

        def __call__(self, scope, receive, send):
            return told_by_asgi(scope, receive, send)

    assert web.interface_of(flask.Flask("x")) == "wsgi"
    assert web.interface_of(Old) == "wsgi"
    assert web.interface_of(told_by_wsgi) == "wsgi"
    assert web.interface_of(fastapi.FastAPI()) == "asgi"
    assert web.interface_of(GZipMiddleware(fastapi.FastAPI())) == "asgi"
    assert web.interface_of(Sync()) == "asgi"
    assert web.interface_of(told_by_asgi) == "asgi"
    assert web.interface_of(told_by_asgi, "wsgi") == "wsgi"
    with pytest.raises(TypeError, match="'dict' is no app"):
        web.interface_of({})
    with pytest.raises(ValueError, match="SQUALL_INTERFACE"):
        web.interface_of(told_by_asgi, "cgi")


# Lifespans


def test_a_lifespan_begins_once_and_its_state_goes_to_requests():
    begun = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            begun.append(True)
            scope["state"]["pool"] = "made"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise AssertionError("nobody says when an instance ends")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": scope["state"]["pool"].encode()})

    handler = web.handler_of(app)
    assert begun == [True], "the init phase is the time for it"
    assert [handler(second(), None)["body"] for _ in range(3)] == ["made"] * 3
    assert begun == [True]


def test_a_startup_that_fails_ends_the_init_phase():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="the app's startup failed: no database"):
        web.handler_of(app)


def test_waiting_for_the_client_to_go_ends_with_the_answer():
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise RuntimeError
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        assert (await receive())["type"] == "http.disconnect"

    assert web.handler_of(app)(second(), None)["statusCode"] == 204
