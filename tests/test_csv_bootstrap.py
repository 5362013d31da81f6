"""The layout of AWS: this binary is the bootstrap of a function behind a function URL, and
invokes another function with the items of a CSV."""

import io
import json
import subprocess

import pandas
import pytest
import requests

import harness
from csv_service import TOTAL, csv_of, table_of
from harness import unique
from test_function_credentials import TRUST, allow


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> bytes:
    """A zip of the binary. Without its symbols, which only debuggers want: then it may be
    sent as it is."""
    stripped = tmp_path_factory.mktemp("bootstrap") / "bootstrap"
    subprocess.run(["strip", "-o", stripped, harness.binary()], check=True)
    return harness.zip_of({"bootstrap": stripped.read_bytes()})


class Coordinator:
    """The bootstrap as a function, and the URL in front of it."""

    def __init__(self, functions, awslambda, package, **settings):
        variables = settings.pop("variables")
        self.name = functions.make(
            package,
            Runtime="provided.al2023",
            Handler="bootstrap",
            MemorySize=1024,
            Timeout=60,
            Environment={"Variables": variables},
            **settings,
        )
        self.url = awslambda.create_function_url_config(FunctionName=self.name, AuthType="NONE")["FunctionUrl"]
        awslambda.add_permission(
            FunctionName=self.name,
            StatementId="url",
            Action="lambda:InvokeFunctionUrl",
            Principal="*",
            FunctionUrlAuthType="NONE",
        )

    def put(self, body, headers=None, **options):
        return requests.put(self.url, params=options, data=body, headers=headers)


@pytest.fixture(scope="module")
def role(iam) -> str:
    """May invoke functions and ask for their settings, and nothing else."""
    name = unique("role")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    statements = [
        allow(["lambda:InvokeFunction", "lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency"]),
        allow("lambda:GetAccountSettings"),
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=name, PolicyName="needs", PolicyDocument=json.dumps(document))
    return made["Role"]["Arn"]


@pytest.fixture(scope="module")
def coordinator(awslambda, module_functions, package, role):
    target = module_functions.make(TOTAL)
    return Coordinator(
        module_functions, awslambda, package, variables={"SQUALL_MAP_FUNCTION": target}, Role=role
    )


@pytest.fixture(autouse=True)
def names(local_names):
    """Function URLs have names below localhost."""


def test_a_csv_goes_through_two_functions(coordinator):
    table = pandas.DataFrame({"id": [at % 50 for at in range(500)], "value": [at / 4 for at in range(500)]})
    expected = table.groupby("id")["value"].sum().to_csv()
    for options in ({}, {"chunksize": 5}, {"compression": True}, {"invoke_lambda": False}):
        answer = coordinator.put(csv_of(table), **options)
        assert answer.text == expected, options
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["squall-items"] == "50"


def test_what_is_binary_comes_through(coordinator):
    table = pandas.DataFrame({"id": [1, 2], "value": [0.5, 1.5]})
    answer = coordinator.put(
        table.to_parquet(),
        {"content-type": "application/vnd.apache.parquet", "accept": "application/vnd.apache.parquet"},
    )
    assert answer.status_code == 200, answer.text
    assert pandas.read_parquet(io.BytesIO(answer.content))["value"].tolist() == [0.5, 1.5]


def test_errors_are_those_of_the_gateway(coordinator):
    assert requests.get(coordinator.url).headers["allow"] == "PUT, POST, OPTIONS"
    for answer, status, kind in [
        (coordinator.put(b"a,b\n1,2\n"), 422, "MissingColumn"),
        (coordinator.put(b"id,value\n1,x\n"), 400, "InvalidData"),
        (coordinator.put(b"", chunksize=0), 400, "InvalidOption"),
    ]:
        assert (answer.status_code, answer.json()["errorType"]) == (status, kind), answer.text


def test_an_answer_that_lambda_does_not_pass_on(awslambda, functions, package, role):
    target = functions.make("def handler(values: list):\n    return 'x' * 100_000\n")
    coordinator = Coordinator(functions, awslambda, package, variables={"SQUALL_MAP_FUNCTION": target}, Role=role)
    table = pandas.DataFrame({"id": range(100), "value": 1})
    answer = coordinator.put(csv_of(table))
    assert (answer.status_code, answer.json()["errorType"]) == (413, "AnswerTooLarge"), answer.text
    assert len(table_of(coordinator.put(csv_of(table[:10])))) == 10


def test_an_api_gateway_event_and_no_event(coordinator, functions):
    event = {
        "httpMethod": "PUT",
        "path": "/",
        "headers": {"Content-Type": "text/csv"},
        "queryStringParameters": {"id_column": "user name"},
        "body": "user name,value\na,1\na,2\n",
        "isBase64Encoded": False,
    }
    answer = functions.call(coordinator.name, event)
    assert (answer["statusCode"], answer["body"]) == (200, "user name,value\na,3\n")
    error = functions.fail(coordinator.name, {"key": "value"})
    assert (error["errorType"], "no method" in error["errorMessage"]) == ("Squall.NotARequest", True)


def test_settings_that_make_no_sense_are_an_init_error(functions, package):
    for variables, word in [
        ({}, "SQUALL_MAP_FUNCTION"),
        ({"SQUALL_MAP_FUNCTION": "f", "SQUALL_MAP_OPTIONS": "chunksize=0"}, "chunksize"),
    ]:
        name = functions.make(package, Runtime="provided.al2023", Handler="bootstrap", Environment={"Variables": variables})
        error = functions.fail(name, {})
        assert error["errorType"] == "Squall.NotConfigured"
        assert word in error["errorMessage"]
