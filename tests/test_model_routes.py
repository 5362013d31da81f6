"""Models behind routes that `squall routes` makes, and behind the bootstrap as on AWS."""

import json
import subprocess
import threading

import pytest
import requests

import harness
from harness import unique
from test_csv_bootstrap import Coordinator, package  # noqa: F401
from test_function_credentials import TRUST

FIELDS = "gre=800&gpa=4&rank=1"
MAKE = """
set.seed(3)
d <- data.frame(gre = round(runif(300, 300, 800)), gpa = runif(300, 2, 4), rank = factor(sample(1:4, 300, TRUE)))
d$admit <- rbinom(300, 1, plogis(-4 + d$gre / 400 + d$gpa * 0.8 - as.integer(d$rank) / 2))
for (n in 1:4) {
  m <- glm(admit ~ gre + gpa + rank, family = binomial, data = d, weights = rep(c(1, n), 150))
  saveRDS(m, paste0(n, ".rds"), compress = c("gzip", "xz", "bzip2", "gzip")[n])
  p <- predict(m, data.frame(gre = 800, gpa = 4, rank = "1"), type = "response")
  cat(sprintf("%.17g", p), "\\n", sep = "", file = "fits.txt", append = TRUE)
}
f <- function(x) x
saveRDS(lm(gre ~ f(gpa), data = d), "needs-r.rds")
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Files by name, and what R predicts by those that have a number."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run(["Rscript", "--vanilla", "-e", MAKE], cwd=folder, check=True, capture_output=True)
    fits = [float(line) for line in (folder / "fits.txt").read_text().split()]
    return {path.stem: path.read_bytes() for path in folder.glob("*.rds")}, fits


@pytest.fixture
def route(engine, s3, bucket, models):
    """A route to a model of a new bucket, with options; it is taken away at the end."""
    made = []

    def make(*words, model="1", key="m.rds"):
        s3.put_object(Bucket=bucket, Key=key, Body=models[0][model])
        path = "/" + unique("model")
        made.append(path)
        return engine.cli("routes", "add", path, "--model", f"s3://{bucket}/{key}", *words).stdout.strip()

    yield make
    for path in made:
        engine.cli("routes", "rm", path)


def test_a_route_answers_as_r_does(route, models):
    url = route("--set", "threshold=0.5", "--set", "decision=admitted")
    fit = models[1][0]
    assert requests.get(f"{url}?{FIELDS}").json() == {"fit": fit, "admitted": fit > 0.5}
    answer = requests.post(url, json=[{"gre": 800, "gpa": 4, "rank": "1"}] * 2)
    assert answer.json() == [{"fit": fit, "admitted": fit > 0.5}] * 2
    answer = requests.put(url + "/new.csv", data="rank,gpa,gre\n1,4,800\n1,,800\n")
    assert answer.text == f"fit,admitted\n{fit!r},{str(fit > 0.5).upper()}\nNA,NA\n"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head = requests.head(f"{url}?{FIELDS}")
    assert (head.status_code, head.content) == (200, b"")
    shown = requests.get(url).json()
    assert [field["name"] for field in shown["fields"]] == ["gre", "gpa", "rank"]
    assert shown["fields"][2]["levels"] == ["1", "2", "3", "4"]
    assert shown["version"] == head.headers["x-squall-model-version"]


def test_errors_name_the_field_and_what_is_allowed(route):
    url = route()
    for query, words in [
        ("gre=800&gpa=4&rank=5", "field rank: 5 is not a level; allowed: 1, 2, 3, 4"),
        ("gre=many&gpa=4&rank=1", 'field gre: "many" is no number'),
        ("gre=800", 'there is no field "gpa", "rank"'),
        ("gre=800&gpa=4&rnak=1", 'did you mean "rank"?'),
    ]:
        answer = requests.get(f"{url}?{query}")
        error = answer.json()
        assert (answer.status_code, error["httpStatus"], error["errorType"]) == (400, 400, "BadRequest")
        assert words in error["message"]
        assert error["request_id"] == answer.headers["x-amzn-requestid"]
    answer = requests.delete(url)
    assert (answer.status_code, answer.json()["errorType"]) == (405, "MethodNotAllowed")
    assert answer.headers["allow"] == "GET, HEAD, POST, PUT, OPTIONS"
    answer = requests.post(url, data="<a/>", headers={"content-type": "application/xml"})
    assert (answer.status_code, answer.json()["errorType"]) == (415, "UnsupportedMediaType")
    answer = requests.post(url, data=b"gre,gpa,rank\n" + b"800,4,1\n" * 1_500_000)
    assert (answer.status_code, answer.json()["errorType"]) == (413, "RequestTooLarge")


def test_pages_of_other_origins(route):
    url = route("--cors", "https://app.example")
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    preflight = requests.options(url, headers=asked)
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    answer = requests.get(f"{url}?{FIELDS}", headers={"origin": "https://app.example"})
    assert "x-squall-model-version" in answer.headers["access-control-expose-headers"]
    answer = requests.get(f"{url}?{FIELDS}", headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["errorType"]) == (403, "Forbidden")


def test_what_cannot_be_served_has_its_reason(route, s3, bucket, models):
    url = route(model="needs-r")
    answer = requests.get(f"{url}?gpa=4")
    assert (answer.status_code, answer.json()["errorType"]) == (501, "ModelNeedsR")
    assert "f" in answer.json()["message"] and f"s3://{bucket}/m.rds" in answer.json()["message"]
    s3.delete_object(Bucket=bucket, Key="m.rds")
    url = route(key="other.rds")
    fit = requests.get(f"{url}?{FIELDS}")
    assert fit.json() == {"fit": models[1][0]}
    s3.put_object(Bucket=bucket, Key="other.rds", Body=b"nonsense")

    def told():
        answer = requests.get(f"{url}?{FIELDS}")
        assert answer.json() == fit.json()
        return answer.headers.get("x-squall-model-error")

    assert "saveRDS" in harness.eventually(told)
    s3.delete_object(Bucket=bucket, Key="other.rds")
    harness.eventually(lambda: told() == "the object is gone")


def test_models_are_replaced_under_load_without_a_failed_request(route, s3, bucket, models):
    url = route()
    files, fits = models
    stop, wrong, counts = threading.Event(), [], []

    def ask():
        with requests.Session() as session:
            seen = 0
            while not stop.is_set():
                answer = session.get(f"{url}?{FIELDS}")
                if answer.status_code != 200 or answer.json()["fit"] not in fits:
                    wrong.append(answer.text)
                seen += 1
            counts.append(seen)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for turn in range(12):
            which = turn % 4
            s3.put_object(Bucket=bucket, Key="m.rds", Body=files[str(which + 1)])
            harness.eventually(lambda: requests.get(f"{url}?{FIELDS}").json()["fit"] == fits[which])
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert not wrong, wrong[:3]
    assert min(counts) > 0


def test_the_bootstrap_predicts_as_on_aws(awslambda, functions, iam, s3, bucket, models, package, local_names):  # noqa: F811
    s3.put_object(Bucket=bucket, Key="a/m.rds", Body=models[0]["1"])
    name = unique("role")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/a/m.rds"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=name, PolicyName="needs", PolicyDocument=json.dumps(document))
    variables = {
        "SQUALL_MODEL": f"s3://{bucket}/a/m.rds",
        "SQUALL_MODEL_OPTIONS": "threshold=0.5&decision=admitted",
    }
    url = Coordinator(functions, awslambda, package, variables=variables, Role=role).url
    fit = models[1][0]
    answer = requests.get(f"{url}?{FIELDS}")
    assert answer.json() == {"fit": fit, "admitted": fit > 0.5}
    assert answer.headers["x-squall-model-version"]
    answer = requests.post(url, data="gre,gpa,rank\n800,4,1\n", headers={"content-type": "text/csv"})
    assert answer.text.splitlines()[1].split(",")[0] == repr(fit)
    answer = requests.get(f"{url}?gre=800&gpa=4&rank=7")
    assert (answer.status_code, answer.json()["allowed"]) == (400, ["1", "2", "3", "4"])
    s3.put_object(Bucket=bucket, Key="a/m.rds", Body=models[0]["2"])
    harness.eventually(lambda: requests.get(f"{url}?{FIELDS}").json()["fit"] == models[1][1])
