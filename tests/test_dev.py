"""`squall dev`: saved files are deployed, what happens is shown, what is broken is told
and does not answer."""

import json
import queue
import signal
import subprocess
import threading

import pytest
import requests

import harness
from harness import DEADLINE, eventually

TOML = """
[project]
name = "shop"

[functions.web]
handler = "app.handler"
url = true
"""

APP = """
def handler(event, context):
    print("asked for", event["rawPath"])
    return {"statusCode": 200, "body": "first"}
"""


class Dev:
    """A running `squall dev --json`."""

    def __init__(self, folder, data, *arguments):
        command = [harness.binary(), "dev", "--json", "--project", folder, "--data", data, *arguments]
        self.stderr = open(folder.parent / "dev.log", "wb+")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=self.stderr, env=harness.clean_environment()
        )
        self.seen, self.queue = [], queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.queue.put(json.loads(line))
        self.queue.put({"event": "ended"})

    def wait(self, kind, **wanted) -> dict:
        """The next event of a kind; what comes before it is passed over."""
        while True:
            try:
                event = self.queue.get(timeout=DEADLINE)
            except queue.Empty:
                raise AssertionError(f"no {kind} {wanted} among {self.seen[-20:]}\n{self.log()}") from None
            self.seen.append(event)
            if event["event"] == kind and all(event[key] == value for key, value in wanted.items()):
                return event
            assert event["event"] != "ended", f"it ended: {self.seen[-5:]}\n{self.log()}"

    def log(self) -> str:
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        return code


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "squall.toml").write_text(TOML)
    (folder / "app.py").write_text(APP)
    return folder


@pytest.fixture
def dev(project, tmp_path, local_names):
    started = []

    def start():
        free = ("--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0")
        started.append(Dev(project, tmp_path / "data", *free))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(DEADLINE)
        one.stderr.close()


def save(path, text):
    """As editors do it: beside, and then in its place."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.rename(path)


def test_what_is_saved_answers(dev, project):
    running = dev()
    first = running.wait("released", release=1)
    url = first["urls"]["web"]
    assert requests.get(url + "a?b=1").text == "first"
    asked = running.wait("request")
    assert (asked["method"], asked["path"], asked["status"]) == ("GET", "/a", 200)
    assert running.wait("log")["message"] == "asked for /a"

    save(project / "app.py", APP.replace("first", "second"))
    second = running.wait("released", release=2)
    assert {step["kind"] for step in second["steps"]} == {"function", "version", "alias"}
    assert second["urls"] == first["urls"]
    assert requests.get(url).text == "second"

    # A module that is new, in a folder that is new.
    (project / "inner").mkdir()
    save(project / "inner" / "words.py", "WORD = 'third'\n")
    running.wait("released")
    save(project / "app.py", "from inner.words import WORD\n" + APP.replace('"first"', "WORD"))
    running.wait("released")
    assert requests.get(url).text == "third"
    save(project / "inner" / "words.py", "WORD = 'fourth'\n")
    running.wait("released")
    assert requests.get(url).text == "fourth"

    assert requests.put(url + "x/y", data="1").status_code == 200
    assert running.wait("request", method="PUT")["path"] == "/x/y"
    assert running.stop() == 0
    assert not any(event["event"] == "ran" for event in running.seen), "one line for each request"


def test_code_that_cannot_be_loaded_does_not_answer(dev, project):
    running = dev()
    url = running.wait("released")["urls"]["web"]
    for text, kind, words, frame in [
        ("import inner\n" + APP, "ZeroDivisionError", "division by zero", "/var/task/inner.py"),
        ("def (\n", "Runtime.UserCodeSyntaxError", "app.py, line 1", "/var/task/app.py"),
        ("handle = 1\n", "Runtime.HandlerNotFound", "Handler 'handler' missing", None),
    ]:
        if "inner" in text:
            save(project / "inner.py", "1 / 0\n")
            running.wait("released")
        save(project / "app.py", text)
        broken = running.wait("broken", function="web")
        assert broken["errorType"] == kind
        assert words in broken["errorMessage"]
        assert frame is None or frame in "".join(broken["stackTrace"])
        assert requests.get(url).text == "first"
    # It is not let in by another try, either.
    save(project / "notes.txt", "something else\n")
    running.wait("broken")
    assert requests.get(url).text == "first"
    save(project / "app.py", APP.replace("first", "mended"))
    running.wait("released")
    assert requests.get(url).text == "mended"


def test_where_a_missing_module_was_wanted_is_told(dev, project):
    running = dev()
    url = running.wait("released")["urls"]["web"]
    save(project / "deep.py", "import absent\n")
    running.wait("released")
    save(project / "app.py", "import deep\n" + APP)
    broken = running.wait("broken")
    assert broken["errorMessage"] == "Unable to import module 'app': No module named 'absent'"
    told = running.wait("log")["message"]
    assert "/var/task/deep.py" in told and "Traceback" in told
    assert requests.get(url).text == "first"


def test_a_project_that_is_broken_from_the_start(dev, project):
    (project / "app.py").write_text("1 / 0\n")
    running = dev()
    running.wait("broken", errorType="ZeroDivisionError")
    (project / "squall.toml").write_text(TOML + "memroy = 512\n")
    failed = running.wait("failed")
    assert "memroy" in failed["message"]
    (project / "squall.toml").write_text(TOML)
    running.wait("broken")
    save(project / "app.py", APP)
    url = running.wait("released")["urls"]["web"]
    assert requests.get(url).text == "first"


def test_changes_of_the_project_file_are_deployed(dev, project):
    running = dev()
    running.wait("released")
    save(project / "squall.toml", TOML + "memory = 256\n\n[functions.night]\nhandler = 'app.handler'\n")
    second = running.wait("released")
    made = {(step["action"], step["kind"]) for step in second["steps"]}
    assert ("create", "function") in made and ("update", "function") in made
    # Nothing goes because a file was saved.
    save(project / "squall.toml", TOML)
    third = running.wait("released")
    assert "remove" not in {step["action"] for step in third["steps"]}
    assert "function shop-dev-night" in third["left"]


def test_a_variable_does_not_lead_it_elsewhere(project, tmp_path, engine, local_names):
    """Of another project's engine, in the shell."""
    process = subprocess.Popen(
        [str(harness.binary()), "dev", "--json", "--project", str(project), "--data", str(tmp_path / "data")]
        + ["--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=engine.client_environment(),
    )
    try:
        events = map(json.loads, process.stdout)
        url = next(event for event in events if event["event"] == "released")["urls"]["web"]
        assert requests.get(url).text == "first"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE)
    made = engine.client("lambda").list_functions()["Functions"]
    assert not [one for one in made if one["FunctionName"].startswith("shop-dev")]


def test_an_engine_that_runs_already_is_used_and_left(dev, project, fresh_engine):
    running = dev()
    running.wait("released")
    awslambda = fresh_engine.client("lambda")
    assert harness.payload_of(awslambda.invoke(FunctionName="shop-dev-web:live", Payload=b'{"rawPath": "/"}'))
    running.wait("log", message="asked for /")
    assert running.stop() == 0
    assert fresh_engine.alive()
    # What is deployed stays.
    assert awslambda.get_function(FunctionName="shop-dev-web")


def test_functions_that_nobody_asks_by_http_have_a_line_for_each_run(dev, project, fresh_engine):
    (project / "squall.toml").write_text(TOML.replace("url = true", ""))
    running = dev()
    running.wait("released")
    awslambda = fresh_engine.client("lambda")
    for _ in range(2):
        awslambda.invoke(FunctionName="shop-dev-web:live", Payload=b'{"rawPath": "/"}')
    for _ in range(2):
        ran = running.wait("ran", function="web")
        assert ran["ms"] > 0 and ran["memory_mb"] > 0
    awslambda.invoke(FunctionName="shop-dev-web:live", Payload=b"{}")
    running.wait("ran")
    assert len([event for event in running.seen if event["event"] == "ran"]) == 3, "and none for our own trial"


def test_an_engine_that_was_killed_is_not_taken_for_one(dev, project, tmp_path):
    engine = harness.Engine(tmp_path / "data").start()
    engine.kill()
    url = dev().wait("released")["urls"]["web"]
    assert requests.get(url).text == "first"


def test_for_people(project, tmp_path, local_names):
    command = [harness.binary(), "dev", "--project", project, "--data", tmp_path / "data"]
    command += ["--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
    out = tmp_path / "out.txt"
    with open(out, "w") as file:
        process = subprocess.Popen([str(word) for word in command], stdout=file, stderr=file, env=harness.clean_environment())
    try:
        eventually(lambda: "release 1 in" in out.read_text(), lambda: out.read_text())
        url = next(word for word in out.read_text().split() if word.startswith("http") and "web" not in word)
        assert requests.get(url).text == "first"
        eventually(lambda: "web: asked for /" in out.read_text() and "GET    /  200" in out.read_text(), lambda: out.read_text())
        save(project / "app.py", "import inner\n")
        eventually(lambda: "No module named 'inner'" in out.read_text(), lambda: out.read_text())
        save(project / "app.py", "def f():\n    1 / 0\n\n\nf()\n")
        eventually(lambda: "error: web cannot be loaded" in out.read_text(), lambda: out.read_text())
        eventually(
            lambda: 'File "/var/task/app.py", line 5, in <module>\n    f()' in out.read_text(), lambda: out.read_text()
        )
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert "what is deployed stays" in out.read_text()


def test_a_folder_that_is_not_there(tmp_path):
    done = subprocess.run(
        [str(harness.binary()), "dev", "--project", str(tmp_path / "none"), "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        env=harness.clean_environment(),
        timeout=DEADLINE,
    )
    assert done.returncode == 2
    assert "none cannot be watched" in done.stderr
