"""A walk through the Lambda API with unmodified boto3: functions and invocations.
Shapes, statuses and errors are AWS's."""

import base64
import hashlib
import json
import re
import urllib.request

from harness import ROLE, eventually, payload_of, tail_of, unique, zip_of
from lambda_calls import ECHO, SAY, VERSION_SAYER, refused, status, wait_updated


# Functions


def test_create_answers_like_aws_and_the_waiter_ends(awslambda, functions):
    code = zip_of(ECHO)
    name = unique()
    functions.made.append(name)
    made = awslambda.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": code},
        Description="says what it hears",
        Timeout=7,
        MemorySize=256,
        Environment={"Variables": {"COLOUR": "blue"}},
        EphemeralStorage={"Size": 1024},
        TracingConfig={"Mode": "Active"},
        Architectures=["x86_64"],
        Tags={"team": "a"},
        KMSKeyArn="",
        VpcConfig={},
        Layers=[],
        PackageType="Zip",
    )
    assert status(made) == 201
    assert made["FunctionName"] == name
    assert re.fullmatch(rf"arn:aws:lambda:[a-z0-9-]+:\d{{12}}:function:{name}", made["FunctionArn"])
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert made["CodeSize"] == len(code)
    assert made["State"] in ("Pending", "Active")
    if made["State"] == "Pending":
        assert made["StateReasonCode"] == "Creating"
        assert made["StateReason"] == "The function is being created."
    assert made["Version"] == "$LATEST"
    assert made["Environment"] == {"Variables": {"COLOUR": "blue"}}
    assert made["EphemeralStorage"] == {"Size": 1024}
    assert made["TracingConfig"] == {"Mode": "Active"}
    assert made["Architectures"] == ["x86_64"]
    assert made["PackageType"] == "Zip"
    assert made["LoggingConfig"]["LogGroup"] == f"/aws/lambda/{name}"
    assert made["LoggingConfig"]["LogFormat"] == "Text"
    assert "RuntimeVersionArn" in made["RuntimeVersionConfig"]
    assert made["SnapStart"]["ApplyOn"] == "None"
    assert "Layers" not in made
    assert re.fullmatch(r"[0-9a-f-]{36}", made["RevisionId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", made["LastModified"])

    awslambda.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
    )
    got = awslambda.get_function(FunctionName=name)
    assert got["Configuration"]["State"] == "Active"
    assert got["Configuration"]["LastUpdateStatus"] == "Successful"
    assert got["Tags"] == {"team": "a"}
    assert got["Code"]["RepositoryType"] == "S3"
    with urllib.request.urlopen(got["Code"]["Location"]) as download:
        assert download.read() == code
    configuration = awslambda.get_function_configuration(FunctionName=name)
    assert configuration["Timeout"] == 7
    assert configuration["MemorySize"] == 256
    assert configuration["Role"] == ROLE


def test_create_fills_in_the_defaults(awslambda, functions):
    name = functions.make(ECHO, Timeout=3)
    got = awslambda.get_function_configuration(FunctionName=name)
    assert (got["MemorySize"], got["Timeout"], got["EphemeralStorage"]) == (128, 3, {"Size": 512})
    assert got["Description"] == ""
    assert got["TracingConfig"] == {"Mode": "PassThrough"}
    assert got["Architectures"] == ["x86_64"]


def test_create_with_publish_gives_version_one(awslambda, functions):
    name = unique()
    functions.made.append(name)
    made = awslambda.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zip_of(VERSION_SAYER)},
        Publish=True,
    )
    assert made["Version"] == "1"
    assert functions.call(f"{name}:1") == "1"


def test_a_name_is_taken_once(awslambda, functions):
    name = functions.make(ECHO)
    answer = refused(
        "ResourceConflictException",
        awslambda.create_function,
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zip_of(ECHO)},
    )
    assert status(answer) == 409
    assert answer["Error"]["Message"] == f"Function already exist: {name}"


def test_what_is_missing_is_not_found(awslambda, engine):
    name = unique()
    for call in (
        awslambda.get_function,
        awslambda.get_function_configuration,
        awslambda.delete_function,
        awslambda.invoke,
        awslambda.list_versions_by_function,
        awslambda.list_aliases,
        awslambda.get_policy,
        awslambda.get_function_concurrency,
        awslambda.publish_version,
    ):
        answer = refused("ResourceNotFoundException", call, FunctionName=name)
        assert status(answer) == 404, call
        assert answer["Error"]["Message"], call
    answer = refused("ResourceNotFoundException", awslambda.get_function, FunctionName=name)
    assert answer["Error"]["Message"].startswith("Function not found: arn:aws:lambda:")


def test_list_functions_pages(awslambda, functions):
    names = {functions.make(ECHO) for _ in range(5)}
    pages = list(awslambda.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert all(len(page["Functions"]) <= 2 for page in pages)
    listed = [entry for page in pages for entry in page["Functions"]]
    assert names <= {entry["FunctionName"] for entry in listed}
    assert len({entry["FunctionArn"] for entry in listed}) == len(listed)
    assert all("State" not in entry for entry in listed)


def test_update_code(awslambda, functions):
    name = functions.make(SAY.format(word="old"))
    before = awslambda.get_function_configuration(FunctionName=name)
    assert functions.call(name) == "old"
    new = zip_of(SAY.format(word="new"))
    dry = awslambda.update_function_code(FunctionName=name, ZipFile=new, DryRun=True)
    assert dry["CodeSha256"] == base64.b64encode(hashlib.sha256(new).digest()).decode()
    assert functions.call(name) == "old"
    after = awslambda.update_function_code(FunctionName=name, ZipFile=new)
    assert after["RevisionId"] != before["RevisionId"]
    assert after["CodeSha256"] != before["CodeSha256"]
    assert after["LastUpdateStatus"] in ("InProgress", "Successful")
    wait_updated(awslambda, name)
    assert functions.call(name) == "new"
    refused(
        "PreconditionFailedException",
        awslambda.update_function_code,
        FunctionName=name,
        ZipFile=new,
        RevisionId=before["RevisionId"],
    )
    published = awslambda.update_function_code(FunctionName=name, ZipFile=new, Publish=True)
    assert published["Version"] == "1"


def test_update_configuration(awslambda, functions):
    name = functions.make("import os\ndef handler(event, context):\n    return os.environ.get('COLOUR')\n")
    assert functions.call(name) is None
    changed = awslambda.update_function_configuration(
        FunctionName=name,
        Description="changed",
        Timeout=11,
        MemorySize=512,
        Environment={"Variables": {"COLOUR": "red"}},
        EphemeralStorage={"Size": 600},
    )
    assert status(changed) == 200
    wait_updated(awslambda, name)
    got = awslambda.get_function_configuration(FunctionName=name)
    assert (got["Description"], got["Timeout"], got["MemorySize"]) == ("changed", 11, 512)
    assert got["EphemeralStorage"] == {"Size": 600}
    assert functions.call(name) == "red"
    # What is not named stays as it is.
    awslambda.update_function_configuration(FunctionName=name, Timeout=12)
    wait_updated(awslambda, name)
    got = awslambda.get_function_configuration(FunctionName=name)
    assert got["Environment"] == {"Variables": {"COLOUR": "red"}}
    assert functions.call(name) == "red"
    awslambda.update_function_configuration(FunctionName=name, Environment={"Variables": {}})
    wait_updated(awslambda, name)
    assert functions.call(name) is None


def test_handler_and_runtime_can_change(awslambda, functions):
    name = functions.make({"app.py": "def handler(e, c): return 'a'\n", "b.py": "def go(e, c): return 'b'\n"})
    assert functions.call(name) == "a"
    awslambda.update_function_configuration(FunctionName=name, Handler="b.go")
    wait_updated(awslambda, name)
    assert functions.call(name) == "b"


def test_delete(awslambda, functions):
    name = functions.make(ECHO)
    assert status(awslambda.delete_function(FunctionName=name)) == 204
    refused("ResourceNotFoundException", awslambda.get_function, FunctionName=name)
    refused("ResourceNotFoundException", awslambda.invoke, FunctionName=name)
    # The name is free again.
    functions.make(SAY.format(word="again"), FunctionName=name)
    assert functions.call(name) == "again"


def test_every_form_of_a_name_is_understood(awslambda, functions):
    name = functions.make(ECHO)
    arn = awslambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    account = arn.split(":")[4]
    for form in (name, arn, f"{arn}:$LATEST", f"{account}:function:{name}", f"{name}:$LATEST"):
        got = awslambda.get_function_configuration(FunctionName=form)
        assert got["FunctionName"] == name, form
        assert functions.call(form, {"form": form}) == {"form": form}


# Invocations


def test_invoke_answers_like_aws(awslambda, functions):
    name = functions.make(ECHO)
    answer = functions.invoke(name, {"a": [1, 2, {"b": "ü"}]})
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-amzn-requestid"])
    assert headers["x-amz-executed-version"] == "$LATEST"
    assert headers["content-type"] == "application/json"
    assert payload_of(answer) == {"a": [1, 2, {"b": "ü"}]}
    # No payload at all is an empty object for the function, as on AWS.
    assert payload_of(awslambda.invoke(FunctionName=name)) in ({}, None)


def test_the_tail_of_the_log_comes_along_when_asked_for(functions):
    name = functions.make("def handler(event, context):\n    print('from inside')\n")
    answer = functions.invoke(name, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    tail = tail_of(answer)
    assert f"START RequestId: {request_id} Version: $LATEST\n" in tail
    assert "\nfrom inside\n" in tail
    assert f"END RequestId: {request_id}\n" in tail
    assert f"REPORT RequestId: {request_id}\tDuration: " in tail
    assert "LogResult" not in functions.invoke(name)


def test_dry_run_runs_nothing(awslambda, functions):
    name = functions.make("def handler(event, context):\n    raise SystemExit(9)\n")
    answer = functions.invoke(name, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    refused("ResourceNotFoundException", awslambda.invoke, FunctionName=unique(), InvocationType="DryRun")


def test_an_event_is_accepted_and_runs(functions, logs):
    name = functions.make("def handler(event, context):\n    print('ran with', event['mark'])\n")
    answer = functions.invoke(name, {"mark": "mark-17"}, InvocationType="Event")
    assert answer["StatusCode"] == 202
    assert re.fullmatch(r"[0-9a-f-]{36}", answer["ResponseMetadata"]["RequestId"])
    assert answer["Payload"].read() == b""

    def logged():
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return any("ran with mark-17" in event["message"] for event in events)

    eventually(logged, "the event's log line")


def test_the_client_context_arrives(functions):
    name = functions.make(
        """
        def handler(event, context):
            client = context.client_context
            return [client.custom, client.env, client.client.app_title]
        """
    )
    sent = {"custom": {"k": "v"}, "env": {"locale": "de"}, "client": {"app_title": "tea"}}
    encoded = base64.b64encode(json.dumps(sent).encode()).decode()
    assert functions.call(name, ClientContext=encoded) == [{"k": "v"}, {"locale": "de"}, "tea"]


def test_a_payload_that_is_not_json_is_refused(awslambda, functions):
    name = functions.make(ECHO)
    answer = refused("InvalidRequestContentException", awslambda.invoke, FunctionName=name, Payload=b"{oops")
    assert status(answer) == 400
    assert answer["Error"]["Message"].startswith("Could not parse request body into json")


def test_a_function_error_is_not_an_http_error(functions):
    name = functions.make("def handler(event, context):\n    raise ValueError('no')\n")
    answer = functions.invoke(name)
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "ValueError"


def test_response_stream(awslambda, functions):
    name = functions.make("def handler(event, context):\n    return {'n': 'x' * 300_000}\n")
    answer = awslambda.invoke_with_response_stream(FunctionName=name, Payload=b"{}")
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    body, complete = b"", []
    for event in answer["EventStream"]:
        if "PayloadChunk" in event:
            body += event["PayloadChunk"]["Payload"]
        else:
            complete.append(event["InvokeComplete"])
    assert json.loads(body) == {"n": "x" * 300_000}
    assert len(complete) == 1 and "ErrorCode" not in complete[0]


def test_response_stream_of_a_failure_ends_with_the_error(awslambda, functions):
    name = functions.make("def handler(event, context):\n    raise ValueError('no stream')\n")
    answer = awslambda.invoke_with_response_stream(FunctionName=name, LogType="Tail")
    events = list(answer["EventStream"])
    complete = events[-1]["InvokeComplete"]
    assert complete["ErrorCode"]
    assert "no stream" in complete["ErrorDetails"] or any("PayloadChunk" in event for event in events)
    assert b"REPORT RequestId" in base64.b64decode(complete["LogResult"])
