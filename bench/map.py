"""The map beside process pools and task engines: what an item costs, what a failure costs.

Series of a hundred values to a Python function, from a CSV file to a CSV file by
`squall map` and from a list in memory by `squall.map`; beside them multiprocessing.Pool,
joblib, dask.distributed, ray, Lithops and MiniStack. Each peer runs alone with us: it and
we take turns, and what is compared is the ratio within a turn.

    python bench/map.py [--quick] [--only pool,ray] [--without http] [--no-write]
"""

import argparse
import contextlib
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import map_http
import map_report
import map_work
import results
from map_contenders import CommandLine, Failed, Host, StoryPool, python_of_peers
from map_data import POOL_SCRIPT, Runs, make, repeated, scattered
from peers import Unavailable, harness
from spending import CommandFailed, PeakMemory, spend

PEERS = ("pool", "joblib", "dask", "ray", "lithops", "ministack")
PARTS = ("seed", "chunks", "busy", "memory", "failures", "large", "http")
KINDS = ("array", "series", "list")
COUNTS = (1_000, 10_000, 100_000)
MIDDLE = 10_000
BUSY = 1_000
FRAGILE = 1_000
# Groups of five rows that are scattered over the file; and how often the largest file is
# repeated, so that it has 3 GB.
SCATTERED = (100_000, 1_000_000)
REPEATED = 38
# Seconds of a peer's turns after which there are no more of them.
LONG = 15
# Seconds after which a contender that has not come back from the poison item is given up.
SURVIVE = 60
# One task for each item: measured with fewer items where that takes long.
SLOW_ALONE = {"dask": 1_000, "ray": 1_000, "lithops": 20, "ministack": 100}
def main():
    arguments = parse()
    python_of_peers()
    with tempfile.TemporaryDirectory() as folder, CommandLine() as ours:
        bench = Bench(ours, Path(folder), arguments)
        measured = bench.run()
    print(json.dumps(measured, indent=1, default=str), file=sys.stderr)
    text = map_report.report(measured, arguments)
    print(text)
    if not arguments.no_write:
        results.write_section("map", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few turns and no large data, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PEERS), help="some of the peers")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help="some of the parts")
    return parser.parse_args()


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, ours, folder, arguments):
        self.ours, self.folder, self.arguments = ours, folder, arguments
        self.turns = 3 if arguments.quick else 7
        self.counts = COUNTS[:2] if arguments.quick else COUNTS
        self.out = folder / "out.csv"
        #: By work, the chunk size of the peer that is being measured.
        self.best = {}
        self.files = {count: make(folder, count) for count in self.counts}
        self.expected = {count: [map_work.total(item) for item in map_work.arrays(count)] for count in self.counts}

    def run(self) -> dict:
        measured = {"ours": {}, "peers": {}}
        warm = self.files[1_000]
        for work in ("total", "busy"):
            for kind in KINDS if work == "total" else ("array",):
                self.attempt(f"first run of {work}-{kind}", lambda w=work, k=kind: self.ours.map(w, k, warm, self.out))
        measured["ours"] = self.alone()
        for name in self.arguments.only:
            say(f"{name}:")
            measured["peers"][name] = self.beside(name)
        if "http" in self.arguments.parts:
            measured["http"] = self.attempt("http", self.http)
        return measured

    def attempt(self, what, step):
        """What cannot be done is a result too, and no reason to stop."""
        try:
            return step()
        except (Failed, CommandFailed, Unavailable, OSError, subprocess.SubprocessError, AssertionError) as error:
            say(f"{what} failed: {error}")
            return {"failed": f"{error}"[:300]}

    def wants(self, part) -> bool:
        return part in self.arguments.parts

    # Us

    def cli(self, count, kind="array", chunk=None) -> dict:
        spent = self.ours.map("total", kind, self.files[count], self.out, chunk)
        self.check(count)
        return spent

    def check(self, count):
        found = np.loadtxt(self.out, delimiter=",", skiprows=1)
        assert found[:, 0].tolist() == list(range(count)), "other ids came back"
        # A list is summed from left to right, an array in pairs.
        assert np.allclose(found[:, 1], self.expected[count], rtol=1e-9, atol=1e-9), "the results are wrong"

    def alone(self) -> dict:
        seen = {}
        if self.wants("seed"):
            for kind in KINDS:
                for count in self.counts:
                    seen[f"{kind} {count}"] = self.attempt(kind, lambda k=kind, c=count: self.times(lambda: self.cli(c, k)))
            for count in self.counts:
                seen[f"script {count}"] = self.attempt("script", lambda c=count: self.times(lambda: self.script(c)))
        if self.wants("chunks"):
            for chunk in (1, 10, 100):
                seen[f"chunk {chunk}"] = self.attempt("chunks", lambda c=chunk: self.times(lambda: self.cli(MIDDLE, chunk=c)))
        if self.wants("memory"):
            for count in self.counts[1:]:
                seen[f"memory {count}"] = self.attempt("memory", lambda c=count: self.memory(c))
        if self.wants("failures"):
            seen["survive"] = self.attempt("failures", self.survive)
        if self.wants("large"):
            seen["large"] = self.attempt("large", self.large)
        with self.ours.host() as host:
            seen["library"] = self.attempt("library", lambda: self.library(host))
        return seen

    def large(self) -> list[dict]:
        """Whether an item gets dearer with their number, and the limit of memory holds."""
        seen = []

        def run(path, groups, rows, *more):
            spent = self.ours.map("total", "list", path, self.out, None, *more)
            found = np.loadtxt(self.out, delimiter=",", skiprows=1)
            assert found.shape == (groups, 2), "groups are missing"
            seen.append({"groups": groups, "rows": rows, "bytes": path.stat().st_size, "limit": more[-1] if more else "", **spent})

        for groups in SCATTERED[: 1 if self.arguments.quick else None]:
            path = scattered(self.folder, groups)
            run(path, groups, 5 * groups)
        if not self.arguments.quick:
            path = repeated(path, REPEATED)
            run(path, groups, 5 * groups * REPEATED, "--memory", "512MB")
            path.unlink()
        return seen

    def memory(self, count) -> float:
        """With an engine that has this function alone."""
        with CommandLine(("array",), ("total",)) as ours:
            ours.map("total", "array", self.files[1_000], self.out)
            return ours.peak("total", "array", self.files[count], self.out)

    def library(self, host) -> dict:
        """`squall.map` with items in memory, by itself; its pairs come with the peers."""
        seen = {}
        host.ask("load", count=self.counts[0])
        host.ask("map", work="total", chunk=None)
        for count in self.counts if self.wants("seed") else ():
            host.ask("load", count=count)
            seen[f"total {count}"] = self.times(lambda: host.ask("map", work="total", chunk=None))
        if self.wants("chunks"):
            host.ask("load", count=MIDDLE)
            for chunk in (1, 10, 100):
                seen[f"chunk {chunk}"] = self.times(lambda c=chunk: host.ask("map", work="total", chunk=c))
        return seen

    def times(self, step) -> dict:
        """The median of some turns; fewer where they are long."""
        spent = [step()]
        turns = min(self.turns, max(2, math.ceil(10 / max(spent[0]["seconds"], 0.01))))
        # The first one counts as a warming-up where others follow.
        spent = [step() for _ in range(turns)]
        return {"seconds": statistics.median(one["seconds"] for one in spent), "turns": turns, **extra(spent)}

    def script(self, count) -> dict:
        script = self.folder / "script.py"
        script.write_text(POOL_SCRIPT)
        environment = {**harness.clean_environment(), "PYTHONPATH": str(Path(map_work.__file__).parent)}
        spent = spend([python_of_peers(), script, self.files[count], self.out], environment)
        self.check(count)
        return spent

    def survive(self) -> dict:
        with Runs() as runs:
            rows = [(n, value) for n in range(FRAGILE) for value in (n, runs.port)]
            path = self.folder / "fragile.csv"
            path.write_text("id,value\n" + "".join(f"{n},{value}\n" for n, value in rows))
            more = ("--on-error", "collect", "--retries", "0")
            command = self.ours.command("fragile", "array", path, self.out, None, *more)
            done, seconds = timed(command, self.ours.environment)
            # 4: some items failed.
            if done.returncode not in (0, 4):
                raise Failed(f"it ended with {done.returncode}: {done.stderr[-200:]}")
        lines = [line.split(",") for line in self.out.read_text().splitlines()[1:]]
        good = sum(len(line) > 1 and line[1] != "" for line in lines)
        return {"seconds": seconds, "good": good, **runs.told()}

    # Peers

    def beside(self, name) -> dict:
        if name == "ministack":
            return self.attempt(name, self.ministack)
        seen, self.best = {}, {}
        with contextlib.ExitStack() as stack:
            started = self.attempt(name, lambda: stack.enter_context(Host(name)))
            if isinstance(started, dict):
                return {"unavailable": started["failed"]}
            library = stack.enter_context(self.ours.host())
            if self.wants("seed"):
                for count in self.counts:
                    seen[f"total {count}"] = self.attempt(name, lambda c=count: self.pairs(started, library, "total", c))
            if self.wants("busy"):
                seen["busy"] = self.attempt(name, lambda: self.pairs(started, library, "busy", BUSY))
            if self.wants("chunks"):
                for chunk in (1, 10, 100):
                    seen[f"chunk {chunk}"] = self.attempt(name, lambda c=chunk: self.chunked(started, name, c))
            if self.wants("memory"):
                for count in self.counts[1:]:
                    seen[f"memory {count}"] = self.attempt(name, lambda c=count: self.peak(started, c))
        if self.wants("failures"):
            seen["survive"] = self.attempt(name, lambda: self.survivors(name))
        return seen

    def pairs(self, peer, library, work, count) -> dict:
        """The peer with its best chunk size, `squall.map` and `squall map`, in turns."""
        for host in (peer, library):
            host.ask("load", count=count)
        # With the largest data all sizes would take minutes; it is the one for the next smaller.
        if count <= MIDDLE:
            self.best[work] = peer.ask("best", work=work)["chunk"]
        best = self.best[work]
        library.ask("map", work=work, chunk=None)
        turns = []
        while len(turns) < self.turns and sum(turn["peer"] for turn in turns) < LONG:
            one = {"peer": peer.ask("map", work=work, chunk=best), "library": library.ask("map", work=work, chunk=None)}
            assert math.isclose(one["peer"]["check"], one["library"]["check"], rel_tol=1e-9, abs_tol=1e-6)
            one["cli"] = self.ours.map(work, "array", self.files[count], self.out)
            turns.append({who: spent["seconds"] for who, spent in one.items()})
        say(f"{work} {count:,}: {turns[0]}")
        return {
            "chunk": best,
            **{who: statistics.median(turn[who] for turn in turns) for who in turns[0]},
            **{f"{who} ratio": statistics.median(turn[who] / turn["peer"] for turn in turns) for who in ("cli", "library")},
        }

    def chunked(self, peer, name, chunk) -> dict:
        count = SLOW_ALONE.get(name, MIDDLE) if chunk == 1 else MIDDLE
        if name == "lithops":
            count = min(count, 20 * chunk)
        peer.ask("load", count=count)
        spent = self.times(lambda: peer.ask("map", work="total", chunk=chunk))
        return {**spent, "each": spent["seconds"] / count}

    def peak(self, peer, count) -> float:
        peer.ask("load", count=count)
        best = self.best["total"] if "total" in self.best else peer.ask("best", work="total")["chunk"]
        with PeakMemory(lambda: [peer.pid]) as memory:
            peer.ask("map", work="total", chunk=best)
        return memory.peak

    def survivors(self, name) -> dict:
        """In a host of its own: not every one is of use afterwards."""
        with Runs() as runs:
            try:
                with Host(name) as host:
                    seen = host.ask("survive", deadline=SURVIVE, count=FRAGILE, port=runs.port)
            except Failed as reason:
                seen = {"good": 0, "words": [str(reason)]}
        return {**seen, **runs.told()}

    def ministack(self) -> dict:
        items = map_work.arrays(1_000)
        seen = {}
        with StoryPool() as pool:
            pool.map(items, 100)
            for chunk in (1, 10, 100):
                some = items[: SLOW_ALONE["ministack"]] if chunk == 1 else items
                spent = self.times(lambda c=chunk, s=some: pool.map(s, c))
                seen[f"chunk {chunk}"] = {**spent, "each": spent["seconds"] / len(some)}
            best = min((10, 100), key=lambda chunk: seen[f"chunk {chunk}"]["each"])
            turns = [{"peer": pool.map(items, best)["seconds"], "cli": self.cli(1_000)["seconds"]} for _ in range(self.turns)]
            with PeakMemory(lambda: [pool.pid]) as memory:
                pool.map(items, best)
        seen["total 1000"] = {
            "chunk": best,
            "peer": statistics.median(turn["peer"] for turn in turns),
            "cli": statistics.median(turn["cli"] for turn in turns),
            "cli ratio": statistics.median(turn["cli"] / turn["peer"] for turn in turns),
        }
        seen["memory 1000"] = memory.peak
        return seen

    def http(self) -> dict:
        done = self.ours.engine.cli("routes", "add", "/", "--map", "total-series")
        if done.returncode:
            raise Failed(f"squall routes: {done.stderr[-200:]}")
        bodies = {count: self.files[count].read_bytes() for count in COUNTS[:2]}
        return map_http.measure(self.ours, bodies, self.turns, say)


def timed(command, environment):
    before = time.perf_counter()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment, timeout=120)
    return done, time.perf_counter() - before


def extra(spent) -> dict:
    return {key: statistics.median(one[key] for one in spent) for key in ("cpu", "memory") if key in spent[0]}


if __name__ == "__main__":
    main()
