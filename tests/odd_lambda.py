"""An endpoint that speaks as much of Lambda's Invoke as a map needs, and misbehaves on demand.

What the real engine does not do at will: refuse every second request, close a
connection in the middle, be slow once. Its functions take chunks as
docs/map-protocol.md says; this is read here a second time, on purpose.
"""

import base64
import contextlib
import http.server
import json
import threading

import numpy as np


class Death(BaseException):
    """Ends the whole chunk, with this error type."""


class OddLambda:
    """`function(values)` serves items; `mood(number, event)` may return (status, headers, body)
    in place of the answer to a request, or raise ConnectionError to hang up."""

    def __init__(self, function, mood=None, said=None):
        self.function = function
        self.mood = mood or (lambda number, event: None)
        self.said = said or {"item": "array", "formats": ["json", "columns"], "numpy": True, "pandas": False}
        self.lock = threading.Lock()
        self.requests = []
        self.calls = []
        self.most_at_once = self.at_once = 0

    def __enter__(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.answer(self, body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A map that is over hangs up on what it no longer needs.
        self.server.handle_error = lambda *_: None
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def environment(self) -> dict:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server.server_port}",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-north-1",
        }

    def answer(self, request, body):
        event = json.loads(body)
        with self.lock:
            number = len(self.requests)
            self.requests.append((request.path, dict(request.headers), event))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            status, headers, answer = self.mood(number, event) or self.served(event)
        except ConnectionError:
            request.close_connection = True
            return
        finally:
            with self.lock:
                self.at_once -= 1
        with contextlib.suppress(OSError):
            request.send_response(status)
            content = json.dumps(answer).encode()
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(content)

    def served(self, event):
        header = event["squall"]
        if header["map"] == "describe":
            return 200, {}, {"squall": self.said}
        results, errors = [], []
        items = items_of(event)
        assert len(items) == header["count"]
        for place, item in enumerate(items):
            with self.lock:
                self.calls.append(item)
            try:
                results.append(self.function(item))
            except Death as death:
                return 200, {"X-Amz-Function-Error": "Unhandled"}, {"errorType": str(death), "errorMessage": "dead"}
            except Exception as error:  # noqa: BLE001
                results.append(None)
                errors.append([place, {"errorType": type(error).__name__, "errorMessage": str(error)}])
        return 200, {}, {"results": results, "errors": errors, "took": {"wall": 1e-5 * len(items), "cpu": 1e-5 * len(items)}}

    def chunks(self) -> list[dict]:
        return [event for _, _, event in self.requests if event["squall"]["map"] == "chunk"]


def items_of(event) -> list:
    """The items of a chunk: arrays, lists of arrays for frames, dicts with ids, JSON."""
    header = event["squall"]
    if "items" in event:
        return event["items"]
    data, ends = base64.b64decode(event["data"]), np.cumsum(event["lengths"])
    columns = []
    for column in header["columns"]:
        if column["type"] == "text":
            values = column["values"]
        else:
            kind = {"float": "<f8", "int": "<i8", "bool": "?"}[column["type"]]
            assert column["at"] % 8 == 0
            values = np.frombuffer(data, kind, count=ends[-1], offset=column["at"])
        columns.append([values[end - size : end] for size, end in zip(event["lengths"], ends, strict=True)])
    items = [list(item) for item in zip(*columns, strict=True)]
    if header["item"] == "dict":
        name = header["columns"][0]["name"]
        return [{"id": i, "values": list(v), "name": name} for i, (v,) in zip(event["ids"], items, strict=True)]
    return items if header["item"] == "frame" else [item for item, in items]
