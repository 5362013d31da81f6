"""Serves the events of a map: says how a function wants its items, and runs it on each
item of a chunk. The events are described in docs/map-protocol.md."""

import functools
import json
import sys
import time
import traceback

from . import codec, kinds, quick_series, reading

# What Lambda returns to its caller at most.
MOST_ANSWER = 6 * 1024 * 1024
# Of the items of one chunk: all are in the answer, whoever reads the log needs some.
MOST_LOGGED = 10


def is_map(event):
    if type(event) is not dict:
        return False
    asked = event.get("squall")
    return type(asked) is dict and "map" in asked


def mapped(function):
    """A handler that serves the events of a map, and gives all others to `function`."""
    with_context = kinds.Signature(function).with_context

    @functools.wraps(function)
    def handler(event, context):
        if is_map(event):
            return json.loads(serve(function, event, context))
        return function(event, context) if with_context else function(event)

    handler.squall_mapped = function
    return handler


def prepare():
    """Does once, before an instance is forked, what each would do at its first chunk."""
    if "pandas" in sys.modules:
        quick_series.maker(sys.modules["pandas"], sys.modules["numpy"])


def serve(function, event, context):
    """The answer to an event of a map, as JSON in UTF-8."""
    function = getattr(function, "squall_mapped", function)
    asked = event["squall"]
    if asked["map"] == "describe":
        return describe(function)
    if asked["map"] != "chunk":
        raise kinds.BadChunk("a map has no events called %r" % (asked["map"],))
    put = asked.get("put")
    for name in asked.keys() & {"get", "put"}:
        if type(asked[name]) is not str:
            raise kinds.BadChunk("%s: %r is no address" % (name, asked[name]))
    if "get" in asked:
        event = fetch(asked["get"])
        put = put or event["squall"].get("put")
    answer = run(function, event, context)
    if put and len(answer) > MOST_ANSWER:
        from . import exchange

        exchange.put(put, answer)
        return b'{"squall":{"put":true}}'
    return answer


def describe(function):
    said = {
        "item": kinds.kind_of(kinds.Signature(function)),
        "formats": ["json", "zlib", "columns"],
        "numpy": kinds.available("numpy"),
        "pandas": kinds.available("pandas"),
    }
    return json.dumps({"squall": said}).encode()


def fetch(url):
    from . import exchange

    event = reading.parse(exchange.get(url))
    if not is_map(event) or event["squall"]["map"] != "chunk" or "get" in event["squall"]:
        raise kinds.BadChunk("what was put down is not a chunk")
    return event


def run(function, event, context):
    begin = time.perf_counter()
    signature = kinds.Signature(function)
    kind = kinds.kind_of(signature, event["squall"].get("item"))
    count, items = reading.items(event, kind)
    call = function
    if signature.with_context:
        call = lambda item: function(item, context)
    start, start_cpu = time.perf_counter(), time.process_time()
    results, failed = apply(call, items)
    end, end_cpu = time.perf_counter(), time.process_time()
    if len(results) != count:
        raise kinds.BadChunk("there are %d items, not %d" % (len(results), count))
    written, unwritten = codec.texts(results)
    failed += [[place, not_written(error)] for place, error in unwritten]
    log(failed, count)
    # Texts of exceptions may hold what is not Unicode.
    errors = codec.plain(failed).encode("utf-8", "replace")
    wall, cpu = end - start, end_cpu - start_cpu
    codec_time = time.perf_counter() - begin - wall
    took = '"took":{"wall":%.6f,"cpu":%.6f,"codec":%.6f}' % (wall, cpu, codec_time)
    return b'{"results":%b,"errors":%b,%b}' % (written, errors, took.encode())


def apply(call, items):
    results, failed = [], []
    add = results.append
    for item in items:
        try:
            add(call(item))
        except Exception as error:
            failed.append([len(results), raised(error)])
            add(None)
        except SystemExit as error:
            failed.append([len(results), left(error)])
            add(None)
    return results, failed


def raised(error):
    """As AWS has it, without our own frames at the top of the stack."""
    try:
        message = str(error)
    except Exception:
        message = ""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    stack = traceback.format_list(traceback.extract_tb(trace))
    return error_object(type(error).__name__, message, stack)


def left(error):
    code = error.code
    if code is None or isinstance(code, int):
        code = "exit status %d" % ((code or 0) & 0xFF)
    return error_object("Runtime.ExitError", "the function left by sys.exit: %s" % (code,))


def not_written(error):
    return error_object("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def error_object(kind, message, stack=()):
    return {"errorType": kind, "errorMessage": message, "stackTrace": list(stack)}


def log(failed, count):
    """Each error in a line of its own, however many it has, as AWS has them in its log."""
    for place, error in failed[:MOST_LOGGED]:
        text = "[ERROR] item %d of %d: %s: %s" % (
            place,
            count,
            error["errorType"],
            error["errorMessage"],
        )
        stack = "".join(error["stackTrace"]).rstrip("\n")
        if stack:
            text += "\nTraceback (most recent call last):\n" + stack
        write(text)
    if len(failed) > MOST_LOGGED:
        write("[ERROR] and %d items more" % (len(failed) - MOST_LOGGED))


def write(text):
    shown = text.replace("\n", "\r").encode("utf-8", "replace").decode()
    sys.stdout.write(shown + "\n")
