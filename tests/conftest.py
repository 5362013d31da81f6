"""Fixtures: an engine shared by the session, engines of one's own, AWS clients."""

import contextlib
import json
import os
import socket
import tempfile
import zlib

import pytest

import harness
from elsewhere import Elsewhere
from layers import BOTO3, layer_zip


def pytest_configure(config):
    """The process that began it all keeps the folder of temporary files; its workers inherit it."""
    if hasattr(config, "workerinput"):
        return
    # What a failed test leaves in `tmp_path` is to be looked at: pytest keeps that itself.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    kept = contextlib.ExitStack()
    kept.callback(harness.remove_dead_groups)
    kept.enter_context(harness.temporary_folder())
    config.add_cleanup(kept.close)


def pytest_report_header():
    with contextlib.suppress(RuntimeError):
        return f"squall: {harness.binary()}"


@pytest.fixture(scope="session")
def engine():
    """The engine that most tests share. A test that may break it starts its own."""
    if url := os.environ.get("SQUALL_TEST_ENDPOINT"):
        yield Elsewhere(url)
        return
    with harness.running_engine() as engine:
        yield engine
        assert engine.alive(), f"the engine died during the tests:\n{engine.log()}"


@pytest.fixture(autouse=True)
def engine_survives(request):
    """After every test that used the shared engine, it is still up."""
    yield
    if "engine" in request.fixturenames:
        shared = request.getfixturevalue("engine")
        assert shared.alive(), f"this test ended the engine:\n{shared.log()}"


@pytest.fixture
def fresh_engine(tmp_path):
    """An engine that nobody else uses; the test may kill, stop and start it."""
    engine = harness.Engine(tmp_path / "data")
    engine.start()
    yield engine
    if engine.alive():
        engine.kill()


@pytest.fixture(scope="session")
def awslambda(engine):
    return engine.client("lambda")


@pytest.fixture(scope="session")
def logs(engine):
    return engine.client("logs")


@pytest.fixture(scope="session")
def iam(engine):
    return engine.client("iam")


@pytest.fixture(scope="session")
def sts(engine):
    return engine.client("sts")


@pytest.fixture(scope="session")
def s3(engine):
    return engine.client("s3")


@pytest.fixture
def bucket(s3) -> str:
    """The name of a bucket that nobody else uses."""
    name = harness.unique("bucket")
    s3.create_bucket(Bucket=name)
    return name


class Functions:
    """Makes functions with names of their own, calls them, and removes them at the end."""

    def __init__(self, client):
        self.client = client
        self.made = []

    def make(self, source, modes=None, **settings) -> str:
        name = settings.pop("FunctionName", None) or harness.unique()
        code = source if isinstance(source, bytes) else harness.zip_of(source, modes)
        request = {
            "FunctionName": name,
            "Role": harness.ROLE,
            "Runtime": "python3.11",
            "Handler": "app.handler",
            "Timeout": 30,
            "Code": {"ZipFile": code},
            **settings,
        }
        self.client.create_function(**request)
        self.made.append(name)
        return name

    def invoke(self, name, event=None, **more):
        return self.client.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **more)

    def call(self, name, event=None, **more):
        """The value that the function returned."""
        return harness.payload_of(self.invoke(name, event, **more))

    def fail(self, name, event=None, **more) -> dict:
        """The error that the function ended with."""
        return harness.error_of(self.invoke(name, event, **more))

    def remove_all(self):
        for name in self.made:
            with contextlib.suppress(self.client.exceptions.ResourceNotFoundException):
                self.client.delete_function(FunctionName=name)


@pytest.fixture
def functions(awslambda):
    made = Functions(awslambda)
    yield made
    made.remove_all()


@pytest.fixture(scope="module")
def module_functions(awslambda):
    """Like `functions`, for functions that the tests of one file share."""
    made = Functions(awslambda)
    yield made
    made.remove_all()


@pytest.fixture(scope="session")
def publish_layer(awslambda):
    """Publishes installed distributions as a layer, once per session; gives its ARN."""
    published = {}

    def publish(*distributions) -> str:
        if distributions not in published:
            answer = awslambda.publish_layer_version(
                # Lambda takes 140 characters, and a framework can need a dozen distributions.
                LayerName=f"test-{distributions[0]}-{zlib.crc32(repr(distributions).encode()):08x}",
                Content={"ZipFile": layer_zip(*distributions)},
                CompatibleRuntimes=["python3.11"],
            )
            published[distributions] = answer["LayerVersionArn"]
        return published[distributions]

    return publish


@pytest.fixture(scope="session")
def boto3_layer(publish_layer) -> str:
    """AWS's Python has boto3; here a function brings it, or a setting does."""
    return publish_layer(*BOTO3)


@pytest.fixture
def gate():
    """Holds functions until the test lets them go."""
    with harness.Gate() as gate:
        yield gate


@pytest.fixture
def local_names(monkeypatch):
    """Lets every name below localhost mean this machine, as RFC 6761 says and as browsers
    and curl do it; the C library does it only where systemd is there to help."""
    ask = socket.getaddrinfo

    def answer(host, *arguments, **more):
        local = isinstance(host, str) and host.endswith(".localhost")
        return ask("127.0.0.1" if local else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
