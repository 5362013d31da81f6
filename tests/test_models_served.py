"""A model in a bucket behind a route of the gateway: no function, no R."""

import json
import threading

import pytest
import requests

from harness import eventually
from http_apis import Api, apis, gateway  # noqa: F401
from models_of_r import good

ROWS = [(n * 7 % 11 > 4 + n % 4, 400 + 10 * (n * 13 % 40), 2 + n * 17 % 20 / 10, n % 4 + 1) for n in range(200)]
FORMULA = "admit ~ gre + gpa + factor(rank)"


def table(shift=0) -> str:
    return "admit,gre,gpa,rank\n" + "".join(
        f"{int(admit)},{gre + shift * int(admit)},{gpa},{rank}\n" for admit, gre, gpa, rank in ROWS
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models of the same fields, as files."""
    folder = tmp_path_factory.mktemp("models")
    for name, shift in (("first", 0), ("second", 100)):
        (folder / "data.csv").write_text(table(shift))
        good(
            "model", "fit", FORMULA, folder / "data.csv", "--family", "binomial",
            "-o", folder / f"{name}.json", "--rds", folder / f"{name}.rds",
        )  # fmt: skip
    return folder


def expected(models, name, rows) -> list[float]:
    (models / "new.csv").write_text("gre,gpa,rank\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return good("model", "predict", models / f"{name}.rds", models / "new.csv", "-o", "-").table()["fit"]


@pytest.fixture
def serve(apis, s3, bucket, models):  # noqa: F811
    """Puts a model into the bucket and makes a route of it; gives its address."""

    def make(model="first.rds", key="admission.rds", path="/admission", **options) -> str:
        s3.put_object(Bucket=bucket, Key=key, Body=(models / model).read_bytes())
        api = apis()
        integration = api.client.create_integration(
            ApiId=api.id,
            IntegrationType="AWS_PROXY",
            IntegrationSubtype="Squall-Model",
            PayloadFormatVersion="1.0",
            RequestParameters={"model": f"s3://{bucket}/{key}", **options},
        )["IntegrationId"]
        api.route(f"ANY {path}", integration)
        return api.by_path + path

    return make


ONE = {"gre": 800, "gpa": 4, "rank": "1"}
TEXTS = {"gre": "800", "gpa": "4", "rank": "1"}


@pytest.mark.parametrize("model", ["first.rds", "first.json"])
def test_a_row_in_the_query_or_as_json(serve, models, model):
    url = serve(model, coerce="true")
    (fit,) = expected(models, "first", [(800, 4, 1)])
    assert requests.get(url, params=TEXTS).json()["fit"] == fit
    assert requests.post(url, json=ONE).json()["fit"] == fit
    assert requests.post(url, json=TEXTS).json()["fit"] == fit


def test_many_rows_as_json_and_as_csv(serve, models):
    url = serve()
    rows = [(400 + n, 2 + n / 50, n % 4 + 1) for n in range(100)]
    fits = expected(models, "first", rows)
    sent = [{"gre": gre, "gpa": gpa, "rank": str(rank)} for gre, gpa, rank in rows]
    answer = requests.post(url, json=sent)
    assert [row["fit"] for row in answer.json()] == fits
    text = "gre,gpa,rank\n" + "".join(f"{gre},{gpa},{rank}\n" for gre, gpa, rank in rows)
    answer = requests.post(url, data=text, headers={"content-type": "text/csv"})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.split()
    assert lines[0].split(",")[-1] == "fit" and [float(line.split(",")[-1]) for line in lines[1:]] == fits


def test_a_threshold_decides(serve, models):
    url = serve(coerce="true", threshold="0.5")
    for rank in (1, 2, 3, 4):
        answer = requests.get(url, params={**TEXTS, "rank": rank}).json()
        (fit,) = expected(models, "first", [(800, 4, rank)])
        assert answer["fit"] == fit
        assert answer["decision"] is (fit > 0.5)


BAD = [
    ({"gre": 800, "gpa": 4}, ("rank",)),
    ({**ONE, "rank": "5"}, ("rank", "5", "1, 2, 3, 4")),
    ({**ONE, "gre": "many"}, ("gre", "many")),
    ({**ONE, "gpa": [1, 2]}, ("gpa",)),
    ([ONE, {**ONE, "rank": "9"}], ("rank", "9")),
    ("text", ()),
    (b"{", ()),
    (b"", ()),
]


@pytest.mark.parametrize(("sent", "words"), BAD)
def test_a_bad_request_says_what_is_wrong_as_the_story_does(serve, sent, words):
    url = serve()
    body = sent if isinstance(sent, bytes) else json.dumps(sent)
    answer = requests.post(url, data=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    said = answer.json()
    assert said["httpStatus"] == 400 and said["errorType"] and said["request_id"], said
    for word in words:
        assert word in said["message"], said


def test_strings_for_numbers_are_an_error_unless_asked_for(serve):
    strict, kind = serve(), serve(path="/kind", coerce="true")
    assert requests.post(strict, json={**ONE, "gre": "800"}).status_code == 400
    assert requests.post(kind, json={**ONE, "gre": "800"}).status_code == 200


def test_a_model_that_is_not_there_or_is_none(serve, s3, bucket):
    url = serve()
    s3.put_object(Bucket=bucket, Key="none.rds", Body=b"not a model")
    broken = serve("first.rds", key="broken.rds", path="/broken")
    s3.put_object(Bucket=bucket, Key="broken.rds", Body=b"not a model")
    s3.delete_object(Bucket=bucket, Key="admission.rds")
    # What was never loaded cannot serve.
    for address in (url, broken):
        answer = requests.post(address, json=ONE)
        assert answer.status_code in (404, 500, 502, 503), answer.text
        assert answer.json()["message"], answer.text


def test_a_new_object_is_served_without_a_failed_request(serve, models, s3, bucket):
    url = serve()
    (old,), (new,) = (expected(models, name, [(800, 4, 1)]) for name in ("first", "second"))
    assert old != new
    done, seen, failed = threading.Event(), set(), []

    def ask():
        with requests.Session() as session:
            while not done.is_set():
                answer = session.post(url, json=ONE)
                if answer.status_code != 200:
                    failed.append(answer.text)
                    return
                seen.add((answer.json()["fit"], answer.headers["x-squall-model-version"]))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        eventually(lambda: len(seen) == 1, "answers of the first model")
        s3.put_object(Bucket=bucket, Key="admission.rds", Body=(models / "second.rds").read_bytes())
        eventually(lambda: new in {fit for fit, _ in seen}, "answers of the second model")
        # What is no model does not take the place of one.
        s3.put_object(Bucket=bucket, Key="admission.rds", Body=b"broken")
        before = requests.post(url, json=ONE)
        assert before.status_code == 200 and before.json()["fit"] == new
        s3.put_object(Bucket=bucket, Key="admission.rds", Body=(models / "first.json").read_bytes())
        eventually(lambda: requests.post(url, json=ONE).json()["fit"] == old, "answers of the first model again")
    finally:
        done.set()
        for client in clients:
            client.join()
    assert not failed, failed[0]
    versions = {fit: {version for one, version in seen if one == fit} for fit in (old, new)}
    assert versions[old].isdisjoint(versions[new]) and len(versions[new]) == 1, versions
