"""The built-in sum by id of ten million rows of CSV, file to file, whole process.

Squall's inline map beside polars, DuckDB and pandas: start of the process, reading,
grouping, sorting, writing. They run in turns, and what is compared is the ratio within
a turn, so that a machine that is busy for a while does not decide. Every result is
compared with pandas': ours must be equal byte for byte, the others' in all but the
last digits, because they sum in another order.

    python bench/map_inline.py [--quick] [--no-write]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import results
from peers import harness

FUNCTION = "sum"
POLARS = """
import sys
import polars as pl
rows = pl.scan_csv(sys.argv[1])
rows.group_by("id").agg(pl.col("value").sum()).sort("id").collect(engine=sys.argv[3]).write_csv(sys.argv[2])
"""
DUCKDB = """
import sys
import duckdb
duckdb.sql(
    f"copy (select id, sum(value) as value from read_csv('{sys.argv[1]}') group by id order by id)"
    f" to '{sys.argv[2]}' (header)"
)
"""
PANDAS = """
import sys
import pandas as pd
pd.read_csv(sys.argv[1]).groupby("id")["value"].sum().to_csv(sys.argv[2])
"""
# A process counts as its own peak what its parent had when it began; so a small one
# stands between this one, which holds data, and what is measured.
LAUNCHER = """
import os, sys, time
started = time.monotonic()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.monotonic() - started
cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
print(f'{{"seconds": {seconds}, "cpu": {cpu}, "memory": {memory}}}')
sys.exit(os.waitstatus_to_exitcode(status))
"""
PEERS = ("Squall", "polars", "polars, streaming", "DuckDB", "pandas")


def main():
    arguments = parse()
    rows = 1_000_000 if arguments.quick else 10_000_000
    turns = 3 if arguments.quick else 9
    sections = []
    with tempfile.TemporaryDirectory() as folder:
        for order in ("sorted by id", "shuffled"):
            path = make(Path(folder), rows, order)
            size = path.stat().st_size
            print(f"{order}: {size / 1e6:.0f} MB", file=sys.stderr, flush=True)
            sections.append((order, size, measure(path, Path(folder), turns)))
    text = report(rows, turns, sections)
    print(text)
    if not arguments.no_write:
        results.write_section("map-inline", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    return parser.parse_args()


def make(folder: Path, rows: int, order: str) -> Path:
    """Series of a hundred values each, with the columns of a time series."""
    dice = np.random.default_rng(7)
    series = rows // 100
    frame = pl.DataFrame(
        {
            "id": np.repeat(np.arange(series) + 1_000_000, 100),
            "time": np.tile(np.arange(100) + 10_000_000, series),
            "value": dice.normal(size=rows),
        }
    )
    if order == "shuffled":
        frame = frame[dice.permutation(rows)]
    path = folder / "data.csv"
    frame.write_csv(path)
    return path


def commands(data: Path, out: Path) -> dict:
    def python(script, *more):
        return [sys.executable, "-c", script, data, out, *more]

    squall = [harness.binary(), "map", FUNCTION, data, "-o", out, "--by", "id", "--value", "value", "--to", "inline"]
    return {
        "Squall": squall,
        "polars": python(POLARS, "in-memory"),
        "polars, streaming": python(POLARS, "streaming"),
        "DuckDB": python(DUCKDB),
        "pandas": python(PANDAS),
    }


def measure(data: Path, folder: Path, turns: int) -> dict:
    out = folder / "out.csv"
    every = commands(data, out)
    measured = {name: [] for name in every}
    answers = {}
    for turn in range(turns + 1):
        for name, command in every.items():
            one = spend(command)
            answers[name] = out.read_bytes()
            # The first turn brings the file and the programs into memory.
            if turn:
                measured[name].append(one)
        print(f"  turn {turn} of {turns}", file=sys.stderr, flush=True)
    check(answers)
    return measured


def spend(command) -> dict:
    """Seconds on the clock and of the processors, and the most memory that was in use."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *map(str, command)], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def check(answers: dict):
    if answers["Squall"] != answers["pandas"]:
        sys.exit("Squall's result is not pandas'")
    expected = table_of(answers["pandas"])
    for name, answer in answers.items():
        ids, values = table_of(answer)
        if not (np.array_equal(ids, expected[0]) and np.allclose(values, expected[1], rtol=1e-9, atol=1e-9)):
            sys.exit(f"the result of {name} is wrong")


def table_of(answer: bytes):
    frame = pl.read_csv(answer)
    return frame["id"].to_numpy(), frame["value"].to_numpy()


def report(rows: int, turns: int, sections) -> str:
    lines = [
        "## Map, inline: sum by id",
        "",
        f"{results.when()}, {results.commit()}, {results.machine()}.",
        "",
        f"{rows:,} rows `id,time,value`, a hundred values to an id; CSV file to CSV file, the whole process. "
        f"Medians of {turns} turns; a ratio is the median of the ratios within the turns, below 1 where Squall "
        "is faster. Squall's file is equal to pandas', byte for byte.",
    ]
    for order, size, measured in sections:
        lines += ["", f"### {order}, {size / 1e6:.0f} MB", "", table(measured)]
    return "\n".join(lines)


def table(measured: dict) -> str:
    def median(name, key):
        return statistics.median(one[key] for one in measured[name])

    def ratio(name, key):
        pairs = zip(measured["Squall"], measured[name], strict=True)
        return statistics.median(ours[key] / theirs[key] for ours, theirs in pairs)

    rows = [
        [
            name,
            f"{median(name, 'seconds'):.2f} s",
            f"{ratio(name, 'seconds'):.2f}",
            f"{median(name, 'cpu'):.2f} s",
            f"{ratio(name, 'cpu'):.2f}",
            f"{median(name, 'memory'):.0f} MB",
        ]
        for name in PEERS
    ]
    return results.table(["", "time", "Squall's share", "processor time", "Squall's share", "peak memory"], rows)


if __name__ == "__main__":
    main()
