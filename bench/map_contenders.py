"""Who takes part in bench/map.py: Squall's command line, hosts of one peer each, and
MiniStack behind the thread pool that the story uses."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import map_work
from peers import CACHE, MiniStack, Squall, Unavailable, harness
from spending import PeakMemory, spend

HOST = Path(__file__).resolve().parent / "map_host.py"
GUESTS = Path(__file__).resolve().parent.parent / "guests" / "python"
LIBRARIES = ("numpy==2.4.6", "pandas==3.1.1", "flask==3.1.3")
# What each peer is installed as; the standard library needs nothing.
REQUIREMENTS = {
    "joblib": "joblib==1.6.0",
    "dask": "distributed==2026.8.0",
    "ray": "ray==2.60.0",
    "lithops": "lithops==3.8.0",
}
# Generous: a peer that hangs is a result, and must not take the time of the others.
DEADLINE = 120
WORK = Path(map_work.__file__).read_text()
# The same function for each kind of item; what is loaded differs.
MODULES = {
    "array": "from map_work import *\n",
    "series": "import pandas\nfrom map_work import *\n",
    "list": "from map_work import *\n",
}


class Failed(Exception):
    """A contender did not do it; the text says why."""


def python_of_peers() -> Path:
    """An environment of their own under .cache, made the first time."""
    home = CACHE / "map-peers"
    python = home / "bin" / "python"
    mark = home / "installed"
    wanted = "\n".join(LIBRARIES)
    if not (mark.exists() and mark.read_text() == wanted):
        print(f"installing {', '.join(LIBRARIES)} into {home}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *LIBRARIES], check=True)
        mark.write_text(wanted)
    return python


def installed(python: Path, requirement: str):
    """Each for itself: one that is not to be had is no reason to miss the others."""
    name, _, version = requirement.partition("==")
    probe = f"import importlib.metadata as m; assert m.version({name!r}) == {version!r}"
    if subprocess.run([python, "-c", probe], capture_output=True).returncode == 0:
        return
    print(f"installing {requirement}", file=sys.stderr)
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", requirement], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"pip could not install it: {done.stderr.strip().splitlines()[-1][:200]}")


class Host:
    """A peer in a process of its own, with its items in memory and its workers started."""

    def __init__(self, name, environment=None):
        self.name, self.environment = name, environment or {}
        self.closed = False

    def __enter__(self):
        python = python_of_peers()
        if self.name in REQUIREMENTS:
            installed(python, REQUIREMENTS[self.name])
        self.process = subprocess.Popen(
            [python, HOST, self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**harness.clean_environment(), **self.environment},
            start_new_session=True,
        )
        self.pid = self.process.pid
        try:
            self.answer(DEADLINE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        # Peers leave workers behind, some of them in sessions of their own.
        left = harness.descendants(self.pid)
        for kill in (lambda: os.killpg(self.pid, signal.SIGKILL), *(lambda p=p: os.kill(p, signal.SIGKILL) for p in left)):
            with contextlib.suppress(ProcessLookupError):
                kill()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, do, deadline=DEADLINE, **more) -> dict:
        if self.closed:
            raise Failed("it was ended before, because it hung")
        self.process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        self.process.stdin.flush()
        return self.answer(deadline)

    def answer(self, deadline) -> dict:
        seen, end = b"", time.monotonic() + deadline
        while not seen.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                # What it may say later would be taken for the answer to the next command.
                self.__exit__()
                raise Failed(f"no end after {deadline} s")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise Failed(f"its process ended with {self.process.wait()}")
            seen += piece
        answer = json.loads(seen)
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer


class CommandLine(Squall):
    """An engine with the functions, and `squall map` as a user runs it, whole process."""

    def __init__(self, kinds=tuple(MODULES), works=("total", "busy", "fragile")):
        self.kinds, self.works = kinds, works

    def start(self):
        super().start()
        self.environment = {**self.engine.client_environment(), "SQUALL_DATA": str(self.engine.data)}
        client = self.client()
        layers = self.science_layers(client)
        for kind in self.kinds:
            for work in self.works:
                # numpy's alone where that is enough: what else is loaded would count as memory.
                self.make(client, kind, work, MODULES[kind], layers if kind == "series" else layers[:1])

    def make(self, client, kind, work, module, layers):
        client.create_function(
            FunctionName=f"{work}-{kind}",
            Role=harness.ROLE,
            Runtime="python3.11",
            Handler=f"app.{work}",
            Timeout=60,
            MemorySize=512,
            Layers=layers,
            Environment={"Variables": {"SQUALL_ITEM": kind}},
            Code={"ZipFile": harness.zip_of({"app.py": module, "map_work.py": WORK})},
        )

    def command(self, work, kind, data, out, chunk, *more) -> list:
        options = ["--by", "id", "--value", "value", "--item", kind, "--chunksize", chunk or "auto", "--fresh", "--quiet"]
        return [harness.binary(), "map", f"{work}-{kind}", data, "-o", out, *options, *more]

    def map(self, work, kind, data, out, chunk=None, *more) -> dict:
        return spend(self.command(work, kind, data, out, chunk, *more), self.environment, DEADLINE)

    def peak(self, work, kind, data, out) -> float:
        """The engine, its instances and the command together."""
        command = self.command(work, kind, data, out, None)
        running = []
        with PeakMemory(lambda: [self.pid(), *running]) as memory:
            process = subprocess.Popen([str(word) for word in command], env=self.environment)
            running.append(process.pid)
            process.wait(DEADLINE)
        if process.returncode:
            raise Failed(f"it ended with {process.returncode}")
        return memory.peak

    def host(self) -> Host:
        """`squall.map` from Python, with the items in memory, as the peers have them."""
        return Host("squall", {**self.environment, "PYTHONPATH": str(GUESTS), "PYTHONDONTWRITEBYTECODE": "1"})


class StoryPool:
    """MiniStack, and chunks sent by threads through boto3, as the story's server sends them."""

    SOURCE = """
def handler(event, context):
    return [sum(values) for values in event["items"]]
"""
    THREADS = 16

    def __enter__(self):
        self.peer = MiniStack()
        try:
            self.peer.__enter__()
        except Unavailable as reason:
            raise Failed(str(reason)) from None
        try:
            self.peer.create("total", self.SOURCE)
            self.client = self.peer.client(max_pool_connections=self.THREADS)
            self.pool = ThreadPoolExecutor(self.THREADS)
        except BaseException:
            self.peer.__exit__(None, None, None)
            raise
        self.pid = self.peer.pid()
        return self

    def __exit__(self, *_):
        self.pool.shutdown(cancel_futures=True)
        self.peer.__exit__(None, None, None)

    def send(self, part) -> list:
        body = json.dumps({"items": part}).encode()
        answer = self.client.invoke(FunctionName="total", Payload=body)
        results = json.loads(answer["Payload"].read())
        if not isinstance(results, list):
            raise Failed(str(results)[:200])
        return results

    def map(self, items, chunk) -> dict:
        before = time.perf_counter()
        parts = [[list(item) for item in items[n : n + chunk]] for n in range(0, len(items), chunk)]
        results = [result for part in self.pool.map(self.send, parts) for result in part]
        assert len(results) == len(items)
        return {"seconds": time.perf_counter() - before, "check": sum(results)}
