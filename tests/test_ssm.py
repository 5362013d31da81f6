"""Parameters of SSM, as boto3 and functions use them."""

import json
import stat

import boto3
import pytest

import harness

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@pytest.fixture(scope="module")
def ssm(engine):
    return engine.client("ssm")


@pytest.fixture
def path() -> str:
    """A path that nobody else uses."""
    return f"/{harness.unique('path')}"


def test_a_secret_is_put_read_changed_and_removed(ssm, path):
    name = f"{path}/TOKEN"
    tags = [{"Key": "k", "Value": "v"}]
    made = ssm.put_parameter(Name=name, Value="hidden", Type="SecureString", Tags=tags)
    assert made["Version"] == 1
    sealed = ssm.get_parameter(Name=name)["Parameter"]
    assert sealed["Type"] == "SecureString" and "hidden" not in sealed["Value"]
    found = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert found["Value"] == "hidden" and found["ARN"].endswith(f":parameter{name}")
    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        ssm.put_parameter(Name=name, Value="other", Type="SecureString")
    assert ssm.put_parameter(Name=name, Value="other", Overwrite=True)["Version"] == 2
    found = ssm.get_parameters(Names=[name, f"{path}/no"], WithDecryption=True)
    assert found["Parameters"][0]["Value"] == "other" and found["InvalidParameters"] == [f"{path}/no"]
    listed = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
    assert listed["TagList"] == tags
    ssm.delete_parameter(Name=name)
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name=name)


def test_lists_come_in_pages(ssm, path):
    for number in range(12):
        ssm.put_parameter(Name=f"{path}/p{number:02}", Value=str(number), Type="String")
    ssm.put_parameter(Name=f"{path}/deep/er", Value="x", Type="StringList")
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path)
    assert [one["Value"] for page in pages for one in page["Parameters"]] == [str(n) for n in range(12)]
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    assert len([one for page in pages for one in page["Parameters"]]) == 13
    filters = [{"Key": "Path", "Option": "OneLevel", "Values": [path]}]
    pages = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=filters, PaginationConfig={"PageSize": 5}
    )
    described = [one for page in pages for one in page["Parameters"]]
    assert len(described) == 12 and "Value" not in described[0]
    names = [one["Name"] for one in described]
    assert len(ssm.delete_parameters(Names=names[:10])["DeletedParameters"]) == 10


def test_a_role_reads_what_its_policy_says_and_nothing_else(engine, ssm, iam, sts, path):
    for name in ("mine", "others"):
        ssm.put_parameter(Name=f"{path}/{name}/KEY", Value=name, Type="SecureString")
    role = harness.unique("role")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    allow = {
        "Effect": "Allow",
        "Action": "ssm:GetParameters",
        "Resource": f"arn:aws:ssm:*:*:parameter{path}/mine/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName=role, PolicyName="read", PolicyDocument=policy)
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    client = boto3.client(
        "ssm",
        endpoint_url=engine.api,
        region_name=engine.region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    mine, others = f"{path}/mine/KEY", f"{path}/others/KEY"
    found = client.get_parameters(Names=[mine], WithDecryption=True)
    assert found["Parameters"][0]["Value"] == "mine"
    for names in ([others], [mine, others]):
        with pytest.raises(client.exceptions.ClientError, match="not authorized to perform: ssm:GetParameters"):
            client.get_parameters(Names=names, WithDecryption=True)
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.put_parameter(Name=mine, Value="x", Overwrite=True)
    iam.delete_role_policy(RoleName=role, PolicyName="read")
    iam.delete_role(RoleName=role)


def test_secrets_survive_kill_and_are_sealed_on_the_disk(fresh_engine):
    ssm = fresh_engine.client("ssm")
    ssm.put_parameter(Name="/a/TOKEN", Value="only-for-me-4711", Type="SecureString")
    ssm.put_parameter(Name="/a/plain", Value="for-everyone-4711", Type="String")
    fresh_engine.kill()
    files = [path for path in fresh_engine.data.rglob("*") if path.is_file()]
    holding = lambda text: [path for path in files if text in path.read_bytes()]
    assert holding(b"for-everyone-4711"), "the search finds what is not sealed"
    assert not holding(b"only-for-me-4711")
    key = fresh_engine.data / "secrets-key.json"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    fresh_engine.start()
    found = fresh_engine.client("ssm").get_parameter(Name="/a/TOKEN", WithDecryption=True)
    assert found["Parameter"]["Value"] == "only-for-me-4711"
    assert "only-for-me-4711" not in fresh_engine.log_path.read_text()


def test_refusals(ssm, path):
    def refused(call, **input):
        with pytest.raises(ssm.exceptions.ClientError) as caught:
            getattr(ssm, call)(**input)
        return caught.value.response["Error"]["Code"]

    put = {"Name": f"{path}/x", "Value": "v", "Type": "String"}
    assert refused("put_parameter", **{**put, "Name": "/aws/x"}) == "ValidationException"
    assert refused("put_parameter", **{**put, "Name": "a b"}) == "ValidationException"
    assert refused("put_parameter", **{**put, "Value": "x" * 4097}) == "ValidationException"
    assert refused("put_parameter", **{**put, "Tier": "Advanced"}) == "ValidationException"
    assert refused("get_parameters_by_path", Path="no-slash") == "ValidationException"
    assert refused("delete_parameter", Name=f"{path}/x") == "ParameterNotFound"
    assert refused("send_command", DocumentName="x") == "UnknownOperationException"
