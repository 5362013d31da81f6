"""Story 1: a CSV goes to a route, a function gets its series, the features come back."""

import gzip
import io
import json
import subprocess
import sys

import pandas
import pyarrow
import pytest
import requests
from pandas.testing import assert_frame_equal, assert_series_equal

import harness
from csv_service import TOTAL, csv_of, error_of, routes_of, table_of

EXAMPLE = harness.ROOT / "examples" / "csv-features"


@pytest.fixture(scope="module")
def routes(engine):
    with routes_of(engine) as routes:
        yield routes


@pytest.fixture(scope="module")
def total(module_functions, routes) -> str:
    """The route of a function that adds a list up."""
    return routes.add(module_functions.make(TOTAL))


@pytest.fixture(scope="module")
def story(engine, awslambda, publish_layer):
    """The example as its page says: its functions, each behind a route, and its client."""
    layers = [publish_layer("numpy"), publish_layer("pandas", "python-dateutil", "six")]
    sys.path.insert(0, str(EXAMPLE))
    try:
        import client
        import deploy
    finally:
        sys.path.remove(str(EXAMPLE))
        # Other examples have a deploy.py too.
        del sys.modules["deploy"]
    assert deploy.deploy(layers, engine.client) == ["features", "total"]
    for name in ("total", "features"):
        made = engine.cli("routes", "add", f"/story/{name}", "--map", name)
        assert made.returncode == 0, made.stderr
        setattr(client, name, made.stdout.strip())
    yield client
    for name in ("total", "features"):
        assert engine.cli("routes", "rm", f"/story/{name}").returncode == 0
        awslambda.delete_function(FunctionName=name)


def test_whatever_is_asked_the_result_is_that_of_pandas(story):
    table = story.series(230, 17)
    # Not `.sum()` of the groups, which adds in another way than that of a series.
    expected = table.groupby("id")["value"].apply(lambda values: values.sum())
    bodies = set()
    for chunksize in (1, 5, 10, 1000, "auto"):
        for compression in (True, False):
            for spread in (True, False):
                options = {"chunksize": chunksize, "compression": compression, "invoke_lambda": spread}
                answer = requests.put(story.total, params=options, data=csv_of(table))
                assert answer.status_code == 200, answer.text
                bodies.add(answer.content)
                invocations = int(answer.headers["squall-invocations"])
                if isinstance(chunksize, int):
                    assert invocations >= -(-230 // chunksize)
    # To the last bit, and all the same.
    assert bodies == {expected.to_csv().encode()}
    assert_series_equal(story.extract(story.total, table)["value"], expected)


def test_a_function_of_several_results_makes_columns(story):
    table = story.series(40, 25)
    features = story.extract(story.features, table, chunksize=5)
    values = table.groupby("id")["value"]
    assert list(features.columns) == ["count", "mean", "std", "abs_energy", "mean_abs_change"]
    assert_series_equal(features["std"], values.std(), check_names=False)
    energy = (table["value"] ** 2).groupby(table["id"]).sum()
    assert_series_equal(features["abs_energy"], energy, check_names=False)
    assert features["count"].tolist() == [25] * 40


def test_the_client_runs_as_it_stands(story):
    ran = subprocess.run(
        [sys.executable, EXAMPLE / "client.py", story.total, "50", "20"],
        capture_output=True,
        text=True,
        timeout=harness.DEADLINE,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("equal to pandas\n") and ran.stdout.count("invoke_lambda=True") == 4


@pytest.mark.parametrize("end", ["", "/", "/other.csv"])
def test_curl_sends_a_file_with_or_without_its_name(total, tmp_path, end):
    data = tmp_path / "data.csv"
    data.write_text("id,value\n1,2\n1,3\n")
    ran = subprocess.run(["curl", "-sS", "-T", data, total + end], capture_output=True, text=True, timeout=harness.DEADLINE)
    assert (ran.stdout, ran.stderr) == ("id,value\n1,5\n", "")
    # Deeper, there is nothing.
    ran = subprocess.run(["curl", "-sS", "-T", data, f"{total}/a/b"], capture_output=True, text=True, timeout=harness.DEADLINE)
    assert json.loads(ran.stdout)["httpStatus"] == 404


@pytest.mark.parametrize("kind", ["parquet", "arrow", "ndjson", "gzip", "index", "post", "bom"])
def test_a_table_may_come_in_many_forms(total, kind):
    table = pandas.DataFrame({"id": [3, 1, 3, 2, 1], "time": range(5), "value": [1.5, 2.0, 3.0, -1.0, 0.25]})
    headers, method, body = {}, "PUT", csv_of(table)
    if kind == "parquet":
        headers["content-type"] = "application/vnd.apache.parquet"
        body = table.to_parquet()
    elif kind == "arrow":
        headers["content-type"] = "application/vnd.apache.arrow.stream"
        sink = io.BytesIO()
        arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
        with pyarrow.ipc.new_stream(sink, arrow.schema) as writer:
            writer.write_table(arrow)
        body = sink.getvalue()
    elif kind == "ndjson":
        headers["content-type"] = "application/x-ndjson"
        body = table.to_json(orient="records", lines=True).encode()
    elif kind == "gzip":
        headers["content-encoding"] = "gzip"
        body = gzip.compress(body)
    elif kind == "index":
        body = table.to_csv().encode()
    elif kind == "post":
        method = "POST"
    elif kind == "bom":
        body = b"\xef\xbb\xbf" + body.replace(b"\n", b"\r\n")
    answer = requests.request(method, total, data=body, headers=headers)
    assert answer.text == "id,value\n1,2.25\n2,-1.0\n3,4.5\n"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert (answer.headers["squall-items"], answer.headers["squall-failed"]) == ("3", "0")


def test_the_answer_has_the_form_that_is_asked_for(total):
    table = pandas.DataFrame({"id": ["b", "a", "b"], "value": [1.5, 2.0, 3.0]})
    expected = pandas.DataFrame({"id": ["a", "b"], "value": [2.0, 4.5]})

    def ask(accept):
        answer = requests.put(total, data=csv_of(table), headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(accept.split(",")[0].split(";")[0])
        return answer

    assert_frame_equal(pandas.read_csv(io.BytesIO(ask("text/csv").content)), expected)
    json = ask("application/json")
    assert json.json() == [{"id": "a", "value": 2.0}, {"id": "b", "value": 4.5}]
    assert_frame_equal(pandas.read_json(io.BytesIO(json.content)), expected)
    lines = ask("application/x-ndjson;q=0.9, text/csv;q=0.1").content
    assert_frame_equal(pandas.read_json(io.BytesIO(lines), lines=True), expected)
    parquet = ask("application/vnd.apache.parquet").content
    assert_frame_equal(pandas.read_parquet(io.BytesIO(parquet)), expected, check_dtype=False)
    arrow = ask("application/vnd.apache.arrow.file").content
    read = pyarrow.ipc.open_file(io.BytesIO(arrow)).read_all().to_pandas()
    assert_frame_equal(read, expected, check_dtype=False)

    refused = requests.put(total, data=csv_of(table), headers={"accept": "text/html"})
    assert "application/json" in error_of(refused, 406, "NotAcceptable")["message"]


def test_a_large_answer_comes_in_pieces(module_functions, routes):
    url = routes.add(module_functions.make("def handler(values: list):\n    return 'x' * 2000\n"))
    table = pandas.DataFrame({"id": range(1000), "value": 1.0})
    answer = requests.put(url, data=csv_of(table))
    assert answer.headers.get("transfer-encoding") == "chunked"
    assert table_of(answer)["value"].str.len().tolist() == [2000] * 1000


def test_columns_are_named_by_the_query_or_by_the_route(module_functions, routes):
    name = module_functions.make(TOTAL)
    body = b"user,x,y\nann,1,10\nbob,2,20\nann,3,30\n"
    url = routes.add(name, id_column="user", value_column="x")
    assert requests.put(url, data=body).text == "user,x\nann,4\nbob,2\n"
    assert requests.put(url, params={"value_column": "y"}, data=body).text == "user,y\nann,40\nbob,20\n"


def test_ids_are_pandas_ids(total):
    body = 'id,value\n"b,1",1\n"a\n2",2\n,5\n"b,1",4\n'
    answer = requests.put(total, data=body.encode())
    # A row without an id belongs to no item.
    assert answer.text == 'id,value\n"a\n2",2\n"b,1",5\n'
    numbers = requests.put(total, data=b"id,value\n10,1\n9,1\n10.0,1\n")
    assert numbers.text == "id,value\n9.0,1\n10.0,2\n"


def test_a_kind_of_item_can_be_named(module_functions, routes):
    url = routes.add(module_functions.make("def handler(item):\n    return str(item)\n"), item="dict")
    answer = requests.put(url, data=b"id,value\n1,2\n1,3\n")
    assert table_of(answer)["value"].tolist() == ["{'id': 1, 'values': [2, 3], 'name': 'value'}"]
    lines = b'{"a": 1}\n[2]\n"x"\n'
    answer = requests.put(url, params={"item": "json"}, data=lines, headers={"content-type": "application/x-ndjson"})
    assert table_of(answer)["value"].tolist() == ["{'a': 1}", "[2]", "x"]


# What cannot be done is said so that it can be mended


def test_other_methods_are_told_which_there_are(total):
    for method in ("GET", "DELETE", "PATCH"):
        answer = requests.request(method, total)
        error_of(answer, 405, "MethodNotAllowed")
        assert answer.headers["allow"] == "PUT, POST, OPTIONS"
    head = requests.head(total)
    assert (head.status_code, head.headers["allow"], head.content) == (405, "PUT, POST, OPTIONS", b"")
    options = requests.options(total)
    assert (options.status_code, options.headers["allow"]) == (204, "PUT, POST, OPTIONS")
    error_of(requests.post(total + "/below"), 404, "NotFound")
    error_of(requests.put(total + "/far/below"), 404, "NotFound")


def test_options_that_make_no_sense(total):
    body = b"id,value\n1,2\n"
    for options, option, may_be in [
        ({"chunksize": 0}, "chunksize", "from 1 on"),
        ({"compression": "yep"}, "compression", "True or False"),
        ({"on_error": "ignore"}, "on_error", "collect"),
        ({"item": "tuple"}, "item", "series"),
        ({"retries": -1}, "retries", "0 to 100"),
    ]:
        error = error_of(requests.put(total, params=options, data=body), 400, "InvalidOption")
        assert error["option"] == option and may_be in error["may_be"], error
    error = error_of(requests.put(total, params={"chunk_size": 5}, data=body), 400, "InvalidOption")
    assert error["option"] == "chunk_size" and "chunksize" in error["options"]


def test_data_that_is_wrong_is_named_with_its_place(total):
    for body, row, column, word in [
        (b"id,value\n1,2\n1,x\n", 2, "value", "'x'"),
        (b"id,value\n1,2\n1,2,3\n", 2, None, "fields"),
        (b'id,value\n1,"2\n', None, None, "quote"),
        (b"id,value\n\xff,2\n", 1, "id", "UTF-8"),
    ]:
        error = error_of(requests.put(total, data=body), 400, "InvalidData")
        assert error.get("column") == column, error
        assert row is None or error["row"] == row, error
        assert word.strip("'") in error["message"], error
    error_of(requests.put(total, data=b""), 400, "EmptyBody")
    missing = error_of(requests.put(total, data=b"user,x\n1,2\n"), 422, "MissingColumn")
    assert missing["missing"] == ["id", "value"]
    assert missing["columns"] == ["user", "x"]
    broken = requests.put(total, data=b"PAR1 and no more PAR1", headers={"content-type": "application/vnd.apache.parquet"})
    error_of(broken, 400, "InvalidData")
    unpacked = requests.put(total, data=gzip.compress(b"id,value\n1,2\n" * 1000)[:-20], headers={"content-encoding": "gzip"})
    assert unpacked.status_code == 400, unpacked.text


def test_a_small_body_that_unpacks_to_hours_of_work_ends_in_time(total):
    """Rows without an id take no memory, so that only time ends them."""
    header = pyarrow.compress(b"id,value\n", codec="zstd", asbytes=True)
    rows = pyarrow.compress(b",1\n" * (1 << 22), codec="zstd", asbytes=True)
    answer = requests.put(total, params={"max_time": 1}, data=header + rows * 4000, timeout=harness.DEADLINE)
    error_of(answer, 504, "OutOfTime")


def test_a_body_of_nothing_but_names_is_not_sent_back(total):
    for body in (b"x" * (1 << 20), b",".join(b"c%d" % place for place in range(100_000))):
        answer = requests.put(total, data=body)
        error_of(answer, 422, "MissingColumn")
        assert len(answer.content) < 20_000


def test_bodies_that_nobody_reads(total):
    body = b"id,value\n1,2\n"
    error = error_of(requests.put(total, data=body, headers={"content-type": "image/png"}), 415, "UnsupportedMediaType")
    assert "text/csv" in error["message"]
    error_of(requests.put(total, data=body, headers={"content-encoding": "br"}), 415, "UnsupportedEncoding")
    error_of(requests.put(total, files={"file": body}), 415, "UnsupportedMediaType")


def test_a_header_alone_is_an_empty_table(total):
    answer = requests.put(total, data=b"id,value\n")
    assert (answer.status_code, answer.text) == (200, "id,value\n")


def test_functions_that_cannot_run(awslambda, module_functions, functions, routes):
    body = b"id,value\n1,2\n"
    broken = routes.add(module_functions.make("import nowhere\n\ndef handler(values):\n    return 1\n"))
    error = error_of(requests.put(broken, data=body), 502, "Runtime.ImportModuleError")
    assert "No module named 'nowhere'" in error["message"]

    name = functions.make(TOTAL)
    gone = routes.add(name)
    assert requests.put(gone, data=body).status_code == 200
    awslambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    throttled = requests.put(gone, data=body)
    error_of(throttled, 429, "Throttled")
    assert throttled.headers["retry-after"] == "1"
    awslambda.delete_function(FunctionName=name)
    assert name in error_of(requests.put(gone, data=body), 502, "FunctionUnavailable")["message"]


FAILS = """
def handler(values: list):
    if values[0] < 0:
        raise ValueError("negative: %s" % values[0])
    return values[0]
"""


def test_failures_of_items_stop_it_or_are_collected(module_functions, routes):
    url = routes.add(module_functions.make(FAILS))
    table = pandas.DataFrame({"id": range(20), "value": [-1.0 if at in (3, 11) else 1.0 for at in range(20)]})
    stopped = error_of(requests.put(url, params={"chunksize": 20}, data=csv_of(table)), 502, "ItemsFailed")
    assert stopped["failed"] == 2
    [kind] = stopped["failures"]
    assert (kind["errorType"], kind["message"], kind["count"]) == ("ValueError", "negative: -1.0", 2)
    assert kind["ids"] == ["3", "11"]

    collected = requests.put(url, params={"on_error": "collect"}, data=csv_of(table))
    assert collected.headers["squall-failed"] == "2"
    assert table_of(collected)["id"].tolist() == [at for at in range(20) if at not in (3, 11)]
    whole = requests.put(
        url, params={"on_error": "collect"}, data=csv_of(table), headers={"accept": "application/json"}
    ).json()
    assert len(whole["results"]) == 18
    assert [(one["id"], one["errorType"]) for one in whole["failures"]] == [("3", "ValueError"), ("11", "ValueError")]


def test_what_takes_too_long_is_given_up(module_functions, routes):
    url = routes.add(module_functions.make("import time\n\ndef handler(values: list):\n    time.sleep(60)\n"))
    answer = requests.put(url, params={"max_time": 1}, data=b"id,value\n1,2\n2,2\n")
    error = error_of(answer, 504, "OutOfTime")
    assert (error["items"], error["done"]) == (2, 0)


# Routes


def test_the_nearest_route_answers_and_cors_is_as_it_says(module_functions, routes):
    name = module_functions.make(TOTAL)
    outer = routes.add(name, path="/outer", value_column="x")
    inner = routes.add(name, path="/outer/inner", value_column="y", cors=["https://app.example"])
    body = b"id,x,y\n1,1,10\n"
    assert requests.put(outer, data=body).text == "id,x\n1,1\n"
    assert requests.put(inner + "/", data=body).text == "id,y\n1,10\n"
    origin = {"origin": "https://app.example"}
    asked = requests.options(inner, headers={**origin, "access-control-request-method": "PUT"})
    assert asked.headers["access-control-allow-origin"] == "https://app.example"
    assert "PUT" in asked.headers["access-control-allow-methods"]
    answered = requests.put(inner, data=body, headers=origin)
    assert answered.headers["access-control-allow-origin"] == "https://app.example"
    assert "squall-failed" in answered.headers["access-control-expose-headers"]
    # A plain POST is sent by browsers without asking beforehand, so it must not run anything.
    stranger = requests.post(inner, data=body, headers={"origin": "https://evil.example", "content-type": "text/plain"})
    assert (stranger.status_code, stranger.json()["errorType"]) == (403, "ForeignOrigin")
    assert "access-control-allow-origin" not in stranger.headers
    closed = requests.put(outer, data=body, headers=origin)
    assert closed.status_code == 403
    own = requests.put(outer, data=body, headers={"origin": "/".join(outer.split("/")[:3])})
    assert own.text == "id,x\n1,1\n"


def test_routes_on_the_command_line(engine):
    made = engine.cli("routes", "add", "/by/hand", "--map", "nowhere", "--by", "user", "--set", "chunksize=5")
    assert (made.returncode, made.stdout) == (0, f"{engine.gateway}/by/hand\n"), made.stderr
    [listed] = [one for one in json.loads(engine.cli("routes", "--json").stdout) if one["path"] == "/by/hand"]
    assert listed["options"] == {"id_column": "user", "chunksize": "5"}
    assert "/by/hand" in engine.cli("routes").stdout
    for arguments, word in [
        (["add", "by/hand", "--map", "f"], "begins with /"),
        (["add", "/x", "--map", "f", "--set", "chunksize=0"], "chunksize"),
        (["add", "/x", "--map", "f", "--set", "by=id"], "id_column"),
        (["add", "/_squall/x", "--map", "f"], "_squall"),
        (["rm", "/not/there"], "no route /not/there"),
    ]:
        refused = engine.cli("routes", *arguments)
        assert refused.returncode == 2 and word in refused.stderr, refused.stderr
    assert engine.cli("routes", "rm", "/by/hand").returncode == 0
    assert "/by/hand" not in engine.cli("routes").stdout


def test_only_the_owner_makes_routes(engine):
    answer = harness.send(engine, "GET", "/_squall/routes")
    assert answer.status == 403
