"""Routes of HTTP APIs that lead to a map: tables in, tables out, and jobs."""

from urllib.parse import urljoin

import pandas
import pytest
import requests

import harness
from csv_service import TOTAL, csv_of, table_of
from http_apis import apis, gateway  # noqa: F401 (fixtures)


def table(ids=3) -> pandas.DataFrame:
    return pandas.DataFrame({"id": [f"i{at}" for at in range(ids) for _ in "ab"], "value": range(2 * ids)})


def sums(frame) -> dict:
    return frame.groupby("id")["value"].sum().to_dict()


def read(answer) -> dict:
    found = table_of(answer)
    return dict(zip(found["id"], found.iloc[:, -1]))


def test_a_map_behind_a_route(apis, functions):
    api = apis()
    api.map(functions.make(TOTAL), "ANY /totals", "ANY /totals/{proxy+}", chunksize="2")
    url, data = f"{api.by_path}/totals", table(20)
    answer = requests.put(url, data=csv_of(data), headers={"content-type": "text/csv"})
    assert read(answer) == sums(data)
    assert answer.headers["squall-items"] == "20"
    assert int(answer.headers["squall-invocations"]) >= 10, "the route's chunksize is taken"
    # A body whose length nobody knows is read as it comes.
    pieces = (piece for piece in [csv_of(data)[:50], csv_of(data)[50:]])
    assert read(requests.put(url, data=pieces)) == sums(data)
    wrong = requests.get(url)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "PUT, POST, OPTIONS")
    assert requests.put(f"{url}?chunksize=none", data=csv_of(data)).status_code == 400
    assert requests.get(f"{url}/elsewhere").status_code == 404
    stranger = requests.put(url, data=csv_of(data), headers={"origin": "https://evil.example"})
    assert stranger.status_code == 403


@pytest.mark.parametrize("stage", ["", "/prod"])
@pytest.mark.parametrize("root", ["", "/deep/totals"])
def test_jobs_of_a_map_are_below_its_route(local_names, apis, functions, stage, root):
    api = apis()
    api.map(functions.make(TOTAL), f"ANY {root or '/'}", f"ANY {root}/{{proxy+}}")
    if stage:
        api.client.create_stage(ApiId=api.id, StageName=stage[1:], AutoDeploy=True)
    data = table()
    for base in [api.by_path, api.endpoint]:
        url = base + stage + root
        accepted = requests.put(url, data=csv_of(data), headers={"prefer": "respond-async"})
        assert accepted.status_code == 202, accepted.text
        shown = accepted.json()
        assert shown["status"] == accepted.headers["location"]
        place = urljoin(url, accepted.headers["location"])
        assert place == f"{url}/jobs/{shown['job']}"

        def done():
            return requests.get(place).json()["state"] not in ("waiting", "running")

        harness.eventually(done, "the job ends")
        assert read(requests.get(urljoin(url, shown["result"]))) == sums(data)
        # By the other address it is the same job; of another API it is none.
        other = (api.by_path if base == api.endpoint else api.endpoint) + stage + root
        assert requests.get(f"{other}/jobs/{shown['job']}").status_code == 200
        assert requests.delete(place).ok
    stranger = apis()
    stranger.map(functions.make(TOTAL), f"ANY {root or '/'}", f"ANY {root}/{{proxy+}}")
    accepted = requests.put(api.by_path + stage + root, data=csv_of(data), headers={"prefer": "respond-async"})
    job = accepted.json()["job"]
    assert requests.get(f"{stranger.by_path}{root}/jobs/{job}").status_code == 404


def test_a_map_is_changed(gateway, apis, functions):
    first, second = functions.make(TOTAL), functions.make(TOTAL.replace("sum(", "-sum("))
    api = apis()
    integration = api.map(first, "POST /")
    got = gateway.get_integration(ApiId=api.id, IntegrationId=integration)
    assert (got["IntegrationSubtype"], got["RequestParameters"]) == ("Squall-Map", {"function": first})
    parameters = {"function": second, "chunksize": "1", "item": ""}
    got = gateway.update_integration(ApiId=api.id, IntegrationId=integration, RequestParameters=parameters)
    assert got["RequestParameters"] == {"function": second, "chunksize": "1"}
    data = table()
    answer = requests.post(api.by_path, data=csv_of(data))
    assert read(answer) == {name: -total for name, total in sums(data).items()}
