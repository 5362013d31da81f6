"""A collector of OpenTelemetry's spans: takes what is sent as JSON, and reads it with the
protocol's own messages."""

import http.server
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collector:
    """Takes spans until it is closed. `refuse` has answers for the next requests; who does
    not bring the `wanted` headers is refused as well."""

    def __init__(self, **wanted):
        self.spans, self.resources, self.problems, self.refuse, self.headers = [], [], [], [], []
        self.asked = 0
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.asked += 1
                collector.headers.append({name.lower() for name in self.headers})
                if any(self.headers[name.replace("_", "-")] != value for name, value in wanted.items()):
                    return self.say(401, b"")
                if collector.refuse:
                    status, headers = collector.refuse.pop(0)
                    return self.say(status, b"", headers)
                try:
                    collector.take(self.path, self.headers["content-type"], body)
                except Exception as error:  # noqa: BLE001 (a test asks for them)
                    collector.problems.append(repr(error))
                    return self.say(400, b"")
                self.say(200, json_format.MessageToJson(ExportTraceServiceResponse()).encode())

            def say(self, status, body, headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path, content_type, body):
        assert path == "/v1/traces", path
        assert content_type == "application/json", content_type
        # OTLP's JSON has ids in hex where protobuf's own has base64.
        request = json_format.Parse(hex_to_base64(body), ExportTraceServiceRequest())
        for of_resource in request.resource_spans:
            self.resources.append(of_resource.resource)
            for of_scope in of_resource.scope_spans:
                self.spans.extend(of_scope.spans)

    def of(self, trace: str) -> list:
        """The spans of a trace, by its id in hex."""
        return [span for span in self.spans if span.trace_id.hex() == trace]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def hex_to_base64(body: bytes) -> str:
    import base64
    import json

    def convert(value):
        if isinstance(value, list):
            return [convert(item) for item in value]
        if not isinstance(value, dict):
            return value
        ids = {"traceId", "spanId", "parentSpanId"}
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in ids else convert(item)
            for key, item in value.items()
        }

    return json.dumps(convert(json.loads(body)))


def attributes(span) -> dict:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}
