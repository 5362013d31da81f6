"""The built-in sum by id of ten million rows of CSV, file to file, whole process.

Squall's inline map beside polars, DuckDB and pandas: start of the process, reading,
grouping, sorting, writing. They run in turns, and what is compared is the ratio within
a turn, so that a machine that is busy for a while does not decide. Every result is
compared with pandas': ours must be equal byte for byte, the others' in all but the
last digits, because they sum in another order.

    python bench/map_inline.py [--quick] [--no-write]
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import results
from peers import harness
from spending import spend

FUNCTION = "sum"
# Ten times as many groups: a million of the ten million rows.
PER_MANY = 10
LARGE = 3_000_000_000
# About the length of a row in bytes.
ROW = 36
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
PEERS = ("Squall", "polars", "polars, streaming", "DuckDB", "pandas")


def main():
    arguments = parse()
    rows = 1_000_000 if arguments.quick else 10_000_000
    turns = 3 if arguments.quick else 9
    sections = []
    with tempfile.TemporaryDirectory() as folder:
        for order, per_id in (("sorted by id", 100), ("shuffled", 100), ("shuffled", PER_MANY)):
            path = make(Path(folder), rows, order, per_id)
            size = path.stat().st_size
            title = f"{order}, {rows // per_id:,} ids, {size / 1e6:.0f} MB"
            print(title, file=sys.stderr, flush=True)
            # The last one says what more groups cost; fewer turns are enough for that.
            sections.append((title, measure(path, Path(folder), turns if per_id == 100 else 3)))
            path.unlink()
        large = measure_large(Path(folder), LARGE // 10 if arguments.quick else LARGE)
    text = report(rows, turns, sections) + "\n\n" + large
    print(text)
    if not arguments.no_write:
        results.write_section("map-inline", text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, to try the script")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md alone")
    return parser.parse_args()


def make(folder: Path, rows: int, order: str, per_id: int) -> Path:
    """Series of so many values each, with the columns of a time series."""
    dice = np.random.default_rng(7)
    series = rows // per_id
    frame = pl.DataFrame(
        {
            "id": np.repeat(np.arange(series) + 1_000_000, per_id),
            "time": np.tile(np.arange(per_id) + 10_000_000, series),
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


def make_large(folder: Path, size: int) -> Path:
    """A file of about this many bytes, its rows in no order, written in pieces."""
    dice = np.random.default_rng(11)
    path = folder / "large.csv"
    ids = size // ROW // 100
    with open(path, "wb") as file:
        file.write(b"id,time,value\n")
        while file.tell() < size:
            rows = min(5_000_000, (size - file.tell()) // ROW + 1)
            piece = pl.DataFrame(
                {
                    "id": dice.integers(1_000_000, 1_000_000 + ids, rows),
                    "time": dice.integers(10_000_000, 20_000_000, rows),
                    "value": dice.normal(size=rows),
                }
            )
            piece.write_csv(file, include_header=False)
    return path


def measure_large(folder: Path, size: int) -> str:
    """More data than memory may be taken: what is held back is the memory, not the rows."""
    title = f"### {size / 1e9:.1f} GB of rows in no order, under `--memory 512MB`\n\n"
    if shutil.disk_usage(folder).free < 1.5 * size:
        return title + "Not measured: there was no room for it on the disk."
    path, out = make_large(folder, size), folder / "large.out"
    every = commands(path, out)
    every["Squall"] += ["--memory", "512MB"]
    rows, answers = [], {}
    for name in ("Squall", "polars, streaming", "DuckDB"):
        spent = min((spend(every[name]) for _ in range(2)), key=lambda one: one["seconds"])
        answers[name] = table_of(out.read_bytes())
        rows.append([name, f"{spent['seconds']:.2f} s", f"{spent['cpu']:.2f} s", f"{spent['memory']:.0f} MB"])
        print(f"  {rows[-1]}", file=sys.stderr, flush=True)
    path.unlink()
    for name, (ids, values) in answers.items():
        expected = answers["DuckDB"]
        if not (np.array_equal(ids, expected[0]) and np.allclose(values, expected[1], rtol=1e-9, atol=1e-9)):
            sys.exit(f"the result of {name} is wrong")
    text = "The better of two runs. Nobody but Squall was given a limit.\n\n"
    return title + text + results.table(["", "time", "processor time", "peak memory"], rows)


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
        f"{rows:,} rows `id,time,value`; CSV file to CSV file, the whole process. "
        f"Medians of {turns} turns (3 for the last file); a ratio is the median of the ratios within the turns, below 1 where Squall "
        "is faster. Squall's file is equal to pandas', byte for byte.",
    ]
    for title, measured in sections:
        lines += ["", f"### {title}", "", table(measured)]
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
