"""Routes of type model in a project: on the engine the gateway predicts, on AWS the coordinator does."""

import shutil
import subprocess

import pytest

import harness
from clouds import MiniStack, Moto
from deploy_cli import Folder, fetch, fetch_by_invocation, fetch_until
from listings import difference, listing

pytestmark = pytest.mark.skipif(not shutil.which("Rscript"), reason="there is no R on this machine")

PROJECT = """
[project]
name = "rates"

[buckets.models]

[[routes]]
path = "/am"
model = "models/am.rds"
options = { threshold = 0.5, coerce = true }
cors = ["https://pages.example"]

[[routes]]
path = "/models"
models = ["models/am.rds", "s3://models/2026/mpg.rds"]
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two models, saved by R, and what R itself predicts from them."""
    folder = tmp_path_factory.mktemp("saved")
    code = f"""
      am <- glm(am ~ wt + factor(cyl), family = binomial, data = mtcars)
      mpg <- lm(mpg ~ log(hp) * wt, data = mtcars)
      saveRDS(am, "{folder}/am.rds"); saveRDS(mpg, "{folder}/mpg.rds")
      at <- data.frame(wt = c(2, 4), cyl = c(4, 8), hp = c(90, 200))
      fits <- list(am = predict(am, at, type = "response"), mpg = predict(mpg, at))
      cat(sapply(fits, function(x) sprintf("%.17g", x)))
    """
    told = subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, text=True, check=True).stdout
    am1, am2, mpg1, mpg2 = map(float, told.split())
    return folder, {"am": [am1, am2], "mpg": [mpg1, mpg2]}


def put(cloud, saved, bucket="rates-dev-models-000000000000"):
    folder, _ = saved
    s3 = cloud.client("s3")
    s3.upload_file(str(folder / "am.rds"), bucket, "am.rds")
    s3.upload_file(str(folder / "mpg.rds"), bucket, "2026/mpg.rds")


def url_of(folder) -> str:
    return folder.run("status", "--json", fails=0).json["url"]


def is_ready(answer):
    return answer.status_code == 200


def fit(answer) -> float:
    """Of a request with one row."""
    return answer.json()["fit"]


def works(url, saved):
    """The same requests wherever it is deployed."""
    _, expected = saved
    first = fetch_until("GET", url + "/am", is_ready, params={"wt": "2", "cyl": "4"})
    assert fit(first) == pytest.approx(expected["am"][0], rel=1e-14)
    assert first.headers["x-squall-model-version"]
    rows = [{"wt": 2, "cyl": 4}, {"wt": 4, "cyl": 8}]
    both = fetch("POST", url + "/am", json=rows).json()
    assert [row["fit"] for row in both] == pytest.approx(expected["am"], rel=1e-14)
    assert [row["decision"] for row in both] == [value > 0.5 for value in expected["am"]]
    mpg = fetch_until("GET", url + "/models/mpg", is_ready, params={"wt": "2", "hp": "90"})
    assert fit(mpg) == pytest.approx(expected["mpg"][0], rel=1e-13)
    # Below `models` nothing was said about a threshold.
    plain = fetch_until("GET", url + "/models/am", is_ready, params={"wt": "2", "cyl": "4"})
    assert fit(plain) == fit(first) and "decision" not in plain.text
    wrong = fetch("GET", url + "/am", params={"wt": "2", "cyl": "5"})
    assert wrong.status_code == 400, wrong.text
    problem = wrong.json()
    assert problem.keys() >= {"errorType", "httpStatus", "request_id", "message"}
    assert problem["httpStatus"] == 400 and "cyl" in problem["message"]


@pytest.fixture
def project(fresh_engine, tmp_path):
    return Folder(tmp_path / "rates", fresh_engine).write(**{"squall.toml": PROJECT})


def integrations(engine):
    apis = engine.client("apigatewayv2")
    (api,) = apis.get_apis()["Items"]
    return api["ApiId"], apis.get_integrations(ApiId=api["ApiId"])["Items"]


def test_on_the_engine_the_gateway_predicts(project, saved):
    engine = project.cloud
    before = listing(engine)
    steps = project.deploy("--json").json["steps"]
    assert not [step for step in steps if step["kind"] == "function"], "nothing runs for a model"
    url = url_of(project)
    early = fetch("GET", url + "/am", params={"wt": "2", "cyl": "4"})
    assert early.status_code in (404, 503), "the model is not there yet"
    put(engine, saved)
    works(url, saved)
    # Pages of other origins, by the rules of the route.
    asked = fetch("GET", url + "/am?wt=2&cyl=4", headers={"origin": "https://pages.example"})
    assert asked.headers["access-control-allow-origin"] == "https://pages.example"
    _, found = integrations(engine)
    rules = [one["RequestParameters"].pop("squall:cors", None) for one in found]
    assert sum(rule is not None for rule in rules) == 1
    parameters = sorted(tuple(sorted(one["RequestParameters"].items())) for one in found)
    bucket = "s3://rates-dev-models-000000000000"
    assert parameters == [
        (("coerce", "true"), ("model", f"{bucket}/am.rds"), ("threshold", "0.5")),
        (("model", f"{bucket}/2026/mpg.rds"),),
        (("model", f"{bucket}/am.rds"),),
    ]
    assert {one["IntegrationSubtype"] for one in found} == {"Squall-Model"}
    assert project.deploy("--json").json["steps"] == []
    # Options change in place, and a route that leaves the project leaves the API.
    text = PROJECT.replace("threshold = 0.5", "threshold = 0.999999").split('[[routes]]\npath = "/models"')[0]
    project.write(**{"squall.toml": text})
    told = [detail for step in project.deploy("--json").json["steps"] for detail in step["details"]]
    assert "no more ANY /models/mpg" in told, told
    decided = fetch_until("GET", url + "/am", is_ready, params={"wt": "2", "cyl": "4"})
    assert decided.json()["decision"] is False
    project.undeploy()
    assert difference(before, listing(engine)) == {}


def test_a_folder_of_models_is_deployed_with_its_routes(project, saved):
    folder, expected = saved
    (project.path / "saved").mkdir()
    shutil.copy(folder / "am.rds", project.path / "saved" / "am.rds")
    text = PROJECT.replace("[buckets.models]", '[buckets.models]\nfolder = "saved"').split('[[routes]]\npath = "/models"')[0]
    project.write(**{"squall.toml": text})
    project.deploy()
    answer = fetch_until("GET", url_of(project) + "/am", is_ready, params={"wt": "4", "cyl": "8"})
    assert fit(answer) == pytest.approx(expected["am"][1], rel=1e-14)


def test_on_aws_the_coordinator_predicts(fresh_engine, tmp_path, saved):
    """The engine as if it were AWS: a function before the model, which may read it and no more."""
    project = Folder(tmp_path / "rates", fresh_engine, to_aws=True).write(**{"squall.toml": PROJECT})
    before = listing(fresh_engine)
    project.deploy()
    names = [name for name in listing(fresh_engine)["functions"] if ":" not in name]
    assert sorted(names) == ["rates-dev-model-am", "rates-dev-model-am-2", "rates-dev-model-mpg"]
    iam = fresh_engine.client("iam")
    (policy,) = iam.list_role_policies(RoleName="rates-dev-model-am")["PolicyNames"]
    document = iam.get_role_policy(RoleName="rates-dev-model-am", PolicyName=policy)["PolicyDocument"]
    reads = [one["Resource"] for one in document["Statement"] if one["Action"] == "s3:GetObject"]
    assert reads == ["arn:aws:s3:::rates-dev-models-000000000000/am.rds"]
    put(fresh_engine, saved)
    works(url_of(project), saved)
    assert project.deploy("--json").json["steps"] == []
    project.undeploy()
    assert difference(before, listing(fresh_engine)) == {}


@pytest.mark.parametrize("kind", [Moto, MiniStack], ids=["moto", "ministack"])
def test_on_another_aws(kind, tmp_path, saved):
    """moto runs no functions; there it is what is made that counts."""
    with kind() as cloud:
        before = listing(cloud)
        project = Folder(tmp_path / "rates", cloud, to_aws=True).write(**{"squall.toml": PROJECT})
        project.deploy()
        config = cloud.client("lambda").get_function_configuration(FunctionName="rates-dev-model-am")
        variables = config["Environment"]["Variables"]
        bucket = variables["SQUALL_MODEL"].split("/")[2]
        assert variables["SQUALL_MODEL"] == f"s3://{bucket}/am.rds"
        assert variables["SQUALL_MODEL_OPTIONS"] == "coerce=true&threshold=0.5"
        assert project.deploy("--json").json["steps"] == []
        if cloud.invokes:
            put(cloud, saved, bucket)
            answer = fetch_by_invocation(cloud, "rates-dev-model-am", "GET", "/am?wt=2&cyl=4")
            assert fit(answer) == pytest.approx(saved[1]["am"][0], rel=1e-14)
        project.undeploy()
        assert difference(before, listing(cloud)) == {}


def test_mistakes_are_told_before_anything_is_made(project):
    for text, message in [
        ('[[routes]]\npath = "/a"\nmodel = "lake/m.rds"\n', "the project has no bucket lake"),
        ('[[routes]]\npath = "/a"\nmodel = "m.rds"\n', "it must be an object in a bucket of the project"),
        ('[[routes]]\npath = "/a"\nmodel = "s3://their/m.rds"\noptions = { chunksize = 5 }\n', "a model has no option chunksize"),
        ('[[routes]]\npath = "/a"\nmodel = "s3://their/m.rds"\noptions = { type = "class" }\n', "response, link or terms"),
    ]:
        project.write(**{"squall.toml": '[project]\nname = "rates"\n[buckets.models]\n' + text})
        said = project.refused("deploy", "-y")
        assert message in said, said
    # What only the gateway can judge is told by it, in its words.
    project.write(**{"squall.toml": PROJECT.replace("threshold = 0.5", "threshold = \"much\"")})
    assert "threshold" in project.refused("deploy", "-y")


def test_a_model_is_an_integration_for_any_client(fresh_engine, saved):
    s3, apis = fresh_engine.client("s3"), fresh_engine.client("apigatewayv2")
    s3.create_bucket(Bucket="plain-models")
    s3.upload_file(str(saved[0] / "am.rds"), "plain-models", "a/am.rds")
    api = apis.create_api(Name="models", ProtocolType="HTTP")
    apis.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    made = apis.create_integration(
        ApiId=api["ApiId"],
        IntegrationType="AWS_PROXY",
        IntegrationSubtype="Squall-Model",
        PayloadFormatVersion="1.0",
        RequestParameters={"model": "s3://plain-models/a/am.rds", "threshold": "0.5"},
    )
    kept = apis.get_integration(ApiId=api["ApiId"], IntegrationId=made["IntegrationId"])
    assert kept["RequestParameters"] == {"model": "s3://plain-models/a/am.rds", "threshold": "0.5"}
    apis.create_route(ApiId=api["ApiId"], RouteKey="ANY /am", Target="integrations/" + made["IntegrationId"])
    url = f"{fresh_engine.gateway}/execute-api/{api['ApiId']}/am"
    answer = fetch_until("GET", url, is_ready, params={"wt": "2", "cyl": "4"})
    assert fit(answer) == pytest.approx(saved[1]["am"][0], rel=1e-14)
    changed = apis.update_integration(
        ApiId=api["ApiId"],
        IntegrationId=made["IntegrationId"],
        RequestParameters={"model": "s3://plain-models/a/am.rds"},
    )
    assert "threshold" not in changed["RequestParameters"]
    for wrong in ({"model": "am.rds"}, {}, {"model": "s3://plain-models/a/am.rds", "threshold": "much"}):
        with pytest.raises(apis.exceptions.BadRequestException):
            apis.create_integration(
                ApiId=api["ApiId"],
                IntegrationType="AWS_PROXY",
                IntegrationSubtype="Squall-Model",
                RequestParameters=wrong,
            )
