"""A proxy between a client and a cloud that can be told to lose a call, before or after it
reached the server, to answer an error in its place, or not to answer at all.

Bytes go through unchanged, so signatures hold.
"""

import contextlib
import dataclasses
import http.client
import io
import json
import re
import socket
import threading
import urllib.parse
from collections.abc import Callable

#: Where faults come from: a call in, what to do with it out. None is to let it through.
Faults = Callable[["Call"], "str | None"]
LOOKING = ("Get", "List", "Describe", "Head", "Filter", "Batch")
THROTTLED = {
    "rest-json": (429, "TooManyRequestsException"),
    "json": (400, "ThrottlingException"),
    "query": (400, "Throttling"),
    "s3": (503, "SlowDown"),
}
BROKEN = {
    "rest-json": (500, "ServiceException"),
    "json": (500, "InternalFailure"),
    "query": (500, "InternalFailure"),
    "s3": (500, "InternalError"),
}


@dataclasses.dataclass(frozen=True)
class Call:
    #: From 1, in the order in which they came.
    number: int
    service: str
    #: `CreateRole`, or method and path where the protocol names no operation.
    operation: str
    #: Whether it changes something.
    changes: bool
    #: From 1, among those that change something; 0 for others.
    change: int
    #: How often the same request was seen before: a client tries again.
    before: int
    body: bytes = dataclasses.field(repr=False, default=b"")

    @property
    def protocol(self) -> str:
        if self.service in ("s3",):
            return "s3"
        if self.service in ("iam", "sts"):
            return "query"
        return "json" if self.service in ("logs", "ssm", "events") else "rest-json"


class Lost(Exception):
    """The other side is gone."""


class Proxy:
    """`with Proxy(engine.api) as proxy:` then `proxy.api` is where to go."""

    def __init__(self, upstream: str):
        parts = urllib.parse.urlsplit(upstream)
        self.upstream = (parts.hostname, parts.port)
        self.faults: Faults = lambda call: None
        self.calls: list[Call] = []
        self.seen: dict[tuple, int] = {}
        self.lock = threading.Lock()
        self.closed = threading.Event()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.api = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closed.set()
        # Closing alone does not wake the thread that waits in `accept`.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def reset(self, faults: Faults | None = None):
        """Counts from 1 again."""
        with self.lock:
            self.faults = faults or (lambda call: None)
            self.calls.clear()
            self.seen.clear()

    def changes(self) -> list[Call]:
        with self.lock:
            return [call for call in self.calls if call.changes]

    def _accept(self):
        while not self.closed.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket):
        # A client that is killed in the middle is what this is for.
        with connection, contextlib.suppress(OSError, Lost, ValueError):
            reader = connection.makefile("rb")
            while not self.closed.is_set():
                head, body = read_request(reader, connection)
                call, faults = self._note(head, body)
                fault = faults(call)
                if fault == "before":
                    return
                if fault == "hang":
                    self.closed.wait(600)
                    return
                if fault in ("throttle", "error"):
                    connection.sendall(refusal(call, fault))
                    continue
                answer = self._forward(head, body)
                if callable(fault):
                    # The moment between what was done and the news of it.
                    fault()
                    return
                if fault == "after":
                    return
                connection.sendall(answer)

    def _note(self, head: bytes, body: bytes) -> tuple[Call, Faults]:
        service, operation = what(head, body)
        method = head.split(b" ", 1)[0].decode()
        word = operation.rpartition(".")[2]
        looks = method in ("GET", "HEAD") or (" " not in word and word.startswith(LOOKING))
        key = (service, operation, body)
        with self.lock:
            change = 0 if looks else 1 + sum(call.changes for call in self.calls)
            before = self.seen.get(key, 0)
            self.seen[key] = before + 1
            call = Call(len(self.calls) + 1, service, operation, not looks, change, before, body)
            self.calls.append(call)
            return call, self.faults

    def _forward(self, head: bytes, body: bytes) -> bytes:
        with socket.create_connection(self.upstream, timeout=300) as server:
            server.sendall(head + body)
            answer = http.client.HTTPResponse(server, method=head.split(b" ", 1)[0].decode())
            answer.begin()
            content = answer.read()
            headers = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in ("transfer-encoding", "connection", "content-length")
            ]
            length = answer.headers.get("content-length") if not content else str(len(content))
            if answer.status not in (204, 304):
                headers.append(("content-length", length or "0"))
            lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in headers)]
            return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def read_request(reader: io.BufferedReader, connection: socket.socket) -> tuple[bytes, bytes]:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(65536)
        if not line:
            raise Lost
        head += line
    if re.search(rb"(?i)\r\nexpect: *100-continue\r\n", head):
        head = re.sub(rb"(?i)\r\nexpect: *100-continue\r\n", b"\r\n", head)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        return head, read_chunks(reader)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    body = reader.read(int(length.group(1))) if length else b""
    if length and len(body) < int(length.group(1)):
        raise Lost
    return head, body


def read_chunks(reader) -> bytes:
    """As they are, framing included: they are passed on so."""
    whole = b""
    while True:
        line = reader.readline(65536)
        size = int(line.split(b";")[0], 16)
        piece = reader.read(size + 2)
        whole += line + piece
        if size == 0:
            return whole


def what(head: bytes, body: bytes) -> tuple[str, str]:
    """Service and operation, as far as the request tells."""
    scope = re.search(rb"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/", head)
    service = scope.group(1).decode() if scope else "?"
    target = re.search(rb"(?i)\r\nx-amz-target: *(\S+)", head)
    if target:
        return service, target.group(1).decode()
    action = re.search(rb"(?:^|&)Action=(\w+)", body) if service in ("iam", "sts") else None
    if action:
        return service, action.group(1).decode()
    method, path = head.split(b" ", 2)[:2]
    return service, f"{method.decode()} {path.decode()}"


def refusal(call: Call, fault: str) -> bytes:
    """An error as the service of this call would word it."""
    status, code = (THROTTLED if fault == "throttle" else BROKEN)[call.protocol]
    text = "Rate exceeded" if fault == "throttle" else "We encountered an internal error."
    headers = {"x-amzn-requestid": "00000000-0000-0000-0000-000000000000"}
    if call.protocol == "query":
        kind = "text/xml"
        body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"
    elif call.protocol == "s3":
        kind = "application/xml"
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    else:
        kind = "application/json"
        body = json.dumps({"__type": code, "message": text})
        headers["x-amzn-errortype"] = code
    headers |= {"content-type": kind, "content-length": str(len(body))}
    lines = [f"HTTP/1.1 {status} No", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body.encode()


# Faults


def at_change(number: int, fault) -> Faults:
    """The call that makes this change meets the fault, and no other."""
    return lambda call: fault if call.change == number else None


def first_time(fault) -> Faults:
    """Every change meets the fault once, and goes through when it is tried again."""
    return lambda call: fault if call.changes and call.before == 0 else None


def always(fault, service=None) -> Faults:
    """Every call does, or every call of one service."""
    return lambda call: fault if service in (None, call.service) else None
