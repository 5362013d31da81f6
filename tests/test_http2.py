"""HTTP/2 beside HTTP/1.1 on the same ports, with httpx and curl; and what of HTTP/1.1 clients
count on: connections that stay, `HEAD`, `Expect`, trailers, half-closed sockets."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import harness
from harness import DEADLINE, ROLE, unique, zip_of
from raw_http import Raw

STREAM = """
import json


def handler(event, context):
    if event.get("rawPath") == "/fail":
        raise ValueError("inside")
    return {"statusCode": 200, "headers": {"x-made-by": "lambda"}, "cookies": ["a=1", "b=2"],
            "body": json.dumps(event)}
"""
curl_of_2 = pytest.mark.skipif(
    not shutil.which("curl") or b"HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True).stdout,
    reason="there is no curl that speaks HTTP/2",
)


@pytest.fixture(scope="module")
def url(engine, awslambda):
    """A function URL that says what it saw, by path."""
    name = unique()
    awslambda.create_function(
        FunctionName=name, Role=ROLE, Runtime="python3.11", Handler="app.handler", Code={"ZipFile": zip_of(STREAM)}
    )
    awslambda.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    made = awslambda.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    yield f"{engine.gateway}/lambda-url/{made.split('//')[1].split('.')[0]}"
    awslambda.delete_function(FunctionName=name)


@pytest.fixture
def two():
    """A client that speaks HTTP/2 without asking whether it may."""
    with httpx.Client(http1=False, http2=True, timeout=DEADLINE) as client:
        yield client


def signed(engine, service, method, url, body=b"", **headers):
    """The headers of a signed request."""
    auth = S3SigV4Auth if service == "s3" else SigV4Auth
    request = AWSRequest(method, url, data=body, headers=headers)
    auth(Credentials(engine.access_key, engine.secret_key), service, engine.region).add_auth(request)
    return dict(request.headers)


def test_functions_see_requests_of_http_2_as_others(url, two):
    answer = two.post(f"{url}/a/b?x=1", content=b"hello", headers=[("content-type", "text/plain"), ("cookie", "k=v"), ("cookie", "l=w"), ("x-a", "b")])
    assert answer.http_version == "HTTP/2"
    assert (answer.status_code, answer.headers["x-made-by"]) == (200, "lambda")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "connection" not in answer.headers and "transfer-encoding" not in answer.headers
    seen = answer.json()
    assert (seen["rawPath"], seen["rawQueryString"], seen["body"]) == ("/a/b", "x=1", "hello")
    assert seen["cookies"] == ["k=v", "l=w"]
    assert seen["headers"]["x-a"] == "b"
    assert not any(name.startswith(":") for name in seen["headers"])
    plain = httpx.post(f"{url}/a/b?x=1").json()
    assert seen["headers"]["host"] == plain["headers"]["host"]
    assert seen["requestContext"]["http"]["method"] == "POST"
    assert two.get(f"{url}/fail").status_code == 502


def test_signed_requests_of_http_2_are_taken(engine, two, bucket):
    body = os.urandom(3 << 20)
    target = f"{engine.api}/{bucket}/key"
    put = two.put(target, content=body, headers=signed(engine, "s3", "PUT", target, body))
    assert put.status_code == 200, put.text
    got = two.get(target, headers=signed(engine, "s3", "GET", target))
    assert (got.http_version, got.content == body) == ("HTTP/2", True)
    head = two.head(target, headers=signed(engine, "s3", "HEAD", target))
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(body)), b"")
    functions = f"{engine.api}/2015-03-31/functions/"
    answer = two.get(functions, headers=signed(engine, "lambda", "GET", functions))
    assert "Functions" in answer.json()
    assert two.get(functions).status_code == 403


def test_bodies_of_unknown_length_come_whole(engine, two, url, bucket):
    def pieces():
        for n in range(100):
            yield bytes([n]) * 1000

    seen = two.post(url, content=pieces()).json()
    assert seen["isBase64Encoded"] and len(seen["body"]) == 133_336
    late = two.post(url, content=(piece for piece in [b"x" * (11 << 20)]))
    assert late.status_code == 413


def test_many_requests_share_a_connection(engine, url):
    async def ask():
        # All of one thread: of several, this client can give two requests the same stream.
        async with httpx.AsyncClient(http1=False, http2=True, timeout=DEADLINE) as client:
            return await asyncio.gather(*(client.get(f"{url}/{n}") for n in range(64)))

    answers = [answer.json()["rawPath"] for answer in asyncio.run(ask())]
    assert answers == [f"/{n}" for n in range(64)]


@curl_of_2
def test_a_stop_lets_requests_of_http_2_end(tmp_path):
    engine = harness.Engine(tmp_path / "data").start()
    try:
        client = engine.client("lambda")
        with harness.Gate() as gate:
            client.create_function(
                FunctionName="f", Role=ROLE, Runtime="python3.11", Handler="app.handler",
                Code={"ZipFile": zip_of(gate.source)},
            )
            target = f"{engine.api}/2015-03-31/functions/f/invocations"
            body = json.dumps(gate.event()).encode()
            headers = signed(engine, "lambda", "POST", target, body)
            told = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
            with ThreadPoolExecutor(2) as pool:
                asked = pool.submit(curl, "--http2-prior-knowledge", *told, "--data-binary", "@-", target, stdin=body)
                gate.wait_for(1)
                stopped = pool.submit(engine.stop)
                harness.eventually(lambda: not listens(engine.gateway), "the end has begun")
                gate.open()
                assert json.loads(asked.result()) == "through"
                assert stopped.result() == 0
    finally:
        if engine.alive():
            engine.kill()


def listens(url) -> bool:
    host, port = url.split("//")[1].split(":")
    try:
        socket.create_connection((host, int(port))).close()
        return True
    except OSError:
        return False


def curl(*arguments, stdin=b""):
    command = ["curl", "-sS", "-m", str(DEADLINE), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=2 * DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@curl_of_2
def test_curl_speaks_both(url):
    told = ["-o", os.devnull, "-w", "%{http_version} %{http_code}"]
    assert curl("--http2-prior-knowledge", *told, url) == "2 200"
    assert curl("--http1.1", *told, url) == "1.1 200"
    # It asks to go over to HTTP/2, which need not be granted.
    assert curl("--http2", *told, url) == "1.1 200"
    assert curl("--http1.0", *told, url).endswith(" 200")
    assert curl("--http2-prior-knowledge", "-I", url).startswith("HTTP/2 200")


@curl_of_2
@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_that_expects_a_word_before_it_sends(url, version):
    body = b"x" * 2_000_000
    out = curl(version, "-H", "expect: 100-continue", "--data-binary", "@-", url, stdin=body)
    assert json.loads(out)["headers"]["content-length"] == str(len(body))


# HTTP/1.1


def test_the_word_comes_when_the_body_is_wanted(engine, url):
    path = url.removeprefix(engine.gateway)
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\nexpect: 100-Continue\r\ncontent-length: 5\r\n\r\n"
    with Raw(engine.gateway) as raw:
        raw.send(head.encode())
        assert raw.answer().status == 100
        raw.send(b"hello")
        assert json.loads(raw.answer().body)["body"] == "hello"
        # What is refused at its head gets no such word.
        raw.send(head.replace(": 5", f": {1 << 30}").encode())
        assert raw.answer().status in (100, 413)


def test_a_connection_serves_many_requests_of_all_kinds(engine, url):
    path = url.removeprefix(engine.gateway)
    with Raw(engine.gateway) as raw:
        for n in range(20):
            raw.send(f"GET {path}/{n} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            assert json.loads(raw.answer().body)["rawPath"] == f"/{n}"
        body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-checksum: 1\r\n\r\n"
        raw.send(f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n".encode() + body)
        seen = json.loads(raw.answer().body)
        assert seen["body"] == "abcde", "trailers are no part of it"
        assert "x-checksum" not in seen["headers"]
        raw.send(f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        while raw.more():
            pass
        head, _, body = raw.seen.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200") and body == b""
        assert b"connection: close" in head.lower()


def test_http_1_0_stays_open_only_if_asked(engine, url):
    path = url.removeprefix(engine.gateway)
    with Raw(engine.gateway) as raw:
        raw.send(f"GET {path} HTTP/1.0\r\nhost: localhost\r\nconnection: keep-alive\r\n\r\n".encode())
        assert raw.answer().status == 200
        raw.send(f"GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n".encode())
        assert raw.answer().status == 200
        assert raw.ended()


def test_an_idle_connection_is_taken_up_again(engine, url):
    """It gives up its buffers after a while; nothing of the next request may be lost."""
    path = url.removeprefix(engine.gateway)
    request = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nabc".encode()
    with Raw(engine.gateway) as raw:
        for cut in (0, 1, 10, len(request)):
            raw.send(request[:cut])
            # Longer than the second after which an idle connection is put aside.
            raw.socket.settimeout(2.5)
            with pytest.raises(TimeoutError):
                if cut == len(request):
                    assert raw.answer().status == 200
                raw.socket.recv(1)
            raw.socket.settimeout(DEADLINE)
            raw.send(request[cut:])
            if cut < len(request):
                assert json.loads(raw.answer().body)["body"] == "abc"


def test_a_client_that_closes_its_side_has_left(engine, url):
    """Whether it still listens cannot be known; what ran for it is ended."""
    path = url.removeprefix(engine.gateway)
    with Raw(engine.gateway) as raw:
        raw.send(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        raw.socket.shutdown(socket.SHUT_WR)
        answer = raw.answer()
        assert answer is None or answer.status == 200
        assert raw.ended()


# Who asks


def test_trusted_proxies_speak_for_their_clients(tmp_path):
    settings = {"SQUALL_TRUSTED_PROXIES": "127.0.0.0/8,10.0.0.0/8"}
    engine = harness.Engine(tmp_path / "data", environment=settings).start()
    try:
        seen = source_seen(engine, {"x-forwarded-for": "6.6.6.6, 1.2.3.4, 10.0.0.7", "x-forwarded-proto": "https"})
        assert seen["requestContext"]["http"]["sourceIp"] == "1.2.3.4"
    finally:
        engine.stop()


def test_others_do_not(engine):
    seen = source_seen(engine, {"x-forwarded-for": "1.2.3.4"})
    assert seen["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def source_seen(engine, headers) -> dict:
    client, name = engine.client("lambda"), unique()
    client.create_function(
        FunctionName=name, Role=ROLE, Runtime="python3.11", Handler="app.handler", Code={"ZipFile": zip_of(STREAM)}
    )
    client.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    answer = httpx.get(f"{engine.gateway}/lambda-url/{made.split('//')[1].split('.')[0]}", headers=headers)
    client.delete_function(FunctionName=name)
    return answer.json()


def test_settings_name_more_hosts(tmp_path):
    settings = {"SQUALL_HOSTS": "api.example.com,*.apps.example.com"}
    engine = harness.Engine(tmp_path / "data", environment=settings).start()
    try:
        for host, status in [("api.example.com", 404), ("a.apps.example.com", 404), ("example.com", 421)]:
            assert httpx.get(engine.gateway, headers={"host": host}).status_code == status, host
    finally:
        engine.stop()


def test_thousands_of_idle_connections_and_one_that_works(engine, url):
    """They are held, and are not in the way of the one that asks."""
    host, port = engine.gateway.split("//")[1].split(":")
    idle = []
    try:
        for _ in range(500):
            idle.append(socket.create_connection((host, int(port))))
        assert httpx.get(url).status_code == 200
        for each in idle[::50]:
            each.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert each.recv(9) == b"HTTP/1.1 "
    finally:
        for each in idle:
            each.close()


def test_two_threads_that_pull_at_one_stream_lose_nothing(engine, bucket, s3):
    body = os.urandom(8 << 20)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    target = f"{engine.api}/{bucket}/k"
    got = {}

    def pull(n):
        with httpx.Client(http1=False, http2=True, timeout=DEADLINE) as client:
            got[n] = client.get(target, headers=signed(engine, "s3", "GET", target)).content == body

    threads = [threading.Thread(target=pull, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == dict.fromkeys(range(4), True)
