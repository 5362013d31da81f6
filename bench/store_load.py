"""What is done to an object store to measure it: small objects from many clients, a
large one, a long list. Each takes a peer and gives figures."""

import hashlib
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.parse
import xml.etree.ElementTree
from pathlib import Path

import signing
from peers import CACHE

LOADGEN = CACHE / "loadgen" / "release" / "loadgen"
BUCKET = "bench"
# Small objects go to so many keys, in turns.
KEYS = 1000
PIECE = 1 << 20


def make_bucket(peer):
    peer.client("s3").create_bucket(Bucket=BUCKET)


# Small objects


def small(peer, size, clients, seconds) -> dict:
    """Puts and gets per second, each over keep-alive connections with signed requests. Every
    body is a new one: what stores equal content once has nothing to gain."""
    signer = signing.Signer(peer)
    body = bytes(16) + os.urandom(size - 16)
    names = [f"/{BUCKET}/small-{size}-{n:04}" for n in range(KEYS)]
    puts = [signer.request("PUT", name, body=body) for name in names]
    gets = [signer.request("GET", name) for name in names]
    # All keys once, which also makes the connections warm.
    run(peer, "loads", puts, 4, "each", KEYS // 4)
    return {
        "put": run(peer, "stamps", puts, clients, "seconds", seconds),
        "get": run(peer, "loads", gets, clients, "seconds", seconds),
    }


def run(peer, kind, requests, clients, unit, amount) -> dict:
    with tempfile.NamedTemporaryFile() as file:
        file.write(signing.bundle(requests))
        file.flush()
        words = [LOADGEN, kind, peer.address, file.name, clients, unit, amount]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    seen = json.loads(done.stdout)
    if seen["errors"]:
        raise RuntimeError(f"{seen['errors']} errors, the first: {seen['first_error']}")
    return seen


def boto_small(peer, size, seconds) -> dict:
    """What one boto3 client sees: its own work included."""
    client, body = peer.client("s3"), os.urandom(size)
    rates = {}
    for what in ("put", "get"):
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            key = f"boto-{count % 100}"
            if what == "put":
                client.put_object(Bucket=BUCKET, Key=key, Body=count.to_bytes(8) + body[8:])
            else:
                client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            count += 1
        rates[what] = {"per_second": count / seconds}
    return rates


# A large object


class Connection:
    """One keep-alive connection that signs and streams."""

    def __init__(self, peer):
        self.signer = signing.Signer(peer)
        self.connection = http.client.HTTPConnection(peer.address, timeout=600)

    def put(self, path, source: Path, payload=signing.UNSIGNED):
        headers = self.signer.headers("PUT", path, payload=payload)
        headers["content-length"] = str(source.stat().st_size)
        self.connection.putrequest("PUT", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self.connection.putheader(name, value)
        self.connection.endheaders()
        with open(source, "rb") as file:
            self.connection.sock.sendfile(file)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text[:300])

    def get(self, path) -> int:
        """Reads the object and throws it away; its length."""
        self.connection.request("GET", path, headers=self.signer.headers("GET", path))
        answer = self.connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(answer.read(300))
        buffer, total = memoryview(bytearray(PIECE)), 0
        while count := answer.readinto(buffer):
            total += count
        return total

    def list(self, **query) -> bytes:
        encoded = "&".join(f"{key}={urllib.parse.quote(value, safe='~')}" for key, value in sorted(query.items()))
        headers = self.signer.headers("GET", f"/{BUCKET}", encoded)
        self.connection.request("GET", f"/{BUCKET}?{encoded}", headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(body[:300])
        return body


def large(peer, source: Path, times) -> dict:
    """MB/s of one large object, in and out; in also with a signed body, whose SHA-256 the
    server must find to be right."""
    size = source.stat().st_size / 1e6
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    connection, path = Connection(peer), f"/{BUCKET}/large"
    seen = {"put": [], "put_signed": [], "get": []}
    for _ in range(times):
        # What was there before must not make it cheaper.
        peer.client("s3").delete_object(Bucket=BUCKET, Key="large")
        seen["put"].append(size / timed(lambda: connection.put(path, source)))
        peer.client("s3").delete_object(Bucket=BUCKET, Key="large")
        seen["put_signed"].append(size / timed(lambda: connection.put(path, source, digest)))
        seen["get"].append(size / timed(lambda: check(connection.get(path), source)))
    return {what: statistics.median(rates) for what, rates in seen.items()}


def check(got, source):
    if got != source.stat().st_size:
        raise RuntimeError(f"{got} bytes came back")


def timed(call) -> float:
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def copy_limits(source: Path, times) -> dict:
    """What the same disk and processor allow: `cp` and fsync, and the hashes that S3 demands."""
    size = source.stat().st_size / 1e6
    seconds = {"cp": [], "md5": [], "sha256": [], "read": []}
    for _ in range(times):
        seconds["cp"].append(timed(lambda: copy(source)))
        seconds["md5"].append(timed(lambda: digest_of(source, "md5")))
        seconds["sha256"].append(timed(lambda: digest_of(source, "sha256")))
        seconds["read"].append(timed(lambda: read(source)))
    middle = {what: statistics.median(values) for what, values in seconds.items()}
    return {
        "cp": size / middle["cp"],
        "cp_md5": size / (middle["cp"] + middle["md5"]),
        "cp_md5_sha256": size / (middle["cp"] + middle["md5"] + middle["sha256"]),
        "read": size / middle["read"],
    }


def copy(source):
    target = source.with_suffix(".copy")
    subprocess.run(["cp", "--reflink=never", source, target], check=True)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    target.unlink()


def digest_of(source, kind):
    with open(source, "rb") as file:
        hashlib.file_digest(file, kind)


def read(source):
    buffer = bytearray(PIECE)
    with open(source, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


# A long list


def fill(peer, count, most_seconds) -> int:
    """As many keys as fit into the time; how many there are."""
    signer, made, begun = signing.Signer(peer), 0, time.perf_counter()
    clients = 16
    while made + clients <= count and time.perf_counter() - begun < most_seconds:
        each = min(200, (count - made) // clients)
        names = [f"/{BUCKET}/list/{n:08}" for n in range(made, made + each * clients)]
        run(peer, "loads", [signer.request("PUT", name, body=b"x") for name in names], clients, "each", each)
        made += len(names)
    return made


def lists(peer, count, times) -> dict:
    """Milliseconds for a thousand keys at the beginning and in the middle, seconds for all."""
    connection = Connection(peer)
    query = {"list-type": "2", "max-keys": "1000", "prefix": "list/"}
    middle = {**query, "start-after": f"list/{count // 2:08}"}
    first_ms = [1000 * timed(lambda: connection.list(**query)) for _ in range(times)]
    middle_ms = [1000 * timed(lambda: connection.list(**middle)) for _ in range(times)]
    before, seen, token = time.perf_counter(), 0, None
    while True:
        body = connection.list(**query, **({"continuation-token": token} if token else {}))
        root = xml.etree.ElementTree.fromstring(body)
        space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        seen += len(root.findall(f"{space}Contents"))
        token = root.findtext(f"{space}NextContinuationToken")
        if not token:
            break
    if seen != count:
        raise RuntimeError(f"{seen} of {count} keys listed")
    return {
        "count": count,
        "first_ms": statistics.median(first_ms),
        "middle_ms": statistics.median(middle_ms),
        "all_seconds": time.perf_counter() - before,
    }


# Memory


def memory_growth(peer, source: Path) -> dict:
    """How much more the server takes at its worst while the object comes in and goes out."""
    connection, path, pid = Connection(peer), f"/{BUCKET}/huge", peer.pid()
    before = status_mb(pid, "VmRSS")
    # The high-water mark begins anew.
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    connection.put(path, source)
    put = status_mb(pid, "VmHWM") - before
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    check(connection.get(path), source)
    get = status_mb(pid, "VmHWM") - before
    peer.client("s3").delete_object(Bucket=BUCKET, Key="huge")
    return {"before_mb": before, "put_mb": put, "get_mb": get, "gb": source.stat().st_size / (1 << 30)}


def status_mb(pid, name) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} of {pid}")


def make_file(folder: Path, name, size) -> Path:
    """A file whose every megabyte is another one."""
    path, seed, left, n = folder / name, os.urandom(PIECE), size, 0
    with open(path, "wb") as file:
        while left:
            piece = (n.to_bytes(8) + seed[8:])[: min(left, PIECE)]
            file.write(piece)
            left -= len(piece)
            n += 1
        file.flush()
        os.fsync(file.fileno())
    return path
