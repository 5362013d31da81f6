"""Maps over functions that are written in R: what comes out is what a function in Python
makes of the same data."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.ipc
import pytest
import requests

from csv_service import csv_of, routes_of, table_of
from harness import payload_of, tail_of, zip_of
from map_cli import Map
from r_functions import KINDS, kind_of

pytestmark = pytest.mark.skipif(not shutil.which("Rscript"), reason="there is no R on this machine")

PYTHON_SUM = "def handler(values):\n    return float(sum(values))\n"


def r_function_of(functions, source, handler="app.features", kind="forked", **settings):
    more, settings = kind_of(kind, {"MemorySize": 512, "Timeout": 60, **settings})
    return functions.make(zip_of({**more, "app.R": source}), Handler=handler, **settings)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def r_function(functions):
    def make(source, **settings):
        return r_function_of(functions, source, **settings)

    return make


@pytest.fixture(scope="module")
def total(module_functions):
    return r_function_of(module_functions, "features <- function(x) sum(x)\n")


@pytest.fixture(scope="module")
def python_total(module_functions):
    return module_functions.make(PYTHON_SUM)


@pytest.fixture
def squall_map(engine, tmp_path):
    return Map(engine, tmp_path)


def series(groups=40, rows=600, seed=1) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    # Quarters, so that no order of adding changes a sum.
    values = chance.integers(-400, 400, rows) / 4
    return pd.DataFrame({"id": chance.integers(0, groups, rows) * 3, "time": range(rows), "value": values})


def described(functions, name):
    return functions.call(name, {"squall": {"map": "describe"}})["squall"]


def chunk(kind, items, columns=None, **more):
    header = {"map": "chunk", "item": kind, "count": len(items)}
    if columns:
        header["columns"] = [{"name": name, "type": type_} for name, type_ in columns.items()]
    return {"squall": {**header, **more}, "items": items}


# What goes through `squall map`


@pytest.mark.parametrize("payload", ["json", "zlib", "columns", None])
def test_sums_of_series_are_those_of_python_byte_for_byte(squall_map, total, python_total, payload):
    options = ["--by", "id", "--value", "value", *(["--payload", payload] if payload else [])]
    ours = squall_map.run(total, series(), *options)
    assert ours.report["failed"] == 0
    assert ours.output == squall_map.run(python_total, series(), *options).output
    assert ours.output == series().groupby("id")["value"].sum().to_csv()


@pytest.mark.parametrize("item", ["series", "array", "list", "frame", "dict"])
def test_the_job_may_say_how_items_are_to_come(squall_map, r_function, item):
    source = "features <- function(item) sum(if (is.list(item)) c(item[[\"values\"]], item[[\"value\"]]) else item)"
    options = ["--by", "id", "--item", item, *([] if item == "frame" else ["--value", "value"])]
    done = squall_map.run(r_function(source), series(), *options)
    assert done.output == series().groupby("id")["value"].sum().to_csv()


def test_the_ways_in_which_r_runs_are_one(squall_map, r_function, kind):
    name = r_function("features <- function(x) list(n = length(x), mean = mean(x), most = max(x))", kind=kind)
    done = squall_map.run(name, series(), "--by", "id", "--value", "value")
    groups = series().groupby("id")["value"]
    expected = pd.DataFrame({"n": groups.size(), "mean": groups.mean(), "most": groups.max()}).reset_index()
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(done.output)), expected)


def test_ten_thousand_items(squall_map, total, python_total):
    frame = series(groups=10_000, rows=60_000)
    ours = squall_map.run(total, frame, "--by", "id", "--value", "value")
    assert ours.report["items"] == frame["id"].nunique() > 9_900
    assert ours.output == squall_map.run(python_total, frame, "--by", "id", "--value", "value").output


def test_a_data_frame_has_all_columns_of_its_rows(squall_map, r_function, kind):
    source = """
        features <- function(frame) {
          stopifnot(is.data.frame(frame), is.character(frame$place), is.integer(frame$n), is.logical(frame$ok))
          data.frame(names = paste(names(frame), collapse = " "), rows = nrow(frame), slope = coef(lm(y ~ x, frame))[[2]],
            first = frame$place[[1]], gaps = sum(is.na(frame$x2)), n = sum(frame$n), ok = all(frame$ok))
        }
    """
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "a", "b", "a", "b"],
            "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.5],
            "y": [2.0, 1.0, 4.0, 3.0, 6.0, 5.5],
            "x2": [None, 1.5, None, 2.5, 3.5, 4.5],
            "place": ["here", "thäre", "here", "thäre", "here", "thäre"],
            "n": [1, 2, 3, 4, 5, 6],
            "ok": [True, False, True, True, True, True],
        }
    )
    done = squall_map.run(r_function(source, kind=kind), frame, "--by", "id")
    seen = pd.read_csv(io.StringIO(done.output), index_col="id")
    for name, group in frame.groupby("id"):
        row = seen.loc[name]
        assert row["names"].split() in (list(frame.columns), list(frame.columns[1:]))
        assert row["slope"] == pytest.approx(np.polyfit(group.x, group.y, 1)[0])
        assert (row["rows"], row["first"]) == (3, group.place.iloc[0])
        assert (row["gaps"], row["n"], row["ok"]) == (group.x2.isna().sum(), group.n.sum(), group.ok.all())


def test_an_error_is_of_its_item_alone(squall_map, r_function, kind):
    source = """
        features <- function(x) {
          if (x[[1]] > 10) stop(structure(list(message = paste("too large:", x[[1]]), call = NULL),
            class = c("too_large", "error", "condition")))
          if (x[[1]] < 0) log("a")
          x[[1]] * 2
        }
    """
    frame = pd.DataFrame({"id": range(8), "value": [1.0, 11.0, 2.0, -1.0, 3.0, 12.0, 4.0, 5.0]})
    name = r_function(source, kind=kind)
    done = squall_map.run(
        name, frame, "--by", "id", "--value", "value", "--on-error", "collect", "--retries", "0", fails=4
    )
    assert done.report["failed"] == 3, done.report
    seen = pd.read_csv(io.StringIO(done.output), index_col="id")
    results = seen.iloc[:, 0]
    assert list(results[results.notna()]) == [2.0, 4.0, 6.0, 8.0, 10.0]
    found = {kind["error"]: (kind["message"], kind["examples"]) for kind in done.report["failures"]}
    assert found == {
        "too_large": ("too large: …", ["1", "5"]),
        "simpleError": ("non-numeric argument to mathematical function", ["3"]),
    }


def test_a_function_that_quits_takes_no_other_item_with_it(squall_map, r_function):
    source = "features <- function(x) if (x[[1]] == 3) quit(status = 7) else x[[1]]"
    frame = pd.DataFrame({"id": range(6), "value": [float(n) for n in range(6)]})
    done = squall_map.run(
        r_function(source), frame, "--by", "id", "--value", "value", "--on-error", "collect", "--retries", "0", fails=4
    )
    assert done.report["failed"] == 1, done.report
    results = pd.read_csv(io.StringIO(done.output)).set_index("id").iloc[:, 0]
    assert list(results.dropna()) == [0.0, 1.0, 2.0, 4.0, 5.0]


def test_gaps_are_na(squall_map, r_function):
    source = "features <- function(x) list(gaps = sum(is.na(x)), real = sum(is.nan(x)), mean = mean(x, na.rm = TRUE), last = x[[length(x)]])"
    frame = pd.DataFrame({"id": [1, 1, 1, 2, 2], "value": [1.5, None, 2.5, 4.0, None]})
    done = squall_map.run(r_function(source), frame, "--by", "id", "--value", "value")
    seen = pd.read_csv(io.StringIO(done.output))
    assert list(seen["gaps"]) == [1, 1] and list(seen["real"]) == [0, 0]
    assert list(seen["mean"]) == [2.0, 4.0]
    assert seen["last"][0] == 2.5 and np.isnan(seen["last"][1])


def test_texts_and_days(squall_map, r_function, kind):
    source = """
        features <- function(frame) {
          days <- as.Date(frame$day)
          list(first = min(days), span = as.integer(max(days) - min(days)), months = paste(format(days, "%m"), collapse = "/"))
        }
    """
    days = ["2024-02-29", "2024-01-31", "2023-12-24", "2024-03-01"]
    frame = pd.DataFrame({"id": ["x", "x", "y", "y"], "day": days})
    done = squall_map.run(r_function(source, kind=kind), frame, "--by", "id")
    seen = pd.read_csv(io.StringIO(done.output), index_col="id")
    assert list(seen["first"]) == ["2024-01-31", "2023-12-24"]
    assert list(seen["span"]) == [29, 68]
    assert list(seen["months"]) == ["02/01", "12/03"]


def test_lines_of_json_are_items(squall_map, r_function, tmp_path, kind):
    lines = [{"a": n, "b": [n, 2.5], "c": {"deep": "ü"}} for n in range(20)]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    # Fields are arguments, as in an invocation of its own.
    source = "features <- function(a, b, c) list(sum = a + sum(b), deep = c$deep)"
    done = squall_map.run(r_function(source, kind=kind), path, "--item", "json")
    seen = pd.read_csv(io.StringIO(done.output))
    assert list(seen["sum"]) == [2 * n + 2.5 for n in range(20)]
    assert set(seen["deep"]) == {"ü"}


def test_results_of_a_function_in_r_go_to_one_in_python(squall_map, r_function, functions, tmp_path):
    """A data frame of R is rows, and rows are what a function in Python gets."""
    rows = r_function("features <- function(x) data.frame(low = min(x), high = max(x), name = 'ä')")
    out = tmp_path / "rows.csv"
    squall_map.run(rows, series(), "--by", "id", "--value", "value", "--output-format", "csv", "-o", out)
    next_one = functions.make(
        "def handler(item):\n    return item['values'][0] * 2\n", Environment={"Variables": {"SQUALL_ITEM": "dict"}}
    )
    done = squall_map.run(next_one, out, "--by", "id", "--value", "high")
    doubled = pd.read_csv(io.StringIO(done.output), index_col="id").iloc[:, 0]
    assert list(doubled) == list(series().groupby("id")["value"].max() * 2)


# How a function says what it wants


@pytest.mark.parametrize(
    "source, item",
    [
        ("features <- function(x) 1", "series"),
        ("features <- function(anything) 1", "series"),
        ("features <- function(frame) 1", "frame"),
        ("features <- function(df, ...) 1", "frame"),
        ("features <- function(data, digits = 3) 1", "frame"),
        ("features <- function(event, context) 1", "dict"),
        ("features <- function(row) 1", "dict"),
        ("features <- function(id, values) 1", "dict"),
        ("features <- function(x, context) 1", "series"),
        ("features <- structure(function(x) 1, item = 'json')", "json"),
    ],
)
def test_a_function_says_how_it_wants_its_items(functions, r_function, source, item):
    said = described(functions, r_function(source))
    assert said["item"] == item
    assert set(said["formats"]) == {"json", "zlib", "columns"}


def test_settings_decide_before_the_function(functions, r_function):
    source = "features <- function(frame) 1"
    name = r_function(source, Environment={"Variables": {"SQUALL_ITEM": "array"}})
    assert described(functions, name)["item"] == "array"
    name = r_function(source, Environment={"Variables": {"SQUALL_ITEM": "cube"}})
    assert functions.fail(name, {"squall": {"map": "describe"}})["errorType"] == "Squall.ItemKind"
    name = r_function("features <- function() 1")
    assert functions.fail(name, {"squall": {"map": "describe"}})["errorType"] == "Squall.ItemKind"


def test_an_item_with_its_id_and_the_context(squall_map, r_function, kind):
    source = """
        features <- function(id, values, name, context) {
          stopifnot(nzchar(context$aws_request_id), context$get_remaining_time_in_millis() > 0)
          paste0(id, ":", name, ":", sum(values))
        }
    """
    frame = pd.DataFrame({"id": ["a", "b", "a"], "value": [1.5, 2.0, 3.0]})
    done = squall_map.run(r_function(source, kind=kind), frame, "--by", "id", "--value", "value")
    assert list(pd.read_csv(io.StringIO(done.output)).iloc[:, 1]) == ["a:value:4.5", "b:value:2"]


# What the answers are


@pytest.fixture(scope="module", params=["forked", "package"])
def answering(request, module_functions):
    """A function that returns what a variable of the event says, in R."""
    source = "features <- function(code) eval(parse(text = code))"
    name = r_function_of(module_functions, source, kind=request.param)
    return lambda expression: (name, chunk("json", [{"code": expression}]))


def results(functions, name, event):
    answer = functions.call(name, event)
    assert not answer["errors"], answer
    return answer["results"]


@pytest.mark.parametrize(
    "expression, result",
    [
        ("6", 6.0),
        ("6L", 6),
        ("NA", None),
        ("NA_real_", None),
        ("NULL", None),
        ("NaN", {"squall": "nan"}),
        ("-Inf", {"squall": "-inf"}),
        ("TRUE", True),
        ("'ü\"'", 'ü"'),
        ("factor('b', levels = c('a', 'b'))", "b"),
        ("as.Date('2024-02-29')", "2024-02-29"),
        ("c(a = 1, b = NaN)", {"a": 1.0, "b": {"squall": "nan"}}),
        ("c(a = 1L, b = NA)", {"a": 1, "b": None}),
        ("list(a = 1, b = 'x', c = NULL)", {"a": 1.0, "b": "x", "c": None}),
        ("data.frame(a = 1:1, b = factor('x'))", {"a": 1, "b": "x"}),
        ("data.frame(a = 1:2)", [{"a": 1}, {"a": 2}]),
        ("1:3", [1, 2, 3]),
        ("0.1 + 0.2", 0.30000000000000004),
        ("quantile(c(1, 2, 3), c(0, 1))", {"0%": 1.0, "100%": 3.0}),
    ],
)
def test_what_r_returns(functions, answering, expression, result):
    seen = results(functions, *answering(expression))
    assert seen == [result] and type(seen[0]) is type(result)


def test_what_cannot_be_a_result_is_an_error_of_its_item(functions, r_function):
    name = r_function("features <- function(x) if (x > 1) function() 1 else x")
    answer = functions.call(name, chunk("series", [[1.0], [2.0]], {"value": "float"}))
    assert answer["results"] == [1.0, None]
    ((place, error),) = answer["errors"]
    assert (place, error["errorType"]) == (1, "Runtime.MarshalError")


def test_errors_have_the_calls_of_the_function(functions, r_function, kind):
    source = "deep <- function(n) stop('at ', n)\nfeatures <- function(x) if (x > 1) deep(x) else x\n"
    name = r_function(source, kind=kind)
    event = chunk("series", [[1.0], [2.0], [3.0]], {"value": "float"})
    answer = functions.invoke(name, event, LogType="Tail")
    errors = payload_of(answer)["errors"]
    assert [place for place, _ in errors] == [1, 2]
    error = errors[0][1]
    assert (error["errorType"], error["errorMessage"]) == ("simpleError", "at 2")
    assert any("deep(x)" in line for line in error["stackTrace"]), error
    assert not any("squall" in line for line in error["stackTrace"]), error
    assert "[ERROR] item 1 of 3: simpleError: at 2" in tail_of(answer)


@pytest.mark.parametrize(
    "event",
    [
        {"squall": {"map": "other"}},
        {"squall": {"map": "chunk"}},
        {"squall": {"map": "chunk", "item": "series", "count": 2, "columns": [{"name": "v", "type": "float"}]}, "items": [[1.0]]},
        {"squall": {"map": "chunk", "item": "series", "count": 1, "columns": [{"name": "v", "type": "float", "at": 8}]}, "lengths": [4], "data": "AAAA"},
        {"squall": {"map": "chunk", "item": "frame", "count": 1, "columns": [{"name": "v", "type": "float"}]}, "items": [[[1.0], [2.0]]]},
    ],
)
def test_chunks_that_are_none_are_refused(functions, total, event):
    assert functions.fail(total, event)["errorType"] == "Squall.BadChunk"


def test_addresses_of_others_are_not_asked(functions, total):
    for url in ("http://169.254.169.254/x", "https://example.org/x", "file:///etc/passwd", "https://s3.amazonaws.com.example.org/"):
        error = functions.fail(total, {"squall": {"map": "chunk", "get": url}})
        assert error["errorType"] == "Squall.Exchange", (url, error)


def test_chunks_that_are_too_large_for_an_event(squall_map, r_function):
    """They go through the store, and so do answers."""
    frame = pd.DataFrame({"id": [1] * 1_200_000, "value": np.arange(1_200_000) / 4})
    name = r_function("features <- function(x) sum(x)", MemorySize=1024)
    done = squall_map.run(name, frame, "--by", "id", "--value", "value")
    assert float(done.output.split("\n")[1].split(",")[1]) == frame["value"].sum()


# The service of the first story


def test_a_table_goes_to_a_route_and_comes_back(engine, r_function):
    with routes_of(engine) as routes:
        url = routes.add(r_function("features <- function(x) sum(x)"))
        seen = table_of(requests.put(url, csv_of(series())))
        expected = series().groupby("id")["value"].sum().reset_index()
        assert list(seen.iloc[:, 0]) == list(expected["id"])
        assert list(seen.iloc[:, 1]) == list(expected["value"])
        rows = routes.add(r_function("features <- function(x) c(low = min(x), high = max(x))"))
        seen = table_of(requests.put(rows, csv_of(series())))
        assert list(seen.columns)[-2:] == ["low", "high"]
        wrong = routes.add(r_function("features <- function(x) stop('never')"))
        error = requests.put(wrong, csv_of(series()))
        assert error.status_code >= 400 and "never" in error.text


def test_arrow_in_and_arrow_out(engine, r_function, functions):
    """A table of a Python program goes to functions in both languages, and comes back, as
    Arrow; between the service and the functions it travels in the runtime's own form."""
    frame = series()
    arrow = pyarrow.Table.from_pandas(frame, preserve_index=False)
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    headers = {
        "content-type": "application/vnd.apache.arrow.stream",
        "accept": "application/vnd.apache.arrow.file",
    }
    in_r = "features <- function(x) list(n = length(x), low = min(x), high = max(x))"
    in_python = "def handler(values):\n    return {'n': len(values), 'low': min(values), 'high': max(values)}\n"
    tables = []
    with routes_of(engine) as routes:
        for function in (r_function(in_r), functions.make(in_python)):
            answer = requests.put(routes.add(function), sink.getvalue(), headers=headers)
            assert answer.status_code == 200, answer.text
            tables.append(pyarrow.ipc.open_file(io.BytesIO(answer.content)).read_all())
    assert tables[0].equals(tables[1])
    groups = frame.groupby("id")["value"]
    seen = tables[0].to_pandas().set_index("id")
    pd.testing.assert_series_equal(seen["n"], groups.size(), check_names=False)
    pd.testing.assert_series_equal(seen["high"], groups.max(), check_names=False)
