"""Which modules are forked and which are started one by one, decided by the engine
itself, with real libraries: each handler is called in several instances at one time.

A library has broken in a fork wherever its threads were alive before, and nowhere
else; what forks share by descriptor goes wrong without any thread."""

import json
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest

import harness
from conftest import Functions

INSTANCES = 3

# The gate holds every invocation until each has an instance of its own.
SOURCE = """
import os, socket
{top}

def use():
{use}

{last}

def handler(event, context):
    with socket.create_connection(("127.0.0.1", event["gate"])) as gate:
        gate.sendall(b"here")
        gate.recv(1)
    return use()
"""

BLAS = "a = numpy.arange(250000.0).reshape(500, 500) % 7\nreturn float((a @ a).sum())"
OPENMP = """
x = numpy.random.RandomState(0).rand(4000, 20)
return KMeans(4, n_init=1, random_state=0).fit(x).n_features_in_
"""
GROUPS = "return polars.DataFrame({'k': [1, 2] * 5000}).group_by('k').len()['len'].sum()"
CALL = """
try:
    channel.unary_unary("/a/b")(b"", timeout=5)
except grpc.RpcError as error:
    return error.code().name
"""
FRAME = "return pandas.DataFrame({'k': [1, 2, 1], 'v': [1, 2, 5]}).groupby('k').v.mean().to_dict()"
FIT = "return round(float(scipy.stats.linregress([1, 2, 3], [2, 4, 6]).slope), 6)"
WORKER = """
import threading
worker = threading.Thread(target=threading.Event().wait, daemon=True)
worker.start()
"""
POOL = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)"
LOOP = "import asyncio\nloop = asyncio.new_event_loop()"
CHANNEL = "import grpc\nchannel = grpc.insecure_channel('127.0.0.1:9')"
FILE = "open('/tmp/lines', 'w').write('12345678')\nlines = open('/tmp/lines')"
MAPPED = """
import mmap
open('/tmp/data', 'w').write('ab')
with open('/tmp/data', 'rb') as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
"""
CLUSTERS = "import numpy\nfrom sklearn.cluster import KMeans"
SUBMIT = "return pool.submit(len, 'abc').result()"
TALK = "ends[0].send(b'x')\nreturn ends[1].recv(9).decode()"
USED = "use()"


def product():
    a = numpy.arange(250000.0).reshape(500, 500) % 7
    return a @ a


# What the module has at its top, what its handler does, what else the module does
# last, and the handler's answer.
FORKED = {
    "numpy-used": ("import numpy", BLAS, USED, float(product().sum())),
    "scipy-used": ("import scipy.stats", FIT, USED, 2.0),
    "pandas-used": ("import pandas", FRAME, USED, {"1": 3.0, "2": 2.0}),
    "sklearn": (CLUSTERS, OPENMP, "", 20),
    "grpc": ("import grpc", f"{CHANNEL}\n{CALL}", "", "UNAVAILABLE"),
    "pool-unused": (POOL, SUBMIT, "", 3),
    "thread-ended": (WORKER.replace("threading.Event().wait", "print"), "return 1", "worker.join()", 1),
    "mapped-file": (MAPPED, "return data[:2].decode()", "", "ab"),
    "null-device": ("null = open(os.devnull)", "return null.read()", "", ""),
}

# And why it is not forked.
SPAWNED = {
    "own-thread": (WORKER, "return worker.is_alive()", "", True, "1 live thread"),
    "pool-used": (POOL, SUBMIT, USED, 3, "1 live thread"),
    "sklearn-used": (CLUSTERS, OPENMP, USED, 20, "live thread"),
    "polars": ("import polars", GROUPS, "", 10000, "live thread"),
    "polars-used": ("import polars", GROUPS, USED, 10000, "live thread"),
    "grpc-channel": (CHANNEL, CALL, "", "UNAVAILABLE", "live thread"),
    "event-loop": (LOOP, "return loop.run_until_complete(asyncio.sleep(0, 5))", "", 5, "open eventpoll"),
    "connection": ("ends = socket.socketpair()", TALK, "", "x", "open socket"),
    "file": (FILE, "return os.read(lines.fileno(), 2).decode()", "", "12", "open file /tmp/lines"),
}


@pytest.fixture(scope="module")
def libraries():
    """An engine whose functions find the tests' own libraries: polars is too large for a layer."""
    folder = Path(numpy.__file__).parent.parent
    with harness.running_engine(environment={"SQUALL_PYTHON_PACKAGES": str(folder)}) as engine:
        yield engine


class Tried:
    """What became of one handler: the answers, and what `squall ps` said meanwhile."""

    def __init__(self, engine, gate, case, start=None, timeout=30):
        functions = Functions(engine.client("lambda"))
        top, use, last = case[:3]
        source = SOURCE.format(top=top, use=textwrap.indent(use.strip(), "    "), last=last)
        variables = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
        if start:
            variables["SQUALL_START"] = start
        name = functions.make(
            source, MemorySize=1024, Timeout=timeout, Environment={"Variables": variables}
        )
        try:
            with ThreadPoolExecutor(INSTANCES) as callers:
                calls = [callers.submit(functions.invoke, name, gate.event()) for _ in range(INSTANCES)]
                try:
                    gate.wait_for(INSTANCES)
                    listing = json.loads(engine.cli("ps", "--json").stdout)
                    self.table = engine.cli("ps").stdout
                finally:
                    gate.open()
                answers = [call.result() for call in calls]
        finally:
            functions.remove_all()
        self.starts = [i["start"] for i in listing["instances"] if i["function"] == name]
        (template,) = [t for t in listing["templates"] if t["function"] == name]
        self.state, self.reason = template["state"], template["reason"]
        self.errors = [answer.get("FunctionError") for answer in answers]
        self.values = [json.loads(answer["Payload"].read()) for answer in answers]


@pytest.mark.parametrize("case", FORKED.values(), ids=FORKED)
def test_forked_and_right(libraries, gate, case):
    tried = Tried(libraries, gate, case)
    assert tried.starts == ["fork"] * INSTANCES, tried.reason
    assert (tried.state, tried.reason) == ("ready", None)
    assert tried.values == [case[3]] * INSTANCES


@pytest.mark.parametrize("case", SPAWNED.values(), ids=SPAWNED)
def test_started_one_by_one_and_right(libraries, gate, case):
    tried = Tried(libraries, gate, case)
    assert tried.starts == ["spawn"] * INSTANCES
    assert tried.state == "not_used"
    assert case[4] in tried.reason
    assert tried.reason in tried.table
    assert tried.values == [case[3]] * INSTANCES


def test_a_fork_can_be_forced(libraries, gate):
    """And shows why it is not the default: the thread is gone."""
    tried = Tried(libraries, gate, SPAWNED["own-thread"], start="fork")
    assert tried.starts == ["fork"] * INSTANCES
    assert tried.values == [False] * INSTANCES


def test_forced_forks_share_their_place_in_a_file(libraries, gate):
    tried = Tried(libraries, gate, SPAWNED["file"], start="fork")
    assert tried.starts == ["fork"] * INSTANCES
    assert sorted(tried.values) == ["12", "34", "56"]


def test_forced_forks_hang_in_a_pool_of_threads_that_were_lost(libraries, gate):
    tried = Tried(libraries, gate, SPAWNED["pool-used"], start="fork", timeout=2)
    assert tried.starts == ["fork"] * INSTANCES
    assert tried.errors == ["Unhandled"] * INSTANCES
    assert all("timed out" in error["errorMessage"].lower() for error in tried.values)


def test_a_spawn_can_be_forced(libraries, gate):
    tried = Tried(libraries, gate, FORKED["null-device"], start="spawn")
    assert tried.starts == ["spawn"] * INSTANCES
    assert (tried.state, tried.reason) == ("not_used", "started one by one")
    assert tried.values == [""] * INSTANCES
