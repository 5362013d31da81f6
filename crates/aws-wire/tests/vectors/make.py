"""Writes sigv4.json and eventstream.json beside this file.

The signatures are made by botocore, the frames are checked with botocore's
parser: both are the other side of the wire. Run it again with
`python3 make.py` after changing a case; the answers are checked in.
"""

import base64
import binascii
import datetime
import json
import pathlib
import struct

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2026, 11, 21, 2, 37, 16, tzinfo=datetime.timezone.utc)
KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "a-token/with+signs=="
LAMBDA = "http://127.0.0.1:4566/2015-03-31/functions"

botocore.auth.get_current_datetime = lambda *_: NOW

SIGNERS = {
    "header": botocore.auth.SigV4Auth,
    "s3-header": botocore.auth.S3SigV4Auth,
    "query": botocore.auth.SigV4QueryAuth,
    "s3-query": botocore.auth.S3SigV4QueryAuth,
}


def case(name, signer, service, method, url, headers=(), body=b"", token=None):
    """One request: what botocore would send for it, signature included."""
    request = AWSRequest(method=method, url=url, data=body)
    for key, value in headers:
        request.headers[key] = value
    if signer == "s3-header":
        request.context["payload_signing_enabled"] = True
    credentials = Credentials(KEY, SECRET, token)
    SIGNERS[signer](credentials, service, "eu-west-1").add_auth(request)
    sent = [[key, value] for key, value in request.headers.items()]
    if "host" not in {key.lower() for key, _ in sent}:
        sent.append(["Host", botocore.auth._host_from_url(request.url)])
    return {
        "name": name,
        "service": service,
        "method": method,
        "url": request.url,
        "headers": sent,
        "body": base64.b64encode(body).decode(),
        "token": token,
        "presigned": signer.endswith("query"),
    }


def cases():
    json_type = [("Content-Type", "application/json")]
    form = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
    arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af%3Alive"
    yield case("get", "header", "lambda", "GET", f"{LAMBDA}/")
    yield case("root", "header", "lambda", "GET", "http://localhost:4566")
    yield case("post", "header", "lambda", "POST", LAMBDA, json_type, b'{"a":1}')
    yield case("arn in path", "header", "lambda", "GET", f"{LAMBDA}/{arn}")
    yield case("colon in path", "header", "lambda", "GET", f"{LAMBDA}/f:live")
    yield case("dots in path", "header", "lambda", "GET", f"{LAMBDA}/a/../b/./c//d/")
    yield case("text in path", "header", "lambda", "GET", f"{LAMBDA}/%C3%A4%20%25")
    yield case(
        "query", "header", "lambda", "GET", f"{LAMBDA}?b=2&a=1&a=0&c&%C3%A4=x%20y%2B&A=%2F"
    )
    yield case(
        "folded headers",
        "header",
        "lambda",
        "GET",
        LAMBDA,
        [("X-Amz-Note", "  a   b \t c  "), ("X-Many", "one"), ("X-Many", " two "), ("X-None", "")],
    )
    yield case("token", "header", "lambda", "GET", LAMBDA, token=TOKEN)
    yield case(
        "binary body", "header", "lambda", "POST", f"{LAMBDA}/f/invocations", body=bytes(range(256))
    )
    yield case("http date", "header", "lambda", "GET", LAMBDA, [("Date", "now")])
    yield case("form", "header", "sts", "POST", "http://localhost:4566/", form, b"Action=X")
    yield case("s3 key", "s3-header", "s3", "PUT", "http://127.0.0.1:4566/b/a//../x%20%281%29%2B", (), b"x")
    yield case("presigned", "query", "lambda", "GET", f"{LAMBDA}?MaxItems=1&Marker=a%2Fb")
    yield case("presigned token", "query", "lambda", "GET", LAMBDA, token=TOKEN)
    yield case("presigned sts", "query", "sts", "GET", "http://localhost:4566/?Action=X&Version=1")
    yield case("presigned s3", "s3-query", "s3", "GET", "http://127.0.0.1:4566/b/a//b%20c")


def frame(headers, payload):
    """A frame after the public description of the format."""
    block = b""
    for name, value in headers:
        value = value.encode()
        block += bytes([len(name)]) + name.encode() + b"\7" + struct.pack("!H", len(value)) + value
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    start = prelude + struct.pack("!I", binascii.crc32(prelude)) + block + payload
    return start + struct.pack("!I", binascii.crc32(start))


def frames():
    for headers, payload in [
        ([], b""),
        (
            [
                (":event-type", "PayloadChunk"),
                (":content-type", "application/octet-stream"),
                (":message-type", "event"),
            ],
            b"hello \0 world",
        ),
        ([("note", "\u00e4" * 300)], b"x" * 1000),
    ]:
        encoded = frame(headers, payload)
        buffer = EventStreamBuffer()
        buffer.add_data(encoded)
        (message,) = list(buffer)
        assert message.headers == dict(headers), message.headers
        assert message.payload == payload
        yield {"headers": headers, "payload": payload.hex(), "frame": encoded.hex()}


def write(name, value):
    (HERE / name).write_text(json.dumps(value, indent=1) + "\n")


write(
    "sigv4.json",
    {
        "now": int(NOW.timestamp() * 1000),
        "region": "eu-west-1",
        "access_key": KEY,
        "secret": SECRET,
        "cases": list(cases()),
    },
)
write("eventstream.json", list(frames()))
