"""The engine beside its peers and beside what the machine allows, in one run.

Latency and throughput of a no-op, cold starts with scientific libraries, many
sleeps at once, a thousand instances alive at once. Peers run the same handlers,
one after the other, each alone on the machine.

    python bench/engine.py [--quick] [--only squall,ministack,serverless] [--no-write]
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import functions
import limits
import results
from peers import (
    CACHE,
    SCIENCE_LAYERS,
    MiniStack,
    Peer,
    ServerlessOffline,
    Squall,
    Unavailable,
    harness,
    layer_zip,
)
from spending import memory_of

LOADGEN_PROJECT = Path(__file__).resolve().parent / "loadgen"
PEERS = {"squall": Squall, "ministack": MiniStack, "serverless": ServerlessOffline}
SLEEPERS = 200
INSTANCES = 1000


def main():
    arguments = parse()
    loadgen = build_loadgen()
    seconds = 2 if arguments.quick else 8
    measured = {"machine": measure_machine(loadgen, arguments)}
    for key in arguments.only:
        print(f"{PEERS[key].name}:", file=sys.stderr, flush=True)
        measured[key] = measure_peer(PEERS[key], loadgen, seconds, arguments)
    print(json.dumps(measured, indent=1), file=sys.stderr)
    text = report(measured)
    print(text)
    if not arguments.no_write:
        results.write_section("engine", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short runs, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PEERS))
    return parser.parse_args()


def build_loadgen() -> Path:
    target = CACHE / "loadgen"
    environment = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
    command = ["cargo", "build", "--release", "--quiet", "--locked", "--target-dir", target]
    subprocess.run(command, cwd=LOADGEN_PROJECT, check=True, env=environment)
    return target / "release" / "loadgen"


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


# The machine


def measure_machine(loadgen, arguments) -> dict:
    say("the machine's own limits")
    server = subprocess.Popen([loadgen, "constant"], stdout=subprocess.PIPE, text=True)
    try:
        constant = Peer()
        constant.api = f"http://{server.stdout.readline().strip()}"
        boto = {clients: boto_load(constant, "any", clients, 2 if arguments.quick else 5) for clients in (1, 16)}
    finally:
        server.kill()
        server.wait()
    return {
        "socket": limits.socket_ping_pong(1 if arguments.quick else 3),
        "fork": limits.bare_fork(),
        "fresh": limits.fresh_process(functions.SCIENCE_SCRIPT, 2 if arguments.quick else 5),
        "fresh_layer": fresh_from_layers(2 if arguments.quick else 5),
        "boto": boto,
    }


def fresh_from_layers(times) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        for distributions in SCIENCE_LAYERS:
            with zipfile.ZipFile(io.BytesIO(layer_zip(*distributions))) as archive:
                archive.extractall(folder)
        return limits.fresh_process(functions.SCIENCE_SCRIPT, times, Path(folder) / "python")


# A peer


def measure_peer(kind, loadgen, seconds, arguments) -> dict:
    seen = {}
    try:
        with kind() as peer:
            steps = [
                ("idle_mb", lambda: memory_of([peer.pid()]) if peer.process else None),
                ("warm", lambda: warm(peer, loadgen, seconds)),
                ("boto", lambda: {n: boto_load(peer, "noop", n, seconds) for n in (1, 16)}),
                ("sleep", lambda: sleeps(peer, loadgen)),
                ("cold", lambda: cold(peer, 5 if arguments.quick else rounds(kind))),
            ]
            if kind is Squall:
                steps.append(("thousand", lambda: thousand(peer, 100 if arguments.quick else INSTANCES)))
            for name, step in steps:
                say(name)
                seen[name] = outcome(step)
    except Unavailable as reason:
        say(f"not measured: {reason}")
        return {"unavailable": str(reason)}
    return seen


def rounds(kind) -> int:
    # The others take seconds for each.
    return 40 if kind is Squall else 5


def outcome(step):
    """A peer that fails at something is a result too, and no reason to stop."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001
        say(f"failed: {error}")
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def run_loadgen(loadgen, peer, request: bytes, clients, unit, amount) -> dict:
    with tempfile.NamedTemporaryFile() as file:
        file.write(request)
        file.flush()
        command = [loadgen, "load", peer.address, file.name, clients, unit, amount]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    seen = json.loads(done.stdout)
    if seen["errors"]:
        raise RuntimeError(f"{seen['errors']} errors, the first: {seen['first_error']}")
    return seen


def warm(peer, loadgen, seconds) -> dict:
    peer.create("noop", functions.NOOP)
    seen = {}
    for clients in (1, 16):
        request = peer.signed_invoke("noop", {})
        run_loadgen(loadgen, peer, request, clients, "seconds", 1)
        seen[clients] = run_loadgen(loadgen, peer, request, clients, "seconds", seconds)
    return seen


def boto_load(peer, name, clients, seconds) -> dict:
    """boto3 in processes of their own: within one they would wait for each other."""
    context = multiprocessing.get_context("spawn")
    ready, go, answers = context.Barrier(clients + 1), context.Event(), context.Queue()
    how = {"api": peer.api, "region": peer.region, "keys": (peer.access_key, peer.secret_key)}
    workers = [
        context.Process(target=boto_worker, args=(how, name, seconds, ready, go, answers)) for _ in range(clients)
    ]
    for worker in workers:
        worker.start()
    ready.wait(120)
    go.set()
    samples = [sample for _ in workers for sample in answers.get(timeout=seconds + 120)]
    for worker in workers:
        worker.join()
    samples.sort()
    return {
        "p50_ms": 1000 * samples[len(samples) // 2],
        "p99_ms": 1000 * samples[len(samples) * 99 // 100],
        "per_second": len(samples) / seconds,
    }


def boto_worker(how, name, seconds, ready, go, answers):
    peer = Peer()
    peer.api, peer.region = how["api"], how["region"]
    peer.access_key, peer.secret_key = how["keys"]
    client = peer.client()
    client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
    ready.wait()
    go.wait()
    samples, end = [], time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
        samples.append(time.perf_counter() - before)
    answers.put(samples)


def sleeps(peer, loadgen) -> dict:
    peer.create("sleep", functions.SLEEP)
    # Once alone, so that what is loaded once per function is loaded.
    run_loadgen(loadgen, peer, peer.signed_invoke("sleep", {}), 1, "each", 1)
    return run_loadgen(loadgen, peer, peer.signed_invoke("sleep", {}), SLEEPERS, "each", 1)


def cold(peer, times) -> dict:
    """Answers of instances that did not exist before: all that do are held busy."""
    create_science(peer)
    client = peer.client(max_pool_connections=200)
    samples, loads = [], []
    with harness.Gate() as gate, ThreadPoolExecutor(times + 1) as pool:
        before = time.perf_counter()
        first = call(client, "science", {})
        loads.append(1000 * (time.perf_counter() - before))
        assert first["call"] == 1, first
        holders = []
        try:
            for n in range(times):
                holders.append(pool.submit(call, client, "science", {"gate": gate.port}))
                gate.wait_for(n + 1)
                before = time.perf_counter()
                answer = call(client, "science", {})
                samples.append(1000 * (time.perf_counter() - before))
                if answer["call"] != 1:
                    raise RuntimeError("that was not a new instance")
        finally:
            gate.open()
        for holder in holders:
            holder.result()
    return {"first_ms": loads[0], "p50_ms": statistics.median(samples), "max_ms": max(samples), "count": times}


def create_science(peer):
    # serverless-offline knows no layers: it runs on an interpreter that has the libraries.
    peer.create("science", functions.SCIENCE, science=isinstance(peer, (Squall, MiniStack)), memory=1024)


def call(client, name, event):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    body = json.loads(answer["Payload"].read())
    if "FunctionError" in answer or not isinstance(body, dict) or "call" not in body:
        raise RuntimeError(str(body)[:300])
    return body


# A thousand at once


def thousand(peer, count) -> dict:
    client = peer.client()
    layer = peer.science_layers(client)[0]
    client.create_function(
        FunctionName="many",
        Role="arn:aws:iam::000000000000:role/any",
        Runtime="python3.11",
        Handler="app.handler",
        Timeout=300,
        MemorySize=128,
        Layers=[layer],
        Code={"ZipFile": harness.zip_of({"app.py": functions.NUMPY_GATE})},
    )
    # What ran before is gone, so that only the thousand are counted.
    for name in ("noop", "sleep", "science"):
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName=name)
    harness.eventually(lambda: len(harness.descendants(peer.pid())) < 8, "the end of earlier instances", 120)
    before_kb = available_kb()
    with CountingGate(count) as gate:
        request = peer.signed_invoke("many", {"gate": gate.port})
        loadgen = CACHE / "loadgen" / "release" / "loadgen"
        with ThreadPoolExecutor(1) as pool:
            started = time.perf_counter()
            load = pool.submit(run_loadgen, loadgen, peer, request, count, "each", 1)
            gate.wait(120)
            seconds = time.perf_counter() - started
            pids = harness.descendants(peer.pid())
            taken_kb = before_kb - available_kb()
            memory = memory_of([peer.pid(), *pids])
            gate.open()
            load.result()
    return {
        "count": count,
        "seconds": seconds,
        "processes": len(pids),
        "pss_mb": memory,
        "pss_mb_each": memory / count,
        "taken_mb": taken_kb / 1024,
    }


class CountingGate:
    """Takes connections in a thread of its own: a thousand come at once."""

    def __init__(self, count):
        import socket

        self.count = count
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.full = threading.Event()
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while len(self.connections) < self.count:
                self.connections.append(self.listener.accept()[0])
            self.full.set()

    def wait(self, seconds):
        if not self.full.wait(seconds):
            raise RuntimeError(f"after {seconds} s {len(self.connections)} of {self.count} run")

    def open(self):
        for connection in self.connections:
            connection.close()
        self.connections.clear()


def available_kb() -> int:
    return int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[1])


# The report

HOW = """
How it is measured. Client and engine share the machine, one engine at a time. The
no-op is called over keep-alive connections by bench/loadgen, with one prepared and
signed request. boto3 clients are processes of their own; beside them stands boto3
against a server that only says `null`, which nothing can pass. A new instance is
forced by holding all others busy, and called through boto3. A fresh process is
`python -c` with the same computation, once with the libraries installed (byte code
at hand) and once with the files of the layers (none, as in a Lambda). Squall checks
signatures, isolates instances and keeps logs and records in all of this;
serverless-offline does none of it, MiniStack keeps logs.
"""

def report(measured) -> str:
    machine = measured["machine"]
    keys = [key for key in PEERS if key in measured]
    names = [PEERS[key].name for key in keys]
    fresh, layer = machine["fresh"]["p50_ms"], machine["fresh_layer"]["p50_ms"]

    def row(title, pick, form, limit=""):
        return [title, *(cell(measured[key], pick, form) for key in keys), limit]

    ms, rate, second = "{:.2f} ms".format, "{:,.0f}/s".format, "{:.2f} s".format
    boto = machine["boto"]
    rows = [
        row("no-op, 1 client, p50", lambda m: m["warm"][1]["p50_ms"], ms, f"{machine['socket']['p50_ms']:.3f} ms, socket ping-pong"),
        row("no-op, 1 client, p99", lambda m: m["warm"][1]["p99_ms"], ms, f"{machine['socket']['p99_ms']:.3f} ms, socket ping-pong"),
        row("no-op, 1 client", lambda m: m["warm"][1]["per_second"], rate, f"{machine['socket']['per_second']:,.0f}/s, socket ping-pong"),
        row("no-op, 16 clients, p50", lambda m: m["warm"][16]["p50_ms"], ms),
        row("no-op, 16 clients, p99", lambda m: m["warm"][16]["p99_ms"], ms),
        row("no-op, 16 clients", lambda m: m["warm"][16]["per_second"], rate),
        row("boto3, 1 client, p50", lambda m: m["boto"][1]["p50_ms"], ms, f"{boto[1]['p50_ms']:.2f} ms, boto3 against a constant"),
        row("boto3, 1 client", lambda m: m["boto"][1]["per_second"], rate, f"{boto[1]['per_second']:,.0f}/s, boto3 against a constant"),
        row("boto3, 16 clients", lambda m: m["boto"][16]["per_second"], rate, f"{boto[16]['per_second']:,.0f}/s, boto3 against a constant"),
        row("numpy, pandas, scipy: first call", lambda m: m["cold"]["first_ms"], ms, f"{layer:,.0f} ms, fresh process of the layers; {fresh:,.0f} ms, installed"),
        row("numpy, pandas, scipy: new instance, p50", lambda m: m["cold"]["p50_ms"], ms, f"{machine['fork']['p50_ms']:.2f} ms, bare fork"),
        row("numpy, pandas, scipy: new instance, max", lambda m: m["cold"]["max_ms"], ms, f"{machine['fork']['max_ms']:.2f} ms, bare fork"),
        row("faster than a fresh process of the layers", lambda m: layer / m["cold"]["p50_ms"], "{:.1f}x".format, f"{layer / machine['fork']['p50_ms']:.0f}x, bare fork"),
        row("faster than a fresh process, installed", lambda m: fresh / m["cold"]["p50_ms"], "{:.1f}x".format, f"{fresh / machine['fork']['p50_ms']:.0f}x, bare fork"),
        row(f"{SLEEPERS} sleeps of 1 s at once", lambda m: m["sleep"]["seconds"], second, "1.00 s"),
        row("memory of the idle engine", lambda m: m["idle_mb"], "{:.1f} MB".format),
    ]  # fmt: skip
    text = f"## The engine\n\n{results.machine()}; {results.when()}, commit {results.commit()}.\n\n"
    text += results.table(["", *names, "what the machine allows"], rows)
    text += "\n\n" + ratios(measured) + many(measured) + HOW
    return text


def cell(seen, pick, form) -> str:
    if "unavailable" in seen:
        return "not measured"
    try:
        value = pick(seen)
    except (KeyError, TypeError):
        return "failed"
    return "-" if value is None else form(value)


def ratios(measured) -> str:
    """How many times the peers' figures, by the same rows."""
    lines = []
    ours = measured.get("squall", {})
    for key in ("ministack", "serverless"):
        theirs = measured.get(key, {})
        parts = []
        for title, pick, more_is_better in (
            ("throughput, 16 clients", lambda m: m["warm"][16]["per_second"], True),
            ("throughput through boto3, 16 clients", lambda m: m["boto"][16]["per_second"], True),
            ("latency", lambda m: m["warm"][1]["p50_ms"], False),
            ("new scientific instance", lambda m: m["cold"]["p50_ms"], False),
            ("sleeps at once", lambda m: m["sleep"]["seconds"], False),
        ):
            with contextlib.suppress(KeyError, TypeError):
                ratio = pick(ours) / pick(theirs) if more_is_better else pick(theirs) / pick(ours)
                parts.append(f"{title} {ratio:.1f}x")
        if parts:
            lines.append(f"Squall beside {PEERS[key].name}: {', '.join(parts)}.")
        elif "unavailable" in theirs:
            lines.append(f"{PEERS[key].name} was not measured: {theirs['unavailable']}.")
    failures = [
        f"{PEERS[key].name}, {name}: {part['failed']}."
        for key in PEERS
        for name, part in measured.get(key, {}).items()
        if isinstance(part, dict) and "failed" in part
    ]
    return "\n".join([*lines, *failures]) + "\n"


def many(measured) -> str:
    seen = measured.get("squall", {}).get("thousand")
    if not seen or "failed" in seen:
        return ""
    return (
        f"\n{seen['count']:,} instances of a numpy handler alive at once: all running after "
        f"{seen['seconds']:.1f} s, {seen['pss_mb_each']:.1f} MB each (PSS of engine, template and "
        f"{seen['processes']:,} processes together {seen['pss_mb'] / 1024:.2f} GB; free memory shrank by "
        f"{seen['taken_mb'] / 1024:.2f} GB).\n"
    )


if __name__ == "__main__":
    main()
