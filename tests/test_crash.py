"""kill -9 of the engine at random points, in the middle of everything.

A checker knows what was acknowledged. After each restart: every accepted event
runs, whatever was acknowledged is there, and nothing half-made is to be seen."""

import contextlib
import json
import os
import random
import socket
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import harness
from conftest import Functions
from harness import ROLE, eventually, unique, zip_of

ROUNDS = int(os.environ.get("SQUALL_CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("SQUALL_CRASH_SEED", random.randrange(2**32)))
# What a client sees when the engine dies under it.
LOST = (BotoCoreError, ClientError, ConnectionError, OSError)

# Tells the test itself that it ran: the last moments of a log may die with the engine.
MARKER = """
import socket


def handler(event, context):
    with socket.create_connection(("127.0.0.1", event["port"])) as recorder:
        recorder.sendall(event["mark"].encode())
        recorder.shutdown(socket.SHUT_WR)
        recorder.recv(1)
    return event
"""


class Recorder:
    """Writes down what the marker function says, outside of every engine."""

    def __enter__(self):
        self.seen = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def listen(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(harness.DEADLINE)
                    said = b""
                    while piece := connection.recv(64):
                        said += piece
                    self.seen.add(said.decode())


def say(word) -> bytes:
    return zip_of(f"word = {word!r}\n\n\ndef handler(event, context):\n    return word\n")


class Checker:
    """What the engine has promised so far. One thread per kind of work writes to it."""

    def __init__(self):
        self.accepted = set()  # events that were answered with 202
        self.words = {}  # function -> what it must say, or a set of what it may say
        self.gone = set()  # functions whose deletion was acknowledged
        self.unsure = {}  # function -> what it may be if it exists
        self.versions = {}  # function -> {version: word}
        self.layers = set()


class Work:
    """Hammers the engine until it dies."""

    def __init__(self, engine, checker, marker, port, seed):
        self.engine, self.checker, self.marker, self.port = engine, checker, marker, port
        self.stop, self.dying = threading.Event(), threading.Event()
        self.done, self.failures = 0, []
        jobs = (self.send_events, self.create_and_delete, self.update, self.publish, self.publish_layers)
        self.threads = [
            threading.Thread(target=self.loop, args=(job, random.Random(f"{seed}-{n}")))
            for n, job in enumerate(jobs)
        ]
        for thread in self.threads:
            thread.start()

    def loop(self, job, dice):
        client = self.engine.client("lambda", connect_timeout=2, read_timeout=30)
        try:
            while not self.stop.is_set():
                job(client, dice)
                self.done += 1
        except LOST as error:
            if not self.dying.is_set():
                self.failures.append(error)

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(harness.DEADLINE)
            assert not thread.is_alive()

    def send_events(self, client, dice):
        mark = unique("event")
        payload = json.dumps({"mark": mark, "port": self.port}).encode()
        client.invoke(FunctionName=self.marker, InvocationType="Event", Payload=payload)
        self.checker.accepted.add(mark)

    def create_and_delete(self, client, dice):
        name, word = unique("crash"), unique("word")
        self.checker.unsure[name] = {word}
        client.create_function(
            FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": say(word)}
        )
        del self.checker.unsure[name]
        self.checker.words[name] = {word}
        if dice.random() < 0.6:
            self.checker.unsure[name] = self.checker.words.pop(name)
            client.delete_function(FunctionName=name)
            del self.checker.unsure[name]
            self.checker.gone.add(name)

    def update(self, client, dice):
        name = "updated"
        word = unique("word")
        known = self.checker.words.get(name, set())
        # Until it is acknowledged, both the old and the new are right.
        self.checker.words[name] = known | {word}
        client.update_function_code(FunctionName=name, ZipFile=say(word))
        self.checker.words[name] = {word}

    def publish(self, client, dice):
        name, word = "published", unique("word")
        client.update_function_code(FunctionName=name, ZipFile=say(word))
        version = client.publish_version(FunctionName=name)["Version"]
        self.checker.versions[version] = word
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def publish_layers(self, client, dice):
        layer = unique("layer")
        client.publish_layer_version(LayerName=layer, Content={"ZipFile": zip_of({"python/a.py": layer})})
        self.checker.layers.add(layer)


@pytest.fixture
def engine_to_kill(tmp_path):
    engine = harness.Engine(tmp_path / "data", environment={"SQUALL_EVENT_RETRY_SECONDS": "1"})
    engine.start()
    yield engine
    if engine.alive():
        engine.kill()


def test_nothing_acknowledged_is_lost_and_nothing_half_made_is_seen(engine_to_kill):
    engine, checker, dice = engine_to_kill, Checker(), random.Random(SEED)
    print(f"SQUALL_CRASH_SEED={SEED} SQUALL_CRASH_ROUNDS={ROUNDS}")
    functions = Functions(engine.client("lambda"))
    marker = functions.make(MARKER)
    for name in ("updated", "published"):
        functions.make(say("first"), FunctionName=name)
    checker.words["updated"] = {"first"}
    functions.client.publish_version(FunctionName="published")
    functions.client.create_alias(FunctionName="published", Name="live", FunctionVersion="1")
    checker.versions["1"] = "first"

    with Recorder() as recorder:
        for round_number in range(ROUNDS):
            work = Work(engine, checker, marker, recorder.port, f"{SEED}-{round_number}")
            # A random amount of work, not a random time: the point is random, the test is not slow.
            target = dice.randrange(5, 120)
            eventually(lambda: work.done >= target or work.failures, "work to do")
            work.dying.set()
            engine.kill()
            work.join()
            assert not work.failures, "control: before the end nothing fails"
            engine.start()
            check(engine, checker)
        eventually(
            lambda: checker.accepted <= recorder.seen,
            lambda: f"{len(checker.accepted - recorder.seen)} of {len(checker.accepted)} accepted events never ran",
        )
    assert len(checker.accepted) > ROUNDS, "control: there was something to lose"
    assert len(checker.gone) > 0 and len(checker.versions) > 1


def check(engine, checker):
    client = engine.client("lambda")
    functions = Functions(client)
    listed = {
        entry["FunctionName"]: entry
        for page in client.get_paginator("list_functions").paginate()
        for entry in page["Functions"]
    }
    for name, words in checker.words.items():
        assert name in listed, f"lost: {name}"
        assert functions.call(name) in words, name
    for name in checker.gone:
        assert name not in listed, f"came back: {name}"
    # What was under way is whole or absent.
    for name, words in list(checker.unsure.items()):
        del checker.unsure[name]
        if name in listed:
            assert functions.call(name) in words
            checker.words[name] = words
        else:
            checker.gone.add(name)
            with pytest.raises(client.exceptions.ResourceNotFoundException):
                client.get_function(FunctionName=name)
    versions = {
        entry["Version"]
        for page in client.get_paginator("list_versions_by_function").paginate(FunctionName="published")
        for entry in page["Versions"]
    }
    newest = sorted(checker.versions, key=int)[-3:]
    assert set(checker.versions) <= versions
    for version in newest:
        assert functions.call("published", Qualifier=version) == checker.versions[version]
    live = functions.call("published", Qualifier="live")
    assert live in checker.versions.values() or live.startswith("word-")
    layers = {
        entry["LayerName"] for page in client.get_paginator("list_layers").paginate() for entry in page["Layers"]
    }
    assert checker.layers <= layers


def test_a_killed_engine_s_garbage_is_cleared(engine_to_kill):
    """Half-written packages do not pile up: a restart leaves the directory tidy."""
    engine = engine_to_kill
    functions = Functions(engine.client("lambda"))
    name = functions.make({"app.py": "def handler(e, c): return 'kept'\n", "a": os.urandom(1 << 20)})
    for _ in range(3):
        started = threading.Event()

        def create():
            client = engine.client("lambda")
            started.set()
            with contextlib.suppress(*LOST):
                while True:
                    client.create_function(
                        FunctionName=unique("garbage"), Runtime="python3.11", Role=ROLE, Handler="app.handler",
                        Code={"ZipFile": zip_of({"app.py": "", "a": os.urandom(1 << 20)})},
                    )  # fmt: skip

        thread = threading.Thread(target=create)
        thread.start()
        started.wait()
        eventually(lambda: len(list(engine.client("lambda").list_functions()["Functions"])) > 2, "some functions")
        engine.kill()
        thread.join()
        engine.start()
        assert Functions(engine.client("lambda")).call(name) == "kept"
    client = engine.client("lambda")
    for page in list(client.get_paginator("list_functions").paginate()):
        for entry in page["Functions"]:
            if entry["FunctionName"] != name:
                client.delete_function(FunctionName=entry["FunctionName"])
    assert engine.stop() == 0
    engine.start()

    def size():
        return sum(path.stat().st_size for path in (engine.data / "blobs").rglob("*") if path.is_file())

    # One package of a megabyte is left, as one blob.
    eventually(lambda: size() < 3 << 20, "blobs of nobody removed")
