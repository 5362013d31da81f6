"""Models served and fitted: Squall beside plumber, Rserve, FastAPI, R, statsmodels and scikit-learn.

One logistic model of three fields is asked over HTTP, by one client and by eight; every
contender is started anew in each turn, up to its first answer. Then fits: 400 rows and a million.

    python bench/models.py [--quick] [--only serving,row,fit] [--no-write]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import models_fit
import models_peers as peers
import results
from engine import build_loadgen
from models_report import report
from peers import ROOT, Unavailable

PARTS = ("serving", "row", "fit")
CLIENTS = (1, 8)
#: A program of the crate of models, in its folder `examples`.
EXAMPLE = "time_models"


def main():
    arguments = parse()
    if not peers.r_is_here():
        sys.exit("there is no R on this machine, and nothing to compare with")
    folder = Path(tempfile.mkdtemp(prefix="squall-bench-"))
    measured = {}
    try:
        model = folder / "admission.rds"
        subprocess.run(peers.rscript("fit", peers.APPLICANTS, model), check=True, stdout=subprocess.DEVNULL)
        timer = build_timer() if {"row", "fit"} & set(arguments.only) else None
        if "serving" in arguments.only:
            measured["serving"] = serving(model, arguments)
        if "row" in arguments.only:
            say("a row in process")
            measured["row"] = outcome(lambda: row(timer, model, arguments))
        if "fit" in arguments.only:
            measured["fit"] = models_fit.measure(folder, timer, arguments.rounds, say, outcome)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(measured, indent=1), file=sys.stderr)
    text = report(measured)
    print(text)
    if not arguments.no_write:
        results.write_section("models", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short turn, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS))
    arguments = parser.parse_args()
    arguments.rounds = 1 if arguments.quick else 3
    arguments.seconds = 1 if arguments.quick else 3
    return arguments


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def outcome(step):
    """A contender that fails at something is a result too, and no reason to stop."""
    try:
        return step()
    except (Unavailable, Exception) as error:  # noqa: BLE001
        say(f"failed: {error}")
        return {"failed": f"{type(error).__name__}: {error}"[:500]}


def build_timer() -> Path:
    """The crate of models alone, as a program that measures itself; where `make build` builds."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    command = ["cargo", "build", "--release", "--quiet", "--locked", "-p", "model", "--example", EXAMPLE]
    subprocess.run(command, cwd=ROOT, check=True)
    return target / "release" / "examples" / EXAMPLE


def row(timer, model, arguments) -> dict:
    done = subprocess.run([timer, "predict", model, str(arguments.seconds)], capture_output=True, text=True)
    if done.returncode:
        raise peers.Failed(done.stderr[-300:])
    return json.loads(done.stdout)


# Serving


def serving(model, arguments) -> list[dict]:
    loadgen = build_loadgen()
    turns = []
    for turn in range(arguments.rounds):
        say(f"serving, turn {turn + 1} of {arguments.rounds}")
        seen = {"bare": outcome(lambda: bare(model, arguments.seconds))}
        seen["Rscript"] = outcome(lambda: {"cold_ms": statistics.median(peers.fresh_rscript(model) for _ in range(5))})
        seen.update(outcome(lambda: ours(model, loadgen, arguments)))
        for kind in (peers.Serve, peers.Plumber, peers.Rserve, peers.Statsmodels, peers.Rpy2):
            seen[kind.name] = outcome(lambda: theirs(kind, model, loadgen, arguments))
            if kind is peers.Plumber and "each" in seen[kind.name]:
                seen["plumber, a connection each"] = seen[kind.name].pop("each")
        check(seen)
        turns.append(seen)
    return turns


def bare(model, seconds) -> dict:
    """`predict` in R, without anything around it."""
    done = subprocess.run(peers.rscript("bare", model, seconds), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def ours(model, loadgen, arguments) -> dict:
    with peers.Engine(model) as engine:
        routes = {"native": peers.Route(engine, "native"), "R handler": peers.Route(engine, "r")}
        seen = {name: outcome(lambda: loads(route, loadgen, arguments)) for name, route in routes.items()}
        cold = outcome(lambda: {"cold_ms": statistics.median(engine.cold(5 if arguments.rounds == 1 else 10))})
        seen["R handler"].update(cold if "failed" not in cold else {"cold_failed": cold["failed"]})
        return seen


def theirs(kind, model, loadgen, arguments) -> dict:
    with kind(model) as server:
        seen = {"cold_ms": server.cold_ms, **loads(server, loadgen, arguments)}
        if kind is peers.Plumber:
            # With keep-alive its answers wait for TCP's delayed acknowledgement.
            seen["each"] = loads(OneByOne(server), loadgen, arguments)
        return seen


class OneByOne:
    """The same server, with a connection for each request."""

    def __init__(self, server):
        self.server, self.address = server, server.address

    def request(self) -> bytes:
        return self.server.request().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    ask, load = peers.Http.ask, peers.Http.load


def loads(server, loadgen, arguments) -> dict:
    seen = {"probability": server.ask()}
    for clients in CLIENTS:
        server.load(loadgen, clients, 0.5)
        load = server.load(loadgen, clients, arguments.seconds)
        seen[str(clients)] = {"per_second": load["per_second"], "p50_ms": load["p50_ms"]}
    return seen


def check(seen: dict):
    """They all serve the same model; statsmodels fitted its own."""
    answers = {name: one["probability"] for name, one in seen.items() if "probability" in one}
    for name, value in answers.items():
        if abs(value - statistics.median(answers.values())) > 1e-9:
            raise peers.Failed(f"the answer of {name} is {value}")


if __name__ == "__main__":
    main()
