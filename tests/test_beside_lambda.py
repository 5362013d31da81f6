"""STS, IAM and CloudWatch Logs as clients use them on the way, by boto3."""

import json
import re

import pytest

from harness import eventually, unique


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
