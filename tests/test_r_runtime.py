"""The runtimes `r` and `r4.N`: R inside this program, forked from templates.

What a handler is promised however it runs is in test_r_package.py."""

import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import botocore.exceptions
import pytest

import harness
from conftest import Functions
from harness import eventually, payload_of, tail_of, unique, zip_of

pytestmark = pytest.mark.skipif(not shutil.which("Rscript"), reason="there is no R on this machine")

# Waits at the test's gate, so that several instances are there at one time.
GATE = """
at_gate <- function(port) {
  gate <- socketConnection("127.0.0.1", port, open = "r+b", blocking = TRUE, timeout = 60)
  writeBin(charToRaw("here"), gate)
  readBin(gate, "raw", 1)
  close(gate)
}
"""


@pytest.fixture
def r_function(functions):
    def make(source, handler="model.handler", **settings):
        files = {"model.R": source} if isinstance(source, str) else source
        settings = {"Runtime": "r", "MemorySize": 512, "Timeout": 60, **settings}
        return functions.make(zip_of(files), Handler=handler, **settings)

    return make


def r_version() -> str:
    told = subprocess.run(["Rscript", "-e", "cat(as.character(getRversion()))"], capture_output=True, text=True)
    return told.stdout


def listed(engine, name):
    """How the function's instances were made, and what its template is."""
    listing = json.loads(engine.cli("ps", "--json").stdout)
    starts = [i["start"] for i in listing["instances"] if i["function"] == name]
    (template,) = [t for t in listing["templates"] if t["function"] == name]
    return starts, template


def together(functions, gate, name, count, **event):
    """Calls as many instances at one time, and gives what they return."""
    with ThreadPoolExecutor(count) as callers:
        calls = [callers.submit(functions.call, name, {**event, **gate.event()}) for _ in range(count)]
        try:
            gate.wait_for(count)
        finally:
            gate.open()
        return [call.result() for call in calls]


# Names of runtimes


def test_a_runtime_may_name_the_minor_version(functions, r_function, awslambda):
    major, minor, _ = r_version().split(".")
    source = "handler <- function() as.character(getRversion())"
    name = r_function(source, Runtime=f"r{major}.{minor}")
    assert functions.call(name) == r_version()
    assert awslambda.get_function_configuration(FunctionName=name)["Runtime"] == f"r{major}.{minor}"
    assert functions.call(r_function(source, Runtime="r")) == r_version()


@pytest.mark.parametrize("runtime", ["r4.30", "r3.6", "R", "r4"])
def test_what_is_not_there_is_told_with_what_is(functions, r_function, awslambda, runtime):
    name = r_function("handler <- function() 1")
    minor = r_version().split(".")[1]
    for call in [
        lambda: r_function("handler <- function() 1", Runtime=runtime),
        lambda: awslambda.update_function_configuration(FunctionName=name, Runtime=runtime),
    ]:
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            call()
        error = refused.value.response["Error"]
        assert error["Code"] == "InvalidParameterValueException"
        assert runtime in error["Message"]
        assert f"r4.{minor}" in error["Message"]
    assert functions.call(name) == 1


def test_doctor_and_the_engine_tell_of_r(engine):
    checks = json.loads(engine.cli("doctor", "--json").stdout)
    (found,) = [check["found"] for check in checks if check["name"] == "r"]
    assert r_version() in found


# Forks

STATE = GATE + """
count <- 0
drawn <- runif(1)
cat("written while it was loaded", file = "/tmp/loaded.txt")
kept <- tempfile()
writeLines("a file of the template", kept)

handler <- function(gate) {
  count <<- count + 1
  mine <- tempfile()
  writeLines(as.character(count), mine)
  others <- setdiff(list.files("/tmp"), c("loaded.txt", basename(tempdir()), basename(dirname(kept))))
  at_gate(gate)
  list(
    count = count, drawn = drawn, random = runif(3), normal = rnorm(1), sampled = sample(1e6, 1),
    temporary = tempdir(), file = basename(mine), kept = readLines(kept), others = I(others),
    loaded = readLines("/tmp/loaded.txt", warn = FALSE), pid = Sys.getpid(),
    stream = Sys.getenv("AWS_LAMBDA_LOG_STREAM_NAME")
  )
}
"""


def test_instances_are_forks_that_share_nothing_but_what_was_loaded(engine, functions, r_function, gate):
    name = r_function(STATE)
    seen = together(functions, gate, name, 4)
    starts, template = listed(engine, name)
    assert starts == ["fork"] * 4, template
    assert template["state"] == "ready"
    for one in seen:
        assert one["count"] == 1
        assert one["loaded"] == "written while it was loaded"
        assert one["kept"] == "a file of the template"
        assert one["others"] == []
    assert len({one["drawn"] for one in seen}) == 1, "it was drawn once, in the template"
    for own in ["normal", "sampled", "temporary", "file", "stream"]:
        assert len({one[own] for one in seen}) == 4, own
    assert len({number for one in seen for number in one["random"]}) == 12


def test_one_instance_keeps_its_state(functions, r_function):
    name = r_function("n <- 0\nhandler <- function() { n <<- n + 1; n }")
    assert [functions.call(name) for _ in range(3)] == [1, 2, 3]


def test_a_kind_of_random_numbers_survives_the_fork(functions, r_function):
    name = r_function("RNGkind(\"L'Ecuyer-CMRG\")\nx <- runif(1)\nhandler <- function() list(RNGkind()[[1]], runif(1) != x)")
    assert functions.call(name) == ["L'Ecuyer-CMRG", True]


def test_a_model_that_is_held_is_left_alone_by_the_template(engine, functions, r_function):
    """What predicting needs is read before forks are made, by a model that is not the function's."""
    name = r_function("""
options(warn = 2)
asked <- 0
cars <- data.frame(speed = c(1, 2, 3), dist = c(2, 4, 6.3))
fit <- lm(dist ~ speed, cars)
predict.glm <- predict.lm <- function(object, ...) { asked <<- asked + 1; stats::predict.lm(object, ...) }
before <- ls()
handler <- function(speed) {
  list(before = asked, value = unname(predict(fit, data.frame(speed = speed))), new = I(setdiff(ls(globalenv()), before)))
}
""")
    first = functions.call(name, {"speed": 2})
    assert first["before"] == 0
    assert first["value"] == pytest.approx(4.1)
    assert first["new"] == ["before", "handler"]
    starts, template = listed(engine, name)
    assert starts == ["fork"], template


OPEN = {
    "socket": ("port <- serverSocket(0L)", "open socket"),
    "file": ("con <- file('/tmp/lines', 'w')", "open file /tmp/lines"),
}


@pytest.mark.parametrize("case", OPEN)
def test_what_forks_would_share_is_started_one_by_one(engine, functions, r_function, case):
    top, reason = OPEN[case]
    name = r_function(f"{top}\nhandler <- function(event) 'answered'")
    assert functions.call(name) == "answered"
    starts, template = listed(engine, name)
    assert (starts, template["state"], template["reason"]) == (["spawn"], "not_used", reason)


def test_spawned_where_the_function_wants_it(engine, functions, r_function):
    name = r_function("handler <- function() Sys.getpid()", Environment={"Variables": {"SQUALL_START": "spawn"}})
    functions.call(name)
    assert listed(engine, name)[0] == ["spawn"]


def test_a_template_that_was_killed_is_made_anew(engine, functions, r_function):
    name = r_function("handler <- function(gate = NULL) 'here'")
    assert functions.call(name) == "here"
    _, template = listed(engine, name)
    os.kill(template["pid"], 9)

    def is_made_anew():
        # The instance was below it and ends with it; one that is just ending may still be asked.
        answered = functions.invoke(name).get("FunctionError") is None
        _, now = listed(engine, name)
        return answered and now["state"] == "ready" and now["pid"] != template["pid"]

    eventually(is_made_anew, "a new template")
    assert functions.call(name) == "here"


# Ends

ENDS = """
handler <- function(what) switch(what,
  quit = quit(status = 3),
  silently = q("no"),
  segfault = tools::pskill(Sys.getpid(), 11),
  loop = repeat NULL,
  sleep = Sys.sleep(60),
  hungry = { x <- list(); repeat x[[length(x) + 1]] <- rnorm(1e6) },
  abort = invokeRestart("abort"),
  calm = "calm"
)
"""


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("quit", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("silently", "Runtime.ExitError", "Runtime exited without providing a reason"),
        ("segfault", "Runtime.ExitError", "signal: segmentation fault"),
        ("loop", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        ("sleep", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        ("hungry", "Runtime.OutOfMemory", "signal: killed"),
        ("abort", "error", "R is out of memory, or was told to give up"),
    ],
)
def test_ends_are_told_as_aws_tells_them(functions, r_function, what, kind, words):
    timeout = 3 if kind == "Sandbox.Timedout" else 60
    name = r_function(ENDS, Timeout=timeout, MemorySize=256)
    assert functions.call(name, {"what": "calm"}) == "calm"
    error = functions.fail(name, {"what": what})
    assert error["errorType"] == kind, error
    assert words in error["errorMessage"]
    assert functions.call(name, {"what": "calm"}) == "calm"


def test_a_file_that_quits_while_it_is_loaded(functions, r_function):
    error = functions.fail(r_function("cat('leaving')\nquit(status = 4)"))
    assert error["errorType"] == "Runtime.ExitError"
    assert "exit status 4" in error["errorMessage"]


def test_a_file_that_never_ends_to_load(tmp_path):
    engine = harness.Engine(tmp_path / "data", environment={"SQUALL_INIT_SECONDS": "2"})
    engine.start()
    try:
        functions = Functions(engine.client("lambda"))
        name = functions.make(zip_of({"model.R": "repeat NULL"}), Runtime="r", Handler="model.handler")
        assert functions.fail(name)["errorType"] == "Sandbox.Timedout"
    finally:
        engine.kill()


# The log


def test_what_is_said_is_in_the_log_in_its_order(functions, r_function):
    source = """
    say <- function(x) { warning("a warning about ", x); invisible(x) }
    handler <- function(x) {
      cat("no end of line")
      cat(" yet\\n")
      print(data.frame(a = 1:2))
      message("a message: ", x)
      say(x)
      system("echo from below")
      cat("the last words")
      1
    }
    """
    tail = tail_of(functions.invoke(r_function(source), {"x": "ä"}, LogType="Tail"))
    text = tail[tail.index("Version: $LATEST\n") : tail.index("END RequestId")]
    wanted = ["no end of line yet", "  a", "1 1", "2 2", "a message: ä", "a warning about ä", "from below", "the last words"]
    places = [text.index(words) for words in wanted]
    assert places == sorted(places), text
    # The prompt of R is nothing that a function says.
    assert ">" not in text


def test_errors_are_in_the_log_with_their_calls(functions, r_function):
    source = "inner <- function(n) log(n)\nhandler <- function(event) inner('x')"
    answer = functions.invoke(r_function(source), {"a": 1}, LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    assert error["stackTrace"] == ["handler(event = list(a = 1L))", 'inner("x")']
    assert f"[ERROR] simpleError: {error['errorMessage']}\n  handler(event = list(a = 1L))\n  inner(\"x\")\n" in tail_of(answer)


def test_what_is_said_while_it_is_loaded_is_in_the_first_log(functions, r_function):
    name = r_function("message('loading')\nhandler <- function() 1")
    first, second = (tail_of(functions.invoke(name, {}, LogType="Tail")) for _ in range(2))
    assert "loading\n" in first
    assert "loading\n" not in second


# Payloads


def test_payloads_of_all_sizes(functions, r_function):
    name = r_function("handler <- function(event) event")
    for size in [0, 1, 1000, 65_527, 65_536, 1_000_000, 6_000_000]:
        # JSON of Python writes six letters for one that is not ASCII.
        value = {"text": "ä" * (size // 6), "list": list(range(min(size, 1000)))[2:]}
        assert functions.call(name, value) == value, size
    odd = {"emoji 😀": "\u0001\u001f\"\\\u2028", "": "an empty name", "n": 12345678901234567890, "deep": [[[[[[1, 2]]]]]]}
    seen = functions.call(name, odd)
    assert seen.pop("n") == 1.2345678901234567e19
    # R has no empty names: the place stands for it.
    assert seen.pop("2") == "an empty name"
    assert seen == {key: value for key, value in odd.items() if key not in ("n", "")}


def test_an_answer_that_is_too_large(functions, r_function):
    name = r_function("handler <- function(n) strrep('x', n)")
    assert functions.fail(name, {"n": 7_000_000})["errorType"] == "Function.ResponseSizeTooLarge"
    assert functions.call(name, {"n": 3}) == "xxx", "the instance serves on"


def test_twenty_at_a_time(functions, r_function, gate):
    name = r_function(GATE + "handler <- function(gate, n) { at_gate(gate); n * 2 }")
    with ThreadPoolExecutor(20) as callers:
        calls = [callers.submit(functions.call, name, {**gate.event(), "n": n}) for n in range(20)]
        try:
            gate.wait_for(20)
        finally:
            gate.open()
        assert [call.result() for call in calls] == [n * 2 for n in range(20)]


# Walls

WALLS = """
handler <- function(run) {
  said <- suppressWarnings(system(paste(run, "2>&1"), intern = TRUE))
  status <- attr(said, "status")
  list(said = I(as.character(said)), status = if (is.null(status)) 0 else status)
}
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_an_instance_has_no_privilege_and_sees_no_neighbour(functions, r_function, start):
    name = r_function(WALLS, Environment={"Variables": {"SQUALL_START": start}})
    run = lambda command: functions.call(name, {"run": command})  # noqa: E731
    status = "\n".join(run("cat /proc/self/status")["said"])
    for field in ["CapInh", "CapPrm", "CapEff", "CapAmb"]:
        assert f"{field}:\t0000000000000000" in status, status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    # Its own few processes, and none of the machine's.
    pids = [int(word) for word in run("ls /proc")["said"] if word.isdigit()]
    assert 0 < len(pids) <= 6 and max(pids) < 1000, pids
    assert run("echo here > /tmp/x && cat /tmp/x") == {"said": ["here"], "status": 0}
    for place in ["/var/task/x", "/usr/x", "/opt/x", "/etc/x", "/var/lang/bin/squall", "/x"]:
        assert run(f"echo here > {place}")["status"] != 0, place
    for way in ["unshare --mount true", "mount -t tmpfs none /mnt", "/usr/sbin/chroot / true"]:
        assert run(way)["status"] != 0, way
    assert run("cat /etc/shadow")["status"] != 0
    assert run("ls /proc/1/fd")["status"] != 0


def test_the_environment_is_the_functions(functions, r_function):
    source = "handler <- function() as.list(Sys.getenv())"
    seen = functions.call(r_function(source, Environment={"Variables": {"MINE": "ä"}}))
    assert seen["MINE"] == "ä"
    assert (seen["TZ"], seen["LC_ALL"], seen["HOME"], seen["_HANDLER"]) == ("UTC", "C.UTF-8", "/tmp", "model.handler")
    assert seen["AWS_EXECUTION_ENV"] == "AWS_Lambda_r"
    assert Path(seen["R_HOME"]).is_dir()
    assert not [name for name in seen if name.startswith("SQUALL_")]


def test_which_packages_are_attached_can_be_chosen(functions, r_function):
    source = "handler <- function() search()"
    assert "package:utils" in functions.call(r_function(source))
    few = r_function(source, Environment={"Variables": {"SQUALL_R_PACKAGES": "stats"}})
    assert functions.call(few) == [".GlobalEnv", "package:stats", "Autoloads", "package:base"]


# Packages of R


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A package of R, installed: its files by their paths below a library."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny" / "R").mkdir(parents=True)
    description = "Package: tiny\nVersion: 1.0\nTitle: T\nDescription: D.\nLicense: none\nAuthor: A\nMaintainer: A <a@b.c>\n"
    (folder / "tiny" / "DESCRIPTION").write_text(description)
    (folder / "tiny" / "NAMESPACE").write_text("export(twice)\n")
    (folder / "tiny" / "R" / "twice.R").write_text("twice <- function(x) x * 2\n")
    (folder / "library").mkdir()
    command = ["R", "CMD", "INSTALL", "--no-docs", "-l", "library", "tiny"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    library = folder / "library"
    return {str(path.relative_to(library)): path.read_bytes() for path in library.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", ["r/site-library", "R/library"])
def test_packages_of_a_layer_come_before_those_of_the_machine(functions, r_function, awslambda, tiny, place):
    layer = awslambda.publish_layer_version(
        LayerName=unique("tiny"), Content={"ZipFile": zip_of({f"{place}/{path}": body for path, body in tiny.items()})}
    )["LayerVersionArn"]
    source = "library(tiny)\nhandler <- function(x) list(twice(x), .libPaths()[[1]])"
    name = r_function(source, Layers=[layer])
    assert functions.call(name, {"x": 21}) == [42, f"/opt/{place}"]


# Other R's than the machine's own


@pytest.fixture(scope="module")
def static_r():
    """An R without libR.so, made of links to the one that is there."""
    real = Path(subprocess.run(["R", "RHOME"], capture_output=True, text=True, check=True).stdout.strip())
    # Not below /tmp, of which functions have their own, nor beside the tests, which may be.
    folder = Path(tempfile.mkdtemp(prefix="static-r-", dir="/var/tmp"))
    folder.chmod(0o755)
    home, programs = folder / "home", folder / "programs"
    home.mkdir()
    programs.mkdir()
    for path in real.iterdir():
        if path.name != "lib":
            (home / path.name).symlink_to(path)
    (programs / "R").write_text(f"#!/bin/sh\necho {home}\n")
    (programs / "Rscript").write_text(f'#!/bin/sh\nexport FROM_HERE=yes\nexec {shutil.which("Rscript")} "$@"\n')
    for name in ["R", "Rscript"]:
        (programs / name).chmod(0o755)
    yield programs
    shutil.rmtree(folder)


@pytest.fixture
def static_r_below_tmp(static_r):
    """The same where no function would find it."""
    folder = Path(tempfile.mkdtemp(prefix="static-r-", dir="/tmp"))
    shutil.copytree(static_r, folder / "programs")
    yield folder / "programs"
    shutil.rmtree(folder)


def test_an_r_that_cannot_be_loaded_runs_its_script(static_r, tmp_path):
    with harness.running_engine(environment={"SQUALL_R_FOLDERS": str(static_r)}) as engine:
        functions = Functions(engine.client("lambda"))
        source = """
        handler <- function(x, context) {
          message("called")
          list(x = x, from = Sys.getenv("FROM_HERE"), name = context$function_name)
        }
        """
        name = functions.make(zip_of({"model.R": source}), Runtime="r", Handler="model.handler", MemorySize=512)
        answer = functions.invoke(name, {"x": [1, 2]}, LogType="Tail")
        assert payload_of(answer) == {"x": [1, 2], "from": "yes", "name": name}
        assert "called\n" in tail_of(answer)
        starts, template = listed(engine, name)
        assert (starts, template["reason"]) == (["spawn"], "this R is no library that can be loaded")
        error = functions.fail(functions.make(zip_of({"model.R": ""}), Runtime="r", Handler="model.f"))
        assert error["errorType"] == "Runtime.HandlerNotFound"


def test_an_r_that_functions_would_not_find_is_named_and_not_used(static_r_below_tmp):
    with harness.running_engine(environment={"SQUALL_R_FOLDERS": str(static_r_below_tmp)}) as engine:
        functions = Functions(engine.client("lambda"))
        source = 'handler <- function() Sys.getenv("FROM_HERE")'
        name = functions.make(zip_of({"model.R": source}), Runtime="r", Handler="model.handler", MemorySize=512)
        assert functions.call(name) == "", "the machine's own R ran it"
        assert f"{static_r_below_tmp}/R" in engine.log()
    environment = harness.clean_environment(PATH=str(static_r_below_tmp), R_HOME="")
    told = subprocess.run([harness.binary(), "doctor", "--json"], capture_output=True, env=environment)
    (found,) = [check["found"] for check in json.loads(told.stdout) if check["name"] == "r"]
    assert f"; not used: {static_r_below_tmp}/R: it has no libR.so and is below /tmp" in found


def test_without_r_there_is_no_runtime_r(tmp_path):
    """PATH without an R, as on most machines."""
    bare = {"PATH": str(tmp_path), "R_HOME": ""}
    with harness.running_engine(environment=bare) as engine:
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            Functions(engine.client("lambda")).make(zip_of({"m.R": ""}), Runtime="r", Handler="m.f")
        assert "r is not installed on this machine" in refused.value.response["Error"]["Message"]


# Without walls, and over AWS's Runtime API


@pytest.fixture(scope="module")
def open_engine():
    with harness.running_engine(["--isolation", "none"]) as engine:
        yield engine


def test_without_walls_too_instances_have_folders_of_their_own(open_engine, gate):
    functions = Functions(open_engine.client("lambda"))
    source = GATE + "handler <- function(gate) { at_gate(gate); list(tempdir(), dir.exists(tempdir()), runif(1)) }"
    name = functions.make(zip_of({"model.R": source}), Runtime="r", Handler="model.handler", MemorySize=512)
    seen = together(functions, gate, name, 3)
    assert len({one[0] for one in seen}) == len({one[2] for one in seen}) == 3
    assert all(one[1] for one in seen)
    assert listed(open_engine, name)[0] == ["fork"] * 3


@pytest.fixture
def over_http(open_engine):
    """Functions whose bootstrap is this program, as a layer for AWS has it."""
    functions = Functions(open_engine.client("lambda"))
    home = subprocess.run(["R", "RHOME"], capture_output=True, text=True, check=True).stdout.strip()
    bootstrap = f"#!/bin/sh\nexport R_HOME={home}\nexec {harness.binary()} __r lambda\n"

    def make(source, handler="model.handler", **settings):
        files = {"bootstrap": bootstrap, "model.R": source}
        settings = {"Runtime": "provided.al2023", "MemorySize": 512, "Timeout": 60, **settings}
        return functions.make(zip_of(files), Handler=handler, **settings)

    yield functions, make
    functions.remove_all()


def test_over_the_runtime_api_it_is_the_same(over_http):
    functions, make = over_http
    source = """
    fit <- lm(mpg ~ wt, mtcars)
    handler <- function(wt, context, fail = FALSE) {
      message("asked")
      if (fail) stop("as told")
      list(p = predict(fit, data.frame(wt = wt)), id = context$aws_request_id, left = context$get_remaining_time_in_millis())
    }
    """
    name = make(source)
    answer = functions.invoke(name, {"wt": [2, 3]}, LogType="Tail")
    seen = payload_of(answer)
    assert len(seen["p"]) == 2
    assert seen["id"] == answer["ResponseMetadata"]["RequestId"]
    assert 0 < seen["left"] <= 60_000
    assert "asked\n" in tail_of(answer)
    error = functions.fail(name, {"wt": 1, "fail": True})
    assert (error["errorType"], error["errorMessage"]) == ("simpleError", "as told")
    assert functions.call(name, {"wt": [2, 3]})["p"] == seen["p"]
    echo = make("handler <- function(event) event")
    value = {"text": "ä" * 400_000, "numbers": [n / 7 for n in range(1000)]}
    assert functions.call(echo, value) == value
    assert functions.fail(make("stop('while loading')"))["errorMessage"] == "while loading"
    assert functions.fail(make("", "model.f"))["errorType"] == "Runtime.HandlerNotFound"


def test_a_layer_can_be_tried_out_without_an_engine():
    home = subprocess.run(["R", "RHOME"], capture_output=True, text=True, check=True).stdout.strip()
    run = lambda *packages: subprocess.run(  # noqa: E731
        [harness.binary(), "__r", "check", *packages], capture_output=True, text=True, env={**os.environ, "R_HOME": home}
    )
    done = run("stats", "splines")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"r": r_version(), "packages": {"stats": r_version(), "splines": r_version()}}
    done = run("absentpackage")
    assert (done.returncode, done.stdout) == (1, "")
    assert "absentpackage" in done.stderr
