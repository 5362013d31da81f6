"""What the tests of OpenAPI documents share: an API with a route of every kind, and a
document that a validator has looked at."""

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from http_apis import arn_of, let_in
from models_of_r import good

PAGE = "/_squall/docs"
DOCUMENT = "/_squall/openapi.json"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

# It takes an item of whatever kind.
FEATURES = """
def handler(values: list):
    return {"n": len(values), "kind": type(values).__name__}
"""
LINE = """
import json


def handler(event, context):
    if event.get("rawQueryString") == "fail":
        return {"statusCode": 404, "headers": {"content-type": "application/json"}, "body": '{"mine": true}'}
    return {"statusCode": 200, "headers": {"content-type": "application/json"},
            "body": json.dumps({"path": event["rawPath"], "body": event.get("body")})}
"""
ROWS = [(n * 7 % 11 > 4 + n % 4, 400 + 10 * (n * 13 % 40), 2 + n * 17 % 20 / 10, "abcd"[n % 4]) for n in range(200)]


@pytest.fixture(scope="module")
def line(awslambda, module_functions):
    """The address of a function that says what it was asked for."""
    name = module_functions.make(LINE)
    let_in(awslambda, name)
    return arn_of(awslambda, name)


def model_file(folder):
    """Chances of admission by two numbers and a rank, which `squall model fit` learned."""
    data = "admit,gre,gpa,rank\n" + "".join(f"{int(admit)},{gre},{gpa},{rank}\n" for admit, gre, gpa, rank in ROWS)
    (folder / "data.csv").write_text(data)
    good(
        "model", "fit", "admit ~ gre + gpa + rank", folder / "data.csv", "--family", "binomial",
        "-o", folder / "model.json",
    )  # fmt: skip
    return folder / "model.json"


def own(api, subtype, *keys, **parameters) -> str:
    """Routes to an integration of Squall's own; `summary` and the like may be among the
    parameters, each for `squall:summary`."""
    handling = ("summary", "cors", "allow", "body_bytes", "concurrency", "cache_seconds")
    shown = {f"squall:{name.replace('_', '-')}" if name in handling else name: text for name, text in parameters.items()}
    integration = api.client.create_integration(
        ApiId=api.id,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype=subtype,
        PayloadFormatVersion="1.0",
        RequestParameters=shown,
    )["IntegrationId"]
    for key in keys:
        api.route(key, integration)
    return integration


def checked(document) -> dict:
    """A document that is one."""
    problems = [f"{list(error.absolute_path)}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert problems == []
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)), "a validator lets names come twice"
    return document


def read(base) -> dict:
    answer = requests.get(base + DOCUMENT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return checked(answer.json())


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]
