"""Jobs of maps belong to the keys that made them, and what they use is counted to these keys."""

import json
import re
from urllib.parse import urljoin

import pandas
import pytest
import requests

import harness
from csv_service import TOTAL, csv_of
from harness import eventually, unique
from http_apis import apis, gateway  # noqa: F401 (fixtures)
from test_csv_service_jobs import COUNTED, Counter

ASYNC = {"prefer": "respond-async"}


@pytest.fixture(scope="module")
def keys(engine):
    return engine.client("apigateway")


@pytest.fixture
def counter():
    counter = Counter()
    yield counter
    counter.close()


def closed_map(client, api, function, path="/totals", **options):
    """Routes to a map, and to its jobs, that ask for a key."""
    integration = client.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype="Squall-Map",
        PayloadFormatVersion="1.0",
        RequestParameters={"function": function, **options},
    )["IntegrationId"]
    for key in [f"ANY {path}", f"ANY {path}/{{proxy+}}"]:
        client.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}", ApiKeyRequired=True)


def squall(engine, *words):
    done = engine.cli(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def new_key(engine) -> tuple:
    made = squall(engine, "keys", "create", "--name", unique("key"))
    return made["id"], made["name"], {"x-api-key": made["key"]}


def used(engine, key):
    lines = squall(engine, "usage", "--key", key)["usage"]
    return lines[0] if lines else None


def table(ids=3) -> pandas.DataFrame:
    return pandas.DataFrame({"id": [f"i{at}" for at in range(ids) for _ in "ab"], "value": range(2 * ids)})


def accepted(url, data, key) -> str:
    answer = requests.put(url, data=data, headers={**ASYNC, **key})
    assert answer.status_code == 202, answer.text
    return urljoin(url, answer.headers["location"])


def ended(job, key):
    def state():
        shown = requests.get(job, headers=key)
        assert shown.status_code == 200, shown.text
        return shown.json() if shown.json()["state"] not in ("waiting", "running") else None

    return eventually(state, "the job ends")


def test_a_job_is_there_for_its_key_alone(engine, apis, gateway, functions):
    api = apis()
    closed_map(gateway, api.id, functions.make(TOTAL))
    (_, name, key), (_, _, other) = new_key(engine), new_key(engine)
    url = f"{api.by_path}/totals"
    job = accepted(url, csv_of(table()), key)
    # Nobody comes by one by trying.
    assert re.fullmatch(r"j-[0-9a-hjkmnp-tv-z]{26}", job.rsplit("/", 1)[1])
    assert ended(job, key)["state"] == "complete"
    never = f"{url}/jobs/j-{'0' * 26}"
    for path in ["", "/result", "/failures"]:
        assert requests.get(job + path, headers=key).status_code == 200
        refused = requests.get(job + path, headers=other)
        assert (refused.status_code, refused.json()["errorType"]) == (404, "JobNotFound")
        assert requests.get(job + path).status_code == 403
        # To somebody else it looks as if it had never been.
        missing = requests.get(never + path, headers=other)
        shown = refused.text.replace(job.rsplit("/", 1)[1], "j-" + "0" * 26)
        assert _without_ids(shown) == _without_ids(missing.text)
    assert requests.delete(job, headers=other).status_code == 404
    assert requests.get(job, headers=key).status_code == 200, "it was not removed"

    # A key that takes its place is the same caller; so is the one after.
    for _ in range(2):
        rotated = squall(engine, "keys", "rotate", name, "--overlap", "0")
        key = {"x-api-key": rotated["key"]}
        assert requests.get(job + "/result", headers=key).status_code == 200
    assert requests.get(job, headers=other).status_code == 404
    assert requests.delete(job, headers=key).status_code == 204
    assert requests.get(job, headers=key).status_code == 410


def _without_ids(text):
    return {name: value for name, value in json.loads(text).items() if "id" not in name.lower()}


def test_a_job_that_is_under_way_is_not_for_others_to_cancel(engine, apis, gateway, functions, counter):
    api = apis()
    closed_map(gateway, api.id, functions.make(COUNTED), chunksize="1")
    (_, _, key), (_, _, other) = new_key(engine), new_key(engine)
    counter.free.clear()
    job = accepted(f"{api.by_path}/totals", csv_of(counter.table(3)), key)
    eventually(lambda: counter.seen, "the first item")
    assert requests.delete(job, headers=other).status_code == 404
    counter.free.set()
    assert ended(job, key)["state"] == "complete"


def test_a_job_of_an_open_route_is_for_who_knows_it(engine, apis, gateway, functions):
    api = apis()
    api.map(functions.make(TOTAL), "ANY /open", "ANY /open/{proxy+}")
    job = accepted(f"{api.by_path}/open", csv_of(table()), {})
    assert ended(job, {})["state"] == "complete"
    assert requests.get(job + "/result", headers=new_key(engine)[2]).status_code == 200


def test_what_a_job_uses_is_counted_to_its_key(engine, apis, gateway, functions):
    api = apis()
    # Code that nobody else has: what is known of an item already is not worked on again.
    closed_map(gateway, api.id, functions.make(f"{TOTAL}# {unique('only')}"), chunksize="1")
    (_, name, key), (_, other, _) = new_key(engine), new_key(engine)
    data = csv_of(table(5))
    job = accepted(f"{api.by_path}/totals", data, key)
    first = used(engine, name)
    assert (first["requests"], first["bytes_in"]) == (1, len(data))
    assert ended(job, key)["state"] == "complete"

    def counted():
        seen = used(engine, name)
        return seen if seen["invocations"] == 5 else None

    seen = eventually(counted, lambda: f"five invocations: {used(engine, name)}")
    assert seen["rows"] == 10
    assert seen["gb_seconds"] > 0 and seen["usd"] > 0
    assert used(engine, other) is None


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_job_is_counted_once_whatever_happens_to_the_engine(tmp_path, counter, end):
    engine = harness.Engine(tmp_path / "data", environment={"SQUALL_SHUTDOWN_SECONDS": "1"})
    engine.start()
    try:
        function = "counted"
        engine.client("lambda").create_function(
            FunctionName=function,
            Role=harness.ROLE,
            Runtime="python3.11",
            Handler="app.handler",
            Timeout=60,
            Code={"ZipFile": harness.zip_of(COUNTED)},
        )
        client = engine.client("apigatewayv2")
        api = client.create_api(Name=unique("api"), ProtocolType="HTTP")["ApiId"]
        client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        closed_map(client, api, function, chunksize="1")
        (_, name, key) = new_key(engine)
        items = 60
        counter.let_through = 30
        counter.free.clear()
        path = f"/execute-api/{api}/totals"
        job = accepted(engine.gateway + path, csv_of(counter.table(items)), key)

        def under_way():
            progress = requests.get(job, headers=key).json()["progress"] or {}
            return progress.get("done", 0) >= 20 and sum(counter.seen.values()) > counter.let_through

        eventually(under_way, "some items are done, and one hangs")
        before = used(engine, name)
        assert before["invocations"] >= 20 and before["rows"] == 2 * items
        getattr(engine, end)()
        counter.free.set()
        engine.start()
        job = engine.gateway + job[job.index("/execute-api") :]
        assert ended(job, key)["items"] == items
        seen = eventually(lambda: _counted(engine, name, items), lambda: used(engine, name))
        # The data was read again, and counts once. What was done and not yet written down
        # was done again, and work that is done counts; nothing else does.
        assert seen["rows"] == 2 * items
        ran = sum(counter.seen.values())
        assert items <= seen["invocations"] <= ran
    finally:
        engine.kill()


def _counted(engine, name, items):
    seen = used(engine, name)
    return seen if seen["invocations"] >= items else None


def test_a_body_that_says_no_length_is_counted_as_it_comes(engine, apis, gateway, functions):
    api = apis()
    closed_map(gateway, api.id, functions.make(TOTAL))
    data = csv_of(table(20))

    def pieces():
        yield data[:50]
        yield data[50:]

    (_, name, key) = new_key(engine)
    url = f"{api.by_path}/totals"
    assert requests.put(url, data=pieces(), headers=key).status_code == 200
    assert used(engine, name)["bytes_in"] == len(data)
    job = accepted(url, pieces(), key)
    assert used(engine, name)["bytes_in"] == 2 * len(data)
    ended(job, key)
    # One that is refused counts as far as it was read: not at all, or not more than there was.
    before = used(engine, name)["bytes_in"]
    assert requests.put(f"{url}?chunksize=none", data=pieces(), headers=key).status_code == 400
    assert used(engine, name)["bytes_in"] == before
