"""The gateway beside nginx, FastAPI under uvicorn, and MiniStack, in one run.

A page of 1 KB, a function that does nothing, a model: each asked by one keep-alive client for its
latency, and by wrk with 64 connections for all that two processors give while wrk takes its share.
The same with an API key, a plan, metering and rules for pages of other origins. And with 10,000
open connections that are silent.

    python bench/gateway.py [--quick] [--only serving,idle] [--no-write]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gateway_peers as peers
import results
from engine import build_loadgen
from gateway_report import report
from models import outcome, say
from models_peers import Failed, run_loadgen
from spending import memory_of

PARTS = ("serving", "idle")
CONNECTIONS = 64
#: Two of this machine's file descriptors for each: ours, and that of who is connected.
IDLE = 10_000
HERE = Path(__file__).resolve().parent


def main():
    arguments = parse()
    if not shutil.which("wrk"):
        sys.exit("there is no wrk on this machine: apt-get install wrk")
    folder = Path(tempfile.mkdtemp(prefix="squall-bench-"))
    measured = {}
    try:
        loadgen = build_loadgen()
        if "serving" in arguments.only:
            measured["serving"] = [serving(folder, loadgen, arguments, turn) for turn in range(arguments.rounds)]
        if "idle" in arguments.only:
            measured["idle"] = idle(folder, loadgen, arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(measured, indent=1), file=sys.stderr)
    text = report(measured)
    print(text)
    if not arguments.no_write:
        results.write_section("gateway", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short turn, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS))
    arguments = parser.parse_args()
    arguments.rounds = 1 if arguments.quick else 3
    arguments.seconds = 1 if arguments.quick else 4
    return arguments


# Serving


def serving(folder, loadgen, arguments, turn) -> dict:
    say(f"serving, turn {turn + 1} of {arguments.rounds}")
    seen = {"bare": outcome(lambda: bare(loadgen, arguments.seconds))}
    for kind in peers.CONTENDERS:
        seen[kind.name] = outcome(lambda: contender(kind, folder, loadgen, arguments.seconds))
    return seen


def bare(loadgen, seconds) -> dict:
    """A program of a few lines that answers everything with the same bytes: what sockets cost."""
    server = subprocess.Popen([loadgen, "constant"], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        return run_loadgen(loadgen, address, peers.request_of(address, "/", {}), 1, seconds)
    finally:
        server.kill()
        server.wait()


def contender(kind, folder, loadgen, seconds) -> dict:
    seen = {}
    with kind(folder) as server:
        for name, asked in server.asked().items():
            say(f"{kind.name}: {name}")
            seen[name] = outcome(lambda: ask(server, asked, loadgen, seconds))
    return seen


def ask(server, asked, loadgen, seconds) -> dict:
    request = asked.request(server.address)
    run_loadgen(loadgen, server.address, request, 1, min(1, seconds))
    one = run_loadgen(loadgen, server.address, request, 1, seconds)
    return {"one": one, "many": outcome(lambda: wrk(server.address, asked, seconds))}


def wrk(address, asked, seconds) -> dict:
    command = ["wrk", "-t", "1", "-c", CONNECTIONS, "-d", f"{seconds}s", "--latency"]
    for name, value in asked.headers.items():
        command += ["-H", f"{name}: {value}"]
    command.append(f"http://{address}{asked.target}")
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    text = done.stdout
    if done.returncode or "Non-2xx" in text or "Socket errors" in text:
        raise Failed(f"{text} {done.stderr}"[-300:])
    return {
        "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "p50_ms": millis(re.search(r"50%\s+([\d.]+)(us|ms|s)", text)),
        "p99_ms": millis(re.search(r"99%\s+([\d.]+)(us|ms|s)", text)),
    }


def millis(found) -> float:
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


# Silent connections


def idle(folder, loadgen, arguments) -> dict:
    seen, count = {}, IDLE // 10 if arguments.quick else IDLE
    for kind in (peers.Squall, peers.Nginx, peers.FastApi):
        say(f"{kind.name}: {count} silent connections")
        seen[kind.name] = outcome(lambda: silent(kind, folder, loadgen, arguments.seconds, count))
    return seen


def silent(kind, folder, loadgen, seconds, count) -> dict:
    with kind(folder) as server:
        asked = server.asked()[kind.silent]
        request = asked.request(server.address)
        run_loadgen(loadgen, server.address, request, 1, 1)
        alone = {"memory_mb": memory_of(server.pids()), "one": run_loadgen(loadgen, server.address, request, 1, seconds)}
        holder = subprocess.Popen(
            [sys.executable, HERE / "gateway_idle.py", server.address, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            holder.stdin.write(request.decode().replace("\r\n", "\n") + "\0")
            holder.stdin.flush()
            opened = int(holder.stdout.readline() or 0)
            if opened < count:
                raise Failed(f"{opened} of {count} connections were answered")
            beside = {
                "memory_mb": memory_of(server.pids()),
                "one": run_loadgen(loadgen, server.address, request, 1, seconds),
                "many": wrk(server.address, asked, seconds),
            }
            holder.stdin.close()
            kept = int(holder.stdout.readline() or 0)
        finally:
            holder.kill()
            holder.wait()
    return {"connections": count, "alone": alone, "beside": beside, "kept": kept}


if __name__ == "__main__":
    main()
