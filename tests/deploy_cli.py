"""Drives `squall init`, `deploy`, `update` and their sisters as a user in the project's folder
would, against any cloud.
"""

import base64
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
import requests

import clouds
import harness
from harness import eventually


@dataclasses.dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


class Folder:
    """A project's folder, and where its commands go: the engine, or another cloud by
    `--to aws` and AWS's own variables."""

    def __init__(self, path: Path, cloud, to_aws=False, endpoint=None):
        self.path, self.cloud, self.to_aws = Path(path), cloud, to_aws
        self.endpoint = endpoint
        self.path.mkdir(parents=True, exist_ok=True)

    # Files

    def write(self, **files):
        """`handler_py="..."`, or `write(**{"squall.toml": "..."})`."""
        for name, text in files.items():
            path = self.path / (name if "." in name or "/" in name else name.replace("_", "."))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return self

    def edit(self, name, old, new):
        """Replaces something that must be there."""
        path = self.path / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}:\n{text}"
        path.write_text(text.replace(old, new))

    # Commands

    def environment(self) -> dict:
        if not self.to_aws and not self.endpoint:
            return {**harness.clean_environment(), **TOOLS}
        environment = self.cloud.client_environment()
        return {**environment, **TOOLS, "AWS_ENDPOINT_URL": self.endpoint or self.cloud.api}

    def command(self, *arguments) -> list[str]:
        words = [str(harness.binary()), *map(str, arguments)]
        if arguments[0] in TARGETED and self.to_aws and "--to" not in words:
            words += ["--to", "aws"]
        if not self.to_aws:
            words += ["--data", str(self.cloud.data)]
            words += ["--endpoint", self.endpoint] if self.endpoint else []
        return words

    def start(self, *arguments, environment=None, **more) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.path,
            env={**self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, *arguments, stdin="", environment=None, fails=None, deadline=None) -> Done:
        """The command as it is; `fails` is the exit code that is wanted, None is any."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env={**self.environment(), **(environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=deadline or 3 * harness.DEADLINE,
        )
        done = Done(done.returncode, done.stdout, done.stderr)
        if fails is not None:
            assert done.returncode == fails, f"{arguments}: exit {done.returncode}, not {fails}\n{done.said}"
        sane(done)
        return done

    def deploy(self, *arguments, **more) -> Done:
        return self.run("deploy", "-y", *arguments, **{"fails": 0, **more})

    def update(self, *arguments, **more) -> Done:
        return self.run("update", *arguments, **{"fails": 0, **more})

    def undeploy(self, *arguments, **more) -> Done:
        return self.run("undeploy", "-y", *arguments, **{"fails": 0, **more})

    def refused(self, *arguments, code=2, **more) -> str:
        """What a command says that cannot be done."""
        done = self.run(*arguments, fails=code, **more)
        assert done.stderr.strip(), "it failed and said nothing"
        return done.stderr


#: uv is found, and what was built for one test, or one run of them, is there for the next.
TOOLS = {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "XDG_CACHE_HOME": str(clouds.ENVIRONMENTS / "packages"),
}
TARGETED = ("deploy", "update", "status", "rollback", "undeploy", "diff", "secrets", "cost", "keys")


def sane(done: Done):
    """No message of ours shows its insides, whatever was asked of it."""
    for word in ("panicked at", "RUST_BACKTRACE", "Draft(", "Config {", "Api {", "Os {", "todo", "is a draft"):
        assert word not in done.said, f"{word!r} in:\n{done.said}"
    assert done.returncode != 70, done.said


def one_error(stderr: str) -> str:
    """The line of the error; that there is one, and no more."""
    errors = [line for line in stderr.splitlines() if re.match(r"error\b", line)]
    assert len(errors) == 1, stderr
    return errors[0]


@contextmanager
def local_names():
    """Names below localhost are this machine (RFC 6761), whatever its C library thinks."""
    ask = socket.getaddrinfo

    def answer(host, *arguments, **more):
        return ask("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *arguments, **more)

    with mock.patch.object(socket, "getaddrinfo", answer):
        yield


def fetch(method, url, **more) -> requests.Response:
    """A request to an address that a deployment told."""
    with local_names():
        return requests.request(method, url, timeout=harness.DEADLINE, **more)


def fetch_until(method, url, check, **more) -> requests.Response:
    """The first answer that is as wanted: some things need a moment to take effect."""

    def attempt():
        answer = fetch(method, url, **more)
        # In a list: an answer of 400 and above is false by itself.
        return [answer] if check(answer) else None

    return eventually(attempt, f"{method} {url}", every=0.05)[0]


def fetch_by_invocation(cloud, function, method, path="/", **more) -> requests.Response:
    """The request as a function URL hands it to its function, and the answer as it hands it
    back: for clouds whose function URLs cannot be reached."""
    sent = requests.Request(method, "http://any" + path, **more).prepare()
    parts = urllib.parse.urlsplit(sent.url)
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {"host": "any", **{name.lower(): value for name, value in sent.headers.items()}},
        "requestContext": {
            "domainName": "any",
            "http": {"method": method, "path": parts.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "id-1",
            "stage": "$default",
        },
        "isBase64Encoded": body is not None,
    }
    if parts.query:
        event["queryStringParameters"] = dict(urllib.parse.parse_qsl(parts.query))
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
    answer = cloud.client("lambda").invoke(FunctionName=function, Qualifier="live", Payload=json.dumps(event).encode())
    answer = harness.payload_of(answer)
    heard = requests.Response()
    heard.status_code = answer["statusCode"]
    heard.headers.update(answer.get("headers") or {})
    heard._content = base64.b64decode(answer["body"]) if answer.get("isBase64Encoded") else answer["body"].encode()
    heard.encoding = "utf-8"
    return heard


# Projects and their clouds: files of tests take over these fixtures by importing them


@pytest.fixture(scope="module")
def started():
    """AWS as moto has it."""
    with clouds.Moto() as cloud:
        yield cloud


@pytest.fixture
def moto(started, tmp_path):
    """A project that goes to an empty moto."""
    requests.post(started.api + "/moto-api/reset")
    yield Folder(tmp_path / "project", started, to_aws=True)
    assert started.process.poll() is None, started.log()


@pytest.fixture
def as_aws(fresh_engine, tmp_path):
    """A project that goes to our own engine as if it were AWS."""
    return Folder(tmp_path / "project", fresh_engine, to_aws=True)
