"""What the CSV service does with those who send too much, too slowly, or who leave."""

import json
import socket
import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

import harness
from csv_service import TOTAL, csv_of, error_of, routes_of, table_of
from harness import eventually
from test_csv_service_jobs import COUNTED, Counter

MB = 1024 * 1024


@pytest.fixture(scope="module")
def small():
    """An engine that takes little, and loses patience soon."""
    limits = {
        "SQUALL_MAP_BODY_BYTES": str(MB),
        "SQUALL_MAP_REQUESTS": "1",
        "SQUALL_BODY_STALL_SECONDS": "3",
    }
    with harness.running_engine(environment=limits) as engine:
        yield engine


@pytest.fixture(scope="module")
def counter():
    counter = Counter()
    yield counter
    counter.close()


@pytest.fixture(scope="module")
def small_routes(small):
    with routes_of(small) as routes:
        yield routes


def make(engine, source, **settings) -> str:
    name = harness.unique()
    engine.client("lambda").create_function(
        FunctionName=name,
        Role=harness.ROLE,
        Runtime="python3.11",
        Handler="app.handler",
        Timeout=60,
        Code={"ZipFile": harness.zip_of(source)},
        **settings,
    )
    return name


@pytest.fixture(scope="module")
def total(small, small_routes) -> str:
    return small_routes.add(make(small, TOTAL))


def lines(size) -> bytes:
    """A CSV of at least so many bytes."""
    line = b"%07d,1.25\n"
    return b"id,value\n" + b"".join(line % at for at in range(size // 13 + 1))


def test_a_body_that_is_too_large(total):
    large = lines(MB + 100)
    declared = requests.put(total, data=large)
    assert error_of(declared, 413, "BodyTooLarge")["limit"] == MB
    pieces = iter([large[at : at + 10_000] for at in range(0, len(large), 10_000)])
    error_of(requests.put(total, data=pieces), 413, "BodyTooLarge")
    later = requests.put(total, data=large, headers={"prefer": "respond-async"})
    error_of(later, 413, "BodyTooLarge")
    assert len(table_of(requests.put(total, data=lines(MB - 1000)))) > 70_000


def raw(url, head, body=b"") -> bytes:
    """What is answered to bytes as they are; the connection is ended by the engine."""
    host, _, path = url.removeprefix("http://").partition("/")
    address, port = host.split(":")
    with socket.create_connection((address, int(port)), timeout=harness.DEADLINE) as connection:
        connection.sendall(f"PUT /{path} HTTP/1.1\r\nhost: {host}\r\n{head}\r\n\r\n".encode() + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_a_body_that_stalls(total):
    answer = raw(total, "content-length: 1000", b"id,value\n1,2\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 408 " in head.splitlines()[0], answer
    assert json.loads(body)["errorType"] == "BodyStalled"


def test_a_body_that_breaks_off_leaves_nothing(small, total):
    host, _, path = total.removeprefix("http://").partition("/")
    address, port = host.split(":")
    for prefer in ("", "prefer: respond-async\r\n"):
        with socket.create_connection((address, int(port))) as connection:
            head = f"PUT /{path} HTTP/1.1\r\nhost: {host}\r\n{prefer}content-length: 1000\r\n\r\nid,value\n1,2\n"
            connection.sendall(head.encode())
    # The next one has its turn, and no data of the others is left.
    assert requests.put(total, data=b"id,value\n1,2\n").status_code == 200
    eventually(lambda: not list((small.data / "map").iterdir()), "the scratch folder to be empty")


def test_who_does_not_get_a_turn_is_told_when_to_come_back(small, small_routes, total, counter):
    slow = small_routes.add(make(small, COUNTED))
    counter.seen.clear()
    counter.free.clear()
    # Somebody who is worked on, and somebody else, who waits in vain.
    first = threading.Thread(target=requests.put, args=(slow,), kwargs={"data": csv_of(counter.table(1))})
    first.start()
    eventually(lambda: counter.seen, "the first request")
    busy = requests.put(total, data=b"id,value\n1,2\n")
    counter.free.set()
    first.join()
    error_of(busy, 503, "Busy")
    assert int(busy.headers["retry-after"]) > 0


def test_a_client_that_goes_away_ends_its_job(small, small_routes, total, counter):
    url = small_routes.add(make(small, COUNTED), chunksize="1", invoke_lambda="False")
    counter.seen.clear()
    counter.free.clear()
    host, _, path = url.removeprefix("http://").partition("/")
    caller = HTTPConnection(host, timeout=harness.DEADLINE)
    caller.request("PUT", f"/{path}", csv_of(counter.table(200)))
    eventually(lambda: counter.seen, "the first item")
    caller.close()
    # Only one request is worked on at a time: that this one is shows that the other is not.
    assert requests.put(total, data=b"id,value\n1,2\n").status_code == 200
    counter.free.set()
    assert requests.put(total, data=b"id,value\n1,2\n").status_code == 200
    assert sum(counter.seen.values()) <= 2


def memory_mb(engine) -> int:
    """The most that the engine has ever taken."""
    status = Path(f"/proc/{engine.process.pid}/status").read_text()
    [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) // 1024


def test_a_large_body_takes_a_bounded_memory():
    limits = {"SQUALL_MAP_MEMORY_MB": "32"}
    with harness.running_engine(environment=limits) as engine, routes_of(engine) as routes:
        url = routes.add(make(engine, TOTAL, MemorySize=1024))
        assert requests.put(url, data=b"id,value\n1,2\n").status_code == 200
        before = memory_mb(engine)
        # Ten thousand ids of a thousand rows each, the rows of an id far from each other.
        block = "".join(f"{at},1.5\n" for at in range(10_000)).encode()
        rows, size = 1000, len(block) * 1000
        assert size > 80 * MB

        def pieces():
            yield b"id,value\n"
            for _ in range(rows):
                yield block

        answer = requests.put(url, data=pieces())
        table = table_of(answer)
        assert table["value"].tolist() == [1500.0] * 10_000
        # The items, what is kept of the body to be read again, and what is under way.
        assert memory_mb(engine) - before < 32 + 64 + 200, (memory_mb(engine), before)
