"""The same walk with the real aws command line, which is a client that users
have: every answer comes through its own parsing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import ROLE, eventually, unique, zip_of

TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
AWS = Path(sys.executable).parent / "aws"


class Aws:
    def __init__(self, engine, folder):
        self.environment = {
            **engine.client_environment(),
            "AWS_PAGER": "",
            "AWS_MAX_ATTEMPTS": "1",
            # An aws of another Python on PATH must not find other libraries.
            "PYTHONPATH": "",
        }
        self.folder = folder

    def run(self, *words) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(AWS), *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def __call__(self, *words):
        """The answer, parsed; the command must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, f"aws {' '.join(map(str, words))}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fails(self, code, *words):
        done = self.run(*words)
        assert done.returncode != 0, done.stdout
        assert f"({code})" in done.stderr, done.stderr

    def zip(self, name, files) -> str:
        (self.folder / name).write_bytes(zip_of(files))
        return f"fileb://{name}"


@pytest.fixture
def aws(engine, tmp_path):
    return Aws(engine, tmp_path)


def test_a_function_from_its_birth_to_its_end(aws):
    name = unique("cli")
    first = aws.zip("one.zip", "def handler(event, context):\n    print('heard', event)\n    return ['one', event]\n")
    made = aws(
        *("lambda", "create-function", "--function-name", name, "--runtime", "python3.11"),
        *("--role", ROLE, "--handler", "app.handler", "--zip-file", first),
        *("--environment", "Variables={COLOUR=blue}", "--tags", "team=a"),
    )
    assert made["FunctionName"] == name
    aws("lambda", "wait", "function-active-v2", "--function-name", name)
    aws("lambda", "wait", "function-exists", "--function-name", name)

    def invoke(*words):
        answer = aws(
            "lambda", "invoke", "--function-name", name, *words, "answer.json"
        )
        return answer, json.loads((aws.folder / "answer.json").read_text() or "null")

    answer, value = invoke("--payload", '{"n": 1}')
    assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert value == ["one", {"n": 1}]
    answer, _ = invoke("--payload", "1", "--log-type", "Tail")
    assert answer["LogResult"]
    answer = aws(
        *("lambda", "invoke", "--function-name", name, "--invocation-type", "Event"),
        *("--payload", '"event"', "answer.json"),
    )
    assert answer == {"StatusCode": 202}

    second = aws.zip("two.zip", "def handler(event, context):\n    return 'two'\n")
    aws("lambda", "update-function-code", "--function-name", name, "--zip-file", second)
    aws("lambda", "wait", "function-updated-v2", "--function-name", name)
    assert invoke()[1] == "two"
    aws("lambda", "update-function-configuration", "--function-name", name, "--memory-size", "256")
    aws("lambda", "wait", "function-updated", "--function-name", name)
    got = aws("lambda", "get-function", "--function-name", name)
    assert got["Configuration"]["MemorySize"] == 256
    assert got["Tags"] == {"team": "a"}
    assert name in [f["FunctionName"] for f in aws("lambda", "list-functions")["Functions"]]

    assert aws("lambda", "publish-version", "--function-name", name)["Version"] == "1"
    aws("lambda", "create-alias", "--function-name", name, "--name", "live", "--function-version", "1")
    aws(
        *("lambda", "update-alias", "--function-name", name, "--name", "live"),
        *("--routing-config", "AdditionalVersionWeights={}"),
    )
    assert invoke("--qualifier", "live")[0]["ExecutedVersion"] == "1"
    assert aws("lambda", "list-aliases", "--function-name", name)["Aliases"][0]["Name"] == "live"
    versions = aws("lambda", "list-versions-by-function", "--function-name", name)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1"]
    aws("lambda", "delete-alias", "--function-name", name, "--name", "live")

    aws("lambda", "put-function-concurrency", "--function-name", name, "--reserved-concurrent-executions", "0")
    aws.fails("TooManyRequestsException", "lambda", "invoke", "--function-name", name, "answer.json")
    aws("lambda", "delete-function-concurrency", "--function-name", name)

    aws(
        *("lambda", "put-function-event-invoke-config", "--function-name", name),
        *("--maximum-retry-attempts", "0"),
    )
    got = aws("lambda", "get-function-event-invoke-config", "--function-name", name)
    assert got["MaximumRetryAttempts"] == 0
    aws("lambda", "delete-function-event-invoke-config", "--function-name", name)

    aws(
        *("lambda", "add-permission", "--function-name", name, "--statement-id", "s"),
        *("--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com"),
    )
    assert json.loads(aws("lambda", "get-policy", "--function-name", name)["Policy"])["Statement"]
    aws("lambda", "remove-permission", "--function-name", name, "--statement-id", "s")

    url = aws("lambda", "create-function-url-config", "--function-name", name, "--auth-type", "AWS_IAM")
    assert url["FunctionUrl"].startswith("http")
    aws("lambda", "delete-function-url-config", "--function-name", name)

    arn = made["FunctionArn"]
    aws("lambda", "tag-resource", "--resource", arn, "--tags", "b=2")
    assert aws("lambda", "list-tags", "--resource", arn)["Tags"] == {"team": "a", "b": "2"}
    aws("lambda", "untag-resource", "--resource", arn, "--tag-keys", "b")

    aws("lambda", "delete-function", "--function-name", name)
    aws.fails("ResourceNotFoundException", "lambda", "get-function", "--function-name", name)


def test_layers(aws):
    layer = unique("layer")
    content = aws.zip("layer.zip", {"python/shared.py": "word = 'shared'\n"})
    made = aws(
        *("lambda", "publish-layer-version", "--layer-name", layer, "--zip-file", content),
        *("--compatible-runtimes", "python3.11"),
    )
    assert aws("lambda", "list-layer-versions", "--layer-name", layer)["LayerVersions"][0]["Version"] == 1
    assert layer in [entry["LayerName"] for entry in aws("lambda", "list-layers")["Layers"]]
    by_arn = aws("lambda", "get-layer-version-by-arn", "--arn", made["LayerVersionArn"])
    assert by_arn["Version"] == 1
    name = unique("cli")
    code = aws.zip("code.zip", "import shared\ndef handler(event, context):\n    return shared.word\n")
    aws(
        *("lambda", "create-function", "--function-name", name, "--runtime", "python3.11"),
        *("--role", ROLE, "--handler", "app.handler", "--zip-file", code),
        *("--layers", made["LayerVersionArn"]),
    )
    aws("lambda", "invoke", "--function-name", name, "answer.json")
    assert json.loads((aws.folder / "answer.json").read_text()) == "shared"
    aws("lambda", "delete-function", "--function-name", name)
    aws("lambda", "delete-layer-version", "--layer-name", layer, "--version-number", "1")


def test_logs(aws, functions):
    name = functions.make("def handler(event, context):\n    print('heard', event)\n    return context.log_stream_name\n")
    stream = functions.call(name, "the bell")
    group = f"/aws/lambda/{name}"

    def filtered():
        answer = aws("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "heard")
        return [event["message"].rstrip() for event in answer["events"]]

    assert eventually(filtered, "the line by filter", every=0.2) == ["heard the bell"]
    got = aws("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream)
    assert any(event["message"].startswith("REPORT RequestId") for event in got["events"])
    assert aws("logs", "describe-log-streams", "--log-group-name", group)["logStreams"][0]["logStreamName"] == stream
    groups = aws("logs", "describe-log-groups", "--log-group-name-prefix", group)
    assert len(groups["logGroups"]) == 1
    aws("logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", "1")
    aws("logs", "delete-log-group", "--log-group-name", group)
    aws.fails("ResourceNotFoundException", "logs", "describe-log-streams", "--log-group-name", group)


def test_iam_and_sts(aws):
    role = unique("role")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    made = aws("iam", "create-role", "--role-name", role, "--assume-role-policy-document", policy)
    assert made["Role"]["RoleName"] == role
    managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws("iam", "attach-role-policy", "--role-name", role, "--policy-arn", managed)
    aws("iam", "detach-role-policy", "--role-name", role, "--policy-arn", managed)
    aws("iam", "delete-role", "--role-name", role)
    assert len(aws("sts", "get-caller-identity")["Account"]) == 12


def test_account_settings(aws):
    assert aws("lambda", "get-account-settings")["AccountLimit"]["ConcurrentExecutions"] == 1000
