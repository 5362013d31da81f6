"""schemathesis against the documents of the stories' services: whatever it sends, no answer
is a 5xx, none is one that the document does not tell of, and what the document calls good or
bad is taken or refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import documents
from deploy_cli import Folder
from documents import FEATURES, LINE, own
from harness import DEADLINE
from http_apis import apis, arn_of, gateway, let_in  # noqa: F401 (fixtures)

pytest.importorskip("schemathesis")
HERE = Path(__file__).parent
SEED, EXAMPLES = "20261121", "15"


def schemathesis(folder, base, *words, settings="", ranks="abcd"):
    """What it says, once it has found nothing."""
    (folder / "schemathesis.toml").write_text(settings)
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [program, "--config-file", folder / "schemathesis.toml", "run", base + documents.DOCUMENT]
        + ["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--generation-deterministic"]
        + ["--request-timeout", str(DEADLINE), "--continue-on-failure", "--no-color", *words],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "RANKS": ranks, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=10 * DEADLINE,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    return done.stdout


# A schema cannot say of a table which columns it has, and so not which are good; and the
# answer to who asks for the result of a job that failed is that failure.
OF_MAPS = """
[[operations]]
include-path-regex = "{path}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409, 410, 415, 422]
"""


# In a list of rows a field of the kind of factor(rank) has numbers or text, and not both.
OF_FACTORS = """
[[operations]]
include-path = "/admission"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400]
"""
# What a function makes of a request is its own affair, and it may take methods that
# documents do not list.
OF_FUNCTIONS = """
[[operations]]
include-path = "{path}"
checks.positive_data_acceptance.enabled = false
checks.unsupported_method.enabled = false
"""


def test_all_that_a_route_can_lead_to(tmp_path, apis, awslambda, functions, s3, bucket):
    """A map, a model that `squall model fit` made, a function, a redirect, a site."""
    model = documents.model_file(tmp_path)
    s3.put_object(Bucket=bucket, Key="admission.json", Body=model.read_bytes())
    s3.put_object(Bucket=bucket, Key="web/index.html", Body=b"<p>here</p>", ContentType="text/html")
    line = functions.make(LINE)
    let_in(awslambda, line)
    api = apis()
    api.map(functions.make(FEATURES), "ANY /features", "ANY /features/{proxy+}", chunksize="5")
    own(api, "Squall-Model", "ANY /admission", model=f"s3://{bucket}/admission.json", threshold="0.5")
    own(api, "Squall-Redirect", "GET /old/{id}", location="/line/{id}", status="307")
    own(api, "Squall-Site", "ANY /site/{file+}", bucket=bucket, prefix="web/")
    own(api, "Squall-Route", "POST /again", path="/admission")
    integration = api.integrate(arn_of(awslambda, line))
    for key in ["GET /line/{id}", "POST /line/{id}", "ANY /any/{rest+}"]:
        api.route(key, integration)
    settings = OF_MAPS.format(path="^/features") + OF_FUNCTIONS.format(path="/any/{rest}")
    said = schemathesis(tmp_path, api.by_path, settings=settings)
    assert "Tested: " in said


def test_routes_that_ask_for_a_key(tmp_path, gateway, apis, awslambda, functions):
    line = functions.make(LINE)
    let_in(awslambda, line)
    api = apis()
    target = "integrations/" + api.integrate(arn_of(awslambda, line))
    for key in ["GET /line/{id}", "POST /line"]:
        gateway.create_route(ApiId=api.id, RouteKey=key, Target=target, ApiKeyRequired=True)
    keys = api.engine.client("apigateway")
    stages = [{"restApiId": api.id, "stageName": "$default"}]
    key = keys.create_api_key(name="st", enabled=True, stageKeys=stages)
    try:
        schemathesis(tmp_path, api.by_path, "--header", f"x-api-key: {key['value']}")
    finally:
        keys.delete_api_key(apiKey=key["id"])


def deployed(folder, template, engine) -> str:
    project = Folder(folder / template, engine)
    project.run("init", "--template", template, "--name", template, "--yes", fails=0)
    project.deploy(deadline=10 * DEADLINE)
    return project.run("status", "--json", fails=0).json["url"].rstrip("/")


@pytest.mark.parametrize("template", ["csv-features", "r-model"])
def test_the_stories_services(tmp_path, fresh_engine, template):
    if template == "r-model" and not shutil.which("Rscript"):
        pytest.skip("needs R")
    base = deployed(tmp_path, template, fresh_engine)
    assert requests.get(base + documents.DOCUMENT).ok
    settings = {
        "csv-features": OF_MAPS.format(path="^/"),
        "r-model": OF_FACTORS + OF_FUNCTIONS.format(path="/admission-r"),
    }[template]
    schemathesis(tmp_path, base, settings=settings, ranks="1234")
