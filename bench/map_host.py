"""One peer of bench/map.py in a process of its own, told what to do line by line.

    python map_host.py NAME

Reads commands (JSON) from its input and writes one line of JSON for each. Workers are
started and have run before anything is measured, and items lie in this process's
memory: what counts is from the call to the list of results.
"""

import itertools
import json
import os
import shutil
import sys
import tempfile
import time
import warnings

import map_work

WORKERS = os.cpu_count()


class Serial:
    """A loop: what the work itself takes, on one processor."""

    # The sizes that are tried, for short work and for long.
    chunks = {"total": (None,), "busy": (None,)}

    def map(self, function, items, chunk):
        return [function(item) for item in items]

    def survivors(self, function, items):
        raise NotImplementedError("the poison item ends it")

    def close(self):
        pass


class SquallMap:
    """`squall.map` of the guest package; the engine is where the environment says."""

    chunks = {"total": (None,), "busy": (None,)}

    def __init__(self):
        import squall

        self.squall = squall

    def map(self, function, items, chunk):
        return self.squall.map(function.__name__ + "-array", items, chunksize=chunk)

    def survivors(self, function, items):
        return self.squall.map(function.__name__ + "-array", items, on_error="collect", retries=0)

    def close(self):
        pass


class Pool:
    chunks = {"total": (None, 100, 1000), "busy": (None, 1, 10)}

    def __init__(self):
        import multiprocessing

        # As users have it: fork, with the module loaded before.
        self.pool = multiprocessing.get_context("fork").Pool(WORKERS)

    def map(self, function, items, chunk):
        return self.pool.map(function, items, chunksize=chunk)

    def survivors(self, function, items):
        """Each item a task of its own, so that the results of others are not lost with one."""
        tasks = [self.pool.apply_async(function, (item,)) for item in items]
        return [outcome(task.get) for task in tasks]

    def close(self):
        self.pool.terminate()


class Joblib:
    chunks = {"total": ("auto", 100, 1000), "busy": ("auto", 1, 10)}

    def __init__(self):
        import joblib

        self.joblib = joblib
        self.parallel = joblib.Parallel(n_jobs=WORKERS)
        self.parallel.__enter__()

    def map(self, function, items, chunk):
        self.parallel.batch_size = chunk
        return self.parallel(self.joblib.delayed(function)(item) for item in items)

    def survivors(self, function, items):
        guarded = self.joblib.delayed(caught)
        return self.parallel(guarded(function, item) for item in items)

    def close(self):
        self.parallel.__exit__(None, None, None)


class Dask:
    chunks = {"total": (100, 1000, 2500), "busy": (1, 10, 100)}

    def __init__(self):
        import dask.distributed

        dask.config.set({"distributed.comm.timeouts.connect": "60s"})
        self.folder = tempfile.mkdtemp(prefix="squall-bench-dask-")
        self.client = dask.distributed.Client(
            n_workers=WORKERS,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=self.folder,
            silence_logs="CRITICAL",
        )

    def map(self, function, items, chunk):
        # It has no chunks of its own; by hand it is far better.
        parts = in_parts(items, chunk)
        done = self.client.map(each, [function] * len(parts), parts, pure=False)
        return list(itertools.chain.from_iterable(self.client.gather(done)))

    def survivors(self, function, items):
        done = self.client.map(function, items, pure=False)
        return [outcome(task.result) for task in done]

    def close(self):
        self.client.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


class Ray:
    chunks = {"total": (100, 1000, 2500), "busy": (1, 10, 100)}

    def __init__(self):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        import ray

        self.ray = ray
        ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level="CRITICAL", log_to_driver=False)
        self.each = ray.remote(each)

    def map(self, function, items, chunk):
        done = [self.each.remote(function, part) for part in in_parts(items, chunk)]
        return list(itertools.chain.from_iterable(self.ray.get(done)))

    def survivors(self, function, items):
        one = self.ray.remote(function)
        done = [one.remote(item) for item in items]
        return [outcome(lambda task=task: self.ray.get(task)) for task in done]

    def close(self):
        self.ray.shutdown()


class Lithops:
    chunks = {"total": (500, 5000), "busy": (250, 500)}

    def __init__(self):
        import lithops

        # Its workers find the functions there: the copies that it makes of modules are
        # now and then read before they are written.
        os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))
        self.folder = tempfile.mkdtemp(prefix="squall-bench-lithops-")
        self.executor = lithops.FunctionExecutor(
            config={
                "lithops": {"backend": "localhost", "storage": "localhost", "telemetry": False, "log_level": None, "data_limit": False},
                "localhost": {"runtime": sys.executable, "worker_processes": WORKERS},
                "localhost_storage": {"storage_root": self.folder},
            },
        )

    def map(self, function, items, chunk):
        # Its own chunks keep a file for each item; by hand it is far better.
        def each_of(part):
            return [function(item) for item in part]

        data = [{"part": part} for part in in_parts(items, chunk)]
        futures = self.executor.map(each_of, data, exclude_modules=["map_work"])
        self.executor.wait(futures, show_progressbar=False)
        return [result for future in futures for result in future.result()]

    def survivors(self, function, items):
        data = [{"values": item} for item in items]
        futures = self.executor.map(function, data, chunksize=1, exclude_modules=["map_work"])
        self.executor.wait(futures, throw_except=False, show_progressbar=False)
        return [outcome(future.result) for future in futures]

    def close(self):
        self.executor.clean()
        shutil.rmtree(self.folder, ignore_errors=True)


PEERS = {
    "serial": Serial,
    "pool": Pool,
    "joblib": Joblib,
    "dask": Dask,
    "ray": Ray,
    "lithops": Lithops,
    "squall": SquallMap,
}


def each(function, part):
    return [function(item) for item in part]


def caught(function, item):
    return outcome(lambda: function(item))


def outcome(get):
    """A result, or the name of what came instead."""
    try:
        return get()
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


def word(failure):
    return failure if isinstance(failure, str) else failure.kind


def in_parts(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


class Host:
    def __init__(self, peer):
        self.peer = peer
        self.items = []

    def load(self, count):
        self.items = map_work.arrays(count)
        return {}

    def map(self, work, chunk):
        function = getattr(map_work, work)
        before = time.perf_counter()
        results = self.peer.map(function, self.items, chunk)
        seconds = time.perf_counter() - before
        assert len(results) == len(self.items)
        return {"seconds": seconds, "check": sum(results)}

    def best(self, work):
        """Which of the chunk sizes is the fastest; tried twice each where that is short."""
        seconds = {}
        for _ in range(2 if work == "total" else 1):
            for chunk in self.peer.chunks[work]:
                spent = self.map(work, chunk)["seconds"]
                seconds[chunk] = min(spent, seconds.get(chunk, spent))
        return {"chunk": min(seconds, key=seconds.get)}

    def survive(self, count, port):
        before = time.perf_counter()
        results = self.peer.survivors(map_work.fragile, map_work.numbered(count, port))
        good = sum(isinstance(result, float) for result in results)
        words = sorted({word(result) for result in results if not isinstance(result, float)})
        return {"seconds": time.perf_counter() - before, "good": good, "words": words}


def main():
    warnings.simplefilter("ignore")
    # Libraries print as they like; answers have a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    host = Host(PEERS[sys.argv[1]]())
    answers.write('{"ready": true}\n')
    for line in sys.stdin:
        command = json.loads(line)
        name = command.pop("do")
        try:
            answer = getattr(host, name)(**command)
        except Exception as error:  # noqa: BLE001
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(answer) + "\n")
    host.peer.close()


if __name__ == "__main__":
    main()
