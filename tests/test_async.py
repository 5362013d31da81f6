"""Asynchronous invocations: accepted means it runs, is retried, ends in a
destination, and outlives the engine."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

import harness
from conftest import Functions
from harness import eventually, unique


@pytest.fixture(scope="module")
def quick():
    """An engine that retries after a second where AWS waits for a minute."""
    with harness.running_engine(environment={"SQUALL_EVENT_RETRY_SECONDS": "1"}) as engine:
        yield engine


@pytest.fixture
def client(quick):
    return quick.client("lambda")


@pytest.fixture
def functions(client):
    made = Functions(client)
    yield made
    made.remove_all()


class Book:
    """Everything a function has printed after `mark `, read from its log."""

    def __init__(self, engine, name):
        self.logs, self.group = engine.client("logs"), f"/aws/lambda/{name}"

    def marks(self) -> list:
        try:
            pages = self.logs.get_paginator("filter_log_events").paginate(
                logGroupName=self.group, filterPattern="mark"
            )
            messages = [event["message"] for page in pages for event in page["events"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(text[5:]) for text in messages if text.startswith("mark ")]

    def wait_for(self, count, deadline=None) -> list:
        def enough():
            marks = self.marks()
            return marks if len(marks) >= count else None

        return eventually(enough, f"{count} marks", deadline, every=0.1)


MARKER = """
import json


def handler(event, context):
    print("mark", json.dumps({"id": context.aws_request_id, "event": event}))
    if isinstance(event, dict) and event.get("fail"):
        raise ValueError("asked to fail")
    return {"echo": event}
"""

# A destination's whole event is what the test looks at.
WITNESS = """
import json


def handler(event, context):
    print("mark", json.dumps(event))
"""


def send(client, name, event, **more) -> str:
    answer = client.invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode(), **more
    )
    assert answer["StatusCode"] == 202
    return answer["ResponseMetadata"]["RequestId"]


def test_every_accepted_event_runs(quick, client, functions):
    name = functions.make(MARKER)
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda n: send(client, name, n), range(100)))
    marks = Book(quick, name).wait_for(100)
    assert {mark["id"] for mark in marks} == ids
    assert sorted(mark["event"] for mark in marks) == list(range(100))


def test_a_failure_is_tried_three_times_with_one_id(quick, client, functions):
    name, witness = functions.make(MARKER), functions.make(WITNESS)
    arn = client.get_function_configuration(FunctionName=witness)["FunctionArn"]
    client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    request_id = send(client, name, {"fail": True, "n": 1})
    (record,) = Book(quick, witness).wait_for(1)
    marks = Book(quick, name).marks()
    assert [mark["id"] for mark in marks] == [request_id] * 3
    own = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    assert record["version"] == "1.0"
    assert record["timestamp"].endswith("Z")
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{own}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == {"fail": True, "n": 1}
    assert record["responseContext"]["statusCode"] == 200
    assert record["responseContext"]["executedVersion"] == "$LATEST"
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert record["responsePayload"]["errorMessage"] == "asked to fail"


def test_a_success_reaches_its_destination(quick, client, functions):
    name, witness = functions.make(MARKER), functions.make(WITNESS)
    arn = client.get_function_configuration(FunctionName=witness)["FunctionArn"]
    client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    request_id = send(client, name, {"n": 7})
    (record,) = Book(quick, witness).wait_for(1)
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"] == {"echo": {"n": 7}}
    assert "functionError" not in record["responseContext"]


def test_no_retries_when_none_are_wanted(quick, client, functions):
    name, witness = functions.make(MARKER), functions.make(WITNESS)
    arn = client.get_function_configuration(FunctionName=witness)["FunctionArn"]
    client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    send(client, name, {"fail": True})
    (record,) = Book(quick, witness).wait_for(1)
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert len(Book(quick, name).marks()) == 1


def test_a_failure_without_a_destination_ends(quick, client, functions):
    name = functions.make(MARKER)
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    send(client, name, {"fail": True})
    Book(quick, name).wait_for(2)
    # What comes later is not held up by it.
    send(client, name, "later")
    marks = Book(quick, name).wait_for(3)
    assert [mark["event"] for mark in marks] == [{"fail": True}, {"fail": True}, "later"]


def test_the_configuration_of_an_alias_is_its_own(quick, client, functions):
    name, witness = functions.make(MARKER), functions.make(WITNESS)
    arn = client.get_function_configuration(FunctionName=witness)["FunctionArn"]
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.put_function_event_invoke_config(
        FunctionName=name, Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    send(client, name, "latest")
    send(client, name, "live", Qualifier="live")
    (record,) = Book(quick, witness).wait_for(1)
    assert record["requestPayload"] == "live"
    assert record["requestContext"]["functionArn"].endswith(f":{name}:live")
    Book(quick, name).wait_for(2)
    assert len(Book(quick, witness).marks()) == 1


def test_a_throttled_event_waits_for_its_turn(quick, client, functions):
    name = functions.make(MARKER)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    send(client, name, "patient")
    client.delete_function_concurrency(FunctionName=name)
    (mark,) = Book(quick, name).wait_for(1)
    assert mark["event"] == "patient"


def test_events_for_a_deleted_function_do_not_stop_the_others(quick, client, functions):
    gone, stays = functions.make(MARKER), functions.make(MARKER)
    client.put_function_concurrency(FunctionName=gone, ReservedConcurrentExecutions=0)
    send(client, gone, "lost")
    client.delete_function(FunctionName=gone)
    send(client, stays, "kept")
    assert Book(quick, stays).wait_for(1)[0]["event"] == "kept"


def test_an_event_is_refused_when_it_cannot_be_kept(client, functions):
    name = functions.make(MARKER)
    with pytest.raises(client.exceptions.RequestTooLargeException):
        send(client, name, "x" * (1 << 20))
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        send(client, unique(), "x")
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{oops")


def test_an_event_that_is_too_old_is_not_run(tmp_path):
    """It waits in the queue of a stopped engine until its time is over."""
    engine = harness.Engine(tmp_path / "data")
    engine.start()
    client = engine.client("lambda")
    functions = Functions(client)
    name, witness = functions.make(MARKER), functions.make(WITNESS)
    arn = client.get_function_configuration(FunctionName=witness)["FunctionArn"]
    client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    send(client, name, "old")
    assert engine.stop() == 0
    make_older(engine.data, 3600)
    engine.start()
    try:
        client = engine.client("lambda")
        client.delete_function_concurrency(FunctionName=name)
        (record,) = Book(engine, witness).wait_for(1)
        assert record["requestContext"]["condition"] == "EventAgeExceeded"
        assert Book(engine, name).marks() == []
    finally:
        engine.stop()


def make_older(data, seconds):
    """Moves the times of all queued events into the past: nobody has to wait for a minute."""
    import sqlite3

    for path in data.rglob("*"):
        if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3":
            with sqlite3.connect(path) as database:
                tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
                if "events" in tables:
                    moved = database.execute(
                        "update events set accepted = accepted - ?1, due = due - ?1", (seconds * 1000,)
                    )
                    assert moved.rowcount > 0
                    return
    raise AssertionError("no queue found")


def test_accepted_events_outlive_the_engine(tmp_path):
    """By an orderly stop and by kill -9, with a retry pending."""
    engine = harness.Engine(tmp_path / "data", environment={"SQUALL_EVENT_RETRY_SECONDS": "1"})
    engine.start()
    functions = Functions(engine.client("lambda"))
    name = functions.make(MARKER)
    engine.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    ids = {send(engine.client("lambda"), name, n) for n in range(20)}
    assert engine.stop() == 0
    engine.start()
    ids |= {send(engine.client("lambda"), name, n) for n in range(20, 40)}
    engine.kill()
    engine.start()
    try:
        engine.client("lambda").delete_function_concurrency(FunctionName=name)
        marks = Book(engine, name).wait_for(40)
        assert {mark["id"] for mark in marks} == ids
        assert {mark["event"] for mark in marks} == set(range(40))
    finally:
        engine.stop()
