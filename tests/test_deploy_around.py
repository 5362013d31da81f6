"""What a deployment makes around functions: buckets, triggers, schedules, the HTTP API. What
others have there stays as it is."""

import json

import pytest

import deploy_cli
import harness
from harness import eventually

TAGS = {"squall:project": "shop", "squall:stage": "dev"}
ACCOUNT = "000000000000"
CODE = """
    def handler(event, context):
        print("heard", event)
        return {"statusCode": 200, "body": event.get("rawPath", "")}
"""
PROJECT = """
    [project]
    name = "shop"
    [functions.order]
    handler = "order.handler"
"""


@pytest.fixture
def shop(engine, tmp_path):
    """A project with one function, and no trace of it afterwards."""
    folder = deploy_cli.Folder(tmp_path / "shop", engine)
    folder.write(order_py=CODE)
    yield folder
    folder.undeploy()


def having(folder, text):
    """The project with this beside its function."""
    folder.write(**{"squall.toml": PROJECT.rstrip() + "\n" + text})
    return folder.deploy("--json").json


def unchanged(folder):
    again = folder.deploy("--json").json
    assert (again["changed"], again["steps"]) == (False, []), again


def steps(done):
    return [(step["action"], step["kind"]) for step in done["steps"]]


# Buckets


NAMED = """
    [buckets.lake]
    name = "{name}"
    [[triggers]]
    bucket = "lake"
    prefix = "in/"
    function = "order"
"""


def test_a_bucket_of_others_is_used_and_left(shop, s3, bucket, functions):
    other = functions.make("def handler(event, context):\n    return 1\n")
    arn = functions.client.get_function(FunctionName=other)["Configuration"]["FunctionArn"]
    functions.client.add_permission(
        FunctionName=other, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    own = {"Id": "mine", "LambdaFunctionArn": arn, "Events": ["s3:ObjectRemoved:*"]}
    own["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a&b <c>/"}]}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"LambdaFunctionConfigurations": [own], "EventBridgeConfiguration": {}},
    )
    s3.put_object(Bucket=bucket, Key="theirs", Body=b"x")

    def told():
        answer = s3.get_bucket_notification_configuration(Bucket=bucket)
        assert "EventBridgeConfiguration" in answer
        return {it["Id"]: it for it in answer["LambdaFunctionConfigurations"]}

    before = told()
    made = having(shop, NAMED.format(name=bucket))
    assert ("create", "bucket") not in steps(made)
    unchanged(shop)
    assert len(told()) == 2 and told()["mine"] == before["mine"]
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=bucket)

    shop.write(**{"squall.toml": PROJECT + NAMED.format(name=bucket) + '    [buckets.lake.cors]\n'})
    shop.write(**{"squall.toml": PROJECT + f'[buckets.lake]\nname = "{bucket}"\ncors = ["*"]\n'})
    assert bucket in shop.refused("deploy", "-y")

    having(shop, NAMED.format(name=bucket))
    shop.undeploy()
    assert told() == before
    assert s3.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"x"


def test_a_bucket_goes_with_its_versions_markers_and_unfinished_uploads(shop, s3):
    having(shop, "    [buckets.lake]\n")
    name = f"shop-dev-lake-{ACCOUNT}"
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in ["a", "a", "b/é +&?#"]:
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    s3.delete_object(Bucket=name, Key="a")
    s3.create_multipart_upload(Bucket=name, Key="c d")
    shop.undeploy()
    assert name not in [it["Name"] for it in s3.list_buckets()["Buckets"]]


def test_what_is_kept_stays(shop, s3):
    having(shop, "    [buckets.lake]\n    keep = true\n")
    name = f"shop-dev-lake-{ACCOUNT}"
    try:
        shop.undeploy()
        assert name in [it["Name"] for it in s3.list_buckets()["Buckets"]]
        # The next deployment has it back.
        assert ("create", "bucket") not in steps(having(shop, "    [buckets.lake]\n    keep = true\n"))
    finally:
        # Kept no more, it goes at the end.
        having(shop, "    [buckets.lake]\n")


def test_a_site_is_public_while_the_project_says_so(shop, s3, engine):
    shop.write(**{"web/index.html": "<h1>hello</h1>", "web/404.html": "none"})
    site = '    [buckets.web]\n    folder = "web"\n    site = { index = "index.html", error = "404.html" }\n'
    made = having(shop, site)
    name = f"shop-dev-web-{ACCOUNT}"
    url = made["sites"][name]
    assert deploy_cli.fetch("GET", url).text == "<h1>hello</h1>"
    missing = deploy_cli.fetch("GET", url + "nowhere")
    assert (missing.status_code, missing.text) == (404, "none")
    # Statements of others stay in the policy.
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    theirs = {
        "Sid": "theirs",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{name}/secret/*",
    }
    policy["Statement"].append(theirs)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    unchanged(shop)
    having(shop, "    [buckets.web]\n")
    assert json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"] == [theirs]
    assert deploy_cli.fetch("GET", f"{engine.api}/{name}/index.html").status_code == 403
    unchanged(shop)


def test_nothing_outside_of_the_project_and_no_secret_gets_into_a_bucket(shop, s3, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "private").write_text("x")
    shop.write(**{"web/index.html": "1", "web/.env": "KEY=1", "web/.ssh/id_rsa": "x", "web/sub/a.pem": "x"})
    shop.write(**{"squall.toml": PROJECT + '    [buckets.web]\n    folder = "web"\n    site = true\n'})
    for link, target in [("folder", tmp_path / "outside"), ("file", tmp_path / "outside" / "private")]:
        (shop.path / "web" / link).symlink_to(target)
        said = shop.refused("deploy", "-y")
        assert "leads out of the project" in said and link in said
        assert f"shop-dev-web-{ACCOUNT}" not in [it["Name"] for it in s3.list_buckets()["Buckets"]]
        (shop.path / "web" / link).unlink()
    shop.deploy()
    (only,) = s3.list_objects_v2(Bucket=f"shop-dev-web-{ACCOUNT}")["Contents"]
    assert only["Key"] == "index.html"


def test_an_empty_bucket_with_a_name_like_ours_is_not_ours(shop, s3):
    name = f"shop-dev-incoming-{ACCOUNT}"
    s3.create_bucket(Bucket=name)
    try:
        having(shop, "    [buckets.lake]\n")
        shop.undeploy()
        assert name in [it["Name"] for it in s3.list_buckets()["Buckets"]]
    finally:
        s3.delete_bucket(Bucket=name)


# Schedules


def test_schedules_run_change_and_go(tmp_path):
    with harness.running_engine(["--clock", "manual"]) as engine:
        shop = deploy_cli.Folder(tmp_path / "shop", engine).write(order_py=CODE)
        scheduler, logs = engine.client("scheduler"), engine.client("logs")

        def heard(text):
            events = logs.filter_log_events(logGroupName="/aws/lambda/shop-dev-order")["events"]
            return any(text in event["message"] for event in events)

        nightly = '    [schedules.nightly]\n    when = "cron(0 3 * * ? *)"\n    function = "order"\n    input = {{ at = "{}" }}\n'
        having(shop, nightly.format("night") + '    timezone = "Europe/Berlin"\n')
        unchanged(shop)
        found = scheduler.get_schedule(GroupName="shop-dev", Name="nightly")
        assert found["ScheduleExpressionTimezone"] == "Europe/Berlin"
        assert found["Target"]["Arn"].endswith(":function:shop-dev-order:live")
        assert found["Target"]["RoleArn"].endswith(":role/squall/shop/dev/shop-dev--schedules")
        engine.advance(24 * 3600)
        eventually(lambda: heard("'at': 'night'"), "the schedule ran")

        changed = having(shop, nightly.format("dark") + "    enabled = false\n")
        assert steps(changed) == [("update", "schedule")]
        unchanged(shop)
        assert scheduler.get_schedule(GroupName="shop-dev", Name="nightly")["State"] == "DISABLED"

        having(shop, "")
        assert "shop-dev" not in [it["Name"] for it in scheduler.list_schedule_groups()["ScheduleGroups"]]


# The HTTP API


ROUTES = """
    [[routes]]
    path = "/a"
    methods = ["GET"]
    function = "order"
    [[routes]]
    path = "/b/{id}"
    function = "order"
    cors = ["http://page.example"]
"""


def test_routes_come_change_and_go(shop, engine):
    url = having(shop, ROUTES)["url"].rstrip("/")
    unchanged(shop)
    assert deploy_cli.fetch("GET", f"{url}/a").status_code == 200
    assert deploy_cli.fetch("POST", f"{url}/a").status_code == 405
    assert deploy_cli.fetch("DELETE", f"{url}/b/1").status_code == 200
    asked = {"Origin": "http://page.example", "Access-Control-Request-Method": "GET"}
    allowed = deploy_cli.fetch("OPTIONS", f"{url}/b/1", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "http://page.example"

    changed = having(shop, ROUTES.replace('"/a"', '"/c"').replace('    cors = ["http://page.example"]\n', ""))
    assert set(steps(changed)) == {("update", "routes")}
    assert changed["url"].rstrip("/") == url
    assert deploy_cli.fetch("GET", f"{url}/a").status_code == 404
    assert deploy_cli.fetch("GET", f"{url}/c").status_code == 200
    assert "access-control-allow-origin" not in deploy_cli.fetch("GET", f"{url}/c", headers=asked).headers
    unchanged(shop)

    gone = having(shop, "")
    assert ("remove", "api") in steps(gone) and gone["url"] is None
    assert engine.client("lambda").get_function(FunctionName="shop-dev-order")
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        engine.client("lambda").get_policy(FunctionName="shop-dev-order", Qualifier="live")


def test_an_api_that_was_made_twice_is_one_again(shop, engine):
    """A creation whose answer was lost is sent again."""
    api = engine.client("apigatewayv2")
    url = having(shop, ROUTES)["url"]
    twin = api.create_api(Name="shop-dev", ProtocolType="HTTP", Tags=TAGS)["ApiId"]
    assert steps(shop.deploy("--json").json) == [("remove", "api")]
    assert deploy_cli.fetch("GET", f"{url.rstrip('/')}/a").status_code == 200
    assert twin not in [it["ApiId"] for it in api.get_apis()["Items"]]
    # One of the same name without our tags is somebody else's.
    theirs = api.create_api(Name="shop-dev", ProtocolType="HTTP")["ApiId"]
    try:
        unchanged(shop)
        shop.undeploy()
        assert theirs in [it["ApiId"] for it in api.get_apis()["Items"]]
    finally:
        api.delete_api(ApiId=theirs)


def test_integrations_that_no_route_has_are_removed(shop, engine):
    api = engine.client("apigatewayv2")
    having(shop, ROUTES)
    (one,) = [it for it in api.get_apis()["Items"] if it.get("Tags") == TAGS]
    wanted = api.get_integrations(ApiId=one["ApiId"])["Items"]
    arn = wanted[0]["IntegrationUri"]
    api.create_integration(
        ApiId=one["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )
    assert steps(shop.deploy("--json").json) == [("update", "routes")]
    assert api.get_integrations(ApiId=one["ApiId"])["Items"] == wanted
    unchanged(shop)
