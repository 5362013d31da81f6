"""Whatever comes in: the documented error goes out, the engine stays up, and
nothing that is stored has changed."""

import functools
import http.client
import io
import json
import os
import socket
import struct
import urllib.parse
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

import harness
from conftest import Functions
from harness import FIXED_TIME, ROLE, call, eventually, send, signed_headers, unique, zip_of


@pytest.fixture(scope="module")
def canary(module_functions):
    """A function that goes on working, whatever is done to the engine."""
    return module_functions.make("def handler(event, context):\n    return event\n")


def stored(client) -> dict:
    """Everything that a control call could have changed."""
    functions = [
        {key: entry[key] for key in ("FunctionArn", "CodeSha256", "RevisionId", "LastModified")}
        for page in client.get_paginator("list_functions").paginate(FunctionVersion="ALL")
        for entry in page["Functions"]
    ]
    layers = [
        (entry["LayerName"], entry["LatestMatchingVersion"]["Version"])
        for page in client.get_paginator("list_layers").paginate()
        for entry in page["Layers"]
    ]
    usage = client.get_account_settings()["AccountUsage"]
    return {"functions": functions, "layers": layers, "usage": usage}


@pytest.fixture(autouse=True)
def nothing_changes(request, awslambda, canary, module_functions):
    """Around each test: the same things stored, and the canary sings."""
    if request.node.get_closest_marker("own_state"):
        yield
    else:
        before = stored(awslambda)
        yield
        assert stored(awslambda) == before
    assert module_functions.call(canary, "still here") == "still here"


# Zips


def raw_zip(*entries, flags=0, method=zipfile.ZIP_STORED) -> bytes:
    """A zip written by hand, of (name bytes, content, mode): zipfile would mend its names."""
    body, directory = b"", b""
    for name, content, mode in entries:
        head = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 0x5821, zlib.crc32(content), len(content), len(content), len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<BB", 20, 3) + head + struct.pack("<HHHII", 0, 0, 0, mode << 16, len(body)) + name
        body += b"PK\x03\x04" + head + name + content
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + end


def damaged(good: bytes, at: int) -> bytes:
    return good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]


def bomb(unzipped: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("zeros", "w", force_zip64=True) as file:
            piece = bytes(1 << 20)
            for _ in range(unzipped >> 20):
                file.write(piece)
    return content.getvalue()


def lying_bomb() -> bytes:
    """Says that its entry is small: a size that is only believed is no limit."""
    zipped = bytearray(bomb(300 << 20))
    directory = zipped.rindex(b"PK\x01\x02")
    zipped[directory + 24 : directory + 28] = struct.pack("<I", 10)
    return bytes(zipped)


def many_entries(count: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for n in range(count):
            archive.writestr(zipfile.ZipInfo(f"{n}", FIXED_TIME), b"")
    return content.getvalue()


GOOD = zip_of("def handler(event, context):\n    return event\n")
FILE, LINK = 0o100644, 0o120777

# Large ones are made when they are needed.
BAD_ZIPS = {
    "text": b"hello",
    "nothing": b"",
    "truncated": GOOD[: len(GOOD) // 2],
    "no-directory": GOOD[:-22],
    "damaged-data": damaged(GOOD, 40),
    "no-entries": raw_zip(),
    "absolute": raw_zip((b"/etc/cron.d/evil", b"x", FILE)),
    "parent": raw_zip((b"../evil", b"x", FILE)),
    "parent-inside": raw_zip((b"a/../../evil", b"x", FILE)),
    "backslashes": raw_zip((b"..\\..\\evil", b"x", FILE)),
    "drive": raw_zip((b"C:\\evil", b"x", FILE)),
    "nul": raw_zip((b"evil\0.py", b"x", FILE)),
    "empty-name": raw_zip((b"", b"x", FILE)),
    "dot": raw_zip((b".", b"x", FILE)),
    "long-part": raw_zip((b"a" * 5000, b"x", FILE)),
    "deep": raw_zip((b"a/" * 3000 + b"x", b"x", FILE)),
    "link-absolute": raw_zip((b"link", b"/etc/passwd", LINK)),
    "link-parent": raw_zip((b"link", b"../../../etc/passwd", LINK)),
    "link-parent-inside": raw_zip((b"a/b/link", b"../../../x", LINK)),
    "link-then-through": raw_zip((b"link", b"/tmp", LINK), (b"link/evil", b"x", FILE)),
    "link-chain": raw_zip((b"a", b"b/..", LINK), (b"b", b"a/..", LINK), (b"a/../../evil", b"x", FILE)),
    "link-loop-through": raw_zip((b"a", b"a", LINK), (b"a/evil", b"x", FILE)),
    "twice": raw_zip((b"app.py", b"one", FILE), (b"app.py", b"two", FILE)),
    "file-and-folder": raw_zip((b"a", b"x", FILE), (b"a/b", b"x", FILE)),
    "encrypted": raw_zip((b"app.py", b"x" * 20, FILE), flags=1),
    "unknown-method": raw_zip((b"app.py", b"x" * 20, FILE), method=99),
    "device": raw_zip((b"app.py", b"", 0o020666)),
    "bomb": lambda: bomb(300 << 20),
    "lying-bomb": lying_bomb,
    "entries": lambda: many_entries(200_001),
}


@functools.cache
def bad_zip(kind) -> bytes:
    made = BAD_ZIPS[kind]
    return made() if callable(made) else made


@pytest.mark.parametrize("kind", BAD_ZIPS)
def test_a_bad_zip_is_refused_as_function(awslambda, kind):
    with pytest.raises(ClientError) as caught:
        awslambda.create_function(
            FunctionName=unique(),
            Runtime="python3.11",
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": bad_zip(kind)},
        )
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException", error
    if kind in ("bomb", "lying-bomb"):
        assert error["Message"] == "Unzipped size must be smaller than 262144000 bytes" or kind == "lying-bomb"
    assert len(error["Message"]) < 2000


@pytest.mark.parametrize("kind", ["text", "parent", "link-then-through", "bomb"])
def test_a_bad_zip_is_refused_everywhere(awslambda, canary, kind):
    for request in (
        lambda: awslambda.publish_layer_version(LayerName=unique("layer"), Content={"ZipFile": bad_zip(kind)}),
        lambda: awslambda.update_function_code(FunctionName=canary, ZipFile=bad_zip(kind)),
    ):
        with pytest.raises(ClientError) as caught:
            request()
        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


@pytest.mark.own_state
def test_links_that_stay_inside_work(awslambda, functions):
    """The positive control of the links that are refused."""
    source = b"def handler(event, context):\n    return open('inner/link').read()\n"
    name = functions.make(raw_zip((b"app.py", source, FILE), (b"data", b"ok", FILE), (b"inner/link", b"../data", LINK)))
    assert functions.call(name) == "ok"


@pytest.mark.own_state
def test_modes_do_not_smuggle_in_rights(awslambda, functions):
    source = b"import os\ndef handler(event, context):\n    return [oct(os.stat(n).st_mode) for n in ('suid', 'app.py')]\n"
    name = functions.make(raw_zip((b"app.py", source, FILE), (b"suid", b"#!/bin/sh\n", 0o106777)))
    assert functions.call(name) == ["0o100755", "0o100644"]


def test_layers_and_code_share_one_limit(awslambda):
    """Each fits alone; together they are too large."""
    large = bomb(140 << 20)
    arn = awslambda.publish_layer_version(LayerName=unique("large"), Content={"ZipFile": large})["LayerVersionArn"]
    try:
        with pytest.raises(ClientError) as caught:
            awslambda.create_function(
                FunctionName=unique(), Runtime="python3.11", Role=ROLE, Handler="app.handler",
                Code={"ZipFile": large}, Layers=[arn],
            )  # fmt: skip
        error = caught.value.response["Error"]
        assert error["Code"] == "InvalidParameterValueException"
        assert "exceeds the maximum allowed size of 262144000 bytes" in error["Message"]
    finally:
        name, version = arn.split(":")[-2:]
        awslambda.delete_layer_version(LayerName=name, VersionNumber=int(version))


def test_a_zip_over_the_direct_limit_is_refused(engine):
    body = json.dumps(
        {"FunctionName": unique(), "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": "QUJD" * 18_000_000}}
    ).encode()
    answer = call(engine, "POST", "/2015-03-31/functions", body)
    assert answer.status == 413
    assert answer.code in ("RequestEntityTooLargeException", "RequestTooLargeException")


# Names


BAD_NAMES = [
    "a b", "a/b", "ä", "a" * 65, "..", ".", "%", "a%00b", "a\nb", "a;b", "$(id)", "<script>",
    "fn:", ":fn", "::", "fn:a:b", "fn:$latest", "fn:0", "fn:01", "fn:a.b", "fn:" + "9" * 40, "fn:" + "a" * 129,
    "function:", "123:function:fn", "123456789012:fn",
    "arn:aws:lambda:us-east-1:123:function:fn", "arn:aws:lambda:us-east-1:123456789012:layer:fn",
    "arn:aws:s3:::bucket", "arn:aws:lambda:nowhere:123456789012:function:fn",
    "arn:evil:lambda:us-east-1:123456789012:function:fn", "arn:aws:lambda:us-east-1:123456789012:function:fn:a:b",
    "arn:" * 60, "x" * 100_000, "../../../etc/passwd", "..%2f..%2fetc%2fpasswd",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:40])
def test_a_malformed_name_is_refused_by_every_call(engine, name):
    quoted = urllib.parse.quote(name, safe="")
    for method, path in (
        ("GET", f"/2015-03-31/functions/{quoted}"),
        ("DELETE", f"/2015-03-31/functions/{quoted}"),
        ("POST", f"/2015-03-31/functions/{quoted}/invocations"),
        ("GET", f"/2015-03-31/functions/{quoted}/aliases"),
        ("PUT", f"/2015-03-31/functions/{quoted}/code"),
    ):
        answer = call(engine, method, path, b"{}" if method == "PUT" else b"")
        # Below the path, a name that is no name may as well be an unknown path.
        assert 400 <= answer.status < 500, (method, path, answer)
        # What is too long for a head is refused before any service sees it.
        assert answer.code or answer.status in (414, 431), (method, answer)
        assert b"<html" not in answer.body.lower()
        assert len(answer.body) < 4000


@pytest.mark.parametrize("name", ["", "a b", "a" * 65, "a/b", "fn:1", "..", 7, None, ["a"], {}], ids=ascii)
def test_a_function_is_not_made_with_a_malformed_name(engine, name):
    body = {"FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Code": {"ZipFile": "UEs="}}
    answer = call(engine, "POST", "/2015-03-31/functions", json.dumps(body).encode())
    assert answer.status == 400
    assert answer.code in ("ValidationException", "InvalidParameterValueException", "SerializationException")


# Settings


BAD_SETTINGS = [
    ({"MemorySize": 127}, "memorySize|MemorySize"),
    ({"MemorySize": 10241}, "memorySize|MemorySize"),
    ({"MemorySize": -1}, "emory"),
    ({"MemorySize": "lots"}, ""),
    ({"MemorySize": 2**70}, ""),
    ({"Timeout": 0}, "imeout"),
    ({"Timeout": 901}, "imeout"),
    ({"EphemeralStorage": {"Size": 511}}, "phemeral|size"),
    ({"EphemeralStorage": {"Size": 10241}}, "phemeral|size"),
    ({"Handler": "has blank"}, "andler"),
    ({"Handler": "x" * 129}, "andler"),
    ({"Handler": None}, ""),
    ({"Runtime": "nodejs20.x"}, "untime"),
    ({"Runtime": "python4"}, "untime"),
    ({"Runtime": None}, ""),
    ({"Role": "not an arn"}, "ole"),
    ({"Description": "x" * 257}, "escription"),
    ({"Environment": {"Variables": {"A": "x" * 4097}}}, "4KB|environment"),
    ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "reserved"),
    ({"Environment": {"Variables": {"LAMBDA_TASK_ROOT": "x"}}}, "reserved"),
    ({"Environment": {"Variables": {"1A": "x"}}}, ""),
    ({"Environment": {"Variables": {"A=B": "x"}}}, ""),
    ({"Environment": {"Variables": {"A": "x\0y"}}}, ""),
    ({"Environment": {"Variables": {"A": 1}}}, ""),
    ({"Environment": ["A"]}, ""),
    ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:absent:1"]}, "ayer"),
    ({"Layers": ["not an arn"]}, "ayer|constraint"),
    ({"Layers": "x"}, ""),
    ({"Architectures": ["sparc"]}, "rchitecture"),
    ({"TracingConfig": {"Mode": "Loud"}}, "racing|mode"),
    ({"Code": {}}, ""),
    ({"Code": {"ZipFile": "not base64!"}}, ""),
    ({"Code": {"ImageUri": "x"}}, ""),
    ({"PackageType": "Image"}, ""),
]  # fmt: skip


@pytest.mark.parametrize("settings, words", BAD_SETTINGS, ids=lambda value: str(value)[:50] if isinstance(value, dict) else None)
def test_a_bad_setting_is_refused_and_named(engine, canary, settings, words):
    import base64
    import re

    body = {
        "FunctionName": unique(), "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler",
        "Code": {"ZipFile": base64.b64encode(GOOD).decode()}, **settings,
    }  # fmt: skip
    answer = call(engine, "POST", "/2015-03-31/functions", json.dumps(body).encode())
    assert answer.status == 400, answer
    assert answer.code in (
        "InvalidParameterValueException", "ValidationException", "SerializationException",
        "InvalidRequestContentException", "InvalidLayerVersionArn",
    ), answer  # fmt: skip
    message = json.loads(answer.body)
    assert re.search(words, message.get("message") or message.get("Message")), answer
    if "Code" in settings or "PackageType" in settings or None in settings.values():
        return
    if "Architectures" not in settings:  # which is no part of that call
        updated = call(engine, "PUT", f"/2015-03-31/functions/{canary}/configuration", json.dumps(settings).encode())
        assert updated.status == 400, updated


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"{}" * 2, b"[" * 100_000, b'{"a":' * 50_000, b'{"FunctionName":"a","FunctionName":"b"}'], ids=lambda body: ascii(body[:20]))
def test_a_body_that_makes_no_sense_is_refused(engine, canary, body):
    for method, path in (
        ("POST", "/2015-03-31/functions"),
        ("PUT", "/2017-10-31/functions/{}/concurrency"),
        ("POST", "/2015-03-31/functions/{}/aliases"),
        ("POST", "/2018-10-31/layers/some/versions"),
        ("POST", "/2021-10-31/functions/{}/url"),
    ):
        answer = call(engine, method, path.format(canary), body)
        assert answer.status == 400, (method, path, answer)
        assert answer.code, answer


@pytest.mark.parametrize(
    "target",
    [
        "/", "//", "/2015-03-31", "/2015-03-31/", "/2015-03-31/functions/x/y/z", "/9999-99-99/functions",
        "/2015-03-31/functions?Marker=%ff", "/2015-03-31/functions?MaxItems=many", "/2015-03-31/functions?MaxItems=-1",
        "/2015-03-31/functions?" + "a=b&" * 5000, "/2018-10-31/layers/x/versions/none", "/2018-10-31/layers/x/versions/-1",
        "/2018-10-31/layers?find=LayerVersion", "/2018-10-31/layers?find=LayerVersion&Arn=nonsense",
        "/2017-03-31/tags/nonsense", "/2017-03-31/tags/arn%3Aaws%3Alambda", "/_squall/nothing", "/_squall/code/none",
        "/index.html", "/%2e%2e/%2e%2e/etc/passwd",
    ],
    ids=lambda target: target[:40],
)  # fmt: skip
def test_an_odd_path_is_answered_in_the_shape_of_aws(engine, target):
    answer = call(engine, "GET", target)
    assert 400 <= answer.status < 502 or "Marker" in target or "a=b" in target, answer
    assert b"<html" not in answer.body.lower()
    assert b"root:" not in answer.body


def test_payloads_over_the_limit_are_refused(awslambda, canary):
    with pytest.raises(awslambda.exceptions.RequestTooLargeException) as caught:
        awslambda.invoke(FunctionName=canary, Payload=b'"' + b"x" * (6 << 20) + b'"')
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "must be smaller than 6291456 bytes" in str(caught.value)
    # The largest that is allowed goes through.
    body = b'"' + b"x" * ((6 << 20) - 2) + b'"'
    assert awslambda.invoke(FunctionName=canary, Payload=body)["StatusCode"] == 200


@pytest.mark.parametrize("context", ["not base64 !", "e29vcHM=", "W10=", "e30=" * 2000])
def test_a_bad_client_context_is_refused(engine, canary, context):
    answer = call(
        engine, "POST", f"/2015-03-31/functions/{canary}/invocations", b"{}", {"X-Amz-Client-Context": context}
    )
    assert answer.status in (400, 413, 431), answer


def test_an_unknown_invocation_type_is_refused(engine, canary):
    answer = call(engine, "POST", f"/2015-03-31/functions/{canary}/invocations", b"{}", {"X-Amz-Invocation-Type": "Later"})
    assert answer.status == 400
    assert answer.code in ("InvalidParameterValueException", "ValidationException")


# Connections


def connect(engine) -> socket.socket:
    host, _, port = engine.api.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=harness.DEADLINE)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n", b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda text: ascii(text[:40]),
)  # fmt: skip
def test_bytes_that_are_no_request(engine, request_bytes):
    with connect(engine) as connection:
        try:
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:  # it hung up on us, which it may
            pass
    assert call(engine, "GET", "/2015-03-31/functions").status == 200


def test_clients_that_stall_hold_nobody_up(canary):
    """Heads and bodies that never end: others are served, and the stalled are dropped."""
    environment = {"SQUALL_BODY_STALL_SECONDS": "1", "SQUALL_HEADER_SECONDS": "1"}
    with harness.running_engine(environment=environment) as engine:
        functions = Functions(engine.client("lambda"))
        name = functions.make("def handler(event, context):\n    return event\n")
        url = f"{engine.api}/2015-03-31/functions/{name}/invocations"
        body = b"x" * 10_000
        headers = signed_headers(engine, "POST", url, body)
        head = f"POST /2015-03-31/functions/{name}/invocations HTTP/1.1\r\nHost: {engine.api[7:]}\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        head = (head + f"Content-Length: {len(body)}\r\n").encode()
        stalled = []
        for sent in (b"", head[:20], head, head + b"\r\n" + body[:100]):
            for _ in range(25):
                connection = connect(engine)
                connection.sendall(sent)
                stalled.append((sent, connection))
        assert functions.call(name, 1) == 1
        for sent, connection in stalled:
            if sent:
                # The answer, if there is one, is an error; then the connection ends.
                answer = b""
                try:
                    while piece := connection.recv(65536):
                        answer += piece
                except ConnectionResetError:
                    pass
                assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:100]
            connection.close()
        assert functions.call(name, 2) == 2


def test_clients_that_vanish(engine, canary, functions, module_functions, gate):
    """In the middle of a request, and in the middle of an invocation."""
    url = f"{engine.api}/2015-03-31/functions/{canary}/invocations"
    headers = signed_headers(engine, "POST", url, b'"x"')
    head = f"POST /2015-03-31/functions/{canary}/invocations HTTP/1.1\r\nHost: {engine.api[7:]}\r\n"
    head += "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    whole = (head + 'Content-Length: 3\r\n\r\n"x"').encode()
    for length in range(0, len(whole) + 1, 7):
        with connect(engine) as connection:
            connection.sendall(whole[:length])
            # Zero linger: the connection is reset, not closed.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert module_functions.call(canary, "after") == "after"


@pytest.mark.own_state
def test_a_client_that_vanishes_while_its_function_runs(engine, functions, gate):
    name = functions.make(harness.Gate.source)
    body = json.dumps(gate.event()).encode()
    target = f"/2015-03-31/functions/{name}/invocations"
    headers = signed_headers(engine, "POST", engine.api + target, body)
    connection = http.client.HTTPConnection(engine.api.removeprefix("http://"), timeout=harness.DEADLINE)
    connection.request("POST", target, body, headers)
    gate.wait_for(1)
    connection.close()
    gate.open()
    # Its instance is free again, or was replaced: either way the next call runs.
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(functions.call, name, gate.event())
        gate.wait_for(1)
        gate.open()
        assert running.result() == "through"


def test_many_connections_at_once(engine, canary, module_functions):
    idle = [connect(engine) for _ in range(500)]
    try:
        assert module_functions.call(canary, 1) == 1
    finally:
        for connection in idle:
            connection.close()


# Signatures


@pytest.fixture
def invocation(engine, canary):
    """An invocation with room for falsification: `invocation(...)` answers."""
    target = f"/2015-03-31/functions/{canary}/invocations"

    def attempt(change=lambda headers: headers, body=b'"ok"', sent=None, to=None, **how):
        headers = signed_headers(engine, "POST", engine.api + target, body, **how)
        return send(engine, "POST", to or target, body if sent is None else sent, change(headers))

    return attempt


def without(name):
    return lambda headers: {key: value for key, value in headers.items() if key.lower() != name.lower()}


def with_authorization(change):
    return lambda headers: {**headers, "Authorization": change(headers["Authorization"])}


def test_a_good_signature_is_accepted(invocation):
    """The positive control of all that follow."""
    answer = invocation()
    assert (answer.status, answer.body) == (200, b'"ok"')
    assert invocation(at=-240).status == 200
    assert invocation(at=240).status == 200


def flip_last(text):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


FORGERIES = {
    "unsigned": (dict(change=without("Authorization")), ("MissingAuthenticationTokenException",)),
    "unknown-key": (dict(keys=("AKIAUNKNOWNUNKNOWN00", "x" * 40)), ("UnrecognizedClientException", "InvalidClientTokenId")),
    "wrong-secret": (dict(), ("InvalidSignatureException",)),
    "other-body": (dict(sent=b'"no"'), ("InvalidSignatureException",)),
    "other-query": (dict(), ("InvalidSignatureException",)),
    "expired": (dict(at=-3600), ("InvalidSignatureException", "ExpiredTokenException")),
    "from-the-future": (dict(at=3600), ("InvalidSignatureException",)),
    "other-region": (dict(region="eu-west-9"), ("InvalidSignatureException",)),
    "other-service": (dict(service="logs"), ("InvalidSignatureException",)),
    "flipped": (dict(change=with_authorization(flip_last)), ("InvalidSignatureException",)),
    "cut": (dict(change=with_authorization(lambda text: text[:-10])), ("InvalidSignatureException", "IncompleteSignatureException")),
    "no-date": (dict(change=without("X-Amz-Date")), ("IncompleteSignatureException", "InvalidSignatureException", "MissingAuthenticationTokenException")),
    "empty": (dict(change=with_authorization(lambda _: "")), ("IncompleteSignatureException", "MissingAuthenticationTokenException")),
    "basic": (dict(change=with_authorization(lambda _: "Basic YTpi")), ("IncompleteSignatureException", "MissingAuthenticationTokenException", "InvalidSignatureException")),
    "no-credential": (dict(change=with_authorization(lambda text: "AWS4-HMAC-SHA256 " + text.split(", ", 1)[1])), ("IncompleteSignatureException",)),
    "no-headers": (dict(change=with_authorization(lambda text: ", ".join(part for part in text.split(", ") if "SignedHeaders" not in part))), ("IncompleteSignatureException",)),
    "short-scope": (dict(change=with_authorization(lambda text: text.replace("/aws4_request", ""))), ("IncompleteSignatureException", "InvalidSignatureException")),
    "huge": (dict(change=with_authorization(lambda text: text + "x" * 10_000)), ("IncompleteSignatureException", "InvalidSignatureException")),
    "other-algorithm": (dict(change=with_authorization(lambda text: text.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5"))), ("IncompleteSignatureException", "InvalidSignatureException", "MissingAuthenticationTokenException")),
    "host-unsigned": (dict(change=with_authorization(lambda text: text.replace("host;", ""))), ("InvalidSignatureException", "IncompleteSignatureException")),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_bad_signature_is_refused(engine, invocation, canary, kind):
    how, codes = FORGERIES[kind]
    how = dict(how)
    if kind == "wrong-secret":
        how["keys"] = (engine.access_key, "x" * 40)
    if kind == "other-query":
        how["to"] = f"/2015-03-31/functions/{canary}/invocations?Qualifier=%24LATEST"
    answer = invocation(**how)
    assert answer.status in (400, 403), answer
    assert answer.code in codes, answer
    assert b"ok" != answer.body
    # Nobody is told what the right signature would have been.
    assert engine.secret_key.encode() not in answer.body


def test_a_signed_body_hash_that_is_wrong_is_refused(engine, canary):
    target = f"/2015-03-31/functions/{canary}/invocations"
    headers = signed_headers(engine, "POST", engine.api + target, b"1", {"X-Amz-Content-Sha256": "0" * 64})
    assert send(engine, "POST", target, b"1", headers).status in (400, 403)


def test_presigned_requests(engine, canary):
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def presigned(expires=60, secret=None):
        request = AWSRequest("GET", f"{engine.api}/2015-03-31/functions/{canary}")
        credentials = Credentials(engine.access_key, secret or engine.secret_key)
        SigV4QueryAuth(credentials, "lambda", engine.region, expires=expires).add_auth(request)
        return request.url.removeprefix(engine.api)

    good = presigned()
    assert send(engine, "GET", good).status == 200
    assert send(engine, "GET", flip_last(good)).status == 403
    assert send(engine, "GET", good.replace("X-Amz-Expires=60", "X-Amz-Expires=61")).status == 403
    assert send(engine, "GET", presigned(secret="x" * 40)).status == 403
    assert send(engine, "GET", presigned(expires=10**9)).status in (400, 403)
    assert send(engine, "DELETE", good).status == 403
    with harness.moved_clock(-120):
        late = presigned(expires=60)
    assert send(engine, "GET", late).status == 403


def test_every_service_checks_signatures(engine):
    for service in ("logs", "iam", "sts"):
        client = harness.boto3.client(
            service, endpoint_url=engine.api, region_name=engine.region,
            aws_access_key_id=engine.access_key, aws_secret_access_key="x" * 40,
        )  # fmt: skip
        with pytest.raises(ClientError) as caught:
            getattr(client, {"logs": "describe_log_groups", "iam": "list_roles", "sts": "get_caller_identity"}[service])()
        assert caught.value.response["Error"]["Code"] in ("InvalidSignatureException", "SignatureDoesNotMatch")


def test_the_gateway_survives_too(engine):
    import requests

    for path in ("/", "/none", "/%00", "/" + "a" * 10_000, "/../..", "/?" + "a=b&" * 1000):
        answer = requests.get(engine.gateway + path, headers={"Host": "nobody.lambda-url.us-east-1.on.aws"})
        assert 400 <= answer.status_code < 500, (path, answer.status_code)
        assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.own_state
def test_storage_that_is_full_is_said_so():
    """CodeStorageExceeded, with a limit small enough to reach."""
    with harness.running_engine(environment={"SQUALL_LIMITS_CODE_STORAGE_BYTES": "50000"}) as engine:
        functions = Functions(engine.client("lambda"))
        kept = functions.make({"app.py": "def handler(e, c): return 1\n", "a": os.urandom(30_000)})
        with pytest.raises(engine.client("lambda").exceptions.CodeStorageExceededException):
            functions.make({"app.py": "def handler(e, c): return 1\n", "a": os.urandom(30_000)})
        assert functions.call(kept) == 1
        # What was refused takes no room.
        eventually(lambda: sum(p.stat().st_size for p in (engine.data / "blobs").rglob("*") if p.is_file()) < 50_000, "no rest of it")
