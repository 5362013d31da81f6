"""What a function in R is promised, wherever it runs: as a fork of a template, started by
itself, and as a package with our bootstrap on base R alone, over the Runtime API."""

import json
import shutil
import subprocess
from urllib.parse import quote

import pytest

from harness import ROOT, payload_of, tail_of, zip_of
from r_functions import KINDS, kind_of

pytestmark = pytest.mark.skipif(not shutil.which("Rscript"), reason="there is no R on this machine")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def r_function(functions, kind):
    def make(source, handler="model.predict_one", **settings):
        files = {"model.R": source} if isinstance(source, str) else source
        more, settings = kind_of(kind, {"MemorySize": 512, "Timeout": 60, **settings})
        return functions.make(zip_of({**more, **files}), Handler=handler, **settings)

    return make


MODEL = """
fit <- glm(am ~ wt, family = binomial, data = mtcars)
cat("loaded\\n")

predict_one <- function(wt, context) {
  message("asked for ", wt)
  p <- predict(fit, data.frame(wt = wt), type = "response")
  list(p = p, id = context$aws_request_id, left = context$get_remaining_time_in_millis())
}
"""


def test_a_model_answers(functions, r_function):
    name = r_function(MODEL)
    answer = functions.invoke(name, {"wt": 3, "unknown": 1}, LogType="Tail")
    seen, request_id = payload_of(answer), answer["ResponseMetadata"]["RequestId"]
    # What R says on its own.
    expected = subprocess.run(
        ["Rscript", "-e", 'cat(sprintf("%.17g", predict(glm(am~wt,binomial,mtcars), data.frame(wt=3), type="response")))'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen["p"] == float(expected.stdout)
    assert seen["id"] == request_id
    assert 0 < seen["left"] <= 60_000
    assert "asked for 3\n" in tail_of(answer)
    again = functions.call(name, {"wt": [2, 3, 4]})
    assert len(again["p"]) == 3 and again["p"][1] == seen["p"]


# R has no scalars: an array of one element comes back as that element, unless the function
# says `I(x)`.
ECHO = """
whole <- function(event) event
fields <- function(a, b = "none", ...) list(a = a, b = b, rest = names(list(...)))
nothing <- function() "called"
one <- function(x) x
kind <- function(event) vapply(event, function(v) class(v)[[1]], "")
frame <- function(event) { event$rows$z <- event$rows$x * 2; event$rows }
"""

VALUES = [
    {"a": 1, "b": [1, 2.5], "c": None, "d": {"e": "ä\n\"\\😀\u0001"}, "f": [], "g": {}, "h": [True, None]},
    [1, 2, 3],
    3.141592653589793,
    0.1 + 0.2,
    1e300,
    123456789012,
    "text",
    True,
    None,
    [{"x": 1, "y": "a"}, {"x": 2, "y": None}],
    [[1, 2], [3, 4]],
    [{"x": {"deep": [1, 2]}}],
]


def test_events_come_back_as_they_were(functions, r_function):
    name = r_function(ECHO, "model.whole")
    for value in VALUES:
        assert functions.call(name, value) == value, value


@pytest.mark.parametrize("kind", ["package"])
def test_jsonlite_is_used_where_it_is_and_not_needed(functions, r_function):
    source = ECHO + "unlockBinding('requireNamespace', baseenv())\n"
    source += "assign('requireNamespace', function(...) FALSE, envir = baseenv())\n"
    name = r_function(source, "model.whole")
    for value in VALUES:
        assert functions.call(name, value) == value, value


def test_arguments_are_fields_of_the_event(functions, r_function):
    fields = r_function(ECHO, "model.fields")
    assert functions.call(fields, {"a": 1}) == {"a": 1, "b": "none", "rest": None}
    assert functions.call(fields, {"b": "x", "a": [1, 2], "c": 3}) == {"a": [1, 2], "b": "x", "rest": "c"}
    assert functions.call(r_function(ECHO, "model.nothing"), {"a": 1}) == "called"
    assert functions.call(r_function(ECHO, "model.one"), [1, 2]) == [1, 2]
    kinds = functions.call(r_function(ECHO, "model.kind"), {"i": 1, "d": 1.5, "t": "x", "l": [[1], "x"], "f": [{"a": 1}]})
    assert kinds == ["integer", "numeric", "character", "list", "data.frame"]
    rows = functions.call(r_function(ECHO, "model.frame"), {"rows": [{"x": 1}, {"x": 2.5}]})
    assert rows == [{"x": 1, "z": 2}, {"x": 2.5, "z": 5}]


def test_a_warm_event_is_not_the_users(functions, r_function):
    name = r_function("f <- function(event) stop('not for me')", "model.f")
    assert functions.call(name, {"squall": {"warm": 1}}) == {"squall": {"warm": 1}}
    assert functions.fail(name, {"squall": "mine"})["errorMessage"] == "not for me"


FAILING = """
inner <- function(x) stop("no such x: ", x)
fail <- function(event) inner(event$x)
own <- function(event) stop(structure(class = c("BadRequest", "error", "condition"), list(message = "not so", call = NULL)))
unwritable <- function(event) function() 1
missing <- function(a) a
warn <- function(event) { warning("mind"); "done" }
leave <- function(event) quit(status = 3)
"""


def test_conditions_are_errors_as_aws_has_them(functions, r_function):
    error = functions.fail(name := r_function(FAILING, "model.fail"), {"x": 7})
    assert (error["errorType"], error["errorMessage"]) == ("simpleError", "no such x: 7")
    assert error["stackTrace"][0].startswith("fail(event = list(x = 7")
    assert error["stackTrace"][1:] == ["inner(event$x)", 'stop("no such x: ", x)']
    assert functions.fail(name, {"x": 8})["errorMessage"] == "no such x: 8", "the instance serves on"
    assert functions.fail(r_function(FAILING, "model.own"))["errorType"] == "BadRequest"
    error = functions.fail(r_function(FAILING, "model.unwritable"))
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"].startswith("Unable to marshal response: ")
    assert "closure" in error["errorMessage"]
    assert 'argument "a" is missing' in functions.fail(r_function(FAILING, "model.missing"), {})["errorMessage"]
    answer = functions.invoke(r_function(FAILING, "model.warn"), {}, LogType="Tail")
    assert payload_of(answer) == "done"
    assert "mind" in tail_of(answer)
    assert functions.fail(r_function(FAILING, "model.leave"))["errorType"] == "Runtime.ExitError"


def test_what_cannot_be_loaded_is_named(functions, r_function):
    for source, handler, kind, words in [
        ("f <- function(", "model.f", "simpleError", "unexpected end of input"),
        ("library(absentpackage)", "model.f", "packageNotFoundError", "absentpackage"),
        ("g <- 1", "model.g", "Runtime.HandlerNotFound", "Handler 'g' is not a function"),
        ("", "absent.f", "Runtime.ImportModuleError", "absent.R"),
        ("", "nodot", "Runtime.MalformedHandlerName", "Bad handler 'nodot'"),
    ]:
        error = functions.fail(r_function(source, handler), {})
        assert error["errorType"] == kind, error
        assert words in error["errorMessage"], error


def test_files_packages_and_objects_of_a_package(functions, r_function, s3, bucket, tmp_path):
    """A model beside the code, one in a bucket, and a package of R in `library/`."""
    subprocess.run(["Rscript", "-e", "saveRDS(lm(mpg ~ wt, mtcars), 'model.rds')"], cwd=tmp_path, check=True)
    model = (tmp_path / "model.rds").read_bytes()
    s3.put_object(Bucket=bucket, Key="models/of the day.rds", Body=model)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "R").mkdir()
    (tmp_path / "tiny" / "DESCRIPTION").write_text("Package: tiny\nVersion: 1.0\nTitle: T\nDescription: D.\nLicense: none\nAuthor: A\nMaintainer: A <a@b.c>\n")
    (tmp_path / "tiny" / "NAMESPACE").write_text("export(twice)\n")
    (tmp_path / "tiny" / "R" / "twice.R").write_text("twice <- function(x) x * 2\n")
    (tmp_path / "library").mkdir()
    subprocess.run(["R", "CMD", "INSTALL", "--no-docs", "-l", "library", "tiny"], cwd=tmp_path, check=True, capture_output=True)
    library = {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in (tmp_path / "library").rglob("*") if path.is_file()
    }
    source = """
    library(tiny)
    own <- readRDS("model.rds")
    handler <- function(bucket) {
      file <- squall$get_object(bucket, "models/of the day.rds")
      fetched <- readRDS(file)
      list(own = coef(own)[["wt"]], fetched = coef(fetched)[["wt"]], twice = twice(21), file = file)
    }
    """
    name = r_function({"model.R": source, "model.rds": model, **library}, "model.handler")
    first = functions.call(name, {"bucket": bucket})
    assert first["own"] == first["fetched"] < 0
    assert (first["twice"], first["file"]) == (42, "/tmp/" + quote(f"{bucket}/models/of the day.rds", safe=""))
    s3.delete_object(Bucket=bucket, Key="models/of the day.rds")
    assert functions.call(name, {"bucket": bucket}) == first, "it is fetched once"
    error = functions.fail(r_function("handler <- function(bucket) squall$get_object(bucket, 'none')", "model.handler"), {"bucket": bucket})
    assert error["errorType"] == "Squall.GetObject"
    assert "404" in error["errorMessage"]


def test_objects_whose_names_end_alike_are_two(functions, r_function, bucket, s3):
    source = "handler <- function(bucket, keys) vapply(keys, function(key) readLines(squall$get_object(bucket, key)), '', USE.NAMES = FALSE)"
    keys = ["a/x.txt", "b/x.txt", "data[1-2].csv", "q?x=1#y.csv", "a%20b.csv"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=f"{key}\n".encode())
    got = functions.call(r_function(source, "model.handler"), {"bucket": bucket, "keys": keys})
    assert got == keys


def test_large_events_and_answers(functions, r_function):
    name = r_function(ECHO, "model.whole")
    value = {"x": [n / 7 for n in range(60_000)], "t": "ä" * 100_000}
    assert len(json.dumps(value)) > 1_000_000
    assert functions.call(name, value) == value


SHAPES = """
shapes <- function(event) list(
  day = as.Date("2024-02-29"), days = as.Date(c("2024-01-01", NA)),
  moment = structure(1.5e9, class = c("POSIXct", "POSIXt"), tzone = "UTC"), local = as.POSIXlt("2024-01-01 12:00:00", tz = "UTC"), far = list(as.POSIXlt("2024-07-01 12:00:00", tz = "Europe/Berlin")),
  factor = factor(c("b", NA, "a")), level = factor("b"),
  one = I(1), two = 1:2, none = integer(), text = character(), nothing = NULL, empty = list(),
  named = c(a = 1, b = 2), inside = list(list(1, "x"), list(k = NA)),
  matrix = matrix(1:4, 2), gaps = c(NA, 1.5, NaN, Inf, -Inf), words = c("a", NA), flags = c(TRUE, NA, FALSE),
  frame = data.frame(x = c(1.5, NA), f = factor(c("u", "v")), d = as.Date(c("2024-01-01", NA)), s = c("p", NA)),
  rows = data.frame(x = 1)[0, , drop = FALSE], digits = c(0.1 + 0.2, 1 / 3, 1e300, 5e-324, 123456789.123),
  whole = c(1, 1e5, 1e15), latin = iconv("\\u00e4", "UTF-8", "latin1"),
  json = structure('{"already": [1, 2]}', class = "json"), difference = as.difftime(90, units = "mins")
)
"""


def test_values_of_r_are_json_as_documented(functions, r_function):
    seen = functions.call(r_function(SHAPES, "model.shapes"), {})
    assert seen.pop("digits") == [0.1 + 0.2, 1 / 3, 1e300, 5e-324, 123456789.123]
    assert seen == {
        "day": "2024-02-29",
        "days": ["2024-01-01", None],
        "moment": "2017-07-14T02:40:00Z",
        "local": "2024-01-01T12:00:00Z",
        "far": ["2024-07-01T10:00:00Z"],
        "factor": ["b", None, "a"],
        "level": "b",
        "one": [1],
        "two": [1, 2],
        "none": [],
        "text": [],
        "nothing": None,
        "empty": [],
        "named": [1, 2],
        "inside": [[1, "x"], {"k": None}],
        "matrix": [[1, 3], [2, 4]],
        "gaps": [None, 1.5, None, None, None],
        "words": ["a", None],
        "flags": [True, None, False],
        "frame": [{"x": 1.5, "f": "u", "d": "2024-01-01", "s": "p"}, {"x": None, "f": "v", "d": None, "s": None}],
        "rows": [],
        "whole": [1, 100000, 1000000000000000],
        "latin": "ä",
        "json": {"already": [1, 2]},
        "difference": 90,
    }


def test_helpers_for_json(functions, r_function):
    source = """
    both <- function(event) {
      text <- squall$to_json(list(body = event, one = I("ä")))
      list(text = text, back = squall$from_json(text)$one, bad = tryCatch(squall$from_json("{"), error = function(e) "no"),
        never = tryCatch(squall$to_json(quit), error = function(e) "neither"))
    }
    """
    seen = functions.call(r_function(source, "model.both"), {"a": [1, 2.5], "b": None})
    assert json.loads(seen["text"]) == {"body": {"a": [1, 2.5], "b": None}, "one": ["ä"]}
    assert (seen["back"], seen["bad"], seen["never"]) == ("ä", "no", "neither")


def test_what_the_user_calls_as_we_do_is_the_users(functions, r_function):
    source = """
    squall <- "mine"
    list <- function(...) "mine, too"
    names <- unserialize <- serialize <- function(...) stop("not yours")
    answer <- function(event) c(squall, list(1), event$x)
    """
    assert functions.call(r_function(source, "model.answer"), {"x": "theirs"}) == ["mine", "mine, too", "theirs"]


DEEP = """
forever <- function(event) forever(event)
nested <- function(event) { f <- function(n) sapply(n, function(m) f(m)); f(1) }
large <- function(event) { eval(parse(text = paste0(strrep("(", 4000), "1", strrep(")", 4000)))) }
fine <- function(event) "fine"
dispatch <- function(event) get(event$which)(event)
"""


def test_recursion_without_end_is_an_error(functions, r_function):
    name = r_function(DEEP, "model.dispatch")
    for which in ["forever", "nested", "large"]:
        error = functions.fail(name, {"which": which})
        assert error["errorType"] not in ("Runtime.ExitError", "Sandbox.Timedout"), error
        assert functions.call(name, {"which": "fine"}) == "fine", which


def test_the_templates_own_tests():
    """What `squall init --template r-model` writes can be tested where there is no engine."""
    folder = ROOT / "crates" / "project" / "templates" / "r-model"
    done = subprocess.run(["Rscript", "--vanilla", "test.R"], cwd=folder, capture_output=True, text=True)
    assert done.stdout == "all is well\n", done.stderr
