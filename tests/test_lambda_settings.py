"""What is set beside a function: concurrency, asynchronous behaviour, permissions,
tags; through unmodified boto3."""

import json
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import eventually
from lambda_calls import ECHO, VERSION_SAYER, refused, status

SIGNER = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/abcdefghij"


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


BASIC = {"BasicAuthParameters": {"Username": "u", "Password": "p"}}


def test_what_is_not_built_says_so_in_the_shape_of_aws(engine):
    from botocore.exceptions import BotoCoreError

    for service, call, arguments in (
        ("lambda", "create_code_signing_config", {"AllowedPublishers": {"SigningProfileVersionArns": [SIGNER]}}),
        ("dynamodb", "list_tables", {}),
        ("sqs", "list_queues", {}),
        ("events", "create_connection", {"Name": "c", "AuthorizationType": "BASIC", "AuthParameters": BASIC}),
        ("cloudformation", "list_stacks", {}),
    ):
        client = engine.client(service)
        with pytest.raises(ClientError) as caught:
            getattr(client, call)(**arguments)
        assert not isinstance(caught.value, BotoCoreError)
        error = caught.value.response["Error"]
        assert error["Code"] and not error["Code"].isdigit(), (service, caught.value.response)
