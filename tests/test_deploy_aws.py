"""`--to aws`, by the same command: against moto and MiniStack, whose AWS is not ours, and against
our own engine as if it were AWS, where the coordinator of the map is a function like any other.
"""

import json

import pytest
import requests

import harness
from clouds import MiniStack, Moto
from deploy_cli import Folder, fetch, fetch_by_invocation, fetch_until
from listings import difference, listing
from test_deploy import STORIES
from test_deploy_interrupted import HANDLER, PROJECT

TABLE = "id,time,value\n" + "".join(f"{n % 7},{n},{n * 0.5}\n" for n in range(70))


@pytest.fixture(scope="module", params=[Moto, MiniStack], ids=["moto", "ministack"])
def started(request):
    with request.param() as cloud:
        yield cloud


@pytest.fixture
def cloud(started):
    """As nobody has used it: what a test that failed left there is no other's."""
    for reset in ("/moto-api/reset", "/_ministack/reset"):
        requests.post(started.api + reset)
    yield started
    assert started.process.poll() is None, started.log()


@pytest.fixture
def folder(cloud, tmp_path):
    return Folder(tmp_path / "cut", cloud, to_aws=True)


def invoke(cloud, name, event=None):
    if not cloud.invokes:
        return None
    answer = cloud.client("lambda").invoke(
        FunctionName=name, Qualifier="live", Payload=json.dumps(event or {}).encode()
    )
    return harness.payload_of(answer)


def test_a_project_of_all_kinds_comes_and_goes(cloud, folder):
    before = listing(cloud)
    folder.write(**{"squall.toml": PROJECT, "handler.py": HANDLER})
    folder.deploy()
    there = difference(before, listing(cloud))
    made = {name for names in there.values() for name in names}
    assert all(name.startswith("+") for name in made)
    assert {"+cut-dev-hello", "+cut-dev-hello:live", "+cut-dev-hello:1"} <= made, made
    assert {"buckets", "functions", "log groups", "roles", "schedules"} <= there.keys()
    if cloud.invokes:
        assert invoke(cloud, "cut-dev-hello")["body"] == "one"
    # Again: nothing; another AWS words things differently, and none of it is a change.
    assert folder.deploy("--json").json["steps"] == []
    folder.edit("squall.toml", 'GREETING = "one"', 'GREETING = "two"')
    folder.deploy()
    if cloud.invokes:
        assert invoke(cloud, "cut-dev-hello")["body"] == "two"
    folder.run("rollback", fails=0)
    alias = cloud.client("lambda").get_alias(FunctionName="cut-dev-hello", Name="live")
    assert alias["FunctionVersion"] == "1"
    if cloud.invokes:
        assert invoke(cloud, "cut-dev-hello")["body"] == "one"
    folder.undeploy()
    assert difference(before, listing(cloud)) == {}


def test_code_alone(cloud, folder):
    before = listing(cloud)
    folder.write(**{"handler.py": "def lambda_handler(event, context):\n    return 'old'\n", "requirements.txt": "six\n"})
    folder.deploy()
    assert invoke(cloud, "cut-dev-handler") in ("old", None)
    folder.edit("handler.py", "old", "new")
    folder.update()
    assert invoke(cloud, "cut-dev-handler") in ("new", None)
    there = listing(cloud)
    assert len([name for name in there["layers"] if name.startswith("cut-dev")]) == 1
    folder.undeploy()
    assert difference(before, listing(cloud)) == {}


def test_what_leaves_the_project_leaves_the_cloud(cloud, folder):
    before = listing(cloud)
    folder.write(**{"squall.toml": PROJECT, "handler.py": HANDLER})
    folder.deploy()
    small = '[project]\nname = "cut"\n[functions.sink]\nhandler = "handler.sink"\n'
    folder.write(**{"squall.toml": small})
    folder.deploy()
    names = {name for names in difference(before, listing(cloud)).values() for name in names}
    assert not [name for name in names if "hello" in name or "nightly" in name], names
    folder.undeploy()
    assert difference(before, listing(cloud)) == {}


def test_secrets_are_set_listed_and_removed_and_wanted_before_anything_is_made(cloud, folder):
    before = listing(cloud)
    settings = '[project]\nname = "cut"\n[functions.sink]\nhandler = "handler.sink"\nsecrets = ["TOKEN"]\n'
    folder.write(**{"squall.toml": settings, "handler.py": HANDLER})
    assert "TOKEN" in folder.refused("deploy", "-y")
    assert difference(before, listing(cloud)) == {}
    for version in (1, 2):
        done = folder.run("secrets", "set", "TOKEN", "--json", stdin="s3cret", fails=0)
        assert done.json["version"] == version
    listed = folder.run("secrets", "--json", fails=0)
    assert [one["name"] for one in listed.json["secrets"]] == ["TOKEN"] and "s3cret" not in listed.said
    found = cloud.client("ssm").get_parameter(Name="/squall/cut/dev/TOKEN", WithDecryption=True)
    assert (found["Parameter"]["Value"], found["Parameter"]["Type"]) == ("s3cret", "SecureString")
    folder.deploy()
    folder.undeploy()
    assert difference(before, listing(cloud)) == {}
    assert folder.run("secrets", "--json", fails=0).json["secrets"] == []


@pytest.mark.parametrize("template", STORIES)
def test_a_template_from_init_to_undeploy(cloud, tmp_path, template):
    """As on the engine. moto has no invocations: there it is what is made that counts."""
    before = listing(cloud)
    folder = Folder(tmp_path / "mine", cloud, to_aws=True)
    story = STORIES[template](folder)
    if template in BY_INVOCATION:
        name = BY_INVOCATION[template]
        story.fetch = lambda *request, **more: fetch_by_invocation(cloud, name, *request, **more)
    folder.run("init", "--template", template, "--name", "mine", "--yes", fails=0)
    assert folder.deploy("--json").json["release"] == 1
    works = story.works if cloud.invokes else lambda: None
    is_changed = story.is_changed if cloud.invokes else lambda: None
    works()
    assert not is_changed()
    assert folder.deploy("--json").json["steps"] == []
    story.change()
    assert folder.update("--json").json["release"] == 2
    assert is_changed() in (True, None)
    folder.run("rollback", fails=0)
    assert not is_changed()
    assert story.status()["release"] == 1
    folder.undeploy()
    assert difference(before, listing(cloud)) == {}


#: With function URLs, whose names are under AWS's domain; HTTP APIs can be reached.
BY_INVOCATION = {"handler": "mine-dev-trend", "web-app": "mine-dev-web"}


# Our engine in the place of AWS


@pytest.fixture
def as_aws(fresh_engine, tmp_path):
    return Folder(tmp_path / "table", fresh_engine, to_aws=True)


def test_a_map_route_is_the_coordinators(as_aws):
    engine = as_aws.cloud
    before = listing(engine)
    as_aws.run("init", "--template", "csv-features", "--name", "table", "--yes", fails=0)
    as_aws.deploy()
    functions = listing(engine)["functions"]
    assert len([name for name in functions if ":" not in name]) == 2, "the function and its coordinator"
    url = as_aws.run("status", "--json", fails=0).json["url"]
    answer = fetch_until("PUT", url, lambda answer: answer.status_code == 200, data=TABLE)
    rows = answer.text.strip().splitlines()
    assert rows[0].startswith("id,") and [row.split(",")[0] for row in rows[1:]] == list("0123456")
    # The same table, in one place: the same answer.
    alone = fetch("PUT", url, params={"invoke_lambda": "False"}, data=TABLE)
    assert alone.text == answer.text
    assert fetch("GET", url).status_code == 405
    assert as_aws.deploy("--json").json["steps"] == []
    as_aws.undeploy()
    assert difference(before, listing(engine)) == {}


def test_all_kinds_on_the_engine_as_aws(as_aws):
    engine = as_aws.cloud
    before = listing(engine)
    as_aws.write(**{"squall.toml": PROJECT, "handler.py": HANDLER})
    as_aws.deploy()
    status = as_aws.run("status", "--json", fails=0).json
    assert fetch("GET", status["urls"]["hello"]).text == "one"
    as_aws.undeploy()
    assert difference(before, listing(engine)) == {}
