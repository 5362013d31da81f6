"""Bodies as `aws-chunked`: in pieces with or without signatures, with a checksum in
the trailer. Written out here because no client lets one send a wrong one."""

import base64
import hashlib
import hmac
import zlib

import harness
from s3_calls import s3_signed

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
EMPTY = hashlib.sha256(b"").hexdigest()


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()


class Chunks:
    """Frames a body as the chosen kind wants it, after its head was signed."""

    def __init__(self, engine, kind, headers):
        self.engine, self.kind, self.time = engine, kind, headers["X-Amz-Date"]
        self.last = headers["Authorization"].rpartition("Signature=")[2]
        key = ("AWS4" + engine.secret_key).encode()
        for word in (self.time[:8], engine.region, "s3", "aws4_request"):
            key = hmac.digest(key, word.encode(), "sha256")
        self.key = key

    def sign(self, algorithm, *lines) -> str:
        scope = f"{self.time[:8]}/{self.engine.region}/s3/aws4_request"
        text = "\n".join([algorithm, self.time, scope, self.last, *lines])
        self.last = hmac.digest(self.key, text.encode(), "sha256").hex()
        return self.last

    def chunk(self, body: bytes) -> bytes:
        extension = ""
        if self.kind != UNSIGNED:
            hashed = hashlib.sha256(body).hexdigest()
            extension = ";chunk-signature=" + self.sign("AWS4-HMAC-SHA256-PAYLOAD", EMPTY, hashed)
        if not body:  # the last one; trailers follow
            return f"0{extension}\r\n".encode()
        return f"{len(body):x}{extension}\r\n".encode() + body + b"\r\n"

    def trailer(self, trailer: dict) -> bytes:
        lines = "".join(f"{name}:{value}\n" for name, value in trailer.items())
        sent = "".join(f"{name}:{value}\r\n" for name, value in trailer.items())
        if self.kind == SIGNED_TRAILER:
            hashed = hashlib.sha256(lines.encode()).hexdigest()
            sent += f"x-amz-trailer-signature:{self.sign('AWS4-HMAC-SHA256-TRAILER', hashed)}\r\n"
        return sent.encode() + b"\r\n"


def put_chunked(
    engine, target, pieces, kind=UNSIGNED, trailer=None, headers=None, spoil=None, declared=None, length=None
) -> harness.Answer:
    """Puts `pieces`; `spoil` may change the framed body before it is sent, `declared` the
    length that the body is said to have, `length` that of the whole request."""
    body = b"".join(pieces)
    given = {
        "x-amz-content-sha256": kind,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(body) if declared is None else declared),
        **({"x-amz-trailer": ",".join(trailer)} if trailer else {}),
        **(headers or {}),
    }
    signed = s3_signed(engine, "PUT", target, b"", given)
    frames = Chunks(engine, kind, signed)
    framed = b"".join(frames.chunk(piece) for piece in pieces) + frames.chunk(b"")
    framed += frames.trailer(trailer or {})
    framed = spoil(framed) if spoil else framed
    length = len(framed) if length is None else length
    return harness.send(engine, "PUT", target, framed, {**signed, "Content-Length": str(length)})
