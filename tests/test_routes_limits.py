"""What bounds the requests of a route: bodies, time, how often and how many at once; and
answers that go out while they are made."""

import concurrent.futures
import socket
from http.client import HTTPConnection
from urllib.parse import urlsplit

import requests

from http_apis import apis, arn_of, echo, gateway, let_in  # noqa: F401 (fixtures)

# A runtime of its own that streams: the head and a first piece, and the rest when it is let go on.
STREAMING = '''#!/usr/bin/env python3
import json, os, socket
from http.client import HTTPConnection

while True:
    runtime = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    given = runtime.getresponse()
    request_id = given.headers["Lambda-Runtime-Aws-Request-Id"]
    event = json.loads(given.read())
    head = {"statusCode": 203, "headers": {"content-type": "text/plain", "x-a": "b"}, "cookies": ["c=d"]}

    def pieces():
        yield json.dumps(head).encode() + bytes(8)
        yield b"one,"
        with socket.create_connection(("127.0.0.1", int(event["rawPath"][1:]))) as gate:
            gate.sendall(b"here")
            gate.recv(1)
        yield b"two"

    runtime.request(
        "POST",
        f"/2018-06-01/runtime/invocation/{request_id}/response",
        body=pieces(),
        headers={
            "Lambda-Runtime-Function-Response-Mode": "streaming",
            "Content-Type": "application/vnd.awslambda.http-integration-response",
            "Transfer-Encoding": "chunked",
        },
        encode_chunked=True,
    )
    runtime.getresponse().read()
    runtime.close()
'''


def test_a_route_takes_bodies_of_its_own_size(apis, echo):
    api = apis()
    api.handled(echo, "POST /small", body_bytes="1000")
    api.handled(echo, "POST /large")
    text = {"content-type": "text/plain"}
    assert requests.post(f"{api.by_path}/small", data=b"x" * 1000, headers=text).status_code == 201
    refused = requests.post(f"{api.by_path}/small", data=b"x" * 1001, headers=text)
    assert (refused.status_code, refused.json()["message"]) == (413, "Request Entity Too Large")
    assert refused.headers["apigw-requestid"]
    # One whose length is not told is counted while it comes.
    pieces = (b"x" * 600 for _ in range(2))
    assert requests.post(f"{api.by_path}/small", data=pieces, headers=text).status_code == 413
    assert requests.post(f"{api.by_path}/large", data=b"x" * 1001, headers=text).status_code == 201


def test_a_body_that_is_too_large_is_not_waited_for(apis, echo):
    api = apis()
    api.handled(echo, "POST /small", body_bytes="1000")
    parts = urlsplit(f"{api.by_path}/small")
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 1000000\r\n"
        connection.sendall((head + "Expect: 100-continue\r\n\r\n").encode())
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 413"), answer


def test_a_map_has_the_limit_of_its_route(apis, awslambda, functions):
    name = functions.make("def handler(event, context):\n    return {'n': len(event)}\n")
    api = apis()
    api.map(name, "POST /map", **{"squall:body-bytes": "1000"})
    text = {"content-type": "text/csv"}
    table = "id,x\n" + "1,2\n" * 1000
    declared = requests.post(f"{api.by_path}/map", data=table.encode(), headers=text)
    assert declared.status_code == 413, declared.text
    counted = requests.post(f"{api.by_path}/map", data=(piece.encode() for piece in [table[:900], table[900:]]), headers=text)
    assert counted.status_code == 413, counted.text


def test_a_route_that_is_full_tells_others_to_come_again(apis, awslambda, functions, gate):
    name = functions.make(gate.source.replace('event["gate"]', 'int(event["rawPath"][1:])'))
    let_in(awslambda, name)
    api = apis()
    api.handled(arn_of(awslambda, name), "GET /{gate}", concurrency="2")
    url = f"{api.by_path}/{gate.port}"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        inside = [pool.submit(requests.get, url) for _ in range(2)]
        gate.wait_for(2)
        full = requests.get(url)
        assert (full.status_code, full.json()["message"]) == (503, "Service Unavailable")
        assert full.headers["retry-after"] == "1"
        gate.open()
        assert [answer.result().status_code for answer in inside] == [200, 200]
        again = pool.submit(requests.get, url)
        gate.wait_for(1)
        gate.open()
        assert again.result().status_code == 200


def test_a_route_has_a_rate(apis, echo, gateway):
    api = apis()
    api.handled(echo, "GET /slow")
    api.handled(echo, "GET /fast")
    limits = {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 3}
    gateway.update_stage(ApiId=api.id, StageName="$default", RouteSettings={"GET /slow": limits})
    codes = [requests.get(f"{api.by_path}/slow").status_code for _ in range(3)]
    assert codes == [201, 201, 201]
    over = requests.get(f"{api.by_path}/slow")
    assert (over.status_code, over.json()["message"]) == (429, "Too Many Requests")
    assert 1 <= int(over.headers["retry-after"]) <= 100
    assert requests.get(f"{api.by_path}/fast").status_code == 201
    # A deployment does not fill it up again, nor is HEAD another way in.
    api.handled(echo, "GET /other")
    assert requests.get(f"{api.by_path}/slow").status_code == 429
    assert requests.head(f"{api.by_path}/slow").status_code == 429
    # What all routes have, where nothing is said of one.
    gateway.update_stage(
        ApiId=api.id, StageName="$default", DefaultRouteSettings={"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 1}
    )
    assert [requests.get(f"{api.by_path}/fast").status_code for _ in range(2)] == [201, 429]


def test_of_many_at_once_a_rate_lets_in_its_burst(apis, echo, gateway):
    api = apis()
    api.handled(echo, "GET /slow")
    limits = {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 5}
    gateway.update_stage(ApiId=api.id, StageName="$default", RouteSettings={"GET /slow": limits})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda _: requests.get(f"{api.by_path}/slow").status_code, range(40)))
    assert sorted(codes) == [201] * 5 + [429] * 35


def test_an_answer_goes_out_while_it_is_made(apis, awslambda, functions, gate):
    name = functions.make({"bootstrap": STREAMING}, Runtime="provided.al2023", Handler="any")
    let_in(awslambda, name)
    api = apis()
    api.handled(arn_of(awslambda, name), "GET /{gate}", stream="true")
    for coding in ["identity", "gzip"]:
        url = f"{api.by_path}/{gate.port}"
        with requests.get(url, stream=True, headers={"accept-encoding": coding}) as answer:
            assert (answer.status_code, answer.headers["x-a"], answer.headers["set-cookie"]) == (203, "b", "c=d")
            assert answer.headers.get("content-encoding", "identity") == coding
            pieces = answer.iter_content(None)
            assert next(pieces) == b"one,"
            # The function stands at the gate, and what it has said is here.
            gate.wait_for(1)
            gate.open()
            assert b"".join(pieces) == b"two"


def test_a_client_that_hangs_up_leaves_its_place(apis, awslambda, functions, gate):
    """Of a streamed answer, whose request is inside while it goes out."""
    name = functions.make({"bootstrap": STREAMING}, Runtime="provided.al2023", Handler="any")
    let_in(awslambda, name)
    api = apis()
    api.handled(arn_of(awslambda, name), "GET /{gate}", stream="true", concurrency="1")
    parts = urlsplit(f"{api.by_path}/{gate.port}")
    connection = HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", parts.path)
    answer = connection.getresponse()
    assert (answer.status, answer.read(4)) == (203, b"one,")
    gate.wait_for(1)
    assert requests.get(f"{api.by_path}/{gate.port}").status_code == 503
    gate.open()
    assert answer.read() == b"two"
    connection.close()
    with requests.get(f"{api.by_path}/{gate.port}", stream=True) as again:
        assert again.status_code == 203
        gate.wait_for(1)
        gate.open()
