"""What a function may do: boto3 in a handler works without configuration, and a
role's policy counts here as it does on AWS."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

import harness
from conftest import Functions
from harness import unique
from s3_calls import body_of

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
# Does what the event says, and reports how that ended.
AGENT = """
import json

import boto3
from botocore.exceptions import ClientError


def handler(event, context):
    client = boto3.client(event["service"])
    try:
        answer = getattr(client, event["call"])(**event.get("with", {}))
    except ClientError as error:
        return {"error": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
    if "Body" in answer:
        answer["Body"] = answer["Body"].read().decode()
    if "Payload" in answer:
        answer["Payload"] = answer["Payload"].read().decode()
    answer.pop("ResponseMetadata")
    return {"answer": json.loads(json.dumps(answer, default=str))}
"""


class Agent:
    """A function with a role of its own, told what to do."""

    def __init__(self, functions, iam, statements, layer):
        self.functions = functions
        self.role = unique("role")
        made = iam.create_role(RoleName=self.role, AssumeRolePolicyDocument=json.dumps(TRUST))
        self.arn = made["Role"]["Arn"]
        self.iam = iam
        if statements is not None:
            self.allow(statements)
        self.name = functions.make(AGENT, Role=self.arn, MemorySize=512, Layers=[layer])

    def allow(self, statements, name="p"):
        document = {"Version": "2012-10-17", "Statement": statements}
        self.iam.put_role_policy(RoleName=self.role, PolicyName=name, PolicyDocument=json.dumps(document))

    def __call__(self, service, call, **arguments):
        done = self.functions.call(self.name, {"service": service, "call": call, "with": arguments})
        return done.get("error") or done["answer"]

    def message(self, service, call, **arguments) -> str:
        return self.functions.call(self.name, {"service": service, "call": call, "with": arguments})["message"]


@pytest.fixture
def agent(functions, iam, boto3_layer):
    return lambda statements: Agent(functions, iam, statements, boto3_layer)


def allow(actions, *resources, effect="Allow", **more) -> dict:
    return {"Effect": effect, "Action": actions, "Resource": list(resources) or "*", **more}


def test_a_role_that_is_not_recorded_may_everything(functions, s3, bucket, boto3_layer):
    """Without a role there is nothing to enforce; the documentation says so."""
    name = functions.make(AGENT, MemorySize=512, Layers=[boto3_layer])
    at = {"Bucket": bucket, "Key": "k"}
    put = functions.call(name, {"service": "s3", "call": "put_object", "with": {**at, "Body": "from inside"}})
    assert "answer" in put, put
    assert body_of(s3, bucket, "k") == b"from inside"
    got = functions.call(name, {"service": "s3", "call": "get_object", "with": at})
    assert got["answer"]["Body"] == "from inside", got


def test_what_the_environment_of_a_function_says(functions, engine):
    name = functions.make(
        """
        import os

        def handler(event, context):
            return {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
        """
    )
    environment = functions.call(name)
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert environment["AWS_SECRET_ACCESS_KEY"] != engine.secret_key
    assert environment["AWS_SESSION_TOKEN"] and environment["AWS_REGION"] == engine.region
    assert environment["AWS_ENDPOINT_URL"].startswith("http")


def test_a_role_may_what_its_policy_says(agent, s3, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    reader = agent([allow(["s3:GetObject", "s3:ListBucket"], arn, f"{arn}/in/*")])
    s3.put_object(Bucket=bucket, Key="in/k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="out/k", Body=b"x")
    assert reader("s3", "get_object", Bucket=bucket, Key="in/k")["Body"] == "x"
    assert reader("s3", "list_objects_v2", Bucket=bucket)["KeyCount"] == 2
    assert reader("s3", "get_object", Bucket=bucket, Key="out/k") == "AccessDenied"
    assert reader("s3", "put_object", Bucket=bucket, Key="in/new", Body="x") == "AccessDenied"
    assert reader("s3", "delete_object", Bucket=bucket, Key="in/k") == "AccessDenied"
    assert reader("s3", "create_bucket", Bucket=unique("b")) == "AccessDenied"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["in/k", "out/k"]
    # In AWS's words, because people search for them.
    message = reader.message("s3", "put_object", Bucket=bucket, Key="in/new", Body="x")
    assert f"assumed-role/{reader.role}/{reader.name} is not authorized to perform: s3:PutObject" in message
    assert f'on resource: "{arn}/in/new"' in message
    # What changes in the policy counts at once.
    reader.allow([allow("s3:PutObject", f"{arn}/in/*")], "more")
    assert "ETag" in reader("s3", "put_object", Bucket=bucket, Key="in/new", Body="x")


def test_without_a_policy_nothing_is_allowed(agent, s3, bucket, iam):
    nobody = agent(None)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert nobody("s3", "get_object", Bucket=bucket, Key="k") == "AccessDenied"
    assert nobody("s3", "list_buckets") == "AccessDenied"
    iam.attach_role_policy(RoleName=nobody.role, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert nobody("s3", "get_object", Bucket=bucket, Key="k")["Body"] == "x"
    assert nobody("s3", "put_object", Bucket=bucket, Key="k", Body="y") == "AccessDenied"


def test_a_denial_counts_for_more(agent, s3, bucket):
    whole = f"arn:aws:s3:::{bucket}/*"
    writer = agent([allow("s3:*", whole), allow("s3:Put*", f"arn:aws:s3:::{bucket}/locked/*", effect="Deny")])
    assert "ETag" in writer("s3", "put_object", Bucket=bucket, Key="open", Body="x")
    assert writer("s3", "put_object", Bucket=bucket, Key="locked/k", Body="x") == "AccessDenied"
    assert "explicit deny" in writer.message("s3", "put_object", Bucket=bucket, Key="locked/k", Body="x")


def test_copies_and_multipart_uploads_ask_twice(agent, s3, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    s3.put_object(Bucket=bucket, Key="secret/k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="in/k", Body=b"x")
    copier = agent([allow("s3:GetObject", f"{arn}/in/*"), allow("s3:PutObject", f"{arn}/out/*")])

    def copy(source, target):
        return copier("s3", "copy_object", Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source})

    # Who may not read the source does not get it by a detour.
    assert copy("secret/k", "out/k") == "AccessDenied"
    assert copy("in/k", "elsewhere") == "AccessDenied"
    assert copier("s3", "create_multipart_upload", Bucket=bucket, Key="out/large")["UploadId"]
    assert copier("s3", "create_multipart_upload", Bucket=bucket, Key="elsewhere") == "AccessDenied"
    deleted = copier("s3", "delete_objects", Bucket=bucket, Delete={"Objects": [{"Key": "in/k"}]})
    assert [error["Code"] for error in deleted["Errors"]] == ["AccessDenied"]
    assert body_of(s3, bucket, "in/k") == b"x"


def test_a_bucket_s_policy_counts_too(agent, s3, bucket):
    guest = agent([allow("lambda:GetFunction")])
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert guest("s3", "get_object", Bucket=bucket, Key="k") == "AccessDenied"
    statement = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": guest.arn})
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert guest("s3", "get_object", Bucket=bucket, Key="k")["Body"] == "x"
    policy["Statement"].append({**statement, "Effect": "Deny"})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert guest("s3", "get_object", Bucket=bucket, Key="k") == "AccessDenied"


def test_invoking_others(agent, functions, awslambda):
    target = functions.make("def handler(event, context):\n    return ['called', event]\n")
    arn = awslambda.get_function(FunctionName=target)["Configuration"]["FunctionArn"]
    caller = agent([allow("lambda:InvokeFunction", arn)])
    assert json.loads(caller("lambda", "invoke", FunctionName=target, Payload="1")["Payload"]) == ["called", 1]
    stranger = agent([allow("lambda:InvokeFunction", arn + "-other")])
    assert stranger("lambda", "invoke", FunctionName=target, Payload="1") == "AccessDeniedException"
    message = stranger.message("lambda", "invoke", FunctionName=target, Payload="1")
    assert "is not authorized to perform: lambda:InvokeFunction" in message and arn in message
    assert stranger("lambda", "delete_function", FunctionName=target) == "AccessDeniedException"
    assert functions.call(target, 2) == ["called", 2]


def test_who_a_function_is(agent, functions, sts):
    someone = agent(None)
    who = someone("sts", "get_caller_identity")
    account = sts.get_caller_identity()["Account"]
    assert who["Account"] == account
    assert who["Arn"] == f"arn:aws:sts::{account}:assumed-role/{someone.role}/{someone.name}"
    assert who["UserId"].endswith(f":{someone.name}")


def test_a_client_made_at_import_works_in_every_instance(functions, s3, bucket, gate, boto3_layer):
    """It is made in the template, once, and its keys are those of all forks."""
    name = functions.make(
        """
        import socket
        import boto3

        s3 = boto3.client("s3")


        def handler(event, context):
            with socket.create_connection(("127.0.0.1", event["gate"])) as gate:
                gate.sendall(b"here")
                gate.recv(1)
            s3.put_object(Bucket=event["bucket"], Key=context.aws_request_id, Body=b"x")
            return context.aws_request_id
        """,
        MemorySize=512,
        Layers=[boto3_layer],
    )
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(functions.call, name, {**gate.event(), "bucket": bucket}) for _ in range(5)]
        gate.wait_for(5)
        gate.open()
        ids = {call.result() for call in calls}
    assert {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]} == ids


def test_keys_of_a_function_that_is_gone_open_nothing(functions, engine, awslambda):
    name = functions.make(
        """
        import os

        def handler(event, context):
            return [os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
        """
    )
    key, secret, token = functions.call(name)

    def ask():
        client = boto3.client(
            "s3",
            endpoint_url=engine.api,
            region_name=engine.region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )
        try:
            client.list_buckets()
            return "open"
        except client.exceptions.ClientError as error:
            return error.response["Error"]["Code"]

    assert ask() == "open"
    awslambda.delete_function(FunctionName=name)
    harness.eventually(lambda: ask() in ("InvalidAccessKeyId", "ExpiredToken", "InvalidToken"), "the keys refused")


def test_boto3_is_there_as_on_aws():
    """Neither package nor layer brings it; the engine does, from the first Python on its
    path that has it. The rest of that Python's libraries stays out of sight."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with harness.running_engine(environment={"PATH": path}) as engine:
        functions, s3 = Functions(engine.client("lambda")), engine.client("s3")
        s3.create_bucket(Bucket="plain")
        name = functions.make(AGENT, MemorySize=512)
        event = {"service": "s3", "call": "put_object", "with": {"Bucket": "plain", "Key": "k", "Body": "text"}}
        assert "answer" in functions.call(name, event)
        assert body_of(s3, "plain", "k") == b"text"
        other = functions.make("import numpy\n\n\ndef handler(event, context):\n    return 1\n")
        assert "No module named 'numpy'" in functions.fail(other, {})["errorMessage"]
