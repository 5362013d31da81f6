"""What belongs to others is left alone, however its names look; and what is found in the way is
not taken over.
"""

import json

import pytest

from deploy_cli import Folder, fetch, one_error
from harness import zip_of
from listings import difference, listing

HANDLER = "def lambda_handler(event, context):\n    return {'statusCode': 200, 'body': %r}\n"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def project(tmp_path, engine, name, stage, function, says) -> Folder:
    folder = Folder(tmp_path / f"{name}.{stage}.{function}", engine)
    toml = f"""
        [project]
        name = "{name}"
        stage = "{stage}"

        [functions.{function}]
        url = true

        [buckets.lake]

        [schedules.often]
        when = "rate(1 day)"
        function = "{function}"
        """
    return folder.write(**{"squall.toml": toml, "handler.py": HANDLER % says})


def url_of(folder, function) -> str:
    return folder.run("status", "--json", fails=0).json["urls"][function]


@pytest.mark.parametrize(
    "others",
    [
        # A prefix of names, of stages, of functions.
        ("shop-dev", "dev", "web"),
        ("shop", "dev2", "web"),
        ("shop", "dev-dev", "web"),
        ("shop2", "dev", "web"),
    ],
)
def test_a_project_with_a_name_like_ours_stays_whole(fresh_engine, tmp_path, others):
    before = listing(fresh_engine)
    theirs = project(tmp_path, fresh_engine, *others, "theirs")
    theirs.deploy()
    with_theirs = listing(fresh_engine)
    ours = project(tmp_path, fresh_engine, "shop", "dev", "web", "ours")
    ours.deploy()
    ours.write(**{"handler.py": HANDLER % "ours again"})
    ours.deploy()
    assert fetch("GET", url_of(theirs, others[2])).text == "theirs"
    assert fetch("GET", url_of(ours, "web")).text == "ours again"
    ours.undeploy()
    assert difference(with_theirs, listing(fresh_engine)) == {}
    assert fetch("GET", url_of(theirs, others[2])).text == "theirs"
    theirs.undeploy()
    assert difference(before, listing(fresh_engine)) == {}


def test_the_same_name_from_another_project_is_refused(fresh_engine, tmp_path):
    """`shop-dev-b-web` is a name that both make."""
    theirs = project(tmp_path, fresh_engine, "shop", "dev-b", "web", "theirs")
    theirs.deploy()
    there = listing(fresh_engine)
    ours = project(tmp_path, fresh_engine, "shop", "dev", "b-web", "ours")
    stderr = ours.refused("deploy", "-y")
    assert "shop-dev-b-web" in one_error(stderr)
    assert difference(there, listing(fresh_engine)) == {}
    # And what was refused is not ours to remove.
    ours.undeploy()
    assert difference(there, listing(fresh_engine)) == {}
    assert fetch("GET", url_of(theirs, "web")).text == "theirs"


@pytest.mark.parametrize("kind", ["function", "role", "bucket"])
def test_what_was_made_by_hand_is_not_taken_over(fresh_engine, tmp_path, kind):
    account = fresh_engine.client("sts").get_caller_identity()["Account"]
    if kind == "function":
        fresh_engine.client("lambda").create_function(
            FunctionName="shop-dev-web",
            Role=f"arn:aws:iam::{account}:role/any",
            Runtime="python3.11",
            Handler="app.handler",
            Code={"ZipFile": zip_of("def handler(event, context):\n    return 'by hand'\n")},
        )
    elif kind == "role":
        fresh_engine.client("iam").create_role(
            RoleName="shop-dev-web", AssumeRolePolicyDocument=json.dumps(TRUST), Description="by hand"
        )
    else:
        # An empty one without tags may be what an interrupted deployment left; this cannot.
        s3, bucket = fresh_engine.client("s3"), f"shop-dev-lake-{account}"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="precious", Body=b"data")
    there = listing(fresh_engine)
    ours = project(tmp_path, fresh_engine, "shop", "dev", "web", "ours")
    error = one_error(ours.refused("deploy", "-y"))
    assert "shop-dev-" in error, error
    assert difference(there, listing(fresh_engine)) == {}
    ours.undeploy()
    assert difference(there, listing(fresh_engine)) == {}


def test_undeploy_leaves_what_only_looks_like_ours(fresh_engine, tmp_path):
    account = fresh_engine.client("sts").get_caller_identity()["Account"]
    awslambda = fresh_engine.client("lambda")
    awslambda.create_function(
        FunctionName="shop-dev-by-hand",
        Role=f"arn:aws:iam::{account}:role/any",
        Runtime="python3.11",
        Handler="app.handler",
        Code={"ZipFile": zip_of("def handler(event, context):\n    return 'by hand'\n")},
    )
    awslambda.publish_layer_version(LayerName="shop-dev-layer", Content={"ZipFile": zip_of({"python/a.py": ""})})
    fresh_engine.client("iam").create_role(RoleName="shop-dev-hand", AssumeRolePolicyDocument=json.dumps(TRUST))
    fresh_engine.client("s3").create_bucket(Bucket="shop-dev-by-hand")
    fresh_engine.client("logs").create_log_group(logGroupName="/aws/lambda/shop-dev-by-hand")
    fresh_engine.client("scheduler").create_schedule_group(Name="shop-dev-hand")
    there = listing(fresh_engine)
    ours = project(tmp_path, fresh_engine, "shop", "dev", "web", "ours")
    ours.deploy()
    assert difference(there, listing(fresh_engine)) != {}
    ours.undeploy()
    assert difference(there, listing(fresh_engine)) == {}


def test_two_stages_side_by_side(fresh_engine, tmp_path):
    before = listing(fresh_engine)
    ours = project(tmp_path, fresh_engine, "shop", "dev", "web", "dev")
    with open(ours.path / "squall.toml", "a") as toml:
        toml.write("\n[stages.prod.functions.web]\nmemory = 1024\n")
    ours.deploy()
    ours.write(**{"handler.py": HANDLER % "prod"})
    ours.deploy("--stage", "prod")
    status = ours.run("status", "--stage", "prod", "--json", fails=0).json
    assert fetch("GET", url_of(ours, "web")).text == "dev"
    assert fetch("GET", status["urls"]["web"]).text == "prod"
    memory = {
        stage: fresh_engine.client("lambda").get_function_configuration(FunctionName=f"shop-{stage}-web")["MemorySize"]
        for stage in ("dev", "prod")
    }
    assert memory == {"dev": 512, "prod": 1024}
    ours.undeploy()
    assert fetch("GET", status["urls"]["web"]).text == "prod"
    ours.undeploy("--stage", "prod")
    assert difference(before, listing(fresh_engine)) == {}
