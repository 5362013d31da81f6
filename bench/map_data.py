"""Data for bench/map.py, and the counter that its fragile items report to."""

import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import map_work

# What the story would be without an engine: read, group, a pool, write.
POOL_SCRIPT = """
import multiprocessing, sys
import pandas as pd
import map_work

if __name__ == "__main__":
    groups = pd.read_csv(sys.argv[1]).groupby("id")["value"]
    keys, items = zip(*((key, values.to_numpy()) for key, values in groups))
    with multiprocessing.get_context("fork").Pool() as pool:
        found = pool.map(map_work.total, items)
    pd.Series(found, index=pd.Index(keys, name="id"), name="value").to_csv(sys.argv[2])
"""


class Runs:
    """Hears of every run of an item, by datagrams."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.runs = Counter()
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()
        return self

    def listen(self):
        while data := self.socket.recv(32):
            self.runs[int(data)] += 1

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()

    def told(self) -> dict:
        return {"again": sum(self.runs.values()) - len(self.runs), "poison": self.runs[map_work.POISON]}


def make(folder, count) -> Path:
    """As CSV, what the peers have in memory, with the columns of a time series."""
    path = folder / f"{count}.csv"
    script = (
        "import sys, polars as pl, numpy as np; sys.path.insert(0, sys.argv[1]); import map_work;"
        f"v = np.concatenate(map_work.arrays({count}));"
        f"pl.DataFrame({{'id': np.repeat(np.arange({count}), 100), 'time': np.tile(np.arange(100), {count}), 'value': v}})"
        ".write_csv(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", script, Path(map_work.__file__).parent, path], check=True)
    return path


def scattered(folder, groups) -> Path:
    """Five rows of each id, all in disorder."""
    path = folder / f"scattered-{groups}.csv"
    script = (
        "import sys, polars as pl, numpy as np; rng = np.random.default_rng(7);"
        f"ids = rng.permutation(np.repeat(np.arange({groups}), 5));"
        "pl.DataFrame({'id': ids, 'time': np.zeros(len(ids), dtype=int), 'value': rng.random(len(ids)).round(4)})"
        ".write_csv(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True)
    return path


def repeated(path, times) -> Path:
    """The rows of a file so many times."""
    header, _, rows = path.read_bytes().partition(b"\n")
    large = path.with_name("repeated.csv")
    with large.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(rows)
    return large
