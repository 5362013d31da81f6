"""The loop of an instance: an event in, the handler's answer out.

A request is `u32 meta bytes, u32 payload bytes, meta (JSON), payload`; an answer
is `u8 kind, u32 payload bytes, u32 peak memory in KB, payload`. One request is
under way at a time.
"""

import _socket
import decimal
import json
import os
import resource
import struct
import sys

import squall_errors
import squall_load
from squall_context import LambdaContext, RequestFilter

CHANNEL = 3
RESPONSE, ERROR, INIT_ERROR, READY = 0, 1, 2, 3
FIRST_READ = 64 * 1024

request_header = struct.Struct("<II")
answer_header = struct.Struct("<BII")


plain = json.JSONEncoder(ensure_ascii=False).encode


class DecimalEncoder(json.JSONEncoder):
    """Puts a mark where a decimal stands: numbers of their kind json cannot write."""

    def __init__(self, mark):
        super().__init__(ensure_ascii=False)
        self.mark = mark
        self.found = []

    def default(self, value):
        if isinstance(value, decimal.Decimal):
            self.found.append(str(value))
            return self.mark
        return super().default(value)


def encode(value):
    """JSON as AWS's runtime writes it: decimals are numbers with all their digits."""
    try:
        return plain(value)
    except TypeError:
        mark = os.urandom(16).hex()
        encoder = DecimalEncoder(mark)
        parts = encoder.encode(value).split('"%s"' % mark)
        if len(parts) == 1:
            raise
        found = encoder.found + [""]
        return "".join(part + number for part, number in zip(parts, found))


class Channel:
    """The instance's end of its socket to the engine."""

    def __init__(self, descriptor=CHANNEL):
        self.socket = _socket.socket(fileno=descriptor)
        self.socket.setblocking(True)

    def receive(self):
        """The next request as (meta, payload), or None when the engine is gone."""
        data = self.socket.recv(FIRST_READ)
        while 0 < len(data) < request_header.size:
            more = self.socket.recv(FIRST_READ)
            if not more:
                return None
            data += more
        if not data:
            return None
        meta_size, payload_size = request_header.unpack_from(data)
        total = request_header.size + meta_size + payload_size
        if len(data) < total:
            whole = bytearray(total)
            whole[: len(data)] = data
            view = memoryview(whole)
            filled = len(data)
            while filled < total:
                count = self.socket.recv_into(view[filled:])
                if not count:
                    return None
                filled += count
            data = bytes(whole)
        start = request_header.size
        meta = json.loads(data[start : start + meta_size])
        return meta, data[start + meta_size :]

    def send(self, kind, payload):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        header = answer_header.pack(kind, len(payload), peak)
        if len(payload) < FIRST_READ:
            self.socket.sendall(header + payload)
        else:
            self.socket.sendall(header)
            self.socket.sendall(payload)


def run(handler, meta, payload, environ):
    """One invocation: (kind, answer)."""
    request_id = meta["id"]
    RequestFilter.request_id = request_id
    trace = meta.get("trace")
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    try:
        event = json.loads(payload)
    except ValueError as error:
        return fail("Unable to unmarshal input: %s" % error, "Runtime.UnmarshalError", request_id)
    try:
        answer = handler(event, LambdaContext(meta, environ))
    except Exception as error:
        kind = type(error).__name__
        return fail(str(error), kind, request_id, squall_errors.frames(error, skip=1))
    if isinstance(answer, (bytes, bytearray)):
        # Not JSON: AWS's runtime refuses it too, with the encoder's words.
        return fail(
            "Unable to marshal response: Object of type %s is not JSON serializable"
            % type(answer).__name__,
            "Runtime.MarshalError",
            request_id,
        )
    try:
        return RESPONSE, encode(answer).encode()
    except Exception as error:
        return fail(
            "Unable to marshal response: %s" % error, "Runtime.MarshalError", request_id
        )


def fail(message, kind, request_id, stack=()):
    error = squall_errors.make_error(message, kind, stack, request_id)
    squall_errors.log(error)
    return ERROR, json.dumps(error, ensure_ascii=False).encode("utf-8", "replace")


def run_instance():
    """An instance without a template: loads the function itself, and says so."""
    channel = Channel()
    try:
        handler = squall_load.load()
    except squall_errors.InitError as error:
        squall_errors.log(error.error)
        channel.send(INIT_ERROR, json.dumps(error.error).encode())
        os._exit(1)
    channel.send(READY, b"")
    serve(handler, os.environ, channel)


def serve(handler, environ, channel):
    """Answers requests until the engine closes the channel."""
    while True:
        request = channel.receive()
        if request is None:
            os._exit(0)
        try:
            kind, answer = run(handler, *request, environ)
        except SystemExit as error:
            leave(error)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            leave(SystemExit(1))
        flush()
        channel.send(kind, answer)


def flush():
    sys.stdout.flush()
    sys.stderr.flush()


def leave(request):
    """Ends the process the way `sys.exit` would have ended a script."""
    code = request.code
    if not (code is None or isinstance(code, int)):
        print(code, file=sys.stderr)
        code = 1
    flush()
    os._exit((code or 0) & 0xFF)
