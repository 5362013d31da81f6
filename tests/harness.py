"""Starts and stops engines, and makes the small things tests are made of.

Used by the tests and by bench/. Nothing in here sleeps in place of knowing:
`eventually` polls with a deadline.
"""

import base64
import contextlib
import dataclasses
import datetime
import fcntl
import http.client
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import time
import uuid
import zipfile
from pathlib import Path

import boto3
import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parent.parent
ROLE = "arn:aws:iam::000000000000:role/any"
# Generous: it ends a test that would hang, it measures nothing.
DEADLINE = float(os.environ.get("SQUALL_TEST_DEADLINE", "60"))
FIXED_TIME = (2024, 1, 1, 0, 0, 0)


def binary() -> Path:
    """The engine under test: $SQUALL_BIN, else the newest build."""
    if chosen := os.environ.get("SQUALL_BIN"):
        return Path(chosen).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [target / kind / "squall" for kind in ("release", "debug")]
    built = [path for path in built if path.exists()]
    if not built:
        raise RuntimeError("no squall binary: run `cargo build --release` or set SQUALL_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


def eventually(check, what="condition", deadline=None, every=0.02):
    """Calls `check` until it returns something true, and returns that."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            what = what() if callable(what) else what
            raise AssertionError(f"not in time: {what}; last seen: {result!r}")
        time.sleep(every)


def clean_environment(**more) -> dict:
    """This process's environment without anything that steers AWS clients or the engine."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "SQUALL_")) and key != "BOTO_CONFIG"
    }
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, **more}


class Engine:
    """One `squall up` on a data directory of its own, on free ports."""

    def __init__(self, data: Path, arguments=(), environment=None):
        self.data = Path(data)
        self.arguments = list(arguments)
        self.environment = environment or {}
        self.process = None
        self.log_path = self.data.with_name(self.data.name + ".log")

    def start(self, deadline=None) -> "Engine":
        command = [binary(), "up", "--json", "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
        command += ["--data", self.data, *self.arguments]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=clean_environment(**self.environment),
            )
        ready = self._ready_line(deadline or DEADLINE)
        assert ready["event"] == "ready", ready
        self.ready = ready
        self.api, self.gateway = ready["api"], ready["gateway"]
        self.region = ready["region"]
        self.access_key, self.secret_key = ready["access_key_id"], ready["secret_access_key"]
        return self

    def _ready_line(self, deadline) -> dict:
        seen, end = b"", time.monotonic() + deadline
        stdout = self.process.stdout.fileno()
        while b"\n" not in seen:
            readable, _, _ = select.select([stdout], [], [], max(0.0, end - time.monotonic()))
            if not readable:
                self.process.kill()
                raise AssertionError(f"the engine was not ready in {deadline} s:\n{self.log()}")
            piece = os.read(stdout, 65536)
            if not piece:
                raise AssertionError(f"the engine ended with {self.process.wait()}:\n{self.log()}")
            seen += piece
        return json.loads(seen.split(b"\n", 1)[0])

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")[-20_000:] if self.log_path.exists() else ""

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """The end that nobody can prepare for."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE)
        self.process.stdout.close()

    def stop(self) -> int:
        """The orderly end; the exit code."""
        if not self.alive():
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"Ctrl-C did not end the engine:\n{self.log()}") from None
        finally:
            self.process.stdout.close()

    def advance(self, seconds: int):
        """Moves the manual clock of an engine that was started with `--clock manual`; returns
        when all that became due on the way is accepted."""
        body = json.dumps({"advance_seconds": seconds}).encode()
        answer = call(self, "POST", "/_squall/clock", body, service="squall")
        assert answer.status == 200, answer

    # Clients

    def client(self, service: str, **config):
        """A boto3 client that asks once: a retry would hide an error."""
        settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 2 * DEADLINE}
        return boto3.client(
            service,
            endpoint_url=self.api,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(**{**settings, **config}),
        )

    def client_environment(self) -> dict:
        """What `eval "$(squall env)"` exports."""
        return clean_environment(
            AWS_ENDPOINT_URL=self.api,
            AWS_ACCESS_KEY_ID=self.access_key,
            AWS_SECRET_ACCESS_KEY=self.secret_key,
            AWS_DEFAULT_REGION=self.region,
            AWS_REGION=self.region,
        )

    def cli(self, *arguments, stdin="", deadline=None) -> subprocess.CompletedProcess:
        """`squall ...` as a user who has run `squall env` would call it."""
        return subprocess.run(
            [str(binary()), *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=deadline or DEADLINE,
            env=self.client_environment(),
        )


@contextlib.contextmanager
def running_engine(arguments=(), environment=None):
    """An engine on a temporary directory, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="squall-test-"))
    engine = Engine(folder / "data", arguments, environment)
    try:
        yield engine.start()
    finally:
        try:
            if engine.alive():
                engine.stop()
        finally:
            if keep := os.environ.get("SQUALL_KEEP_LOGS"):
                with contextlib.suppress(OSError):
                    shutil.copy(engine.log_path, Path(keep) / f"{folder.name}.log")
            shutil.rmtree(folder, ignore_errors=True)


# What tests leave behind

GROUPS = Path("/sys/fs/cgroup")
#: `squall-123`, `squall-package-123-0` and the like: the number is the process that made it.
GROUP_OF = re.compile(r"squall(?:-[a-z]+)?-(\d+)(?:-\w+)?")


def remove_dead_groups():
    """Removes the control groups of engines that could not do it: killed ones. One that
    still holds a process stays, the kernel sees to that."""
    for found in (found for depth in ("*", "*/*") for found in GROUPS.glob(f"{depth}/squall-*")):
        named = GROUP_OF.fullmatch(found.name)
        if named and not Path("/proc", named[1]).exists():
            for folder, _, _ in os.walk(found, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


@contextlib.contextmanager
def temporary_folder():
    """Everything that this process and those it starts put into temporary files lies in one
    folder, which is gone afterwards; so are those of earlier runs that were killed."""
    above = Path(tempfile.gettempdir())
    for found in above.glob("squall-run-*"):
        with contextlib.suppress(OSError), held(found):
            shutil.rmtree(found, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="squall-new-", dir=above))
    before = os.environ.get("TMPDIR")
    with held(folder):
        # Not before it is held does it have the name by which others remove it.
        folder = folder.rename(above / folder.name.replace("new", "run", 1))
        # What runs as another user must be able to pass.
        folder.chmod(0o755)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = None
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def held(folder: Path):
    """The lock of a folder, which ends with this process; OSError if another has it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


# Packages


def zip_of(files, modes=None) -> bytes:
    """A zip in memory: of a handler's source, or of {path: text or bytes}."""
    if isinstance(files, str):
        files = {"app.py": files}
    modes = modes or {}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            if isinstance(body, str):
                body = textwrap.dedent(body).encode()
            info = zipfile.ZipInfo(name, FIXED_TIME)
            default = 0o755 if name == "bootstrap" else 0o644
            info.external_attr = (0o100000 | modes.get(name, default)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
    return content.getvalue()


def unique(kind="fn") -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


# Answers


def payload_of(answer):
    """The JSON of an Invoke answer; asserts that no function error is hidden in it."""
    body = answer["Payload"].read()
    assert "FunctionError" not in answer, body.decode(errors="replace")
    return json.loads(body) if body else None


def error_of(answer) -> dict:
    """The error object of an Invoke answer that failed in the function."""
    body = json.loads(answer["Payload"].read())
    assert answer["StatusCode"] == 200
    assert answer.get("FunctionError") == "Unhandled", body
    return body


def tail_of(answer) -> str:
    return base64.b64decode(answer["LogResult"]).decode(errors="replace")


def descendants(pid: int) -> set[int]:
    """Every process below `pid`, found by walking the parents in /proc."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                # The command name may hold blanks and brackets: the fields start after it.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = set(), [pid]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


class Gate:
    """Holds functions: each connects here, and goes on when the gate opens.

    So a test knows that an invocation is running, without sleeping or guessing.
    """

    source = textwrap.dedent(
        """
        import socket


        def handler(event, context):
            with socket.create_connection(("127.0.0.1", event["gate"])) as gate:
                gate.sendall(b"here")
                gate.recv(1)
            return "through"
        """
    )

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.listener.getsockname()[1]
        self.waiting = []
        return self

    def __exit__(self, *_):
        self.open()
        self.listener.close()

    def event(self) -> dict:
        return {"gate": self.port}

    def wait_for(self, count: int, deadline=None):
        """Returns once `count` functions stand here."""
        end = time.monotonic() + (deadline or DEADLINE)
        while len(self.waiting) < count:
            self.listener.settimeout(max(0.01, end - time.monotonic()))
            connection, _ = self.listener.accept()
            # Closing with something unread would reset the connection under the function.
            connection.settimeout(DEADLINE)
            if connection.recv(4) != b"here":
                # Somebody else's look at a port that was theirs before.
                connection.close()
                continue
            self.waiting.append(connection)

    def open(self):
        for connection in self.waiting:
            connection.close()
        self.waiting.clear()


# Requests by hand, for what no client would send


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def code(self) -> str:
        """The error's name, wherever this protocol puts it."""
        kind = self.headers.get("x-amzn-errortype", "")
        if not kind:
            with contextlib.suppress(ValueError):
                kind = json.loads(self.body).get("__type", "")
        if not kind and b"<Code>" in self.body:
            kind = self.body.split(b"<Code>")[1].split(b"</Code>")[0].decode()
        return kind.split(":")[0].rpartition("#")[2]


class S3Signer(SigV4Auth):
    """S3 signs a path as it is sent; the others encode it once more."""

    def _normalize_url_path(self, path):
        return path


def signed_headers(engine, method, url, body=b"", headers=None, service="lambda", at=None, keys=None, region=None):
    """The headers of a correctly signed request; `at` moves the time of signing by seconds."""
    request = AWSRequest(method, url, data=body, headers=headers or {})
    access_key, secret_key = keys or (engine.access_key, engine.secret_key)
    kind = S3Signer if service == "s3" else SigV4Auth
    signer = kind(Credentials(access_key, secret_key), service, region or engine.region)
    with moved_clock(at):
        signer.add_auth(request)
    return dict(request.headers)


@contextlib.contextmanager
def moved_clock(seconds):
    if seconds is None:
        yield
        return
    true = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *a, **k: true(*a, **k) + datetime.timedelta(seconds=seconds)
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = true


def send(engine, method, target, body=b"", headers=None) -> Answer:
    """One HTTP request with exactly this target and these headers."""
    host = engine.api.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=DEADLINE)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True, skip_host=True)
        headers = {"Host": host, "Content-Length": str(len(body)), **(headers or {})}
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        # An answer may come before the whole body is taken.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(body)
        answer = connection.getresponse()
        lower = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, lower, answer.read())
    finally:
        connection.close()


def call(engine, method, target, body=b"", headers=None, **how) -> Answer:
    """A signed request to any target, however odd."""
    signed = signed_headers(engine, method, engine.api + target, body, headers, **how)
    return send(engine, method, target, body, signed)
