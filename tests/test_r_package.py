"""Functions in R: a package with our bootstrap, on base R alone, over the Runtime API."""

import json
import shutil
import subprocess

import pytest

from harness import ROOT, payload_of, tail_of, zip_of

R = ROOT / "guests" / "r"
RUNTIME = {path.name: path.read_text() for path in R.iterdir()}

pytestmark = pytest.mark.skipif(not shutil.which("Rscript"), reason="there is no R on this machine")


@pytest.fixture
def r_function(functions):
    def make(source, handler="model.predict_one", **settings):
        files = {"model.R": source} if isinstance(source, str) else source
        settings = {"Runtime": "provided.al2023", "MemorySize": 512, "Timeout": 60, **settings}
        return functions.make(zip_of({**RUNTIME, **files}), Handler=handler, **settings)

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


@pytest.mark.parametrize("with_jsonlite", [True, False])
def test_events_come_back_as_they_were(functions, r_function, with_jsonlite):
    source = ECHO
    if not with_jsonlite:
        source += 'assign("requireNamespace", function(...) FALSE, envir = globalenv())\n'
    elif subprocess.run(["Rscript", "-e", "library(jsonlite)"], capture_output=True).returncode:
        pytest.skip("there is no jsonlite on this machine")
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
    assert "inner(event$x)" in error["stackTrace"]
    assert functions.fail(name, {"x": 8})["errorMessage"] == "no such x: 8", "the instance serves on"
    assert functions.fail(r_function(FAILING, "model.own"))["errorType"] == "BadRequest"
    assert "cannot be JSON" in functions.fail(r_function(FAILING, "model.unwritable"))["errorMessage"]
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
    assert (first["twice"], first["file"]) == (42, "/tmp/of the day.rds")
    s3.delete_object(Bucket=bucket, Key="models/of the day.rds")
    assert functions.call(name, {"bucket": bucket}) == first, "it is fetched once"
    error = functions.fail(r_function("handler <- function(bucket) squall$get_object(bucket, 'none')", "model.handler"), {"bucket": bucket})
    assert error["errorType"] == "Squall.GetObject"
    assert "404" in error["errorMessage"]


def test_large_events_and_answers(functions, r_function):
    name = r_function(ECHO, "model.whole")
    value = {"x": [n / 7 for n in range(60_000)], "t": "ä" * 100_000}
    assert len(json.dumps(value)) > 1_000_000
    assert functions.call(name, value) == value


def test_the_templates_own_tests():
    """What `squall init --template r-model` writes can be tested where there is no engine."""
    folder = ROOT / "crates" / "project" / "templates" / "r-model"
    done = subprocess.run(["Rscript", "--vanilla", "test.R"], cwd=folder, capture_output=True, text=True)
    assert done.stdout == "all is well\n", done.stderr
