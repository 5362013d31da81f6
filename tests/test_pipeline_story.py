"""Story 4, by the example's own files: raw data lands, is cleaned, the model is fitted
again, and the next prediction differs; and once a night without anyone's doing."""

import json
import sys

import pytest

import harness
from harness import eventually
from layers import BOTO3, layer_zip
from test_schedules import Schedules

EXAMPLE = harness.ROOT / "examples" / "pipeline"
DAY = 86_400


@pytest.fixture(scope="module")
def story():
    with harness.running_engine(["--clock", "manual"]) as engine:
        yield Story(engine)


class Story(Schedules):
    def __init__(self, engine):
        super().__init__(engine)
        sys.path.insert(0, str(EXAMPLE))
        try:
            from deploy import Pipeline
        finally:
            sys.path.remove(str(EXAMPLE))
        self.s3, self.bucket = engine.client("s3"), "measurements"
        made = Pipeline(self.bucket, [self.layer(*BOTO3), self.layer("numpy")], engine.client).make()
        assert made == ["pipeline-clean", "pipeline-refit", "pipeline-predict"]

    def layer(self, *distributions) -> str:
        return self.client.publish_layer_version(
            LayerName="-".join(distributions)[:60], Content={"ZipFile": layer_zip(*distributions)}
        )["LayerVersionArn"]

    def predict(self, event) -> dict:
        answer = self.functions.call("pipeline-predict", event)
        return {"status": answer["statusCode"], **json.loads(answer["body"])}

    def land(self, name, *rows):
        self.s3.put_object(Bucket=self.bucket, Key=f"raw/{name}", Body="x,y\n" + "".join(f"{row}\n" for row in rows))

    def model_of(self, rows) -> dict:
        """The model that was fitted to as many rows."""

        def model():
            try:
                found = json.loads(self.s3.get_object(Bucket=self.bucket, Key="model.json")["Body"].read())
            except self.s3.exceptions.NoSuchKey:
                return None
            return found if found["rows"] == rows else None

        return eventually(model, lambda: f"a model of {rows} rows:\n{self.engine.log()[-2000:]}", every=0.05)


def test_from_raw_data_to_another_answer(story):
    assert story.predict({"x": 10})["status"] == 503
    story.land("day 1+2.csv", "1,2", "2,4", "3,oops", ",", "4,8", "5,nan")
    assert story.model_of(3)["slope"] == pytest.approx(2)
    clean = story.s3.get_object(Bucket=story.bucket, Key="clean/day 1+2.csv")["Body"].read()
    assert clean == b"x,y\n1.0,2.0\n2.0,4.0\n4.0,8.0\n"
    first = story.predict({"x": 10})
    assert (first["status"], first["y"]) == (200, pytest.approx(20))
    # New data: y = 2x + 6 for the other half, so the line moves up.
    story.land("day3.csv", "1,8", "2,10", "4,14")
    assert story.model_of(6)["intercept"] == pytest.approx(3)
    second = story.predict({"x": 10})
    assert (second["status"], second["y"]) == (200, pytest.approx(23))
    assert story.predict({})["status"] == 400
    # What is not raw data changes nothing.
    story.land("notes.txt", "100,0")
    story.drained()
    assert story.predict({"x": 10}) == second


def test_the_same_every_night(story):
    # Clean data that came while nobody was told.
    story.s3.put_bucket_notification_configuration(Bucket=story.bucket, NotificationConfiguration={})
    story.s3.put_object(Bucket=story.bucket, Key="clean/late.csv", Body=b"x,y\n" + b"10.0,0.0\n" * 10)
    before = story.predict({"x": 10})
    story.engine.advance(DAY)
    rows = story.model_of(before["rows"] + 10)["rows"]
    after = story.predict({"x": 10})
    assert after["rows"] == rows and after["y"] < before["y"]


def test_each_function_may_only_what_it_needs(story):
    policy = story.engine.client("iam").get_role_policy(RoleName="pipeline-clean", PolicyName="needs")["PolicyDocument"]
    document = policy if isinstance(policy, dict) else json.loads(policy)
    document["Statement"] = [s for s in document["Statement"] if s["Action"] != "s3:PutObject"]
    story.engine.client("iam").put_role_policy(
        RoleName="pipeline-clean", PolicyName="needs", PolicyDocument=json.dumps(document)
    )
    story.s3.put_object(Bucket=story.bucket, Key="raw/x.csv", Body=b"x,y\n1,1\n")
    record = {"s3": {"bucket": {"name": story.bucket}, "object": {"key": "raw/x.csv"}}}
    error = story.functions.fail("pipeline-clean", {"Records": [record]})
    assert "AccessDenied" in error["errorMessage"] and "s3:PutObject" in error["errorMessage"]
