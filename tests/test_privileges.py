"""What a role must not come by: more than its policies say, by way of IAM, of
another role, or of the engine's own pages."""

import json

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
import requests
from botocore.exceptions import ClientError

from harness import unique, zip_of

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
LAMBDA = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}]}


class Limited:
    """A session of a role that may everything with functions, and nothing else."""

    def __init__(self, engine, iam, sts):
        self.engine = engine
        self.role = unique("role")
        made = iam.create_role(RoleName=self.role, AssumeRolePolicyDocument=json.dumps(TRUST))
        self.arn = made["Role"]["Arn"]
        iam.put_role_policy(RoleName=self.role, PolicyName="p", PolicyDocument=json.dumps(LAMBDA))
        self.keys = sts.assume_role(RoleArn=self.arn, RoleSessionName="session")["Credentials"]

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.engine.api,
            region_name=self.engine.region,
            aws_access_key_id=self.keys["AccessKeyId"],
            aws_secret_access_key=self.keys["SecretAccessKey"],
            aws_session_token=self.keys["SessionToken"],
        )

    def page(self, method, path, body=b""):
        keys = self.keys["AccessKeyId"], self.keys["SecretAccessKey"], self.keys["SessionToken"]
        request = botocore.awsrequest.AWSRequest(method, self.engine.api + path, data=body)
        credentials = botocore.credentials.Credentials(*keys)
        botocore.auth.SigV4Auth(credentials, "squall", self.engine.region).add_auth(request)
        return requests.request(method, self.engine.api + path, data=body, headers=dict(request.headers))


@pytest.fixture
def limited(engine, iam, sts):
    return Limited(engine, iam, sts)


def code_of(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"


def test_a_role_cannot_give_itself_more(limited):
    iam, sts = limited.client("iam"), limited.client("sts")
    more = {"RoleName": limited.role, "PolicyName": "q", "PolicyDocument": json.dumps(ALL)}
    assert code_of(iam.put_role_policy, **more) == "AccessDenied"
    assert code_of(iam.delete_role_policy, RoleName=limited.role, PolicyName="p") == "AccessDenied"
    assert code_of(sts.assume_role, RoleArn=limited.arn, RoleSessionName="again") == "AccessDenied"
    assert code_of(sts.get_session_token) == "AccessDenied"
    assert f"assumed-role/{limited.role}/" in sts.get_caller_identity()["Arn"]


def test_a_function_gets_no_role_that_its_maker_may_not_hand_on(limited):
    awslambda = limited.client("lambda")
    function = {
        "FunctionName": unique(),
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Code": {"ZipFile": zip_of({"bootstrap": "#!/bin/sh\n"})},
    }
    anything = limited.arn.replace(limited.role, "of-no-record")
    assert code_of(awslambda.create_function, Role=anything, **function) == "AccessDeniedException"


def test_own_pages_are_for_the_owner_alone(limited):
    for method, path, body in [
        ("GET", "/_squall/events", b""),
        ("GET", "/_squall/schedules", b""),
        ("GET", "/_squall/clock", b""),
        ("GET", "/_squall/ps", b""),
        ("GET", "/_squall/info", b""),
        ("POST", "/_squall/clock", b'{"advance_seconds": 1}'),
        ("POST", "/_squall/schedules/run", b'{"name": "x"}'),
        ("POST", "/_squall/store/check", b""),
    ]:
        assert limited.page(method, path, body).status_code == 403, (method, path)


def test_keys_of_a_role_end_with_it(limited, iam, s3):
    """They would else be those of a role without a record, which may everything."""
    assert code_of(limited.client("s3").list_buckets) == "AccessDenied"
    iam.delete_role_policy(RoleName=limited.role, PolicyName="p")
    iam.delete_role(RoleName=limited.role)
    assert code_of(limited.client("s3").list_buckets) == "InvalidAccessKeyId"
