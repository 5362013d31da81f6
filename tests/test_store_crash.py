"""kill -9 in the middle of a mixed load on the object store.

A checker knows what was acknowledged. After each restart all of it is there as it was
acknowledged; of what was under way there is the old or the new, never half of it; and
`squall store check` finds nothing."""

import collections
import json
import os
import random
import socket
import subprocess
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import harness
from harness import eventually, unique
from layers import BOTO3, library_folder
from s3_calls import PART, body_of, s3_signed
from watching import Watched

ROUNDS = int(os.environ.get("SQUALL_CRASH_ROUNDS", "4"))
SEED = int(os.environ.get("SQUALL_CRASH_SEED", random.randrange(2**32)))
LOST = (BotoCoreError, ClientError, ConnectionError, OSError)
GONE = object()
# Small enough for the database, on both sides of its limit, in parts.
SIZES = (0, 100, 32_768, 32_769, 300_000, 2_000_000)


class Keys:
    """What may stand under each key: one thing when it was acknowledged, else several."""

    def __init__(self):
        self.may = collections.defaultdict(lambda: {GONE})
        self.versions = collections.defaultdict(dict)  # key -> version -> body, acknowledged
        self.lock = threading.Lock()

    def begin(self, key, body):
        with self.lock:
            self.may[key] = self.may[key] | {body}

    def done(self, key, body):
        with self.lock:
            self.may[key] = {body}


class Load:
    """Threads with keys of their own, so that each knows what it wrote last."""

    def __init__(self, engine, watched, keys, announced, seed):
        self.engine, self.watched, self.keys, self.announced = engine, watched, keys, announced
        self.stop, self.dying = threading.Event(), threading.Event()
        self.done, self.failures = 0, []
        jobs = (self.put, self.put, self.multipart, self.delete, self.copy, self.version, self.announce)
        self.threads = [
            threading.Thread(target=self.loop, args=(job, n, random.Random(f"{seed}-{n}")))
            for n, job in enumerate(jobs)
        ]
        for thread in self.threads:
            thread.start()

    def loop(self, job, number, dice):
        s3 = self.engine.client("s3", connect_timeout=2, read_timeout=30)
        try:
            while not self.stop.is_set():
                job(s3, number, dice)
                self.done += 1
        except LOST as error:
            if not self.dying.is_set():
                self.failures.append(error)

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(harness.DEADLINE)
            assert not thread.is_alive()

    def body(self, dice) -> bytes:
        # Some content many times: what is stored once must not go with one of its owners.
        seed = dice.choice((b"same", os.urandom(8)))
        size = dice.choice(SIZES)
        return (seed * (size // len(seed) + 1))[:size]

    def put(self, s3, number, dice):
        key, body = f"put-{number}-{dice.randrange(5)}", self.body(dice)
        self.keys.begin(key, body)
        s3.put_object(Bucket=self.watched.bucket, Key=key, Body=body)
        self.keys.done(key, body)

    def delete(self, s3, number, dice):
        key, body = f"delete-{dice.randrange(5)}", self.body(dice)
        self.keys.begin(key, body)
        s3.put_object(Bucket=self.watched.bucket, Key=key, Body=body)
        self.keys.done(key, body)
        self.keys.begin(key, GONE)
        if dice.random() < 0.5:
            s3.delete_object(Bucket=self.watched.bucket, Key=key)
        else:
            s3.delete_objects(Bucket=self.watched.bucket, Delete={"Objects": [{"Key": key}]})
        self.keys.done(key, GONE)

    def copy(self, s3, number, dice):
        source, key, body = "copied", f"copy-{dice.randrange(5)}", self.body(dice)
        self.keys.begin(source, body)
        s3.put_object(Bucket=self.watched.bucket, Key=source, Body=body)
        self.keys.done(source, body)
        self.keys.begin(key, body)
        s3.copy_object(Bucket=self.watched.bucket, Key=key, CopySource={"Bucket": self.watched.bucket, "Key": source})
        self.keys.done(key, body)

    def multipart(self, s3, number, dice):
        key = f"parts-{dice.randrange(3)}"
        bodies = [dice.randbytes(4) * (PART // 4), dice.randbytes(1000)]
        at = {"Bucket": self.watched.bucket, "Key": key}
        at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
        parts = [
            {"PartNumber": n, "ETag": s3.upload_part(**at, PartNumber=n, Body=body)["ETag"]}
            for n, body in enumerate(bodies, 1)
        ]
        if dice.random() < 0.3:
            s3.abort_multipart_upload(**at)
            return
        self.keys.begin(key, b"".join(bodies))
        s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
        self.keys.done(key, b"".join(bodies))

    def version(self, s3, number, dice):
        key, body = f"v-{dice.randrange(3)}", self.body(dice)
        answer = s3.put_object(Bucket=self.watched.bucket + "-v", Key=key, Body=body)
        self.keys.versions[key][answer["VersionId"]] = body

    def announce(self, s3, number, dice):
        name = unique("event")
        s3.put_object(Bucket=self.watched.bucket, Key=f"told/{name}", Body=b"x")
        self.announced.add(name)


# Leaves a mark for each event that it was told: the last moments of a log may die.
MARKS = """
import boto3

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        name = record["s3"]["object"]["key"].rpartition("/")[2]
        s3.put_object(Bucket=record["s3"]["bucket"]["name"], Key=f"ran/{name}", Body=b"")
"""


@pytest.fixture
def engine_to_kill(tmp_path):
    environment = {"SQUALL_EVENT_RETRY_SECONDS": "1", "SQUALL_PYTHON_PACKAGES": str(library_folder(*BOTO3))}
    engine = harness.Engine(tmp_path / "data", environment=environment).start()
    yield engine
    if engine.alive():
        engine.kill()


def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_seen(engine_to_kill):
    engine, keys, announced, dice = engine_to_kill, Keys(), set(), random.Random(SEED)
    print(f"SQUALL_CRASH_SEED={SEED} SQUALL_CRASH_ROUNDS={ROUNDS}")
    watched = Watched(engine)
    watched.s3.create_bucket(Bucket=watched.bucket + "-v")
    watched.s3.put_bucket_versioning(Bucket=watched.bucket + "-v", VersioningConfiguration={"Status": "Enabled"})
    name = watched.make(MARKS, MemorySize=512)
    watched.notify(watched.rule(name, "s3:ObjectCreated:*", prefix="told/"))
    for number in range(ROUNDS):
        load = Load(engine, watched, keys, announced, f"{SEED}-{number}")
        target = dice.randrange(10, 250)
        eventually(lambda: load.done >= target or load.failures, "work to do")
        load.dying.set()
        engine.kill()
        load.join()
        assert not load.failures, "control: before the end nothing fails"
        engine.start()
        watched = Watched(engine, watched.bucket)
        check_objects(watched, keys)
        check_versions(watched, keys)
        check_store(engine)
    eventually(lambda: announced <= ran(watched), lambda: f"never ran: {announced - ran(watched)}", every=0.1)
    assert announced and keys.versions and len(keys.may) > 10, "control: there was something to lose"
    assert engine.stop() == 0
    # The same with nobody at home.
    offline = check_offline(engine)
    assert offline.returncode == 0, offline.stdout + offline.stderr


def listed(s3, bucket, **query) -> dict:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **query)
    return {entry["Key"]: entry for page in pages for entry in page.get("Contents", ())}


def ran(watched) -> set:
    return {key.removeprefix("ran/") for key in listed(watched.s3, watched.bucket, Prefix="ran/")}


def check_objects(watched, keys):
    found = listed(watched.s3, watched.bucket)
    for key, may in keys.may.items():
        body = body_of(watched.s3, watched.bucket, key) if key in found else GONE
        assert body in may, f"{key}: neither what was acknowledged nor what was under way"
        # From here on this is what it is.
        keys.may[key] = {body}
        if body is not GONE:
            assert found[key]["Size"] == len(body)
    known = set(keys.may) | {key for key in found if key.startswith(("told/", "ran/"))}
    assert set(found) <= known


def check_versions(watched, keys):
    bucket = watched.bucket + "-v"
    pages = watched.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    versions = {(v["Key"], v["VersionId"]): v for page in pages for v in page.get("Versions", ())}
    for key, bodies in keys.versions.items():
        for version in bodies:
            assert (key, version) in versions, f"lost: {key} {version}"
        for version, body in list(bodies.items())[-2:]:
            assert body_of(watched.s3, bucket, key, VersionId=version) == body
        latest = [v for (k, _), v in versions.items() if k == key and v["IsLatest"]]
        assert len(latest) == 1


def check_offline(engine) -> subprocess.CompletedProcess:
    words = [str(harness.binary()), "store", "check", "--data", str(engine.data)]
    return subprocess.run(words, env=harness.clean_environment(), capture_output=True, text=True)


def check_store(engine):
    answer = harness.call(engine, "POST", "/_squall/store/check", service="squall")
    assert answer.status == 200, answer
    last = json.loads(answer.body.splitlines()[-1])
    report = last["report"]
    assert (report["damaged"], report["orphans"], report["stopped"]) == ([], [], False)


def test_uploads_that_a_crash_cut_off_leave_nothing(engine_to_kill):
    """One object and one part of an upload, both in the middle of their bodies."""
    engine = engine_to_kill
    s3, bucket = engine.client("s3"), unique("cut")
    s3.create_bucket(Bucket=bucket)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    targets = (f"/{bucket}/large", f"/{bucket}/parts?uploadId={upload}&partNumber=1")
    halves = [begin(engine, target, announced=64 << 20, sent=b"x" * (8 << 20)) for target in targets]
    eventually(lambda: waiting(engine) >= 8 << 20, lambda: f"{waiting(engine)} bytes on the disk")
    engine.kill()
    for half in halves:
        half.close()
    engine.start()
    s3 = engine.client("s3")
    assert listed(s3, bucket) == {}
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="parts", UploadId=upload)
    eventually(lambda: waiting(engine) == 0, "what was cut off is cleared")
    check_store(engine)


def test_the_check_finds_what_is_wrong(engine_to_kill):
    """Control: were something damaged or lost, the checks above would say so."""
    engine = engine_to_kill
    s3, bucket = engine.client("s3"), unique("damaged")
    s3.create_bucket(Bucket=bucket)
    before = set(contents(engine))
    files = {}
    for key in ("whole", "flipped", "lost"):
        s3.put_object(Bucket=bucket, Key=key, Body=os.urandom(100_000))
        (files[key],) = set(contents(engine)) - before - set(files.values())
    assert engine.stop() == 0
    clean = check_offline(engine)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    damaged = bytearray(files["flipped"].read_bytes())
    damaged[50_000] ^= 1
    files["flipped"].chmod(0o600)
    files["flipped"].write_bytes(damaged)
    files["lost"].unlink()
    found = check_offline(engine)
    said = found.stdout + found.stderr
    assert found.returncode != 0
    assert f"{bucket}/flipped" in said and f"{bucket}/lost" in said and f"{bucket}/whole" not in said, said


def contents(engine) -> list:
    return [path for path in (engine.data / "objects").rglob("*") if path.is_file()]


def begin(engine, target, announced, sent) -> socket.socket:
    """A PUT that stops in the middle of its body, and stays there."""
    headers = s3_signed(engine, "PUT", target, b"", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    host, port = engine.api.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=harness.DEADLINE)
    lines = [f"PUT {target} HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {announced}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
    return connection


def waiting(engine) -> int:
    """Bytes that are on their way into the store."""
    return sum(path.stat().st_size for path in engine.data.rglob("tmp/*") if path.is_file())
