"""A walk through the whole Lambda API with unmodified boto3: shapes, statuses
and errors are AWS's."""

import base64
import hashlib
import json
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from requests_aws4auth import AWS4Auth

from harness import ROLE, eventually, payload_of, tail_of, unique, zip_of

ECHO = "def handler(event, context):\n    return event\n"
VERSION_SAYER = "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_FUNCTION_VERSION']\n"
SIGNER = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/abcdefghij"
SAY = "def handler(event, context):\n    return {word!r}\n"


def status(answer) -> int:
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def refused(code, call, **arguments) -> dict:
    """Asserts that the call ends with this error code; gives the parsed answer."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert answer["Error"]["Code"] == code, answer
    return answer


def wait_updated(client, name):
    client.get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
    )


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


# Versions and aliases


def test_versions_are_frozen(awslambda, functions):
    name = functions.make(SAY.format(word="one"))
    first = awslambda.publish_version(FunctionName=name, Description="first")
    assert status(first) == 201
    assert (first["Version"], first["Description"]) == ("1", "first")
    assert first["FunctionArn"].endswith(f":function:{name}:1")
    # Nothing has changed, so no version is made.
    assert awslambda.publish_version(FunctionName=name)["Version"] == "1"
    awslambda.update_function_code(FunctionName=name, ZipFile=zip_of(SAY.format(word="two")))
    wait_updated(awslambda, name)
    assert awslambda.publish_version(FunctionName=name)["Version"] == "2"
    assert functions.call(name) == "two"
    assert functions.call(name, Qualifier="1") == "one"
    assert functions.call(f"{name}:2") == "two"
    answer = functions.invoke(name, Qualifier="1")
    assert answer["ExecutedVersion"] == "1"
    listed = awslambda.list_versions_by_function(FunctionName=name)["Versions"]
    assert [entry["Version"] for entry in listed] == ["$LATEST", "1", "2"]
    got = awslambda.get_function(FunctionName=f"{name}:1")
    assert got["Configuration"]["Version"] == "1"
    refused("ResourceNotFoundException", awslambda.invoke, FunctionName=name, Qualifier="3")
    refused(
        "PreconditionFailedException", awslambda.publish_version, FunctionName=name, RevisionId="stale"
    )
    refused(
        "InvalidParameterValueException", awslambda.publish_version, FunctionName=name, CodeSha256="x" * 44
    )
    awslambda.delete_function(FunctionName=name, Qualifier="1")
    refused("ResourceNotFoundException", awslambda.get_function, FunctionName=name, Qualifier="1")
    assert functions.call(name, Qualifier="2") == "two"
    refused("InvalidParameterValueException", awslambda.delete_function, FunctionName=name, Qualifier="$LATEST")


def test_aliases(awslambda, functions):
    name = functions.make(VERSION_SAYER)
    awslambda.publish_version(FunctionName=name)
    made = awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="d")
    assert status(made) == 201
    assert made["AliasArn"].endswith(f":function:{name}:live")
    assert (made["Name"], made["FunctionVersion"], made["Description"]) == ("live", "1", "d")
    assert functions.call(name, Qualifier="live") == "1"
    assert functions.invoke(f"{name}:live")["ExecutedVersion"] == "1"
    refused(
        "ResourceConflictException",
        awslambda.create_alias,
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
    )
    refused(
        "ResourceNotFoundException",
        awslambda.create_alias,
        FunctionName=name,
        Name="odd",
        FunctionVersion="9",
    )
    moved = awslambda.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    assert moved["RevisionId"] != made["RevisionId"]
    assert functions.call(name, Qualifier="live") == "$LATEST"
    got = awslambda.get_alias(FunctionName=name, Name="live")
    assert got["FunctionVersion"] == "$LATEST"
    awslambda.create_alias(FunctionName=name, Name="beta", FunctionVersion="1")
    assert [a["Name"] for a in awslambda.list_aliases(FunctionName=name)["Aliases"]] == ["beta", "live"]
    only = awslambda.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"]
    assert [a["Name"] for a in only] == ["beta"]
    # A version that an alias points at stays.
    refused("ResourceConflictException", awslambda.delete_function, FunctionName=name, Qualifier="1")
    assert status(awslambda.delete_alias(FunctionName=name, Name="live")) == 204
    refused("ResourceNotFoundException", awslambda.get_alias, FunctionName=name, Name="live")
    refused("ResourceNotFoundException", awslambda.invoke, FunctionName=name, Qualifier="live")


def test_a_weighted_alias_shares_the_traffic(awslambda, functions):
    name = functions.make(VERSION_SAYER)
    awslambda.publish_version(FunctionName=name)
    awslambda.update_function_configuration(FunctionName=name, Description="second")
    wait_updated(awslambda, name)
    awslambda.publish_version(FunctionName=name)
    made = awslambda.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    assert made["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}}
    seen = [functions.call(name, Qualifier="live") for _ in range(64)]
    # Both missing by chance happens once in 2^63 runs.
    assert set(seen) == {"1", "2"}
    awslambda.update_alias(
        FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}}
    )
    assert {functions.call(name, Qualifier="live") for _ in range(8)} == {"2"}
    awslambda.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert {functions.call(name, Qualifier="live") for _ in range(8)} == {"1"}
    with pytest.raises(ClientError, match="InvalidParameterValueException|ValidationException"):
        awslambda.update_alias(
            FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.5}}
        )


# Layers


def test_layers(awslambda, functions):
    layer = unique("layer")
    content = zip_of({"python/shared.py": "word = 'first'\n"})
    first = awslambda.publish_layer_version(
        LayerName=layer,
        Description="words",
        Content={"ZipFile": content},
        CompatibleRuntimes=["python3.11"],
        LicenseInfo="MIT",
    )
    assert status(first) == 201
    assert first["Version"] == 1
    assert first["LayerVersionArn"] == first["LayerArn"] + ":1"
    assert first["Content"]["CodeSize"] == len(content)
    second = awslambda.publish_layer_version(
        LayerName=layer, Content={"ZipFile": zip_of({"python/shared.py": "word = 'second'\n"})}
    )
    assert second["Version"] == 2
    versions = awslambda.list_layer_versions(LayerName=layer)["LayerVersions"]
    assert [entry["Version"] for entry in versions] == [2, 1]
    listed = {entry["LayerName"]: entry for entry in awslambda.list_layers()["Layers"]}
    assert listed[layer]["LatestMatchingVersion"]["Version"] == 2
    got = awslambda.get_layer_version(LayerName=layer, VersionNumber=1)
    assert (got["Description"], got["LicenseInfo"]) == ("words", "MIT")
    with urllib.request.urlopen(got["Content"]["Location"]) as download:
        assert download.read() == content
    by_arn = awslambda.get_layer_version_by_arn(Arn=first["LayerVersionArn"])
    assert by_arn["Version"] == 1

    name = functions.make(
        "import shared\ndef handler(event, context):\n    return [shared.word, shared.__file__]\n",
        Layers=[first["LayerVersionArn"]],
    )
    assert functions.call(name) == ["first", "/opt/python/shared.py"]
    configuration = awslambda.get_function_configuration(FunctionName=name)
    assert configuration["Layers"] == [{"Arn": first["LayerVersionArn"], "CodeSize": len(content)}]
    awslambda.update_function_configuration(FunctionName=name, Layers=[second["LayerVersionArn"]])
    wait_updated(awslambda, name)
    assert functions.call(name)[0] == "second"

    # A deleted layer version serves the functions that have it, and no new ones.
    assert status(awslambda.delete_layer_version(LayerName=layer, VersionNumber=2)) == 204
    refused("ResourceNotFoundException", awslambda.get_layer_version, LayerName=layer, VersionNumber=2)
    assert functions.call(name)[0] == "second"
    refused(
        "InvalidParameterValueException",
        awslambda.update_function_configuration,
        FunctionName=name,
        Layers=[second["LayerVersionArn"]],
    )
    # A number is used once.
    third = awslambda.publish_layer_version(LayerName=layer, Content={"ZipFile": content})
    assert third["Version"] == 3
    awslambda.update_function_configuration(FunctionName=name, Layers=[])
    wait_updated(awslambda, name)
    assert "Layers" not in awslambda.get_function_configuration(FunctionName=name)
    assert functions.fail(name)["errorType"] == "Runtime.ImportModuleError"


def test_at_most_five_layers(awslambda, functions):
    arns = [
        awslambda.publish_layer_version(
            LayerName=unique("layer"), Content={"ZipFile": zip_of({f"python/m{n}.py": f"n = {n}\n"})}
        )["LayerVersionArn"]
        for n in range(6)
    ]
    name = functions.make(
        "import m0, m4\ndef handler(event, context):\n    return m0.n + m4.n\n", Layers=arns[:5]
    )
    assert functions.call(name) == 4
    refused(
        "InvalidParameterValueException",
        awslambda.update_function_configuration,
        FunctionName=name,
        Layers=arns,
    )


def test_layer_permissions(awslambda):
    layer = unique("layer")
    awslambda.publish_layer_version(LayerName=layer, Content={"ZipFile": zip_of({"python/a.py": ""})})
    refused("ResourceNotFoundException", awslambda.get_layer_version_policy, LayerName=layer, VersionNumber=1)


# Concurrency


def test_reserved_concurrency_throttles(awslambda, functions):
    name = functions.make(ECHO)
    put = awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert put["ReservedConcurrentExecutions"] == 0
    answer = refused("TooManyRequestsException", awslambda.invoke, FunctionName=name)
    assert status(answer) == 429
    assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    got = awslambda.get_function_concurrency(FunctionName=name)
    assert got["ReservedConcurrentExecutions"] == 0
    assert awslambda.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    assert status(awslambda.delete_function_concurrency(FunctionName=name)) == 204
    assert "ReservedConcurrentExecutions" not in awslambda.get_function_concurrency(FunctionName=name)
    assert functions.call(name, 1) == 1
    # A reservation must leave 100 for the other functions.
    refused(
        "InvalidParameterValueException",
        awslambda.put_function_concurrency,
        FunctionName=name,
        ReservedConcurrentExecutions=901,
    )


def test_a_reservation_of_one_lets_one_in(engine, awslambda, functions, gate):
    name = functions.make(gate.source)
    awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(functions.call, name, gate.event())
        gate.wait_for(1)
        answer = refused("TooManyRequestsException", awslambda.invoke, FunctionName=name, Payload=b"{}")
        assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        gate.open()
        assert first.result() == "through"


def test_provisioned_concurrency(awslambda, functions):
    name = functions.make(VERSION_SAYER)
    awslambda.publish_version(FunctionName=name)
    refused(
        "InvalidParameterValueException",
        awslambda.put_provisioned_concurrency_config,
        FunctionName=name,
        Qualifier="$LATEST",
        ProvisionedConcurrentExecutions=1,
    )
    put = awslambda.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    assert status(put) == 202
    assert put["RequestedProvisionedConcurrentExecutions"] == 2

    def ready():
        got = awslambda.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
        return got["Status"] == "READY" and got

    got = eventually(ready, "provisioned instances")
    assert got["AvailableProvisionedConcurrentExecutions"] == 2
    assert got["AllocatedProvisionedConcurrentExecutions"] == 2
    listed = awslambda.list_provisioned_concurrency_configs(FunctionName=name)
    assert [e["RequestedProvisionedConcurrentExecutions"] for e in listed["ProvisionedConcurrencyConfigs"]] == [2]
    assert functions.call(name, Qualifier="1") == "1"
    deleted = awslambda.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert status(deleted) == 204
    refused(
        "ProvisionedConcurrencyConfigNotFoundException",
        awslambda.get_provisioned_concurrency_config,
        FunctionName=name,
        Qualifier="1",
    )
    assert functions.call(name, Qualifier="1") == "1"


# Asynchronous configuration


def test_event_invoke_config(awslambda, functions):
    name, other = functions.make(ECHO), functions.make(ECHO)
    arn = awslambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    destination = awslambda.get_function_configuration(FunctionName=other)["FunctionArn"]
    refused("ResourceNotFoundException", awslambda.get_function_event_invoke_config, FunctionName=name)
    put = awslambda.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=120
    )
    assert (put["MaximumRetryAttempts"], put["MaximumEventAgeInSeconds"]) == (1, 120)
    assert put["FunctionArn"] == f"{arn}:$LATEST"
    assert put["LastModified"].year > 2000
    awslambda.update_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": destination}}
    )
    got = awslambda.get_function_event_invoke_config(FunctionName=name)
    assert got["MaximumRetryAttempts"] == 1
    assert got["DestinationConfig"]["OnFailure"] == {"Destination": destination}
    with pytest.raises(ClientError, match="destination for itself"):
        awslambda.update_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
        )
    # Put replaces, update adds.
    awslambda.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    got = awslambda.get_function_event_invoke_config(FunctionName=name)
    assert got["MaximumRetryAttempts"] == 0
    assert "Destination" not in got.get("DestinationConfig", {}).get("OnFailure", {})
    listed = awslambda.list_function_event_invoke_configs(FunctionName=name)
    assert len(listed["FunctionEventInvokeConfigs"]) == 1
    assert status(awslambda.delete_function_event_invoke_config(FunctionName=name)) == 204
    refused("ResourceNotFoundException", awslambda.get_function_event_invoke_config, FunctionName=name)
    for bad in ({"MaximumRetryAttempts": 3}, {"MaximumEventAgeInSeconds": 59}):
        with pytest.raises(Exception, match="(?i)invalid|valid|constraint"):
            engine_client_without_validation(awslambda).put_function_event_invoke_config(
                FunctionName=name, **bad
            )


def engine_client_without_validation(client):
    """A twin of the client that leaves the checking to the server."""
    credentials = client._request_signer._credentials
    return boto3.client(
        "lambda",
        endpoint_url=client.meta.endpoint_url,
        region_name=client.meta.region_name,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


# Function URLs

URL_HANDLER = """
import base64, json


def handler(event, context):
    if event["rawPath"] == "/plain":
        return "just text"
    if event["rawPath"] == "/binary":
        return {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\\x00\\xff").decode(),
                "headers": {"content-type": "application/octet-stream"}}
    if event["rawPath"] == "/cookie":
        return {"statusCode": 302, "headers": {"location": "/x"}, "cookies": ["a=1; Path=/", "b=2"]}
    if event["rawPath"] == "/fail":
        raise ValueError("inside")
    return {"statusCode": 201, "headers": {"x-made-by": "lambda"}, "body": json.dumps(event)}
"""


def test_a_function_url_without_auth(local_names, awslambda, functions):
    name = functions.make(URL_HANDLER)
    refused("ResourceNotFoundException", awslambda.get_function_url_config, FunctionName=name)
    made = awslambda.create_function_url_config(FunctionName=name, AuthType="NONE")
    assert status(made) == 201
    assert made["AuthType"] == "NONE"
    url = made["FunctionUrl"]
    refused("ResourceConflictException", awslambda.create_function_url_config, FunctionName=name, AuthType="NONE")
    allow_public_url(awslambda, name)
    got = awslambda.get_function_url_config(FunctionName=name)
    assert got["FunctionUrl"] == url
    assert got["InvokeMode"] == "BUFFERED"
    listed = awslambda.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert [entry["FunctionUrl"] for entry in listed] == [url]

    answer = requests.post(
        url + "a/b%20c?x=1&x=2&y=%C3%BC", data="body", headers={"X-Thing": "t"}, cookies={"k": "v"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["x-made-by"] == "lambda"
    event = answer.json()
    assert event["version"] == "2.0"
    assert event["routeKey"] == "$default"
    assert event["rawPath"] in ("/a/b%20c", "/a/b c")
    assert event["rawQueryString"] == "x=1&x=2&y=%C3%BC"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "ü"}
    assert event["headers"]["x-thing"] == "t"
    assert event["cookies"] == ["k=v"]
    assert base64.b64decode(event["body"]) == b"body" if event["isBase64Encoded"] else event["body"] == "body"
    http = event["requestContext"]["http"]
    assert (http["method"], http["protocol"]) == ("POST", "HTTP/1.1")
    assert http["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["stage"] == "$default"

    plain = requests.get(url + "plain")
    assert (plain.status_code, plain.json() if plain.text.startswith('"') else plain.text) == (200, "just text")
    assert plain.headers["content-type"] == "application/json"
    binary = requests.get(url + "binary")
    assert binary.content == b"\x00\xff"
    cookie = requests.get(url + "cookie", allow_redirects=False)
    assert cookie.status_code == 302
    assert cookie.raw.headers.getlist("set-cookie") == ["a=1; Path=/", "b=2"]
    failed = requests.get(url + "fail")
    assert failed.status_code == 502
    assert "inside" not in failed.text

    binary_body = requests.post(url, data=b"\xff\xfe", headers={"content-type": "application/octet-stream"})
    event = binary_body.json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\xfe"

    updated = awslambda.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    assert updated["AuthType"] == "AWS_IAM"
    assert requests.get(url).status_code == 403
    assert status(awslambda.delete_function_url_config(FunctionName=name)) == 204
    assert requests.get(url).status_code in (403, 404)
    refused("ResourceNotFoundException", awslambda.get_function_url_config, FunctionName=name)


def allow_public_url(awslambda, name):
    """What AWS asks for beside AuthType NONE."""
    awslambda.add_permission(
        FunctionName=name,
        StatementId="url",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )


def test_a_function_url_with_iam(local_names, engine, awslambda, functions):
    name = functions.make(URL_HANDLER)
    url = awslambda.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
    unsigned = requests.get(url)
    assert unsigned.status_code == 403
    assert "Forbidden" in unsigned.text or "Missing Authentication Token" in unsigned.text
    auth = AWS4Auth(engine.access_key, engine.secret_key, engine.region, "lambda")
    signed = requests.post(url, data="hello", auth=auth)
    assert signed.status_code == 201, signed.text
    iam = signed.json()["requestContext"]["authorizer"]["iam"]
    assert iam["accessKey"] == engine.access_key
    wrong = AWS4Auth(engine.access_key, "wrong" * 8, engine.region, "lambda")
    assert requests.post(url, data="hello", auth=wrong).status_code == 403


def test_cors_of_a_function_url(local_names, awslambda, functions):
    name = functions.make(URL_HANDLER)
    made = awslambda.create_function_url_config(
        FunctionName=name,
        AuthType="NONE",
        Cors={"AllowOrigins": ["https://app.example"], "AllowMethods": ["POST"], "MaxAge": 60},
    )
    allow_public_url(awslambda, name)
    assert made["Cors"]["AllowOrigins"] == ["https://app.example"]
    asked = requests.options(
        made["FunctionUrl"],
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
    )
    assert asked.status_code in (200, 204)
    assert asked.headers["access-control-allow-origin"] == "https://app.example"
    assert "POST" in asked.headers["access-control-allow-methods"]
    answered = requests.post(made["FunctionUrl"], headers={"Origin": "https://app.example"})
    assert answered.headers["access-control-allow-origin"] == "https://app.example"
    stranger = requests.post(made["FunctionUrl"], headers={"Origin": "https://evil.example"})
    assert stranger.headers.get("access-control-allow-origin") != "https://evil.example"


# Permissions, tags, account


def test_permissions(awslambda, functions):
    name = functions.make(ECHO)
    refused("ResourceNotFoundException", awslambda.get_policy, FunctionName=name)
    added = awslambda.add_permission(
        FunctionName=name,
        StatementId="one",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount="123456789012",
    )
    assert status(added) == 201
    statement = json.loads(added["Statement"])
    assert statement["Sid"] == "one"
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["ArnLike"] == {"AWS:SourceArn": "arn:aws:s3:::bucket"}
    refused(
        "ResourceConflictException",
        awslambda.add_permission,
        FunctionName=name,
        StatementId="one",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    got = awslambda.get_policy(FunctionName=name)
    assert got["RevisionId"]
    policy = json.loads(got["Policy"])
    assert policy["Version"] == "2012-10-17"
    assert [entry["Sid"] for entry in policy["Statement"]] == ["one"]
    assert status(awslambda.remove_permission(FunctionName=name, StatementId="one")) == 204
    refused("ResourceNotFoundException", awslambda.remove_permission, FunctionName=name, StatementId="one")
    refused("ResourceNotFoundException", awslambda.get_policy, FunctionName=name)


def test_tags(awslambda, functions):
    name = functions.make(ECHO, Tags={"a": "1"})
    arn = awslambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    assert awslambda.list_tags(Resource=arn)["Tags"] == {"a": "1"}
    assert status(awslambda.tag_resource(Resource=arn, Tags={"b": "2", "a": "3"})) == 204
    assert awslambda.list_tags(Resource=arn)["Tags"] == {"a": "3", "b": "2"}
    assert status(awslambda.untag_resource(Resource=arn, TagKeys=["a", "absent"])) == 204
    assert awslambda.list_tags(Resource=arn)["Tags"] == {"b": "2"}


def test_account_settings(awslambda, functions):
    name = functions.make(ECHO)
    before = awslambda.get_account_settings()
    limit = before["AccountLimit"]
    assert limit["ConcurrentExecutions"] == 1000
    assert limit["UnreservedConcurrentExecutions"] <= 1000
    assert limit["CodeSizeUnzipped"] == 250 * 2**20
    assert limit["CodeSizeZipped"] == 50 * 2**20
    assert before["AccountUsage"]["FunctionCount"] >= 1
    assert before["AccountUsage"]["TotalCodeSize"] > 0
    awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)
    after = awslambda.get_account_settings()["AccountLimit"]
    assert after["UnreservedConcurrentExecutions"] == limit["UnreservedConcurrentExecutions"] - 7


def test_event_source_mappings_are_answered_in_the_shape_of_aws(awslambda, functions):
    name = functions.make(ECHO)
    # Not built yet: an empty list or AWS's error, never a hang or an HTML page.
    try:
        assert awslambda.list_event_source_mappings(FunctionName=name)["EventSourceMappings"] == []
    except ClientError as error:
        assert error.response["Error"]["Code"]
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 600


def test_what_is_not_built_says_so_in_the_shape_of_aws(engine):
    from botocore.exceptions import BotoCoreError

    for service, call, arguments in (
        ("lambda", "create_code_signing_config", {"AllowedPublishers": {"SigningProfileVersionArns": [SIGNER]}}),
        ("s3", "list_buckets", {}),
        ("dynamodb", "list_tables", {}),
        ("sqs", "list_queues", {}),
        ("events", "list_rules", {}),
        ("cloudformation", "list_stacks", {}),
    ):
        client = engine.client(service)
        with pytest.raises(ClientError) as caught:
            getattr(client, call)(**arguments)
        assert not isinstance(caught.value, BotoCoreError)
        error = caught.value.response["Error"]
        assert error["Code"] and not error["Code"].isdigit(), (service, caught.value.response)


# Beside Lambda


def test_who_am_i(sts, engine):
    who = sts.get_caller_identity()
    assert re.fullmatch(r"\d{12}", who["Account"])
    assert who["Arn"].startswith(f"arn:aws:iam::{who['Account']}:")
    assert who["UserId"]


def test_roles_and_policies_are_kept(iam):
    role = unique("role")
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust), Description="d")
    assert made["Role"]["Arn"].endswith(f":role/{role}")
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == trust
    iam.put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=json.dumps(policy))
    assert iam.get_role_policy(RoleName=role, PolicyName="inline")["PolicyDocument"] == policy
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["inline"]
    managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName=role, PolicyArn=managed)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [entry["PolicyArn"] for entry in attached] == [managed]
    assert role in {entry["RoleName"] for entry in iam.list_roles()["Roles"]}
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName=role)
    iam.detach_role_policy(RoleName=role, PolicyArn=managed)
    iam.delete_role_policy(RoleName=role, PolicyName="inline")
    iam.delete_role(RoleName=role)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=role)


def test_logs_can_be_read(functions, logs):
    name = functions.make(
        "def handler(event, context):\n    print('line', event)\n    return context.log_stream_name\n"
    )
    group = f"/aws/lambda/{name}"
    stream = functions.call(name, 1)
    functions.call(name, 2)

    def lines():
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]

    eventually(lambda: any(line.startswith("REPORT") for line in lines()), "REPORT in the stream")
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["logGroupName"] == group
    streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)
    assert stream in {entry["logStreamName"] for entry in streams["logStreams"]}
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)

    def filtered():
        found = logs.filter_log_events(logGroupName=group, filterPattern="line")["events"]
        return sorted(event["message"].rstrip("\n") for event in found) == ["line 1", "line 2"]

    eventually(filtered, "both lines by filter")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 2}
    )
    times = [event["timestamp"] for page in pages for event in page["events"]]
    assert len(times) >= 8 and times == sorted(times)
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 7
    logs.delete_log_group(logGroupName=group)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_log_events(logGroupName=group, logStreamName=stream)


def test_a_log_can_be_followed(functions, logs):
    """As `aws logs tail --follow` of version 2 does it: again and again from the last
    time seen, what was seen before told by its id."""
    name = functions.make("def handler(event, context):\n    print('heard', event)\n")
    functions.call(name, 0)
    seen, since, called = {}, 0, 1

    def look():
        nonlocal since
        token = {}
        while True:
            try:
                page = logs.filter_log_events(
                    logGroupName=f"/aws/lambda/{name}", startTime=since, interleaved=True, limit=3, **token
                )
            except logs.exceptions.ResourceNotFoundException:
                return
            for event in page["events"]:
                seen.setdefault(event["eventId"], event["message"].rstrip())
                since = max(since, event["timestamp"])
            if "nextToken" not in page:
                return
            token = {"nextToken": page["nextToken"]}

    def heard():
        look()
        return sorted(line for line in seen.values() if line.startswith("heard"))

    while called < 4:
        eventually(lambda: len(heard()) == called, f"line {called}")
        functions.call(name, called)
        called += 1
    eventually(lambda: heard() == ["heard 0", "heard 1", "heard 2", "heard 3"], "all lines once")
