"""What the engine tells of itself: the access log, the page for Prometheus, traces, and
figures of the last moments."""

import http.client
import json
import random
import re
import signal
import socket
import subprocess
from urllib.parse import quote, urljoin

import pandas
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

import harness
from collector import Collector, attributes
from conftest import Functions
from csv_service import TOTAL, csv_of, table_of
from harness import DEADLINE, eventually
from http_apis import Api, arn_of, let_in
from raw_http import Raw

ECHO = """
import json, os


def handler(event, context):
    path = event.get("rawPath", "")
    print("at", path, context.aws_request_id)
    if path.endswith("/broken"):
        raise ValueError("no")
    seen = {"trace": os.environ.get("_X_AMZN_TRACE_ID"), "headers": event.get("headers"), "id": context.aws_request_id}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(seen)}
"""
PARENT = "00-{trace}-00f067aa0ba902b7-{flags}"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def new_trace() -> str:
    return harness.unique("x")[-12:] + harness.unique("x")[-12:] + "0a1b2c3d"


class Watched:
    """An engine with a collector of its traces, an API and functions."""

    def __init__(self, engine, collector):
        self.engine, self.collector = engine, collector
        self.awslambda = engine.client("lambda")
        self.functions = Functions(self.awslambda)
        self.echo = self.functions.make(ECHO)
        let_in(self.awslambda, self.echo)
        self.api = Api(engine, engine.client("apigatewayv2"), "watched")
        self.api.route("GET /items/{id}", self.api.integrate(arn_of(self.awslambda, self.echo)))
        self.total = self.functions.make(TOTAL)
        self.api.map(self.total, "ANY /totals", "ANY /totals/{proxy+}", chunksize="2")
        self.url = self.api.by_path

    def own(self, path) -> dict:
        answer = harness.call(self.engine, "GET", path, service="squall")
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def lines(self, **wanted) -> list[dict]:
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in wanted.items())
        return self.own(f"/_squall/access?{query}")["lines"]

    def metrics(self) -> dict:
        """Values by name and labels, as Prometheus's own client reads them."""
        answer = requests.get(self.own("/_squall/info")["metrics"], timeout=DEADLINE)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return values(answer.text)


def values(text) -> dict:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def value(found, name, **labels):
    """The sum of all that have these labels."""
    fits = [v for (own, has), v in found.items() if own == name and set(labels.items()) <= has]
    return sum(fits) if fits else None


@pytest.fixture(scope="module")
def watched():
    collector = Collector()
    settings = {"SQUALL_METRICS": "127.0.0.1:0", "SQUALL_OTLP_ENDPOINT": collector.url, "SQUALL_TRACE_SAMPLE": "0"}
    try:
        with harness.running_engine(environment=settings) as engine:
            yield Watched(engine, collector)
        assert collector.problems == []
    finally:
        collector.close()


# The access log


def test_a_line_for_each_request(watched):
    answer = requests.get(f"{watched.url}/items/7?token=secret", headers={"user-agent": "tester/1"}, timeout=DEADLINE)
    assert answer.status_code == 200
    request_id = answer.headers["apigw-requestid"]
    assert re.fullmatch(UUID, request_id)
    [line] = watched.lines(request=request_id)
    assert line["method"] == "GET" and line["path"].endswith("/items/7")
    assert "secret" not in json.dumps(line)
    assert line["status"] == 200 and line["bytes_out"] == len(answer.content)
    assert line["route"] == "GET /items/{id}" and line["api"] == watched.api.id and line["stage"] == "$default"
    assert line["target"] == "function" and line["name"] == watched.echo
    assert line["agent"] == "tester/1" and line["client"] == "127.0.0.1"
    assert 0 < line["head_micros"] <= line["micros"]
    assert answer.json()["id"] == request_id, "the invocation has the id of the request"
    # What is refused has a line as well.
    missing = requests.get(f"{watched.url}/nowhere", timeout=DEADLINE)
    [line] = watched.lines(request=missing.headers["apigw-requestid"])
    assert line["status"] == missing.status_code == 404


NOT_SEEN = [
    # Who asked for what, as far as it can be read; what is answered, and why.
    ("GET /host?secret HTTP/1.1", ["host: elsewhere.example"], "GET", "/host", 421, "host"),
    ("POST /coding HTTP/1.1", ["host: localhost", "transfer-encoding: gzip, chunked"], "POST", "/coding", 400, "coding"),
    ("GET /two HTTP/1.1", ["host: localhost", "host: other"], "GET", "/two", 400, "head"),
    ("GET /name?secret HTTP/1.1", ["host: localhost", "bad name: x"], "GET", "/name", 400, "head"),
    ("PUT /size HTTP/1.1", ["host: localhost", "x: " + "y" * 70_000], "PUT", "/size", 431, "head size"),
    ("\x16\x03\x01 nothing", [], "-", "*", 400, "head"),
]


def test_what_no_api_saw_has_a_line_too(watched):
    """Heads that are refused, and bytes that are no request at all."""

    def count(reason):
        return value(watched.metrics(), "squall_refusals_total", reason=reason) or 0

    for first, lines, method, path, status, refused in NOT_SEEN:
        before = count(refused)
        with Raw(watched.engine.gateway) as raw:
            raw.send("\r\n".join([first, *lines, "", ""]).encode("latin-1"))
            answer = raw.answer()
        assert answer.status == status, first
        [line] = eventually(lambda: [line for line in watched.lines(status=status) if line["path"] == path])
        assert (line["method"], line["refused"], line["client"]) == (method, refused, "127.0.0.1")
        assert "secret" not in json.dumps(line)
        assert line["request_id"] == answer.headers.get("x-amzn-requestid", line["request_id"])
        assert count(refused) == before + 1
    # What goes before on the same connection is one thing, what is wrong another.
    with Raw(watched.engine.gateway) as raw:
        raw.send(b"GET /before HTTP/1.1\r\nhost: localhost\r\n\r\nGET /after HTTP/1.1\r\nbad name: x\r\n\r\n")
        assert [raw.answer().status, raw.answer().status] == [404, 400]
    [line] = eventually(lambda: [line for line in watched.lines(status=400) if line["path"] == "/after"])
    assert [line["status"] for line in watched.lines() if line["path"] == "/before"] == [404]


def test_lines_are_found_by_status_route_and_time(watched):
    good = requests.get(f"{watched.url}/items/1", timeout=DEADLINE).headers["apigw-requestid"]
    bad = requests.get(f"{watched.url}/items/broken", timeout=DEADLINE).headers["apigw-requestid"]

    def ids(**wanted):
        return {line["request_id"] for line in watched.lines(**wanted)}

    assert bad in ids(status="5xx") and good not in ids(status="5xx")
    assert good in ids(status="200") and {good, bad} <= ids(route="/items/{id}")
    assert ids(route="/nowhere") == set()
    [line] = watched.lines(request=bad)
    later = 1 + int(pandas.Timestamp(line["time"]).timestamp() * 1000)
    assert bad not in ids(since=later)
    page = watched.own("/_squall/access?limit=1")
    assert len(page["lines"]) == 1 and page["more"]
    rest = watched.own(f"/_squall/access?from={page['next']}")
    assert page["lines"][0] not in rest["lines"]
    for wrong in ["status=6xx", "since=now", "from=there", "limit=x"]:
        assert harness.call(watched.engine, "GET", f"/_squall/access?{wrong}", service="squall").status == 400
    unsigned = requests.get(f"{watched.engine.api}/_squall/access", timeout=DEADLINE)
    assert unsigned.status_code == 403


def test_bodies_are_counted_however_they_come(watched):
    data = csv_of(pandas.DataFrame({"id": list("aabb"), "value": range(4)}))
    pieces = (piece for piece in [data[:10], data[10:]])
    answer = requests.put(f"{watched.url}/totals", data=pieces, timeout=DEADLINE)
    assert answer.status_code == 200, answer.text

    def line():
        found = watched.lines(request=answer.headers["apigw-requestid"])
        return [one for one in found if one["kind"] == "request"]

    [found] = eventually(line, "the request is over")
    assert found["bytes_in"] == len(data) and found["bytes_out"] == len(answer.content)
    assert found["target"] == "map" and found["name"] == watched.total


def test_who_leaves_before_the_answer_has_a_line(watched):
    with harness.Gate() as gate:
        slow = watched.functions.make(harness.Gate.source)
        let_in(watched.awslambda, slow)
        integration = watched.api.integrate(arn_of(watched.awslambda, slow))
        watched.api.route("POST /slow", integration)
        # It takes its event from the route's, so the port comes by a wrapper.
        host = watched.engine.gateway.removeprefix("http://")
        name, port = host.rsplit(":", 1)
        wrapped = harness.Gate.source.replace('event["gate"]', 'int(event["rawPath"].rsplit("/", 1)[1])')
        watched.awslambda.update_function_code(FunctionName=slow, ZipFile=harness.zip_of(wrapped))
        watched.api.route("GET /slow/{gate}", integration)
        path = f"/execute-api/{watched.api.id}/slow/{gate.port}"
        with socket.create_connection((name, int(port))) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            gate.wait_for(1)

        def left():
            return [line for line in watched.lines(status="499") if line["path"] == path]

        [line] = eventually(left, "the line of who left")
        assert line["complete"] is False
        assert value(watched.metrics(), "squall_requests_in_flight") == 0


def test_logs_on_the_command_line(watched):
    request_id = requests.get(f"{watched.url}/items/cli", timeout=DEADLINE).headers["apigw-requestid"]
    shown = watched.engine.cli("logs", "--access", "--route", "GET /items/{id}")
    assert shown.returncode == 0, shown.stderr
    [line] = [line for line in shown.stdout.splitlines() if request_id in line]
    assert "/items/cli  200" in line and "route=GET /items/{id}" in line
    as_json = watched.engine.cli("logs", "--access", "--status", "2xx", "--json").stdout.splitlines()
    assert request_id in {json.loads(line)["request_id"] for line in as_json}
    assert watched.engine.cli("logs", "--access", "--since", "0s").stdout == ""
    one = watched.engine.cli("logs", "--request", request_id)
    assert f"START RequestId: {request_id}" in one.stdout and f"REPORT RequestId: {request_id}" in one.stdout
    assert re.search(rf"at \S*/items/cli {request_id}", one.stdout)
    unknown = watched.engine.cli("logs", "--request", "11111111-2222-4333-8444-555555555555")
    assert unknown.returncode == 2 and "no request" in unknown.stderr
    assert watched.engine.cli("logs").returncode == 2


def test_the_log_is_followed(watched):
    command = [str(harness.binary()), "logs", "--access", "-f", "--json"]
    following = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=watched.engine.client_environment()
    )
    try:
        seen = []

        def asked():
            # Until it follows there is nothing to be seen of what was asked.
            seen.append(requests.get(f"{watched.url}/items/f", timeout=DEADLINE).headers["apigw-requestid"])
            page = watched.own("/_squall/access?from=end")
            return page["next"] and len(seen) >= 3

        eventually(asked, "some requests", every=0.5)
        line = json.loads(following.stdout.readline())
        assert line["request_id"] in seen
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=DEADLINE)


def test_a_job_and_its_chunks_are_found_by_the_request(watched):
    ids = [f"i{at}" for at in range(6)]
    data = csv_of(pandas.DataFrame({"id": ids, "value": [random.random() for _ in ids]}))
    url = f"{watched.url}/totals"
    accepted = requests.put(url, data=data, headers={"prefer": "respond-async"}, timeout=DEADLINE)
    assert accepted.status_code == 202
    request_id, job = accepted.headers["apigw-requestid"], accepted.json()["job"]

    def chunks():
        found = watched.lines(request=request_id)
        chunks = [line for line in found if line["kind"] == "chunk"]
        return chunks if len(chunks) >= 3 else None

    found = eventually(chunks, "three chunks")
    assert {line["job"] for line in found} == {job} and {line["cause"] for line in found} == {request_id}
    assert {line["function"] for line in found} == {watched.total}
    assert watched.lines(request=job) == found
    shown = watched.engine.cli("logs", "--request", request_id).stdout
    for line in found:
        assert f"START RequestId: {line['request_id']}" in shown
    assert "PUT" in shown and f"chunk of {watched.total}" in shown
    eventually(lambda: requests.get(urljoin(url, accepted.headers["location"])).json()["state"] == "complete", "the job")


def test_a_stage_has_a_log_of_its_own_format(watched):
    group = harness.unique("/calls/of")
    account = arn_of(watched.awslambda, watched.echo).split(":")[4]
    members = {"id": "requestId", "status": "status", "route": "routeKey", "ip": "identity.sourceIp"}
    members |= {"agent": "identity.userAgent", "bytes": "responseLength", "unknown": "nothing.of.this"}
    line = json.dumps({name: f"$context.{of}" for name, of in members.items()})
    watched.api.client.update_stage(
        ApiId=watched.api.id,
        StageName="$default",
        AccessLogSettings={"DestinationArn": f"arn:aws:logs:us-east-1:{account}:log-group:{group}", "Format": line},
    )
    agent = 'a "quoted" one\\'
    answer = requests.get(f"{watched.url}/items/1", headers={"user-agent": agent}, timeout=DEADLINE)
    refused = requests.get(f"{watched.url}/nowhere", timeout=DEADLINE)
    assert watched.lines(request=answer.headers["apigw-requestid"]), "all that was told is written"
    events = watched.engine.client("logs").filter_log_events(logGroupName=group)["events"]
    said = {line["id"]: line for line in (json.loads(event["message"]) for event in events)}
    assert said[answer.headers["apigw-requestid"]] == {
        "id": answer.headers["apigw-requestid"],
        "status": "200",
        "route": "GET /items/{id}",
        "ip": "127.0.0.1",
        "agent": agent,
        "bytes": str(len(answer.content)),
        "unknown": "-",
    }
    assert said[refused.headers["apigw-requestid"]]["status"] == "404"


def test_lines_survive_and_torn_ones_are_passed_over(tmp_path):
    engine = harness.Engine(tmp_path / "data").start()

    def lines():
        answer = harness.call(engine, "GET", "/_squall/access", service="squall")
        return json.loads(answer.body)["lines"]

    requests.get(f"{engine.gateway}/one", timeout=DEADLINE)
    assert [line["path"] for line in lines()] == ["/one"]
    engine.kill()
    [file] = (tmp_path / "data" / "access").iterdir()
    with open(file, "ab") as torn:
        torn.write(b'{"time":"2026-11-21T10:00:00.000Z","kind":"requ')
    engine.start()
    requests.get(f"{engine.gateway}/two", timeout=DEADLINE)
    assert [line["path"] for line in lines()] == ["/one", "/two"]
    # All of it is on the disk after an orderly end.
    requests.get(f"{engine.gateway}/three", timeout=DEADLINE)
    engine.stop()
    written = [json.loads(line)["path"] for line in file.read_text().splitlines()]
    assert written == ["/one", "/two", "/three"]


def test_files_rotate_and_the_log_can_be_off(tmp_path):
    settings = {"SQUALL_ACCESS_LOG_FILE_MB": "1", "SQUALL_ACCESS_LOG_FILES": "2"}
    engine = harness.Engine(tmp_path / "data", environment=settings).start()
    host = engine.gateway.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=DEADLINE)
    path, agent = "/" + "p" * 290, "a" * 290
    for _ in range(4_000):
        connection.request("GET", path, headers={"user-agent": agent})
        connection.getresponse().read()
    page = harness.call(engine, "GET", "/_squall/access?from=end", service="squall")
    assert json.loads(page.body)["next"].startswith("4-"), page.body
    files = sorted(file.name for file in (tmp_path / "data" / "access").iterdir())
    assert files == ["00000003.jsonl", "00000004.jsonl"]
    assert all(file.stat().st_size <= 1 << 20 for file in (tmp_path / "data" / "access").iterdir())
    engine.stop()
    engine = harness.Engine(tmp_path / "off", environment={"SQUALL_ACCESS_LOG": "off"}).start()
    requests.get(f"{engine.gateway}/one", timeout=DEADLINE)
    assert harness.call(engine, "GET", "/_squall/access", service="squall").status == 409
    kept = harness.call(engine, "GET", "/_squall/requests?after=0", service="squall")
    assert json.loads(kept.body)["requests"][0]["path"] == "/one", "squall dev shows them still"
    engine.stop()
    assert not (tmp_path / "off" / "access").exists()


# What is counted


def test_requests_and_invocations_are_counted(watched):
    before = watched.metrics()
    labels = {"api": watched.api.id, "stage": "$default", "route": "GET /items/{id}", "method": "GET"}
    for item in ["1", "2", "broken"]:
        requests.get(f"{watched.url}/items/{item}", timeout=DEADLINE)
    after = watched.metrics()

    def grown(name, **more):
        return (value(after, name, **more) or 0) - (value(before, name, **more) or 0)

    assert grown("squall_requests_total", **labels, status="2xx") == 2
    assert grown("squall_requests_total", **labels, status="5xx") == 1
    assert grown("squall_request_duration_seconds_count", **labels) == 3
    assert grown("squall_request_duration_seconds_bucket", **labels, le="+Inf") == 3
    assert grown("squall_invocations_total", function=watched.echo, outcome="ok") == 2
    assert grown("squall_invocations_total", function=watched.echo, outcome="error") == 1
    assert grown("squall_invocation_duration_seconds_count", function=watched.echo) == 3
    assert value(after, "squall_instances", function=watched.echo) >= 1
    assert value(after, "squall_cold_starts_total", function=watched.echo) >= 1
    for name in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "squall_uptime_seconds",
        "squall_connections_open",
        "squall_store_commits_total",
    ]:
        assert value(after, name) > 0, name
    assert value(after, "squall_store_bytes", kind="database") > 0
    assert value(after, "squall_access_lines_total", outcome="dropped") == 0
    # No path of a client becomes a label.
    text = requests.get(watched.own("/_squall/info")["metrics"], timeout=DEADLINE).text
    assert "/items/broken" not in text


def test_throttles_and_maps_are_counted(watched):
    limited = watched.functions.make(ECHO)
    watched.awslambda.put_function_concurrency(FunctionName=limited, ReservedConcurrentExecutions=0)
    with pytest.raises(watched.awslambda.exceptions.TooManyRequestsException):
        watched.functions.invoke(limited)
    before = watched.metrics()
    assert value(before, "squall_throttles_total", function=limited) == 1
    data = csv_of(pandas.DataFrame({"id": [f"i{at}" for at in range(6)], "value": range(6)}))
    assert len(table_of(requests.put(f"{watched.url}/totals", data=data, timeout=DEADLINE))) == 6
    after = watched.metrics()
    assert value(after, "squall_map_items_total", outcome="done") - value(before, "squall_map_items_total", outcome="done") == 6
    assert value(after, "squall_map_chunks_total") - value(before, "squall_map_chunks_total") >= 3


def test_the_page_is_there_in_two_ways(watched):
    url = watched.own("/_squall/info")["metrics"]
    own = harness.call(watched.engine, "GET", "/_squall/metrics", service="squall")
    assert own.status == 200
    assert value(values(own.body.decode()), "squall_build_info") == 1
    assert requests.get(f"{watched.engine.api}/_squall/metrics", timeout=DEADLINE).status_code == 403
    assert requests.get(urljoin(url, "/else"), timeout=DEADLINE).status_code == 404
    assert requests.post(url, data=b"x", timeout=DEADLINE).status_code == 405
    assert requests.head(url, timeout=DEADLINE).status_code == 200


def test_figures_of_the_last_moments(watched):
    for _ in range(5):
        requests.get(f"{watched.url}/items/top", timeout=DEADLINE)
    top = watched.own("/_squall/top?seconds=300")
    [route] = [route for route in top["routes"] if route["route"] == "GET /items/{id}"]
    assert route["count"] >= 5 and route["status"]["2xx"] >= 5
    assert 0 < route["p50_ms"] <= route["p90_ms"] <= route["p99_ms"]
    [function] = [function for function in top["functions"] if function["function"] == watched.echo]
    assert function["count"] >= 5 and function["instances"] >= 1 and function["memory_bytes"] > 0
    assert top["requests"]["count"] >= route["count"] and top["requests"]["in_flight"] == 0
    assert top["process"]["memory_bytes"] > 0 and top["events"]["queued"] == 0
    assert harness.call(watched.engine, "GET", "/_squall/top?seconds=x", service="squall").status == 400


# Traces


def spans_of(watched, trace, count) -> dict:
    """The spans of a trace by name, once there are as many."""
    eventually(lambda: len(watched.collector.of(trace)) >= count, lambda: f"{watched.collector.of(trace)}")
    spans = watched.collector.of(trace)
    assert len({span.span_id for span in spans}) == len(spans)
    return spans


def test_a_trace_goes_through_a_request_and_its_function(watched):
    trace = new_trace()
    parent = PARENT.format(trace=trace, flags="01")
    headers = {"traceparent": parent, "tracestate": "vendor=1"}
    seen = requests.get(f"{watched.url}/items/t", headers=headers, timeout=DEADLINE).json()
    spans = spans_of(watched, trace, 2)
    [request] = [span for span in spans if span.name == "GET /items/{id}"]
    [run] = [span for span in spans if span.name == watched.echo]
    assert request.parent_span_id.hex() == "00f067aa0ba902b7" and request.trace_state == "vendor=1"
    assert request.kind == 2 and attributes(request)["http.response.status_code"] == 200
    assert attributes(request)["http.route"] == "/items/{id}"
    assert run.parent_span_id == request.span_id
    assert attributes(run)["faas.invocation_id"] == seen["id"] == attributes(request)["squall.request_id"]
    assert request.start_time_unix_nano <= run.start_time_unix_nano <= run.end_time_unix_nano
    # What the function was told: the request's place in the event, its own in the environment.
    assert seen["headers"]["traceparent"] == f"00-{trace}-{request.span_id.hex()}-01"
    assert seen["headers"]["tracestate"] == "vendor=1"
    root = f"Root=1-{trace[:8]}-{trace[8:]}"
    assert seen["trace"].startswith(f"{root};Parent={run.span_id.hex()};Sampled=1")
    [resource, *_] = watched.collector.resources
    assert attributes(resource)["service.name"] == "squall"


def test_a_trace_goes_through_a_map(watched):
    for more in [{}, {"prefer": "respond-async"}]:
        trace = new_trace()
        # No job has seen these items: what is known would not be run again.
        ids = [f"i{at}" for at in range(6)]
        data = csv_of(pandas.DataFrame({"id": ids, "value": [random.random() for _ in ids]}))
        headers = {"traceparent": PARENT.format(trace=trace, flags="01"), **more}
        answer = requests.put(f"{watched.url}/totals", data=data, headers=headers, timeout=DEADLINE)
        assert answer.ok
        # A request, its map, and three chunks with an invocation each.
        spans = spans_of(watched, trace, 8)
        by_id = {span.span_id: span for span in spans}
        [request] = [span for span in spans if span.kind == 2 and attributes(span).get("http.request.method")]
        [mapped] = [span for span in spans if span.name == f"map {watched.total}"]
        chunks = [span for span in spans if span.name == f"chunk {watched.total}"]
        runs = [span for span in spans if span.name == watched.total]
        assert mapped.parent_span_id == request.span_id
        assert len(chunks) == len(runs) >= 3
        assert {span.parent_span_id for span in chunks} == {mapped.span_id}
        assert {run.parent_span_id for run in runs} == {chunk.span_id for chunk in chunks}
        assert {by_id[run.parent_span_id].kind for run in runs} == {3}
        for run in runs:
            chunk = by_id[run.parent_span_id]
            assert attributes(run)["faas.invocation_id"] == attributes(chunk)["faas.invocation_id"]
        assert attributes(mapped)["squall.items"] == 6


def test_an_event_belongs_to_the_trace_that_caused_it(watched):
    trace = new_trace()
    header = f"Root=1-{trace[:8]}-{trace[8:]};Parent=00f067aa0ba902b7;Sampled=1"
    body = b"{}"
    target = f"/2015-03-31/functions/{watched.echo}/invocations"
    headers = {"x-amz-invocation-type": "Event", "x-amzn-trace-id": header}
    assert harness.call(watched.engine, "POST", target, body, headers).status == 202
    [run] = spans_of(watched, trace, 1)[:1]
    assert run.name == watched.echo and run.parent_span_id.hex() == "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": PARENT.format(trace="{trace}", flags="00")},
        {"traceparent": "00-{trace}-0000000000000000-01"},
        {"traceparent": "ff-{trace}-00f067aa0ba902b7-01"},
        {"x-amzn-trace-id": "Root=1-0-{trace};Sampled=1"},
    ],
)
def test_what_nobody_asked_to_be_recorded_is_not(watched, headers):
    trace = new_trace()
    headers = {name: text.format(trace=trace) for name, text in headers.items()}
    seen = requests.get(f"{watched.url}/items/none", headers=headers, timeout=DEADLINE).json()
    # Something that is recorded comes after it, and is waited for.
    last = new_trace()
    requests.get(f"{watched.url}/items/x", headers={"traceparent": PARENT.format(trace=last, flags="01")}, timeout=DEADLINE)
    spans_of(watched, last, 2)
    assert watched.collector.of(trace) == []
    ids = [attributes(span).get("faas.invocation_id") for span in watched.collector.spans]
    assert seen["id"] not in ids
    assert "Sampled=1" not in seen["trace"] or "x-amzn-trace-id" in headers


def test_a_collector_that_has_no_time_is_asked_again(watched):
    watched.collector.refuse = [(429, [("retry-after", "1")]), (503, [])]
    trace = new_trace()
    requests.get(f"{watched.url}/items/r", headers={"traceparent": PARENT.format(trace=trace, flags="01")}, timeout=DEADLINE)
    assert len(spans_of(watched, trace, 2)) == 2
    assert watched.collector.refuse == []
    sent = value(watched.metrics(), "squall_spans_total", outcome="sent")
    assert sent >= len(watched.collector.spans) - 2


def test_what_a_collector_refuses_is_counted(watched):
    before = value(watched.metrics(), "squall_spans_total", outcome="dropped")
    watched.collector.refuse = [(400, [])]
    trace = new_trace()
    requests.get(f"{watched.url}/items/d", headers={"traceparent": PARENT.format(trace=trace, flags="01")}, timeout=DEADLINE)
    eventually(lambda: value(watched.metrics(), "squall_spans_total", outcome="dropped") > before, "dropped spans")


def test_a_ratio_of_traces_is_recorded_and_sent_at_the_end(tmp_path):
    collector = Collector()
    try:
        settings = {"SQUALL_OTLP_ENDPOINT": collector.url}
        engine = harness.Engine(tmp_path / "data", environment=settings).start()
        answer = requests.get(f"{engine.gateway}/nowhere", timeout=DEADLINE)
        engine.stop()
        [span] = collector.spans
        assert attributes(span)["http.response.status_code"] == answer.status_code
        assert not span.parent_span_id
        assert collector.problems == []
    finally:
        collector.close()


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("SQUALL_TRACE_SAMPLE", "2", "trace_sample"),
        ("SQUALL_OTLP_ENDPOINT", "nowhere", "otlp_endpoint"),
        ("SQUALL_ACCESS_LOG", "maybe", "ACCESS_LOG"),
        ("SQUALL_ACCESS_LOG_FILES", "0", "access_log_files"),
        ("SQUALL_METRICS", "here", "METRICS"),
    ],
)
def test_settings_that_make_no_sense_are_told(tmp_path, name, given, words):
    command = [str(harness.binary()), "up", "--data", str(tmp_path / "data"), "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE, env=harness.clean_environment(**{name: given})
    )
    assert ended.returncode == 2 and words in ended.stderr, ended.stderr
