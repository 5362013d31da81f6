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
# How the events of a map begin where our own coordinator writes them.
MAP_EVENT = b'{"squall":{"map":'

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
            data = self.rest_of(data, total)
            if data is None:
                return None
        start, end = request_header.size, request_header.size + meta_size
        meta = json.loads(data[start:end])
        if type(data) is bytes:
            return meta, data[end:]
        # It may be large: bytes at the front of a bytearray go without copying the others.
        del data[:end]
        return meta, data

    def rest_of(self, data, total):
        """What came with what is still to come, or None when the engine is gone."""
        whole = bytearray(total)
        filled = len(data)
        whole[:filled] = data
        with memoryview(whole) as view:
            while filled < total:
                count = self.socket.recv_into(view[filled:])
                if not count:
                    return None
                filled += count
        return whole

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
    quick = payload.startswith(MAP_EVENT)
    try:
        event = map_side().reading.parse(payload) if quick else json.loads(payload)
    except ValueError as error:
        return fail("Unable to unmarshal input: %s" % error, "Runtime.UnmarshalError", request_id)
    try:
        if type(event) is dict and "squall" in event and map_side().is_map(event):
            return RESPONSE, map_side().serve(handler, event, LambdaContext(meta, environ))
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


def map_side():
    """What serves the events of a map, for any handler.

    Loaded under a name of its own: what the function imports as `squall` may be the
    user's.
    """
    module = sys.modules.get("squall_guest.chunk")
    if module is None:
        from importlib import import_module, util

        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "squall")
        spec = util.spec_from_file_location("squall_guest", os.path.join(folder, "__init__.py"))
        package = util.module_from_spec(spec)
        sys.modules["squall_guest"] = package
        spec.loader.exec_module(package)
        module = import_module("squall_guest.chunk")
    return module


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
        squall_errors.log(error.logged)
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
